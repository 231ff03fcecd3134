"""Memory for a matcher's state: aligned, on huge pages where the machine has them, and a snapshot of it as bytes."""

import mmap
import zlib
from typing import Any, Final

import numpy as np

from matcher.layout import Bounds, state_dtype
from shm.records import layout_hash

HUGE_BYTES: Final = 1 << 21
SNAPSHOT: Final = np.dtype(
    [
        ("magic", "S8"),
        ("layout_hash", "<u8"),
        ("bounds", "<i8", (4,)),
        ("size", "<i8"),
        ("checksum", "<u4"),
        ("pad", "u1", (4,)),
    ]
)
MAGIC: Final = b"PINIONMB"


def allocate(dtype: np.dtype[Any]) -> Any:
    """One zeroed record of ``dtype``, page-aligned; it lives as long as it is referred to."""
    return _allocate(dtype)[0]


def _allocate(dtype: np.dtype[Any]) -> Any:
    huge = dtype.itemsize >= HUGE_BYTES
    memory = mmap.mmap(-1, dtype.itemsize + (HUGE_BYTES if huge else 0), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    if huge:
        memory.madvise(mmap.MADV_HUGEPAGE)
    address = np.frombuffer(memory, np.uint8).ctypes.data
    return np.frombuffer(memory, dtype, 1, -address % HUGE_BYTES if huge else 0)


def empty_state(bounds: Bounds) -> Any:
    """A matcher that has handled nothing, as a record. Raises ValueError naming every bound that cannot be."""
    return empty_states(bounds)[0]


def empty_states(bounds: Bounds) -> Any:
    """The same as an array of that one record, which Python hands to ``run_patiently`` ten times as fast."""
    problems = bounds.problems()
    if problems:
        raise ValueError("; ".join(problems))
    states = _allocate(state_dtype(bounds))
    states["level_bound"] = bounds.levels
    return states


def to_bytes(record: Any, bounds: Bounds) -> bytes:
    """The record, checksummed, behind a header that says what it is."""
    content = record.tobytes()
    header = np.zeros(1, SNAPSHOT)
    header["magic"], header["layout_hash"] = MAGIC, layout_hash(record.dtype)
    header["bounds"], header["size"] = tuple(bounds), len(content)
    header["checksum"] = zlib.crc32(content)
    return header.tobytes() + content


def bounds_of(snapshot: bytes) -> Bounds:
    """The bounds that a snapshot was taken with. Raises ValueError when it is none."""
    if len(snapshot) < SNAPSHOT.itemsize:
        raise ValueError(f"a snapshot has at least {SNAPSHOT.itemsize} bytes, this has {len(snapshot)}")
    header = np.frombuffer(snapshot, SNAPSHOT, 1)[0]
    if header["magic"] != MAGIC:
        raise ValueError(f"not a matcher's snapshot: it begins with {bytes(header['magic'])!r}, not {MAGIC!r}")
    return Bounds(*(int(bound) for bound in header["bounds"]))


def from_bytes(snapshot: bytes, record: Any) -> None:
    """Fill ``record`` from what ``to_bytes`` made. Raises ValueError when layout, size or checksum say otherwise."""
    header = np.frombuffer(snapshot, SNAPSHOT, 1)[0]
    content = snapshot[SNAPSHOT.itemsize :]
    found = (int(header["layout_hash"]), len(content), zlib.crc32(content))
    wanted = (layout_hash(record.dtype), record.dtype.itemsize, int(header["checksum"]))
    for what, is_there, is_wanted in zip(("layout hash", "size", "checksum"), found, wanted, strict=True):
        if is_there != is_wanted:
            raise ValueError(f"the snapshot's {what} is {is_there}, not {is_wanted}")
    record.base.view(np.uint8)[:] = np.frombuffer(content, np.uint8)
