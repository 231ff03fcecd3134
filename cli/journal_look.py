"""What lies in a data folder: the streams of the journal and the snapshots, summed up, and checked byte for byte."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from runtime.settings import Settings
from shm.journal import JournalDamaged, JournalReader, Stream, segments, stream_folder
from shm.journal_plain import walk_unchecked
from shm.records import COMMAND, EVENT
from shm.snapshot import Snapshot, SnapshotDamaged, read_head, snapshot_folder, snapshots

DTYPES: Final = {Stream.COMMANDS: COMMAND, Stream.EVENTS: EVENT}
Hear = Callable[[int], None]


@dataclass(frozen=True)
class Place:
    """One stream of one shard."""

    stream: Stream
    shard: int
    folder: Path

    @property
    def name(self) -> str:
        """``commands.0``."""
        return self.folder.name

    @property
    def first(self) -> int:
        """The first sequence that there is a file for; 1 where there is none."""
        return next((first for first, _ in segments(self.folder)), 1)

    def read(self, after: int | None = None, through: int | None = None, **options: Any) -> Iterator[np.ndarray[Any, Any]]:
        """Its records after ``after`` (default: all), checked unless told otherwise. Raises JournalDamaged."""
        return self.reader(after, **options).read(through)

    def reader(self, after: int | None = None, **options: Any) -> JournalReader:
        """Reads after ``after``; default: all there is."""
        return JournalReader(self.folder, DTYPES[self.stream], self.first - 1 if after is None else after, **options)

    def last(self) -> int:
        """The last sequence, found in the last file, unchecked; 0 in an empty stream."""
        found = segments(self.folder)
        if not found:
            return 0
        reader = self.reader(found[-1][0] - 1, walk=walk_unchecked)
        for _ in reader:
            pass
        return reader.reached


def places(settings: Settings) -> list[Place]:
    """Every stream of the settings, whether or not there is anything in it."""
    return [
        Place(stream, shard, stream_folder(settings.data, stream, shard))
        for shard in range(settings.matchers)
        for stream in Stream
    ]


def info(settings: Settings) -> dict[str, Any]:
    """Streams and snapshots with sizes and sequences. What is damaged says so in ``problem``."""
    return {
        "data": str(settings.data),
        "streams": [_stream_info(place) for place in places(settings)],
        "snapshots": [
            each for name in settings.processes() for each in _snapshots_info(snapshot_folder(settings.data, name), name)
        ],
    }


def verify(settings: Settings, hear: Hear) -> dict[str, Any]:
    """Read everything and check every byte; ``hear`` is told of each megabyte or so. Same keys as ``info``."""
    streams = [_verified(place, hear) for place in places(settings)]
    for commands_place, commands, events in zip(places(settings)[::2], streams[::2], streams[1::2], strict=True):
        commander = events.pop("command_sequence", 0)
        if events["problem"] or commands["problem"] or commander <= commands["last"]:
            continue
        last = commands_place.last()  # again: of an exchange that runs, its commands went on while its events were read
        if commander > last:
            events["problem"] = f"it holds events of commands after {last}, the last that there is"
    checked = []
    for name in settings.processes():
        for path in snapshots(snapshot_folder(settings.data, name)):
            size, problem = _size(path), _snapshot_problem(path)
            if path.exists():  # else a later one has taken its place
                checked.append({"process": name, "file": path.name, "problem": problem})
            hear(size)
    return {"data": str(settings.data), "streams": streams, "snapshots": checked}


def bytes_of(settings: Settings) -> int:
    """About how much ``verify`` has to read."""
    streams = sum(path.stat().st_size for place in places(settings) for _, path in segments(place.folder))
    folders = [snapshot_folder(settings.data, name) for name in settings.processes()]
    return streams + sum(_size(path) for folder in folders for path in snapshots(folder))


def problems(found: dict[str, Any]) -> list[str]:
    """Every problem in what ``info`` or ``verify`` found, a sentence each."""
    return [each["problem"] for each in (*found["streams"], *found["snapshots"]) if each["problem"]]


def _stream_info(place: Place) -> dict[str, Any]:
    found, problem, last = segments(place.folder), "", 0
    try:
        last = place.last()
    except JournalDamaged as damage:
        problem = str(damage)
    return {
        "stream": place.name,
        "files": len(found),
        "bytes": sum(path.stat().st_size for _, path in found),
        "first": place.first if last else 0,
        "last": last,
        "problem": problem,
    }


def _snapshots_info(folder: Path, name: str) -> Iterator[dict[str, Any]]:
    for path in snapshots(folder):
        told: dict[str, Any] = {"process": name, "file": path.name, "bytes": _size(path), "problem": ""}
        try:
            head = read_head(path)
        except SnapshotDamaged as damage:
            yield {**told, "problem": str(damage)}
            continue
        except FileNotFoundError:
            continue
        count = max((k + 1 for k in range(len(head.events)) if head.commands[k] or head.events[k]), default=1)
        numbers = {"commands": list(head.commands[:count]), "events": list(head.events[:count])}
        yield {**told, "time_ns": head.time_ns, **numbers}


def _verified(place: Place, hear: Hear) -> dict[str, Any]:
    reader, last, problem, heard = place.reader(), None, "", 0
    try:
        for records in reader:
            last = records[-1]
            hear(records.nbytes)
            heard += records.nbytes
    except JournalDamaged as damage:
        problem = str(damage)
    found = segments(place.folder)
    size = sum(path.stat().st_size for _, path in found)
    hear(max(0, size - heard))
    made = {"stream": place.name, "files": len(found), "bytes": size, "first": place.first if last is not None else 0}
    made |= {"last": 0 if last is None else int(last["sequence"]), "problem": problem}
    if not problem:
        made["torn"] = reader.tail().torn
    if place.stream is Stream.EVENTS and last is not None:
        made["command_sequence"] = int(last["command_sequence"])
    return made


def _snapshot_problem(path: Path) -> str:
    try:
        Snapshot.read(path)
    except (SnapshotDamaged, OSError) as problem:
        return str(problem)
    return ""


def _size(path: Path) -> int:
    """0 for a snapshot that a running process has put away meanwhile, because there are later ones."""
    try:
        return path.stat().st_size
    except FileNotFoundError:
        return 0
