"""One client under chaos: it trades in a thread of its own, logs on again and catches up whenever it must, and keeps a record
of all that it ever sent and was ever told."""

import contextlib
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from decimal import Decimal
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

import numpy as np
from numpy.typing import NDArray

from cli.frames import Packed, Records
from pinion.client import NO_REPORTS, Client
from pinion.errors import Refused, Timeout
from pinion.protocol import Kind, OrderType, Side, TimeInForce
from shm.records import COMMAND, NO_INSTRUMENT, CommandKind

WINDOW: Final = 192
"""Sent and not yet answered, at most."""
LARGEST_BURST: Final = 24
LONGEST_PAUSE_S: Final = 0.004
REFUSED_PAUSE_S: Final = 0.01
RECEIVE_S: Final = 0.001
BEGIN_WITHIN_S: Final = 60.0
TERMS_SHARE: Final = 0.1
"""Of bursts, those that are followed by an order of another kind than limit or market."""
OPEN, ANSWERED, REFUSED, UNKNOWN = range(4)
"""What became of a request, as its sender knows: nothing was heard, a report ended it, the gateway did not take it, its session
was lost before an answer came. What is unknown may still be answered."""
SENT: Final = np.dtype([("command", COMMAND), ("fate", "i1"), ("order", "<i8"), ("session", "<i8"), ("whole", "i1")])
"""A request in wire units. ``order`` is its place among all that the client sent; ``whole``: compare all its fields."""
MIDDLE, TICK = Decimal("400.00"), Decimal("0.01")
"""Of the instrument that orders of the other kinds are for, which is the demo's last."""
T = TypeVar("T")


class Trader:
    """Started with ``start``; methods are for the thread that made it. ``problem``: what ended its own thread, if anything."""

    def __init__(self, endpoint: str, account: str, key: str, symbol: str, seed: tuple[int, ...]) -> None:
        """``symbol``: the instrument for orders of all the other kinds."""
        self.name = account
        self.problem: BaseException | None = None
        self._client = Client(endpoint, account=account, api_key=key, timeout_s=3.0, heartbeat_s=1.0)
        self.account = self._client.account
        self._instrument = self._client.instruments[symbol].instrument
        self._symbol, self._random = symbol, np.random.default_rng(seed)
        self._todo: SimpleQueue[tuple[Callable[[Client], Any], Future[Any]]] = SimpleQueue()
        self._flow: Records = np.zeros(0, COMMAND)
        self._packed, self._next, self._terms = Packed(self._flow), 0, 0
        self._reports: list[Records] = []
        self._sent: list[NDArray[Any]] = []
        self._rows: dict[int, NDArray[Any]] = {}
        """Request id -> its row, of those that are not answered."""
        self._open: dict[int, list[int]] = {}
        """Request id -> it and those behind it in its frame, of those that may still be answered by their session."""
        self._session, self._count = self._client.session, 0
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run, name=account, daemon=True)

    def start(self) -> None:
        """Begin; at first there is nothing to send."""
        self._thread.start()

    def trade(self, flow: Records) -> None:
        """Send ``flow`` (wire units, this account's, ``request_id`` set) from now on; what is left of the last is dropped."""
        self.do(lambda client: self._begin(flow)).result(BEGIN_WITHIN_S)

    def do(self, what: Callable[[Client], T]) -> "Future[T]":
        """Have the trader's thread call ``what`` between two messages."""
        made: Future[T] = Future()
        self._todo.put((what, made))
        return made

    def cancel_all(self) -> "Future[int]":
        """Ask for the end of all the account's orders; the request id."""
        return self.do(self._cancel_all)

    @property
    def quiet(self) -> bool:
        """Is everything sent, and is nothing on its way that a living session must answer?"""
        return self._todo.empty() and self._next >= len(self._packed) and not self._open

    @property
    def unanswered(self) -> list[int]:
        """Requests that the session still owes an answer."""
        return list(self._open)

    @property
    def requests(self) -> int:
        """How many were sent."""
        return self._count

    def reports(self, first: int = 0) -> tuple[Records, int]:
        """What was told, from batch ``first`` on, in order of arrival; and which batch comes next."""
        batches = self._reports[first:]
        return np.concatenate([NO_REPORTS, *batches]), first + len(batches)

    def sent(self) -> NDArray[Any]:
        """All that was sent (dtype SENT), as it stands now. Only while the trader is quiet."""
        return np.concatenate([np.zeros(0, SENT), *self._sent])

    def close(self) -> None:
        """Log out and end, within seconds, whatever the exchange does."""
        self._ending.set()
        if self._thread.ident is not None:
            self._thread.join()
        with contextlib.suppress(Timeout, Refused):
            self._client.close()

    # ------------------------------------------------------------------------------------ its own thread

    def _run(self) -> None:
        try:
            while not self._ending.is_set():
                self._turn()
        except BaseException as problem:  # told by whoever looks after it
            self.problem = problem

    def _turn(self) -> None:
        with contextlib.suppress(Empty):
            what, made = self._todo.get_nowait()
            try:
                made.set_result(what(self._client))
            except (Timeout, Refused) as error:
                made.set_exception(error)
        try:
            if self._next < len(self._packed) and len(self._open) < WINDOW:
                self._send()
            reports = self._client.receive(RECEIVE_S)
        except Timeout:
            pass
        except Refused as refusal:
            self._on_refusal(refusal)
        else:
            if len(reports):
                self._take(reports)
        self._note_session()

    def _begin(self, flow: Records) -> None:
        self._flow, self._packed, self._next, self._terms = flow, Packed(flow, self._client.token), 0, 0

    def _cancel_all(self, client: Client) -> int:
        row = np.zeros(1, COMMAND)
        request_id = client.mass_cancel()
        row["kind"], row["instrument"], row["request_id"] = CommandKind.MASS_CANCEL, NO_INSTRUMENT, request_id
        rows = self._noted(row, whole=False)
        rows["fate"], rows["session"] = UNKNOWN, client.session
        return request_id

    def _send(self) -> None:
        """One frame of up to LARGEST_BURST messages; now and then an order of another kind behind it, then a pause."""
        last = min(self._next + 1 + int(self._random.integers(LARGEST_BURST)), len(self._packed))
        rows = self._noted(self._flow[self._next : last], whole=True)
        frame, self._next = self._packed.frame(self._next, last), last
        self._submit(rows, lambda: self._client.submit_packed(frame))
        if self._random.random() < TERMS_SHARE:
            self._send_terms(int(rows["command"]["request_id"][-1]))
        pause_s = self._random.random() * LONGEST_PAUSE_S
        if pause_s > LONGEST_PAUSE_S / 2:
            time.sleep(pause_s)

    def _send_terms(self, after: int) -> None:
        """An iceberg, a stop, a good-till-date order … around the price where the flow has its first middle."""
        self._terms += 1
        row = np.zeros(1, COMMAND)
        row["kind"], row["instrument"] = CommandKind.NEW, self._instrument
        row["client_order_id"] = row["request_id"] = after + (self._terms << 20)
        side, terms = Side(int(self._random.integers(2))), terms_of(self._random)
        price = terms.pop("price", None)
        quantity = int(self._random.integers(1, 40)) * 10
        identity = int(row["request_id"][0])
        submit = self._client.submit
        self._submit(
            self._noted(row, whole=False),
            lambda: submit(self._symbol, side, quantity, price, client_order_id=identity, **terms),
        )

    def _noted(self, commands: Records, whole: bool) -> NDArray[Any]:
        """Rows for what is about to be sent: noted before, so that whatever befalls us then, it is known to be possible."""
        rows = np.zeros(len(commands), SENT)
        rows["command"], rows["whole"] = commands, whole
        rows["order"] = np.arange(self._count, self._count + len(rows))
        self._count += len(rows)
        self._sent.append(rows)
        for place, request_id in enumerate(rows["command"]["request_id"].tolist()):
            self._rows[request_id] = rows[place : place + 1]
        return rows

    def _submit(self, rows: NDArray[Any], send: Callable[[], Any]) -> None:
        ids = rows["command"]["request_id"].tolist()
        try:
            send()
        except Timeout:
            rows["fate"], rows["session"] = UNKNOWN, -1
            return
        rows["session"] = self._client.session
        self._note_session()
        self._open.update((request_id, ids[place:]) for place, request_id in enumerate(ids))

    def _note_session(self) -> None:
        """With the session goes the certainty of an answer."""
        if self._client.session == self._session:
            return
        for request_id in self._open:
            self._rows[request_id]["fate"] = UNKNOWN
        self._open.clear()
        self._session = self._client.session

    def _on_refusal(self, refusal: Refused) -> None:
        """It, and what lay behind it in its frame, was not taken."""
        if refusal.message < Kind.NEW_ORDER:
            raise refusal  # a resend that is refused leaves a client deaf
        row = self._rows.get(refusal.request_id)
        if row is None:
            raise AssertionError(f"a refusal of request {refusal.request_id}, which was not open: {refusal}")
        for request_id in self._open.get(refusal.request_id, [refusal.request_id]):
            self._open.pop(request_id, None)
            self._rows.pop(request_id)["fate"] = REFUSED
        time.sleep(REFUSED_PAUSE_S)

    def _take(self, reports: Records) -> None:
        self._reports.append(reports)
        for request_id in reports["request_id"][reports["last"] == 1].tolist():
            row = self._rows.pop(request_id, None)
            if row is not None:
                row["fate"] = ANSWERED
            self._open.pop(request_id, None)


def terms_of(random: np.random.Generator) -> dict[str, Any]:
    """Keyword arguments for ``Client.submit``: what the demo's flow does not send."""
    price = MIDDLE + TICK * int(random.integers(-15, 16))
    wait_ns = int(random.integers(1, 3_000_000_000))
    kinds: list[dict[str, Any]] = [
        {"price": price, "display_quantity": 10},
        {"price": price, "hidden": True},
        {"price": price, "post_only": True, "slide": bool(random.integers(2))},
        {"price": price, "expiry_ns": time.time_ns() + wait_ns},
        {"price": price, "time_in_force": TimeInForce.FOK},
        {"price": price, "minimum_quantity": 10, "time_in_force": TimeInForce.IOC},
        {"price": price, "all_or_none": True},
        {"stop_price": price},
        {"price": price, "stop_price": price},
        {"distance": TICK * int(random.integers(1, 9))},
        {"type": OrderType.PEGGED_BID, "offset": -TICK},
        {"type": OrderType.MARKET_TO_LIMIT},
        {"price": price, "self_trade_rule": "cancel_both"},
    ]
    return kinds[int(random.integers(len(kinds)))]
