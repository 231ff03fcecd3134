"""A snapshot's file: what was written comes back, and nothing else is ever taken for it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from shm.snapshot import PAGE_BYTES, Head, Snapshot, SnapshotDamaged, publish, read_head, snapshots, write_snapshot

HEAD = Head("riskd", 5, 0xE70C, (1, 2), (7, 8), (9,), 123)


def state(pages: int = 3, rest: int = 100) -> np.ndarray[Any, Any]:
    """Some pages of which the second is all zeros, and a rest that fills none."""
    made = np.frombuffer(np.random.default_rng(1).bytes(pages * PAGE_BYTES + rest), np.uint8).copy()
    made[PAGE_BYTES : 2 * PAGE_BYTES] = 0
    return made


def written(folder: Path, *parts: np.ndarray[Any, Any]) -> Path:
    return publish(write_snapshot(folder, HEAD, parts))


def filled(path: Path, *sizes: int) -> list[np.ndarray[Any, Any]]:
    parts = [np.zeros(size, np.uint8) for size in sizes]
    Snapshot.read(path).fill(parts)
    return parts


@pytest.mark.parametrize("sizes", [(12388,), (4096, 8292), (1, 12387), (5000, 0, 7388), (12380, 8)])
def test_what_was_written_comes_back(tmp_path: Path, sizes: tuple[int, ...]) -> None:
    """In whatever parts the state lies; what the head says too."""
    whole = state()
    parts = np.split(whole, np.cumsum(sizes)[:-1])
    path = written(tmp_path, *parts)
    assert [part.tobytes() for part in filled(path, *sizes)] == [part.tobytes() for part in parts]
    head = read_head(path)
    assert (head.process, head.layout_hash, head.epoch, head.time_ns) == ("riskd", 5, 0xE70C, 123)
    assert (head.bounds[:3], head.commands[:3], head.events[:2]) == ((1, 2, 0), (7, 8, 0), (9, 0))


def test_room_that_was_never_used_takes_none(tmp_path: Path) -> None:
    """Ten megabytes of zeros with one byte in them are a page."""
    room = np.zeros(10 << 20, np.uint8)
    room[5 << 20] = 1
    path = written(tmp_path, room)
    assert path.stat().st_size < 3 * PAGE_BYTES
    assert filled(path, room.size)[0].tobytes() == room.tobytes()


def test_the_newest_comes_first_and_drafts_do_not_count(tmp_path: Path) -> None:
    """A file gets its name only when all of it is on disk."""
    for commands in (5, 50, 7):
        head = Head("riskd", 5, 1, (), (commands,))
        draft = write_snapshot(tmp_path, head, [state()])
        if commands != 50:
            publish(draft)
    assert [int(path.stem) for path in snapshots(tmp_path)] == [7, 5]
    assert snapshots(tmp_path / "nowhere") == []


def test_every_flipped_byte_is_seen(tmp_path: Path) -> None:
    """Each byte of the file in turn: it is refused with its name and where, never taken for good."""
    path = written(tmp_path, state(2, 40))
    whole = bytearray(path.read_bytes())
    for at in range(len(whole)):
        whole[at] ^= 0x10
        path.write_bytes(whole)
        whole[at] ^= 0x10
        with pytest.raises(SnapshotDamaged, match=str(path)):
            Snapshot.read(path)
    path.write_bytes(whole)
    Snapshot.read(path)


def test_every_truncation_is_seen(tmp_path: Path) -> None:
    """However much of the end is missing, and anything behind it."""
    path = written(tmp_path, state(2, 40))
    whole = path.read_bytes()
    for length in range(len(whole)):
        path.write_bytes(whole[:length])
        with pytest.raises(SnapshotDamaged, match=str(path)):
            Snapshot.read(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(SnapshotDamaged, match="behind them"):
        Snapshot.read(path)


def test_a_piece_that_is_missing_or_moved_is_seen(tmp_path: Path) -> None:
    """Pieces are chained: each whole by itself is not enough."""
    room = np.zeros(8 * PAGE_BYTES, np.uint8)
    room[:: 2 * PAGE_BYTES] = 1
    path = written(tmp_path, room)
    whole, size = path.read_bytes(), 32 + PAGE_BYTES
    first, second = whole[PAGE_BYTES : PAGE_BYTES + size], whole[PAGE_BYTES + size : PAGE_BYTES + 2 * size]
    rest = whole[PAGE_BYTES + 2 * size :]
    for pieces in (second + first, first, second, first + first):
        path.write_bytes(whole[:PAGE_BYTES] + pieces + rest)
        with pytest.raises(SnapshotDamaged):
            Snapshot.read(path)
