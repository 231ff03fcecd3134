"""riskd's slow twin: the same decisions in plain Python, with dictionaries and numbers that cannot overflow.

And a matcher to go with it, as simple as can be: a sorted list a side. Neither shares a line with the kernels.
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np

import riskd_orders_twin as orders_twin
from riskd_controls_twin import DAY_NS, Controls, More
from shm.controls import Control, Scope
from shm.reasons import Reason
from shm.records import (
    COMMAND,
    EVENT,
    NO_ACCOUNT,
    NO_INSTRUMENT,
    CommandKind,
    EventFlag,
    EventKind,
    MassCancelFlag,
    OrderFlag,
    OrderType,
    Side,
    TimeInForce,
)

INT64_MAX = 2**63 - 1
BOUND = 2**62
LIMITED = {OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.MARKET_TO_LIMIT}
LIMITED |= {OrderType.PEGGED_BID, OrderType.PEGGED_ASK, OrderType.PEGGED_MIDDLE}
"""Types whose price in an event is the worst that they trade at."""
PLAIN_TIMES = {TimeInForce.GTC, TimeInForce.IOC, TimeInForce.DAY}


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
    type: int
    in_basis_points: bool
    expires: bool
    pending: int = 0


class Reference:
    """All that riskd knows. An account is (maximum quantity, notional, open orders) and, if it has them, self-trade rule and
    group; an instrument is (tick, lot, tick value)."""

    def __init__(self, shards: int, slots: int, accounts: list[Any], instruments: list[Any]) -> None:
        self.accounts, self.instruments = accounts, instruments
        self.free = [list(range(slots))[::-1] for _ in range(shards)]
        self.sequences = [0] * shards
        self.orders: dict[tuple[int, int], Order] = {}
        self.positions: dict[tuple[int, int], Position] = {}
        self.last_price = [0] * len(instruments)
        self.controls = Controls(self)

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
        self.controls.gateway, self.controls.now_ns = gateway, now_ns
        if kind in (CommandKind.NEW, CommandKind.REPLACE) and 0 <= account < len(self.accounts):
            self.controls.count_message(account, now_ns)
        if kind == CommandKind.NEW:
            verdict = self.verdict_on_new(request, home)
        elif kind in (CommandKind.CANCEL, CommandKind.REPLACE, CommandKind.REDUCE):
            verdict = self.verdict_on_change(request, order)
            shards = [order.shard if order else home]
        elif kind == CommandKind.MASS_CANCEL:
            verdict = self.verdict_on_mass_cancel(request)
            if not verdict and instrument == NO_INSTRUMENT:
                shards = list(range(len(self.free)))
        commands = [(shard, self.number(shard, gateway, sequence, request, now_ns, verdict)) for shard in shards]
        if not verdict and kind == CommandKind.NEW:
            self.enter(commands[0][0], commands[0][1], request)
        elif not verdict and kind == CommandKind.MASS_CANCEL and request["flags"] & MassCancelFlag.BY_PRICE:
            for name in ("price", "stop_price"):
                commands[0][1][name] = int(request[name]) // self.instruments[instrument][0]
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
        if r["type"] == OrderType.MARKET and r["time_in_force"] == TimeInForce.GTC:
            return Reason.TYPE_AND_TIME_IN_FORCE_DISAGREE
        wrong = self.off_units(r, instrument, int(r["type"]), bool(r["flags"] & OrderFlag.BASIS_POINTS))
        price, quantity = 0, int(r["quantity"]) // self.instruments[instrument][1]
        if not wrong:
            price = self.reckoned(r, instrument)
            wrong = self.limits(account, instrument, price, quantity, 0, 0)
        if wrong:
            return wrong
        if r["client_order_id"] == 0 or (account, int(r["client_order_id"])) in self.orders:
            return Reason.DUPLICATE_CLIENT_ORDER_ID
        rising = self.controls.get(Scope.ACCOUNT, account, Control.RISING_IDS)
        if rising and int(r["client_order_id"]) <= self.controls.highest.get(account, 0):
            return Reason.DUPLICATE_CLIENT_ORDER_ID
        if orders_twin.is_remembered(self.controls, account, int(r["client_order_id"])):
            return Reason.DUPLICATE_CLIENT_ORDER_ID
        if sum(order.account == account for order in self.orders.values()) >= self.accounts[account][2]:
            return Reason.TOO_MANY_OPEN_ORDERS
        if not self.free[shard]:
            return Reason.ORDER_POOL_FULL
        if r["flags"] & OrderFlag.EXTENDED and r["order_id"] and self.partner(r, shard) is None:
            return Reason.UNKNOWN_ORDER
        money = price * quantity * self.instruments[instrument][2]
        more, side = More(quantity, money, money, 1), int(r["side"])
        wrong = self.room(account, instrument, side, more) or self.controls.verdict(r, instrument, side, more)
        return wrong or orders_twin.verdict(self.controls, r, instrument, int(r["type"]))

    def of_funds(self, r: Any, order: Order | None) -> Reason:
        """What is wrong with a new order, or a replace of ``order``, by its account's funds: here nobody has any."""
        return Reason.NONE

    def off_units(self, r: Any, instrument: int, type_: int, in_basis_points: bool) -> Reason:
        """What is wrong with the numbers of a NEW or REPLACE, in the order of the codes."""
        tick, lot, _ = self.instruments[instrument]
        new = r["kind"] == CommandKind.NEW
        more = not new or r["flags"] & OrderFlag.EXTENDED
        if r["quantity"] <= 0:
            return Reason.QUANTITY_NOT_POSITIVE
        names = ("quantity", "display_quantity", "minimum_quantity") if new and more else ("quantity",)
        if any(int(r[name]) % lot for name in names):
            return Reason.QUANTITY_OFF_LOT
        if r["price"] < (1 if type_ in (OrderType.LIMIT, OrderType.STOP_LIMIT) else 0):
            return Reason.PRICE_NOT_POSITIVE
        if int(r["price"]) % tick:
            return Reason.PRICE_OFF_TICK
        if not more:
            return Reason.NONE
        stop, step = int(r["stop_price"]), int(r["time_ns"])
        good = (in_basis_points or stop % tick == 0) and step % tick == 0 and 0 <= step // tick < 1 << 16
        return Reason.NONE if good else Reason.PRICE_OFF_TICK

    def reckoned(self, r: Any, instrument: int, order: Order | None = None) -> int:
        """The price, in ticks, that a good NEW, or a good REPLACE of ``order``, is reckoned at."""
        tick, type_ = self.instruments[instrument][0], order.type if order else int(r["type"])
        in_basis_points = order.in_basis_points if order else r["flags"] & OrderFlag.BASIS_POINTS
        price, side = int(r["price"]) // tick, order.side if order else int(r["side"])
        stop = int(r["stop_price"]) // (1 if in_basis_points else tick)
        if order is None and not r["flags"] & OrderFlag.EXTENDED:
            stop = 0
        found = self.last_price[instrument]
        if price and type_ != OrderType.TRAILING_STOP_LIMIT:
            found = price
        elif type_ == OrderType.STOP and side == Side.BUY and stop > 0:
            found = stop
        return found if order is None or (price and type_ in LIMITED) else max(found, order.price)

    def partner(self, r: Any, shard: int) -> Order | None:
        """The order of the account's, in the shard, that a new one is linked to."""
        found = self.orders.get((int(r["account"]), int(r["order_id"]) % (1 << 64)))
        return found if found and found.shard == shard else None

    def limits(self, account: int, instrument: int, price: int, quantity: int, lots_before: int, money_before: int) -> Reason:
        """What the account may not do in one order."""
        maximum_quantity, maximum_notional = self.accounts[account][:2]
        money = price * quantity * self.instruments[instrument][2]
        if quantity > max(maximum_quantity, lots_before):
            return Reason.QUANTITY_ABOVE_MAXIMUM
        if money > INT64_MAX:
            return Reason.NOTIONAL_OVERFLOW
        return Reason.NOTIONAL_ABOVE_MAXIMUM if money > max(maximum_notional, money_before) else Reason.NONE

    def room(self, account: int, instrument: int, side: int, more: More) -> Reason:
        """Would anything leave the numbers if all of it traded?"""
        position = self.positions.get((account, instrument), Position())
        lots, turnover = self.controls.done(account, instrument, side) + more.lots, position.turnover + more.money
        at_stake = sum(self.controls.costs([account])) + sum(self.held(account, each) for each in Side) + more.money
        fits = lots <= BOUND and turnover <= BOUND and (at_stake < BOUND or more.money == 0)
        fits = fits and self.controls.has_room(account, instrument, side, more)
        return Reason.NONE if fits else Reason.POSITION_OVERFLOW

    def verdict_on_change(self, r: Any, order: Order | None) -> Reason:
        """The first thing wrong with a cancel or replace."""
        if not 0 <= r["account"] < len(self.accounts):
            return Reason.UNKNOWN_ACCOUNT
        if order is None:
            return Reason.UNKNOWN_ORDER
        if r["kind"] == CommandKind.CANCEL:
            return Reason.NONE
        _, lot, tick_value = self.instruments[order.instrument]
        if r["kind"] == CommandKind.REDUCE:
            off = Reason.QUANTITY_OFF_LOT if r["quantity"] % lot else Reason.NONE
            return Reason.QUANTITY_NOT_POSITIVE if r["quantity"] <= 0 else off
        wrong = self.off_units(r, order.instrument, order.type, order.in_basis_points)
        if wrong:
            return wrong
        price, quantity = self.reckoned(r, order.instrument, order), int(r["quantity"]) // lot
        money = order.price * order.quantity * tick_value
        wrong = self.limits(order.account, order.instrument, price, quantity, order.quantity, money)
        if wrong:
            return wrong
        working, held = self.worst(order, price, quantity)
        more = More(working - order.working, held - order.held, price * quantity * tick_value, 0)
        wrong = self.room(order.account, order.instrument, order.side, more)
        wrong = wrong or self.controls.verdict(r, order.instrument, order.side, more)
        return wrong or orders_twin.verdict(self.controls, r, order.instrument, order.type, order)

    def worst(self, order: Order, price: int, quantity: int) -> tuple[int, int]:
        """Lots and money that the order may come to, whether or not the replace is done."""
        leaves = max(quantity - (order.quantity - order.leaves), 0)
        return max(order.working, leaves), max(order.held, price * leaves * self.instruments[order.instrument][2])

    def verdict_on_mass_cancel(self, r: Any) -> Reason:
        """The first thing wrong with a mass cancel."""
        instrument, flags = int(r["instrument"]), int(r["flags"])
        if not 0 <= r["account"] < len(self.accounts):
            return Reason.UNKNOWN_ACCOUNT
        known = 0 <= instrument < len(self.instruments)
        if not known and (instrument != NO_INSTRUMENT or flags & MassCancelFlag.BY_PRICE):
            return Reason.UNKNOWN_INSTRUMENT
        if flags & MassCancelFlag.BY_SIDE and r["side"] not in list(Side):
            return Reason.UNKNOWN_SIDE
        if flags & MassCancelFlag.BY_PRICE:
            tick = self.instruments[instrument][0]
            return Reason.PRICE_OFF_TICK if r["price"] % tick or r["stop_price"] % tick else Reason.NONE
        return Reason.NONE

    def enter(self, shard: int, command: Any, r: Any) -> None:
        """A new order works from now on; its command gets id, ticks and lots, its partner's slot, and its account's rules."""
        account, instrument, type_ = int(command["account"]), int(command["instrument"]), int(command["type"])
        tick, lot, tick_value = self.instruments[instrument]
        price, quantity = self.reckoned(r, instrument), int(r["quantity"]) // lot
        in_basis_points = bool(r["flags"] & OrderFlag.BASIS_POINTS)
        order_id = int(command["sequence"]) << 24 | self.free[shard].pop()
        command["order_id"], command["price"], command["quantity"] = order_id, int(r["price"]) // tick, quantity
        if r["flags"] & OrderFlag.EXTENDED:
            command["stop_price"] = int(r["stop_price"]) // (1 if in_basis_points else tick)
            command["step"] = int(r["time_ns"]) // tick
            command["display_quantity"] = int(r["display_quantity"]) // lot
            command["minimum_quantity"] = int(r["minimum_quantity"]) // lot
            partner = self.partner(r, shard)
            command["linked"] = 1 + (partner.order_id & 0xFFFFFF) if partner else 0
        rule, group = (*self.accounts[account], 0, 0)[3:5]
        command["self_trade_rule"] = command["self_trade_rule"] or rule
        command["self_trade_group"] = command["self_trade_group"] or group
        more = command["self_trade_rule"] or command["self_trade_group"] or type_ > OrderType.MARKET
        if more or command["time_in_force"] not in PLAIN_TIMES:
            command["flags"] |= OrderFlag.EXTENDED
        held = price * quantity * tick_value
        client_order_id, side = int(command["client_order_id"]), int(command["side"])
        expires = bool(command["time_in_force"] == TimeInForce.GTD)
        numbers = (side, price, quantity, quantity, quantity, held, type_, in_basis_points, expires)
        self.orders[account, client_order_id] = Order(order_id, shard, account, client_order_id, instrument, *numbers)
        self.positions.setdefault((account, instrument), Position())
        self.controls.ordered.append((account, self.controls.day, held))
        orders_twin.remember(self.controls, account, client_order_id)
        self.controls.highest[account] = max(self.controls.highest.get(account, 0), client_order_id)

    def change(self, command: Any, order: Order) -> None:
        """A cancel, replace or reduce gets the order's id; a replace is held for at its worst."""
        tick, lot, _ = self.instruments[order.instrument]
        if command["kind"] == CommandKind.REPLACE:
            found, quantity = self.reckoned(command, order.instrument, order), int(command["quantity"]) // lot
            order.working, order.held = self.worst(order, found, quantity)
            money = found * quantity * self.instruments[order.instrument][2]
            self.controls.ordered.append((order.account, self.controls.day, money))
            if not command["price"] or order.type not in LIMITED:
                order.price = found
            command["price"] //= tick
            if not order.in_basis_points:
                command["stop_price"] //= tick
        if command["kind"] != CommandKind.CANCEL:
            order.pending += 1
            command["quantity"] //= lot
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
            order.quantity, order.leaves = (int(event[name]) for name in ("quantity", "leaves"))
            self.reckon_at(order, int(event["price"]))
            self.settle(order)
        elif event["kind"] in (EventKind.RESTATED, EventKind.TRIGGERED):
            assert order is not None
            self.become(order, event)
        elif event["kind"] == EventKind.REJECTED and order is not None:
            if event["flags"] == CommandKind.NEW:
                self.end(order)
            elif event["flags"] in (CommandKind.REPLACE, CommandKind.REDUCE):
                self.settle(order)

    def become(self, order: Order, event: Any) -> None:
        """The matcher has given the order other terms, or made it active."""
        price, tick_value = int(event["price"]), self.instruments[order.instrument][2]
        if event["kind"] == EventKind.RESTATED:
            order.quantity, order.leaves = int(event["quantity"]), int(event["leaves"])
            self.reckon_at(order, price)
            if order.type == OrderType.MARKET_TO_LIMIT and price:
                order.type, order.in_basis_points = OrderType.LIMIT, False
        elif order.type in (OrderType.STOP_LIMIT, OrderType.TRAILING_STOP_LIMIT):
            order.type, order.in_basis_points = OrderType.LIMIT, False
            self.reckon_at(order, price)
        else:
            if order.type in (OrderType.STOP, OrderType.TRAILING_STOP):
                order.type, order.in_basis_points = OrderType.MARKET, False
            return
        money = order.price * order.leaves * tick_value
        order.working = max(order.working, order.leaves) if order.pending else order.leaves
        order.held = max(order.held, money) if order.pending else money

    def reckon_at(self, order: Order, price: int) -> None:
        """From now on its money is reckoned at ``price``, if there is one and it can be."""
        tick_value = self.instruments[order.instrument][2]
        sums = [[order.account], *self.controls.kept_beside(order.account)]
        others = max(sum(self.held(account, order.side) for account in each) for each in sums) - order.held
        fits = price * order.quantity * tick_value <= INT64_MAX and others + price * order.leaves * tick_value <= BOUND
        if price > 0 and order.type in LIMITED and fits:
            order.price = price

    def find(self, shard: int, order_id: int) -> Order | None:
        """The live order of that id."""
        found = [o for o in self.orders.values() if (o.shard, o.order_id) == (shard, order_id)]
        return found[0] if found else None

    def fill(self, order: Order, leaves: int, event: Any) -> None:
        """One side of a trade."""
        price, quantity, tick_value = int(event["price"]), int(event["quantity"]), self.instruments[order.instrument][2]
        self.positions[order.account, order.instrument].trade(order.side, price, quantity, tick_value)
        self.controls.filled(order.account, order.instrument, int(event["time_ns"]) // DAY_NS, order.side, quantity, price)
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


WAITING = {OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAILING_STOP, OrderType.TRAILING_STOP_LIMIT}
FAR = 2**40
"""A price that is there to be reckoned at; nobody trades at it."""


class SimpleMatcher:
    """One shard's books: price and time, a list a side. Takes commands, gives events. Knows no terms that go together, and
    triggers nothing: see ``LivelyMatcher``."""

    def __init__(self) -> None:
        self.sequence = 0
        self.live: dict[int, Any] = {}
        self.events: list[Any] = []

    def handle(self, command: Any) -> list[Any]:
        """The events of one command."""
        self.events = []
        self.act(command)
        self.stir(command)
        if self.events and self.events[-1]["kind"] != EventKind.REJECTED:
            self.events[-1]["flags"] |= EventFlag.LAST
        return self.events

    def stir(self, command: Any) -> None:
        """What else happens after a command."""

    def act(self, command: Any) -> None:
        """What the command asks for."""
        order = self.live.get(int(command["order_id"]))
        kind = command["kind"]
        if command["verdict"]:
            self.say(command, EventKind.REJECTED, command, reason=command["verdict"], flags=kind)
        elif kind == CommandKind.NEW:
            self.enter(command)
        elif kind == CommandKind.MASS_CANCEL:
            self.mass_cancel(command)
        elif kind == CommandKind.CLOCK:
            self.expire(command)
        elif kind in (CommandKind.CANCEL, CommandKind.REPLACE, CommandKind.REDUCE) and order is None:
            self.say(command, EventKind.REJECTED, command, reason=Reason.ORDER_NOT_LIVE, flags=kind)
        elif kind == CommandKind.CANCEL:
            self.take_off(command, order, Reason.CANCELLED_BY_CLIENT)
        elif kind == CommandKind.REPLACE:
            self.replace(command, order)
        elif kind == CommandKind.REDUCE:
            self.reduce(command, order)

    def expire(self, command: Any) -> None:
        """What was good till a date that has come is no longer."""
        dated = [order for order in self.live.values() if order["time_in_force"] == TimeInForce.GTD]
        for order in dated:
            if order["expiry_ns"] <= command["time_ns"]:
                self.take_off(command, order, Reason.EXPIRED)
        self.say(command, EventKind.CLOCK, command)

    def enter(self, command: Any) -> None:
        """Match, then rest or cancel; a stop waits."""
        order = {name: int(command[name]) for name in COMMAND.names or () if name != "pad"}
        order["leaves"], order["priority"] = order["quantity"], int(command["sequence"])
        if order["price"] % 97 == 96:  # stands for all that a matcher may have against an order
            self.say(command, EventKind.REJECTED, command, reason=Reason.PRICE_OUT_OF_RANGE, flags=CommandKind.NEW)
            return
        self.say(command, EventKind.ACCEPTED, order, quantity=order["quantity"], leaves=order["quantity"])
        if order["type"] == OrderType.MARKET_TO_LIMIT or order["type"] >= OrderType.PEGGED_BID:
            order["price"] = order["price"] or 100
            self.say(command, EventKind.RESTATED, order, quantity=order["quantity"], leaves=order["leaves"])
        self.go_on(command, order)

    def go_on(self, command: Any, order: Any) -> None:
        """An active order trades, and rests if it may; any other waits."""
        if order["type"] not in WAITING:
            self.match(command, order)
        may_rest = order["time_in_force"] != TimeInForce.IOC and order["type"] != OrderType.MARKET
        if order["leaves"] and not may_rest:
            self.take_off(command, order, Reason.NO_LIQUIDITY)
        elif order["leaves"]:
            self.live[order["order_id"]] = order

    def match(self, command: Any, order: Any) -> None:
        """Trade against the best orders of the other side while the price allows."""
        sign = 1 if order["side"] == Side.BUY else -1
        against = [o for o in self.live.values() if o["instrument"] == order["instrument"] and o["side"] != order["side"]]
        against = [o for o in against if o["type"] not in WAITING and o["price"] < FAR]
        for resting in sorted(against, key=lambda o: (sign * o["price"], o["priority"])):
            anywhere = order["type"] == OrderType.MARKET and not order["price"]
            crosses = anywhere or sign * resting["price"] <= sign * order["price"]
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
        self.go_on(command, order)

    def reduce(self, command: Any, order: Any) -> None:
        """So much less, in its place."""
        quantity = int(command["quantity"])
        if quantity >= order["leaves"]:
            self.take_off(command, order, Reason.CANCELLED_BY_CLIENT)
            return
        order["quantity"] -= quantity
        order["leaves"] -= quantity
        self.say(command, EventKind.REPLACED, order, quantity=order["quantity"], leaves=order["leaves"])

    def mass_cancel(self, command: Any) -> None:
        """All orders of the account, in one instrument or all; for riskd all of an instrument, of one session if it says so."""
        wanted = (int(command["instrument"]), NO_INSTRUMENT)
        named = command["instrument"] == NO_INSTRUMENT
        mine = [o for o in self.live.values() if o["account"] == command["account"] and (named or o["instrument"] in wanted)]
        if command["account"] == NO_ACCOUNT:
            mine = [o for o in self.live.values() if o["instrument"] == command["instrument"]]
            by_session = command["flags"] & MassCancelFlag.BY_SESSION
            mine = [o for o in mine if not by_session or o["session"] == command["session"]]
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


class LivelyMatcher(SimpleMatcher):
    """Now and then, for no good reason, an order is triggered or restated, or two trade as in an auction."""

    def stir(self, command: Any) -> None:
        """By the command's number."""
        number = int(command["sequence"])
        orders = list(self.live.values())
        if orders and number % 5 == 0:
            self.trigger(command, next((o for o in orders if o["type"] in WAITING), orders[number % len(orders)]))
        orders = [o for o in self.live.values() if o["type"] not in WAITING]
        if orders and number % 7 == 0:
            self.restate(command, orders[number % len(orders)])
        if number % 13 == 0:
            self.trade_as_in_an_auction(command)

    def trigger(self, command: Any, order: Any) -> None:
        """A stop becomes active; any other is told of as an at-the-close order is."""
        becomes = {OrderType.STOP: OrderType.MARKET, OrderType.STOP_LIMIT: OrderType.LIMIT}
        becomes |= {OrderType.TRAILING_STOP: OrderType.MARKET, OrderType.TRAILING_STOP_LIMIT: OrderType.LIMIT}
        waited = order["type"] in WAITING
        if order["type"] == OrderType.TRAILING_STOP_LIMIT:
            order["price"] = 95 + order["price"] % 10
        order["type"] = becomes.get(order["type"], order["type"])
        price = 0 if order["type"] == OrderType.MARKET else order["price"]
        self.say(command, EventKind.TRIGGERED, order, price=price, quantity=order["quantity"], leaves=order["leaves"])
        if waited:
            del self.live[order["order_id"]]
            self.go_on(command, order)

    def restate(self, command: Any, order: Any) -> None:
        """One lot less, or, of a pegged order, another price, none, or one at which the money does not fit 64 bits."""
        price = order["price"]
        if order["type"] >= OrderType.PEGGED_BID:
            price = order["price"] = (order["price"] + 1, 100, FAR)[int(command["sequence"]) % 3]
            price = 0 if command["sequence"] % 2 else price
        elif order["leaves"] > 1:
            order["quantity"] -= 1
            order["leaves"] -= 1
        self.say(command, EventKind.RESTATED, order, price=price, quantity=order["quantity"], leaves=order["leaves"])

    def trade_as_in_an_auction(self, command: Any) -> None:
        """One lot of two orders, neither of which came just now."""
        orders = [o for o in self.live.values() if o["type"] not in WAITING and 0 < o["price"] < 1000]
        buys, sells = ([o for o in orders if o["side"] == side] for side in Side)
        pairs = [(buy, sell) for buy in buys for sell in sells if buy["instrument"] == sell["instrument"]]
        for buy, sell in pairs[:1]:
            buy["leaves"] -= 1
            sell["leaves"] -= 1
            about = ("order_id", "client_order_id", "account", "leaves")
            resting = {f"resting_{name}": sell[name] for name in about}
            self.say(command, EventKind.TRADE, buy, quantity=1, leaves=buy["leaves"], flags=EventFlag.AUCTION, **resting)
            for order in (buy, sell):
                if not order["leaves"]:
                    del self.live[order["order_id"]]
