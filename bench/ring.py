"""The rings between two pinned processes: messages a second at 64 and 128 bytes, and a message there and back.

Goals: the cost of Pinion's own ring, as the processes use it: batched publishing, gating cursors. Not goals: more than one
reader, parking. The result is checked: the reader adds up what it read.
"""

import os
import statistics
import time
from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numba import njit

from shm.atomics import pause, prefetch
from shm.ring import Ring, can_write, cursor, publish, published, release
from shm.ring_layout import UNPUBLISHED_BOUND
from shm.segment import unlink

CAPACITY: Final = 1 << 16
MESSAGES: Final = {size: np.dtype([("words", "<i8", (size // 8,))]) for size in (64, 128)}


@njit(cache=True)
def produce(ring: Any, count: int) -> None:
    """Write ``count`` messages, each full of its own sequence, publishing once a batch."""
    sequence = published(ring) + 1
    last = sequence + count - 1
    mask = ring["slots"].shape[0] - 1
    while sequence <= last:
        batch_end = min(last, sequence + UNPUBLISHED_BOUND - 1)
        start = sequence
        while sequence <= batch_end and can_write(ring, sequence):
            words = ring["slots"][sequence & mask]["words"]
            for k in range(words.size):
                words[k] = sequence
            sequence += 1
        if sequence > start:
            publish(ring, sequence - 1)
        else:
            pause()


@njit(cache=True)
def consume(ring: Any, reader: int, count: int) -> int:
    """Read ``count`` messages; the sum of the first and last word of each, for checking."""
    done = cursor(ring, reader)
    last, total = done + count, 0
    mask = ring["slots"].shape[0] - 1
    while done < last:
        head = published(ring)
        if head == done:
            pause()
        while done < head:
            done += 1
            words = ring["slots"][done & mask]["words"]
            total += words[0] + words[-1]
            if done & (UNPUBLISHED_BOUND - 1) == 0:
                release(ring, reader, done)
        release(ring, reader, done)
    return total


@njit(cache=True)
def bounce(out: Any, back: Any, count: int, first: bool, read: bool) -> int:
    """Send a message in ``out`` and await one in ``back``, ``count`` times, or the other way round; the sum of those read.

    Without ``read`` only the mark of what is published goes there and back: one cache line, as in a bare bounce. With it
    the message's own line follows, which the awaiting side can ask for only once it has seen the mark.
    """
    sequence, mask, total = published(out), out["slots"].shape[0] - 1, 0
    for _ in range(count):
        sequence += 1
        if not first:
            total += _await(back, sequence, read)
        while not can_write(out, sequence):
            pause()
        out["slots"][sequence & mask]["words"][0] = sequence
        publish(out, sequence)
        prefetch(out["slots"], (sequence + 1) & mask)
        if first:
            total += _await(back, sequence, read)
    return total


@njit(inline="always")
def _await(ring: Any, sequence: int, read: bool) -> int:
    while published(ring) != sequence:
        pause()
    word = ring["slots"][sequence & (ring["slots"].shape[0] - 1)]["words"][0] if read else sequence
    release(ring, 0, sequence)
    return word


def run(messages: int = 5_000_000, trips: int = 500_000, rounds: int = 3) -> dict[str, int]:
    """Medians of ``rounds`` runs: ``ring_64B_per_s``, ``ring_128B_per_s``, ``there_and_back_ns`` of the published mark, and
    ``message_there_and_back_ns``, its 64 bytes read on either side."""
    result = {}
    for size, dtype in MESSAGES.items():
        rates = [messages / _throughput(dtype, messages) for _ in range(rounds)]
        result[f"ring_{size}B_per_s"] = round(statistics.median(rates))
    for name, read in (("there_and_back_ns", False), ("message_there_and_back_ns", True)):
        result[name] = round(statistics.median(_there_and_back(trips, read) / trips * 1e9 for _ in range(rounds)))
    return result


def _throughput(dtype: np.dtype[Any], count: int) -> float:
    """Seconds for ``count`` messages from one process to another."""
    with _Rings(dtype, 1) as (ring,):
        _touch(ring)
        return _in_two_processes(lambda: _check_sum(consume(ring.record, 0, count), count), lambda: produce(ring.record, count))


def _there_and_back(count: int, read: bool) -> float:
    """Seconds for ``count`` round trips."""
    with _Rings(MESSAGES[64], 2) as (there, back):
        bounce(there.record, back.record, 0, True, read)
        return _in_two_processes(
            lambda: _check_trips(bounce(back.record, there.record, count, False, read), count),
            lambda: _check_trips(bounce(there.record, back.record, count, True, read), count),
        )


def _check_trips(total: int, count: int) -> None:
    assert total == count * (count + 1) // 2, "what came back is not what was sent"


def _touch(ring: Ring) -> None:
    """Compile, and touch every page before the clock starts."""
    ring.record["slots"]["words"] = 0
    produce(ring.record, 0)
    consume(ring.record, 0, 0)


def _check_sum(total: int, count: int) -> None:
    assert total == count * (count + 1), "the reader did not read what was written"


class _Rings:
    """Fresh rings of two processes, gone at the end."""

    def __init__(self, dtype: np.dtype[Any], count: int) -> None:
        names = [f"/pinion-bench-{os.getpid()}-{k}" for k in range(count)]
        self._names = names
        self._rings = [Ring.create(name, dtype, CAPACITY, epoch=1, gating=("reader",)) for name in names]

    def __enter__(self) -> list[Ring]:
        return self._rings

    def __exit__(self, *_: object) -> None:
        for ring, name in zip(self._rings, self._names, strict=True):
            ring.close()
            unlink(name)


def _in_two_processes(child: Callable[[], object], parent: Callable[[], object]) -> float:
    """Run both at once, on the highest and the lowest core allowed; the seconds until both are done."""
    cores = os.sched_getaffinity(0)
    started = time.perf_counter()
    pid = os.fork()
    if pid == 0:
        try:
            os.sched_setaffinity(0, {max(cores)})
            child()
            os._exit(0)
        finally:
            os._exit(1)
    try:
        os.sched_setaffinity(0, {min(cores)})
        parent()
        _, status = os.waitpid(pid, 0)
    finally:
        os.sched_setaffinity(0, cores)
    assert status == 0, "the other process failed"
    return time.perf_counter() - started
