"""The asyncio client: the same session as ``pinion.client``, moved by two background tasks."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Self, TypeVar, Unpack

import numpy as np
import zmq
import zmq.asyncio

from pinion.codec import Records
from pinion.entry import OrderEntry
from pinion.errors import Timeout
from pinion.instrument import Instrument, Number
from pinion.protocol import Kind, Side, TimeInForce
from pinion.report import OrderStatus, Report, report_of, status_of
from pinion.session import Session, State
from pinion.terms import OrderTerms, StopTerms

T = TypeVar("T")
TICK_S = 0.25


class AsyncConnection:
    """A session over a socket, in an event loop: what asyncio clients of every kind have."""

    def __init__(self, endpoint: str, session: Session, timeout_s: float) -> None:
        """Does nothing yet: ``connect`` does, or ``async with``."""
        self._endpoint = endpoint
        self._timeout_s = timeout_s
        self._session = session
        self._context = zmq.asyncio.Context()
        self._socket: zmq.asyncio.Socket | None = None
        self._changed = asyncio.Event()
        self._mover: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        await self.connect()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def connect(self) -> None:
        """Connects and logs on. Raises LogonRefused, or Timeout when nothing answers."""
        self._open()
        self._mover = asyncio.create_task(self._move(), name="pinion-client")
        try:
            await self._become_ready()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        """Logs out. Orders at rest stay in the book."""
        mover, self._mover = self._mover, None
        if mover is not None:
            mover.cancel()
            await asyncio.gather(mover, return_exceptions=True)
        if self._socket is not None:
            self._session.close()
            await self._flush()
            self._socket.close(linger=200)
            self._socket = None
        self._context.term()

    @property
    def instruments(self) -> dict[str, Instrument]:
        """What is traded here, by symbol."""
        return self._session.instruments

    async def reports(self, timeout: float | None = None) -> AsyncIterator[Report]:
        """See ``Client.reports``."""
        while True:
            try:
                records = await asyncio.wait_for(self._next_reports(), timeout)
            except TimeoutError:
                return
            for record in records:
                yield report_of(record, self._session.instruments_by_id)

    async def _next_reports(self) -> Records:
        while not self._session.reports:
            if self._session.refusals:
                raise self._session.refusals.popleft()
            await self._change()
        return self._session.reports.popleft()

    async def _become_ready(self) -> None:
        if not self._session.ready:
            await self._wait(lambda: self._session.ready or None, f"a logon at {self._endpoint}")

    async def _wait(self, done: Callable[[], T | None], what: str) -> T:
        async def until() -> T:
            while (result := done()) is None:
                await self._change()
            return result

        try:
            return await asyncio.wait_for(until(), self._timeout_s)
        except TimeoutError:
            raise Timeout(f"no answer to {what} within {self._timeout_s} s") from None

    async def _change(self) -> None:
        """Waits till something came in. Raises what ended the mover, if it has ended."""
        if self._mover is None:
            raise ValueError("this client is not connected")
        if self._mover.done():
            self._mover.result()
        await self._changed.wait()

    async def _move(self) -> None:
        """The background task: takes in frames as they come, ticks, opens a new socket when the old way is lost."""
        try:
            while True:
                await self._move_once()
        finally:
            self._announce()

    async def _move_once(self) -> None:
        assert self._socket is not None
        session = self._session
        if await self._socket.poll(round(min(TICK_S, session.interval_s) * 1000)):
            session.receive(await self._socket.recv(), time.monotonic())
        session.tick(time.monotonic())
        if session.logon_refusal is not None:
            raise session.logon_refusal
        if session.state is State.LOST:
            self._open()
        await self._flush()
        self._announce()

    def _announce(self) -> None:
        """Wakes everyone who waits, and makes the next wait a fresh one."""
        self._changed.set()
        self._changed = asyncio.Event()

    async def _flush(self) -> None:
        """Sends the outbox; waits while the socket takes no more."""
        assert self._socket is not None
        outbox = self._session.outbox
        while outbox:
            await self._socket.send(outbox.take())
            self._session.sent(time.monotonic())

    def _open(self) -> None:
        if self._socket is not None:
            self._socket.close(linger=0)
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.rcvhwm = 0
        self._socket.connect(self._endpoint)
        self._session.connect(time.monotonic())


class AsyncClient(AsyncConnection):
    """One account's session with the exchange, in an event loop. Heartbeats and resuming go on by themselves.

    async with AsyncClient("ipc:///run/pinion/gateway.0", account="alice", api_key="…") as client:
        order = await client.submit("GOOG", "buy", 100, "585.33")
        async for report in client.reports(timeout=1):
            print(report)
    """

    def __init__(self, endpoint: str, *, account: str, api_key: str, timeout_s: float = 5.0, heartbeat_s: float = 5.0) -> None:
        """Does nothing yet: ``connect`` does, or ``async with``."""
        super().__init__(endpoint, Session(account, api_key, heartbeat_s), timeout_s)
        self._entry = OrderEntry(self._session)

    async def submit(
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
        """See ``Client.submit``."""
        await self._become_ready()
        identity = self._entry.new_order(symbol, side, quantity, price, time_in_force, client_order_id, terms)
        await self._flush()
        return identity

    async def cancel(self, client_order_id: int) -> int:
        """See ``Client.cancel``."""
        await self._become_ready()
        request_id = self._entry.cancel(client_order_id)
        await self._flush()
        return request_id

    async def replace(
        self,
        symbol: str,
        client_order_id: int,
        quantity: Number,
        price: Number | None = None,
        **terms: Unpack[StopTerms],
    ) -> int:
        """See ``Client.replace``."""
        await self._become_ready()
        request_id = self._entry.replace(symbol, client_order_id, quantity, price, terms)
        await self._flush()
        return request_id

    async def reduce(self, symbol: str, client_order_id: int, quantity: Number) -> int:
        """See ``Client.reduce``."""
        await self._become_ready()
        request_id = self._entry.reduce(symbol, client_order_id, quantity)
        await self._flush()
        return request_id

    async def mass_cancel(
        self,
        symbol: str | None = None,
        *,
        side: Side | str | None = None,
        this_session: bool = False,
        lowest_price: Number | None = None,
        highest_price: Number | None = None,
    ) -> int:
        """See ``Client.mass_cancel``."""
        await self._become_ready()
        request_id = self._entry.mass_cancel(symbol, side, this_session, lowest_price, highest_price)
        await self._flush()
        return request_id

    async def submit_many(self, records: Records) -> None:
        """See ``Client.submit_many``."""
        await self._become_ready()
        self._entry.put(records)
        await self._flush()

    async def orders(self) -> list[OrderStatus]:
        """See ``Client.orders``."""
        await self._become_ready()
        request_id = self._session.ask(Kind.ORDERS_REQUEST)
        await self._flush()
        found: list[np.void] | None = None
        try:
            found = await self._wait(lambda: self._session.answer(request_id), "a list of orders")
        finally:
            self._session.forget(request_id)
        return [status_of(record, self._session.instruments_by_id) for record in found]
