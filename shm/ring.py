"""Broadcast rings: one writer, gating readers that hold it back, taps that never do.

Kernels (compiled, inlined) come first; they take the ring's one record. The class below them is for Python.

    while can_write(ring, sequence): fill slots[sequence & mask]; sequence += 1
    publish(ring, sequence - 1)

    for sequence in range(cursor(ring, me) + 1, published(ring) + 1): use slots[sequence & mask]
    release(ring, me, sequence)
"""

from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numba import njit

from shm.atomics import load_acquire, store_release
from shm.doorbell import fence_stores
from shm.errors import CutLoose, SegmentError
from shm.ring_layout import (
    FIRST_READER,
    GATE,
    GATING,
    LINE,
    LOOSE,
    NAME_BYTES,
    PUBLISHED,
    READER_BOUND,
    READERS,
    STATE,
    UNPUBLISHED_BOUND,
    ring_dtype,
)
from shm.segment import Segment

# ---------------------------------------------------------------------------------------------- kernels


@njit(inline="always")
def published(ring: Any) -> int:
    """The last sequence that readers may read."""
    return load_acquire(ring["words"], PUBLISHED)


@njit(inline="always")
def cursor(ring: Any, reader: int) -> int:
    """The last sequence that gating reader ``reader`` has done with."""
    return load_acquire(ring["words"], FIRST_READER + LINE * reader)


@njit(inline="always")
def publish(ring: Any, sequence: int) -> None:
    """Writer: everything up to ``sequence`` is written. Once a batch, not once a message: it takes the line from readers."""
    store_release(ring["words"], PUBLISHED, sequence)


@njit(inline="always")
def release(ring: Any, reader: int, sequence: int) -> None:
    """Reader: done with everything up to ``sequence``; the writer may overwrite it."""
    store_release(ring["words"], FIRST_READER + LINE * reader, sequence)


@njit(cache=True)
def slowest(ring: Any, sequence: int) -> int:
    """The cursor of the slowest gating reader; ``sequence`` where there is none."""
    words = ring["words"]
    gate = sequence
    for reader in range(words[READERS]):
        at = FIRST_READER + LINE * reader
        if load_acquire(words, at + STATE) == GATING:
            gate = min(gate, load_acquire(words, at))
    return gate


@njit(inline="always")
def can_write(ring: Any, sequence: int) -> bool:
    """Writer: does slot ``sequence`` hold nothing that a gating reader still needs? Looks at cursors only when it must."""
    return has_room(ring, ring["slots"].shape[0], sequence)


@njit(inline="always")
def has_room(ring: Any, capacity: int, sequence: int) -> bool:
    """``can_write`` where only the ring's words are at hand."""
    words = ring["words"]
    if sequence - words[GATE] > capacity:
        words[GATE] = slowest(ring, sequence - 1)
    return sequence - words[GATE] <= capacity


# ------------------------------------------------------------------------------------------------- Python


class Ring:
    """A ring as Python holds it: make it, attach to it, find one's cursor. ``record`` goes to the kernels."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.record: Any = segment.record
        self.array: Any = segment.array
        """The ring as an array of one, which Python hands to a kernel ten times as fast."""

    @classmethod
    def create(
        cls, name: str, record: np.dtype[Any], capacity: int, *, epoch: int, gating: Sequence[str] = (), base: int = 0
    ) -> Self:
        """Become the writer. A ring left by a writer that died is gone on with: what it had published stands.

        ``base`` is the sequence before the first, used when the ring is new. Raises what Segment.create raises, and
        SegmentError when the readers of a ring that was left are others than ``gating``.
        """
        segment = Segment.create(name, ring_dtype(record, capacity), epoch)
        ring = cls(segment)
        if segment.fresh:
            ring._lay_out(capacity, gating, base)
        elif ring.readers() != list(gating):
            raise SegmentError(f"shared memory {name} has the readers {ring.readers()}, the settings say {list(gating)}")
        segment.publish_ready()
        return ring

    @classmethod
    def attach(
        cls,
        name: str,
        record: np.dtype[Any],
        capacity: int,
        *,
        epoch: int | None = None,
        timeout_s: float = 0.0,
        stop: Callable[[], bool] = lambda: False,
    ) -> Self:
        """Map a ring that another process writes, waiting for it. Raises SegmentAbsent, SegmentMismatch."""
        return cls(Segment.attach(name, ring_dtype(record, capacity), epoch, timeout_s, stop))

    @classmethod
    def private(cls, record: np.dtype[Any], capacity: int, *, gating: Sequence[str] = (), base: int = 0) -> Self:
        """A ring in this process's own memory, for engines and tests that need no other process."""
        ring = cls(_Private(ring_dtype(record, capacity)))  # type: ignore[arg-type]
        ring._lay_out(capacity, gating, base)
        return ring

    def _lay_out(self, capacity: int, gating: Sequence[str], base: int) -> None:
        assert len(gating) <= READER_BOUND and all(len(name) < NAME_BYTES for name in gating)
        self.record["capacity"] = capacity
        words = self.record["words"]
        words[[PUBLISHED, GATE]] = base
        words[READERS] = len(gating)
        for reader, name in enumerate(gating):
            self.record["names"][reader] = np.frombuffer(name.encode().ljust(NAME_BYTES, b"\0"), np.uint8)
            words[FIRST_READER + LINE * reader] = base
            words[FIRST_READER + LINE * reader + STATE] = GATING

    @property
    def capacity(self) -> int:
        """Slots."""
        return int(self.record["slots"].shape[0])

    @property
    def address(self) -> int:
        """Where the record lies in this process, for ``shm.atomics.record_at``."""
        return self.segment.address

    @property
    def published(self) -> int:
        """The last sequence published."""
        return int(self.record["words"][PUBLISHED])

    def readers(self) -> list[str]:
        """The gating readers, by index."""
        names = self.record["names"][: self.record["words"][READERS]]
        return [name.tobytes().rstrip(b"\0").decode() for name in names]

    def reader(self, name: str) -> int:
        """The index of gating reader ``name``. Raises CutLoose when the writer went on without it, KeyError when unknown."""
        names = self.readers()
        if name not in names:
            raise KeyError(f"{self.segment.name} has no gating reader {name!r}, only {names}")
        index = names.index(name)
        if self.record["words"][FIRST_READER + LINE * index + STATE] == LOOSE:
            raise CutLoose(f"reader {name} of {self.segment.name} was cut loose at sequence {self.cursor(index)}")
        return index

    def cursor(self, reader: int) -> int:
        """The last sequence that gating reader ``reader`` has done with."""
        return int(self.record["words"][FIRST_READER + LINE * reader])

    def cut_loose(self, name: str) -> None:
        """Writer: go on without reader ``name``, which is dead or stuck."""
        self.record["words"][FIRST_READER + LINE * self.readers().index(name) + STATE] = LOOSE

    def rejoin(self, name: str, sequence: int) -> int:
        """Reader that was cut loose: gate again from ``sequence`` on, which it has reached by other means. Its index.

        Raises CutLoose when the ring no longer holds the next sequence: catch up further first.
        """
        words, index = self.record["words"], self.readers().index(name)
        words[FIRST_READER + LINE * index] = sequence
        words[FIRST_READER + LINE * index + STATE] = GATING
        fence_stores()
        # Up to GATE + capacity the writer writes without another look at cursors: from before GATE on nothing is safe.
        if sequence < words[GATE] or sequence + 1 <= self.published + UNPUBLISHED_BOUND - self.capacity:
            words[FIRST_READER + LINE * index + STATE] = LOOSE
            raise CutLoose(f"{self.segment.name} does not keep sequence {sequence + 1}: catch up further")
        return index

    def fill(self) -> float:
        """How full the ring is for its slowest gating reader, 0 to 1."""
        return (self.published - slowest(self.record, self.published)) / self.capacity

    def close(self) -> None:
        """Let go of the ring; the memory stays for its other users."""
        self.record = self.array = None
        self.segment.close()


class Tap:
    """A reader that never holds the writer back. It may be overrun, and then says by how much."""

    def __init__(self, ring: Ring, after: int | None = None) -> None:
        self.ring = ring
        self.done = ring.published if after is None else after
        self.overrun = 0

    def poll(self, bound: int = 4096) -> Any:
        """The next records, at most ``bound``, as a copy; ``overrun`` counts those overwritten before they were read."""
        oldest = self.ring.published + UNPUBLISHED_BOUND - self.ring.capacity + 1
        self._skip_to(oldest)
        last = min(self.ring.published, self.done + bound)
        numbers = np.arange(self.done + 1, last + 1)
        records = self.ring.record["slots"][numbers & (self.ring.capacity - 1)]
        lost = max(0, self.ring.published + UNPUBLISHED_BOUND - self.ring.capacity - self.done)
        self.overrun += min(lost, numbers.size)
        self.done = last
        return records[min(lost, numbers.size) :]

    def _skip_to(self, oldest: int) -> None:
        if oldest > self.done + 1:
            self.overrun += oldest - self.done - 1
            self.done = oldest - 1


class _Private:
    """Stands in for a Segment: zeroed memory of this process."""

    name, fresh, writer = "private", True, True

    def __init__(self, dtype: np.dtype[Any]) -> None:
        self.array: Any = np.zeros(1, dtype)
        self.record: Any = self.array[0]
        self.address = int(self.array.ctypes.data)

    def close(self) -> None:
        self.record = self.array = None
