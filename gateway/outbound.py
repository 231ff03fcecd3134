"""From the events to the sockets: each event becomes a report for every live session of the accounts that it concerns, and for
every drop copy that sees one of them.

A report is a function of its event alone, so a resend gives the same bytes. Reports to one session found in one pass go
in one frame; a session whose socket takes no more is *behind* and gets nothing until it asks again from where it was.

The last event of a command may be about another account's order, or none. The session that asked is told DONE then.
"""

from typing import Any, Final

from numba import njit

from gateway.layout import ALL_SHARDS, NOBODY, REPORTS_A_FRAME
from gateway.orders import apply_event
from gateway.zmqlib import DONTWAIT, EAGAIN, EINTR, SEND_MORE, zmq_errno, zmq_send
from pinion.protocol import EXECUTION_REPORT, VERSION, Kind, Liquidity, ReportKind
from shm.atomics import address_of, record_at
from shm.durable import commands_durable
from shm.histogram import record_value
from shm.patience import realtime_ns
from shm.records import NO_INSTRUMENT, SESSION_BITS, CommandKind, EventFlag, EventKind
from shm.ring import published, release

EVENTS_A_SLICE: Final = 1024
REPORT_BYTES: Final = EXECUTION_REPORT.itemsize
FOREVER: Final = (1 << 63) - 1

REJECTED, TRADE, MASS_CANCELLED = map(int, (EventKind.REJECTED, EventKind.TRADE, EventKind.MASS_CANCELLED))
LAST_REPORTED: Final = int(EventKind.RESTATED)
"""Kinds up to here are about an account's orders; the others are not told to clients."""
_LAST, _AUCTION, _DONE = int(EventFlag.LAST), int(EventFlag.AUCTION), int(ReportKind.DONE)
_REPORT, _NEW_ORDER = int(Kind.EXECUTION_REPORT), int(Kind.NEW_ORDER)
_NONE, _MAKER, _TAKER = map(int, (Liquidity.NONE, Liquidity.MAKER, Liquidity.TAKER))
_BOOK_REASONS: Final = 3000
"""From here on reasons are the book's: what it refuses has been through riskd and is in ticks and lots."""
assert [int(kind) - int(CommandKind.NEW) for kind in (CommandKind.CANCEL, CommandKind.REDUCE)] == [
    int(kind) - _NEW_ORDER for kind in (Kind.CANCEL, Kind.REDUCE)
]

OWN, RESTING, ASKER = 0, 1, 2
"""Whom a report is for: the account that the event is about, the other side of a trade, or the session that asked."""

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
    return event["command_sequence"] - (0 if ends_command(event) else 1)


@njit(cache=True)
def ends_command(event: Any) -> bool:
    """Does no other event of its command follow? A rejection is the only one."""
    return event["kind"] == REJECTED or event["flags"] & _LAST != 0


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
        asker_heard = report_to_account(state, shard, event, event["account"], OWN)
        if event["kind"] == TRADE:
            report_to_account(state, shard, event, event["resting_account"], RESTING)
        if state["first_copy"] != NOBODY:
            _report_to_copies(state, shard, event)
        if not asker_heard and event["session"] != 0 and ends_command(event):
            _report_done(state, shard, event)
        told += 1
    return told


@njit(cache=True)
def report_to_account(state: Any, shard: int, event: Any, account: int, role: int) -> bool:
    """One side of an event to every session of its account that is not behind. Was the one that asked among them all?"""
    if account < 0 or account >= state["first_session"].shape[0] or event["kind"] > LAST_REPORTED:
        return False
    asked, place = False, state["first_session"][account]
    while place != NOBODY:
        session = state["sessions"][place]
        asked |= session["number"] == event["session"]
        if (session["behind"] >> shard) & 1 == 0:
            add_report(state, place, shard, event, role)
        place = session["next"]
    return asked


@njit(cache=True)
def _report_to_copies(state: Any, shard: int, event: Any) -> None:
    """Both sides of an event, as far as it sees their accounts, to every session of a drop copy that is not behind."""
    place = state["first_copy"]
    while place != NOBODY:
        session = state["sessions"][place]
        if (session["behind"] >> shard) & 1 == 0 and event["kind"] <= LAST_REPORTED:
            if sees(state, session, event["account"]):
                add_report(state, place, shard, event, OWN)
            if event["kind"] == TRADE and sees(state, session, event["resting_account"]):
                add_report(state, place, shard, event, RESTING)
        place = session["next"]


@njit(cache=True)
def sees(state: Any, session: Any, account: int) -> bool:
    """Is the session told of this account's orders?"""
    if session["copy"] == NOBODY:
        return account == session["account"]
    watched_by = state["watched_by"]
    return 0 <= account < watched_by.shape[0] and (watched_by[account] >> session["copy"]) & 1 != 0


@njit(cache=True)
def _report_done(state: Any, shard: int, event: Any) -> None:
    """Tell the session that asked, if it lives here and is not behind, that its message has been dealt with."""
    if event["session"] >> SESSION_BITS != state["origin"]:
        return
    place = _place_of(state, event["session"])
    if place != NOBODY and (state["sessions"][place]["behind"] >> shard) & 1 == 0:
        add_report(state, place, shard, event, ASKER)


@njit(cache=True)
def _place_of(state: Any, number: int) -> int:
    """Where the session of that number is, or NOBODY. The last answer is kept: the sessions of a burst are few."""
    place = state["asker_place"]
    known = place == NOBODY or (state["sessions"][place]["live"] == 1 and state["sessions"][place]["number"] == number)
    if state["asker"] == number and known:
        return int(place)
    state["asker"], state["asker_place"] = number, NOBODY
    for at in range(state["sessions"].shape[0]):
        if state["sessions"][at]["live"] == 1 and state["sessions"][at]["number"] == number:
            state["asker_place"] = at
    return int(state["asker_place"])


@njit(cache=True)
def add_report(state: Any, place: int, shard: int, event: Any, role: int) -> None:
    """Put a report into the session's frame, which is sent when full, else by ``flush_all``."""
    session = state["sessions"][place]
    if session["dirty"] == 0:
        session["dirty"] = 1
        assert state["dirty"] < state["dirty_sessions"].shape[0], "a place is in the list of dirty sessions twice"
        state["dirty_sessions"][state["dirty"]] = place
        state["dirty"] += 1
    _encode(state, state["frames"][place, session["reports"]], shard, event, role, session["account"])
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
def _encode(state: Any, report: Any, shard: int, event: Any, role: int, account: int) -> None:
    """The report of one side of ``event`` to a session of ``account``, every byte of it."""
    report["length"], report["kind"], report["version"], report["token"] = REPORT_BYTES, _REPORT, VERSION, 0
    report["event_sequence"], report["command_sequence"] = event["sequence"], event["command_sequence"]
    report["time_ns"], report["instrument"], report["shard"] = event["time_ns"], event["instrument"], shard
    report["report"], report["reason"] = event["kind"], event["reason"]
    report["auction"], report["pad"][0] = 1 if event["kind"] == TRADE and event["flags"] & _AUCTION != 0 else 0, 0
    if role == ASKER:
        _encode_done(report, event, account)
        return
    if role == RESTING:
        _encode_resting(report, event)
    else:
        _encode_own(report, event)
    _to_wire(state, report, event)


@njit(cache=True)
def _encode_own(report: Any, event: Any) -> None:
    """The side of the order, or command, that the event is about. Whose request did that is not another account's business."""
    rejected, own = event["kind"] == REJECTED, event["commander"] == event["account"]
    report["order_id"], report["client_order_id"] = event["order_id"], event["client_order_id"]
    report["account"], report["leaves"], report["side"] = event["account"], event["leaves"], event["side"]
    report["request_id"], report["session"] = 0, 0
    if own:
        report["request_id"], report["session"] = event["request_id"], event["session"]
    report["type"], report["time_in_force"] = event["type"], event["time_in_force"]
    report["liquidity"] = _TAKER if event["kind"] == TRADE else _NONE
    report["message"] = _NEW_ORDER + event["flags"] - 1 if rejected else 0
    report["last"] = 1 if rejected else event["flags"] & _LAST if own else 0


@njit(cache=True)
def _encode_resting(report: Any, event: Any) -> None:
    """The resting side of a trade. Whose request and session met it is not its business."""
    report["order_id"], report["client_order_id"] = event["resting_order_id"], event["resting_client_order_id"]
    report["request_id"], report["session"], report["account"] = 0, 0, event["resting_account"]
    report["leaves"], report["side"] = event["resting_leaves"], 1 - event["side"]
    report["type"], report["time_in_force"] = 0, 0
    report["liquidity"], report["message"], report["last"] = _MAKER, 0, 0


@njit(cache=True)
def _encode_done(report: Any, event: Any, account: int) -> None:
    """Nothing of what the event says, which is not the asking account's business: only that it was the last."""
    report["report"], report["reason"], report["instrument"], report["auction"] = _DONE, 0, NO_INSTRUMENT, 0
    report["order_id"], report["client_order_id"] = 0, 0
    report["request_id"], report["session"], report["account"] = event["request_id"], event["session"], account
    report["price"], report["quantity"], report["leaves"], report["side"] = 0, 0, 0, 0
    report["type"], report["time_in_force"] = 0, 0
    report["liquidity"], report["message"], report["last"] = _NONE, 0, 1


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
