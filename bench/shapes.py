"""Shapes of a book that a matcher could be slow on: nanoseconds for each thing touched, at sizes that differ tenfold.

Goal: to see that no figure grows with the size by more than what the caches make of it. Not a goal: figures of a usual market,
which are ``bench.matcher``'s.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from bench.matcher import BOUNDS, EVENTS_CAPACITY, Prepared, lay, ring, run_to, timed
from matcher.commands import cancel, definitions, new, replace
from matcher.layout import RANKS, Bounds
from matcher.state import empty_state
from shm.records import EVENT, Side, TimeInForce

SIZES: Final = (1_000, 10_000, 100_000)
TINY: Final = (16, 128)
RUNS, CALLS = 5, 20
ORDERS_A_PRICE: Final = 10
APART_TICKS: Final = 1_000_000


class Shape(NamedTuple):
    """What is there before, what is timed, and how many things that touches."""

    before: Any
    commands: Any
    touched: int


def sweep(size: int) -> Shape:
    """One order trades with ``size`` resting ones, ten at each price: touched are the trades."""
    resting = _many(new(0, 1, Side.SELL, 1, 1), size)
    resting["price"] = 1_000 + np.arange(size) // ORDERS_A_PRICE
    taker = new(0, size + 1, Side.BUY, 1_000 + size, size, time_in_force=TimeInForce.IOC)
    return Shape(resting, taker, size)


def cancel_in_the_middle(size: int) -> Shape:
    """The middle quarter of a queue of ``size`` at one price is cancelled, in no order: touched are the cancels."""
    count = size // 4
    cancels = _many(cancel(0, 1), count)
    cancels["client_order_id"] = size // 3 + np.random.default_rng(1).permutation(count)
    return Shape(_many(new(0, 1, Side.BUY, 1_000, 1), size), cancels, count)


def whole_range(size: int) -> Shape:
    """Bid and ask run from tick 1 to the last one and back in ``size`` steps: touched are the moves."""
    last = RANKS - 1
    up = np.linspace(1, last - 1, size // 4).astype(np.int64)
    bids = np.concatenate([up, up[::-1]])
    moves = _many(replace(0, 1, 1, 1), 2 * len(bids))
    rising = np.arange(len(bids)) < len(up)
    ask, bid = np.where(rising, 0, 1), np.where(rising, 1, 0)  # which move of each pair: they never cross
    pairs = np.arange(len(bids)) * 2
    for at, number, prices in ((pairs + ask, 2, bids + 1), (pairs + bid, 1, bids)):
        moves["client_order_id"][at], moves["price"][at] = number, prices
    before = np.concatenate([new(0, 1, Side.BUY, 1, 1), new(0, 2, Side.SELL, 2, 1)])
    return Shape(before, moves, len(moves))


def a_million_ticks_apart(size: int) -> Shape:
    """Orders come to rest at ``size`` prices far from one another, in no order, and one takes them all: touched are both."""
    resting = _many(new(0, 1, Side.BUY, 1, 1), size)
    resting["price"] = np.random.default_rng(1).permutation(size) * APART_TICKS + 1
    taker = new(0, size + 1, Side.SELL, 1, size, time_in_force=TimeInForce.IOC)
    return Shape(np.zeros(0, resting.dtype), np.concatenate([resting, taker]), 2 * size)


SHAPES: Final[dict[str, Callable[[int], Shape]]] = {
    shape.__name__: shape for shape in (sweep, cancel_in_the_middle, whole_range, a_million_ticks_apart)
}


def measure(
    sizes: Sequence[int] = SIZES, runs: int = RUNS, bounds: Bounds = BOUNDS, told: Callable[[], None] = lambda: None
) -> dict[str, dict[str, float]]:
    """Nanoseconds a thing touched, by shape and size; ``told`` is called after each of them."""
    state, events = empty_state(bounds), ring(EVENT, EVENTS_CAPACITY)
    found: dict[str, dict[str, float]] = {}
    for name, shape in SHAPES.items():
        found[name] = {}
        for size in sizes:
            made = shape(size)
            prepared = lay(np.concatenate([definitions(1, 1), made.before]), made.commands, bounds)
            seconds = statistics.median(timed(state, prepared, events, bounds) for _ in range(runs))
            seconds -= 2 * _call_s(state, prepared, events)  # what has work to do, and what finds that none is left
            found[name][str(size)] = round(max(seconds, 0.0) / made.touched * 1e9, 1)
            told()
    return found


def _call_s(state: Any, prepared: Prepared, events: Any) -> float:
    """Seconds that Python takes to call a kernel that has nothing to do."""
    seconds = []
    for _ in range(CALLS):
        started = time.perf_counter()
        run_to(state, prepared.commands, events, prepared.before + prepared.orders)
        seconds.append(time.perf_counter() - started)
    return statistics.median(seconds)


def _many(command: Any, count: int) -> Any:
    """``count`` of them, whose client order ids count up."""
    made = np.repeat(command, count)
    made["client_order_id"] = 1 + np.arange(count)
    return made
