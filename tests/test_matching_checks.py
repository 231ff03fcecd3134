"""The rules of ``docs/matching.md`` about what a NEW is checked for, in the order of the checks: each test is named like its
rule, and breaks the next rule too where that can be, so that the order shows."""

from matching_scenes import (
    ALL_OR_NONE,
    AT_CLOSE,
    AT_OPEN,
    BASIS_POINTS,
    BUYER,
    CANCEL_ONLY,
    CLOSED,
    CLOSING_AUCTION,
    CONTINUOUS,
    DAY,
    FOK,
    GTD,
    HALTED,
    HIDDEN,
    HIGHEST,
    IOC,
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    OPENING_AUCTION,
    OTHER,
    PEGGED_BID,
    PEGGED_MIDDLE,
    POST_ONLY,
    PRE_OPEN,
    REDUCE_ONLY,
    SLIDE,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
    TRAILING_STOP_LIMIT,
    UNTRACKED,
    VOLATILITY_PAUSE,
    Scene,
)
from shm.records import Policy

OUT_OF_RANGE, AGAINST_THE_COLLAR = "rejected price_out_of_range", "rejected price_outside_collar"
STOP_OUT_OF_RANGE = "rejected stop_price_out_of_range"


def test_side_known(scene):
    """There are two sides."""
    assert scene.order(1, 2, 100, 0) == "rejected unknown_side"
    assert scene.order(1, 255, 100, 5) == "rejected unknown_side"


def test_quantity_positive(scene):
    """An order is of one lot at least."""
    assert scene.buy(1, 100, 0, type=99) == "rejected quantity_not_positive"
    assert scene.buy(1, 100, -5) == "rejected quantity_not_positive"
    assert scene.buy(1, 100, 1) == "accepted 1 100x1"


def test_type_known(scene):
    """Ten types, from 1 on."""
    assert scene.buy(1, 100, 5, type=0, time_in_force=99) == "rejected unknown_type"
    assert scene.buy(1, 100, 5, type=11) == "rejected unknown_type"


def test_time_in_force_known(scene):
    """Seven times in force, from 1 on."""
    assert scene.buy(1, 100, 5, time_in_force=0) == "rejected unknown_time_in_force"
    assert scene.buy(1, 0, 5, time_in_force=8, flags=128) == "rejected unknown_time_in_force"


def test_extended_says_so(scene):
    """What is more than plain needs EXTENDED; of a plain order the fields that few use are not looked at."""
    for terms in (
        {"type": STOP, "stop_price": 5},
        {"time_in_force": FOK},
        {"time_in_force": GTD, "expiry_ns": 10**9},
        {"time_in_force": AT_CLOSE},
        {"flags": POST_ONLY},
        {"flags": HIDDEN},
        {"flags": 128},
    ):
        assert scene.buy(1, 0, 5, plain=True, **terms) == "rejected terms_disagree", terms
    unseen = {"stop_price": -1, "display_quantity": 1, "expiry_ns": 1, "minimum_quantity": 9, "self_trade_rule": 1, "step": 1}
    for number, time_in_force in enumerate((1, IOC, DAY)):
        scene.sell(7, 100, 1, account=BUYER)
        told = scene.buy(number, 100, 5, plain=True, time_in_force=time_in_force, self_trade_group=-4, linked_to=9, **unseen)
        assert told.startswith(f"accepted {number} 100x5, trade {number}-7 100x1")
        scene.cancel(number)


RIGHT = (
    {"type": MARKET, "time_in_force": FOK},
    {"type": MARKET, "time_in_force": AT_CLOSE, "price": 0},
    {"type": MARKET, "minimum_quantity": 10},
    {"type": MARKET_TO_LIMIT, "price": 0, "time_in_force": GTD, "expiry_ns": 10**9, "display_quantity": 3},
    {"type": STOP, "price": 0, "stop_price": 5, "time_in_force": DAY, "linked_to": 9},
    {"type": STOP_LIMIT, "stop_price": 105, "display_quantity": 10},
    {"type": TRAILING_STOP, "price": 0, "stop_price": 5, "step": 2, "flags": BASIS_POINTS},
    {"type": TRAILING_STOP_LIMIT, "stop_price": 5, "step": 2},
    {"type": PEGGED_MIDDLE, "stop_price": -3},
    {"minimum_quantity": 1, "display_quantity": 10},
    {"minimum_quantity": 10, "time_in_force": IOC},
    {"minimum_quantity": 1, "flags": HIDDEN},
    {"display_quantity": 1, "quantity": 1000, "time_in_force": AT_CLOSE},
    {"flags": HIDDEN, "time_in_force": AT_CLOSE},
    {"flags": HIDDEN | POST_ONLY},
    {"flags": POST_ONLY | SLIDE, "display_quantity": 2, "time_in_force": DAY},
    {"flags": ALL_OR_NONE, "linked_to": 9},
    {"self_trade_rule": 4, "self_trade_group": 2**31 - 1},
)
WRONG = (
    {"type": MARKET, "time_in_force": GTD, "expiry_ns": 10**9},
    {"type": MARKET_TO_LIMIT, "price": 0, "time_in_force": IOC},
    {"type": STOP, "price": 0, "stop_price": 5, "time_in_force": AT_CLOSE},
    {"type": PEGGED_BID, "time_in_force": FOK},
    {"type": STOP_LIMIT, "stop_price": 5, "time_in_force": AT_OPEN},
    {"type": TRAILING_STOP, "price": 0, "stop_price": 5, "time_in_force": IOC},
    {"minimum_quantity": 11},
    {"minimum_quantity": -1},
    {"minimum_quantity": 1, "type": STOP_LIMIT, "stop_price": 5},
    {"minimum_quantity": 1, "time_in_force": FOK},
    {"minimum_quantity": 1, "time_in_force": AT_CLOSE},
    {"minimum_quantity": 1, "flags": POST_ONLY},
    {"minimum_quantity": 1, "flags": ALL_OR_NONE},
    {"display_quantity": 11},
    {"display_quantity": -1},
    {"display_quantity": 1, "quantity": 1001},
    {"display_quantity": 1, "type": MARKET},
    {"display_quantity": 1, "time_in_force": IOC},
    {"display_quantity": 1, "type": PEGGED_BID},
    {"display_quantity": 1, "flags": HIDDEN},
    {"display_quantity": 1, "flags": ALL_OR_NONE},
    {"flags": HIDDEN, "type": MARKET},
    {"flags": HIDDEN, "time_in_force": IOC},
    {"flags": HIDDEN | ALL_OR_NONE},
    {"flags": POST_ONLY, "time_in_force": IOC},
    {"flags": POST_ONLY, "time_in_force": AT_OPEN},
    {"flags": POST_ONLY | ALL_OR_NONE},
    {"flags": SLIDE},
    {"flags": ALL_OR_NONE, "time_in_force": AT_CLOSE},
    {"flags": ALL_OR_NONE, "type": STOP_LIMIT, "stop_price": 5},
    {"flags": ALL_OR_NONE | REDUCE_ONLY},
    {"flags": REDUCE_ONLY, "type": PEGGED_BID},
    {"flags": REDUCE_ONLY, "type": MARKET_TO_LIMIT, "price": 0},
    {"flags": REDUCE_ONLY, "time_in_force": AT_CLOSE},
    {"flags": REDUCE_ONLY, "minimum_quantity": 1},
    {"flags": BASIS_POINTS},
    {"flags": BASIS_POINTS, "type": STOP, "price": 0, "stop_price": 5},
    {"step": 1, "type": STOP, "price": 0, "stop_price": 5},
    {"stop_price": 5},
    {"stop_price": 5, "type": MARKET_TO_LIMIT, "price": 0},
    {"type": STOP, "stop_price": 5, "price": 100},
    {"type": TRAILING_STOP, "stop_price": 5, "price": 100},
    {"type": MARKET_TO_LIMIT, "price": 100},
    {"time_in_force": GTD},
    {"time_in_force": GTD, "expiry_ns": -1},
    {"expiry_ns": 10**9},
    {"linked_to": 9, "type": MARKET},
    {"linked_to": 9, "time_in_force": IOC},
    {"linked_to": 9, "time_in_force": AT_CLOSE},
    {"self_trade_rule": 5},
    {"self_trade_group": -1},
    {"flags": 128},
)


def test_terms_agree():
    """Every line of the table of terms, both ways."""
    for terms in RIGHT:
        scene = Scene()
        scene.buy(9, 90, 1)
        assert scene.buy(1, **{"price": 100, "quantity": 10} | terms).startswith("accepted 1 "), terms
    for terms in WRONG:
        assert scene.buy(2, **{"price": 100, "quantity": 10} | terms) == "rejected terms_disagree", terms


def test_price_in_range(scene):
    """What prices there are depends on the type: a limit has one, protection and a peg's limit may be 0."""
    for terms in ({"type": LIMIT}, {"type": STOP_LIMIT, "stop_price": 5}):
        for price in (0, -1, HIGHEST + 1):
            assert scene.buy(1, price, 5, **terms) == OUT_OF_RANGE
    for terms in ({"type": MARKET}, {"type": PEGGED_BID}, {"type": TRAILING_STOP_LIMIT, "stop_price": -1}):
        for price in (-1, HIGHEST + 1):
            assert scene.buy(1, price, 5, **terms) == OUT_OF_RANGE
    assert scene.sell(2, HIGHEST, 5) == f"accepted 2 {HIGHEST}x5"
    assert scene.buy(3, 1, 5) == "accepted 3 1x5"
    for number, terms in enumerate(({"type": MARKET}, {"type": PEGGED_BID}, {"type": TRAILING_STOP_LIMIT, "stop_price": 9}), 4):
        assert scene.buy(number, 0, 5, **terms).startswith(f"accepted {number} 0x5")


def test_stop_price_in_range(scene):
    """A stop price is a price, a distance in basis points less than the whole, an offset within 2^47 both ways."""
    for terms in ({"type": STOP, "price": 0}, {"type": STOP_LIMIT, "price": 100}, {"type": TRAILING_STOP, "price": 0}):
        for stop_price in (0, -1, HIGHEST + 1):
            assert scene.sell(1, quantity=5, stop_price=stop_price, **terms) == STOP_OUT_OF_RANGE
        assert scene.sell(1, quantity=5, stop_price=HIGHEST, **terms).startswith("accepted")
        scene.cancel(1)
    trailing = {"type": TRAILING_STOP, "flags": BASIS_POINTS}
    assert scene.sell(1, 0, 5, stop_price=10_000, **trailing) == STOP_OUT_OF_RANGE
    assert scene.sell(1, 0, 5, stop_price=9_999, **trailing).startswith("accepted")
    for offset in (2**47, -(2**47)):
        assert scene.sell(2, 0, 5, type=PEGGED_BID, stop_price=offset) == STOP_OUT_OF_RANGE
    assert scene.sell(2, 0, 5, type=PEGGED_BID, stop_price=1 - 2**47).startswith("accepted")


def test_level_pool():
    """Whoever may come to rest or wait needs a free level, even at a price that has one; who never rests does not."""
    scene = Scene(levels=1)
    scene.sell(1, 100, 9)
    assert scene.sell(2, 100, 5, order_id=-1) == "rejected level_pool_full"
    assert scene.buy(2, 100, 1) == "rejected level_pool_full"
    assert scene.buy(2, 0, 1, type=STOP, stop_price=105) == "rejected level_pool_full"
    assert scene.buy(2, 0, 1, type=MARKET, time_in_force=AT_CLOSE) == "rejected level_pool_full"
    for number, terms in enumerate(({"time_in_force": IOC}, {"time_in_force": FOK}, {"type": MARKET}), 2):
        assert scene.buy(number, 100, 1, **terms) == f"accepted {number} 100x1, trade {number}-1 100x1"
    for number, validity in enumerate((IOC, FOK, DAY), 5):
        told = scene.buy(number, 0, 1, type=MARKET, time_in_force=validity)
        assert told == f"accepted {number} 0x1, trade {number}-1 100x1"


def test_order_id_free(scene):
    """An order id is positive, and its slot one that exists and that no order has."""
    scene.sell(1, 100, 5)
    for order_id in (0, -1, 9 << 24 | 32, 9 << 24 | 2**24 - 1, 9 << 24 | 1):
        assert scene.buy(2, 90, 5, order_id=order_id, instrument=77) == "rejected bad_order_id", order_id
    scene.cancel(1)
    assert scene.buy(2, 90, 5, order_id=9 << 24 | 1) == "accepted 2 90x5"


def test_instrument_has_a_book(scene):
    """Only what was defined is traded."""
    for instrument in (3, 77, -1):
        assert scene.buy(1, 100, 5, instrument=instrument, account=77) == "rejected instrument_not_defined"


def test_account_is_defined(scene):
    """Only who was defined trades."""
    scene.state(CLOSED)
    for account in (4, 77, -1):
        assert scene.buy(1, 100, 5, account=account) == "rejected account_not_defined"


KINDS_OF_ORDERS = {
    "limit": {"price": 100},
    "day": {"price": 100, "time_in_force": DAY},
    "gtd": {"price": 100, "time_in_force": GTD, "expiry_ns": 10**9},
    "all or none": {"price": 100, "flags": ALL_OR_NONE},
    "stop": {"price": 0, "type": STOP, "stop_price": 200},
    "pegged": {"price": 0, "type": PEGGED_BID},
    "at close": {"price": 100, "time_in_force": AT_CLOSE},
    "market at close": {"price": 0, "type": MARKET, "time_in_force": AT_CLOSE},
    "at open": {"price": 100, "time_in_force": AT_OPEN},
    "market at open": {"price": 0, "type": MARKET, "time_in_force": AT_OPEN},
    "ioc": {"price": 100, "time_in_force": IOC},
    "fok": {"price": 100, "time_in_force": FOK},
    "market": {"price": 0, "type": MARKET},
    "market to limit": {"price": 0, "type": MARKET_TO_LIMIT},
    "minimum": {"price": 100, "minimum_quantity": 1},
}
OPENING_ONLY = {"at open", "market at open"}
AT_ONCE = {"ioc", "fok", "market", "market to limit", "minimum"}


def test_state_takes_it():
    """Continuous trading takes all but orders for the open, collecting states what can wait, the others nothing."""
    everything = set(KINDS_OF_ORDERS)
    taken = {CONTINUOUS: everything - OPENING_ONLY, PRE_OPEN: everything - AT_ONCE, OPENING_AUCTION: everything - AT_ONCE}
    taken |= dict.fromkeys((VOLATILITY_PAUSE, CLOSING_AUCTION), everything - AT_ONCE - OPENING_ONLY)
    taken |= {state: set() for state in (HALTED, CANCEL_ONLY, CLOSED)}
    for state, wanted in taken.items():
        scene = Scene()
        scene.state(state)
        told = {name: scene.buy(k, quantity=5, **terms) for k, (name, terms) in enumerate(KINDS_OF_ORDERS.items())}
        assert {name for name, said in told.items() if said.startswith("accepted")} == wanted, state
        assert {told[name] for name in everything - wanted} <= {"rejected not_in_this_state"}, state


def test_inside_the_static_collar(scene):
    """Prices that are named lie within the collar; those that are found, triggered by or kept away by need not."""
    scene.rules(static_low=90, static_high=110)
    for price in (89, 111):
        assert scene.buy(1, price, 5) == AGAINST_THE_COLLAR
        assert scene.buy(1, price, 5, type=STOP_LIMIT, stop_price=100) == AGAINST_THE_COLLAR
        assert scene.buy(1, price, 5, type=MARKET) == AGAINST_THE_COLLAR
        assert scene.buy(1, price, 5, type=PEGGED_BID) == AGAINST_THE_COLLAR
    for number, price in enumerate((90, 110)):
        assert scene.buy(number, price, 5) == f"accepted {number} {price}x5"
    assert scene.buy(2, 0, 5, type=MARKET).startswith("accepted")
    assert scene.buy(3, 0, 5, type=STOP, stop_price=200).startswith("accepted")
    assert scene.buy(4, 2, 5, type=TRAILING_STOP_LIMIT, stop_price=200).startswith("accepted")
    scene.rules(static_low=90)
    assert scene.buy(5, 5000, 5) == "accepted 5 5000x5"


def test_pro_rata_terms(scene):
    """Shares are reckoned in 64 bits, and of orders that stay as large as they are."""
    scene.rules(policy=Policy.PRO_RATA)
    assert scene.sell(1, 100, 2**31) == "rejected quantity_above_bound"
    assert scene.sell(1, 100, 2**31, linked_to=9) == "rejected quantity_above_bound"
    assert scene.sell(1, 100, 2**31 - 1) == f"accepted 1 100x{2**31 - 1}"
    assert scene.sell(2, 100, 5, linked_to=1) == "rejected terms_disagree"
    assert scene.sell(2, 100, 5, flags=REDUCE_ONLY) == "rejected terms_disagree"


def test_expiry_ahead(scene):
    """An order that would be due already does not enter."""
    dated = {"time_in_force": GTD, "time_ns": 50}
    assert scene.buy(1, 100, 5, expiry_ns=50, linked_to=9, **dated) == "rejected expiry_passed"
    assert scene.buy(1, 100, 5, expiry_ns=51, **dated) == "accepted 1 100x5"


def test_linked_order_lives(scene):
    """A partner lives, is of the same account and instrument, and free."""
    refused = "rejected linked_order_not_live"
    scene.sell(1, 100, 5)
    assert scene.sell(2, 101, 5, linked_to=9, account=UNTRACKED, flags=REDUCE_ONLY) == refused
    assert scene.sell(2, 101, 5, linked_to=1, account=OTHER) == refused
    assert scene.sell(2, 101, 5, linked_to=1, instrument=1) == refused
    assert scene.sell(2, 101, 5, linked_to=1) == "accepted 2 101x5"
    assert scene.sell(3, 101, 5, linked_to=1) == refused
    assert scene.sell(3, 101, 5, linked_to=2) == refused
    scene.cancel(1)
    assert scene.sell(3, 101, 5, linked_to=1) == refused


def test_position_is_tracked(scene):
    """To reduce a position one has to have one that is known."""
    assert scene.sell(1, 100, 5, account=UNTRACKED, flags=REDUCE_ONLY) == "rejected position_not_tracked"
    assert scene.sell(1, 100, 5, account=UNTRACKED) == "accepted 1 100x5"


def test_position_pool():
    """An accepted order takes a place for its account's position for good; a rejected one does not."""
    scene = Scene(orders=2)
    scene.sell(0, 100, 5)
    scene.cancel(0)
    assert scene.sell(0, 0, 5, instrument=1) == "rejected price_out_of_range"
    assert scene.buy(0, 100, 5) == "accepted 0 100x5"
    scene.cancel(0)
    assert scene.sell(0, 100, 5, instrument=1, flags=REDUCE_ONLY) == "rejected position_pool_full"
    assert scene.sell(0, 100, 5, account=OTHER) == "rejected position_pool_full"
    assert scene.sell(0, 100, 5, account=UNTRACKED) == "accepted 0 100x5"
    assert scene.sell(1, 100, 5) == "accepted 1 100x5"


def test_reduce_only_reduces(scene):
    """Neither without a position nor to the side that it is on already; how large it is does not matter yet."""
    refused = "rejected reduce_only_would_increase"
    assert scene.sell(1, 100, 5, flags=REDUCE_ONLY) == scene.buy(1, 100, 5, flags=REDUCE_ONLY) == refused
    scene.sell(1, 100, 5)
    scene.buy(2, 100, 5)
    assert scene.buy(3, 99, 1, flags=REDUCE_ONLY) == scene.sell(3, 99, 1, flags=REDUCE_ONLY) == refused
    assert scene.sell(3, 99, 9, flags=REDUCE_ONLY, account=BUYER) == "accepted 3 99x9"
    assert scene.sell(4, 99, 9, flags=REDUCE_ONLY, account=BUYER, instrument=1) == refused


def test_post_only_refused(scene):
    """In continuous trading, at a price where somebody is, even hidden."""
    scene.sell(1, 100, 5, flags=HIDDEN)
    assert scene.buy(2, 100, 5, flags=POST_ONLY) == "rejected post_only_would_trade"
    assert scene.buy(2, 99, 5, flags=POST_ONLY) == "accepted 2 99x5"
    scene.state(PRE_OPEN)
    assert scene.buy(3, 100, 5, flags=POST_ONLY) == "accepted 3 100x5"
