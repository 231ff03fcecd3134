"""Memory for a matcher's state, on huge pages where the machine has them; its rings; a snapshot of it as bytes."""

import mmap
import zlib
from typing import Any, Final

import numpy as np

from matcher.head import WIRING
from matcher.kernel import wire_kernels
from matcher.layout import CROWD, POOLS, STATE, Bounds, pools, position_places
from shm.records import layout_hash
from shm.ring import Ring

HUGE_BYTES: Final = 1 << 21
PAGE_BYTES: Final = mmap.PAGESIZE
MAP_NORESERVE: Final = getattr(mmap, "MAP_NORESERVE", 0x4000)
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


def reserve(dtype: np.dtype[Any]) -> Any:
    """Zeroed addresses for an array of one ``dtype``, page-aligned; memory comes page by page where it is first written."""
    memory = mmap.mmap(-1, dtype.itemsize, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS | MAP_NORESERVE)
    memory.madvise(mmap.MADV_NOHUGEPAGE)  # or a small matcher's every pool would have 2 MB zeroed
    return np.frombuffer(memory, dtype, 1)


def empty_state(bounds: Bounds) -> Any:
    """A matcher that has handled nothing, as a record. Raises ValueError naming every bound that cannot be."""
    return empty_states(bounds)[0]


def empty_states(bounds: Bounds) -> Any:
    """The same as an array of that one record, which Python hands to ``run_patiently`` ten times as fast."""
    problems = bounds.problems()
    if problems:
        raise ValueError("; ".join(problems))
    states = reserve(STATE)
    state = states[0]
    for pool in used(state, bounds):
        ask_for_huge_pages(pool)
    set_bounds(state, bounds)
    return states


def set_bounds(state: Any, bounds: Bounds) -> None:
    """Write the bounds into an empty state."""
    state["instrument_bound"], state["account_bound"] = bounds.instruments, bounds.accounts
    state["order_bound"], state["level_bound"] = bounds.orders, bounds.levels
    state["crowd"] = CROWD
    state["position_mask"] = position_places(bounds.orders) - 1


def used(state: Any, bounds: Bounds) -> list[Any]:
    """The parts of a state that bounds allow to be used, as arrays of bytes: the head, then every pool."""
    assert STATE.fields is not None
    whole = state.base.view(np.uint8)
    first = STATE.fields["instruments"][1]
    parts = [whole[:first]]
    for name, count in pools(bounds).items():
        at = STATE.fields[name][1]
        parts.append(whole[at : at + count * POOLS[name].itemsize])
    return parts


def clear(state: Any, bounds: Bounds) -> None:
    """Make the state an empty one again, keeping its memory and its rings."""
    wiring = {name: state[name].copy() for name in WIRING}
    for part in used(state, bounds):
        part[:] = 0
    set_bounds(state, bounds)
    for name, value in wiring.items():
        state[name] = value


def wire(state: Any, commands: Ring, events: Ring) -> None:
    """Tell the kernels where the rings are, and where each other. The rings must live as long as the state is run."""
    wire_kernels(state)
    for name, ring in (("commands", commands), ("events", events)):
        state[f"{name}_words"] = ring.record["words"].ctypes.data
        state[f"{name}_slots"] = ring.record["slots"].ctypes.data
        state[f"{name}_mask"] = ring.capacity - 1


def ask_for_huge_pages(part: Any) -> None:
    """Have a pool lie on huge pages where it is large and the machine has them."""
    memory: Any = part.base
    while isinstance(memory, np.ndarray):
        memory = memory.base
    memory = memory.obj if isinstance(memory, memoryview) else memory
    first = -(-(part.ctypes.data - np.frombuffer(memory, np.uint8, 1).ctypes.data) // PAGE_BYTES) * PAGE_BYTES
    size = part.nbytes // PAGE_BYTES * PAGE_BYTES
    if size >= HUGE_BYTES:
        memory.madvise(mmap.MADV_HUGEPAGE, first, size)


def to_bytes(state: Any, bounds: Bounds) -> bytes:
    """What of the state can be in use, checksummed, behind a header that says what it is."""
    content = b"".join(part.tobytes() for part in used(state, bounds))
    header = np.zeros(1, SNAPSHOT)
    header["magic"], header["layout_hash"] = MAGIC, layout_hash(STATE)
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


def from_bytes(snapshot: bytes, state: Any) -> None:
    """Fill an empty state from what ``to_bytes`` made. Raises ValueError when layout, size or checksum say otherwise."""
    header, bounds = np.frombuffer(snapshot, SNAPSHOT, 1)[0], bounds_of(snapshot)
    content, parts = snapshot[SNAPSHOT.itemsize :], used(state, bounds)
    found = (int(header["layout_hash"]), len(content), zlib.crc32(content))
    wanted = (layout_hash(STATE), sum(part.nbytes for part in parts), int(header["checksum"]))
    for what, is_there, is_wanted in zip(("layout hash", "size", "checksum"), found, wanted, strict=True):
        if is_there != is_wanted:
            raise ValueError(f"the snapshot's {what} is {is_there}, not {is_wanted}")
    at = 0
    for part in parts:
        part[:] = np.frombuffer(content, np.uint8, part.nbytes, at)
        at += part.nbytes
