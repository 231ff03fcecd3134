"""How a compiled slice goes on looking for work before it gives up and goes back to Python.

An empty slice costs 2 to 4 µs, most of it Python's way into the kernel and out; a round inside the kernel costs 0.3 µs. On
a core that several processes share, every hop of an order waits for those that found nothing, so they had better be quick.

    rounds      i8       empty or not, after which Python is due again (signals, control socket); 0: stop at the first empty one
    gives_way   i8       1: let others have the core between rounds, 0: pause
    doorbells   i8       the address of the first bell's line, or 0
    count       i8       of ``bells``
    bells       i8[32]   of processes that a slice which did something may have to wake: only Python can ring
    timespec    i8[2]    where the clock is read into
"""

import time
from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numba import config, njit, types

from shm.atomics import address_of, fence, load_acquire, pause, record_at, sched_yield
from shm.doorbell import LINE, PARKED, Doorbells

BELL_BOUND: Final = 32
ROUNDS: Final = 64
"""At 0.3 µs alone and some 10 µs on a shared core: well below the millisecond after which Python is due."""
NO_MORE: Final = -1
_BELL: Final = np.dtype([("words", "<i8", (LINE,))])
PATIENCE: Final = np.dtype(
    [
        ("rounds", "<i8"),
        ("gives_way", "<i8"),
        ("doorbells", "<i8"),
        ("count", "<i8"),
        ("bells", "<i8", (BELL_BOUND,)),
        ("timespec", "<i8", (2,)),
        ("like", _BELL, (1,)),
    ]
)
_CLOCK_REALTIME: Final = 0

if config.DISABLE_JIT:

    def _clock_gettime(_: int, address: int) -> int:
        import ctypes

        seconds, rest = divmod(time.time_ns(), 10**9)
        (ctypes.c_int64 * 2).from_address(address)[:] = [seconds, rest]
        return 0

    clock_gettime: Any = _clock_gettime
else:
    clock_gettime = types.ExternalFunction("clock_gettime", types.int32(types.int32, types.intp))


def impatient() -> Any:
    """An array of one PATIENCE that stops at the first empty round: for tests, and for processes that park at once."""
    return np.zeros(1, PATIENCE)


def patient(doorbells: Doorbells, bells: Sequence[int], gives_way: bool) -> Any:
    """An array of one PATIENCE for a process that may have to ring ``bells``."""
    assert len(bells) <= BELL_BOUND
    patience = impatient()
    patience["rounds"], patience["gives_way"], patience["count"] = ROUNDS, gives_way, len(bells)
    patience["doorbells"] = doorbells.address
    patience["bells"][0, : len(bells)] = bells
    return patience


@njit(cache=True)
def next_round(patience: Any, did: int, left: int) -> int:
    """After a round that ``did`` so many messages, with ``left`` rounds to go: how many are left, or NO_MORE."""
    if left == 0:
        return 0 if did > 0 else NO_MORE
    if did > 0 and _someone_sleeps(patience):
        return NO_MORE
    if patience["gives_way"] != 0:
        sched_yield()
    else:
        pause()
    return left - 1


@njit(cache=True)
def realtime_ns(patience: Any) -> int:
    """Nanoseconds since 1970, UTC: 25 ns, without a system call."""
    timespec = patience["timespec"]
    clock_gettime(_CLOCK_REALTIME, address_of(timespec, 0))
    return timespec[0] * 1_000_000_000 + timespec[1]


@njit(cache=True)
def _someone_sleeps(patience: Any) -> bool:
    """The fence keeps the look at the flags from overtaking what the round wrote, or a wake-up could be lost."""
    fence()
    for k in range(patience["count"]):
        bell = record_at(patience["doorbells"] + patience["bells"][k] * LINE * 8, patience["like"][0])
        if load_acquire(bell["words"], PARKED) != 0:
            return True
    return False
