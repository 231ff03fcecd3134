"""The matcher again, in plain Python: dicts and lists, nothing clever, nothing shared with the kernels."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from shm.reasons import Reason
from shm.records import CommandKind, EventFlag, EventKind, OrderType, Side, TimeInForce

HIGHEST_PRICE = 2**48 - 2


@dataclass
class Order:
    """An order that was entered. ``executed`` + ``leaves`` = ``quantity`` while it lives."""

    order_id: int
    client_order_id: int
    account: int
    instrument: int
    side: int
    type: int
    time_in_force: int
    price: int
    quantity: int
    leaves: int


@dataclass
class Twin:
    """All books of a shard. ``handle`` takes a command as a dict and appends dicts to ``events``."""

    instruments: int
    accounts: int
    orders: int
    levels: int
    events: list[dict[str, Any]] = field(default_factory=list)
    queues: dict[int, list[Order]] = field(default_factory=dict)
    """By instrument: its resting orders, in the order in which they came to their price."""
    resting: dict[int, Order] = field(default_factory=dict)
    """By order id, in the order of entry."""
    known_accounts: set[int] = field(default_factory=set)

    def run(self, commands: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
        """The events of ``commands``."""
        self.events = []
        for command in commands:
            self.handle(command)
        return self.events

    def handle(self, command: dict[str, Any]) -> None:
        """Do what the command says and tell it."""
        first = len(self.events)
        if command["verdict"]:
            self.reject(command, command["verdict"])
        elif command["kind"] == CommandKind.NEW:
            self.new(command)
        elif command["kind"] == CommandKind.CANCEL:
            self.cancel(command)
        elif command["kind"] == CommandKind.REPLACE:
            self.replace(command)
        elif command["kind"] == CommandKind.MASS_CANCEL:
            self.mass_cancel(command)
        else:
            self.other(command)
        for index, event in enumerate(self.events[first:]):
            event["index"] = index
        if self.events[-1]["kind"] != EventKind.REJECTED:
            self.events[-1]["flags"] |= EventFlag.LAST

    def new(self, command: dict[str, Any]) -> None:
        reason = self.objection(command)
        if reason:
            self.reject(command, reason)
            return
        names = ("order_id", "client_order_id", "account", "instrument", "side", "type", "time_in_force", "price", "quantity")
        order = Order(**{name: command[name] for name in names}, leaves=command["quantity"])
        self.tell(command, EventKind.ACCEPTED, order, price=order.price, quantity=order.quantity, leaves=order.leaves)
        self.match(command, order)
        if order.leaves == 0:
            return
        if order.type == OrderType.MARKET or order.time_in_force == TimeInForce.IOC:
            self.tell(command, EventKind.CANCELLED, order, price=order.price, quantity=order.leaves, reason=Reason.NO_LIQUIDITY)
            return
        self.resting[order.order_id] = order
        self.queues[order.instrument].append(order)

    def objection(self, command: dict[str, Any]) -> int:
        market = command["type"] == OrderType.MARKET
        slots = {order_id % 2**24 for order_id in self.resting}
        slot = command["order_id"] % 2**24
        if command["side"] not in (Side.BUY, Side.SELL):
            return Reason.UNKNOWN_SIDE
        if command["quantity"] <= 0:
            return Reason.QUANTITY_NOT_POSITIVE
        if not market and not 1 <= command["price"] <= HIGHEST_PRICE:
            return Reason.PRICE_OUT_OF_RANGE
        if not market and command["time_in_force"] == TimeInForce.GTC and self.levels_in_use() == self.levels:
            return Reason.LEVEL_POOL_FULL
        if command["order_id"] <= 0 or slot >= self.orders or slot in slots:
            return Reason.BAD_ORDER_ID
        if command["instrument"] not in self.queues:
            return Reason.INSTRUMENT_NOT_DEFINED
        if command["account"] not in self.known_accounts:
            return Reason.ACCOUNT_NOT_DEFINED
        return Reason.NONE

    def levels_in_use(self) -> int:
        return len({(order.instrument, order.side, order.price) for order in self.resting.values()})

    def match(self, command: dict[str, Any], order: Order) -> None:
        while order.leaves:
            opposite = [resting for resting in self.queues[order.instrument] if resting.side != order.side]
            opposite = [resting for resting in opposite if self.crosses(order, resting)]
            if not opposite:
                return
            best = min if order.side == Side.BUY else max
            price = best(resting.price for resting in opposite)
            self.trade(command, order, next(resting for resting in opposite if resting.price == price))

    def crosses(self, order: Order, resting: Order) -> bool:
        if order.type == OrderType.MARKET:
            return True
        return resting.price <= order.price if order.side == Side.BUY else resting.price >= order.price

    def trade(self, command: dict[str, Any], order: Order, resting: Order) -> None:
        quantity = min(order.leaves, resting.leaves)
        order.leaves -= quantity
        resting.leaves -= quantity
        if resting.leaves == 0:
            self.remove(resting)
        self.tell(
            command,
            EventKind.TRADE,
            order,
            price=resting.price,
            quantity=quantity,
            leaves=order.leaves,
            resting_leaves=resting.leaves,
            resting_order_id=resting.order_id,
            resting_client_order_id=resting.client_order_id,
            resting_account=resting.account,
        )

    def remove(self, order: Order) -> None:
        del self.resting[order.order_id]
        self.queues[order.instrument] = [other for other in self.queues[order.instrument] if other is not order]

    def cancel(self, command: dict[str, Any]) -> None:
        if command["order_id"] in self.resting:
            self.take_off(command, self.resting[command["order_id"]], Reason.CANCELLED_BY_CLIENT)
        else:
            self.reject(command, Reason.ORDER_NOT_LIVE)

    def take_off(self, command: dict[str, Any], order: Order, reason: Reason) -> None:
        self.remove(order)
        self.tell(command, EventKind.CANCELLED, order, price=order.price, quantity=order.leaves, reason=reason)

    def replace(self, command: dict[str, Any]) -> None:
        order = self.resting.get(command["order_id"])
        if order is None:
            self.reject(command, Reason.ORDER_NOT_LIVE)
            return
        price, quantity = command["price"], command["quantity"]
        executed = order.quantity - order.leaves
        neighbours = [other for other in self.resting.values() if other is not order]
        alone = not any((o.instrument, o.side, o.price) == (order.instrument, order.side, order.price) for o in neighbours)
        keeps_priority = price == order.price and quantity < order.quantity
        if quantity <= executed:
            self.take_off(command, order, Reason.CANCELLED_BY_CLIENT)
        elif not 1 <= price <= HIGHEST_PRICE:
            self.reject(command, Reason.PRICE_OUT_OF_RANGE)
        elif not keeps_priority and not alone and self.levels_in_use() == self.levels:
            self.reject(command, Reason.LEVEL_POOL_FULL)
        else:
            order.price, order.quantity, order.leaves = price, quantity, quantity - executed
            self.tell(command, EventKind.REPLACED, order, price=price, quantity=quantity, leaves=order.leaves)
            if not keeps_priority:
                self.move(command, order)

    def move(self, command: dict[str, Any], order: Order) -> None:
        queue = [other for other in self.queues[order.instrument] if other is not order]
        self.queues[order.instrument] = queue
        self.match(command, order)
        if order.leaves:
            self.queues[order.instrument].append(order)
        else:
            del self.resting[order.order_id]

    def mass_cancel(self, command: dict[str, Any]) -> None:
        if command["account"] not in self.known_accounts:
            self.reject(command, Reason.ACCOUNT_NOT_DEFINED)
            return
        mine = [order for order in self.resting.values() if order.account == command["account"]]
        wanted = [order for order in mine if command["instrument"] in (-1, order.instrument)]
        for order in wanted:
            self.take_off(command, order, Reason.CANCELLED_BY_MASS_CANCEL)
        self.tell(command, EventKind.MASS_CANCELLED, quantity=len(wanted))

    def other(self, command: dict[str, Any]) -> None:
        kind = command["kind"]
        if kind == CommandKind.INSTRUMENT:
            self.define_instrument(command)
        elif kind == CommandKind.ACCOUNT:
            self.define_account(command)
        elif kind == CommandKind.SNAPSHOT:
            self.tell(command, EventKind.SNAPSHOT_TAKEN)
        elif kind == CommandKind.CLOCK:
            self.tell(command, EventKind.CLOCK)
        else:
            self.reject(command, Reason.UNKNOWN_COMMAND)

    def define_instrument(self, command: dict[str, Any]) -> None:
        if not 0 <= command["instrument"] < self.instruments:
            self.reject(command, Reason.INSTRUMENT_BEYOND_BOUND)
        elif command["instrument"] in self.queues:
            self.reject(command, Reason.INSTRUMENT_ALREADY_DEFINED)
        else:
            self.queues[command["instrument"]] = []
            self.tell(command, EventKind.INSTRUMENT_DEFINED)

    def define_account(self, command: dict[str, Any]) -> None:
        if not 0 <= command["account"] < self.accounts:
            self.reject(command, Reason.ACCOUNT_BEYOND_BOUND)
        else:
            self.known_accounts.add(command["account"])
            self.tell(command, EventKind.ACCOUNT_DEFINED)

    def reject(self, command: dict[str, Any], reason: int) -> None:
        names = ["order_id", "client_order_id"]
        if command["kind"] <= CommandKind.MASS_CANCEL:
            names += ["side", "type", "time_in_force", "price", "quantity"]
        said = {name: command[name] for name in names}
        self.tell(command, EventKind.REJECTED, **said, reason=reason, flags=command["kind"])

    def tell(self, command: dict[str, Any], kind: EventKind, order: Order | None = None, **fields: int) -> None:
        event = {name: command[name] for name in ("time_ns", "session", "request_id", "account", "instrument")}
        event |= {"command_sequence": command["sequence"], "kind": kind, "flags": 0}
        if order:
            names = ("order_id", "client_order_id", "account", "instrument", "side", "type", "time_in_force")
            event |= {name: getattr(order, name) for name in names}
        self.events.append(event | fields)
