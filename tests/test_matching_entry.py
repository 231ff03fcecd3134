"""The rules of ``docs/matching.md`` about an order's entry: each test is named like its rule."""

from matching_scenes import (
    ALL_OR_NONE,
    AT_CLOSE,
    AT_OPEN,
    BUYER,
    CLOSING_AUCTION,
    FOK,
    HIDDEN,
    HIGHEST,
    IOC,
    MARKET,
    MARKET_TO_LIMIT,
    OPENING_AUCTION,
    OTHER,
    PEGGED_ASK,
    POST_ONLY,
    PRE_OPEN,
    REDUCE_ONLY,
    SELLER,
    SLIDE,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
    Scene,
)
from shm.records import Policy, SelfTradeRule

SLIDES = {"flags": POST_ONLY | SLIDE}


def test_accepted_first(scene):
    """ACCEPTED tells the order as it was sent, whatever becomes of it in the same command."""
    scene.sell(1, 100, 2)
    assert scene.buy(2, 105, 3, minimum_quantity=2) == "accepted 2 105x3, trade 2-1 100x2"
    event = scene.events[0]
    assert (event["price"], event["quantity"], event["leaves"], event["resting_leaves"]) == (105, 3, 3, 0)
    assert scene.buy(3, 0, 7, type=MARKET) == "accepted 3 0x7, cancelled 3 0x7 no_liquidity"


def test_lots_not_shown(scene):
    """What others cannot see of an order is told with it, whenever it is told."""
    scene.last_trade(100)
    assert scene.sell(1, 110, 9) == "accepted 1 110x9"
    assert scene.sell(2, 110, 9, flags=HIDDEN) == "accepted 2 110x9 hidden 9"
    assert scene.sell(3, 0, 9, type=PEGGED_ASK) == "accepted 3 0x9 hidden 9, restated 3 110x9 hidden 9 peg_moved"
    scene.cancel(3)
    assert scene.sell(4, 110, 9, flags=ALL_OR_NONE) == "accepted 4 110x9 hidden 9"
    assert scene.buy(5, 104, 9, type=STOP_LIMIT, stop_price=103, display_quantity=2) == "accepted 5 104x9 hidden 9"
    assert scene.buy(6, 90, 9, time_in_force=AT_CLOSE, display_quantity=2) == "accepted 6 90x9 hidden 9"
    assert scene.sell(7, 103, 9, display_quantity=5) == "accepted 7 103x9 hidden 4"
    told = "accepted 8 103x2, trade 8-7 103x2, triggered 5 104x9 hidden 7, trade 5-7 103x3, restated 7 103x4 iceberg_refilled"
    assert scene.buy(8, 103, 2).startswith(told)
    assert scene.sell(9, 103, 9, display_quantity=5) == "accepted 9 103x9 hidden 4, trade 9-5 104x2"
    assert scene.buy(10, 103, 2) == "accepted 10 103x2, trade 10-9 103x2"
    assert scene.reduce(9, 1) == "replaced 9 103x4 hidden 1"
    assert scene.replace(9, 102, 9) == "replaced 9 102x5"
    assert scene.state(CLOSING_AUCTION).endswith("triggered 6 90x9 hidden 7")


def test_limit_trades_then_rests(scene):
    """What is left stands at the order's own price, behind who is there."""
    scene.sell(1, 99, 5)
    scene.buy(2, 98, 4)
    assert scene.buy(3, 98, 4) == "accepted 3 98x4"
    assert scene.buy(4, 100, 8) == "accepted 4 100x8, trade 4-1 99x5"
    assert scene.bids == [(100, 3, 1), (98, 8, 2)]
    assert scene.sell(5, 98, 8) == "accepted 5 98x8, trade 5-4 100x3, trade 5-2 98x4, trade 5-3 98x1"


def test_ioc_never_rests(scene):
    """It trades what it can, and is gone."""
    scene.sell(1, 99, 5)
    told = "accepted 2 99x8, trade 2-1 99x5, cancelled 2 99x3 no_liquidity"
    assert scene.buy(2, 99, 8, time_in_force=IOC) == told
    assert scene.buy(3, 99, 8, time_in_force=IOC) == "accepted 3 99x8, cancelled 3 99x8 no_liquidity"


def test_market_reaches_all(scene):
    """Any price without a protection price, none worse than it with one; and it never rests."""
    scene.sell(1, 99, 5)
    scene.sell(2, 9_000_000, 1)
    told = "accepted 3 99x7, trade 3-1 99x5, cancelled 3 99x2 no_liquidity"
    assert scene.buy(3, 99, 7, type=MARKET) == told
    assert scene.buy(3, 0, 2, type=MARKET) == "accepted 3 0x2, trade 3-2 9000000x1, cancelled 3 0x1 no_liquidity"


def test_market_stays_in_the_collar(scene):
    """Orders beyond a static collar that came later are out of a market order's reach, but not of a market-to-limit one's."""
    scene.sell(1, 104, 1)
    scene.sell(2, 106, 9)
    scene.buy(3, 0, 2, type=STOP, stop_price=104)
    scene.rules(static_high=105)
    told = "accepted 4 0x3, trade 4-1 104x1, cancelled 4 0x2 no_liquidity, triggered 3 0x2, cancelled 3 0x2 no_liquidity"
    assert scene.buy(4, 0, 3, type=MARKET) == told
    told = "accepted 5 0x3, restated 5 106x3 priced_by_market, trade 5-2 106x3"
    assert scene.buy(5, 0, 3, type=MARKET_TO_LIMIT) == told
    scene.buy(6, 94, 9)
    scene.rules(static_low=95)
    assert scene.sell(7, 0, 1, type=MARKET) == "accepted 7 0x1, cancelled 7 0x1 no_liquidity"
    assert scene.buy(8, 0, 1, type=MARKET) == "accepted 8 0x1, trade 8-2 106x1"
    scene.rules(reference_price=100, static_low=95)
    scene.sell(9, 0, 1, type=TRAILING_STOP, stop_price=1)
    told = "accepted 10 96x1, trade 10-11 96x1, triggered 9 0x1, cancelled 9 0x1 no_liquidity"
    scene.buy(11, 96, 1)
    assert scene.sell(10, 96, 1) == told


def test_market_to_limit(scene):
    """The best opposite price becomes its limit; there it rests."""
    assert scene.buy(1, 0, 5, type=MARKET_TO_LIMIT) == "accepted 1 0x5, cancelled 1 0x5 no_liquidity"
    scene.sell(2, 100, 3)
    scene.sell(3, 101, 5)
    told = "accepted 4 0x5, restated 4 100x5 priced_by_market, trade 4-2 100x3"
    assert scene.buy(4, 0, 5, type=MARKET_TO_LIMIT) == told
    assert scene.bids == [(100, 2, 1)] and scene.asks == [(101, 5, 1)]


def test_fok_all_or_nothing(scene):
    """One lot too few in reach, and nothing happens."""
    scene.sell(1, 99, 5)
    scene.sell(2, 100, 5)
    told = "accepted 3 99x6, cancelled 3 99x6 fill_or_kill"
    assert scene.buy(3, 99, 6, time_in_force=FOK) == told
    assert scene.buy(3, 0, 11, type=MARKET, time_in_force=FOK) == "accepted 3 0x11, cancelled 3 0x11 fill_or_kill"
    told = "accepted 3 100x10, trade 3-1 99x5, trade 3-2 100x5"
    assert scene.buy(3, 100, 10, time_in_force=FOK) == told


def test_minimum_quantity(scene):
    """It is asked for on entry, once."""
    scene.sell(1, 100, 4)
    assert scene.buy(2, 100, 9, minimum_quantity=5) == "accepted 2 100x9, cancelled 2 100x9 minimum_quantity"
    assert scene.buy(2, 100, 9, minimum_quantity=4) == "accepted 2 100x9, trade 2-1 100x4"
    scene.sell(3, 101, 1)
    assert scene.replace(2, 101, 9) == "replaced 2 101x5, trade 2-3 101x1"
    told = "accepted 4 102x9, cancelled 4 102x9 minimum_quantity"
    assert scene.buy(4, 102, 9, minimum_quantity=1, time_in_force=IOC) == told


def reaches(scene, lots, **terms):
    """Whether a FOK order to buy ``lots`` at 105 can trade whole, and one of a lot more cannot."""
    more = scene.buy(20, 105, lots + 1, time_in_force=FOK, **terms)
    enough = scene.buy(20, 105, lots, time_in_force=FOK, **terms)
    return more == f"accepted 20 105x{lots + 1}, cancelled 20 105x{lots + 1} fill_or_kill" and "trade" in enough


def with_own(policy=Policy.PRICE_TIME, **own):
    """Sells: 2 at 100, at 101 an iceberg of 9 that shows 3, then 5 of the buyer's own, then 7."""
    scene = Scene()
    scene.rules(policy=policy)
    scene.sell(1, 100, 2)
    scene.sell(2, 101, 9, display_quantity=3)
    scene.sell(3, 101, 5, account=BUYER, **own)
    scene.sell(4, 101, 7)
    return scene


def test_what_counts_as_reachable(scene):
    """Hidden lots do; what may vanish before its turn does not, nor what a self-trade or the collar keeps away."""
    scene.sell(1, 100, 4, flags=HIDDEN)
    scene.sell(2, 105, 9, display_quantity=2)
    scene.sell(3, 106, 9)
    assert reaches(scene, 13)
    scene = Scene()
    for number, price in enumerate((100, 101, 102), 1):
        scene.sell(number, price, number)
    scene.sell(4, 109, 4, linked_to=2)
    assert reaches(scene, 4)
    scene = Scene()
    scene.rules(reference_price=100, dynamic_collar=3)
    scene.sell(1, 103, 5)
    scene.sell(2, 104, 5)
    assert reaches(scene, 5)
    assert reaches(with_own(), 18, self_trade_rule=SelfTradeRule.CANCEL_OLDEST)
    for rule in (SelfTradeRule.CANCEL_NEWEST, SelfTradeRule.CANCEL_BOTH, SelfTradeRule.DECREMENT):
        assert reaches(with_own(), 5, self_trade_rule=rule)
        assert reaches(with_own(flags=HIDDEN), 18, self_trade_rule=rule)
        assert reaches(with_own(Policy.PRO_RATA), 2, self_trade_rule=rule)
    scene = Scene()
    scene.buy(1, 100, 5)
    scene.sell(2, 100, 5)
    scene.sell(3, 101, 4, account=BUYER, flags=REDUCE_ONLY)
    scene.sell(4, 102, 7, account=OTHER)
    assert scene.buy(5, 105, 8, account=SELLER, flags=REDUCE_ONLY, time_in_force=FOK).endswith("fill_or_kill")
    told = "accepted 5 105x7, restated 5 105x5 reduced_to_position, trade 5-3 101x4, trade 5-4 102x1"
    assert scene.buy(5, 105, 7, account=SELLER, flags=REDUCE_ONLY, time_in_force=FOK) == told


def test_post_only_slides(scene):
    """One tick short of the best opposite order, or not at all."""
    scene.sell(1, 100, 5, flags=HIDDEN)
    assert scene.buy(2, 103, 5, **SLIDES) == "accepted 2 103x5, restated 2 99x5 post_only_slid"
    assert scene.buy(3, 98, 5, **SLIDES) == "accepted 3 98x5"
    scene.rules(static_low=100)
    assert scene.buy(4, 100, 5, **SLIDES) == "accepted 4 100x5, cancelled 4 100x5 post_only_would_trade"
    scene.rules()
    scene.mass_cancel(BUYER)
    scene.sell(5, 1, 5)
    assert scene.buy(4, 1, 5, **SLIDES) == "accepted 4 1x5, cancelled 4 1x5 post_only_would_trade"
    scene.mass_cancel(SELLER)
    scene.buy(6, HIGHEST, 5)
    told = f"accepted 7 {HIGHEST}x5, cancelled 7 {HIGHEST}x5 post_only_would_trade"
    assert scene.sell(7, HIGHEST, 5, **SLIDES) == told
    scene.state(PRE_OPEN)
    assert scene.sell(7, HIGHEST, 5, **SLIDES) == f"accepted 7 {HIGHEST}x5"


def test_collecting_states_do_not_match(scene):
    """Orders wait for an auction; those that want all or nothing wait beside the book."""
    scene.state(PRE_OPEN)
    assert scene.buy(1, 101, 5) == "accepted 1 101x5"
    assert scene.sell(2, 100, 5) == "accepted 2 100x5"
    assert scene.sell(3, 99, 5, flags=ALL_OR_NONE) == "accepted 3 99x5 hidden 5"
    assert scene.bids == [(101, 5, 1)] and scene.asks == [(100, 5, 1)]


def test_market_in_auctions(scene):
    """A market order of an auction has the best price that there is, or its protection price."""
    scene.state(OPENING_AUCTION)
    market = {"type": MARKET, "time_in_force": AT_OPEN}
    scene.buy(1, 0, 5, **market)
    scene.buy(2, 90, 5, **market)
    scene.sell(3, 0, 5, **market)
    scene.sell(4, 95, 5, **market)
    assert scene.bids == [(HIGHEST, 5, 1), (90, 5, 1)]
    assert scene.asks == [(1, 5, 1), (95, 5, 1)]


def test_at_close_waits(scene):
    """Before the closing auction nobody sees it and nobody trades with it."""
    assert scene.sell(1, 100, 5, time_in_force=AT_CLOSE) == "accepted 1 100x5 hidden 5"
    assert scene.buy(2, 100, 5) == "accepted 2 100x5"
    scene.state(OPENING_AUCTION)
    assert scene.sell(3, 101, 5, time_in_force=AT_CLOSE) == "accepted 3 101x5 hidden 5"
    assert scene.asks == []
    scene.state(CLOSING_AUCTION)
    assert scene.sell(4, 102, 5, time_in_force=AT_CLOSE) == "accepted 4 102x5"
    assert scene.asks == [(100, 5, 1), (101, 5, 1), (102, 5, 1)]


def test_level_pool_at_rest():
    """Who has waited without a level may find none; who moves, or is triggered, gives his own back first."""
    scene = Scene(levels=1)
    scene.sell(1, 100, 5, time_in_force=AT_CLOSE)
    scene.buy(2, 90, 5)
    assert scene.replace(2, 91, 5) == "replaced 2 91x5"
    assert scene.state(CLOSING_AUCTION) == "closing_auction, triggered 1 100x5, cancelled 1 100x5 level_pool_full"
    scene = Scene(levels=2)
    scene.sell(1, 100, 5)
    scene.buy(2, 99, 5, type=STOP_LIMIT, stop_price=100)
    told = "accepted 3 100x1, trade 3-1 100x1, triggered 2 99x5"
    assert scene.buy(3, 100, 1, time_in_force=IOC) == told
    assert scene.bids == [(99, 5, 1)]
