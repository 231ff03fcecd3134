"""The rules of ``docs/matching.md`` about the dynamic collar: each test is named like its rule."""

from matching_scenes import (
    CONTINUOUS,
    HALTED,
    IOC,
    MARKET,
    OPENING_AUCTION,
    OTHER,
    PEGGED_ASK,
    PEGGED_BID,
    PRE_OPEN,
    STOP,
    Scene,
)
from shm.reasons import Reason
from shm.records import EventKind


def test_dynamic_collar(scene):
    """A trade is held to the last price before its command, or of the uncross in it, or to the reference price."""
    scene.rules(dynamic_collar=3)
    scene.last_trade(50)
    scene.rules(dynamic_collar=3, reference_price=500)
    for number, price in enumerate((53, 54), 1):
        scene.sell(number, price, 1)
    told = "accepted 3 54x2, trade 3-1 53x1, volatility_pause, indicative 54x1 buy 0"
    assert scene.buy(3, 54, 2) == told
    scene = Scene()
    scene.rules(dynamic_collar=3, reference_price=100)
    assert scene.last_trade(97) == ""
    scene.buy(1, 96, 1)
    assert scene.sell(2, 93, 1) == "accepted 2 93x1, trade 2-1 96x1"
    scene = Scene()
    scene.rules(dynamic_collar=3)
    scene.last_trade(100)
    scene.buy(1, 0, 2, type=STOP, stop_price=110)
    scene.state(OPENING_AUCTION)
    for number, price in enumerate((110, 113, 114), 2):
        scene.sell(number, price, 1)
    scene.buy(5, 110, 1)
    told = "continuous, uncrossed 110x1 buy 0, trade 5-2 110x1, triggered 1 0x2, trade 1-3 113x1"
    assert scene.state(CONTINUOUS) == told + ", volatility_pause, cancelled 1 0x1 trading_paused"


def test_pause_on_breach(scene):
    """The order that would have traded rests if it may; then pegged orders are parked."""
    rules = {"dynamic_collar": 3, "reference_price": 100}
    for terms, end in (({"time_in_force": IOC}, "104x1"), ({"type": MARKET}, "104x1")):
        scene = Scene()
        scene.rules(**rules)
        scene.sell(1, 104, 1)
        scene.sell(2, 0, 1, type=PEGGED_ASK)
        told = f"accepted 3 104x1, volatility_pause, cancelled 3 {end} trading_paused"
        assert scene.buy(3, 104, 1, **terms) == told + ", restated 2 0x1 hidden 1 peg_parked"
        changed = scene.events[1]
        assert changed["kind"] == EventKind.STATE_CHANGED and changed["reason"] == Reason.COLLAR_BREACHED
    scene = Scene()
    scene.rules(**rules)
    scene.sell(1, 104, 1)
    scene.buy(2, 99, 1)
    told = "accepted 3 0x1 hidden 1, restated 3 104x1 hidden 1 peg_moved, volatility_pause, restated 3 0x1 hidden 1 peg_parked"
    assert scene.buy(3, 0, 1, type=PEGGED_BID, stop_price=5) == told
    assert scene.sell(4, 99, 1) == "accepted 4 99x1, indicative 99x1 buy 0"


def test_pause_ends_by_command(scene):
    """Neither time nor an order that leaves ends it."""
    scene.rules(dynamic_collar=3, reference_price=100)
    scene.sell(1, 104, 1)
    assert scene.buy(2, 104, 1) == "accepted 2 104x1, volatility_pause, indicative 104x1 buy 0"
    assert scene.clock(10**18) == "clock"
    assert scene.cancel(2) == "cancelled 2 104x1 cancelled_by_client, indicative 0x0 buy 0"
    assert scene.rules() == "rules_set"
    assert scene.buy(3, 104, 1, account=OTHER, time_in_force=IOC) == "rejected not_in_this_state"
    assert scene.buy(4, 104, 1) == "accepted 4 104x1, indicative 104x1 buy 0"
    assert scene.state(PRE_OPEN) == "pre_open" and scene.state(HALTED) == "halted"
    assert scene.state(CONTINUOUS) == "continuous, uncrossed 104x1 buy 0, trade 4-1 104x1"
