"""A client's side of a session without a socket: bytes in, records and bytes out, time handed in. Sockets stay out of here.

``pinion.client`` and ``pinion.aio`` each move this one's ``outgoing`` frames to a socket and what the socket brings to
``receive``; they call ``tick`` now and then, and open a fresh socket and call ``connect`` again when ``lost`` says so.
"""

from collections import deque
from collections.abc import Sequence
from enum import Enum, auto
from typing import Any

import numpy as np

from pinion.codec import Records, decode, encode
from pinion.errors import LogonRefused, Refused
from pinion.instrument import Instrument
from pinion.outbox import Outbox
from pinion.protocol import Kind, Liquidity, LogonFlag, ReportKind
from pinion.reasons import Reason

MISSED_HEARTBEATS = 3
"""Of so many intervals without a word from the other side a session dies, on either side."""
LOGON_RETRY_S = 1.0
REPORTS_AN_EVENT = 3


class State(Enum):
    """Where a session stands."""

    CLOSED = auto()
    LOGGING_ON = auto()
    LOGGED_ON = auto()
    LOST = auto()
    """The way to the exchange, or the session, is gone: a fresh socket and ``connect`` are wanted."""


class Session:
    """One account's session: logon, heartbeats, resume after a loss, duplicates dropped by event sequence.

    Afterwards: ``reports`` holds arrays of EXECUTION_REPORT not yet taken, ``replies`` lists asked for, ``refusals`` what the
    gateway refused and nobody waits for.
    """

    def __init__(self, account: str, api_key: str, heartbeat_s: float, after: Sequence[int] | None = None) -> None:
        """``after``: by shard the last event of which every report is known; those that follow are asked for. None: what is
        told from the logon on."""
        self.state = State.CLOSED
        self.outbox = Outbox()
        self.reports: deque[Records] = deque()
        self.refusals: deque[Refused] = deque()
        self.instruments: dict[str, Instrument] = {}
        self.instruments_by_id: dict[int, Instrument] = {}
        self.account = -1
        self.number = -1
        self.shards = 0
        self.logon_refusal: LogonRefused | None = None
        self._lists = _Lists()
        self._credentials = (account.encode(), api_key.encode())
        self._heartbeat_s = heartbeat_s
        self._seen: np.ndarray[tuple[int], np.dtype[np.int64]] | None = None if after is None else _whole(after)
        self._received_at = self._sent_at = 0.0
        self._instruments_request = 0

    def connect(self, now: float) -> None:
        """Begins, on a fresh socket: what was to be sent on the old one is dropped, lists asked for are asked for again."""
        self.state = State.LOGGING_ON
        self._received_at = self._sent_at = now
        self.outbox.clear()
        flags = LogonFlag.RESUME if self._seen is not None else 0
        account, api_key = self._credentials
        interval_ms = round(self._heartbeat_s * 1000)
        self.outbox.put(encode(Kind.LOGON, account=account, api_key=api_key, heartbeat_ms=interval_ms, flags=flags))

    def close(self) -> None:
        """Says goodbye. The bytes still lie in ``outbox``."""
        if self.state is State.LOGGED_ON:
            self.outbox.put(encode(Kind.LOGOUT, self.outbox.token))
        self.state = State.CLOSED

    @property
    def ready(self) -> bool:
        """Whether logged on and told the instruments."""
        return self.state is State.LOGGED_ON and bool(self.instruments)

    @property
    def interval_s(self) -> float:
        """Seconds between heartbeats; ``tick`` wants to be called at least as often."""
        return self._heartbeat_s

    def ask(self, kind: Kind) -> int:
        """Requests a list (INSTRUMENTS_REQUEST or ORDERS_REQUEST); the request id for ``answer``."""
        request_id = self._lists.open(kind)
        if self.state is State.LOGGED_ON:
            self.outbox.put(encode(kind, self.outbox.token, request_id=request_id))
        return request_id

    def answer(self, request_id: int) -> list[np.void] | None:
        """The complete list, once; None while it is not. Raises Refused when the gateway refused the request."""
        return self._lists.take(request_id)

    def forget(self, request_id: int) -> None:
        """Nobody waits for this list any more."""
        self._lists.drop(request_id)

    def tick(self, now: float) -> None:
        """Sends a heartbeat if one is due; notices a silent server."""
        if self.state is State.LOGGING_ON and now - self._sent_at > LOGON_RETRY_S:
            self.state = State.LOST
        if self.state is not State.LOGGED_ON:
            return
        if now - self._received_at > MISSED_HEARTBEATS * self._heartbeat_s:
            self.state = State.LOST
        elif now - self._sent_at >= self._heartbeat_s:
            self.outbox.put(encode(Kind.HEARTBEAT, self.outbox.token))

    def sent(self, now: float) -> None:
        """To be called when frames went out: they stand in for heartbeats."""
        self._sent_at = now

    def receive(self, frame: bytes, now: float) -> None:
        """Takes in one frame. Raises ProtocolError when the server's bytes make no sense to this version."""
        self._received_at = now
        for kind, records in decode(frame):
            if kind is Kind.EXECUTION_REPORT:
                self._on_reports(records)
            elif kind in (Kind.ORDER_STATUS, Kind.INSTRUMENT):
                self._lists.add(records)
            else:
                for record in records:
                    self._on_message(kind, record)

    def _on_message(self, kind: Kind, record: np.void) -> None:
        if kind is Kind.LOGON_ACCEPTED:
            self._on_logon(record)
        elif kind is Kind.REJECT:
            self._on_reject(record)
        elif kind is Kind.END_OF_LIST:
            self._on_end_of_list(record)
        elif kind is Kind.BEHIND:
            self._request_resend()
        elif kind is Kind.LOGOUT and self.state is not State.CLOSED:
            self.state = State.LOST

    def _on_logon(self, record: np.void) -> None:
        self.state = State.LOGGED_ON
        self.account, self.number = int(record["account"]), int(record["session"])
        self.shards = int(record["shards"])
        self._heartbeat_s = int(record["heartbeat_ms"]) / 1000
        self.outbox.token = int(record["token"])
        self.outbox.maximum_frame_bytes = int(record["maximum_frame_bytes"])
        is_new = self._seen is None
        self._seen = _whole(record["told"]) if self._seen is None else self._seen
        if not self.instruments:
            self._instruments_request = self._lists.open(Kind.INSTRUMENTS_REQUEST)
        for request_id, asked in self._lists.waiting():
            self.outbox.put(encode(asked, self.outbox.token, request_id=request_id))
        if not is_new:
            self._request_resend()

    def _request_resend(self) -> None:
        """Asks each shard for what followed the last event of which every report is here."""
        assert self._seen is not None, "asked to catch up before the logon was accepted"
        for shard in range(self.shards):
            after = (int(self._seen[shard]) + 1) // REPORTS_AN_EVENT - 1
            self.outbox.put_alone(encode(Kind.RESEND_REQUEST, self.outbox.token, after_sequence=after, shard=shard))

    def _on_reports(self, records: Records) -> None:
        """Keeps what is new. One event can be three reports: the taker's, the maker's, and DONE, in this order."""
        assert self._seen is not None, "a report before the logon was accepted"
        place = (records["liquidity"] == Liquidity.MAKER) + 2 * (records["report"] == ReportKind.DONE)
        order = REPORTS_AN_EVENT * records["event_sequence"] + place
        fresh = records[order > self._seen[records["shard"]]]
        np.maximum.at(self._seen, records["shard"], order)
        if len(fresh):
            self.reports.append(fresh)

    def _on_end_of_list(self, record: np.void) -> None:
        request_id = int(record["request_id"])
        self._lists.close(request_id, int(record["count"]))
        if request_id == self._instruments_request:
            for instrument in map(Instrument.of, self.answer(request_id) or ()):
                self.instruments[instrument.symbol] = self.instruments_by_id[instrument.instrument] = instrument

    def _on_reject(self, record: np.void) -> None:
        message, reason, offset = int(record["message"]), int(record["reason"]), int(record["offset"])
        text, request_id = record["text"].decode("ascii", "replace"), int(record["request_id"])
        if message == Kind.LOGON:
            self.logon_refusal = LogonRefused(message, reason, offset, text)
            self.state = State.CLOSED
        elif reason == Reason.NOT_LOGGED_ON:
            self.state = State.LOST
            if message >= Kind.NEW_ORDER:  # it and what followed it in its frame were not taken, and its sender must know
                self.refusals.append(Refused(message, reason, offset, text, request_id))
        elif not self._lists.fail(request_id, Refused(message, reason, offset, text, request_id)):
            self.refusals.append(Refused(message, reason, offset, text, request_id))


def _whole(events: Any) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """The places in the order of reports at which every report of ``events``, one a shard, has been seen."""
    seen: np.ndarray[tuple[int], np.dtype[np.int64]] = REPORTS_AN_EVENT * (np.asarray(events, np.int64) + 1) - 1
    return seen


class _Lists:
    """Lists asked for: what has come of each, and whether it is whole. Ids count from 1, apart from the orders' request ids."""

    def __init__(self) -> None:
        self._next = 1
        self._kinds: dict[int, Kind] = {}
        self._parts: dict[int, list[np.void]] = {}
        self._done: dict[int, Refused | None] = {}

    def open(self, kind: Kind) -> int:
        request_id, self._next = self._next, self._next + 1
        self._kinds[request_id] = kind
        self._parts[request_id] = []
        return request_id

    def waiting(self) -> list[tuple[int, Kind]]:
        """Those not whole, emptied: after a reconnect each is asked for from its beginning."""
        open_ = [(request_id, kind) for request_id, kind in self._kinds.items() if request_id not in self._done]
        for request_id, _ in open_:
            self._parts[request_id].clear()
        return open_

    def add(self, records: Records) -> None:
        for record in records:
            part = self._parts.get(int(record["request_id"]))
            if part is not None:
                part.append(record)

    def close(self, request_id: int, count: int) -> None:
        if request_id in self._parts:
            assert len(self._parts[request_id]) == count, "the server's list is not as long as its end says"
            self._done[request_id] = None

    def fail(self, request_id: int, refusal: Refused) -> bool:
        """Whether somebody waits for this list, who will be told."""
        if self._kinds.get(request_id) != refusal.message:
            return False
        self._done[request_id] = refusal
        return True

    def take(self, request_id: int) -> list[np.void] | None:
        if request_id not in self._done:
            return None
        refusal, parts = self._done[request_id], self._parts[request_id]
        self.drop(request_id)
        if refusal is not None:
            raise refusal
        return parts

    def drop(self, request_id: int) -> None:
        self._kinds.pop(request_id, None)
        self._parts.pop(request_id, None)
        self._done.pop(request_id, None)
