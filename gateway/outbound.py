"""From the events to the sockets: each event becomes a report for every live session of the accounts that it concerns.

A report is a function of its event alone, so a resend gives the same bytes. Reports to one session found in one pass go
in one frame; a session whose socket takes no more is *behind* and gets nothing until it asks again from where it was.
"""

from typing import Any, Final

from numba import njit

from gateway.layout import ALL_SHARDS, NOBODY, REPORTS_A_FRAME
from gateway.orders import apply_event
from gateway.zmqlib import DONTWAIT, EAGAIN, EINTR, SEND_MORE, zmq_errno, zmq_send
from pinion.protocol import EXECUTION_REPORT, VERSION, Kind, Liquidity
from shm.atomics import address_of, record_at
from shm.durable import commands_durable
from shm.histogram import record_value
from shm.patience import realtime_ns
from shm.records import CommandKind, EventFlag, EventKind
from shm.ring import published, release

EVENTS_A_SLICE: Final = 1024
REPORT_BYTES: Final = EXECUTION_REPORT.itemsize
FOREVER: Final = (1 << 63) - 1

REJECTED, TRADE, MASS_CANCELLED = map(int, (EventKind.REJECTED, EventKind.TRADE, EventKind.MASS_CANCELLED))
_LAST: Final = int(EventFlag.LAST)
_REPORT, _NEW_ORDER = int(Kind.EXECUTION_REPORT), int(Kind.NEW_ORDER)
_NONE, _MAKER, _TAKER = map(int, (Liquidity.NONE, Liquidity.MAKER, Liquidity.TAKER))
_BOOK_REASONS: Final = 3000
"""From here on reasons are the book's: what it refuses has been through riskd and is in ticks and lots."""
assert [int(kind) - int(CommandKind.NEW) for kind in (CommandKind.CANCEL, CommandKind.MASS_CANCEL)] == [
    int(kind) - _NEW_ORDER for kind in (Kind.CANCEL, Kind.MASS_CANCEL)
]

SENT, BEHIND, GONE = 0, 1, 2
"""What became of a frame: taken by the socket, not taken, or its client is no longer connected."""


@njit(cache=True)
def tell(state: Any, events_like: Any, durable_like: Any, histogram: Any, patience: Any) -> None:
    """Tell clients of up to EVENTS_A_SLICE events of each shard, as far as may be; ``handled`` grows by their number.

    ``events_like``, ``durable_like``: any ring of events and any marks; the shards' own are found by address.
    """
    for k in range(state["shards"]):
        shard = state["shard"][k]
        events = record_at(shard["events"], events_like)
        durable = record_at(shard["durable"], durable_like)
        limit = commands_durable(durable) if state["wait_durable"] else FOREVER
        before = shard["told"]
        told = _tell_shard(state, k, events, before, limit)
        if told > before:
            flush_all(state)
            _record_waits(histogram, events, before, told, realtime_ns(patience))
            shard["commands"] = whole_command(events["slots"][told & (events["slots"].shape[0] - 1)])
            release(events, shard["reader"], told)
            shard["told"] = told
            state["handled"] += told - before


@njit(cache=True)
def whole_command(event: Any) -> int:
    """The last command of which no event follows ``event``."""
    last = event["kind"] == REJECTED or event["flags"] & _LAST != 0
    return event["command_sequence"] - (0 if last else 1)


@njit(cache=True)
def _record_waits(histogram: Any, events: Any, before: int, told: int, now_ns: int) -> None:
    """How long ago riskd stamped the command of each event that was just told."""
    slots = events["slots"]
    for sequence in range(before + 1, told + 1):
        record_value(histogram, now_ns - slots[sequence & (slots.shape[0] - 1)]["time_ns"])


@njit(cache=True)
def _tell_shard(state: Any, shard: int, events: Any, told: int, limit: int) -> int:
    """Reports for events after ``told`` whose command is at most ``limit``; the last such event."""
    slots = events["slots"]
    mask = slots.shape[0] - 1
    through = min(published(events), told + EVENTS_A_SLICE)
    while told < through:
        event = slots[(told + 1) & mask]
        if event["command_sequence"] > limit:
            break
        assert event["sequence"] == told + 1, "the ring was overwritten before this gateway had read it"
        apply_event(state, shard, event)
        report_to_account(state, shard, event, event["account"], False)
        if event["kind"] == TRADE:
            report_to_account(state, shard, event, event["resting_account"], True)
        told += 1
    return told


@njit(cache=True)
def report_to_account(state: Any, shard: int, event: Any, account: int, resting: bool) -> None:
    """One side of an event to every session of its account that is not behind."""
    if account < 0 or account >= state["first_session"].shape[0] or event["kind"] > MASS_CANCELLED:
        return
    place = state["first_session"][account]
    while place != NOBODY:
        session = state["sessions"][place]
        if (session["behind"] >> shard) & 1 == 0:
            add_report(state, place, shard, event, resting)
        place = session["next"]


@njit(cache=True)
def add_report(state: Any, place: int, shard: int, event: Any, resting: bool) -> None:
    """Put a report into the session's frame, which is sent when full, else by ``flush_all``."""
    session = state["sessions"][place]
    if session["dirty"] == 0:
        session["dirty"] = 1
        assert state["dirty"] < state["dirty_sessions"].shape[0], "a place is in the list of dirty sessions twice"
        state["dirty_sessions"][state["dirty"]] = place
        state["dirty"] += 1
    _encode(state, state["frames"][place, session["reports"]], shard, event, resting)
    session["reports"] += 1
    if session["reports"] == REPORTS_A_FRAME:
        flush(state, place)


@njit(cache=True)
def flush_all(state: Any) -> None:
    """Send every frame that has reports in it."""
    for k in range(state["dirty"]):
        place = state["dirty_sessions"][k]
        state["sessions"][place]["dirty"] = 0
        flush(state, place)
    state["dirty"] = 0


@njit(cache=True)
def flush(state: Any, place: int) -> int:
    """Send the session's frame: SENT, or BEHIND or GONE with the frame dropped and the session so marked."""
    session = state["sessions"][place]
    reports = session["reports"]
    session["reports"] = 0
    if reports == 0:
        return SENT
    sent = _send(state["socket"], session, address_of(state["frames"][place], 0), reports * REPORT_BYTES)
    if sent == SENT:
        session["told"] = 1
        state["frames_out"] += 1
        state["reports_out"] += reports
        return SENT
    session["behind"], session["noticed"] = ALL_SHARDS, 0
    session["gone"] = sent == GONE
    state["fell_behind"] += 1
    return sent


@njit(cache=True)
def _send(socket: int, session: Any, address: int, count: int) -> int:
    """One frame of ``count`` bytes to a session's routing id. A ROUTER that takes the id takes the body."""
    while zmq_send(socket, address_of(session["identity"], 0), session["identity_bytes"], SEND_MORE) < 0:
        error = zmq_errno()
        if error != EINTR:
            return BEHIND if error == EAGAIN else GONE
    while zmq_send(socket, address, count, DONTWAIT) < 0:
        if zmq_errno() != EINTR:
            return GONE
    return SENT


@njit(cache=True)
def _encode(state: Any, report: Any, shard: int, event: Any, resting: bool) -> None:
    """The report of one side of ``event``, every byte of it."""
    report["length"], report["kind"], report["version"], report["token"] = REPORT_BYTES, _REPORT, VERSION, 0
    report["event_sequence"], report["command_sequence"] = event["sequence"], event["command_sequence"]
    report["time_ns"], report["instrument"], report["shard"] = event["time_ns"], event["instrument"], shard
    report["report"], report["reason"] = event["kind"], event["reason"]
    report["pad"][0], report["pad"][1] = 0, 0
    if resting:
        _encode_resting(report, event)
    else:
        _encode_own(report, event)
    _to_wire(state, report, event)


@njit(cache=True)
def _encode_own(report: Any, event: Any) -> None:
    """The side of the order, or command, that the event is about."""
    rejected = event["kind"] == REJECTED
    report["order_id"], report["client_order_id"] = event["order_id"], event["client_order_id"]
    report["request_id"], report["session"], report["account"] = event["request_id"], event["session"], event["account"]
    report["leaves"], report["side"] = event["leaves"], event["side"]
    report["type"], report["time_in_force"] = event["type"], event["time_in_force"]
    report["liquidity"] = _TAKER if event["kind"] == TRADE else _NONE
    report["message"] = _NEW_ORDER + event["flags"] - 1 if rejected else 0
    report["last"] = 1 if rejected else event["flags"] & _LAST


@njit(cache=True)
def _encode_resting(report: Any, event: Any) -> None:
    """The resting side of a trade. Whose request and session met it is not its business."""
    report["order_id"], report["client_order_id"] = event["resting_order_id"], event["resting_client_order_id"]
    report["request_id"], report["session"], report["account"] = 0, 0, event["resting_account"]
    report["leaves"], report["side"] = event["resting_leaves"], 1 - event["side"]
    report["type"], report["time_in_force"] = 0, 0
    report["liquidity"], report["message"], report["last"] = _MAKER, 0, 0


@njit(cache=True)
def _to_wire(state: Any, report: Any, event: Any) -> None:
    """Ticks and lots to wire units; what riskd refused comes back as it was sent, and a mass cancel counts orders."""
    tick_size, lot_size = 1, 1
    as_sent = event["kind"] == REJECTED and event["reason"] < _BOOK_REASONS
    instrument = event["instrument"]
    if not as_sent and event["kind"] != MASS_CANCELLED and 0 <= instrument < state["units"].shape[0]:
        tick_size, lot_size = state["units"][instrument]["tick_size"], state["units"][instrument]["lot_size"]
    report["price"], report["quantity"] = event["price"] * tick_size, event["quantity"] * lot_size
    report["leaves"] *= lot_size
