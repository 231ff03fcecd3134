"""Where and how a process runs: cores, scheduling policy, locked memory, huge pages.

Pinning to a core that the machine refuses is a fault, for then the operator's plan does not hold. Privileges that are lacking
are a warning: the process runs, only less evenly.
"""

import ctypes
import os
from typing import Any, Final

from runtime.faults import EnvironmentFault, FaultStatus
from runtime.settings import Settings

MCL_CURRENT: Final = 1
MCL_FUTURE: Final = 2
MCL_ONFAULT: Final = 4  # what is reserved and never touched, as most of a matcher's state, is not to be had
MADV_HUGEPAGE: Final = 14
PAGE_BYTES: Final = 4096


def apply(settings: Settings, process: str, logger: Any) -> None:
    """Place this process as the settings say. To be called before memory is touched and threads are started."""
    own = settings.of(process)
    if settings.cores(process):
        pin(settings.cores(process))
    if own.scheduler == "fifo":
        _warn(logger, schedule_fifo(own.priority))
    if own.memory_lock:
        _warn(logger, lock_memory())


def pin(cores: tuple[int, ...]) -> None:
    """Run on ``cores`` only, with all threads started from now on."""
    try:
        os.sched_setaffinity(0, cores)
    except OSError as error:
        allowed = ", ".join(map(str, sorted(os.sched_getaffinity(0))))
        raise EnvironmentFault(
            f"cores = {list(cores)}: the system does not let this process run there ({error.strerror}); it may use {allowed}",
            FaultStatus.NOT_PERMITTED,
        ) from error


def schedule_fifo(priority: int) -> str:
    """Run before all ordinary processes. The warning, if it is not permitted."""
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(priority))
    except OSError as error:
        return (
            f'scheduler = "fifo" with priority {priority} is not permitted ({error.strerror}): running as an ordinary process; '
            "CAP_SYS_NICE or LimitRTPRIO= in the unit would allow it"
        )
    return ""


def lock_memory() -> str:
    """Keep all memory, now and later, from being swapped out. The warning, if it is not permitted."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT) == 0:
        return ""
    reason = os.strerror(ctypes.get_errno())
    return f"memory_lock is not permitted ({reason}): memory may be swapped out; LimitMEMLOCK=infinity would allow it"


def advise_huge_pages(address: int, size: int) -> str:
    """Ask for huge pages under ``size`` bytes at ``address``, such as a matcher's record. The warning, if there are none."""
    first = -(-address // PAGE_BYTES) * PAGE_BYTES
    whole = (address + size - first) // PAGE_BYTES * PAGE_BYTES
    libc = ctypes.CDLL(None, use_errno=True)
    if whole <= 0 or libc.madvise(ctypes.c_void_p(first), ctypes.c_size_t(whole), MADV_HUGEPAGE) == 0:
        return ""
    return f"huge pages are not to be had ({os.strerror(ctypes.get_errno())}): running on small ones"


def advise(array: Any, logger: Any) -> None:
    """``advise_huge_pages`` for the memory of an array; the warning goes to the log."""
    _warn(logger, advise_huge_pages(array.ctypes.data, array.nbytes))


def _warn(logger: Any, warning: str) -> None:
    if warning:
        logger.warning(warning)
