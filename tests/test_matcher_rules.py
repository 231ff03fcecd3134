"""The rules of matching, one table row each: what rests, what comes, what is told. Prices in ticks, quantities in lots."""

import numpy as np
import pytest

from matcher.commands import cancel, definitions, mass_cancel, new, replace
from matcher_streams import ACCOUNTS, INSTRUMENTS, LEVELS, ORDERS, engine
from shm.reasons import Reason
from shm.records import COMMAND, EVENT, EventFlag, EventKind, OrderType, Side, TimeInForce

BUY, SELL, IOC, MARKET = Side.BUY, Side.SELL, TimeInForce.IOC, OrderType.MARKET
SHOWN = {
    EventKind.ACCEPTED: ("client_order_id", "price", "leaves"),
    EventKind.TRADE: ("resting_client_order_id", "price", "quantity", "leaves", "resting_leaves"),
    EventKind.CANCELLED: ("client_order_id", "quantity", "reason"),
    EventKind.REPLACED: ("client_order_id", "price", "quantity", "leaves"),
    EventKind.REJECTED: ("client_order_id", "reason"),
    EventKind.MASS_CANCELLED: ("quantity",),
}

RULES = {
    "a limit order that crosses nothing rests": ([], new(0, 1, BUY, 100, 5), "accepted 1 100 5"),
    "a trade is at the resting order's price": (
        [new(0, 1, SELL, 99, 5)],
        new(1, 2, BUY, 105, 2),
        "accepted 2 105 2, trade 1 99 2 0 3",
    ),
    "the same price trades": ([new(0, 1, SELL, 99, 5)], new(1, 2, BUY, 99, 5), "accepted 2 99 5, trade 1 99 5 0 0"),
    "a tick apart does not": ([new(0, 1, SELL, 99, 5)], new(1, 2, BUY, 98, 5), "accepted 2 98 5"),
    "the best price trades first, whatever came first": (
        [new(0, 1, SELL, 101, 5), new(0, 2, SELL, 100, 5)],
        new(1, 3, BUY, 101, 7),
        "accepted 3 101 7, trade 2 100 5 2 0, trade 1 101 2 0 3",
    ),
    "the highest buy trades first": (
        [new(0, 1, BUY, 100, 5), new(0, 2, BUY, 101, 5)],
        new(1, 3, SELL, 100, 7),
        "accepted 3 100 7, trade 2 101 5 2 0, trade 1 100 2 0 3",
    ),
    "at one price the oldest trades first": (
        [new(0, 1, SELL, 100, 5), new(1, 2, SELL, 100, 5)],
        new(0, 3, BUY, 100, 6),
        "accepted 3 100 6, trade 1 100 5 1 0, trade 2 100 1 0 4",
    ),
    "what is left of a limit order rests": (
        [new(0, 1, SELL, 99, 5)],
        new(1, 2, BUY, 99, 8),
        "accepted 2 99 8, trade 1 99 5 3 0",
    ),
    "what is left of an IOC is cancelled": (
        [new(0, 1, SELL, 99, 5)],
        new(1, 2, BUY, 99, 8, time_in_force=IOC),
        f"accepted 2 99 8, trade 1 99 5 3 0, cancelled 2 3 {Reason.NO_LIQUIDITY}",
    ),
    "a market order takes any price and never rests": (
        [new(0, 1, SELL, 99, 5), new(0, 2, SELL, 9_000_000, 1)],
        new(1, 3, BUY, 0, 8, type=MARKET),
        f"accepted 3 0 8, trade 1 99 5 3 0, trade 2 9000000 1 2 0, cancelled 3 2 {Reason.NO_LIQUIDITY}",
    ),
    "instruments do not meet": ([new(0, 1, SELL, 99, 5, instrument=1)], new(1, 2, BUY, 99, 5), "accepted 2 99 5"),
    "an account may trade with itself": ([new(0, 1, SELL, 99, 5)], new(0, 2, BUY, 99, 5), "accepted 2 99 5, trade 1 99 5 0 0"),
    "a cancel takes off what is left": (
        [new(0, 1, SELL, 99, 5), new(1, 2, BUY, 99, 2)],
        cancel(0, 1),
        f"cancelled 1 3 {Reason.CANCELLED_BY_CLIENT}",
    ),
    "an order is cancelled once": ([new(0, 1, SELL, 99, 5), cancel(0, 1)], cancel(0, 1), f"rejected 1 {Reason.UNKNOWN_ORDER}"),
    "a name is its account's own": ([new(0, 1, SELL, 99, 5)], cancel(1, 1), f"rejected 1 {Reason.UNKNOWN_ORDER}"),
    "a name is free again when its order is gone": (
        [new(0, 1, SELL, 99, 5), cancel(0, 1)],
        new(0, 1, BUY, 9, 1),
        "accepted 1 9 1",
    ),
    "a replace to a crossing price trades": (
        [new(0, 1, SELL, 105, 5), new(1, 2, BUY, 100, 3)],
        replace(0, 1, 100, 5),
        "replaced 1 100 5 5, trade 2 100 3 2 0",
    ),
    "the executed part counts in a replace": (
        [new(0, 1, SELL, 99, 5), new(1, 2, BUY, 99, 2)],
        replace(0, 1, 101, 6),
        "replaced 1 101 6 4",
    ),
    "a replace to what is executed, or less, cancels": (
        [new(0, 1, SELL, 99, 5), new(1, 2, BUY, 99, 2)],
        replace(0, 1, 99, 2),
        f"cancelled 1 3 {Reason.CANCELLED_BY_CLIENT}",
    ),
    "a replace out of range changes nothing": (
        [new(0, 1, SELL, 99, 5)],
        replace(0, 1, 2**48, 5),
        f"rejected 1 {Reason.PRICE_OUT_OF_RANGE}",
    ),
    "less at the same price keeps its place": (
        [new(0, 1, SELL, 99, 5), new(1, 2, SELL, 99, 5), replace(0, 1, 99, 4)],
        new(0, 3, BUY, 99, 1),
        "accepted 3 99 1, trade 1 99 1 0 3",
    ),
    "more at the same price goes to the back": (
        [new(0, 1, SELL, 99, 5), new(1, 2, SELL, 99, 5), replace(0, 1, 99, 6)],
        new(0, 3, BUY, 99, 1),
        "accepted 3 99 1, trade 2 99 1 0 4",
    ),
    "the same again goes to the back": (
        [new(0, 1, SELL, 99, 5), new(1, 2, SELL, 99, 5), replace(0, 1, 99, 5)],
        new(0, 3, BUY, 99, 1),
        "accepted 3 99 1, trade 2 99 1 0 4",
    ),
    "another price goes to the back of its queue": (
        [new(0, 1, SELL, 98, 5), new(1, 2, SELL, 99, 5), replace(0, 1, 99, 5)],
        new(0, 3, BUY, 99, 1),
        "accepted 3 99 1, trade 2 99 1 0 4",
    ),
    "a mass cancel takes the account's orders in the order of entry": (
        [new(0, 1, SELL, 99, 5), new(1, 2, SELL, 99, 5), new(0, 3, BUY, 9, 4, instrument=2), replace(0, 1, 98, 5)],
        mass_cancel(0),
        "cancelled 1 5 3009, cancelled 3 4 3009, masscancelled 2",
    ),
    "a mass cancel may be of one instrument": (
        [new(0, 1, SELL, 99, 5), new(0, 3, BUY, 9, 4, instrument=2)],
        mass_cancel(0, 2),
        "cancelled 3 4 3009, masscancelled 1",
    ),
    "a mass cancel of nothing says so": ([new(1, 1, SELL, 99, 5)], mass_cancel(0), "masscancelled 0"),
    "the lowest price": ([], new(0, 1, BUY, 1, 5), "accepted 1 1 5"),
    "the highest price": ([], new(0, 1, SELL, 2**48 - 2, 5), f"accepted 1 {2**48 - 2} 5"),
    "a price beyond": ([], new(0, 1, SELL, 2**48 - 1, 5), f"rejected 1 {Reason.PRICE_OUT_OF_RANGE}"),
    "an instrument that is not defined": (
        [],
        new(0, 1, SELL, 5, 5, instrument=77),
        f"rejected 1 {Reason.INSTRUMENT_NOT_DEFINED}",
    ),
}


def tell(events):
    told = []
    for event in events:
        kind = EventKind(event["kind"])
        told.append(" ".join([kind.name.replace("_", "").lower(), *(str(event[name]) for name in SHOWN[kind])]))
    return ", ".join(told)


def started():
    subject = engine()
    subject.run(definitions(INSTRUMENTS, ACCOUNTS))
    return subject


@pytest.mark.parametrize(("before", "command", "expected"), RULES.values(), ids=RULES)
def test_rule(before, command, expected):
    """After ``before``, ``command`` tells ``expected``; the events are numbered and the last one says that it is."""
    subject = started()
    subject.run(np.concatenate([np.zeros(0, COMMAND), *before]))
    events = subject.run(command)
    assert tell(events) == expected
    assert [bool(flags & EventFlag.LAST) for flags in events["flags"][:-1]] == [False] * (len(events) - 1)
    assert events["kind"][-1] == EventKind.REJECTED or events["flags"][-1] == EventFlag.LAST
    assert (events["index"] == np.arange(len(events))).all()
    subject.validate()


def test_levels_full_refuses_new_prices_and_lets_everything_go():
    """At every level a second order: no order may come in or move then, any may shrink or go, and then one fits again."""
    subject = started()
    fill = [new(0, k, BUY, 10 + k, 2) for k in range(LEVELS)]
    subject.run(np.concatenate([*fill, new(1, 1, BUY, 90, 1)]))
    subject.run(np.concatenate([new(1, 1, BUY, 10, 1)]))
    assert tell(subject.run(new(1, 2, BUY, 10, 1))) == "rejected 2 3004"
    assert tell(subject.run(new(1, 2, BUY, 10, 1, time_in_force=IOC))) == "accepted 2 10 1, cancelled 2 1 3002"
    assert tell(subject.run(replace(0, 0, 10, 1))) == "replaced 0 10 1 1"
    assert tell(subject.run(replace(0, 5, 90, 2))) == "replaced 5 90 2 2"
    assert tell(subject.run(cancel(0, 7))) == "cancelled 7 2 3008"
    assert tell(subject.run(new(1, 2, BUY, 91, 1))) == "accepted 2 91 1"
    subject.validate()


def test_orders_full_refuses_and_lets_everything_go():
    subject = started()
    subject.run(np.concatenate([new(0, k, BUY, 10, 2) for k in range(ORDERS)]))
    assert tell(subject.run(new(0, 99, BUY, 10, 1))) == "rejected 99 2016"
    assert tell(subject.run(cancel(0, 7))) == "cancelled 7 2 3008"
    assert tell(subject.run(new(0, 99, BUY, 10, 1))) == "accepted 99 10 1"
    assert subject.run(mass_cancel(0))[-1]["quantity"] == ORDERS
    subject.validate()


def test_more_events_than_the_ring_holds_come_from_one_command():
    """The ring has 256 slots; the hook drains it in the middle of the sweep."""
    subject = started()
    for round_ in range(20):
        subject.run(np.concatenate([new(0, k, SELL, 10 + k % 3, 1) for k in range(ORDERS - 1)]))
        events = subject.run(new(1, 1, BUY, 12, ORDERS))
        assert len(events) == ORDERS, round_
        subject.run(cancel(1, 1))
    subject.validate()


def test_the_book_is_read_best_first():
    subject = started()
    subject.run(
        np.concatenate([new(0, k, BUY, 10 * k, k) for k in range(1, 9)] + [new(1, 1, SELL, 90, 2), new(1, 2, SELL, 90, 3)])
    )
    book = subject.book(0, 3)
    assert book.bids == [(80, 8, 1), (70, 7, 1), (60, 6, 1)]
    assert book.asks == [(90, 5, 2)]


def test_numbers_given_and_numbers_wanted_do_not_mix():
    subject, numbered = started(), started()
    numbered.run(new(0, 1, BUY, 1, 1))
    with pytest.raises(ValueError, match="numbered, or commands that are not"):
        subject.run(np.concatenate([numbered.commands, new(0, 2, BUY, 1, 1)]))
    with pytest.raises(ValueError, match="must be numbered 8, 9"):
        subject.run(definitions(1, 1)[:0] if not len(numbered.commands) else _renumbered(numbered.commands, 20))
    assert subject.run(np.zeros(0, COMMAND)).dtype == EVENT


def _renumbered(commands, sequence):
    commands = commands.copy()
    commands["sequence"] = sequence
    return commands


def test_a_damaged_snapshot_is_refused():
    snapshot = bytearray(started().snapshot())
    snapshot[1000] ^= 1
    with pytest.raises(ValueError, match="checksum"):
        type(engine()).restore(bytes(snapshot))
    with pytest.raises(ValueError, match="not a matcher's snapshot"):
        type(engine()).restore(b"x" * 1000)


@pytest.mark.parametrize("bounds", [{"orders": 0}, {"accounts": -1}, {"orders": 2**24 + 1}])
def test_bounds_that_cannot_be_are_named(bounds):
    with pytest.raises(ValueError, match=next(iter(bounds))):
        type(engine())(**bounds)
