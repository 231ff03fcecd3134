"""The client without sockets: prices, packing, logon, resume, duplicates, heartbeats; bytes in, bytes and records out."""

from decimal import Decimal, localcontext

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pinion.codec import Records, blank, decode, encode
from pinion.entry import OrderEntry
from pinion.errors import OffTick, Refused, UnknownSymbol
from pinion.instrument import Instrument
from pinion.outbox import Outbox
from pinion.protocol import (
    EXTENDED,
    LAYOUTS,
    Kind,
    Liquidity,
    LogonFlag,
    OrderFlag,
    OrderType,
    ReportKind,
    SelfTradeRule,
    Side,
    TimeInForce,
)
from pinion.reasons import Reason
from pinion.session import LOGON_RETRY_S, Session, State

GOOG = Instrument("GOOG", 0, "USD", tick_size=5, lot_size=10, price_decimals=2, quantity_decimals=1)


def taken(session: Session) -> list[tuple[Kind, Records]]:
    """Everything in the outbox."""
    found = []
    while session.outbox:
        found += list(decode(session.outbox.take()))
    return found


def resends(session: Session) -> Records:
    """All in the outbox, which must be RESEND_REQUESTs."""
    found = taken(session)
    assert {kind for kind, _ in found} == {Kind.RESEND_REQUEST}
    return np.concatenate([records for _, records in found])


def logged_on(shards: int = 1, told: int = 0) -> Session:
    """A session past its logon, with GOOG known."""
    session = Session("alice", "key", 5.0)
    session.connect(0.0)
    taken(session)
    session.receive(accepted(shards, told), 0.0)
    ((kind, request),) = [(kind, records) for kind, records in taken(session) if kind is Kind.INSTRUMENTS_REQUEST]
    line = blank(Kind.INSTRUMENT)
    line["symbol"], line["currency"], line["tick_size"], line["lot_size"] = b"GOOG", b"USD", 5, 10
    line["price_decimals"], line["quantity_decimals"], line["request_id"] = 2, 1, request["request_id"]
    end = encode(Kind.END_OF_LIST, request_id=request["request_id"][0], count=1, message=kind)
    session.receive(line.tobytes() + end, 0.0)
    assert session.ready
    return session


def accepted(shards: int = 1, told: int = 0, token: int = 77) -> bytes:
    return encode(Kind.LOGON_ACCEPTED, token, shards=shards, told=[told] * 16, heartbeat_ms=5000, maximum_frame_bytes=256)


def report(sequence: int, liquidity: int = 0, shard: int = 0) -> bytes:
    return encode(Kind.EXECUTION_REPORT, event_sequence=sequence, liquidity=liquidity, shard=shard, report=1)


def done(sequence: int) -> bytes:
    return encode(Kind.EXECUTION_REPORT, event_sequence=sequence, report=ReportKind.DONE)


def sequences(session: Session) -> list[int]:
    return [int(sequence) for records in session.reports for sequence in records["event_sequence"]]


# Prices


@pytest.mark.parametrize(("given_", "wire"), [("585.35", 58535), (Decimal("0.05"), 5), (7, 700), ("1e2", 10000)])
def test_prices_become_exact_integers(given_: object, wire: int) -> None:
    """From a str, a Decimal or an int."""
    assert GOOG.price_to_wire(given_) == wire
    assert GOOG.price_of(wire) == Decimal(given_)


@pytest.mark.parametrize("price", ["585.33", "0.001", "0.0500000000000000000001"])
def test_a_price_off_tick_names_the_tick(price: str) -> None:
    with pytest.raises(OffTick, match=rf"GOOG: price {price} is not a multiple of the tick, 0.05"):
        GOOG.price_to_wire(price)


def test_a_quantity_off_lot_names_the_lot() -> None:
    with pytest.raises(OffTick, match=r"GOOG: quantity 1.5 is not a multiple of the lot, 1.0"):
        GOOG.quantity_to_wire("1.5")


@pytest.mark.parametrize("price", ["NaN", "Infinity", "1e30", "1e99999999", "92233720368547758.10"])
def test_what_64_bits_do_not_hold_is_refused(price: str) -> None:
    with pytest.raises(OffTick):
        GOOG.price_to_wire(price)


def test_a_float_is_refused() -> None:
    """It has already lost what was meant."""
    with pytest.raises(TypeError, match="a float is not exact"):
        GOOG.price_to_wire(585.35)  # type: ignore[arg-type]


def test_words_are_no_price() -> None:
    """Nor is anything else that is no number."""
    with pytest.raises(ValueError, match="'cheap' is not a number"):
        GOOG.price_to_wire("cheap")


@given(st.integers(-(2**63) // 5 + 1, 2**63 // 5 - 1))
def test_the_programs_own_precision_does_not_round(ticks: int) -> None:
    """A program may compute with few digits; prices keep all of theirs."""
    with localcontext() as context:
        context.prec = 3
        assert GOOG.price_to_wire(GOOG.price_of(ticks * 5)) == ticks * 5


# Orders


def test_an_order_is_packed() -> None:
    """Human words and prices in, wire integers and the session's token out."""
    session = logged_on()
    identity = OrderEntry(session).new_order("GOOG", "buy", 3, "585.35", None, None)
    ((kind, (order,)),) = taken(session)
    assert kind is Kind.NEW_ORDER
    assert (order["price"], order["quantity"], order["side"], order["token"]) == (58535, 30, Side.BUY, 77)
    assert (order["type"], order["time_in_force"]) == (OrderType.LIMIT, TimeInForce.GTC)
    assert order["client_order_id"] == order["request_id"] == identity


def test_without_a_price_it_is_a_market_order() -> None:
    session = logged_on()
    OrderEntry(session).new_order("GOOG", Side.SELL, 3, None, None, 12)
    ((_, (order,)),) = taken(session)
    assert (order["price"], order["type"], order["time_in_force"]) == (0, OrderType.MARKET, TimeInForce.IOC)
    assert (order["client_order_id"], order["side"]) == (12, Side.SELL)


STOP = {"stop_price": "585.35"}
TYPES = [
    (None, {}, OrderType.MARKET, TimeInForce.IOC),
    ("585.35", {}, OrderType.LIMIT, TimeInForce.GTC),
    ("585.35", {"expiry_ns": 9}, OrderType.LIMIT, TimeInForce.GTD),
    (None, STOP, OrderType.STOP, TimeInForce.GTC),
    ("585.35", STOP, OrderType.STOP_LIMIT, TimeInForce.GTC),
    (None, {"distance": "0.10"}, OrderType.TRAILING_STOP, TimeInForce.GTC),
    ("0.05", {"distance_basis_points": 50}, OrderType.TRAILING_STOP_LIMIT, TimeInForce.GTC),
    (None, {"type": "pegged_bid", "offset": "-0.10"}, OrderType.PEGGED_BID, TimeInForce.GTC),
    (None, {"type": "market_to_limit"}, OrderType.MARKET_TO_LIMIT, TimeInForce.GTC),
    ("585.35", {"type": OrderType.MARKET}, OrderType.MARKET, TimeInForce.IOC),
]


@pytest.mark.parametrize(("price", "terms", "type_", "time_in_force"), TYPES)
def test_the_type_follows_from_the_terms(price: str, terms: dict, type_: OrderType, time_in_force: TimeInForce) -> None:
    """Unless it is given; and so does the time in force. The longer form is used only where a field is in it alone."""
    session = logged_on()
    OrderEntry(session).new_order("GOOG", "sell", 3, price, None, None, terms)
    ((_, (order,)),) = taken(session)
    assert (order["type"], order["time_in_force"]) == (type_, time_in_force)
    assert (order.dtype == EXTENDED[Kind.NEW_ORDER]) == (set(terms) - {"type"} != set())


FIELDS = [
    (STOP, {"stop_price": 58535}),
    ({"distance": "0.10"}, {"stop_price": 10}),
    ({"distance_basis_points": 50, "step": "0.15"}, {"stop_price": 50, "step": 15, "flags": OrderFlag.BASIS_POINTS}),
    ({"type": "pegged_ask", "offset": "-0.10"}, {"stop_price": -10}),
    ({"display_quantity": 2, "minimum_quantity": 1}, {"display_quantity": 20, "minimum_quantity": 10}),
    ({"expiry_ns": 1 << 60}, {"expiry_ns": 1 << 60}),
    ({"post_only": True, "slide": True}, {"flags": OrderFlag.POST_ONLY | OrderFlag.SLIDE}),
    ({"hidden": True, "reduce_only": True}, {"flags": OrderFlag.HIDDEN | OrderFlag.REDUCE_ONLY}),
    ({"all_or_none": True, "hidden": False}, {"flags": OrderFlag.ALL_OR_NONE}),
    ({"linked_to": (1 << 64) - 1}, {"linked_client_order_id": (1 << 64) - 1}),
    ({"self_trade_rule": "cancel_oldest"}, {"self_trade_rule": SelfTradeRule.CANCEL_OLDEST}),
    ({"self_trade_rule": SelfTradeRule.DECREMENT, "self_trade_group": 4}, {"self_trade_rule": 4, "self_trade_group": 4}),
]


@pytest.mark.parametrize(("terms", "fields"), FIELDS, ids=lambda value: " ".join(value))
def test_every_term_has_its_field(terms: dict, fields: dict[str, int]) -> None:
    """In wire units; all others stay 0."""
    session = logged_on()
    OrderEntry(session).new_order("GOOG", "buy", 3, "585.35", None, 7, terms)
    ((_, (order,)),) = taken(session)
    plain = set(LAYOUTS[Kind.NEW_ORDER].names)
    assert {name: int(order[name]) for name in set(order.dtype.names) - plain if order[name]} == fields
    assert (order["price"], order["quantity"], order["client_order_id"]) == (58535, 30, 7)


def test_terms_that_make_no_sense_are_refused_before_they_travel() -> None:
    """Off tick or lot, of a name that does not exist, two stop prices, an offset of nothing."""
    entry = OrderEntry(logged_on())
    for terms, error, text in (
        ({"stop_price": "585.33"}, OffTick, "not a multiple of the tick"),
        ({"step": "0.01"}, OffTick, "not a multiple of the tick"),
        ({"display_quantity": "0.5"}, OffTick, "not a multiple of the lot"),
        ({"stop_prize": 1}, TypeError, "there is no term stop_prize; there are: all_or_none, "),
        ({"stop_price": 1, "distance": 1}, ValueError, "one of distance and stop_price, not both"),
        ({"offset": 1}, ValueError, "give type, one of pegged_bid, pegged_ask, pegged_middle"),
        ({"self_trade_rule": "none_at_all"}, ValueError, "'none_at_all' is no SelfTradeRule; there are: none, "),
    ):
        with pytest.raises(error, match=text):
            entry.new_order("GOOG", "buy", 1, None, None, None, terms)


def test_changes_of_orders_are_packed() -> None:
    """A REPLACE is extended for a stop price alone, a MASS_CANCEL for what narrows it down."""
    session = logged_on()
    entry = OrderEntry(session)
    entry.replace("GOOG", 7, 3, "585.35")
    entry.replace("GOOG", 7, 3, None, {"distance": "0.10"})
    entry.reduce("GOOG", 7, 2)
    entry.mass_cancel("GOOG")
    entry.mass_cancel(None, "sell", this_session=True)
    entry.mass_cancel("GOOG", lowest_price="1.00")
    entry.mass_cancel("GOOG", highest_price="2.00")
    messages = [record for _, records in taken(session) for record in records]
    assert [len(message.tobytes()) for message in messages] == [40, 48, 32, 24, 40, 40, 40]
    plain, distant, reduced, everything, mine, low, high = messages
    assert (plain["price"], plain["quantity"], distant["price"], distant["stop_price"]) == (58535, 30, 0, 10)
    assert (reduced["client_order_id"], reduced["quantity"]) == (7, 20)
    assert everything["instrument"] == 0
    assert (mine["instrument"], mine["flags"], mine["side"]) == (-1, 3, Side.SELL)
    assert (low["flags"], low["lowest_price"], low["highest_price"]) == (4, 100, (1 << 63) - 1 - ((1 << 63) - 1) % 5)
    assert (high["lowest_price"], high["highest_price"]) == (0, 200)
    with pytest.raises(ValueError, match="a range of prices is one instrument's"):
        entry.mass_cancel(None, lowest_price=1)


def test_unknown_words_are_named() -> None:
    """With what there is instead."""
    entry = OrderEntry(logged_on())
    with pytest.raises(UnknownSymbol, match="no instrument 'GOGG'; there are: GOOG"):
        entry.new_order("GOGG", "buy", 1, 1, None, None)
    with pytest.raises(ValueError, match="'up' is no Side; there are: buy, sell"):
        entry.new_order("GOOG", "up", 1, 1, None, None)


def test_ids_differ() -> None:
    """Of orders and of requests alike."""
    entry = OrderEntry(logged_on())
    ids = [entry.new_order("GOOG", "buy", 1, 1, None, None), entry.cancel(1), entry.mass_cancel(None)]
    ids += [entry.reduce("GOOG", 1, 1), entry.replace("GOOG", 1, 1, 1)]
    assert len(set(ids)) == 5


def test_many_orders_are_split_into_frames() -> None:
    """At message boundaries, and joined where there is room."""
    outbox = Outbox()
    outbox.maximum_frame_bytes, outbox.token = 200, 5
    outbox.put_records(blank(Kind.NEW_ORDER, 7))
    outbox.put(encode(Kind.CANCEL))
    frames = []
    while outbox:
        frames.append(outbox.take())
    assert [len(frame) for frame in frames] == [192, 192, 64 + 24]
    assert all(records["token"][0] in (5, 0) for frame in frames for _, records in decode(frame))


# Session


def test_logon_and_resume() -> None:
    """The first logon goes live from what was told; a later one asks each shard for what came since."""
    session = logged_on(shards=2, told=10)
    session.receive(report(11) + report(12, shard=1), 0.0)
    session.connect(1.0)
    ((_, (logon,)),) = taken(session)
    assert (logon["account"], logon["flags"], logon["token"]) == (b"alice", LogonFlag.RESUME, 0)
    session.receive(accepted(shards=2, told=20, token=78), 1.0)
    requests = resends(session)
    assert set(requests["token"]) == {78}
    # of 11 more may be to come: ask from before it, and drop what is known
    assert requests["after_sequence"].tolist() == [10, 11]


def test_duplicates_are_dropped() -> None:
    """By event sequence within a shard; the two sides of a trade with oneself are not duplicates."""
    session = logged_on()
    session.receive(report(1) + report(2, Liquidity.TAKER), 0.0)
    session.receive(report(1) + report(2, Liquidity.TAKER) + report(2, Liquidity.MAKER) + report(3), 0.0)
    session.receive(report(2, Liquidity.MAKER) + report(3), 0.0)
    assert sequences(session) == [1, 2, 2, 3]


def test_the_three_reports_of_one_event_are_not_duplicates() -> None:
    """The taker's, the maker's, and that it was the last; once each."""
    session, event = logged_on(), report(1, Liquidity.TAKER) + report(1, Liquidity.MAKER) + done(1)
    session.receive(event, 0.0)
    session.receive(event + report(2, Liquidity.MAKER), 0.0)
    session.receive(done(2) + event, 0.0)
    assert sequences(session) == [1, 1, 1, 2, 2]


@given(st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30)), max_size=12))
def test_resends_of_any_range_leave_each_report_once(ranges: list[tuple[int, int]]) -> None:
    """Whatever is sent again, from wherever before the end."""
    session, reached = logged_on(), 0
    for start, length in ranges:
        start = min(start, reached + 1)
        session.receive(b"".join(report(k) for k in range(start, start + length)), 0.0)
        reached = max(reached, start + length - 1)
    assert sequences(session) == list(range(1, reached + 1))


def test_behind_asks_again() -> None:
    """Every shard, from the last event that is whole."""
    session = logged_on(shards=2)
    session.receive(report(1) + done(1), 0.0)
    session.receive(encode(Kind.BEHIND), 0.0)
    requests = resends(session)
    assert (requests["after_sequence"].tolist(), requests["shard"].tolist()) == ([1, 0], [0, 1])


def test_heartbeats() -> None:
    """Sent when nothing else was; a server that is silent for three intervals is given up."""
    session = logged_on()
    session.sent(0.0)
    session.tick(4.9)
    assert not session.outbox
    session.tick(5.0)
    assert [kind for kind, _ in taken(session)] == [Kind.HEARTBEAT]
    session.tick(15.1)
    assert session.state is State.LOST


def test_an_unanswered_logon_is_tried_again() -> None:
    session = Session("alice", "key", 5.0)
    session.connect(0.0)
    session.tick(LOGON_RETRY_S + 0.1)
    assert session.state is State.LOST


def test_a_server_that_forgot_us_is_logged_on_to_again() -> None:
    session = logged_on()
    session.receive(encode(Kind.REJECT, reason=Reason.NOT_LOGGED_ON, message=Kind.HEARTBEAT), 0.0)
    assert session.state is State.LOST
    again = logged_on()
    again.receive(encode(Kind.LOGOUT, reason=Reason.SHUTTING_DOWN), 0.0)
    assert again.state is State.LOST


def test_an_order_for_a_session_that_is_gone_is_refused_to_its_sender() -> None:
    """A gateway that started again knows neither the session nor the order: nobody but this REJECT will speak of it."""
    session = logged_on()
    session.receive(encode(Kind.REJECT, reason=Reason.NOT_LOGGED_ON, message=Kind.NEW_ORDER, request_id=7), 0.0)
    assert session.state is State.LOST
    assert [(refusal.reason, refusal.request_id) for refusal in session.refusals] == [(Reason.NOT_LOGGED_ON, 7)]


def test_a_refused_logon_is_kept() -> None:
    session = Session("alice", "key", 5.0)
    session.connect(0.0)
    session.receive(encode(Kind.REJECT, reason=Reason.BAD_CREDENTIALS, message=Kind.LOGON, text=b"no"), 0.0)
    assert session.logon_refusal is not None
    assert "LOGON refused at byte 0 of its frame: bad_credentials (no)" in str(session.logon_refusal)


def test_lists() -> None:
    """Whole or not at all; asked for again on a new connection; a refusal reaches who asked."""
    session = logged_on()
    request_id = session.ask(Kind.ORDERS_REQUEST)
    line = encode(Kind.ORDER_STATUS, request_id=request_id, client_order_id=3)
    session.receive(line, 0.0)
    assert session.answer(request_id) is None
    session.connect(0.0)
    session.receive(accepted(), 0.0)
    assert Kind.ORDERS_REQUEST in [kind for kind, _ in taken(session)]
    session.receive(line + encode(Kind.END_OF_LIST, request_id=request_id, count=1), 0.0)
    found = session.answer(request_id)
    assert found is not None
    assert [int(record["client_order_id"]) for record in found] == [3]
    request_id = session.ask(Kind.ORDERS_REQUEST)
    session.receive(encode(Kind.REJECT, request_id=request_id, reason=1012, message=Kind.ORDERS_REQUEST), 0.0)
    with pytest.raises(Refused, match="overloaded"):
        session.answer(request_id)


def test_refusals_of_orders_are_kept_for_the_reader() -> None:
    session = logged_on()
    session.receive(encode(Kind.REJECT, request_id=1, reason=1010, message=Kind.NEW_ORDER, offset=64), 0.0)
    (refusal,) = session.refusals
    assert (refusal.offset, refusal.message, refusal.request_id) == (64, Kind.NEW_ORDER, 1)


def test_reports_are_views_of_the_frame() -> None:
    """Nothing is copied on the fast path but what is dropped as a duplicate."""
    session = logged_on()
    session.receive(report(1) * 1, 0.0)
    (records,) = session.reports
    assert records.dtype == blank(Kind.EXECUTION_REPORT).dtype
    assert np.array_equal(records["event_sequence"], [1])


def test_a_refused_resend_takes_no_other_request_with_it() -> None:
    """A REJECT drops the rest of its frame: each shard is asked in one of its own, behind whatever else is asked."""
    session = Session("alice", "key", 5.0, after=[3, 9, 0, *[0] * 13])
    session.connect(0.0)
    assert taken(session)[0][1]["flags"] == [LogonFlag.RESUME]
    session.receive(accepted(shards=3), 0.0)
    session.ask(Kind.ORDERS_REQUEST)
    frames = []
    while session.outbox:
        frames.append([(kind, records) for kind, records in decode(session.outbox.take())])
    assert [[kind for kind, _ in frame] for frame in frames] == [
        [Kind.INSTRUMENTS_REQUEST],
        *[[Kind.RESEND_REQUEST]] * 3,
        [Kind.ORDERS_REQUEST],
    ]
    asked = [records[0] for frame in frames[1:4] for _, records in frame]
    assert [(int(each["shard"]), int(each["after_sequence"])) for each in asked] == [(0, 3), (1, 9), (2, 0)]
