"""riskd's slow twin: the same decisions in plain Python, with dictionaries and numbers that cannot overflow.

And a matcher to go with it, as simple as can be: a sorted list a side. Neither shares a line with the kernels.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

from shm.reasons import Reason
from shm.records import COMMAND, EVENT, NO_INSTRUMENT, CommandKind, EventFlag, EventKind, OrderType, Side, TimeInForce

INT64_MAX = 2**63 - 1
BOUND = 2**62


@dataclass
class Position:
    """Lots and money of one account in one instrument."""

    bought: int = 0
    sold: int = 0
    open: list[int] = field(default_factory=lambda: [0, 0])
    cost: int = 0
    realised: int = 0
    turnover: int = 0

    def trade(self, side: int, price: int, quantity: int, tick_value: int) -> None:
        """A fill, one lot of thought at a time: first what closes, then what opens."""
        net = self.bought - self.sold
        closing = min(quantity, -net if side == Side.BUY else net) if net * (1 if side == Side.SELL else -1) > 0 else 0
        if closing:
            released = self.cost * closing // abs(net)
            self.cost -= released
            profit = price * closing * tick_value - released
            self.realised += profit if side == Side.SELL else -profit
        self.cost += price * (quantity - closing) * tick_value
        self.turnover += price * quantity * tick_value
        if side == Side.BUY:
            self.bought += quantity
        else:
            self.sold += quantity


@dataclass
class Order:
    """An order that riskd has numbered and not yet seen the end of."""

    order_id: int
    shard: int
    account: int
    client_order_id: int
    instrument: int
    side: int
    price: int
    quantity: int
    leaves: int
    working: int
    held: int
    pending: int = 0


class Reference:
    """All that riskd knows. An account is (maximum quantity, notional, open orders), an instrument (tick, lot, tick value)."""

    def __init__(self, shards: int, slots: int, accounts: list[Any], instruments: list[Any]) -> None:
        self.accounts, self.instruments = accounts, instruments
        self.free = [list(range(slots))[::-1] for _ in range(shards)]
        self.sequences = [0] * shards
        self.orders: dict[tuple[int, int], Order] = {}
        self.positions: dict[tuple[int, int], Position] = {}
        self.last_price = [0] * len(instruments)

    def held(self, account: int, side: int) -> int:
        """Money that the account's working orders hold on a side."""
        return sum(o.held for o in self.orders.values() if o.account == account and o.side == side)

    def open_lots(self, account: int, instrument: int, side: int) -> int:
        """Lots that the account's working orders may still trade."""
        key = (account, instrument, side)
        return sum(o.working for o in self.orders.values() if (o.account, o.instrument, o.side) == key)

    # ------------------------------------------------------------------------------------ requests

    def take(self, gateway: int, sequence: int, request: Any, now_ns: int) -> list[tuple[int, Any]]:
        """The commands that a request becomes: shard and record."""
        kind, account, instrument = (int(request[name]) for name in ("kind", "account", "instrument"))
        order = self.orders.get((account, int(request["client_order_id"])))
        home = instrument % len(self.free) if 0 <= instrument < len(self.instruments) else 0
        shards, verdict = [home], Reason.UNKNOWN_COMMAND
        if kind == CommandKind.NEW:
            verdict = self.verdict_on_new(request, home)
        elif kind in (CommandKind.CANCEL, CommandKind.REPLACE):
            verdict = self.verdict_on_change(request, order)
            shards = [order.shard if order else home]
        elif kind == CommandKind.MASS_CANCEL:
            verdict = self.verdict_on_mass_cancel(account, instrument)
            if not verdict and instrument == NO_INSTRUMENT:
                shards = list(range(len(self.free)))
        commands = [(shard, self.number(shard, gateway, sequence, request, now_ns, verdict)) for shard in shards]
        if not verdict and kind == CommandKind.NEW:
            self.enter(commands[0][0], commands[0][1])
        elif not verdict and order:
            self.change(commands[0][1], order)
        return commands

    def number(self, shard: int, gateway: int, sequence: int, request: Any, now_ns: int, verdict: int) -> Any:
        """The request as the shard's next command."""
        self.sequences[shard] += 1
        command = request.copy()
        command["sequence"], command["time_ns"], command["order_id"] = self.sequences[shard], now_ns, 0
        command["origin"], command["origin_sequence"], command["verdict"] = gateway, sequence, verdict
        return command

    def verdict_on_new(self, r: Any, shard: int) -> Reason:
        """The first thing wrong with a new order."""
        account, instrument = int(r["account"]), int(r["instrument"])
        if not 0 <= account < len(self.accounts):
            return Reason.UNKNOWN_ACCOUNT
        if not 0 <= instrument < len(self.instruments):
            return Reason.UNKNOWN_INSTRUMENT
        if r["side"] not in list(Side):
            return Reason.UNKNOWN_SIDE
        if r["type"] not in list(OrderType):
            return Reason.UNKNOWN_TYPE
        if r["time_in_force"] not in list(TimeInForce):
            return Reason.UNKNOWN_TIME_IN_FORCE
        if r["type"] == OrderType.MARKET and r["time_in_force"] != TimeInForce.IOC:
            return Reason.TYPE_AND_TIME_IN_FORCE_DISAGREE
        price, quantity, wrong = self.units(r, instrument)
        if not wrong:
            wrong = self.limits(account, instrument, price, quantity, 0, 0)
        if wrong:
            return wrong
        if r["client_order_id"] == 0 or (account, int(r["client_order_id"])) in self.orders:
            return Reason.DUPLICATE_CLIENT_ORDER_ID
        if sum(order.account == account for order in self.orders.values()) >= self.accounts[account][2]:
            return Reason.TOO_MANY_OPEN_ORDERS
        if not self.free[shard]:
            return Reason.ORDER_POOL_FULL
        money = price * quantity * self.instruments[instrument][2]
        return self.room(account, instrument, int(r["side"]), quantity, money)

    def units(self, r: Any, instrument: int) -> tuple[int, int, Reason]:
        """Ticks and lots, and what is wrong with them."""
        tick, lot, _ = self.instruments[instrument]
        price, quantity = int(r["price"]), int(r["quantity"])
        market = r["kind"] == CommandKind.NEW and r["type"] == OrderType.MARKET
        if quantity <= 0:
            return 0, 0, Reason.QUANTITY_NOT_POSITIVE
        if quantity % lot:
            return 0, 0, Reason.QUANTITY_OFF_LOT
        if market:
            return self.last_price[instrument], quantity // lot, Reason.NONE
        if price <= 0:
            return 0, 0, Reason.PRICE_NOT_POSITIVE
        if price % tick:
            return 0, 0, Reason.PRICE_OFF_TICK
        return price // tick, quantity // lot, Reason.NONE

    def limits(self, account: int, instrument: int, price: int, quantity: int, lots_before: int, money_before: int) -> Reason:
        """What the account may not do in one order."""
        maximum_quantity, maximum_notional, _ = self.accounts[account]
        money = price * quantity * self.instruments[instrument][2]
        if quantity > max(maximum_quantity, lots_before):
            return Reason.QUANTITY_ABOVE_MAXIMUM
        if money > INT64_MAX:
            return Reason.NOTIONAL_OVERFLOW
        return Reason.NOTIONAL_ABOVE_MAXIMUM if money > max(maximum_notional, money_before) else Reason.NONE

    def room(self, account: int, instrument: int, side: int, lots: int, money: int) -> Reason:
        """Would anything leave the numbers if all of it traded?"""
        position = self.positions.get((account, instrument), Position())
        done = position.bought if side == Side.BUY else position.sold
        totals = (
            self.held(account, side) + money,
            done + self.open_lots(account, instrument, side) + lots,
            position.turnover + money,
        )
        return Reason.POSITION_OVERFLOW if max(totals) > BOUND else Reason.NONE

    def verdict_on_change(self, r: Any, order: Order | None) -> Reason:
        """The first thing wrong with a cancel or replace."""
        if not 0 <= r["account"] < len(self.accounts):
            return Reason.UNKNOWN_ACCOUNT
        if order is None:
            return Reason.UNKNOWN_ORDER
        if r["kind"] == CommandKind.CANCEL:
            return Reason.NONE
        price, quantity, wrong = self.units(r, order.instrument)
        if not wrong:
            money = order.price * order.quantity * self.instruments[order.instrument][2]
            wrong = self.limits(order.account, order.instrument, price, quantity, order.quantity, money)
        if wrong:
            return wrong
        working, held = self.worst(order, price, quantity)
        return self.room(order.account, order.instrument, order.side, working - order.working, held - order.held)

    def worst(self, order: Order, price: int, quantity: int) -> tuple[int, int]:
        """Lots and money that the order may come to, whether or not the replace is done."""
        leaves = max(quantity - (order.quantity - order.leaves), 0)
        return max(order.working, leaves), max(order.held, price * leaves * self.instruments[order.instrument][2])

    def verdict_on_mass_cancel(self, account: int, instrument: int) -> Reason:
        """The first thing wrong with a mass cancel."""
        if not 0 <= account < len(self.accounts):
            return Reason.UNKNOWN_ACCOUNT
        known = instrument == NO_INSTRUMENT or 0 <= instrument < len(self.instruments)
        return Reason.NONE if known else Reason.UNKNOWN_INSTRUMENT

    def enter(self, shard: int, command: Any) -> None:
        """A new order works from now on; its command gets id, ticks and lots."""
        account, instrument = int(command["account"]), int(command["instrument"])
        price, quantity, _ = self.units(command, instrument)
        order_id = int(command["sequence"]) << 24 | self.free[shard].pop()
        command["order_id"], command["quantity"] = order_id, quantity
        command["price"] = 0 if command["type"] == OrderType.MARKET else price
        held = price * quantity * self.instruments[instrument][2]
        client_order_id, side = int(command["client_order_id"]), int(command["side"])
        self.orders[account, client_order_id] = Order(
            order_id, shard, account, client_order_id, instrument, side, price, quantity, quantity, quantity, held
        )
        self.positions.setdefault((account, instrument), Position())

    def change(self, command: Any, order: Order) -> None:
        """A cancel or replace gets the order's id; a replace is held for at its worst."""
        price, quantity = 0, 0
        if command["kind"] == CommandKind.REPLACE:
            price, quantity, _ = self.units(command, order.instrument)
            order.working, order.held = self.worst(order, price, quantity)
            order.pending += 1
            command["price"], command["quantity"] = price, quantity
        command["order_id"], command["instrument"] = order.order_id, order.instrument

    # ------------------------------------------------------------------------------------ events

    def event(self, shard: int, event: Any) -> None:
        """Take in what the matcher says."""
        order = self.find(shard, int(event["order_id"]))
        if event["kind"] == EventKind.TRADE:
            assert order is not None
            resting = self.find(shard, int(event["resting_order_id"]))
            assert resting is not None
            self.last_price[order.instrument] = int(event["price"])
            self.fill(order, int(event["leaves"]), event)
            self.fill(resting, int(event["resting_leaves"]), event)
        elif event["kind"] == EventKind.CANCELLED:
            assert order is not None
            self.end(order)
        elif event["kind"] == EventKind.REPLACED:
            assert order is not None
            order.price, order.quantity, order.leaves = (int(event[name]) for name in ("price", "quantity", "leaves"))
            self.settle(order)
        elif event["kind"] == EventKind.REJECTED and order is not None:
            if event["flags"] == CommandKind.NEW:
                self.end(order)
            elif event["flags"] == CommandKind.REPLACE:
                self.settle(order)

    def find(self, shard: int, order_id: int) -> Order | None:
        """The live order of that id."""
        found = [o for o in self.orders.values() if (o.shard, o.order_id) == (shard, order_id)]
        return found[0] if found else None

    def fill(self, order: Order, leaves: int, event: Any) -> None:
        """One side of a trade."""
        price, quantity, tick_value = int(event["price"]), int(event["quantity"]), self.instruments[order.instrument][2]
        self.positions[order.account, order.instrument].trade(order.side, price, quantity, tick_value)
        order.leaves = leaves
        if leaves == 0:
            self.end(order)
        elif order.pending:
            order.working = max(order.working - quantity, leaves)
        else:
            order.working, order.held = leaves, order.price * leaves * tick_value

    def settle(self, order: Order) -> None:
        """The outcome of a replace is known."""
        order.pending -= 1
        if not order.pending:
            order.working = order.leaves
            order.held = order.price * order.leaves * self.instruments[order.instrument][2]

    def end(self, order: Order) -> None:
        """The order is gone."""
        self.free[order.shard].append(order.order_id & 0xFFFFFF)
        del self.orders[order.account, order.client_order_id]


class SimpleMatcher:
    """One shard's books: price and time, a list a side. Takes commands, gives events."""

    def __init__(self) -> None:
        self.sequence = 0
        self.live: dict[int, Any] = {}
        self.events: list[Any] = []

    def handle(self, command: Any) -> list[Any]:
        """The events of one command."""
        self.events = []
        order = self.live.get(int(command["order_id"]))
        kind = command["kind"]
        if command["verdict"]:
            self.say(command, EventKind.REJECTED, command, reason=command["verdict"], flags=kind)
        elif kind == CommandKind.NEW:
            self.enter(command)
        elif kind == CommandKind.MASS_CANCEL:
            self.mass_cancel(command)
        elif kind in (CommandKind.CANCEL, CommandKind.REPLACE) and order is None:
            self.say(command, EventKind.REJECTED, command, reason=Reason.ORDER_NOT_LIVE, flags=kind)
        elif kind == CommandKind.CANCEL:
            self.take_off(command, order, Reason.CANCELLED_BY_CLIENT)
        elif kind == CommandKind.REPLACE:
            self.replace(command, order)
        if self.events and self.events[-1]["kind"] != EventKind.REJECTED:
            self.events[-1]["flags"] = EventFlag.LAST
        return self.events

    def enter(self, command: Any) -> None:
        """Match, then rest or cancel."""
        order = {name: int(command[name]) for name in COMMAND.names or () if name != "pad"}
        order["leaves"], order["priority"] = order["quantity"], int(command["sequence"])
        if order["price"] % 97 == 96:  # stands for all that a matcher may have against an order
            self.say(command, EventKind.REJECTED, command, reason=Reason.PRICE_OUT_OF_RANGE, flags=CommandKind.NEW)
            return
        self.say(command, EventKind.ACCEPTED, order, quantity=order["quantity"], leaves=order["quantity"])
        self.match(command, order)
        if order["leaves"] and order["time_in_force"] == TimeInForce.IOC:
            self.take_off(command, order, Reason.NO_LIQUIDITY)
        elif order["leaves"]:
            self.live[order["order_id"]] = order

    def match(self, command: Any, order: Any) -> None:
        """Trade against the best orders of the other side while the price allows."""
        sign = 1 if order["side"] == Side.BUY else -1
        against = [o for o in self.live.values() if o["instrument"] == order["instrument"] and o["side"] != order["side"]]
        for resting in sorted(against, key=lambda o: (sign * o["price"], o["priority"])):
            crosses = order["type"] == OrderType.MARKET or sign * resting["price"] <= sign * order["price"]
            if not order["leaves"] or not crosses:
                break
            quantity = min(order["leaves"], resting["leaves"])
            order["leaves"] -= quantity
            resting["leaves"] -= quantity
            names = {
                "resting_order_id": resting["order_id"],
                "resting_client_order_id": resting["client_order_id"],
                "resting_account": resting["account"],
                "resting_leaves": resting["leaves"],
            }
            self.say(
                command, EventKind.TRADE, order, price=resting["price"], quantity=quantity, leaves=order["leaves"], **names
            )
            if not resting["leaves"]:
                del self.live[resting["order_id"]]

    def replace(self, command: Any, order: Any) -> None:
        """New price, new total; the order goes to the back."""
        price, quantity = int(command["price"]), int(command["quantity"])
        leaves = quantity - (order["quantity"] - order["leaves"])
        if leaves <= 0:
            self.take_off(command, order, Reason.CANCELLED_BY_CLIENT)
            return
        if price % 97 == 96:
            self.say(command, EventKind.REJECTED, command, reason=Reason.PRICE_OUT_OF_RANGE, flags=CommandKind.REPLACE)
            return
        del self.live[order["order_id"]]
        order.update(price=price, quantity=quantity, leaves=leaves, priority=int(command["sequence"]))
        self.say(command, EventKind.REPLACED, order, quantity=quantity, leaves=leaves)
        self.match(command, order)
        if order["leaves"]:
            self.live[order["order_id"]] = order

    def mass_cancel(self, command: Any) -> None:
        """All orders of the account, in one instrument or all."""
        wanted = (int(command["instrument"]), NO_INSTRUMENT)
        named = command["instrument"] == NO_INSTRUMENT
        mine = [o for o in self.live.values() if o["account"] == command["account"] and (named or o["instrument"] in wanted)]
        for order in mine:
            self.take_off(command, order, Reason.CANCELLED_BY_MASS_CANCEL)
        self.say(command, EventKind.MASS_CANCELLED, command, order_id=0, quantity=len(mine))

    def take_off(self, command: Any, order: Any, reason: Reason) -> None:
        """Cancel what is left of an order."""
        self.live.pop(order["order_id"], None)
        self.say(command, EventKind.CANCELLED, order, quantity=order["leaves"], reason=reason)

    def say(self, command: Any, kind: EventKind, about: Any, **fields: int) -> None:
        """One event."""
        self.sequence += 1
        event = np.zeros(1, EVENT)[0]
        event["sequence"], event["kind"] = self.sequence, kind
        event["command_sequence"], event["time_ns"] = command["sequence"], command["time_ns"]
        for name in ("order_id", "client_order_id", "account", "instrument", "side", "price"):
            event[name] = about[name]
        for name, value in fields.items():
            event[name] = value
        self.events.append(event)
