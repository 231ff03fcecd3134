"""Old files of the journal: once every process has snapshots beyond them and the database has them, they may go.

What may go is below the *oldest* snapshot that is kept, so that a damaged newest one can still be fallen back from.
"""

import os
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

from persister.recovery import place_of, snapshotting
from persister.segment_file import make_folder, sync_folder
from runtime.settings import Settings
from shm.journal import Stream, segments, stream_folder
from shm.snapshot import SnapshotDamaged, read_head, snapshot_folder, snapshots

LOOK_EVERY_NS: Final = 2_000_000_000
DRAFT: Final = ".moving"
Held = Callable[[int], tuple[int, int]]
"""The last command and event of a shard that the database holds."""


class Retention:
    """Looks every few seconds, in a thread of its own: neither copying nor deleting holds up the journal."""

    def __init__(self, settings: Settings, epoch: int, held: Held, logger: Any) -> None:
        self._settings, self._epoch, self._held, self._logger = settings, epoch, held, logger
        self._background = ThreadPoolExecutor(1, "retention")
        self._sweep: Future[int] | None = None
        self._look_at_ns = 0
        self._problem = ""

    def tend(self) -> None:
        """To be called now and then. Cheap where nothing is due; a problem is logged once and tried again."""
        now_ns = time.monotonic_ns()
        if self._settings.journal.old_segments == "keep" or now_ns < self._look_at_ns:
            return
        if self._sweep is not None and not self._sweep.done():
            return
        self._hear()
        self._look_at_ns = now_ns + LOOK_EVERY_NS
        held = [self._held(shard) for shard in range(self._settings.matchers)]
        self._sweep = self._background.submit(sweep, self._settings, self._epoch, held)

    def close(self) -> None:
        """Wait for what is under way."""
        self._background.shutdown(cancel_futures=True)

    def _hear(self) -> None:
        if self._sweep is None:
            return
        try:
            moved, problem = self._sweep.result(), ""
        except OSError as error:
            moved, problem = 0, str(error)
        if moved:
            self._logger.info("old files of the journal are gone", files=moved, how=self._settings.journal.old_segments)
        if problem and problem != self._problem:
            self._logger.error("old files of the journal cannot be put away", problem=problem)
        self._problem = problem


def sweep(settings: Settings, epoch: int, held: list[tuple[int, int]]) -> int:
    """Put away what may go, of every stream; how many files. ``held``: what the database holds, by shard. Raises OSError."""
    count = 0
    for shard, in_database in enumerate(held):
        known = known_by_all(settings, shard, epoch)
        for stream, below in zip(Stream, map(min, in_database, known), strict=True):
            for path in removable(stream_folder(settings.data, stream, shard), below):
                _put_away(settings, path)
                count += 1
    return count


def known_by_all(settings: Settings, shard: int, epoch: int) -> tuple[int, int]:
    """Up to which command and event of a shard every snapshot kept knows all; zeros while a process has none."""
    commands, events = [], []
    for process in snapshotting(settings, shard):
        heads = [head for head in _heads(snapshot_folder(settings.data, process)) if head.epoch == epoch]
        place = place_of(process, shard)
        commands.append(min((head.commands[place] for head in heads), default=0))
        events.append(min((head.events[place] for head in heads), default=0))
    return min(commands), min(events)


def removable(folder: Path, below: int) -> Iterator[Path]:
    """The files of a stream that hold nothing from sequence ``below`` on, oldest first; never the newest."""
    found = segments(folder)
    for (_, path), (following, _) in pairwise(found):
        if following > below:
            return
        yield path


def _heads(folder: Path) -> Iterator[Any]:
    for path in snapshots(folder):
        try:
            yield read_head(path)
        except (SnapshotDamaged, FileNotFoundError):
            continue


def _put_away(settings: Settings, path: Path) -> None:
    """Delete it, or move it, wherever the archive lies; at no moment is it in neither place. Raises OSError."""
    if settings.journal.old_segments == "archive":
        folder = settings.archive / path.parent.name
        make_folder(folder)
        draft = folder / f"{path.name}{DRAFT}"
        shutil.copyfile(path, draft)
        descriptor = os.open(draft, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.rename(draft, folder / path.name)
        sync_folder(folder)
    path.unlink()
    sync_folder(path.parent)
