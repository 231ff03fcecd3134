"""The rules of ``docs/matching.md`` about pegged orders: each test is named like its rule."""

import pytest

from matching_scenes import (
    CONTINUOUS,
    HALTED,
    HIDDEN,
    IOC,
    OPENING_AUCTION,
    PEGGED_ASK,
    PEGGED_BID,
    PEGGED_MIDDLE,
    PRE_OPEN,
    SELLER,
    STOP_LIMIT,
    VOLATILITY_PAUSE,
    Scene,
)

BID, ASK, MIDDLE = {"type": PEGGED_BID}, {"type": PEGGED_ASK}, {"type": PEGGED_MIDDLE}


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """One with a buy (1) at 100 and a sell (2) at 105."""
    scene.buy(1, 100, 5)
    scene.sell(2, 105, 5)
    return scene


def moved(number, price, lots=5):
    """What tells that an order was moved to a price."""
    return f"restated {number} {price}x{lots} hidden {lots} peg_moved"


def parked(number, lots=5):
    """What tells that an order was parked."""
    return f"restated {number} 0x{lots} hidden {lots} peg_parked"


def test_peg_price(scene):
    """Reference and offset, no better for others than its own price, within the static collar; or none at all."""
    assert scene.buy(3, 0, 5, stop_price=-2, **BID).endswith(moved(3, 98))
    assert scene.buy(4, 97, 5, stop_price=-2, **BID).endswith(moved(4, 97))
    assert scene.sell(5, 0, 5, stop_price=1, **ASK).endswith(moved(5, 106))
    assert scene.sell(6, 108, 5, stop_price=1, **ASK).endswith(moved(6, 108))
    assert scene.buy(7, 0, 5, stop_price=-100, **BID) == "accepted 7 0x5 hidden 5"
    told = f"rules_set, {moved(3, 99)}, {parked(4)}, {moved(7, 99)}"
    assert scene.rules(static_low=99) == told
    assert scene.rules(static_high=107) == f"rules_set, {moved(3, 98)}, {moved(4, 97)}, {parked(6)}, {parked(7)}"


def test_peg_reference(scene):
    """What is shown, of one side or of both; a middle between two ticks is rounded away from the other side."""
    scene.buy(3, 102, 5, flags=HIDDEN)
    assert scene.buy(4, 0, 5, **BID).endswith(moved(4, 100))
    assert scene.sell(5, 0, 5, **ASK).endswith(moved(5, 105))
    assert scene.buy(6, 0, 5, **MIDDLE).endswith(moved(6, 102))
    scene.cancel(3)
    scene.cancel(6)
    assert scene.sell(7, 0, 5, **MIDDLE).endswith(moved(7, 103))
    assert scene.sell(8, 0, 5, stop_price=4, **BID).endswith(moved(8, 104))
    assert scene.buy(9, 0, 5, stop_price=-4, **ASK).endswith(moved(9, 101))


def test_peg_entry(scene):
    """It may trade at once."""
    assert scene.buy(3, 0, 7, **ASK) == f"accepted 3 0x7 hidden 7, {moved(3, 105, 7)}, trade 3-2 105x5, {parked(3, 2)}"
    scene = Scene()
    assert scene.buy(1, 0, 5, **ASK) == "accepted 1 0x5 hidden 5"
    scene.state(PRE_OPEN)
    scene.sell(2, 100, 5)
    assert scene.buy(3, 0, 5, **ASK) == "accepted 3 0x5 hidden 5"


def test_peg_is_hidden(scene):
    """It trades after shown orders of its price, and no other one pegs to it."""
    scene.buy(3, 101, 5, stop_price=1, **BID)
    scene.buy(4, 101, 5, stop_price=1, **BID)
    assert scene.buy(5, 0, 5, **BID).endswith(moved(5, 100))
    assert scene.bids == [(100, 5, 1)]
    told = "accepted 6 100x16, trade 6-3 101x5, trade 6-4 101x5, trade 6-1 100x5, trade 6-5 100x1"
    assert scene.sell(6, 100, 16, time_in_force=IOC).startswith(told)


def test_peg_follows(scene):
    """It comes behind the hidden orders of its new price, and may trade on its way."""
    scene.buy(3, 0, 5, stop_price=-1, **BID)
    scene.buy(4, 101, 5, flags=HIDDEN)
    assert scene.buy(5, 102, 5) == f"accepted 5 102x5, {moved(3, 101)}"
    told = "accepted 6 101x11, trade 6-5 102x5, trade 6-4 101x5, trade 6-3 101x1"
    assert scene.sell(6, 101, 11, time_in_force=IOC) == f"{told}, {moved(3, 99, 4)}"
    scene.buy(7, 0, 5, stop_price=2, **BID)
    assert scene.buy(8, 103, 5) == f"accepted 8 103x5, {moved(3, 102, 4)}, {moved(7, 105)}, trade 7-2 105x5"


def test_peg_parked(scene):
    """Without a reference it waits, whatever it waits for; it is told once."""
    scene.buy(3, 0, 5, **BID)
    scene.buy(4, 0, 5, **MIDDLE)
    assert scene.cancel(2) == f"cancelled 2 105x5 cancelled_by_client, {parked(4)}"
    assert scene.cancel(1) == f"cancelled 1 100x5 cancelled_by_client, {parked(3)}"
    assert scene.sell(5, 1, 5, time_in_force=IOC) == "accepted 5 1x5, cancelled 5 1x5 no_liquidity"
    assert scene.buy(6, 90, 5) == f"accepted 6 90x5, {moved(3, 90)}"


def test_peg_only_in_continuous(scene):
    """In every other state all of them wait, and move when continuous trading begins again."""
    scene.buy(3, 0, 5, **BID)
    scene.sell(4, 0, 5, **ASK)
    for state, name in ((PRE_OPEN, "pre_open"), (OPENING_AUCTION, "opening_auction"), (HALTED, "halted")):
        assert scene.state(state) == f"{name}, {parked(3)}, {parked(4)}"
        assert scene.replace(1, 99, 5) in ("replaced 1 99x5", "rejected not_in_this_state")
        assert scene.state(VOLATILITY_PAUSE) == "volatility_pause"
        assert scene.state(CONTINUOUS) == f"continuous, {moved(3, 99)}, {moved(4, 105)}"


def test_peg_order(scene):
    """A round is of the orders as they were entered and of the references that it found; only a pause ends it."""
    scene.sell(3, 107, 5)
    scene.buy(4, 0, 5, stop_price=2, **BID)
    scene.buy(5, 0, 5, stop_price=-1, **BID)
    scene.sell(6, 110, 5, **ASK)
    scene.buy(7, 90, 5, type=STOP_LIMIT, stop_price=105)
    scene.sell(8, 0, 5, stop_price=3, **ASK)
    told = f"accepted 9 103x5, {moved(4, 105)}, trade 4-2 105x5, {moved(5, 102)}, triggered 7 90x5, {moved(8, 110)}"
    assert scene.buy(9, 103, 5) == told
    scene.rules(dynamic_collar=1)
    scene.buy(10, 0, 5, account=SELLER, stop_price=3, **BID)
    told = f"accepted 11 104x5, {moved(5, 103)}, {moved(10, 107)}, volatility_pause, {parked(5)}, restated 6"
    assert scene.buy(11, 104, 5).startswith(told)
