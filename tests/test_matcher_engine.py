"""The engine as a tool: what it numbers, what it holds, what it shows of a book, and what it does not take. What it does with
orders is in ``test_matching_*.py``."""

import numpy as np
import pytest

from matcher.commands import cancel, definitions, mass_cancel, new, replace
from matcher_streams import ACCOUNTS, INSTRUMENTS, LEVELS, ORDERS, engine
from matching_scenes import BUY, IOC, SELL, tell
from shm.records import COMMAND, EVENT


def started():
    subject = engine()
    subject.run(definitions(INSTRUMENTS, ACCOUNTS))
    return subject


def test_an_order_is_known_by_its_accounts_name_for_it_as_long_as_it_lives():
    """Then the name is free; until then no other order of the account has it."""
    subject = started()
    subject.run(np.concatenate([new(0, 1, SELL, 99, 5), new(1, 2, BUY, 99, 2)]))
    assert tell(subject.run(cancel(1, 1))) == "rejected unknown_order"
    assert tell(subject.run(new(0, 1, BUY, 9, 1))) == "rejected duplicate_client_order_id"
    assert tell(subject.run(cancel(0, 1))) == "cancelled 1 99x3 cancelled_by_client"
    assert tell(subject.run(cancel(0, 1))) == "rejected unknown_order"
    assert tell(subject.run(new(0, 1, BUY, 9, 1))) == "accepted 1 9x1"
    subject.validate()


def test_levels_full_refuses_new_prices_and_lets_everything_go():
    """At every level a second order: no order may come in or move then, any may shrink or go, and then one fits again."""
    subject = started()
    fill = [new(0, k, BUY, 10 + k, 2) for k in range(LEVELS)]
    subject.run(np.concatenate([*fill, new(1, 1, BUY, 90, 1)]))
    subject.run(np.concatenate([new(1, 1, BUY, 10, 1)]))
    assert tell(subject.run(new(1, 2, BUY, 10, 1))) == "rejected level_pool_full"
    assert tell(subject.run(new(1, 2, BUY, 10, 1, time_in_force=IOC))) == "accepted 2 10x1, cancelled 2 10x1 no_liquidity"
    assert tell(subject.run(replace(0, 0, 10, 1))) == "replaced 0 10x1"
    assert tell(subject.run(replace(0, 5, 90, 2))) == "replaced 5 90x2"
    assert tell(subject.run(cancel(0, 7))) == "cancelled 7 17x2 cancelled_by_client"
    assert tell(subject.run(new(1, 2, BUY, 91, 1))) == "accepted 2 91x1"
    subject.validate()


def test_orders_full_refuses_and_lets_everything_go():
    subject = started()
    subject.run(np.concatenate([new(0, k, BUY, 10, 2) for k in range(ORDERS)]))
    assert tell(subject.run(new(0, 99, BUY, 10, 1))) == "rejected order_pool_full"
    assert tell(subject.run(cancel(0, 7))) == "cancelled 7 10x2 cancelled_by_client"
    assert tell(subject.run(new(0, 99, BUY, 10, 1))) == "accepted 99 10x1"
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


@pytest.mark.parametrize("side", [BUY, SELL])
def test_a_side_shows_its_prices_in_order_as_it_grows_and_shrinks(side):
    """A few levels lie in one line, more, or such as lie very far apart, in a trie; and a few again, whichever go."""
    subject, prices = started(), [500, 3, 1 << 40, 77, 78, 1 << 33, 9, 4_000, 640, 641, 2, 12]
    for k, price in enumerate(prices):
        subject.run(new(0, k, side, price, 1))
        subject.validate()
    for gone in [*range(2, len(prices), 2), *range(1, len(prices), 2), 0]:
        book = subject.book(0, 20)
        shown = [level.price for level in (book.bids if side == BUY else book.asks)]
        assert shown == sorted(shown, reverse=side == BUY)
        assert prices[gone] in shown
        subject.run(cancel(0, gone))
        subject.validate()
    assert subject.book(0, 20) == ([], [])


@pytest.mark.parametrize("standing", [1, 8, 11])
def test_an_account_that_enters_and_cancels_again_and_again_is_cancelled_in_order(standing):
    """However many orders it had, those at rest go in the order in which they came."""
    subject = started()
    for k in range(standing):
        subject.run(new(0, k, BUY, 10, 1))
    for k in range(100, 160):
        subject.run(np.concatenate([new(0, k, BUY, 11, 1), cancel(0, k)]))
        subject.validate()
    subject.run(new(0, 200, BUY, 11, 1))
    events = subject.run(mass_cancel(0))
    assert events["client_order_id"][:-1].tolist() == [*range(standing), 200]
    subject.validate()
