"""The rules of ``docs/matching.md`` about self-trade prevention: each test is named like its rule."""

from matching_scenes import AT_OPEN, BUYER, CONTINUOUS, OPENING_AUCTION, OTHER, REDUCE_ONLY, SELLER, Scene
from shm.records import SelfTradeRule

NEWEST, OLDEST = {"self_trade_rule": SelfTradeRule.CANCEL_NEWEST}, {"self_trade_rule": SelfTradeRule.CANCEL_OLDEST}
BOTH, DECREMENT = {"self_trade_rule": SelfTradeRule.CANCEL_BOTH}, {"self_trade_rule": SelfTradeRule.DECREMENT}


def with_own(lots=5, **own):
    """Sells at 100: one of BUYER's own, then one of another."""
    scene = Scene()
    scene.sell(1, 100, lots, account=BUYER, **own)
    scene.sell(2, 100, 9)
    return scene


def test_self_trade_by_the_incoming_rule(scene):
    """Of the same account or group; the resting order's rule is not asked, and orders before its turn trade."""
    assert with_own(**NEWEST).buy(3, 100, 7) == "accepted 3 100x7, trade 3-1 100x5, trade 3-2 100x2"
    assert with_own().buy(3, 100, 5, self_trade_rule=2, plain=True) == "accepted 3 100x5, trade 3-1 100x5"
    assert with_own().buy(3, 100, 5, self_trade_rule=0, display_quantity=1) == "accepted 3 100x5 hidden 4, trade 3-1 100x5"
    scene.sell(1, 100, 5)
    scene.sell(2, 100, 5, account=OTHER, self_trade_group=7)
    told = "accepted 3 100x7, trade 3-1 100x5, cancelled 3 100x2 self_trade"
    assert scene.buy(3, 100, 7, self_trade_group=7, **NEWEST) == told
    assert scene.buy(3, 100, 1, self_trade_group=8, **NEWEST) == "accepted 3 100x1, trade 3-2 100x1"
    assert scene.buy(3, 100, 1, self_trade_group=0, **NEWEST) == "accepted 3 100x1, trade 3-2 100x1"
    scene = Scene()
    scene.sell(1, 100, 5)
    scene.buy(2, 100, 5)
    scene.sell(3, 101, 9, account=BUYER, flags=REDUCE_ONLY)
    scene.rules(dynamic_collar=3)
    assert scene.buy(4, 101, 5, **NEWEST) == "accepted 4 101x5, cancelled 4 101x5 self_trade"
    scene.cancel(3)
    scene.sell(5, 104, 5, account=BUYER)
    assert scene.buy(4, 104, 5, **NEWEST).startswith("accepted 4 104x5, volatility_pause")


def test_cancel_newest():
    """The incoming order ends."""
    assert with_own().buy(3, 100, 7, **NEWEST) == "accepted 3 100x7, cancelled 3 100x7 self_trade"


def test_cancel_oldest():
    """The resting order ends."""
    told = "accepted 3 100x7, cancelled 1 100x5 self_trade, trade 3-2 100x7"
    assert with_own().buy(3, 100, 7, **OLDEST) == told


def test_cancel_both():
    """The resting order ends, then the incoming one."""
    told = "accepted 3 100x7, cancelled 1 100x5 self_trade, cancelled 3 100x7 self_trade"
    assert with_own().buy(3, 100, 7, **BOTH) == told


def test_decrement():
    """Both lose as much as the smaller has; the resting order is told first, and what is left goes on."""
    told = "accepted 3 100x7, cancelled 1 100x5 self_trade, restated 3 100x2 self_trade_decremented, trade 3-2 100x2"
    scene = with_own()
    assert scene.buy(3, 100, 7, **DECREMENT) == told
    assert scene.events[2]["quantity"] == 2
    told = "accepted 3 100x4, restated 1 100x1 self_trade_decremented, cancelled 3 100x4 self_trade"
    assert with_own().buy(3, 100, 4, **DECREMENT) == told
    told = "accepted 3 100x5, cancelled 1 100x5 self_trade, cancelled 3 100x5 self_trade"
    assert with_own().buy(3, 100, 5, **DECREMENT) == told
    told = "accepted 3 100x7, cancelled 1 100x5 self_trade, cancelled 3 100x7 one_cancels_other"
    assert with_own().buy(3, 100, 7, linked_to=1, **DECREMENT) == told


def test_decrement_of_an_iceberg():
    """It shows as much as before, in its place, as long as it has as much."""
    scene = with_own(10, display_quantity=3)
    told = "accepted 3 100x4, restated 1 100x6 hidden 3 self_trade_decremented, cancelled 3 100x4 self_trade"
    assert scene.buy(3, 100, 4, **DECREMENT) == told
    told = "accepted 3 100x4, restated 1 100x2 self_trade_decremented, cancelled 3 100x4 self_trade"
    assert scene.buy(3, 100, 4, **DECREMENT) == told
    assert scene.buy(3, 100, 3, account=OTHER) == "accepted 3 100x3, trade 3-1 100x2, trade 3-2 100x1"


def test_no_prevention_in_auctions(scene):
    """There is no incoming order whose rule could decide."""
    scene.state(OPENING_AUCTION)
    scene.sell(1, 100, 5, account=SELLER, time_in_force=AT_OPEN, **NEWEST)
    scene.buy(2, 100, 5, account=SELLER, **BOTH)
    assert scene.state(CONTINUOUS) == "continuous, uncrossed 100x5 buy 0, trade 2-1 100x5"
