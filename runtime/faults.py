"""Faults of the environment: what is wrong outside the program, said in one sentence, with an exit status of its own.

A refusal is a code in a reply, a bug is an assertion that crashes (``BUG``); this is the third kind, and never mixed with them.
"""

from enum import IntEnum
from typing import Final

from shm.errors import SegmentAbsent, SegmentBusy, SegmentError, SegmentMismatch

CLEAN: Final = 0
USAGE: Final = 2
"""Bad arguments or settings."""
BUG: Final = 70


class FaultStatus(IntEnum):
    """Exit statuses after sysexits.h, each with one meaning here."""

    UNAVAILABLE = 69
    """A neighbour did not start in time."""
    SYSTEM = 71
    """The operating system lacks something: shared memory, descriptors."""
    DAMAGED = 72
    """A file that must be whole is missing or damaged."""
    CANNOT_CREATE = 73
    """A folder or a file cannot be made or written."""
    INPUT_OUTPUT = 74
    """A disk or a socket failed while in use."""
    BUSY = 75
    """Another live process holds what this one needs: a segment, a port."""
    MISMATCH = 76
    """Shared memory or a file is of another version or layout."""
    NOT_PERMITTED = 77
    CONFIGURATION = 78
    """The settings contradict what the data folder holds."""


class EnvironmentFault(Exception):  # noqa: N818 - the field's word is fault
    """Ends the process with ``status``. The message is one clear sentence that names the thing and what can be done."""

    def __init__(self, message: str, status: FaultStatus = FaultStatus.SYSTEM, **about: int) -> None:
        """``about``: the ids of what it is about, such as ``order_id``, which the line of the log carries as fields."""
        super().__init__(message)
        self.status = status
        self.about = about


class StopRequested(Exception):  # noqa: N818 - it is a state of affairs
    """The process was asked to stop while it was still starting. It ends with status 0."""


def of_segment(error: SegmentError) -> EnvironmentFault:
    """The fault that a segment's error means to a process."""
    kinds = {
        SegmentAbsent: FaultStatus.UNAVAILABLE,
        SegmentBusy: FaultStatus.BUSY,
        SegmentMismatch: FaultStatus.MISMATCH,
    }
    return EnvironmentFault(str(error), kinds.get(type(error), FaultStatus.SYSTEM))
