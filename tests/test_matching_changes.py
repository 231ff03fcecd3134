"""The rules of ``docs/matching.md`` about cancelling, reducing and replacing: each test is named like its rule."""

from matching_scenes import (
    ALL_OR_NONE,
    AT_CLOSE,
    AT_OPEN,
    BUYER,
    CANCEL_ONLY,
    CLOSED,
    HALTED,
    HIDDEN,
    HIGHEST,
    IOC,
    MARKET,
    MARKET_TO_LIMIT,
    OPENING_AUCTION,
    PEGGED_ASK,
    PEGGED_BID,
    POST_ONLY,
    PRE_OPEN,
    SLIDE,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
    TRAILING_STOP_LIMIT,
    Scene,
)
from shm.records import CommandKind, InstrumentState, OrderFlag, Policy


def test_cancel():
    """In the book, at a stop price or beside both, in every state; an order that is gone is not there."""
    for state in InstrumentState:
        scene = Scene()
        scene.sell(1, 100, 5)
        scene.sell(2, 90, 5, type=STOP_LIMIT, stop_price=95)
        scene.sell(3, 101, 5, flags=ALL_OR_NONE)
        scene.sell(4, 0, 5, type=TRAILING_STOP, stop_price=5)
        scene.buy(5, 0, 5, type=PEGGED_BID)
        scene.state(state)
        for number, price in ((1, 100), (2, 90), (3, 101), (4, 0), (5, 0)):
            assert scene.cancel(number).startswith(f"cancelled {number} {price}x5 cancelled_by_client")
            assert scene.cancel(number) == "rejected order_not_live"
    assert scene.send(CommandKind.CANCEL) == "rejected order_not_live"


def test_cancelled_event(scene):
    """The price at which it stood, what was left, and leaves 0."""
    scene.buy(1, 100, 5)
    scene.sell(2, 100, 2)
    assert scene.cancel(1) == "cancelled 1 100x3 cancelled_by_client"
    assert (scene.events[0]["leaves"], scene.events[0]["resting_leaves"]) == (0, 0)
    scene.sell(2, 105, 5)
    scene.buy(3, 105, 5, flags=POST_ONLY | SLIDE)
    assert scene.cancel(3) == "cancelled 3 104x5 cancelled_by_client"
    scene.sell(3, 108, 5, type=PEGGED_ASK, stop_price=2)
    assert scene.cancel(3) == "cancelled 3 108x5 cancelled_by_client"
    scene.state(OPENING_AUCTION)
    scene.buy(4, 0, 5, type=MARKET, time_in_force=AT_OPEN)
    assert scene.cancel(4).startswith(f"cancelled 4 {HIGHEST}x5 cancelled_by_client")


def test_reduce(scene):
    """Fewer lots in the same place; none is the end."""
    scene.sell(1, 100, 5)
    scene.sell(2, 100, 5)
    assert scene.reduce(1, 2) == "replaced 1 100x3"
    assert scene.events[0]["quantity"] == 3
    assert scene.buy(3, 100, 1) == "accepted 3 100x1, trade 3-1 100x1"
    assert scene.reduce(1, 1) == "replaced 1 100x1"
    assert scene.events[0]["quantity"] == 2
    assert scene.reduce(1, 1) == "cancelled 1 100x1 cancelled_by_client"
    assert scene.reduce(2, 99) == "cancelled 2 100x5 cancelled_by_client"
    scene.buy(4, 90, 5, type=STOP_LIMIT, stop_price=105)
    assert scene.reduce(4, 1) == "replaced 4 90x4 hidden 4"
    scene.state(OPENING_AUCTION)
    scene.buy(5, 0, 5, type=MARKET, time_in_force=AT_OPEN)
    assert scene.reduce(5, 1) == f"replaced 5 {HIGHEST}x4"


def test_reduce_checks(scene):
    """That it lives, how much, and in which state."""
    assert scene.reduce(1, 0) == "rejected order_not_live"
    scene.sell(1, 100, 5)
    for state in (CANCEL_ONLY, CLOSED):
        scene.state(state)
        assert scene.reduce(1, 0) == "rejected quantity_not_positive"
        assert scene.reduce(1, -1) == "rejected quantity_not_positive"
        assert scene.reduce(1, 9) == "rejected not_in_this_state"
    scene.state(HALTED)
    assert scene.reduce(1, 1) == "replaced 1 100x4"


def test_reduce_hidden_first(scene):
    """An iceberg shows as much as it did, as long as it has as much."""
    scene.sell(1, 100, 9, display_quantity=4)
    scene.sell(2, 100, 9)
    scene.buy(3, 100, 1)
    assert scene.reduce(1, 3) == "replaced 1 100x5 hidden 2"
    assert scene.reduce(1, 3) == "replaced 1 100x2"
    assert scene.buy(3, 100, 3) == "accepted 3 100x3, trade 3-1 100x2, trade 3-2 100x1"


def test_replace_counts_executions(scene):
    """The quantity is that of the whole order; what is wrong with its price is not looked at if it ends."""
    scene.sell(1, 100, 5)
    scene.buy(2, 100, 2)
    assert scene.replace(1, 101, 6) == "replaced 1 101x4"
    assert scene.replace(1, -1, 2) == "cancelled 1 101x4 cancelled_by_client"
    scene.sell(1, 100, 5)
    assert scene.replace(1, 100, 0) == "cancelled 1 100x5 cancelled_by_client"


def test_replace_checks():
    """Like a NEW of its type, and of the type that it has become."""
    scene = Scene()
    assert scene.replace(1, 100, 5) == "rejected order_not_live"
    scene.sell(1, 100, 5)
    for state in (HALTED, CANCEL_ONLY, CLOSED):
        scene.state(state)
        assert scene.replace(1, 100, 0) == "rejected not_in_this_state"
    scene.state(PRE_OPEN)
    assert scene.replace(1, 101, 5) == "replaced 1 101x5"
    scene.state(0)
    scene.buy(2, 0, 5, type=STOP, stop_price=150)
    scene.buy(3, 0, 9, type=MARKET_TO_LIMIT)
    scene.rules(static_low=90, static_high=160)
    assert scene.replace(2, 7, 9, stop_price=0) == "rejected price_out_of_range"
    assert scene.replace(2, 0, 9, stop_price=0) == "rejected stop_price_out_of_range"
    assert scene.replace(3, 0, 12) == scene.replace(3, HIGHEST + 1, 12) == "rejected price_out_of_range"
    assert scene.replace(3, 89, 12) == "rejected price_outside_collar"
    scene.sell(4, 150, 5)
    for number, flags in ((5, POST_ONLY), (6, POST_ONLY | SLIDE)):
        scene.buy(number, 101, 5, flags=flags)
        assert scene.replace(number, 161, 5) == "rejected price_outside_collar"
        assert scene.replace(number, 150, 5) == "rejected post_only_would_trade"
    scene = Scene()
    scene.rules(policy=Policy.PRO_RATA)
    scene.sell(1, 100, 5)
    assert scene.replace(1, 100, 2**31) == "rejected quantity_above_bound"
    scene = Scene()
    scene.sell(1, 100, 5, display_quantity=2)
    scene.buy(2, 100, 1)
    assert scene.replace(1, 100, 2001) == "rejected quantity_above_bound"
    assert scene.replace(1, 100, 2000) == "replaced 1 100x1999 hidden 1997"
    scene = Scene(levels=1)
    scene.sell(1, 100, 5, time_in_force=AT_CLOSE)
    scene.sell(2, 101, 5)
    assert scene.replace(1, 100, 5) == "rejected level_pool_full"
    assert scene.replace(1, 100, 4) == "replaced 1 100x4 hidden 4"
    assert scene.replace(2, 102, 9) == "replaced 2 102x9"
    scene = Scene(levels=2)
    for number in (1, 2):
        scene.sell(number, 100, 5)
    scene.sell(3, 101, 5)
    assert scene.replace(1, 101, 5) == scene.replace(1, 100, 6) == "rejected level_pool_full"
    assert scene.replace(3, 100, 5) == "replaced 3 100x5"


def test_replace_fields(scene):
    """Price and quantity, and a stop price where the order has one; nothing else that the command says."""
    scene.sell(1, 100, 9, display_quantity=4)
    others = {"side": 0, "type": MARKET, "time_in_force": IOC, "display_quantity": 9, "flags": OrderFlag.HIDDEN}
    assert scene.replace(1, 100, 8, stop_price=7, **others) == "replaced 1 100x8 hidden 4"
    event = scene.events[0]
    assert (event["side"], event["type"], event["time_in_force"]) == (1, 1, 1)
    assert scene.buy(2, 100, 1) == "accepted 2 100x1, trade 2-1 100x1"
    scene.buy(3, 110, 5, type=STOP_LIMIT, stop_price=120)
    assert scene.replace(3, 90, 5, stop_price=100) == "replaced 3 90x5 hidden 5, triggered 3 90x5"
    scene.buy(4, 0, 5, type=PEGGED_BID)
    told = "replaced 4 0x5 hidden 5, restated 4 88x5 hidden 5 peg_moved"
    assert scene.replace(4, 0, 5, stop_price=-2, flags=0) == told


def test_replaced_is_entered_anew(scene):
    """Behind the others among all-or-none orders, pegged ones and stops, but not for a mass cancel."""
    for number in (1, 2):
        scene.buy(number, 100, 5, flags=ALL_OR_NONE)
    for number in (3, 4):
        scene.sell(number, 150, 5, type=STOP_LIMIT, stop_price=95)
    for number in (1, 3):
        scene.replace(number, 100 + 10 * number, 5, stop_price=95 if number == 3 else 0)
    assert scene.sell(5, 100, 5) == "accepted 5 100x5, trade 2-5 100x5"
    assert scene.last_trade(95) == "triggered 4 150x5, triggered 3 130x5"
    scene.cancel(1)
    scene.buy(6, 90, 5)
    for number in (7, 8):
        scene.buy(number, 0, 5, type=PEGGED_BID)
    scene.replace(7, 0, 6)
    told = "accepted 9 91x5, restated 8 91x5 hidden 5 peg_moved, restated 7 91x6 hidden 6 peg_moved"
    assert scene.buy(9, 91, 5) == told
    told = ", ".join(f"cancelled {number} {price} cancelled_by_mass_cancel" for number, price in ((7, "91x6"), (8, "91x5")))
    scene.cancel(6)
    assert scene.mass_cancel(BUYER).startswith(told)


def test_replace_keeps_priority(scene):
    """Fewer lots at the same prices, hidden ones first."""
    scene.sell(1, 100, 9, display_quantity=4)
    scene.sell(2, 100, 9)
    assert scene.replace(1, 100, 7) == "replaced 1 100x7 hidden 3"
    assert scene.buy(3, 100, 1) == "accepted 3 100x1, trade 3-1 100x1"
    assert scene.replace(1, 100, 5) == "replaced 1 100x4 hidden 1"
    assert scene.buy(3, 100, 1) == "accepted 3 100x1, trade 3-1 100x1"
    scene = Scene()
    scene.buy(1, 90, 5)
    for number in (2, 3):
        scene.buy(number, 0, 5, type=PEGGED_BID)
    assert scene.replace(2, 0, 4) == "replaced 2 0x4 hidden 4"
    told = "accepted 4 90x7, trade 4-1 90x5, trade 4-2 90x2"
    assert scene.sell(4, 90, 7, time_in_force=IOC).startswith(told)


def test_replace_moves(scene):
    """To the back, with a full display quantity, trading on the way; a trailing stop starts from the last price."""
    scene.sell(1, 100, 9, display_quantity=4)
    scene.sell(2, 100, 9)
    scene.buy(3, 100, 1)
    assert scene.replace(1, 100, 9) == "replaced 1 100x8 hidden 4"
    assert scene.buy(3, 100, 1) == "accepted 3 100x1, trade 3-2 100x1"
    scene.buy(4, 90, 3)
    assert scene.replace(2, 90, 9) == "replaced 2 90x8, trade 2-4 90x3"
    assert scene.replace(1, 101, 5) == "replaced 1 101x4"
    scene.sell(5, 101, 5)
    assert scene.replace(1, 101, 6) == "replaced 1 101x5 hidden 1"
    told = "accepted 6 101x11, trade 6-2 90x5, trade 6-5 101x5, trade 6-1 101x1"
    assert scene.buy(6, 101, 11) == told
    scene = Scene()
    scene.last_trade(100)
    scene.sell(1, 0, 5, type=TRAILING_STOP_LIMIT, stop_price=3, step=50)
    scene.last_trade(110)
    assert scene.replace(1, 0, 6, stop_price=3) == "replaced 1 0x6 hidden 6"
    assert scene.last_trade(107) == "triggered 1 107x6"


def test_replaced_event(scene):
    """The price as sent, the new total, and what is left of it."""
    scene.sell(1, 100, 5)
    scene.buy(2, 100, 2)
    scene.replace(1, 105, 9)
    event = scene.events[0]
    assert (event["price"], event["quantity"], event["leaves"], event["resting_leaves"]) == (105, 9, 7, 0)
    scene.sell(3, 0, 5, type=PEGGED_ASK, stop_price=2)
    told = "replaced 3 106x5 hidden 5, restated 3 107x5 hidden 5 peg_moved"
    assert scene.replace(3, 106, 5, stop_price=2) == told
    assert scene.replace(3, 106, 4, stop_price=2) == "replaced 3 106x4 hidden 4"


def test_replace_display(scene):
    """Nothing is hidden then; with more lots again the display quantity is what it was."""
    scene.sell(1, 100, 9, display_quantity=5)
    assert scene.replace(1, 101, 3) == "replaced 1 101x3"
    assert scene.asks == [(101, 3, 1)]
    assert scene.replace(1, 101, 9) == "replaced 1 101x9 hidden 4"
    scene.replace(1, 101, 4)
    scene.sell(2, 101, 5, flags=HIDDEN)
    assert scene.buy(3, 101, 4) == "accepted 3 101x4, trade 3-1 101x4"
