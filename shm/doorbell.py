"""Doorbells: how a process that sleeps is woken. One futex word and one parked flag a process, in one small segment.

The sleeper says that it is parked, looks once more for work, and waits on its word. Whoever has written for it looks, after
a fence, whether it is parked, and only then pays for a system call. Either sees the other: no wake-up is lost.
"""

import ctypes
import os
import platform
from typing import Any, Final, Self

import numpy as np
from numba import njit

from shm.atomics import fence, fetch_add, load_acquire, store_release
from shm.errors import SegmentBusy
from shm.records import GATEWAY_BOUND, SHARD_BOUND
from shm.segment import HEADER, Segment

LINE: Final = 16
BELL, PARKED = 0, 8  # words within a process's line
BELLS: Final = 64
DOORBELLS: Final = np.dtype([("header", HEADER), ("pad", "u1", (64,)), ("words", "<i8", (BELLS * LINE,))])
_FUTEX_WAIT, _FUTEX_WAKE = 0, 1
_SYS_FUTEX: Final = {"x86_64": 202, "aarch64": 98}[platform.machine()]
_LIBC: Final = ctypes.CDLL(None, use_errno=True)


class _Timespec(ctypes.Structure):
    _fields_ = (("seconds", ctypes.c_long), ("nanoseconds", ctypes.c_long))


def bell_of(process: str) -> int:
    """The number of a process's bell: ``riskd`` 0, ``persister`` 1, ``gateway.g`` 8 + g, ``matcher.k`` 16 + k."""
    name, _, number = process.partition(".")
    if name in ("riskd", "persister"):
        return ("riskd", "persister").index(name)
    first, bound = {"gateway": (8, GATEWAY_BOUND), "matcher": (16, SHARD_BOUND)}[name]
    assert int(number) < bound
    return first + int(number)


@njit(cache=True)
def parked_among(words: Any, bells: Any) -> int:
    """A bit mask of which of ``bells`` (int64 array) belong to processes that are parked; mostly 0. Fences first."""
    fence()
    mask = 0
    for k in range(bells.size):
        if load_acquire(words, bells[k] * LINE + PARKED) != 0:
            mask |= 1 << k
    return mask


@njit(cache=True)
def fence_stores() -> None:
    """``fence`` for Python, which may then look at single flags: for a few bells a third of the cost of ``parked_among``."""
    fence()


@njit(cache=True)
def _announce(words: Any, bell: int) -> int:
    """Say that we are about to park; the value of our word before."""
    before = load_acquire(words, bell * LINE + BELL)
    store_release(words, bell * LINE + PARKED, 1)
    fence()
    return before


@njit(cache=True)
def _bump(words: Any, bell: int) -> None:
    # In this order: a sleeper that announces itself after the first line finds the word changed and does not wait, and one
    # that does after the second keeps its flag. The other way round, its flag could be cleared though nobody woke it.
    store_release(words, bell * LINE + PARKED, 0)
    fetch_add(words, bell * LINE + BELL, 1)


class Doorbells:
    """All bells of a deployment. Nobody owns the segment: who comes first makes it, and zeros are right for everyone."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.words: Any = segment.record["words"]
        self.address = segment.address + HEADER.itemsize + 64
        """Of the first bell's line, in this process."""

    @classmethod
    def open(cls, name: str, epoch: int) -> Self:
        """Attach to the bells of this epoch, making them if they are not there."""
        while True:
            try:
                segment = Segment.create(name, DOORBELLS, epoch)
            except SegmentBusy:
                os.sched_yield()  # another process is just making them
                continue
            segment.publish_ready()
            segment.unlock()
            return cls(segment)

    def parked(self, bells: Any) -> int:
        """See ``parked_among``."""
        return int(parked_among(self.words, bells))

    def is_parked(self, bell: int) -> bool:
        """Does the process of ``bell`` sleep, or is it about to?"""
        return bool(self.words[bell * LINE + PARKED])

    def ring(self, bell: int) -> None:
        """Wake the process of ``bell`` if it sleeps."""
        _bump(self.words, bell)
        _futex(self.address + (bell * LINE + BELL) * 8, _FUTEX_WAKE, 1, None)

    def announce(self, bell: int) -> int:
        """Say that the process of ``bell`` is about to park. Look for work once more, then ``wait`` or ``leave``."""
        return int(_announce(self.words, bell))

    def wait(self, bell: int, announced: int, timeout_s: float) -> None:
        """Sleep until rung (at once, if that has happened since ``announce``), or ``timeout_s``, or a signal."""
        seconds, rest = divmod(timeout_s, 1.0)
        _futex(
            self.address + (bell * LINE + BELL) * 8,
            _FUTEX_WAIT,
            announced & 0xFFFFFFFF,
            _Timespec(int(seconds), int(rest * 1e9)),
        )
        self.leave(bell)

    def leave(self, bell: int) -> None:
        """Not parked any more."""
        self.words[bell * LINE + PARKED] = 0


def _futex(address: int, operation: int, value: int, timeout: _Timespec | None) -> None:
    """futex(2) between processes. Its failures (value changed, timed out, interrupted) all mean: look again."""
    pointer = ctypes.byref(timeout) if timeout is not None else None
    _LIBC.syscall(_SYS_FUTEX, ctypes.c_void_p(address), operation, ctypes.c_uint32(value), pointer, None, 0)
