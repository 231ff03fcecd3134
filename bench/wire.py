"""A client's view of the whole path: orders over ZeroMQ into the books and execution reports back, on ipc and tcp.

Goals: round trip of one order at a time; orders a second at 1, 16 and 64 a frame with a bounded number of frames in flight;
latency from the planned send time at a steady rate. The flow is like a real one (48% new, 44% delete, 5% execution):
of 20 messages 11 are new orders, 9 cancels, and one order trades. Not goals: many clients, large books, a network.
The result is checked: every order accepted, every cancel done, the right number of trades.
"""

import time
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import zmq

from bench.harness import percentiles_us
from pinion.codec import blank, decode, encode
from pinion.protocol import EXECUTION_REPORT, Kind, OrderType, ReportKind, Side, TimeInForce

WARM_UP_TRIPS: Final = 200
IN_FLIGHT: Final = 256
ANSWER_WITHIN_MS: Final = 60_000
BLOCK: Final = 20
"""Messages after which the flow's pattern repeats: ten bids, nine cancels, and an offer that takes the tenth bid."""
STEADY_SHARE: Final = 0.1
"""Of the rate found at one order a frame: the rate at which latency is measured. At half of it this client, which stamps every
answer in Python, is itself what waits: 20 ms at p50."""
_REPORT_BYTES: Final = EXECUTION_REPORT.itemsize
_KIND_AT: Final = EXECUTION_REPORT.fields["report"][1] if EXECUTION_REPORT.fields else 0
_ANSWERS: Final = (ReportKind.ACCEPTED, ReportKind.CANCELLED, ReportKind.REJECTED)


@dataclass(frozen=True, slots=True)
class Desk:
    """Who sends the orders, and what they are for."""

    account: str
    api_key: str
    instrument: int = 0
    price: int = 10_000
    """A price on tick, in wire units, with at least 20 ticks of room below."""
    tick_size: int = 1
    quantity: int = 1


@dataclass(frozen=True, slots=True)
class Size:
    """How much to send."""

    round_trips: int = 10_000
    frames: tuple[tuple[int, int], ...] = ((1, 40_000), (16, 20_000), (64, 10_000))
    """(orders a frame, frames)."""
    steady_s: float = 2.0


TINY: Final = Size(round_trips=100, frames=((1, 400), (16, 40), (64, 10)), steady_s=0.05)
"""For tests: shows that it runs, measures nothing."""


def run(endpoint: str, desk: Desk, size: Size = Size()) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures, and the latencies behind them (int64 ns, by name) for a plot."""
    with _Wire(endpoint, desk) as wire:
        trips = wire.round_trips(WARM_UP_TRIPS + size.round_trips)[WARM_UP_TRIPS:]
        result: dict[str, Any] = {"round_trip_us": percentiles_us(trips)}
        for orders, frames in size.frames:
            result[f"orders_per_s_at_{orders}_a_frame"] = wire.throughput(orders, frames)
        rate = round(result[f"orders_per_s_at_{size.frames[0][0]}_a_frame"] * STEADY_SHARE)
        steady = wire.steady(rate, max(BLOCK, round(rate * size.steady_s) // BLOCK * BLOCK))
        result["steady"] = {"orders_per_s": rate, "latency_us": percentiles_us(steady)}
    return result, {"round trip": trips, f"at {rate:,} orders a second": steady}


class _Wire:
    """One session on a bare DEALER: what a client library would add is not what is measured."""

    def __init__(self, endpoint: str, desk: Desk) -> None:
        self._desk = desk
        self._next_id = time.time_ns()
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.DEALER)
        self._socket.set_hwm(0)
        self._socket.linger = 0
        self._socket.rcvtimeo = ANSWER_WITHIN_MS
        self._socket.connect(endpoint)

    def __enter__(self) -> "_Wire":
        account, api_key = self._desk.account.encode(), self._desk.api_key.encode()
        self._socket.send(encode(Kind.LOGON, account=account, api_key=api_key, heartbeat_ms=60_000, flags=0))
        kind, records = next(decode(self._socket.recv()))
        assert kind is Kind.LOGON_ACCEPTED, f"logon was answered by {kind.name}: {records}"
        self._token = int(records["token"][0])
        return self

    def __exit__(self, *_: object) -> None:
        self._context.destroy(linger=1_000)

    def round_trips(self, count: int) -> Any:
        """ns from sending a new order to its ACCEPTED, one at a time; each is cancelled before the next is sent."""
        new, cancel = self._new(count), self._cancels(count)
        cancel["client_order_id"] = new["client_order_id"]
        trips = np.zeros(count, np.int64)
        send, recv, clock = self._socket.send, self._socket.recv, time.perf_counter_ns
        for k, (order, undo) in enumerate(zip(_each(new), _each(cancel), strict=True)):
            started = clock()
            send(order)
            report = recv()
            trips[k] = clock() - started
            assert report[_KIND_AT] == ReportKind.ACCEPTED, "a new order was not accepted"
            send(undo)
            assert recv()[_KIND_AT] == ReportKind.CANCELLED, "a cancel was not done"
        return trips

    def throughput(self, orders: int, frames: int) -> int:
        """Orders a second, with ``orders`` a frame and at most IN_FLIGHT frames unanswered."""
        messages = self._flow(orders * frames)
        bodies = [b"".join(messages[first : first + orders]) for first in range(0, len(messages), orders)]
        bound, total, answered, sent, counts = IN_FLIGHT * orders, len(messages), 0, 0, np.zeros(256, np.int64)
        send, recv = self._socket.send, self._socket.recv
        started = time.perf_counter()
        while answered < total:
            while sent < frames and sent * orders - answered < bound:
                send(bodies[sent])
                sent += 1
            answered += _count(recv(), counts)
        elapsed = time.perf_counter() - started
        self._check(counts, total)
        return round(total / elapsed)

    def steady(self, rate: int, count: int) -> Any:
        """ns from the *planned* send time of each of ``count`` messages, ``rate`` a second, to its answer."""
        messages, first_request = self._flow(count), self._next_id
        due = (np.arange(count) * (1e9 / rate)).astype(np.int64)
        latencies, counts = np.zeros(count, np.int64), np.zeros(256, np.int64)
        send, recv, poll, clock = self._socket.send, self._socket.recv, self._socket.poll, time.perf_counter_ns
        answered = sent = 0
        started = clock() + 1_000_000
        planned = (due + started).tolist()
        while answered < count:
            while sent < count and clock() >= planned[sent]:
                send(messages[sent])
                sent += 1
            if not poll(0 if sent < count else ANSWER_WITHIN_MS):
                assert sent < count, "answers are missing"
                continue
            frame = recv()
            now = clock()
            answered += _count(frame, counts)
            reports = np.frombuffer(frame, EXECUTION_REPORT)
            reports = reports[np.isin(reports["report"], _ANSWERS)]
            asked = reports["request_id"].astype(np.int64) - (first_request - count)
            latencies[asked] = now - started - due[asked]
        self._check(counts, count)
        return latencies

    def _check(self, counts: Any, messages: int) -> None:
        blocks = messages // BLOCK
        found = {kind: int(counts[kind]) for kind in (*_ANSWERS, ReportKind.TRADE)}
        assert found == {
            ReportKind.ACCEPTED: 11 * blocks,
            ReportKind.CANCELLED: 9 * blocks,
            ReportKind.REJECTED: 0,
            ReportKind.TRADE: 2 * blocks,
        }, f"answers to {messages} messages: {found}"

    def _flow(self, count: int) -> list[bytes]:
        """``count`` messages, a multiple of BLOCK; their request ids are the ``count`` numbers before ``_next_id``."""
        assert count % BLOCK == 0, f"{count} messages are not whole blocks of {BLOCK}"
        blocks = count // BLOCK
        new, cancels = self._new(11 * blocks), self._cancels(9 * blocks)
        step = np.tile(np.arange(11), blocks)
        new["price"] = self._desk.price - step * self._desk.tick_size
        offers = step == 10
        new["side"][offers], new["price"][offers] = Side.SELL, self._desk.price
        bids = new["client_order_id"].reshape(blocks, 11)
        cancels["client_order_id"] = bids[:, 1:10].ravel()
        requests = np.arange(count, dtype=np.uint64).reshape(blocks, BLOCK) + np.uint64(self._next_id)
        new["request_id"] = requests[:, [*range(10), 19]].ravel()
        cancels["request_id"] = requests[:, 10:19].ravel()
        self._next_id += count
        ordered: list[bytes] = []
        fresh, gone = _each(new), _each(cancels)
        for block in range(blocks):
            mine = fresh[11 * block : 11 * block + 11]
            ordered += [*mine[:10], *gone[9 * block : 9 * block + 9], mine[10]]
        return ordered

    def _new(self, count: int) -> Any:
        orders = blank(Kind.NEW_ORDER, count, self._token)
        orders["client_order_id"] = orders["request_id"] = self._next_id + np.arange(count)
        self._next_id += count
        orders["instrument"], orders["side"] = self._desk.instrument, Side.BUY
        orders["type"], orders["time_in_force"] = OrderType.LIMIT, TimeInForce.GTC
        orders["price"], orders["quantity"] = self._desk.price, self._desk.quantity
        return orders

    def _cancels(self, count: int) -> Any:
        cancels = blank(Kind.CANCEL, count, self._token)
        cancels["request_id"] = self._next_id + np.arange(count)
        self._next_id += count
        return cancels


def _each(records: Any) -> list[bytes]:
    """The messages one by one, made before the clock starts."""
    size, data = records.dtype.itemsize, records.tobytes()
    return [data[at : at + size] for at in range(0, len(data), size)]


def _count(frame: bytes, counts: Any) -> int:
    """Add the frame's reports to ``counts`` by kind; how many of them answer a message of ours."""
    if len(frame) == _REPORT_BYTES:
        counts[frame[_KIND_AT]] += 1
        return int(frame[_KIND_AT] != ReportKind.TRADE)
    kinds = np.frombuffer(frame, np.uint8)[_KIND_AT::_REPORT_BYTES]
    found = np.bincount(kinds, minlength=256)
    counts += found
    return len(kinds) - int(found[ReportKind.TRADE])
