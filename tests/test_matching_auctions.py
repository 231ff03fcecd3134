"""The rules of ``docs/matching.md`` about auctions: each test is named like its rule."""

import pytest

from matching_scenes import (
    AT_OPEN,
    BUYER,
    CLOSED,
    CLOSING_AUCTION,
    CONTINUOUS,
    HIDDEN,
    HIGHEST,
    MARKET,
    OPENING_AUCTION,
    OTHER,
    PRE_OPEN,
    REDUCE_ONLY,
    SELLER,
    Scene,
)
from shm.records import EventFlag, EventKind, Side

AT_ANY_PRICE = {"price": 0, "type": MARKET, "time_in_force": AT_OPEN}


@pytest.fixture
def scene(scene: Scene) -> Scene:
    """One whose instrument is in its opening auction."""
    scene.state(OPENING_AUCTION)
    return scene


def test_uncross_price(scene):
    """The most volume, then the least imbalance, then the nearest to the reference, then the lowest."""
    scene.buy(1, 102, 10)
    assert scene.sell(2, 100, 6) == "accepted 2 100x6, indicative 100x6 buy 4"
    assert scene.sell(3, 101, 4) == "accepted 3 101x4, indicative 101x10 buy 0"
    assert scene.buy(4, 101, 5) == "accepted 4 101x5, indicative 102x10 buy 0"
    scene = Scene()
    scene.state(OPENING_AUCTION)
    scene.buy(1, 104, 5)
    assert scene.sell(2, 100, 5) == "accepted 2 100x5, indicative 100x5 buy 0"
    assert scene.rules(reference_price=103) == "rules_set, indicative 103x5 buy 0"
    assert scene.rules(reference_price=110) == "rules_set, indicative 104x5 buy 0"
    assert scene.rules() == "rules_set, indicative 100x5 buy 0"
    scene = Scene()
    scene.state(OPENING_AUCTION)
    scene.buy(1, quantity=5, **AT_ANY_PRICE)
    assert scene.sell(2, 101, 3) == "accepted 2 101x3, indicative 101x3 buy 2"
    scene.sell(3, quantity=4, **AT_ANY_PRICE)
    scene.cancel(2)
    assert scene.buy(4, HIGHEST, 1) == f"accepted 4 {HIGHEST}x1, indicative {HIGHEST}x4 buy 2"
    assert scene.cancel(4).endswith("indicative 0x0 buy 0")


def test_uncross_reference(scene):
    """The last price, if there is one, whatever the rules say."""
    scene.state(CONTINUOUS)
    scene.last_trade(102)
    scene.rules(reference_price=104)
    scene.state(OPENING_AUCTION)
    scene.buy(1, 105, 5)
    assert scene.sell(2, 100, 5) == "accepted 2 100x5, indicative 102x5 buy 0"


def test_market_against_market(scene):
    """Without any limit price there is none to trade at; a reference price is one."""
    scene.buy(1, quantity=5, **AT_ANY_PRICE)
    assert scene.sell(2, quantity=3, **AT_ANY_PRICE) == "accepted 2 0x3"
    told = f"continuous, cancelled 1 {HIGHEST}x5 auction_ended, cancelled 2 1x3 auction_ended"
    assert scene.state(CONTINUOUS) == told
    scene.state(OPENING_AUCTION)
    scene.buy(1, quantity=5, **AT_ANY_PRICE)
    scene.sell(2, quantity=3, **AT_ANY_PRICE)
    assert scene.rules(reference_price=77) == "rules_set, indicative 77x3 buy 2"


def test_uncrossed_event(scene):
    """What will trade, before it does; nothing of a book that does not cross."""
    scene.buy(1, 100, 5)
    assert scene.state(CONTINUOUS) == "continuous"
    scene.state(OPENING_AUCTION)
    scene.sell(2, 99, 9)
    assert scene.state(CONTINUOUS) == "continuous, uncrossed 99x5 sell 4, trade 1-2 99x5"
    event = scene.events[1]
    assert (event["kind"], event["price"], event["quantity"]) == (EventKind.UNCROSSED, 99, 5)
    assert (event["leaves"], event["side"], event["instrument"]) == (4, Side.SELL, 0)


def test_uncross_trades(scene):
    """All at one price; the buyer is told as the incoming order of each trade, whoever came first."""
    scene.buy(1, 105, 3)
    scene.sell(2, 100, 4)
    scene.buy(3, 103, 3)
    scene.sell(4, 102, 9)
    scene.sell(5, 104, 9)
    told = "continuous, uncrossed 102x6 sell 7, trade 1-2 102x3, trade 3-2 102x1, trade 3-4 102x2"
    assert scene.state(CONTINUOUS) == told
    trades = scene.events[2:]
    assert ((trades["flags"] & EventFlag.AUCTION) != 0).all() and (trades["side"] == Side.BUY).all()
    assert (trades["account"] == BUYER).all() and (trades["resting_account"] == SELLER).all()
    assert trades["leaves"].tolist() == [0, 2, 0] and trades["resting_leaves"].tolist() == [1, 0, 7]


def test_uncross_order(scene):
    """Hidden orders after what is shown, icebergs part by part: the buyer's refill is told before the seller's."""
    scene.sell(1, 100, 3, flags=HIDDEN)
    scene.sell(2, 100, 4, display_quantity=2)
    scene.sell(3, 100, 1)
    scene.sell(4, 99, 1, flags=HIDDEN)
    scene.buy(5, 100, 9, display_quantity=3)
    told = "continuous, uncrossed 100x9 buy 0, trade 5-4 100x1, trade 5-2 100x2"
    told += ", restated 5 100x6 hidden 3 iceberg_refilled, restated 2 100x2 iceberg_refilled"
    told += ", trade 5-3 100x1, trade 5-2 100x2, restated 5 100x3 iceberg_refilled, trade 5-1 100x3"
    assert scene.state(CONTINUOUS) == told


def test_uncross_until_uncrossed(scene):
    """What a link or a position takes away was counted, so that another price may be left to be found."""
    scene.buy(1, 105, 5)
    scene.sell(2, 100, 5)
    scene.sell(3, 101, 5, linked_to=2)
    scene.sell(4, 102, 5)
    assert scene.buy(5, 103, 5) == "accepted 5 103x5, indicative 101x10 buy 0"
    told = "continuous, uncrossed 101x10 buy 0, trade 1-2 101x5, cancelled 3 101x5 one_cancels_other"
    assert scene.state(CONTINUOUS) == told + ", uncrossed 102x5 buy 0, trade 5-4 102x5"
    scene = Scene()
    scene.sell(1, 100, 2)
    scene.buy(2, 100, 2)
    scene.state(OPENING_AUCTION)
    scene.sell(3, 90, 5, account=BUYER, flags=REDUCE_ONLY)
    scene.sell(4, 95, 5, account=OTHER)
    assert scene.buy(5, 97, 5) == "accepted 5 97x5, indicative 90x5 buy 0"
    told = "continuous, uncrossed 90x5 buy 0, restated 3 90x2 reduced_to_position, trade 5-3 90x2"
    assert scene.state(CONTINUOUS) == told + ", uncrossed 95x3 sell 2, trade 5-4 95x3"


def test_hidden_in_auctions(scene):
    """Hidden and not shown lots are volume like others."""
    scene.buy(1, 101, 9, flags=HIDDEN)
    assert scene.sell(2, 101, 7, display_quantity=1) == "accepted 2 101x7 hidden 6, indicative 101x7 buy 2"


def test_indicative(scene):
    """Told when it is another than before, at the end of the command, in auctions alone."""
    assert scene.buy(1, 101, 5) == "accepted 1 101x5"
    assert scene.sell(2, 100, 9) == "accepted 2 100x9, indicative 100x5 sell 4"
    assert scene.sell(3, 102, 9) == "accepted 3 102x9"
    assert scene.reduce(2, 4) == "replaced 2 100x5, indicative 100x5 buy 0"
    assert scene.cancel(1) == "cancelled 1 101x5 cancelled_by_client, indicative 0x0 buy 0"
    assert scene.buy(1, 101, 5) == "accepted 1 101x5, indicative 100x5 buy 0"
    assert scene.state(PRE_OPEN) == "pre_open"
    assert scene.reduce(1, 1) == "replaced 1 101x4"
    assert scene.state(CLOSING_AUCTION) == "closing_auction, indicative 100x4 sell 1"
    assert scene.state(OPENING_AUCTION) == "opening_auction, indicative 100x4 sell 1"
    assert scene.state(CLOSED) == "closed, uncrossed 100x4 sell 1, trade 1-2 100x4"


def test_auction_collars(scene):
    """Orders that are in it trade, however far from the reference price, and beyond the static collar."""
    scene.buy(1, 110, 5)
    scene.sell(2, 110, 5)
    assert scene.rules(reference_price=100, dynamic_collar=1, static_high=105) == "rules_set"
    assert scene.state(CONTINUOUS) == "continuous, uncrossed 110x5 buy 0, trade 1-2 110x5"
