"""The rules of ``docs/matching.md`` about dealing out a price in shares: each test is named like its rule."""

import pytest

from matching_scenes import BUYER, HIDDEN, IOC, Scene
from shm.records import Policy, RulesFlag, SelfTradeRule

PRO_RATA = {"policy": Policy.PRO_RATA}


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """One whose instrument is dealt out in shares."""
    scene.rules(**PRO_RATA)
    return scene


def test_pro_rata_shares(scene):
    """Each by what it shows, rounded down; a share that is too small is none; who takes all needs no shares."""
    scene.sell(1, 100, 10)
    scene.sell(2, 100, 90, display_quantity=30)
    scene.sell(3, 100, 60)
    assert scene.buy(4, 100, 50) == "accepted 4 100x50, trade 4-1 100x5, trade 4-2 100x15, trade 4-3 100x30"
    scene = Scene()
    scene.rules(minimum_allocation=6, **PRO_RATA)
    for number, lots in ((1, 10), (2, 30), (3, 60)):
        scene.sell(number, 100, lots)
    assert scene.buy(4, 100, 50) == "accepted 4 100x50, trade 4-2 100x15, trade 4-3 100x30, trade 4-1 100x5"
    told = "accepted 5 100x60, trade 5-1 100x5, trade 5-2 100x15, trade 5-3 100x30"
    assert scene.buy(5, 100, 60) == told


def test_pro_rata_top_order(scene):
    """The first order trades all that it shows, and the others share what is left."""
    scene.rules(flags=RulesFlag.TOP_ORDER_PRIORITY, **PRO_RATA)
    scene.sell(1, 100, 40, display_quantity=4)
    scene.sell(2, 100, 10)
    scene.sell(3, 100, 30)
    told = "accepted 4 100x24, trade 4-1 100x4, trade 4-2 100x5, trade 4-3 100x15, restated 1 100x36 hidden 32 iceberg_refilled"
    assert scene.buy(4, 100, 24) == told
    assert scene.buy(5, 100, 2) == "accepted 5 100x2, trade 5-2 100x2"


def test_pro_rata_rest_by_time(scene):
    """A trade for the share and another for the rest."""
    for number, lots in ((1, 3), (2, 3), (3, 5)):
        scene.sell(number, 100, lots)
    told = "accepted 4 100x7, trade 4-1 100x1, trade 4-2 100x1, trade 4-3 100x3, trade 4-1 100x2"
    assert scene.buy(4, 100, 7) == told


def test_pro_rata_hidden(scene):
    """They wait for what is shown, refills too, and trade one after the other."""
    scene.sell(1, 100, 5, flags=HIDDEN)
    scene.sell(2, 100, 5, flags=HIDDEN)
    scene.sell(3, 100, 4, display_quantity=2)
    told = "accepted 4 100x10, trade 4-3 100x2, restated 3 100x2 iceberg_refilled, trade 4-3 100x2, trade 4-1 100x5"
    assert scene.buy(4, 100, 10) == told + ", trade 4-2 100x1"


def test_pro_rata_refills_after(scene):
    """A round is dealt out whole; its refills, in the order of time, are shown in the next."""
    scene.sell(1, 100, 9, display_quantity=3)
    scene.sell(2, 100, 8, display_quantity=4)
    scene.sell(3, 100, 2)
    told = "accepted 4 100x13, trade 4-1 100x3, trade 4-2 100x4, trade 4-3 100x2"
    told += ", restated 1 100x6 hidden 3 iceberg_refilled, restated 2 100x4 iceberg_refilled"
    told += ", trade 4-1 100x1, trade 4-2 100x2, trade 4-1 100x1"
    assert scene.buy(4, 100, 13) == told


def test_pro_rata_self_trade(scene):
    """Whoever the incoming order may not trade with is dealt with before shares are reckoned, hidden ones last."""
    scene.sell(1, 100, 3, account=BUYER, flags=HIDDEN)
    scene.sell(2, 100, 10)
    scene.sell(3, 100, 5, account=BUYER)
    scene.sell(4, 100, 10)
    told = "accepted 5 100x10, cancelled 3 100x5 self_trade, cancelled 1 100x3 self_trade, trade 5-2 100x5, trade 5-4 100x5"
    assert scene.buy(5, 100, 10, self_trade_rule=SelfTradeRule.CANCEL_OLDEST, time_in_force=IOC) == told
    scene.sell(6, 100, 2, account=BUYER)
    told = "accepted 7 100x10, cancelled 6 100x2 self_trade, restated 7 100x8 self_trade_decremented"
    told += ", trade 7-2 100x4, trade 7-4 100x4"
    assert scene.buy(7, 100, 10, self_trade_rule=SelfTradeRule.DECREMENT, time_in_force=IOC) == told
    scene.sell(8, 100, 2, account=BUYER)
    told = "accepted 9 100x1, cancelled 9 100x1 self_trade"
    assert scene.buy(9, 100, 1, self_trade_rule=SelfTradeRule.CANCEL_NEWEST) == told
