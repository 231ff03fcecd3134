"""The blocking client. The only place of this package, beside ``pinion.aio``, where there is a socket."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Self, TypeVar, Unpack

import numpy as np
import zmq

from pinion.codec import Records, blank, with_token
from pinion.entry import OrderEntry
from pinion.errors import Timeout
from pinion.instrument import Instrument, Number
from pinion.protocol import Kind, Side, TimeInForce
from pinion.report import OrderStatus, Report, report_of, status_of
from pinion.session import Session, State
from pinion.terms import OrderTerms, StopTerms

T = TypeVar("T")
NO_REPORTS: Records = blank(Kind.EXECUTION_REPORT, 0)


class Connection:
    """A session over a socket: what clients of every kind have. Not thread-safe: one a thread.

    Heartbeats, logon after a loss, and the reports missed meanwhile are seen to inside every call. Who
    calls nothing for three heartbeat intervals is logged off by the server, and logged on again by its next call.
    """

    def __init__(self, endpoint: str, session: Session, timeout_s: float) -> None:
        """Connects and logs on. Raises LogonRefused, or Timeout when nothing answers at ``endpoint``."""
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._session = session
        self._context = zmq.Context()
        self._socket: zmq.Socket[bytes] | None = None
        self._holding = False
        try:
            self._connect()
            self._become_ready()
        except BaseException:
            self._abandon()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Logs out. Orders at rest stay in the book."""
        if self._socket is not None:
            self._session.close()
            self._flush(linger=True)
        self._abandon()

    @property
    def instruments(self) -> dict[str, Instrument]:
        """What is traded here, by symbol."""
        return self._session.instruments

    def reports(self, timeout: float | None = None) -> Iterator[Report]:
        """What happens to the orders that this session sees, in order; ends when nothing more came for ``timeout`` seconds.

        Raises Refused when the gateway refused a message.
        """
        while len(records := self.receive(timeout)):
            for record in records:
                yield report_of(record, self._session.instruments_by_id)

    def receive(self, timeout: float | None = 0.0) -> Records:
        """The fast path: every EXECUTION_REPORT at hand in one array.

        Waits up to ``timeout`` seconds for the first, for ever with None; an empty array when none came.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        self._pump(0.0)
        while not self._session.reports and not self._session.refusals:
            left = self._session.interval_s if deadline is None else deadline - time.monotonic()
            if left <= 0:
                return NO_REPORTS
            self._pump(left)
        return self._take_reports()

    def _take_reports(self) -> Records:
        reports, refusals = self._session.reports, self._session.refusals
        if not reports:
            raise refusals.popleft()
        taken = reports[0] if len(reports) == 1 else np.concatenate(reports)
        reports.clear()
        return taken

    def _become_ready(self) -> None:
        if not self._session.ready:
            self._wait(lambda: self._session.ready or None, f"a logon at {self._endpoint}")

    def _wait(self, done: Callable[[], T | None], what: str) -> T:
        """Pumps until ``done`` gives something. Raises Timeout, or LogonRefused."""
        deadline = time.monotonic() + self._timeout_s
        while (result := done()) is None:
            left = deadline - time.monotonic()
            if left <= 0:
                raise Timeout(f"no answer to {what} within {self._timeout_s} s")
            self._pump(left)
        return result

    def _pump(self, timeout_s: float) -> None:
        """Sends what is due, waits up to ``timeout_s`` for the socket, takes in all that is there."""
        socket, session = self._open_socket(), self._session
        self._flush()
        if socket.poll(max(1, round(min(timeout_s, session.interval_s) * 1000)) if timeout_s > 0 else 0):
            self._drain(socket)
        session.tick(time.monotonic())
        if session.logon_refusal is not None:
            raise session.logon_refusal
        if session.state is State.LOST:
            self._connect()
        self._flush()

    def _drain(self, socket: "zmq.Socket[bytes]") -> None:
        now = time.monotonic()
        while True:
            try:
                frame = socket.recv(zmq.NOBLOCK)
            except zmq.Again:
                return
            self._session.receive(frame, now)

    def _flush(self, linger: bool = False) -> None:
        """Sends the outbox. While the socket takes no more, reads: a server that is not read from need not read either."""
        socket, outbox = self._open_socket(), self._session.outbox
        deadline = time.monotonic() + self._timeout_s
        while outbox and not self._holding:
            frame = outbox.take()
            try:
                socket.send(frame, zmq.NOBLOCK)
            except zmq.Again:
                outbox.put_back(frame)
                if linger or time.monotonic() > deadline:
                    raise Timeout(f"{self._endpoint} has taken nothing for {self._timeout_s} s") from None
                socket.poll(100, zmq.POLLIN | zmq.POLLOUT)
                self._drain(socket)
            else:
                self._session.sent(time.monotonic())

    def _connect(self) -> None:
        """Opens a fresh socket in place of the old one and begins a logon on it."""
        if self._socket is not None:
            self._socket.close(linger=0)
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.rcvhwm = 0
        self._socket.connect(self._endpoint)
        self._session.connect(time.monotonic())

    def _open_socket(self) -> "zmq.Socket[bytes]":
        if self._socket is None:
            raise ValueError("this client is closed")
        return self._socket

    def _abandon(self) -> None:
        if self._socket is not None:
            self._socket.close(linger=200)
            self._socket = None
        self._context.term()


class Client(Connection):
    """One account's session with the exchange.

    with Client("ipc:///run/pinion/gateway.0", account="alice", api_key="…") as client:
        order = client.submit("GOOG", "buy", 100, "585.33")
        for report in client.reports(timeout=1):
            print(report)
    """

    def __init__(self, endpoint: str, *, account: str, api_key: str, timeout_s: float = 5.0, heartbeat_s: float = 5.0) -> None:
        """Connects and logs on. Raises LogonRefused, or Timeout when nothing answers at ``endpoint``."""
        session = Session(account, api_key, heartbeat_s)
        self._entry = OrderEntry(session)
        super().__init__(endpoint, session, timeout_s)

    @property
    def account(self) -> int:
        """The account's number at the exchange."""
        return self._session.account

    @property
    def token(self) -> int:
        """What messages that are packed by hand carry in their headers. Another after every logon."""
        return self._session.outbox.token

    @property
    def session(self) -> int:
        """This session's number, which the reports of its orders carry."""
        return self._session.number

    def submit(
        self,
        symbol: str,
        side: Side | str,
        quantity: Number,
        price: Number | None = None,
        *,
        time_in_force: TimeInForce | str | None = None,
        client_order_id: int | None = None,
        **terms: Unpack[OrderTerms],
    ) -> int:
        """Sends an order; the client order id that names it for life. Without a price it is a market order.

        Time in force is GTC for a limit order and IOC for a market order unless given. ``pinion.terms.OrderTerms`` lists the
        other terms: ``stop_price``, ``display_quantity``, ``post_only``, ``linked_to`` … Raises UnknownSymbol, OffTick.
        """
        self._become_ready()
        identity = self._entry.new_order(symbol, side, quantity, price, time_in_force, client_order_id, terms)
        self._flush()
        return identity

    def cancel(self, client_order_id: int) -> int:
        """Asks for an order's cancellation; the request id that its report will carry."""
        self._become_ready()
        return self._flushed(self._entry.cancel(client_order_id))

    def replace(
        self,
        symbol: str,
        client_order_id: int,
        quantity: Number,
        price: Number | None = None,
        **terms: Unpack[StopTerms],
    ) -> int:
        """Asks for a new price and a new total quantity (what is executed counts); the request id.

        A stop, trailing or pegged order gets a new ``stop_price``, ``distance`` or ``offset`` too, 0 where none is given.
        """
        self._become_ready()
        return self._flushed(self._entry.replace(symbol, client_order_id, quantity, price, terms))

    def reduce(self, symbol: str, client_order_id: int, quantity: Number) -> int:
        """Asks for ``quantity`` to be taken off an order, which keeps its place in the queue; the request id."""
        self._become_ready()
        return self._flushed(self._entry.reduce(symbol, client_order_id, quantity))

    def mass_cancel(
        self,
        symbol: str | None = None,
        *,
        side: Side | str | None = None,
        this_session: bool = False,
        lowest_price: Number | None = None,
        highest_price: Number | None = None,
    ) -> int:
        """Asks for the cancellation of all the account's orders, or those that fit all that is given; the request id.

        ``this_session``: only orders that this session entered. Prices, both included, are those of ``symbol``.
        """
        self._become_ready()
        return self._flushed(self._entry.mass_cancel(symbol, side, this_session, lowest_price, highest_price))

    def submit_many(self, records: Records) -> None:
        """The fast path: packed messages of one kind (``codec.blank``), wire units, as many a frame as fit; unchecked."""
        self._become_ready()
        self._entry.put(records)
        self._flush()

    def submit_packed(self, frame: bytes) -> None:
        """The fastest path: one frame of messages packed beforehand, sent as it is; packed with ``token`` nothing is copied."""
        self._become_ready()
        assert len(frame) <= self._session.outbox.maximum_frame_bytes, "longer than the gateway takes"
        self._session.outbox.put(with_token(frame, self.token))
        self._flush()

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Holds messages back till the end of the block, so that they travel together in as few frames as can be."""
        self._become_ready()
        self._holding = True
        try:
            yield
        finally:
            self._holding = False
            self._flush()

    def orders(self) -> list[OrderStatus]:
        """The account's working orders. Raises Timeout, or Refused."""
        self._become_ready()
        request_id = self._session.ask(Kind.ORDERS_REQUEST)
        found: list[np.void] | None = None
        try:
            found = self._wait(lambda: self._session.answer(request_id), "a list of orders")
        finally:
            self._session.forget(request_id)
        return [status_of(record, self._session.instruments_by_id) for record in found]

    def _flushed(self, request_id: int) -> int:
        self._flush()
        return request_id
