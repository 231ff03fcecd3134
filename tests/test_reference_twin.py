"""The twin alone does what docs/matching.md says: small scenes from its rules, and random streams that hold together."""

import pytest

from matcher_streams import ORDERS, as_dicts, stream, twin
from reference.numbering import Numbering
from reference_floor import Floor
from shm.reasons import Reason
from shm.records import (
    CommandKind,
    EventKind,
    InstrumentState,
    OrderFlag,
    OrderType,
    Policy,
    RulesFlag,
    SelfTradeRule,
    Side,
    TimeInForce,
)
from stream_themes import THEMES

BUY, SELL = Side.BUY, Side.SELL
IOC, FOK, DAY, GTD = TimeInForce.IOC, TimeInForce.FOK, TimeInForce.DAY, TimeInForce.GTD
AT_OPEN, AT_CLOSE = TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE
CONTINUOUS, OPENING, CLOSING = InstrumentState.CONTINUOUS, InstrumentState.OPENING_AUCTION, InstrumentState.CLOSING_AUCTION
HIGHEST = 2**48 - 2


@pytest.fixture
def floor():
    return Floor()


def test_an_iceberg_refills_behind_the_others_and_before_hidden_orders(floor):
    floor.new(1, SELL, 100, 10, flags=OrderFlag.HIDDEN)
    assert floor.new(2, SELL, 100, 7, display_quantity=3) == "accepted 2 100x7 hidden 4"
    floor.new(4, SELL, 100, 2)
    told = "accepted 3 100x11, trade 3-2 100x3, restated 2 100x4 hidden 1 iceberg_refilled, trade 3-4 100x2"
    told += ", trade 3-2 100x3, restated 2 100x1 iceberg_refilled, trade 3-2 100x1, trade 3-1 100x2"
    assert floor.new(3, BUY, 100, 11) == told


def test_reduced_and_replaced_icebergs_lose_hidden_lots_first_and_keep_their_place(floor):
    floor.new(1, SELL, 100, 10, display_quantity=4)
    floor.new(3, SELL, 100, 10)
    assert floor.reduce(1, 5) == "replaced 1 100x5 hidden 1"
    assert floor.replace(1, 100, 3) == "replaced 1 100x3"
    assert floor.new(2, BUY, 100, 4, time_in_force=IOC) == "accepted 2 100x4, trade 2-1 100x3, trade 2-3 100x1"
    assert floor.replace(3, 100, 12) == "replaced 3 100x11"
    assert floor.reduce(3, 11) == "cancelled 3 100x11 cancelled_by_client"


def test_stops_cascade_one_after_the_other_when_the_incoming_order_is_done(floor):
    for number, price in ((1, 100), (3, 101), (5, 103)):
        floor.new(number, SELL, price, 5)
    floor.new(7, BUY, 0, 5, type=OrderType.STOP, stop_price=101)
    floor.new(9, BUY, 102, 5, type=OrderType.STOP_LIMIT, stop_price=100)
    floor.new(11, BUY, 103, 4, type=OrderType.STOP_LIMIT, stop_price=103)
    told = "accepted 2 100x6, trade 2-1 100x5, triggered 9 102x5, trade 9-3 101x5, triggered 7 0x5, trade 7-5 103x5"
    assert floor.new(2, BUY, 100, 6) == told + ", triggered 11 103x4"
    told = "accepted 4 0x3 hidden 3, triggered 4 0x3, trade 4-11 103x3"
    assert floor.new(4, SELL, 0, 3, type=OrderType.STOP, stop_price=103) == told


def test_a_trailing_stop_follows_by_steps_and_sells_when_the_price_turns(floor):
    floor.new(1, SELL, 100, 1)
    floor.new(2, BUY, 100, 1)
    floor.new(4, SELL, 2, 5, type=OrderType.TRAILING_STOP_LIMIT, stop_price=3, step=2)
    floor.new(1, SELL, 101, 1)
    floor.new(2, BUY, 101, 1)
    assert floor.twin.live[floor.order_id(4)].level == 97
    floor.new(1, SELL, 103, 1)
    floor.new(2, BUY, 103, 1)
    assert floor.twin.live[floor.order_id(4)].level == 100
    floor.new(1, BUY, 99, 4)
    assert floor.new(6, SELL, 99, 1) == "accepted 6 99x1, trade 6-1 99x1, triggered 4 98x5, trade 4-1 99x3"


def test_when_one_of_a_pair_trades_or_is_triggered_the_other_is_cancelled(floor):
    floor.new(1, SELL, 110, 5)
    floor.new(3, SELL, 0, 5, type=OrderType.STOP, stop_price=90, linked=2)
    assert floor.new(5, BUY, 80, 1, linked=4) == "rejected linked_order_not_live"
    told = "accepted 2 110x2, trade 2-1 110x2, cancelled 3 0x5 one_cancels_other"
    assert floor.new(2, BUY, 110, 2) == told
    floor.new(3, SELL, 0, 5, type=OrderType.STOP, stop_price=90, linked=2)
    floor.new(4, BUY, 90, 1)
    told = "accepted 5 90x1, trade 5-4 90x1, triggered 3 0x5, cancelled 1 110x3 one_cancels_other, cancelled 3 0x5 no_liquidity"
    assert floor.new(5, SELL, 90, 1) == told


def test_an_order_that_trades_with_its_partner_is_cancelled_by_it(floor):
    floor.new(1, SELL, 100, 2)
    told = "accepted 3 100x5, trade 3-1 100x2, cancelled 3 100x3 one_cancels_other"
    assert floor.new(3, BUY, 100, 5, linked=2) == told


def test_an_auction_takes_the_price_of_most_volume_then_least_left_over(floor):
    assert floor.state(OPENING) == "opening_auction"
    floor.new(1, BUY, 102, 10)
    assert floor.new(2, SELL, 100, 6) == "accepted 2 100x6, indicative 100x6 buy 4"
    assert floor.new(4, SELL, 101, 4) == "accepted 4 101x4, indicative 101x10 buy 0"
    assert floor.new(3, BUY, 0, 3, type=OrderType.MARKET, time_in_force=AT_OPEN).endswith("indicative 101x10 buy 3")
    told = "continuous, uncrossed 101x10 buy 3, trade 3-2 101x3, trade 1-2 101x3, trade 1-4 101x4"
    assert floor.state(CONTINUOUS) == told
    floor.state(OPENING)
    floor.new(5, BUY, 0, 3, type=OrderType.MARKET, time_in_force=AT_OPEN)
    assert floor.new(6, SELL, 0, 2, type=OrderType.MARKET, time_in_force=AT_OPEN).endswith("indicative 101x2 buy 4")
    floor.cancel(1)
    assert floor.state(InstrumentState.CLOSED).endswith(f"trade 5-6 101x2, cancelled 5 {HIGHEST}x1 auction_ended")


def test_among_prices_that_are_as_good_the_nearest_to_the_reference_wins_then_the_lowest(floor):
    floor.state(OPENING)
    floor.new(1, BUY, 104, 5)
    assert floor.new(2, SELL, 100, 5).endswith("indicative 100x5 buy 0")
    floor.rules(reference_price=103)
    assert floor.state(OPENING) == "opening_auction, indicative 103x5 buy 0"


def test_markets_at_the_close_wait_until_the_closing_auction(floor):
    assert floor.new(1, SELL, 0, 5, type=OrderType.MARKET, time_in_force=AT_CLOSE) == "accepted 1 0x5 hidden 5"
    floor.new(2, BUY, 99, 3, time_in_force=DAY)
    assert floor.state(CLOSING) == "closing_auction, triggered 1 0x5, indicative 99x3 sell 2"
    told = "closed, uncrossed 99x3 sell 2, trade 2-1 99x3, cancelled 1 1x2 auction_ended"
    assert floor.state(InstrumentState.CLOSED) == told


def test_pro_rata_deals_out_shares_then_the_rest_by_time_then_refills(floor):
    floor.rules(policy=Policy.PRO_RATA, minimum_allocation=2)
    floor.new(1, SELL, 100, 9)
    floor.new(3, SELL, 100, 40, display_quantity=10)
    floor.new(5, SELL, 100, 1)
    told = "accepted 2 100x13, trade 2-1 100x5, trade 2-3 100x6, trade 2-1 100x2"
    assert floor.new(2, BUY, 100, 13, time_in_force=IOC) == told
    told = "accepted 4 100x8, trade 4-1 100x2, trade 4-3 100x4, trade 4-5 100x1, restated 3 100x30 hidden 20 iceberg_refilled"
    assert floor.new(4, BUY, 100, 8, time_in_force=IOC) == told + ", trade 4-3 100x1"


def test_pro_rata_with_priority_fills_the_first_order_before_shares(floor):
    floor.rules(policy=Policy.PRO_RATA, flags=RulesFlag.TOP_ORDER_PRIORITY)
    for number, quantity in ((1, 4), (3, 10), (5, 30)):
        floor.new(number, SELL, 100, quantity)
    told = "accepted 2 100x15, trade 2-1 100x4, trade 2-3 100x2, trade 2-5 100x8, trade 2-3 100x1"
    assert floor.new(2, BUY, 100, 15) == told


def test_pegged_orders_follow_what_is_shown_and_park_without_it(floor):
    told = "accepted 1 0x5 hidden 5"
    assert floor.new(1, BUY, 0, 5, type=OrderType.PEGGED_BID, stop_price=-1) == told
    assert floor.new(2, BUY, 100, 5) == "accepted 2 100x5, restated 1 99x5 hidden 5 peg_moved"
    floor.new(4, SELL, 105, 5)
    told = "accepted 3 103x5 hidden 5, restated 3 103x5 hidden 5 peg_moved"
    assert floor.new(3, SELL, 103, 5, type=OrderType.PEGGED_MIDDLE) == told
    told = "replaced 2 102x5, restated 1 101x5 hidden 5 peg_moved, restated 3 104x5 hidden 5 peg_moved"
    assert floor.replace(2, 102, 5) == told
    told = "halted, restated 1 0x5 hidden 5 peg_parked, restated 3 0x5 hidden 5 peg_parked"
    assert floor.state(InstrumentState.HALTED) == told
    assert floor.cancel(1) == "cancelled 1 0x5 cancelled_by_client"


def test_an_all_or_none_order_waits_until_the_whole_of_it_can_trade(floor):
    assert floor.new(1, BUY, 100, 10, flags=OrderFlag.ALL_OR_NONE) == "accepted 1 100x10 hidden 10"
    assert floor.new(2, SELL, 100, 6) == "accepted 2 100x6"
    assert floor.new(4, SELL, 99, 5) == "accepted 4 99x5, trade 1-4 99x5, trade 1-2 100x5"


SELF_TRADES = {
    SelfTradeRule.NONE: "trade 3-1 100x5, trade 3-2 100x2",
    SelfTradeRule.CANCEL_NEWEST: "cancelled 3 100x7 self_trade",
    SelfTradeRule.CANCEL_OLDEST: "cancelled 1 100x5 self_trade, trade 3-2 100x7",
    SelfTradeRule.CANCEL_BOTH: "cancelled 1 100x5 self_trade, cancelled 3 100x7 self_trade",
    SelfTradeRule.DECREMENT: "cancelled 1 100x5 self_trade, restated 3 100x2 self_trade_decremented, trade 3-2 100x2",
}


@pytest.mark.parametrize("rule", SelfTradeRule)
def test_the_incoming_orders_rule_says_what_happens_instead_of_a_self_trade(floor, rule):
    floor.new(1, SELL, 100, 5)
    floor.new(2, SELL, 100, 9)
    assert floor.new(3, BUY, 100, 7, self_trade_rule=rule) == "accepted 3 100x7, " + SELF_TRADES[rule]


def test_fill_or_kill_counts_what_self_trade_prevention_leaves(floor):
    floor.new(2, SELL, 100, 10, display_quantity=4)
    floor.new(1, SELL, 100, 5)
    newest = {"self_trade_rule": SelfTradeRule.CANCEL_NEWEST, "time_in_force": FOK}
    assert floor.new(3, BUY, 100, 5, **newest) == "accepted 3 100x5, cancelled 3 100x5 fill_or_kill"
    assert floor.new(3, BUY, 100, 4, **newest).startswith("accepted 3 100x4, trade 3-2 100x4, restated 2")
    oldest = {"self_trade_rule": SelfTradeRule.CANCEL_OLDEST, "time_in_force": FOK}
    assert floor.new(3, BUY, 100, 7, **oldest) == "accepted 3 100x7, cancelled 3 100x7 fill_or_kill"
    assert floor.new(3, BUY, 100, 6, **oldest).startswith("accepted 3 100x6, cancelled 1 100x5 self_trade, trade 3-2 100x4")


def test_a_minimum_quantity_is_asked_for_once(floor):
    floor.new(2, SELL, 100, 4)
    assert floor.new(1, BUY, 100, 9, minimum_quantity=5) == "accepted 1 100x9, cancelled 1 100x9 minimum_quantity"
    assert floor.new(1, BUY, 100, 9, minimum_quantity=4) == "accepted 1 100x9, trade 1-2 100x4"
    assert floor.replace(1, 101, 9) == "replaced 1 101x5"


def test_reduce_only_orders_are_cut_to_the_position_and_end_with_it(floor):
    reducing = {"account": 0, "flags": OrderFlag.REDUCE_ONLY}
    assert floor.new(4, SELL, 105, 9, **reducing) == "rejected reduce_only_would_increase"
    floor.new(1, SELL, 100, 5)
    floor.new(2, BUY, 100, 5)
    assert floor.new(4, SELL, 105, 9, **reducing) == "accepted 4 105x9"
    assert floor.new(6, SELL, 106, 9, **reducing) == "accepted 6 106x9"
    told = "accepted 3 106x9, restated 4 105x5 reduced_to_position, trade 3-4 105x5"
    assert floor.new(3, BUY, 106, 9) == told + ", cancelled 6 106x9 reduce_only_would_increase"


def test_post_only_orders_are_refused_or_slide(floor):
    floor.new(1, SELL, 100, 5, flags=OrderFlag.HIDDEN)
    assert floor.new(2, BUY, 100, 5, flags=OrderFlag.POST_ONLY) == "rejected post_only_would_trade"
    told = "accepted 2 103x5, restated 2 99x5 post_only_slid"
    assert floor.new(2, BUY, 103, 5, flags=OrderFlag.POST_ONLY | OrderFlag.SLIDE) == told


def test_a_trade_beyond_the_dynamic_collar_pauses_instead(floor):
    floor.rules(dynamic_collar=3, reference_price=100)
    floor.new(2, SELL, 102, 1)
    floor.new(4, SELL, 104, 1)
    floor.new(6, BUY, 0, 1, type=OrderType.PEGGED_ASK, stop_price=-9)
    told = "accepted 1 105x3, trade 1-2 102x1, volatility_pause, restated 6 0x1 hidden 1 peg_parked, indicative 104x1 buy 1"
    assert floor.new(1, BUY, 105, 3) == told
    assert floor.new(3, BUY, 104, 1, time_in_force=IOC) == "rejected not_in_this_state"


def test_the_clock_ends_what_is_due_and_has_the_last_word(floor):
    floor.new(1, SELL, 100, 5, time_in_force=GTD, expiry_ns=50)
    floor.new(3, SELL, 101, 5, time_in_force=GTD, expiry_ns=40)
    floor.new(2, SELL, 0, 5, type=OrderType.PEGGED_ASK)
    told = "cancelled 3 101x5 expired, cancelled 1 100x5 expired, restated 2 0x5 hidden 5 peg_parked, clock"
    assert floor.send(CommandKind.CLOCK, time_ns=50) == told


def test_a_mass_cancel_takes_partners_along_and_does_not_count_them(floor):
    floor.new(2, BUY, 90, 1)
    floor.new(4, BUY, 95, 1)
    floor.new(6, SELL, 99, 1, linked=3)
    told = "cancelled 4 95x1 cancelled_by_mass_cancel, cancelled 2 90x1 cancelled_by_mass_cancel"
    told += ", cancelled 6 99x1 one_cancels_other, mass_cancelled 2"
    assert floor.send(CommandKind.MASS_CANCEL, account=-1) == told


def test_a_full_pool_of_levels_or_positions_refuses():
    floor = Floor(levels=1)
    floor.new(1, SELL, 100, 5)
    assert floor.new(3, SELL, 100, 5) == "rejected level_pool_full"
    assert floor.new(2, BUY, 100, 5, time_in_force=IOC) == "accepted 2 100x5, trade 2-1 100x5"
    floor = Floor(orders=2)
    floor.new(0, SELL, 100, 5)
    floor.new(1, SELL, 101, 5)
    floor.cancel(0)
    assert floor.new(0, BUY, 100, 5, account=2) == "rejected position_pool_full"


@pytest.mark.parametrize("name", THEMES)
def test_the_twins_books_hold_together_and_quantity_is_conserved(name):
    """After every command of a stream; what came in is traded twice, taken off, or still there."""
    reference, numbering = twin(), Numbering(list(range(ORDERS)))
    _run(reference, numbering, stream(list(THEMES).index(name), 700))
    totals, change, entered = {}, 0, 0
    for event in reference.events:
        kind, order_id = event["kind"], event.get("order_id", 0)
        if kind == EventKind.ACCEPTED:
            totals[order_id] = event["quantity"]
            entered += event["quantity"]
        elif kind in (EventKind.REPLACED, EventKind.TRIGGERED, EventKind.RESTATED):
            change += event["quantity"] - totals[order_id]
            totals[order_id] = event["quantity"]
    traded = sum(event["quantity"] for event in reference.events if event["kind"] == EventKind.TRADE)
    ended = sum(event["quantity"] for event in reference.events if event["kind"] == EventKind.CANCELLED)
    assert entered + change == 2 * traded + ended + reference.resting_quantity()


def test_streams_meet_every_rule_that_has_a_reason():
    """Every kind of event, and every reason that the matcher has, but for those that need wrong numbers or larger pools."""
    kinds, reasons = set(), set()
    for seed in range(3 * len(THEMES)):
        reference = twin()
        _run(reference, Numbering(list(range(ORDERS))), stream(seed, 700))
        kinds |= {event["kind"] for event in reference.events}
        reasons |= {event.get("reason", 0) for event in reference.events}
    assert kinds == set(EventKind)
    elsewhere = {Reason.ORDER_NOT_LIVE, Reason.BAD_ORDER_ID, Reason.POSITION_POOL_FULL}
    assert {reason for reason in Reason if reason > Reason.ORDER_NOT_LIVE} - elsewhere <= reasons


def _run(reference, numbering, commands):
    for command in as_dicts(commands):
        told = len(reference.events)
        reference.handle(numbering.number(command))
        reference.validate()
        numbering.absorb(reference.events[told:])
