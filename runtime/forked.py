"""A child that sees this process's memory as it is now, while this process goes on: what a snapshot is written by.

Nobody else forks: a fork copies locks that other threads hold, and descriptors that mean something elsewhere. The child here
takes no lock of ours, has none of our descriptors, logs nothing, and ends by ``os._exit``. A copy of the state instead would
hold up trading for 100 ms and more with a million resting orders; the fork takes some 3 ms, as long as most of the memory lies
on huge pages (``Snapshots.tend`` sees to that: what the parent writes while a child lives falls apart into small ones).
"""

import contextlib
import ctypes
import os
import signal
from collections.abc import Callable
from typing import Final

PR_SET_PDEATHSIG: Final = 1
NICENESS: Final = 10
OOM_SCORE: Final = 500
"""When memory runs out it goes before whoever trades."""
FAILED: Final = 74
"""Exit status of a child whose ``work`` raised OSError."""
BROKEN: Final = 70
"""Of one that raised anything else."""
_libc: Final = ctypes.CDLL(None, use_errno=True)


def fork(work: Callable[[], None]) -> int:
    """Have a child do ``work``; its process id. The caller waits for it (``os.waitpid``): it is 0 if ``work`` came to its end.

    The child dies with this process, runs on any core, and gives way to whoever trades. Raises OSError.
    """
    parent = os.getpid()
    child = os.fork()
    if child:
        return child
    status = BROKEN
    try:
        _detach(parent)
        work()
        status = 0
    except OSError:
        status = FAILED
    finally:
        os._exit(status)


def _detach(parent: int) -> None:
    """On a leash, deaf to what the parent is told, without its descriptors, and in nobody's way."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    signal.set_wakeup_fd(-1)
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(BROKEN)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in range(3):
        os.dup2(nothing, descriptor)
    os.closerange(3, os.sysconf("SC_OPEN_MAX"))
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, range(os.cpu_count() or 1))
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(str(OOM_SCORE))
    os.nice(NICENESS)
