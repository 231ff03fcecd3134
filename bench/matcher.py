"""How long an order takes in the matcher: a flow of orders through the whole kernel, events into a ring.

Goal: nanoseconds of one core per command, from the command in its ring to the event in its ring, everything compiled in. Not
measured: numbering (riskd's work), processes, the wake-up of a reader. The events ring has no gating reader, so it is
overwritten as it goes round; the commands lie in a ring that holds them all, and are read from memory like the limit
program's own.

The flow is a file of ``FLOW`` records, as another engine may have dumped it that was
given the same orders; its results must come out the same.
"""

import statistics
import time
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from matcher.commands import definitions
from matcher.engine import Engine
from matcher.kernel import run
from matcher.layout import Bounds
from matcher.state import allocate, empty_state
from matcher.view import read_book
from shm.records import COMMAND, EVENT, CommandKind, OrderType, TimeInForce
from shm.ring_layout import PUBLISHED, READERS, UNPUBLISHED_BOUND, ring_dtype

FLOW: Final = np.dtype([("kind", "<i4"), ("side", "<i4"), ("id", "<i8"), ("price", "<i8"), ("quantity", "<i8")])
NEW, IOC, CANCEL, MOVE = 0, 1, 2, 3
BOUNDS: Final = Bounds(instruments=1, accounts=1, orders=1 << 20, levels=1 << 18)
EVENTS_CAPACITY: Final = 1 << 16
SLICE: Final = 4096


class Prepared(NamedTuple):
    """A flow ready to be run again and again: its numbered commands, lying in a ring that holds them all."""

    commands: Any
    orders: int
    definitions: int


class Result(NamedTuple):
    """One measurement. ``runs_ns_per_order`` holds every run, ``ns_per_order`` their median without the first."""

    orders: int
    ns_per_order: float
    runs_ns_per_order: list[float]
    trades: int
    volume: int
    best_bid: int
    best_ask: int
    resting: int
    events: int


def measure(path: Path, runs: int = 6) -> Result:
    """Run the flow in ``path`` ``runs`` times. Raises ValueError when the file holds no whole number of records."""
    return measure_flow(read_flow(path), runs)


def measure_flow(flow: Any, runs: int = 6, bounds: Bounds = BOUNDS) -> Result:
    """Run the flow ``runs`` times, each from an empty book whose memory was touched before the clock started."""
    prepared = prepare(flow, bounds)
    state, events = empty_state(bounds), _ring(EVENT, EVENTS_CAPACITY)
    seconds = [_timed(state, prepared, events, bounds) for _ in range(runs)]
    each = [round(taken / prepared.orders * 1e9, 1) for taken in seconds]
    book = read_book(state, 0, 1)
    return Result(
        orders=prepared.orders,
        ns_per_order=round(statistics.median(each[1:] or each), 1),
        runs_ns_per_order=each,
        trades=int(state["trades"]),
        volume=int(state["volume"]),
        best_bid=book.bids[0].price if book.bids else -1,
        best_ask=book.asks[0].price if book.asks else -1,
        resting=int(state["resting"]),
        events=int(state["event_sequence"]) - prepared.definitions,
    )


def read_flow(path: Path) -> Any:
    """The ``FLOW`` records in a file."""
    if path.stat().st_size % FLOW.itemsize:
        raise ValueError(f"{path} is not a flow: {path.stat().st_size} bytes are no multiple of {FLOW.itemsize}")
    return np.fromfile(path, FLOW)


def prepare(flow: Any, bounds: Bounds = BOUNDS) -> Prepared:
    """Number the flow as riskd would, and lay it into a ring."""
    first = definitions(1, 1)
    engine = Engine(*bounds)
    engine.run(np.concatenate([first, to_commands(flow)]))
    numbered = engine.commands
    ring = _ring(COMMAND, max(2 * UNPUBLISHED_BOUND, 1 << len(numbered).bit_length()))
    ring["slots"][1 : len(numbered) + 1] = numbered
    return Prepared(ring, len(flow), len(first))


def to_commands(flow: Any) -> Any:
    """The flow as commands of account 0 in instrument 0. A MOVE is a REPLACE with the quantity first entered."""
    commands = np.zeros(len(flow), COMMAND)
    commands["kind"] = np.array([CommandKind.NEW, CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE])[flow["kind"]]
    commands["client_order_id"], commands["side"], commands["price"] = flow["id"], flow["side"], flow["price"]
    entered = np.zeros(int(flow["id"].max(initial=0)) + 1, np.int64)
    is_new = (flow["kind"] == NEW) | (flow["kind"] == IOC)
    entered[flow["id"][is_new]] = flow["quantity"][is_new]
    commands["quantity"] = np.where(flow["kind"] == CANCEL, 0, entered[flow["id"]])
    commands["type"] = np.where(is_new, OrderType.LIMIT, 0)
    commands["time_in_force"] = np.where(is_new, np.where(flow["kind"] == IOC, TimeInForce.IOC, TimeInForce.GTC), 0)
    return commands


def _timed(state: Any, prepared: Prepared, events: Any, bounds: Bounds) -> float:
    state.base.view(np.uint8)[:] = 0
    state["level_bound"] = bounds.levels
    events["words"][PUBLISHED] = 0
    words = prepared.commands["words"]
    words[PUBLISHED], words[READERS] = prepared.definitions, 0
    run(state, prepared.commands, events, prepared.definitions)
    words[PUBLISHED] = prepared.definitions + prepared.orders
    started = time.perf_counter()
    while run(state, prepared.commands, events, SLICE):
        pass
    return time.perf_counter() - started


def _ring(record: np.dtype[Any], capacity: int) -> Any:
    ring = allocate(ring_dtype(record, capacity))
    ring["slots"].view(np.uint8)[:] = 0
    return ring
