"""The rules of ``docs/matching.md`` about reduce-only, linked and all-or-none orders: each test is named like its rule."""

from matching_scenes import (
    ALL_OR_NONE,
    BUYER,
    IOC,
    OTHER,
    REDUCE_ONLY,
    SELLER,
    STOP,
    UNTRACKED,
)
from shm.records import SelfTradeRule

REDUCES, WHOLE = {"flags": REDUCE_ONLY}, {"flags": ALL_OR_NONE}


def test_reduce_only_cut(scene):
    """It loses what the position has not, hidden lots first, when it is about to trade."""
    scene.last_trade(100)
    scene.sell(1, 100, 5)
    scene.buy(2, 100, 5)
    assert scene.sell(3, 105, 9, account=BUYER, display_quantity=3, **REDUCES) == "accepted 3 105x9 hidden 6"
    told = "accepted 4 105x4, restated 3 105x5 hidden 2 reduced_to_position, trade 4-3 105x3"
    told += ", restated 3 105x2 iceberg_refilled, trade 4-3 105x1"
    assert scene.buy(4, 105, 4, account=OTHER) == told
    assert scene.events[1]["quantity"] == 5
    scene.sell(5, 110, 9, account=UNTRACKED)
    told = "accepted 6 110x9, restated 6 110x5 reduced_to_position, trade 6-3 105x1, trade 6-5 110x4"
    assert scene.buy(6, 110, 9, account=SELLER, **REDUCES) == told


def test_reduce_only_ends(scene):
    """Without a position any more, or with one on the other side, it ends when it would trade: resting or triggered."""
    scene.sell(1, 100, 5)
    scene.buy(2, 100, 5)
    scene.sell(3, 105, 9, account=BUYER, **REDUCES)
    scene.sell(4, 0, 9, account=BUYER, type=STOP, stop_price=95, **REDUCES)
    scene.buy(5, 98, 7, account=OTHER)
    scene.buy(6, 94, 2, account=OTHER)
    assert scene.sell(7, 98, 7, account=BUYER) == "accepted 7 98x7, trade 7-5 98x7"
    assert scene.buy(8, 105, 1, account=OTHER) == "accepted 8 105x1, cancelled 3 105x9 reduce_only_would_increase"
    scene.cancel(8)
    told = "accepted 9 94x1, trade 9-6 94x1, triggered 4 0x9, cancelled 4 0x9 reduce_only_would_increase"
    assert scene.sell(9, 94, 1) == told


def test_resting_before_incoming(scene):
    """The resting one is told first; if it ends, the incoming one is not cut for its sake."""
    scene.sell(1, 100, 5)
    scene.buy(2, 100, 5)
    scene.sell(3, 105, 9, account=BUYER, **REDUCES)
    scene.sell(4, 106, 9, account=BUYER, **REDUCES)
    told = "accepted 5 105x9, restated 3 105x5 reduced_to_position, restated 5 105x5 reduced_to_position, trade 5-3 105x5"
    assert scene.buy(5, 105, 9, account=SELLER, **REDUCES) == told
    scene.sell(6, 104, 2)
    scene.buy(7, 104, 2, account=OTHER)
    told = "accepted 8 106x9, cancelled 4 106x9 reduce_only_would_increase"
    assert scene.buy(8, 106, 9, account=SELLER, **REDUCES) == told


def test_linking(scene):
    """Nothing is told of it, and both live on as long as nothing happens to either."""
    scene.sell(1, 105, 5)
    assert scene.sell(2, 0, 5, type=STOP, stop_price=95, linked_to=1) == "accepted 2 0x5 hidden 5"
    assert scene.reduce(1, 1) == "replaced 1 105x4"
    assert scene.replace(2, 0, 9, stop_price=94) == "replaced 2 0x9 hidden 9"
    assert scene.cancel(2) == "cancelled 2 0x9 cancelled_by_client, cancelled 1 105x4 one_cancels_other"


def test_partner_is_cancelled(scene):
    """Right after the event that did it, a refill excepted, however little of the order traded."""
    scene.sell(1, 100, 7, display_quantity=3)
    scene.sell(2, 110, 5, linked_to=1)
    scene.buy(3, 90, 5)
    told = "accepted 4 100x5, trade 4-1 100x3, restated 1 100x4 hidden 1 iceberg_refilled"
    told += ", cancelled 2 110x5 one_cancels_other, cancelled 3 90x5 one_cancels_other, trade 4-1 100x2"
    assert scene.buy(4, 100, 5, linked_to=3) == told
    scene.sell(5, 120, 5)
    scene.sell(6, 0, 5, type=STOP, stop_price=80, linked_to=5)
    scene.buy(7, 80, 2)
    told = "accepted 8 80x1, trade 8-7 80x1, triggered 6 0x5, cancelled 5 120x5 one_cancels_other, trade 6-7 80x1"
    assert scene.sell(8, 80, 1) == told + ", cancelled 6 0x4 no_liquidity"
    scene.sell(9, 99, 2)
    told = "accepted 10 99x5, trade 10-9 99x2, cancelled 10 99x3 one_cancels_other"
    assert scene.buy(10, 99, 5, account=SELLER, linked_to=9) == told
    scene.sell(11, 99, 1)
    scene.buy(12, 60, 1, account=SELLER)
    told = "accepted 13 99x2, cancelled 11 99x1 self_trade, cancelled 13 99x2 self_trade, cancelled 12 60x1 one_cancels_other"
    both = {"self_trade_rule": SelfTradeRule.CANCEL_BOTH}
    assert scene.buy(13, 99, 2, account=SELLER, linked_to=12, **both) == told


def test_a_link_ends_with_a_partner(scene):
    """What is left of the order can be paired anew, and ends alone."""
    scene.sell(1, 100, 5)
    scene.sell(2, 110, 5, linked_to=1)
    scene.buy(3, 100, 2)
    assert scene.sell(4, 110, 5, linked_to=1) == "accepted 4 110x5"
    assert scene.buy(5, 100, 1) == "accepted 5 100x1, trade 5-1 100x1, cancelled 4 110x5 one_cancels_other"
    assert scene.cancel(1) == "cancelled 1 100x2 cancelled_by_client"


def test_all_or_none_waits(scene):
    """It is in nobody's way and in nobody's reach; what can trade whole does so on entry."""
    assert scene.buy(1, 100, 10, **WHOLE) == "accepted 1 100x10 hidden 10"
    assert scene.bids == []
    assert scene.sell(2, 100, 6) == "accepted 2 100x6"
    assert scene.sell(3, 99, 3, time_in_force=IOC) == "accepted 3 99x3, cancelled 3 99x3 no_liquidity"
    assert scene.buy(4, 100, 6, **WHOLE) == "accepted 4 100x6 hidden 6, trade 4-2 100x6"


def test_all_or_none_tries_again(scene):
    """As soon as a command about its instrument has brought enough, at the prices of those who stand there."""
    scene.buy(1, 100, 10, **WHOLE)
    scene.sell(2, 100, 6)
    assert scene.sell(3, 99, 4, instrument=1) == "accepted 3 99x4"
    scene.sell(4, 102, 5)
    assert scene.replace(4, 101, 5) == "replaced 4 101x5"
    assert scene.replace(4, 99, 5) == "replaced 4 99x5, trade 1-4 99x5, trade 1-2 100x5"


def test_all_or_none_order(scene):
    """Who came first is tried first, and is tried again when another has traded."""
    scene.buy(1, 100, 5, **WHOLE)
    scene.buy(2, 100, 5, **WHOLE)
    assert scene.sell(3, 100, 5) == "accepted 3 100x5, trade 1-3 100x5"
    scene.cancel(2)
    scene.sell(4, 100, 2, account=BUYER)
    scene.sell(5, 101, 5)
    scene.buy(6, 101, 5, self_trade_rule=SelfTradeRule.CANCEL_NEWEST, **WHOLE)
    assert scene.buy(7, 100, 3, account=OTHER, **WHOLE) == "accepted 7 100x3 hidden 3"
    assert scene.sell(8, 100, 1) == "accepted 8 100x1, trade 7-4 100x2, trade 7-8 100x1, trade 6-5 101x5"
