"""A named piece of shared memory with a header that says what it is, who writes it and whether it is ready.

 0 magic        S8   "PINIONSH"
 8 version      u4
12 pad          u4
16 layout_hash  u8   of everything behind the header
24 epoch        u8   the data folder's random id: a segment of another epoch is left over and is made anew
32 size         i8   bytes, header included
40 owner_pid    i8   the writer; it also holds flock(2) on the segment, which the kernel drops when it dies
48 opened_ns    i8   when the writer opened it last
56 ready        i8   1, written last
"""

import contextlib
import errno
import fcntl
import mmap
import os
import time
from collections.abc import Callable
from typing import Any, Final, Self

import numpy as np
import posix_ipc

from shm.errors import SegmentAbsent, SegmentBusy, SegmentError, SegmentMismatch
from shm.records import layout_hash

MAGIC: Final = b"PINIONSH"
VERSION: Final = 1
HEADER: Final = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("pad", "<u4"),
        ("layout_hash", "<u8"),
        ("epoch", "<u8"),
        ("size", "<i8"),
        ("owner_pid", "<i8"),
        ("opened_ns", "<i8"),
        ("ready", "<i8"),
    ]
)
assert HEADER.itemsize == 64
_ATTACH_POLL_S: Final = 0.002
_LOCK_ATTEMPTS: Final = 20
_LOCK_RETRY_S: Final = 0.001


class Segment:
    """Shared memory laid out as one record of ``dtype``, whose first field is ``header`` (``HEADER``).

    ``record`` is the ``np.void`` that kernels take; ``fresh`` says that the writer found nothing to go on with. ``array`` is
    the same memory as an array of that one record: handing it from Python to a kernel takes 0.5 µs where the record takes
    5.6 µs (numpy describes the whole layout in a string each time), so what is called in every slice takes arrays.
    """

    def __init__(self, name: str, dtype: np.dtype[Any], descriptor: int, *, fresh: bool, writer: bool) -> None:
        self.name, self.dtype, self.fresh, self.writer = name, dtype, fresh, writer
        self._descriptor = descriptor
        self._memory = mmap.mmap(descriptor, dtype.itemsize)
        self.array: Any = np.frombuffer(self._memory, dtype)
        self.record: Any = self.array[0]

    @classmethod
    def create(cls, name: str, dtype: np.dtype[Any], epoch: int) -> Self:
        """Become the writer of ``name``: go on with what a dead writer left, or make it anew.

        Raises SegmentBusy when a live process writes it, SegmentMismatch when it is of this epoch but laid out otherwise,
        SegmentError when memory is lacking. A new segment is all zeros and not ready: call ``publish_ready``.
        """
        while True:
            descriptor = _open(name, posix_ipc.O_CREAT)
            try:
                _lock(descriptor, name)
                fresh = os.fstat(descriptor).st_size == 0
                if not fresh and _left_over(descriptor, epoch):
                    unlink(name)
                if not _still_named(descriptor, name):
                    os.close(descriptor)
                    continue
                if fresh:
                    _reserve(descriptor, name, dtype.itemsize)
                else:
                    _check(descriptor, name, dtype)
            except BaseException:
                with contextlib.suppress(OSError):
                    os.close(descriptor)
                raise
            return cls._own(name, dtype, descriptor, epoch, fresh)

    @classmethod
    def _own(cls, name: str, dtype: np.dtype[Any], descriptor: int, epoch: int, fresh: bool) -> Self:
        segment = cls(name, dtype, descriptor, fresh=fresh, writer=True)
        header = segment.record["header"]
        header["magic"], header["version"], header["size"] = MAGIC, VERSION, dtype.itemsize
        header["layout_hash"], header["epoch"] = layout_hash(dtype), epoch
        header["owner_pid"], header["opened_ns"] = os.getpid(), time.time_ns()
        return segment

    @classmethod
    def attach(
        cls,
        name: str,
        dtype: np.dtype[Any],
        epoch: int | None = None,
        timeout_s: float = 0.0,
        stop: Callable[[], bool] = lambda: False,
    ) -> Self:
        """Map a ready segment that another process writes, waiting for it at most ``timeout_s`` or until ``stop()``.

        ``epoch`` None takes any. Raises SegmentAbsent or SegmentMismatch.
        """
        deadline = time.monotonic() + timeout_s
        while True:
            descriptor = _ready(name, epoch)
            if descriptor is not None:
                break
            if stop() or time.monotonic() >= deadline:
                raise SegmentAbsent(f"shared memory {name} is not there: its writer has not started (waited {timeout_s:g} s)")
            time.sleep(_ATTACH_POLL_S)
        try:
            _check(descriptor, name, dtype)
        except SegmentError:
            os.close(descriptor)
            raise
        return cls(name, dtype, descriptor, fresh=False, writer=False)

    def publish_ready(self) -> None:
        """Let others attach. Called once the content is whole."""
        self.record["header"]["ready"] = 1

    @property
    def address(self) -> int:
        """Where the record lies in this process."""
        return int(np.frombuffer(self._memory, np.uint8).ctypes.data)

    def unlock(self) -> None:
        """Let others write it too: for a segment in which each process has a place of its own."""
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Let go of the lock; the memory stays mapped while a record of it is in use."""
        if self.writer:
            self.unlock()  # the mapping holds a copy of the descriptor, so closing ours would not
        os.close(self._descriptor)
        self.record = self.array = None
        with contextlib.suppress(BufferError):
            self._memory.close()


def unlink(name: str) -> None:
    """Remove the name ``name``; whoever has it mapped keeps it. Absent is fine."""
    with contextlib.suppress(posix_ipc.ExistentialError):
        posix_ipc.unlink_shared_memory(name)


def owner_of(name: str) -> int | None:
    """The process that writes the segment now, or None: absent, or left by one that is gone."""
    try:
        descriptor = _open(name, 0)
    except SegmentAbsent:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return int(_read_header(descriptor)["owner_pid"])
    finally:
        os.close(descriptor)
    return None


def _open(name: str, flags: int) -> int:
    try:
        return int(posix_ipc.SharedMemory(name, flags, mode=0o600).fd)
    except posix_ipc.ExistentialError:
        raise SegmentAbsent(f"shared memory {name} is not there") from None
    except (OSError, posix_ipc.PermissionsError) as error:
        raise SegmentError(f"shared memory {name} cannot be opened: {error}") from None


def _lock(descriptor: int, name: str) -> None:
    """Tries for a moment: whoever asks ``owner_of`` holds the lock for an instant, and that is no other writer."""
    for _ in range(_LOCK_ATTEMPTS):
        try:
            return fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(_LOCK_RETRY_S)
    owner = int(_read_header(descriptor)["owner_pid"]) if os.fstat(descriptor).st_size else 0
    raise SegmentBusy(f"shared memory {name} is written by process {owner}: one writer per segment")


def _still_named(descriptor: int, name: str) -> bool:
    """Between opening and locking, another process may have removed the name."""
    try:
        other = _open(name, 0)
    except SegmentAbsent:
        return False
    try:
        return os.path.sameopenfile(descriptor, other)
    finally:
        os.close(other)


def _reserve(descriptor: int, name: str, size: int) -> None:
    """Take the memory now: a page that is lacking later would be a SIGBUS in the middle of trading."""
    try:
        os.posix_fallocate(descriptor, 0, size)
    except OSError as error:
        unlink(name)
        if error.errno in (errno.ENOSPC, errno.ENOMEM):
            raise SegmentError(f"/dev/shm is full: {name} needs {size:,} bytes") from None
        raise SegmentError(f"shared memory {name} of {size:,} bytes cannot be made: {error}") from None


def _read_header(descriptor: int) -> Any:
    return np.frombuffer(os.pread(descriptor, HEADER.itemsize, 0).ljust(HEADER.itemsize, b"\0"), HEADER)[0]


def _left_over(descriptor: int, epoch: int) -> bool:
    """Of another epoch, or never finished: its writer is gone (we hold the lock), so nobody can need it."""
    header = _read_header(descriptor)
    return bool(header["ready"] != 1 or (header["magic"] == MAGIC and header["epoch"] != epoch))


def _ready(name: str, epoch: int | None) -> int | None:
    try:
        descriptor = _open(name, 0)
    except SegmentAbsent:
        return None
    header = _read_header(descriptor)
    if header["ready"] == 1 and (epoch is None or header["epoch"] == epoch or header["magic"] != MAGIC):
        return descriptor
    os.close(descriptor)
    return None


def _check(descriptor: int, name: str, dtype: np.dtype[Any]) -> None:
    header = _read_header(descriptor)
    found = (bytes(header["magic"]), int(header["version"]), int(header["layout_hash"]), os.fstat(descriptor).st_size)
    wanted = (MAGIC, VERSION, layout_hash(dtype), dtype.itemsize)
    for what, is_there, is_wanted in zip(("magic", "version", "layout hash", "size"), found, wanted, strict=True):
        if is_there != is_wanted:
            raise SegmentMismatch(
                f"shared memory {name} does not fit: its {what} is {is_there!r}, this process has {is_wanted!r}"
            )
