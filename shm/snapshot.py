"""Snapshots: the state of a process at one sequence, in a file that says what it is, is checked byte for byte, and is small.

Written under another name and renamed when all of it is on disk, so a file with a name is whole or damaged, never half done.

    HEADER, 4096 bytes                         PIECE, 32 bytes, then ``length`` bytes of the state
      0 magic        S8   "PINIONSN"              0 magic     u4
      8 version      u4                           4 checksum  u4   CRC32 of bytes 8.. and of what follows the header
     12 pad          u4                           8 offset    i8   in the state, all parts in a row
     16 process      S32  matcher.0, riskd …     16 length    i8   0: the end, and ``offset`` counts the pieces
     48 layout_hash  u8   of the state           24 previous  u4   checksum of the piece before, first of the header: a chain
     56 epoch        u8   of the data folder     28 pad       u4
     64 time_ns      i8   when it was taken
     72 state_bytes  i8   all parts
     80 bounds       8 x i8
    144 commands     16 x i8  by shard: the last command that the state knows
    272 events       16 x i8  by shard: the last event that the state knows or has made
    400 pad
   4092 checksum     u4   CRC32 of bytes 0..4091

Pages of zeros are left out: a state is mostly room that was never used.
"""

import os
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Self

import numpy as np

from shm.records import SHARD_BOUND

Array = np.ndarray[Any, np.dtype[Any]]

MAGIC: Final = b"PINIONSN"
VERSION: Final = 1
PIECE_MAGIC: Final = int.from_bytes(b"PSPC", "little")
SUFFIX: Final = ".snapshot"
WRITING: Final = ".writing"
PAGE_BYTES: Final = 4096
PIECE_BOUND: Final = 1 << 20
"""Bytes of a piece at most: what is checked and copied at a time."""
_BOUNDS: Final = 8

HEADER: Final = np.dtype(
    [
        ("magic", "S8"),
        ("version", "<u4"),
        ("pad", "<u4"),
        ("process", "S32"),
        ("layout_hash", "<u8"),
        ("epoch", "<u8"),
        ("time_ns", "<i8"),
        ("state_bytes", "<i8"),
        ("bounds", "<i8", (_BOUNDS,)),
        ("commands", "<i8", (SHARD_BOUND,)),
        ("events", "<i8", (SHARD_BOUND,)),
        ("pad_2", "u1", (3692,)),
        ("checksum", "<u4"),
    ]
)
PIECE: Final = np.dtype(
    [("magic", "<u4"), ("checksum", "<u4"), ("offset", "<i8"), ("length", "<i8"), ("previous", "<u4"), ("pad", "<u4")]
)
assert HEADER.itemsize == PAGE_BYTES and PIECE.itemsize == 32
for _name, _offset in {"layout_hash": 48, "bounds": 80, "commands": 144, "events": 272, "checksum": 4092}.items():
    assert HEADER.fields is not None and HEADER.fields[_name][1] == _offset


class SnapshotDamaged(Exception):  # noqa: N818 - the state, as the operator reads it
    """A snapshot is not what was written. Says which file, where and what."""

    def __init__(self, path: Path, offset: int, what: str) -> None:
        super().__init__(f"snapshot {path} is damaged at byte {offset}: {what}")


@dataclass(frozen=True)
class Head:
    """What a snapshot is of. ``commands`` and ``events`` are by shard; ``bounds`` what the layout alone does not say."""

    process: str
    layout_hash: int
    epoch: int
    bounds: tuple[int, ...] = ()
    commands: tuple[int, ...] = ()
    events: tuple[int, ...] = ()
    time_ns: int = 0

    @property
    def order(self) -> int:
        """Of two snapshots of a process the later one has the larger: what its file is named by."""
        return sum(self.commands) + sum(self.events)


def snapshot_folder(data: Path | str, process: str) -> Path:
    """``{data}/snapshots/{process}``."""
    return Path(data) / "snapshots" / process


def snapshots(folder: Path) -> list[Path]:
    """Those in a folder, newest first; empty for a folder that is not there."""
    return sorted(folder.glob(f"{'[0-9]' * 20}{SUFFIX}"), reverse=True)


def drafts(data: Path | str) -> list[Path]:
    """What was being written below a data folder and has no name yet, of all processes."""
    return sorted((Path(data) / "snapshots").glob(f"*/*{WRITING}"))


def write_snapshot(folder: Path, head: Head, parts: Sequence[Array]) -> Path:
    """Write a snapshot of the state that ``parts`` (arrays of bytes) make up, and sync it, under a name for ``publish``.

    Raises OSError, and nothing is left then. The state must not change meanwhile.
    """
    path = folder / f"{head.order:020d}{SUFFIX}.{os.getpid()}{WRITING}"
    try:
        _write_file(path, head, parts)
    except OSError:
        path.unlink(missing_ok=True)
        raise
    return path


def _write_file(path: Path, head: Head, parts: Sequence[Array]) -> None:
    header = _header(head, sum(part.nbytes for part in parts))
    chain, count, start = int(header["checksum"]), 0, 0
    with path.open("wb", buffering=0) as file:
        _write(file.fileno(), header.tobytes())
        for part in parts:
            for offset, piece in _pieces(part):
                chain = _write_piece(file.fileno(), start + offset, piece, chain)
                count += 1
            start += part.nbytes
        _write_piece(file.fileno(), count, np.zeros(0, np.uint8), chain)
        os.fsync(file.fileno())


def publish(path: Path) -> Path:
    """Give what ``write_snapshot`` wrote its name, for good. Raises OSError."""
    final = path.with_name(path.name.partition(SUFFIX)[0] + SUFFIX)
    os.rename(path, final)
    descriptor = os.open(final.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return final


def read_head(path: Path) -> Head:
    """What a snapshot says that it is; its content is not looked at. Raises SnapshotDamaged, OSError."""
    with path.open("rb") as file:
        return _head(_checked_header(path, file.read(PAGE_BYTES)))


class Snapshot:
    """A snapshot whose every byte has been checked. It is mapped until it is dropped."""

    def __init__(self, path: Path, head: Head, pieces: list[tuple[int, Array]], state_bytes: int) -> None:
        self.path, self.head, self.state_bytes = path, head, state_bytes
        self._pieces = pieces

    @classmethod
    def read(cls, path: Path) -> Self:
        """Check a file through. Raises SnapshotDamaged, OSError."""
        if path.stat().st_size < PAGE_BYTES:
            raise SnapshotDamaged(path, path.stat().st_size, f"a header has {PAGE_BYTES} bytes")
        raw = np.asarray(np.memmap(path, np.uint8, mode="r"))
        header = _checked_header(path, raw[:PAGE_BYTES].tobytes())
        pieces = list(_checked_pieces(path, raw, int(header["checksum"]), int(header["state_bytes"])))
        return cls(path, _head(header), pieces, int(header["state_bytes"]))

    def fill(self, parts: Sequence[Array]) -> None:
        """Make the state that ``parts`` are, all zeros now, what it was. They are as long in all as ``state_bytes``."""
        assert sum(part.nbytes for part in parts) == self.state_bytes
        start, at = 0, 0
        for part in parts:
            while at < len(self._pieces) and self._pieces[at][0] < start + part.nbytes:
                offset, piece = self._pieces[at]
                part[offset - start : offset - start + piece.size] = piece
                at += 1
            start += part.nbytes


def _header(head: Head, state_bytes: int) -> Any:
    header = np.zeros(1, HEADER)[0]
    header["magic"], header["version"], header["process"] = MAGIC, VERSION, head.process.encode()
    header["layout_hash"], header["epoch"], header["time_ns"] = head.layout_hash, head.epoch, head.time_ns
    header["state_bytes"] = state_bytes
    header["bounds"][: len(head.bounds)] = head.bounds
    header["commands"][: len(head.commands)], header["events"][: len(head.events)] = head.commands, head.events
    header["checksum"] = zlib.crc32(header.tobytes()[:-4])
    return header


def _head(header: Any) -> Head:
    numbers = {name: tuple(int(each) for each in header[name]) for name in ("bounds", "commands", "events")}
    name, layout, epoch = bytes(header["process"]).decode(), int(header["layout_hash"]), int(header["epoch"])
    return Head(name, layout, epoch, **numbers, time_ns=int(header["time_ns"]))


def _checked_header(path: Path, data: bytes) -> Any:
    if len(data) < PAGE_BYTES:
        raise SnapshotDamaged(path, len(data), f"a header has {PAGE_BYTES} bytes")
    header = np.frombuffer(data, HEADER)[0]
    checks = (
        ("magic", bytes(header["magic"]), MAGIC),
        ("checksum of the header", int(header["checksum"]), zlib.crc32(data[:-4])),
        ("version", int(header["version"]), VERSION),
    )
    for what, found, wanted in checks:
        if found != wanted:
            raise SnapshotDamaged(path, 0, f"its {what} is {found!r} and should be {wanted!r}")
    return header


def _checked_pieces(path: Path, raw: Array, chain: int, state_bytes: int) -> Iterator[tuple[int, Array]]:
    """Offset in the state and bytes of each piece, in order; every byte up to the end of the file has been looked at."""
    at, count, done = PAGE_BYTES, 0, 0
    while True:
        if at + PIECE.itemsize > raw.size:
            raise SnapshotDamaged(path, raw.size, "it ends before its end")
        header, start = raw[at : at + PIECE.itemsize].view(PIECE)[0], at + PIECE.itemsize
        offset, length = int(header["offset"]), int(header["length"])
        if header["magic"] != PIECE_MAGIC or not 0 <= length <= min(PIECE_BOUND, raw.size - start):
            raise SnapshotDamaged(path, at, "no piece of a snapshot")
        if zlib.crc32(raw[at + 8 : start + length].data) != int(header["checksum"]) or int(header["previous"]) != chain:
            raise SnapshotDamaged(path, at, "a piece that is not what was written")
        chain, at = int(header["checksum"]), start + length
        if length == 0:
            break
        if offset < done or offset + length > state_bytes:
            raise SnapshotDamaged(path, start, "a piece outside its state")
        yield offset, raw[start:at]
        count, done = count + 1, offset + length
    if offset != count or at != raw.size:
        raise SnapshotDamaged(path, at, f"{count} pieces and {raw.size - at} bytes behind them, but {offset} were written")


def _pieces(part: Array) -> Iterator[tuple[int, Array]]:
    """Runs of pages that are not all zeros, and the rest behind the last whole page."""
    for start in range(0, part.nbytes, PIECE_BOUND):
        block = part[start : start + PIECE_BOUND]
        pages = block[: block.nbytes // PAGE_BYTES * PAGE_BYTES]
        used = np.bitwise_or.reduce(pages.view(np.uint64).reshape(-1, PAGE_BYTES // 8), axis=1) != 0
        edges = np.flatnonzero(np.diff(np.concatenate([[False], used, [False]]).astype(np.int8)))
        for first, last in edges.reshape(-1, 2) * PAGE_BYTES:
            yield start + int(first), block[first:last]
        if block.nbytes > pages.nbytes and block[pages.nbytes :].any():
            yield start + pages.nbytes, block[pages.nbytes :]


def _write_piece(descriptor: int, offset: int, piece: Array, previous: int) -> int:
    header = np.zeros(1, PIECE)
    header["magic"], header["offset"], header["length"], header["previous"] = PIECE_MAGIC, offset, piece.nbytes, previous
    checksum = zlib.crc32(piece.data, zlib.crc32(header.tobytes()[8:]))
    header["checksum"] = checksum
    _write(descriptor, header.tobytes())
    _write(descriptor, piece.data)
    return checksum


def _write(descriptor: int, data: bytes | memoryview) -> None:
    left = memoryview(data).cast("B") if len(data) else memoryview(b"")
    while left:
        left = left[os.write(descriptor, left) :]
