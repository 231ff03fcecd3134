"""The rules of ``docs/matching.md`` about stop orders: each test is named like its rule."""

from matching_scenes import (
    AT_OPEN,
    BASIS_POINTS,
    CLOSED,
    CLOSING_AUCTION,
    CONTINUOUS,
    HIGHEST,
    IOC,
    OPENING_AUCTION,
    PRE_OPEN,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
    TRAILING_STOP_LIMIT,
    Scene,
)

TRAILS = {"type": TRAILING_STOP_LIMIT}
"""With price 0 its limit price is its stop price, which TRIGGERED tells."""


def test_stop_waits(scene):
    """Whatever its side and its stop price, it is not there for others."""
    assert scene.buy(1, 0, 5, type=STOP, stop_price=105) == "accepted 1 0x5 hidden 5"
    assert scene.buy(2, 120, 5, type=STOP_LIMIT, stop_price=105) == "accepted 2 120x5 hidden 5"
    assert scene.bids == []
    assert scene.sell(3, 1, 5, time_in_force=IOC) == "accepted 3 1x5, cancelled 3 1x5 no_liquidity"


def test_stop_elected(scene):
    """By each trade before the next; or on entry, but not by a reference price."""
    scene.rules(reference_price=100)
    for number, price in enumerate((100, 101), 1):
        scene.sell(number, price, 1)
    scene.buy(3, 90, 1, type=STOP_LIMIT, stop_price=101)
    scene.buy(4, 91, 1, type=STOP_LIMIT, stop_price=100)
    assert scene.sell(5, 110, 1, type=STOP_LIMIT, stop_price=100) == "accepted 5 110x1 hidden 1"
    told = "accepted 6 101x2, trade 6-1 100x1, trade 6-2 101x1, triggered 4 91x1, triggered 5 110x1, triggered 3 90x1"
    assert scene.buy(6, 101, 2) == told
    assert scene.buy(7, 92, 1, type=STOP_LIMIT, stop_price=102) == "accepted 7 92x1 hidden 1"
    assert scene.buy(8, 92, 1, type=STOP_LIMIT, stop_price=101) == "accepted 8 92x1 hidden 1, triggered 8 92x1"
    assert scene.sell(9, 120, 1, type=STOP_LIMIT, stop_price=101) == "accepted 9 120x1 hidden 1, triggered 9 120x1"
    assert scene.sell(10, 120, 1, type=STOP_LIMIT, stop_price=100) == "accepted 10 120x1 hidden 1"


def test_order_of_election(scene):
    """Buys from below, sells from above, at one stop price by time."""
    for number, stop_price in enumerate((98, 100, 99, 99), 1):
        scene.buy(number, 50, 1, type=STOP_LIMIT, stop_price=stop_price)
    for number, stop_price in enumerate((101, 103, 101, 102), 5):
        scene.sell(number, 150, 1, type=STOP_LIMIT, stop_price=stop_price)
    buys = "triggered 1 50x1, triggered 3 50x1, triggered 4 50x1, triggered 2 50x1"
    sells = "triggered 6 150x1, triggered 8 150x1, triggered 5 150x1, triggered 7 150x1"
    assert scene.last_trade(100) == f"{buys}, {sells}"


def test_triggered_after_the_incoming(scene):
    """The incoming order is done first, and those that a triggered one elects come after those elected before."""
    for number, price in enumerate((100, 101, 103), 1):
        scene.sell(number, price, 5)
    scene.buy(4, 0, 5, type=STOP, stop_price=101)
    scene.buy(5, 102, 4, type=STOP_LIMIT, stop_price=100)
    scene.buy(6, 103, 4, type=STOP_LIMIT, stop_price=103)
    told = "accepted 7 100x7, trade 7-1 100x5, triggered 5 102x4, trade 5-2 101x4"
    told += ", triggered 4 0x5, trade 4-2 101x1, trade 4-3 103x4, triggered 6 103x4, trade 6-3 103x1"
    assert scene.buy(7, 100, 7) == told


def test_stop_becomes_market(scene):
    """A stop trades at any price and never rests, a stop-limit keeps to its price and does."""
    scene.sell(1, 100, 1)
    scene.sell(2, 900, 1)
    scene.buy(3, 0, 5, type=STOP, stop_price=100)
    scene.buy(4, 101, 5, type=STOP_LIMIT, stop_price=100)
    told = "accepted 5 100x1, trade 5-1 100x1, triggered 3 0x5, trade 3-2 900x1, cancelled 3 0x4 no_liquidity"
    assert scene.buy(5, 100, 1) == told + ", triggered 4 101x5"
    assert scene.bids == [(101, 5, 1)]


def test_trailing_starts(scene):
    """From the last price, or, before the first trade, from the reference price."""
    scene.rules(reference_price=200)
    scene.sell(1, 0, 5, stop_price=3, **TRAILS)
    assert scene.last_trade(198) == ""
    assert scene.last_trade(197) == "triggered 1 197x5"
    scene.cancel(1)
    scene.sell(2, 0, 5, stop_price=3, **TRAILS)
    assert scene.last_trade(195) == ""
    assert scene.last_trade(194) == "triggered 2 194x5"
    scene.cancel(2)
    scene.buy(3, 0, 5, stop_price=3, **TRAILS)
    assert scene.last_trade(196) == ""
    assert scene.last_trade(197) == "triggered 3 197x5"


def test_trailing_follows(scene):
    """By whole steps in its own favour, and never back."""
    scene.last_trade(100)
    scene.sell(1, 0, 5, stop_price=3, step=2, **TRAILS)
    scene.last_trade(101)
    assert scene.last_trade(98) == ""
    scene.last_trade(102)
    assert scene.last_trade(100) == ""
    assert scene.last_trade(99) == "triggered 1 99x5"
    scene.cancel(1)
    scene.buy(2, 0, 5, stop_price=3, **TRAILS)
    scene.last_trade(98)
    assert scene.last_trade(100) == ""
    assert scene.last_trade(101) == "triggered 2 101x5"


def test_trailing_needs_a_reference(scene):
    """The first trade gives it its stop price."""
    assert scene.sell(1, 0, 5, stop_price=3, step=50, **TRAILS) == "accepted 1 0x5 hidden 5"
    assert scene.last_trade(100) == ""
    assert scene.last_trade(98) == ""
    assert scene.last_trade(97) == "triggered 1 97x5"


def test_trailing_basis_points(scene):
    """Of the price that it trails, in whole ticks, rather one more than one less."""
    scene.last_trade(101)
    scene.sell(1, 0, 5, stop_price=150, flags=BASIS_POINTS, **TRAILS)
    assert scene.last_trade(100) == ""
    assert scene.last_trade(99) == "triggered 1 99x5"
    scene.cancel(1)
    scene.sell(2, 0, 5, stop_price=150, flags=BASIS_POINTS, **TRAILS)
    scene.last_trade(1000)
    assert scene.last_trade(986) == ""
    assert scene.last_trade(985) == "triggered 2 985x5"


def test_trailing_bounds(scene):
    """A stop price is a price, however large the distance."""
    scene.last_trade(4)
    scene.sell(1, 0, 5, stop_price=5, **TRAILS)
    assert scene.last_trade(2) == ""
    assert scene.last_trade(1) == "triggered 1 1x5"
    scene = Scene()
    scene.last_trade(HIGHEST - 2)
    scene.buy(1, 0, 5, stop_price=5, **TRAILS)
    assert scene.last_trade(HIGHEST - 1) == ""
    assert scene.last_trade(HIGHEST) == f"triggered 1 {HIGHEST}x5"


def test_trailing_before_electing(scene):
    """A stop price that a trade gives may be elected by it; of two that meet, the one entered first is ahead."""
    scene.sell(1, 0, 5, stop_price=5, **TRAILS)
    assert scene.last_trade(1) == "triggered 1 1x5"
    scene = Scene()
    scene.last_trade(100)
    scene.sell(1, 0, 5, stop_price=4, **TRAILS)
    scene.sell(2, 0, 5, stop_price=300, flags=BASIS_POINTS, **TRAILS)
    scene.last_trade(133)
    assert scene.last_trade(130) == ""
    assert scene.last_trade(129) == "triggered 1 129x5, triggered 2 129x5"


def test_trailing_joins_the_back(scene):
    """At a stop price that others had before."""
    scene.last_trade(100)
    scene.sell(1, 0, 5, stop_price=3, **TRAILS)
    scene.sell(2, 150, 5, type=STOP_LIMIT, stop_price=98)
    scene.last_trade(101)
    assert scene.last_trade(98) == "triggered 2 150x5, triggered 1 98x5"


def test_trailing_limit(scene):
    """So much worse than the stop price at which it was elected, within what is a price."""
    scene.last_trade(100)
    scene.sell(1, 2, 5, stop_price=3, **TRAILS)
    assert scene.last_trade(97) == "triggered 1 95x5"
    scene.cancel(1)
    scene.buy(2, 2, 5, stop_price=3, **TRAILS)
    assert scene.last_trade(101) == "triggered 2 102x5"
    scene.cancel(2)
    scene.sell(3, 500, 5, stop_price=3, **TRAILS)
    scene.sell(4, 0, 5, type=TRAILING_STOP, stop_price=3)
    assert scene.last_trade(98) == "triggered 3 1x5, triggered 4 0x5, cancelled 4 0x5 no_liquidity"
    scene = Scene()
    scene.last_trade(100)
    scene.buy(1, HIGHEST, 5, stop_price=3, **TRAILS)
    assert scene.last_trade(103) == f"triggered 1 {HIGHEST}x5"


def test_only_continuous_elects(scene):
    """What an auction trades, or what is entered then, elects when continuous trading begins, after all that ends then."""
    scene.last_trade(100)
    scene.sell(1, 150, 5, type=STOP_LIMIT, stop_price=95)
    scene.sell(2, 0, 5, stop_price=3, **TRAILS)
    scene.state(OPENING_AUCTION)
    assert scene.sell(3, 150, 5, type=STOP_LIMIT, stop_price=105) == "accepted 3 150x5 hidden 5"
    scene.buy(4, 90, 2)
    scene.sell(5, 90, 5, time_in_force=AT_OPEN)
    told = "continuous, uncrossed 90x2 sell 3, trade 4-5 90x2, cancelled 5 90x3 auction_ended"
    assert scene.state(CONTINUOUS) == told + ", triggered 3 150x5, triggered 2 97x5, triggered 1 150x5"
    scene = Scene()
    scene.last_trade(100)
    scene.sell(1, 0, 5, stop_price=3, **TRAILS)
    scene.state(CLOSING_AUCTION)
    scene.buy(2, 110, 1)
    scene.sell(3, 110, 1)
    assert scene.state(CLOSED) == "closed, uncrossed 110x1 buy 0, trade 2-3 110x1"
    assert scene.state(PRE_OPEN) == "pre_open"
    assert scene.state(CONTINUOUS) == "continuous"
    assert scene.last_trade(108) == ""
    assert scene.last_trade(107) == "triggered 1 107x5"


def test_triggered_in_a_pause(scene):
    """A limit order comes to rest for the auction, a market order ends."""
    scene.rules(reference_price=100, dynamic_collar=3)
    scene.sell(1, 101, 1)
    scene.sell(2, 104, 1)
    scene.buy(3, 0, 1, type=STOP, stop_price=101)
    scene.buy(4, 110, 1, type=STOP_LIMIT, stop_price=101)
    told = "accepted 5 105x2, trade 5-1 101x1, volatility_pause, triggered 3 0x1, cancelled 3 0x1 trading_paused"
    assert scene.buy(5, 105, 2) == told + ", triggered 4 110x1, indicative 110x1 buy 0"
