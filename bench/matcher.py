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
from matcher.state import clear, empty_state, wire
from matcher.view import read_book
from shm.records import COMMAND, EVENT, CommandKind, OrderType, TimeInForce
from shm.ring import Ring
from shm.ring_layout import PUBLISHED, READERS

FLOW: Final = np.dtype([("kind", "<i4"), ("side", "<i4"), ("id", "<i8"), ("price", "<i8"), ("quantity", "<i8")])
NEW, IOC, CANCEL, MOVE = 0, 1, 2, 3
BOUNDS: Final = Bounds(instruments=1, accounts=1, orders=1 << 20, levels=1 << 18)
EVENTS_CAPACITY: Final = 1 << 16
SLICE: Final = 4096
LEAST_CAPACITY: Final = 4096
"""Of the ring of commands: kernels are compiled anew for each capacity."""


class Prepared(NamedTuple):
    """A flow ready to be run again and again: numbered commands in a ring that holds them all, the timed ones last."""

    commands: Any
    orders: int
    before: int


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
    state, events = empty_state(bounds), ring(EVENT, EVENTS_CAPACITY)
    seconds = [timed(state, prepared, events, bounds) for _ in range(runs)]
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
        events=int(state["event_sequence"]) - prepared.before,
    )


def read_flow(path: Path) -> Any:
    """The ``FLOW`` records in a file."""
    if path.stat().st_size % FLOW.itemsize:
        raise ValueError(f"{path} is not a flow: {path.stat().st_size} bytes are no multiple of {FLOW.itemsize}")
    return np.fromfile(path, FLOW)


def prepare(flow: Any, bounds: Bounds = BOUNDS) -> Prepared:
    """Number the flow as riskd would, and lay it into a ring behind the definitions."""
    return lay(definitions(1, 1), to_commands(flow), bounds)


def lay(before: Any, commands: Any, bounds: Bounds = BOUNDS) -> Prepared:
    """Number ``before``, which is not timed, and ``commands``, which are, and lay them into a ring."""
    engine = Engine(*bounds)
    engine.run(np.concatenate([before, commands]))
    numbered = engine.commands
    laid = ring(COMMAND, max(LEAST_CAPACITY, 1 << len(numbered).bit_length()))
    laid.record["slots"][1 : len(numbered) + 1] = numbered
    return Prepared(laid, len(commands), len(before))


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


def timed(state: Any, prepared: Prepared, events: Ring, bounds: Bounds) -> float:
    """Seconds that the timed commands take, from a state made empty."""
    clear(state, bounds)
    events.record["words"][PUBLISHED] = 0
    run_to(state, prepared.commands, events, prepared.before)
    started = time.perf_counter()
    run_to(state, prepared.commands, events, prepared.before + prepared.orders)
    return time.perf_counter() - started


def run_to(state: Any, commands: Ring, events: Ring, last: int) -> None:
    """Publish the commands up to ``last`` and handle them, in slices as a matcher would."""
    words = commands.record["words"]
    words[PUBLISHED], words[READERS] = last, 0
    wire(state, commands, events)
    while run(state, SLICE):
        pass


def ring(record: np.dtype[Any], capacity: int) -> Ring:
    """A ring without readers, in memory that was touched."""
    made = Ring.private(record, capacity)
    made.record["slots"].view(np.uint8)[:] = 0
    return made
