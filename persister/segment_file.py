"""Files of the journal on the writing side: prepare one, name it, write into it, cut what is torn off it."""

import os
from pathlib import Path
from typing import Final

from shm.journal import make_segment_header
from shm.journal_layout import PREPARED_NAME, SEGMENT_HEADER_BYTES, Stream, segment_name

FIRST_SEGMENT_BYTES: Final = 1 << 20
"""A stream's first file is small and each next one twice the one before, up to the setting: an engine that does little
starts at once and takes little disk, and the next file is always filled with zeros before the current one is full."""
_ZEROS: Final = bytes(1 << 20)


def write_all(descriptor: int, data: memoryview | bytes, offset: int, synced: bool) -> None:
    """Write ``data`` at ``offset``; ``synced``: and be told only when it is on disk. Raises OSError.

    Measured on a virtual disk, file already filled with zeros, median / 99th percentile in µs: pwrite + fdatasync 146
    / 270 at 192 bytes and 153 / 289 at 64 KiB, one pwritev with RWF_DSYNC 133 / 224 and 161 / 253, O_DIRECT|O_DSYNC
    116 / 229 and 125 / 276. The last would write whole blocks, so the end of an acknowledged batch again with the
    next one, and would leave the page cache, from which the database and starting neighbours read. So it is the
    second.
    """
    left = memoryview(data)
    while left:
        written = os.pwritev(descriptor, [left], offset, os.RWF_DSYNC if synced else 0)
        left, offset = left[written:], offset + written


def next_segment_bytes(current: int, bound: int) -> int:
    """The length of the file after one of ``current`` bytes (0: the first)."""
    return min(2 * current or FIRST_SEGMENT_BYTES, bound)


def prepare(folder: Path, size: int, synced: bool) -> int:
    """Make the stream's next file: ``size`` bytes of real zeros, without a header yet. Its descriptor. Raises
    OSError."""
    descriptor = os.open(folder / PREPARED_NAME, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        for offset in range(0, size, len(_ZEROS)):
            write_all(descriptor, _ZEROS[: size - offset], offset, synced=False)
        if synced:
            os.fsync(descriptor)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


def name_segment(
    descriptor: int, folder: Path, stream: Stream, shard: int, epoch: int, first_sequence: int, previous: int, synced: bool
) -> Path:
    """Turn the prepared file into the segment that starts with ``first_sequence``; its path. Raises OSError.

    The header is on disk before the name is, so a file with a name and without a header is damage.
    """
    size = os.fstat(descriptor).st_size
    header = make_segment_header(stream, shard, first_sequence, epoch, size, previous)
    assert len(header) == SEGMENT_HEADER_BYTES
    write_all(descriptor, header, 0, synced)
    path = folder / segment_name(first_sequence)
    assert not path.exists(), path
    os.rename(folder / PREPARED_NAME, path)
    if synced:
        sync_folder(folder)
    return path


def unname_segment(folder: Path, first_sequence: int) -> int | None:
    """Make the segment that starts with ``first_sequence``, which got its name and whose folder could not be synced then, a
    prepared file again: its descriptor, or None where there is none. Raises OSError.

    Nothing has been written into it, but somebody may be waiting for that already: it has to stay the same file.
    """
    path = folder / segment_name(first_sequence)
    if not path.exists():
        return None
    os.rename(path, folder / PREPARED_NAME)
    return os.open(folder / PREPARED_NAME, os.O_RDWR | os.O_CLOEXEC)


def make_folder(folder: Path) -> None:
    """Make ``folder`` with those above it, and put their names on disk. Raises OSError."""
    if not folder.is_dir():
        make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Put the names in ``folder`` on disk. Raises OSError."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def zero_from(descriptor: int, offset: int) -> None:
    """Make everything from ``offset`` on zero, and put that on disk. Raises OSError."""
    size = os.fstat(descriptor).st_size
    for start in range(offset, size, len(_ZEROS)):
        write_all(descriptor, _ZEROS[: size - start], start, synced=False)
    os.fdatasync(descriptor)


def overwrite_with_zeros(descriptor: int, start: int, end: int) -> None:
    """Take away what a write that failed may have left. Raises OSError."""
    end = min(end, os.fstat(descriptor).st_size)
    for offset in range(start, end, len(_ZEROS)):
        write_all(descriptor, _ZEROS[: end - offset], offset, synced=False)


def write_again(descriptor: int, start: int, end: int) -> None:
    """Write the bytes from ``start`` to ``end`` once more and put them on disk. Raises OSError.

    What a process died over, or what a sync failed on, may be in memory alone; the system believes a page clean once
    a sync of it has failed, and a sync that works later says nothing about it. Written again it must reach the disk.
    """
    position = start
    while position < end:
        piece = os.pread(descriptor, min(len(_ZEROS), end - position), position)
        write_all(descriptor, piece, position, synced=False)
        position += len(piece)
    os.fdatasync(descriptor)
