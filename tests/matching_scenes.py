"""Short scenes for the rules of ``docs/matching.md``: each command goes to the kernel and to its twin, and is told in words."""

from typing import Any

import numpy as np

from matcher.commands import clock, definitions, extended, new, set_rules, set_state
from matcher.engine import Engine
from matcher_streams import ACCOUNTS, INSTRUMENTS, LEVELS, ORDERS, as_dicts, as_events
from reference.twin import Twin
from reference_floor import in_words
from shm.records import COMMAND, EVENT, SLOT_BITS, AccountFlag, CommandKind, InstrumentState, OrderFlag, Side
from shm.records import OrderType as Type
from shm.records import TimeInForce as Time

BUY, SELL = Side.BUY, Side.SELL
LIMIT, MARKET, MARKET_TO_LIMIT, STOP, STOP_LIMIT = Type.LIMIT, Type.MARKET, Type.MARKET_TO_LIMIT, Type.STOP, Type.STOP_LIMIT
TRAILING_STOP, TRAILING_STOP_LIMIT = Type.TRAILING_STOP, Type.TRAILING_STOP_LIMIT
PEGGED_BID, PEGGED_ASK, PEGGED_MIDDLE = Type.PEGGED_BID, Type.PEGGED_ASK, Type.PEGGED_MIDDLE
GTC, IOC, DAY, GTD, FOK, AT_OPEN, AT_CLOSE = tuple(Time)
CONTINUOUS, PRE_OPEN, OPENING_AUCTION, VOLATILITY_PAUSE, CLOSING_AUCTION, HALTED, CANCEL_ONLY, CLOSED = tuple(InstrumentState)
HIDDEN, ALL_OR_NONE, REDUCE_ONLY = OrderFlag.HIDDEN, OrderFlag.ALL_OR_NONE, OrderFlag.REDUCE_ONLY
POST_ONLY, SLIDE, BASIS_POINTS = OrderFlag.POST_ONLY, OrderFlag.SLIDE, OrderFlag.BASIS_POINTS
SELLER, BUYER, OTHER, UNTRACKED = range(ACCOUNTS)
"""Whose orders ``sell`` and ``buy`` enter if nothing else is said, one more account, and one whose positions nobody tracks."""
HIGHEST = 2**48 - 2
"""The highest price that there is; 1 is the lowest."""


def tell(events: Any) -> str:
    """An array of EVENT in words."""
    return ", ".join(in_words(dict(zip(EVENT.names or (), event, strict=True))) for event in events.tolist())


def describe_difference(found: Any, wanted: Any) -> str:
    """The first event that differs, both ways."""
    for k, (one, other) in enumerate(zip(found, wanted, strict=False)):
        if one.tobytes() != other.tobytes():
            kernel, reference = (dict(zip(EVENT.names or (), event.tolist(), strict=True)) for event in (one, other))
            return f"event {k}:\n  kernel {kernel}\n  twin   {reference}"
    return f"{len(found)} events, the twin has {len(wanted)}"


class Scene:
    """A few instruments and accounts. An order's number is its client order id and its slot; every command gives its events
    as words, and fails if the kernel and the twin tell different ones or either does not hold together."""

    def __init__(self, orders: int = ORDERS, levels: int = LEVELS, *, defined: bool = True) -> None:
        bounds = INSTRUMENTS, ACCOUNTS, orders, levels
        self.engine, self.twin = Engine(*bounds, commands_capacity=256, events_capacity=256), Twin(*bounds)
        self.sequence, self.orders, self.events = 0, {}, np.zeros(0, EVENT)
        """``events`` are those of the last command; ``orders`` the order id, account and instrument by number."""
        for each in np.split(definitions(INSTRUMENTS, ACCOUNTS), INSTRUMENTS + ACCOUNTS) if defined else []:
            tracked = each["kind"][0] == CommandKind.ACCOUNT and each["account"][0] != UNTRACKED
            self.give(each, flags=AccountFlag.TRACK_POSITION if tracked else 0)

    def give(self, command: Any, **fields: int) -> str:
        """One command, an array of one COMMAND, with ``fields`` set; its time is its sequence if it has none."""
        self.sequence += 1
        command["sequence"] = self.sequence
        for name, value in fields.items():
            command[name] = value
        command["time_ns"] = command["time_ns"] if command["time_ns"].any() else self.sequence
        first = int(self.engine.state["event_sequence"]) + 1
        self.events = self.engine.run(command)
        told = as_events(self.twin.run(as_dicts(command)), first)
        assert self.events.tobytes() == told.tobytes(), describe_difference(self.events, told)
        self.engine.validate()
        self.twin.validate()
        return tell(self.events)

    def send(self, kind: int, **fields: int) -> str:
        """One command of any kind."""
        return self.give(np.zeros(1, COMMAND), kind=kind, **fields)

    def order(self, number: int, side: int, price: int, quantity: int, *, plain: bool = False, **terms: int) -> str:
        """One NEW, with the flag EXTENDED if it has terms that need it and is not said to be ``plain``; ``linked_to``, an
        order's number, pairs the two."""
        account, instrument = terms.pop("account", BUYER if side == BUY else SELLER), terms.pop("instrument", 0)
        kind, validity = terms.pop("type", LIMIT), terms.pop("time_in_force", GTC)
        named = {name: terms.pop(name) for name in ("order_id", "verdict", "session", "time_ns") if name in terms}
        if "linked_to" in terms:
            terms["linked"] = terms.pop("linked_to") + 1
        made = new(account, number, side, price, quantity, instrument=instrument, type=kind, time_in_force=validity)
        if plain:
            named |= terms
        elif terms or kind > MARKET or validity > DAY:
            made = extended(made, **terms)
        order_id = named.pop("order_id", self.sequence + 1 << SLOT_BITS | number)
        told = self.give(made, order_id=order_id, **named)
        if told.startswith("accepted"):
            self.orders[number] = {"order_id": order_id, "account": account, "instrument": instrument}
        return told

    def buy(self, number: int, price: int, quantity: int, **terms: int) -> str:
        """One NEW that buys."""
        return self.order(number, BUY, price, quantity, **terms)

    def sell(self, number: int, price: int, quantity: int, **terms: int) -> str:
        """One NEW that sells."""
        return self.order(number, SELL, price, quantity, **terms)

    def change(self, kind: CommandKind, number: int, **fields: int) -> str:
        """One command about the order, which need not live any more."""
        return self.send(kind, client_order_id=number, **{**self.orders.get(number, {}), **fields})

    def cancel(self, number: int, **fields: int) -> str:
        """One CANCEL."""
        return self.change(CommandKind.CANCEL, number, **fields)

    def reduce(self, number: int, lots: int, **fields: int) -> str:
        """One REDUCE."""
        return self.change(CommandKind.REDUCE, number, quantity=lots, **fields)

    def replace(self, number: int, price: int, quantity: int, **fields: int) -> str:
        """One REPLACE."""
        return self.change(CommandKind.REPLACE, number, price=price, quantity=quantity, **fields)

    def mass_cancel(self, account: int, instrument: int = -1, **fields: int) -> str:
        """One MASS_CANCEL."""
        return self.send(CommandKind.MASS_CANCEL, account=account, instrument=instrument, **fields)

    def state(self, state: int, instrument: int = 0) -> str:
        """One STATE."""
        return self.give(set_state(instrument, state))

    def rules(self, instrument: int = 0, **rules: int) -> str:
        """One RULES: what is not named is 0."""
        return self.give(set_rules(instrument, **rules))

    def clock(self, time_ns: int) -> str:
        """One CLOCK."""
        return self.give(clock(time_ns))

    def last_trade(self, price: int, instrument: int = 0) -> str:
        """One lot changes hands at ``price``, with nobody else at it or better; what else that causes."""
        self.sell(30, price, 1, account=OTHER, instrument=instrument)
        told = self.buy(31, price, 1, account=UNTRACKED, instrument=instrument)
        trade = f"accepted 31 {price}x1, trade 31-30 {price}x1"
        assert told.startswith(trade), told
        return told.removeprefix(trade).removeprefix(", ")

    @property
    def bids(self) -> list[tuple[int, int, int]]:
        """Price, lots and orders of the first instrument's buys, best first."""
        return list(self.engine.book(0).bids)

    @property
    def asks(self) -> list[tuple[int, int, int]]:
        """Price, lots and orders of the first instrument's sells, best first."""
        return list(self.engine.book(0).asks)
