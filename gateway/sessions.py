"""Cold messages: logon, heartbeats, lists, resends, refusals. Bytes in and bytes out; the socket is ``gateway.wire``'s."""

import hashlib
import hmac
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from gateway.layout import NOBODY
from gateway.orders import find_orders
from gateway.outbound import BEHIND, GONE, SENT
from gateway.refusals import text_of
from gateway.resends import Resends
from gateway.session_log import SessionLog, printable
from gateway.table import close_session, identity_of, live_places, open_session
from pinion.codec import Records, blank, encode
from pinion.protocol import LAYOUTS, REJECT_TEXT_BYTES, Kind, LogonFlag
from shm.reasons import Reason, name_of
from shm.records import SESSION_BITS

MISSED_HEARTBEATS = 3
HEARTBEAT_MS_LEAST, HEARTBEAT_MS_MOST = 100, 3_600_000
LIST_FRAME_BYTES = 16384
NUMBER_BOUND = 1 << SESSION_BITS
"""What a drop copy is refused for that asks for more than to read."""

Send = Callable[[bytes, bytes], int]


@dataclass(frozen=True)
class Credentials:
    """What a logon is checked against. The number of an account, or drop copy, is its place in the list of them."""

    name: str
    api_key_sha256: str


@dataclass(frozen=True)
class Deployment:
    """What the sessions need to know of the settings."""

    gateway: int
    shards: int
    heartbeat_s: float
    maximum_frame_bytes: int
    accounts: Sequence[Credentials]
    instruments: Records
    """INSTRUMENT messages, one each."""
    drop_copies: Sequence[Credentials] = ()
    """Who may read what the state's ``watched_by`` says, and enter nothing."""


class _Owner(NamedTuple):
    """Whom a name belongs to: an account or a drop copy, the other being NOBODY."""

    credentials: Credentials
    account: int = NOBODY
    copy: int = NOBODY


class Sessions:
    """Every session's cold side. ``state`` is shared with the kernels, which run between calls and never during one."""

    def __init__(self, state: Any, deployment: Deployment, send: Send, resends: Resends, log: SessionLog) -> None:
        self._state = state
        self._deployment = deployment
        self._send = send
        self._resends = resends
        self._log = log
        self._owners = {each.name.encode(): _Owner(each, account=k) for k, each in enumerate(deployment.accounts)}
        self._owners |= {each.name.encode(): _Owner(each, copy=k) for k, each in enumerate(deployment.drop_copies)}
        self._next_number = first_number(time.time_ns())
        self._lists: dict[int, deque[bytes]] = {}
        self._unnoticed: set[int] = set()
        """Sessions that are behind, in the log, and not told yet for want of room."""
        self.refused = 0
        self._handlers: dict[Kind, Callable[[int, np.void], None]] = {
            Kind.LOGOUT: self._on_logout,
            Kind.HEARTBEAT: lambda place, message: None,
            Kind.INSTRUMENTS_REQUEST: self._on_instruments_request,
            Kind.ORDERS_REQUEST: self._on_orders_request,
            Kind.RESEND_REQUEST: self._on_resend_request,
        }

    def take(self) -> None:
        """Deals with the well-formed cold message at the state's ``offset``, and moves on to the next."""
        state = self._state
        offset = int(state["offset"])
        kind = Kind(int(state["frame"][offset + 2]))
        size = LAYOUTS[kind].itemsize
        message = np.frombuffer(state["frame"][offset : offset + size].tobytes(), LAYOUTS[kind])[0]
        place = int(state["session"])
        known = place != NOBODY and message["token"] == state["sessions"][place]["token"]
        if kind is Kind.LOGON:
            self._on_logon(message, known)
        elif not known:
            self.refuse(Reason.NOT_LOGGED_ON)
        elif kind is Kind.ORDERS_REQUEST and self._is_copy(place):
            self.refuse(Reason.READ_ONLY)
        else:
            self._handlers[kind](place, message)
        if state["frame_bytes"] > 0:
            state["offset"] = offset + size

    def refuse(self, reason: int, text: str = "") -> None:
        """REJECT to the sender of the frame at hand: what is wrong at ``offset``; the rest of the frame is dropped."""
        state = self._state
        offset, length = int(state["offset"]), int(state["frame_bytes"])
        frame = state["frame"][offset : max(offset, min(length, len(state["frame"])))].tobytes()
        kind = frame[2] if len(frame) > 2 else 0
        message = encode(
            Kind.REJECT,
            request_id=_request_id(frame, kind),
            reason=reason,
            message=kind,
            offset=offset,
            text=(text or text_of(Reason(reason), frame, length, len(state["frame"]))).encode()[:REJECT_TEXT_BYTES],
        )
        identity = state["identity"][: int(state["identity_bytes"])].tobytes()
        self._send(identity, message)  # who does not read what is sent to him is not told again
        self.refused += 1
        state["offset"] = state["frame_bytes"] = 0

    def beat(self, now_ns: int) -> None:
        """To be called every few milliseconds: heartbeats, sessions that died, lists and notices that wait for room."""
        sessions = self._state["sessions"]
        live = sessions["live"] == 1
        for flag, stamp in (("heard", "heard_ns"), ("told", "told_ns")):
            sessions[stamp][live & (sessions[flag] == 1)] = now_ns
            sessions[flag][live] = 0
        for place in self._live_where(sessions["gone"] == 1):
            self._close(place, "connection gone")
        interval = sessions["interval_ns"]
        for place in self._live_where(now_ns - sessions["heard_ns"] > MISSED_HEARTBEATS * interval):
            self._end(place, Reason.HEARTBEAT_MISSED)
        for place in self._live_where(now_ns - sessions["told_ns"] >= interval):
            self._tell(place, encode(Kind.HEARTBEAT, time_ns=time.time_ns()))
            sessions[place]["told_ns"] = now_ns
        self._notify_behind()
        self._log.turn(now_ns)

    @property
    def busy(self) -> bool:
        """Whether lists or resends are under way, and ``work`` is wanted."""
        return bool(self._lists) or len(self._resends) > 0

    def work(self) -> int:
        """Sends what waits of lists and resends; how much was done."""
        done = self._resends.work()
        for place, frames in list(self._lists.items()):
            while frames and self._tell(place, frames[0]) == SENT:
                frames.popleft()
                done += 1
            if not frames:
                self._lists.pop(place, None)
        return done

    def end_all(self, reason: Reason) -> None:
        """Says goodbye to everybody."""
        for place in live_places(self._state):
            self._end(place, reason)
        self._log.close_window()

    def tell(self, place: int, frame: bytes) -> int:
        """One frame to a session, outside the hot path: SENT, BEHIND or GONE (and then it is marked to be closed)."""
        return self._tell(place, frame)

    # ------------------------------------------------------------------------------------ messages

    def _on_logon(self, message: np.void, known: bool) -> None:
        state, place = self._state, int(self._state["session"])
        owner = self._check(message["account"], message["api_key"])
        if known:
            self._refuse_logon(message, Reason.ALREADY_LOGGED_ON)
        elif owner is None:
            self._refuse_logon(message, Reason.BAD_CREDENTIALS)
        else:
            if place != NOBODY:
                self._close(place, "another connection")  # this routing id's last owner is gone, and this one has the key
            identity = state["identity"][: int(state["identity_bytes"])].tobytes()
            self._open(identity, owner, message)

    def _refuse_logon(self, message: np.void, reason: Reason) -> None:
        self._log.warning("logon refused", printable(bytes(message["account"])), reason=name_of(reason))
        self.refuse(reason)

    def _check(self, name: bytes, api_key: bytes) -> "_Owner | None":
        """Whose name that is if the key is its own. Takes as long for a name that does not exist."""
        owner = self._owners.get(bytes(name))
        wanted = "" if owner is None else owner.credentials.api_key_sha256
        right = hmac.compare_digest(hashlib.sha256(bytes(api_key)).hexdigest(), wanted or "-" * 64)
        return owner if right else None

    def _open(self, identity: bytes, owner: "_Owner", message: np.void) -> None:
        state, number = self._state, self._deployment.gateway << SESSION_BITS | self._next_number
        resuming = bool(message["flags"] & LogonFlag.RESUME)
        place = open_session(state, identity, owner.account, number, behind=resuming, copy=owner.copy)
        if place == NOBODY:
            self._refuse_logon(message, Reason.TOO_MANY_SESSIONS)
            return
        self._next_number = self._next_number % (NUMBER_BOUND - 1) + 1
        interval_ms = int(message["heartbeat_ms"]) or round(self._deployment.heartbeat_s * 1000)
        interval_ms = min(max(interval_ms, HEARTBEAT_MS_LEAST), HEARTBEAT_MS_MOST)
        session = state["sessions"][place]
        session["interval_ns"], session["heard_ns"], session["told_ns"] = interval_ms * 1_000_000, *[time.monotonic_ns()] * 2
        state["session"] = place
        if self._tell(place, self._accepted(session, interval_ms)) != SENT:
            self._close(place, "no room for the answer")
            return
        self._log.info("logged on", *self._who(place), heartbeat_ms=interval_ms, resume=bool(session["behind"]))

    def _accepted(self, session: Any, interval_ms: int) -> bytes:
        return encode(
            Kind.LOGON_ACCEPTED,
            int(session["token"]),
            account=session["account"],
            session=session["number"],
            time_ns=time.time_ns(),
            heartbeat_ms=interval_ms,
            shards=self._deployment.shards,
            maximum_frame_bytes=self._deployment.maximum_frame_bytes,
            told=self._state["shard"]["told"],
        )

    def _on_logout(self, place: int, message: np.void) -> None:
        self._end(place, Reason.NONE)

    def _on_instruments_request(self, place: int, message: np.void) -> None:
        records = self._deployment.instruments.copy()
        self._list(place, int(message["request_id"]), Kind.INSTRUMENTS_REQUEST, [records])

    def _on_orders_request(self, place: int, message: np.void) -> None:
        parts = list(self._orders_of(int(self._state["sessions"][place]["account"])))
        self._list(place, int(message["request_id"]), Kind.ORDERS_REQUEST, parts)

    def _orders_of(self, account: int) -> Iterator[Records]:
        """ORDER_STATUS of the account's working orders, an array a shard, in wire units."""
        state = self._state
        for shard in range(self._deployment.shards):
            slots = np.zeros(int(state["shard"][shard]["slots_used"]), np.int64)
            orders = state["orders"][shard][slots[: find_orders(state, shard, account, slots)]]
            records, units = blank(Kind.ORDER_STATUS, len(orders)), state["units"][orders["instrument"]]
            for name in ("order_id", "client_order_id", "time_ns", "account", "instrument", "side", "type", "time_in_force"):
                records[name] = orders[name]
            records["price"], records["shard"] = orders["price"] * units["tick_size"], shard
            records["quantity"] = orders["quantity"] * units["lot_size"]
            records["leaves"] = orders["leaves"] * units["lot_size"]
            records["cumulative"] = records["quantity"] - records["leaves"]
            yield records

    def _list(self, place: int, request_id: int, asked: Kind, parts: Sequence[Records]) -> None:
        """Queues the parts and the end; one list a session at a time bounds what a session can make the server hold."""
        if place in self._lists:
            self.refuse(Reason.OVERLOADED, "one list at a time")
            return
        frames: deque[bytes] = deque()
        for records in parts:
            records["request_id"] = request_id
            data, size = records.tobytes(), records.dtype.itemsize
            step = LIST_FRAME_BYTES // size * size
            frames.extend(data[start : start + step] for start in range(0, len(data), step))
        count = sum(map(len, parts))
        frames.append(encode(Kind.END_OF_LIST, request_id=request_id, count=count, message=asked))
        self._lists[place] = frames
        self.work()

    def _on_resend_request(self, place: int, message: np.void) -> None:
        shard, after = int(message["shard"]), int(message["after_sequence"])
        if not 0 <= shard < self._deployment.shards:
            self.refuse(Reason.RESEND_OUT_OF_RANGE, f"shards are 0 to {self._deployment.shards - 1}")
            return
        if after < 0 or not self._resends.begin(place, shard, after, int(message["request_id"])):
            self.refuse(Reason.RESEND_OUT_OF_RANGE, self._resends.range_of(shard))

    # ------------------------------------------------------------------------------------ sessions

    def _tell(self, place: int, frame: bytes) -> int:
        sent = self._send(identity_of(self._state, place), frame)
        session = self._state["sessions"][place]
        if sent == GONE:
            session["gone"] = 1
        session["told"] = session["told"] or sent != BEHIND
        return sent

    def _end(self, place: int, reason: Reason) -> None:
        self._tell(place, encode(Kind.LOGOUT, reason=reason))
        self._close(place, "logged out" if reason is Reason.NONE else name_of(reason))

    def _notify_behind(self) -> None:
        """BEHIND to whom reports were dropped for, as soon as it fits; the log has it at once."""
        sessions = self._state["sessions"]
        behind = self._live_where(sessions["noticed"] == 0)
        for place in behind:
            if place not in self._unnoticed:
                self._log.warning("session fell behind", *self._who(place))
            sessions[place]["noticed"] = self._tell(place, encode(Kind.BEHIND)) == SENT
        self._unnoticed = {place for place in behind if not sessions[place]["noticed"]}

    def _live_where(self, condition: Any) -> list[int]:
        """The places of the sessions that live now, not before the last was closed, and meet ``condition``."""
        return np.flatnonzero((self._state["sessions"]["live"] == 1) & condition).tolist()

    def _who(self, place: int) -> tuple[str, int]:
        """Account, or drop copy, and session number, for the log."""
        session = self._state["sessions"][place]
        is_copy = self._is_copy(place)
        named = self._deployment.drop_copies if is_copy else self._deployment.accounts
        return named[int(session["copy" if is_copy else "account"])].name, int(session["number"])

    def _is_copy(self, place: int) -> bool:
        return place != NOBODY and bool(self._state["sessions"][place]["copy"] != NOBODY)

    def _close(self, place: int, why: str) -> None:
        write = self._log.warning if why == name_of(Reason.HEARTBEAT_MISSED) else self._log.info
        write("session ended", *self._who(place), why=why)
        if self._state["session"] == place:
            self._state["offset"] = self._state["frame_bytes"] = 0  # what follows a LOGOUT in its frame is nobody's
        close_session(self._state, place)
        self._resends.drop(place)
        self._lists.pop(place, None)


def first_number(now_ns: int) -> int:
    """Where a gateway begins to number its sessions: by the milliseconds, for no gateway opens a session in each of them.

    Events name the session that asked. Had two lives of a gateway the same numbers, a session would be told of the end of a
    request that one before the restart had made, or cancel that one's orders with its own.
    """
    return now_ns // 1_000_000 % (NUMBER_BOUND - 1) + 1


def _request_id(frame: bytes, kind: int) -> int:
    """The request id in the refused message, as far as it can be read; else 0."""
    layout = LAYOUTS.get(Kind(kind)) if kind in LAYOUTS else None
    if layout is None or layout.fields is None or "request_id" not in layout.fields:
        return 0
    at = layout.fields["request_id"][1]
    return int.from_bytes(frame[at : at + 8], "little") if len(frame) >= at + 8 else 0
