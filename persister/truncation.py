"""Cutting the journal of a shard behind a command: an operator's word, never done by itself. Nothing is thrown away."""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from persister.recovery import place_of, snapshotting
from persister.segment_file import make_folder, sync_folder, write_all, zero_from
from runtime.settings import Settings
from shm.journal import JournalDamaged, JournalReader, Stream, segments, stream_folder
from shm.journal_kernels import seal
from shm.journal_layout import BATCH_HEADER, BATCH_HEADER_BYTES, SEGMENT_HEADER_BYTES, WORDS_PER_LINE
from shm.records import COMMAND, EVENT, RECORD_BYTES
from shm.snapshot import SnapshotDamaged, read_head, snapshot_folder, snapshots

FOLDER: Final = "cut"
Hear = Callable[[int], None]


@dataclass(frozen=True)
class Plan:
    """What would stay, and what would go."""

    commands: int
    events: int
    commands_cut: int
    """Whole commands that are known to go; behind damage nobody knows."""
    events_cut: int
    snapshots: list[str]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def damage_at(folder: Path, hear: Hear = lambda done: None) -> int:
    """The last sequence of a stream before its first damage, or its end."""
    reader = JournalReader(folder, COMMAND if "commands" in folder.name else EVENT, _first(folder) - 1)
    _read_on(reader, hear)
    return reader.reached


def plan(settings: Settings, shard: int, after: int, hear: Hear = lambda done: None) -> Plan:
    """What cutting the shard behind command ``after`` means. Events behind a damage of their own go too: they can be made
    again."""
    folders = [stream_folder(settings.data, stream, shard) for stream in Stream]
    commands = JournalReader(folders[0], COMMAND, _first(folders[0]) - 1)
    _read_on(commands, hear)
    kept = min(after, commands.reached)
    events = JournalReader(folders[1], EVENT, _first(folders[1]) - 1)
    last = events.after
    for records in _whole(events, hear):
        of_kept = records["sequence"][records["command_sequence"] <= kept]
        last = int(of_kept[-1]) if of_kept.size else last
    gone = [str(path) for path in _later_snapshots(settings, shard, kept, last)]
    return Plan(kept, last, commands.reached - kept, max(0, events.reached - last), gone)


def cut(settings: Settings, shard: int, plan: Plan) -> Path:
    """Do it: what goes is moved, or copied where a part of it stays, into a folder of its own, which is returned.

    Raises OSError. Snapshots go first and commands last: whenever it is interrupted, what is left is a journal that can be cut
    again.
    """
    aside = settings.data / FOLDER / str(time.time_ns())
    make_folder(aside)
    for name in plan.snapshots:
        path = Path(name)
        make_folder(aside / path.parent.name)
        os.rename(path, aside / path.parent.name / path.name)
        sync_folder(path.parent)
    for stream, last in ((Stream.EVENTS, plan.events), (Stream.COMMANDS, plan.commands)):
        folder = stream_folder(settings.data, stream, shard)
        make_folder(aside / folder.name)
        for first, path in reversed(segments(folder)):
            if first > last:
                os.rename(path, aside / folder.name / path.name)
            else:
                shutil.copyfile(path, aside / folder.name / path.name)
                _cut_file(path, first, last)
                break
        if folder.is_dir():
            sync_folder(folder)
    sync_folder(aside)
    return aside


def _cut_file(path: Path, first: int, last: int) -> None:
    """Leave a segment's records up to ``last``, sealing the batch that it lies in anew."""
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    end = SEGMENT_HEADER_BYTES
    try:
        for offset, header in _batches(descriptor, first):
            start, count = int(header["first_sequence"]), int(header["count"])
            if start > last:
                zero_from(descriptor, offset)
                return
            if start + count - 1 > last:
                kept = last - start + 1
                _reseal(descriptor, offset, header, kept)
                zero_from(descriptor, offset + BATCH_HEADER_BYTES + kept * RECORD_BYTES)
                return
            end = offset + BATCH_HEADER_BYTES + count * RECORD_BYTES
        zero_from(descriptor, end)
    finally:
        os.close(descriptor)


def _batches(descriptor: int, sequence: int) -> Iterator[tuple[int, Any]]:
    """Offset and header of each batch, as long as they follow one another."""
    offset, size = SEGMENT_HEADER_BYTES, os.fstat(descriptor).st_size
    while offset + BATCH_HEADER_BYTES <= size:
        header = np.frombuffer(os.pread(descriptor, BATCH_HEADER_BYTES, offset), BATCH_HEADER)[0]
        if header["magic"] == 0 or header["first_sequence"] != sequence:
            return
        yield offset, header
        sequence += int(header["count"])
        offset += BATCH_HEADER_BYTES + int(header["count"]) * RECORD_BYTES


def _reseal(descriptor: int, offset: int, header: Any, count: int) -> None:
    records = os.pread(descriptor, count * RECORD_BYTES, offset + BATCH_HEADER_BYTES)
    words = np.concatenate([np.zeros(WORDS_PER_LINE, np.uint64), np.frombuffer(records, np.uint64)])
    lines = words[:WORDS_PER_LINE].view(BATCH_HEADER)
    seal(lines, words, count, int(header["first_sequence"]), int(header["previous_checksum"]), int(header["synced"]))
    write_all(descriptor, words.tobytes(), offset, synced=True)


def _later_snapshots(settings: Settings, shard: int, commands: int, events: int) -> Iterator[Path]:
    """Those that know more than what stays."""
    for process in snapshotting(settings, shard):
        place = place_of(process, shard)
        for path in snapshots(snapshot_folder(settings.data, process)):
            try:
                head = read_head(path)
            except SnapshotDamaged:
                continue
            if head.commands[place] > commands or head.events[place] > events:
                yield path


def _first(folder: Path) -> int:
    return next((first for first, _ in segments(folder)), 1)


def _read_on(reader: JournalReader, hear: Hear) -> None:
    for _ in _whole(reader, hear):
        pass


def _whole(reader: JournalReader, hear: Hear) -> Iterator[np.ndarray[Any, Any]]:
    """Its records up to its end or first damage."""
    try:
        for records in reader:
            hear(records.nbytes)
            yield records
    except JournalDamaged:
        return
