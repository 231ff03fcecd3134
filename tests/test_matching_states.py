"""The rules of ``docs/matching.md`` about states, expiry and what goes on after the incoming order: each test is named like
its rule."""

from matching_scenes import (
    ALL_OR_NONE,
    AT_CLOSE,
    AT_OPEN,
    BUYER,
    CANCEL_ONLY,
    CLOSED,
    CLOSING_AUCTION,
    CONTINUOUS,
    DAY,
    GTD,
    HALTED,
    HIDDEN,
    MARKET,
    OPENING_AUCTION,
    OTHER,
    PEGGED_ASK,
    PEGGED_BID,
    PRE_OPEN,
    SELLER,
    STOP_LIMIT,
    VOLATILITY_PAUSE,
    Scene,
)
from shm.reasons import Reason
from shm.records import CommandKind


def crossed(state=PRE_OPEN, **terms):
    """A buy (1) at 101 and a sell (2) at 100, which an instrument in ``state`` has collected."""
    scene = Scene()
    scene.state(PRE_OPEN)
    scene.buy(1, 101, 5, **terms)
    scene.sell(2, 100, 5, **terms)
    scene.state(state)
    return scene


UNCROSSED = "uncrossed 100x5 buy 0, trade 1-2 100x5"


def test_state_changed_first(scene):
    """Then what the change causes, in the same command."""
    scene.buy(1, 100, 5)
    scene.buy(2, 0, 5, type=PEGGED_BID)
    assert scene.state(HALTED) == "halted, restated 2 0x5 hidden 5 peg_parked"
    assert scene.events[0]["type"] == HALTED and scene.events[0]["reason"] == Reason.COMMANDED
    assert crossed().state(CONTINUOUS) == f"continuous, {UNCROSSED}"


def test_leaving_continuous(scene):
    """The pegged order that was entered first is parked first."""
    scene.buy(1, 100, 5)
    scene.buy(2, 0, 1, type=PEGGED_BID, stop_price=-5)
    scene.buy(3, 0, 1, type=PEGGED_BID)
    scene.replace(2, 0, 2, stop_price=-6)
    told = "cancel_only, restated 3 0x1 hidden 1 peg_parked, restated 2 0x2 hidden 2 peg_parked"
    assert scene.state(CANCEL_ONLY) == told
    assert scene.state(HALTED) == "halted"


def test_uncross_on_opening():
    """Wherever it comes from."""
    for state in (PRE_OPEN, OPENING_AUCTION, VOLATILITY_PAUSE, CLOSING_AUCTION, HALTED, CANCEL_ONLY):
        assert crossed(state).state(CONTINUOUS) == f"continuous, {UNCROSSED}"
    scene = crossed()
    scene.state(CLOSED)
    assert scene.state(CONTINUOUS) == f"continuous, {UNCROSSED}"


def test_uncross_on_closing():
    """Only what was an auction ends with trades."""
    for state in (OPENING_AUCTION, VOLATILITY_PAUSE, CLOSING_AUCTION):
        assert crossed(state).state(CLOSED) == f"closed, {UNCROSSED}"
    for state in (PRE_OPEN, HALTED, CANCEL_ONLY):
        assert crossed(state).state(CLOSED) == "closed"


def test_auction_orders_end(scene):
    """What waits for the close waits on when trading opens; when it closes, that ends too, in one walk with DAY orders."""
    scene.state(OPENING_AUCTION)
    scene.sell(1, 105, 1, time_in_force=AT_OPEN)
    scene.buy(2, 90, 1, time_in_force=AT_OPEN)
    scene.buy(3, 91, 1, time_in_force=AT_OPEN)
    scene.sell(4, 104, 1, time_in_force=AT_CLOSE)
    assert scene.state(PRE_OPEN) == "pre_open"
    told = "cancelled 3 91x1 auction_ended, cancelled 2 90x1 auction_ended, cancelled 1 105x1 auction_ended"
    assert scene.state(CONTINUOUS) == f"continuous, {told}"
    scene.state(CLOSING_AUCTION)
    assert scene.state(CONTINUOUS) == "continuous, cancelled 4 104x1 auction_ended"
    scene.sell(6, 104, 1, time_in_force=AT_CLOSE)
    scene.buy(7, 80, 1, type=STOP_LIMIT, stop_price=200, time_in_force=DAY)
    scene.sell(8, 105, 1, time_in_force=DAY)
    scene.sell(9, 110, 1)
    told = "closed, cancelled 8 105x1 day_ended, cancelled 7 80x1 day_ended, cancelled 6 104x1 auction_ended"
    assert scene.state(CLOSED) == told


def test_closing_auction_begins(scene):
    """Orders at the close come into the book in the order of entry, from whatever state."""
    scene.sell(1, 105, 5, time_in_force=AT_CLOSE)
    scene.buy(2, 0, 5, type=MARKET, time_in_force=AT_CLOSE)
    scene.sell(3, 104, 5, time_in_force=AT_CLOSE, flags=HIDDEN)
    scene.replace(1, 105, 6)
    scene.state(HALTED)
    told = "closing_auction, triggered 2 0x5, triggered 3 104x5 hidden 5, triggered 1 105x6, indicative 104x5 buy 0"
    assert scene.state(CLOSING_AUCTION) == told
    assert scene.state(CLOSING_AUCTION) == "closing_auction, indicative 104x5 buy 0"


def test_collecting_enters_no_trade():
    """No trade, no end, no change of price, whatever the state was before."""
    for state in (PRE_OPEN, HALTED, CANCEL_ONLY):
        scene = crossed(OPENING_AUCTION)
        assert scene.state(state) == state.name.lower()
        assert scene.bids == [(101, 5, 1)] and scene.asks == [(100, 5, 1)]
    for state in (OPENING_AUCTION, VOLATILITY_PAUSE):
        assert crossed(HALTED, time_in_force=DAY).state(state) == f"{state.name.lower()}, indicative 100x5 buy 0"


def test_clock_expires(scene):
    """What is due by now, in the order of expiry and, at the same time, of order ids."""
    scene.sell(1, 105, 1, time_in_force=GTD, expiry_ns=50)
    scene.buy(2, 100, 1, time_in_force=GTD, expiry_ns=40)
    scene.sell(3, 90, 1, type=STOP_LIMIT, stop_price=90, time_in_force=GTD, expiry_ns=40, order_id=1 << 24 | 3)
    scene.sell(4, 105, 1, time_in_force=GTD, expiry_ns=51)
    scene.buy(5, 99, 1, linked_to=1, account=SELLER)
    told = "cancelled 3 90x1 expired, cancelled 2 100x1 expired, cancelled 1 105x1 expired"
    assert scene.clock(50) == f"{told}, cancelled 5 99x1 one_cancels_other, clock"
    assert scene.clock(50) == "clock"


def test_only_clock_expires(scene):
    """Until a CLOCK says so an order that is due lives, whatever the time of other commands."""
    scene.sell(1, 105, 5, time_in_force=GTD, expiry_ns=50)
    assert scene.buy(2, 105, 1, time_ns=99) == "accepted 2 105x1, trade 2-1 105x1"
    assert scene.state(PRE_OPEN) == "pre_open"
    assert scene.reduce(1, 1, time_ns=100) == "replaced 1 105x3"
    assert scene.clock(49) == "clock"
    assert scene.clock(100) == "cancelled 1 105x3 expired, clock"


def test_day_ends_at_close(scene):
    """In the order of the walk; other orders stay."""
    day = {"time_in_force": DAY}
    scene.sell(1, 103, 1, **day)
    scene.sell(2, 102, 1)
    scene.sell(3, 102, 1, flags=HIDDEN, **day)
    scene.sell(4, 102, 1, **day)
    scene.buy(5, 90, 1, **day)
    scene.buy(6, 91, 1, **day)
    scene.sell(7, 80, 1, type=STOP_LIMIT, stop_price=70, **day)
    scene.buy(8, 120, 1, type=STOP_LIMIT, stop_price=110, **day)
    scene.buy(9, 102, 9, flags=ALL_OR_NONE, **day)
    scene.sell(10, 102, 1, instrument=1, **day)
    prices = {6: 91, 5: 90, 4: 102, 3: 102, 1: 103, 8: 120, 7: 80}
    told = [f"cancelled {number} {price}x1 day_ended" for number, price in prices.items()]
    assert scene.state(CLOSED) == ", ".join(["closed", *told, "cancelled 9 102x9 day_ended"])
    assert scene.cancel(2).startswith("cancelled") and scene.cancel(10).startswith("cancelled")


def test_settling(scene):
    """Elected stops come first, then pegged orders, then all-or-none ones, as long as there is anything to do."""
    scene.sell(1, 101, 9)
    scene.buy(2, 93, 1)
    scene.buy(3, 80, 1)
    scene.buy(4, 101, 12, flags=ALL_OR_NONE)
    scene.buy(5, 0, 1, type=PEGGED_BID, stop_price=-5)
    scene.sell(6, 94, 2, type=STOP_LIMIT, stop_price=93)
    told = "accepted 7 92x4, trade 7-2 93x1, triggered 6 94x2, restated 5 75x1 hidden 1 peg_moved"
    assert scene.sell(7, 92, 4) == told + ", trade 4-7 92x3, trade 4-6 94x2, trade 4-1 101x7"


def test_summary_comes_last(scene):
    """After all that a mass cancel or a clock caused."""
    scene.buy(1, 100, 5, time_in_force=GTD, expiry_ns=50)
    scene.buy(2, 101, 5)
    scene.sell(3, 0, 5, type=PEGGED_BID, stop_price=9)
    told = "cancelled 1 100x5 cancelled_by_mass_cancel, cancelled 2 101x5 cancelled_by_mass_cancel"
    assert scene.mass_cancel(BUYER) == told + ", restated 3 0x5 hidden 5 peg_parked, mass_cancelled 2"
    scene.buy(4, 100, 5, time_in_force=GTD, expiry_ns=50)
    assert scene.clock(50) == "cancelled 4 100x5 expired, restated 3 0x5 hidden 5 peg_parked, clock"


def test_instruments_settle_in_order(scene):
    """Of a mass cancel: that of the account's oldest order first, and what its auction would do before the next settles."""
    scene.state(OPENING_AUCTION, instrument=2)
    scene.sell(1, 100, 5, instrument=2)
    scene.buy(2, 100, 5, instrument=2)
    scene.sell(3, 100, 5)
    scene.buy(4, 0, 5, type=PEGGED_ASK, stop_price=-1)
    scene.sell(5, 100, 5, account=OTHER, instrument=2)
    told = "cancelled 1 100x5 cancelled_by_mass_cancel, cancelled 3 100x5 cancelled_by_mass_cancel"
    told += ", indicative 100x5 buy 0, restated 4 0x5 hidden 5 peg_parked, mass_cancelled 2"
    assert scene.send(CommandKind.MASS_CANCEL, account=SELLER, instrument=-1) == told
