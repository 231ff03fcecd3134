"""The rules of ``docs/matching.md`` about trading by price and time: each test is named like its rule."""

from matching_scenes import (
    AT_OPEN,
    BUYER,
    CONTINUOUS,
    DAY,
    HIDDEN,
    IOC,
    MARKET,
    OPENING_AUCTION,
    PEGGED_ASK,
    REDUCE_ONLY,
    SELL,
    SELLER,
    STOP,
    UNTRACKED,
)
from shm.records import AccountFlag, CommandKind, EventKind


def test_price_first(scene):
    """Whatever came first."""
    scene.sell(1, 101, 5)
    scene.sell(2, 100, 5)
    assert scene.buy(3, 101, 7) == "accepted 3 101x7, trade 3-2 100x5, trade 3-1 101x2"
    scene.buy(4, 99, 5)
    scene.buy(5, 100, 5)
    assert scene.sell(6, 99, 7) == "accepted 6 99x7, trade 6-5 100x5, trade 6-4 99x2"
    assert scene.sell(7, 100, 1, instrument=1) == "accepted 7 100x1"
    assert scene.buy(8, 100, 1) == "accepted 8 100x1"


def test_resting_price(scene):
    """Who comes gets the price that stands, however much further he would go."""
    scene.sell(1, 99, 5)
    assert scene.buy(2, 105, 2) == "accepted 2 105x2, trade 2-1 99x2"
    assert scene.buy(3, 99, 3) == "accepted 3 99x3, trade 3-1 99x3"
    scene.buy(4, 98, 5)
    assert scene.sell(5, 1, 5) == "accepted 5 1x5, trade 5-4 98x5"


def test_time_next(scene):
    """Among shown orders the first to come, then among hidden ones."""
    scene.sell(1, 100, 5, flags=HIDDEN)
    scene.sell(2, 100, 5)
    scene.sell(3, 100, 5)
    scene.sell(4, 100, 5, flags=HIDDEN)
    told = "accepted 5 100x16, trade 5-2 100x5, trade 5-3 100x5, trade 5-1 100x5, trade 5-4 100x1"
    assert scene.buy(5, 100, 16) == told


def test_trade_event(scene):
    """Both orders' ids and leaves; side, type and time in force are those of the incoming one."""
    scene.buy(7, 100, 5, time_in_force=DAY)
    assert scene.sell(8, 99, 2, type=MARKET, time_in_force=IOC) == "accepted 8 99x2, trade 8-7 100x2"
    trade = scene.events[1]
    assert trade["kind"] == EventKind.TRADE and (trade["price"], trade["quantity"], trade["instrument"]) == (100, 2, 0)
    assert trade["order_id"] == scene.orders[8]["order_id"] and trade["resting_order_id"] == scene.orders[7]["order_id"]
    assert (trade["client_order_id"], trade["resting_client_order_id"]) == (8, 7)
    assert (trade["account"], trade["resting_account"]) == (SELLER, BUYER)
    assert (trade["side"], trade["type"], trade["time_in_force"]) == (SELL, MARKET, IOC)
    assert (trade["leaves"], trade["resting_leaves"]) == (0, 3)


def test_iceberg_shows_a_part(scene):
    """What it shows trades before those who came later, and no more; at the end it shows what is left."""
    assert scene.sell(1, 100, 7, display_quantity=3) == "accepted 1 100x7 hidden 4"
    assert scene.asks == [(100, 3, 1)]
    scene.sell(2, 100, 5)
    told = "accepted 3 100x4, trade 3-1 100x3, restated 1 100x4 hidden 1 iceberg_refilled, trade 3-2 100x1"
    assert scene.buy(3, 100, 4) == told
    assert scene.asks == [(100, 7, 2)]
    scene.cancel(2)
    assert scene.buy(4, 100, 3) == "accepted 4 100x3, trade 4-1 100x3, restated 1 100x1 iceberg_refilled"


def test_iceberg_refill(scene):
    """Behind the shown orders of its price and before the hidden ones; not before the shown part is used up."""
    scene.sell(1, 100, 9, flags=HIDDEN)
    scene.sell(2, 100, 7, display_quantity=3)
    scene.sell(3, 100, 2)
    assert scene.buy(4, 100, 2) == "accepted 4 100x2, trade 4-2 100x2"
    told = "accepted 4 100x9, trade 4-2 100x1, restated 2 100x4 hidden 1 iceberg_refilled, trade 4-3 100x2, trade 4-2 100x3"
    assert scene.buy(4, 100, 9) == told + ", restated 2 100x1 iceberg_refilled, trade 4-2 100x1, trade 4-1 100x2"


def test_iceberg_incoming(scene):
    """It hides nothing while it trades; what rests shows its part."""
    scene.sell(1, 100, 5)
    told = "accepted 2 100x9 hidden 7, trade 2-1 100x5"
    assert scene.buy(2, 100, 9, display_quantity=2) == told
    assert scene.bids == [(100, 2, 1)]


def test_hidden_comes_last(scene):
    """After all shown lots of its price, icebergs' refills among them, but not after another price."""
    scene.sell(1, 100, 2, flags=HIDDEN)
    scene.sell(2, 101, 2)
    scene.sell(3, 0, 2, type=PEGGED_ASK)
    scene.sell(4, 100, 2, display_quantity=1)
    told = "accepted 5 101x7, trade 5-4 100x1, restated 4 100x1 iceberg_refilled, trade 5-4 100x1"
    assert scene.buy(5, 101, 7) == told + ", trade 5-1 100x2, trade 5-3 100x2, trade 5-2 101x1"


def test_last_price(scene):
    """In continuous trading and in an auction: a stop that is entered at the last price is triggered at once."""
    scene.sell(1, 100, 1)
    scene.sell(2, 103, 1)
    scene.buy(3, 103, 2)
    assert scene.buy(4, 0, 1, type=STOP, stop_price=104) == "accepted 4 0x1 hidden 1"
    assert scene.buy(5, 0, 1, type=STOP, stop_price=103).startswith("accepted 5 0x1 hidden 1, triggered 5 0x1")
    scene.state(OPENING_AUCTION)
    scene.buy(6, 90, 1, time_in_force=AT_OPEN)
    scene.sell(7, 90, 1)
    scene.state(CONTINUOUS)
    assert scene.sell(8, 0, 1, type=STOP, stop_price=89) == "accepted 8 0x1 hidden 1"
    assert scene.sell(9, 0, 1, type=STOP, stop_price=90).startswith("accepted 9 0x1 hidden 1, triggered 9 0x1")


def test_position_tracked(scene):
    """Of both sides; what the account's flag was when the order was entered is what counts."""
    reduces = {"flags": REDUCE_ONLY, "price": 90, "time_in_force": IOC}
    scene.sell(1, 100, 5, account=UNTRACKED)
    scene.send(CommandKind.ACCOUNT, account=UNTRACKED, flags=AccountFlag.TRACK_POSITION)
    scene.sell(2, 100, 3, account=UNTRACKED)
    scene.buy(3, 100, 8)
    scene.sell(4, 90, 9)
    scene.buy(5, 90, 20, account=SELLER)
    scene.buy(6, 80, 1)
    told = "accepted 7 90x20, restated 7 90x8 reduced_to_position, trade 7-5 90x8"
    assert scene.sell(7, quantity=20, account=BUYER, **reduces) == told
    scene.sell(8, 85, 9)
    told = "accepted 9 90x20, restated 9 90x3 reduced_to_position, trade 9-8 85x3"
    assert scene.buy(9, quantity=20, account=UNTRACKED, **reduces) == told
