"""The snapshots of one process: found at its start, written where nobody waits for it, the last few kept.

While the exchange trades they are written by a follower (``runtime/following.py``), a process of its own that makes the same
state out of the journal. At a clean stop, when nobody trades any more, the process writes its own.

A snapshot counts only once the journal has on disk all that it knows: else a loss of power could leave a snapshot of commands
that never were. So it is written under another name, the persister is asked to sync, and only then it gets its name.
"""

import fcntl
import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from runtime.context import Context
from shm.doorbell import bell_of
from shm.durable import (
    COMMANDS_DURABLE,
    COMMANDS_WRITTEN,
    EVENTS_DURABLE,
    EVENTS_WRITTEN,
    STATE,
    SYNC_ASKED,
    Durable,
    JournalState,
)
from shm.snapshot import (
    SUFFIX,
    Head,
    Snapshot,
    SnapshotDamaged,
    publish,
    read_head,
    snapshot_folder,
    snapshots,
    write_snapshot,
)

SAFE_WITHIN_S: Final = 60.0
"""How long a follower waits for the journal to have on disk what its snapshot knows."""
LAST_WITHIN_S: Final = 3.0
"""How long a process that stops does."""
LOOK_EVERY_S: Final = 0.002
DAMAGED: Final = ".damaged"
Parts = Sequence[np.ndarray[Any, np.dtype[Any]]]
Numbers = tuple[int, ...]


class Snapshots:
    """Of ``context.process``, whose state has the layout ``layout_hash`` and ``bounds``. ``durables`` are those of the shards
    that ``commands`` and ``events`` of a snapshot are about, in that order."""

    def __init__(self, context: Context, layout_hash: int, bounds: Numbers, durables: Sequence[Durable]) -> None:
        self._context, self._layout_hash, self._bounds, self._durables = context, layout_hash, bounds, durables
        self.folder = snapshot_folder(context.settings.data, context.process)
        self._held = -1
        """Descriptor of the file that a start goes on from, locked so that nobody puts it away."""

    def newest(self, commands: Numbers | None = None, events: Numbers | None = None) -> Snapshot | None:
        """The newest snapshot that is whole and that the journal goes on from, and that knows no more than these ``commands``
        and ``events`` of each shard, if any are given. What stands before it is said in the log.

        Until ``let_go`` it stays, and with it the journal behind it, whatever a follower writes meanwhile.
        """
        for path in snapshots(self.folder):
            try:
                self._hold(path)
                found = Snapshot.read(path)
            except SnapshotDamaged as damage:
                self._context.logger.warning("a snapshot is damaged: trying the one before", problem=str(damage))
                with suppress(FileNotFoundError):
                    path.rename(path.with_suffix(SUFFIX + DAMAGED))
                continue
            except FileNotFoundError:
                return self.newest(commands, events)  # put away meanwhile, for there are later ones
            if _is_later(found.head.commands, commands) or _is_later(found.head.events, events):
                continue
            reason = self._why_not(found.head)
            if not reason:
                return found
            self._context.logger.warning("a snapshot cannot be used: trying the one before", snapshot=str(path), reason=reason)
        self.let_go()
        return None

    def _hold(self, path: Path) -> None:
        """Lock a snapshot. Raises FileNotFoundError when it has been put away."""
        self.let_go()
        self._held = os.open(path, os.O_RDONLY)
        fcntl.flock(self._held, fcntl.LOCK_SH)
        if os.fstat(self._held).st_nlink == 0:
            raise FileNotFoundError(path)

    def let_go(self) -> None:
        """The start is done: it needs the snapshot no more."""
        if self._held >= 0:
            os.close(self._held)
        self._held = -1

    def _why_not(self, head: Head) -> str:
        for what, found, wanted in (
            ("process", head.process, self._context.process),
            ("epoch", head.epoch, self._context.epoch),
            ("pools or rings", head.bounds[: len(self._bounds)], self._bounds),
            ("layout", head.layout_hash, self._layout_hash),
        ):
            if found != wanted:
                return f"its {what} are {found}, here they are {wanted}"
        for shard, durable in enumerate(self._durables):
            reached = (durable.read(COMMANDS_WRITTEN), durable.read(EVENTS_WRITTEN))
            known = (head.commands[shard], head.events[shard])
            if known[0] > reached[0] or known[1] > reached[1]:
                return f"it knows commands and events up to {known}, the journal of the shard ends with {reached}"
        return ""

    def write(self, parts: Parts, commands: Numbers, events: Numbers, within_s: float = SAFE_WITHIN_S) -> None:
        """Write the state, wait until the journal is on disk as far as it knows it, give the file its name, and put away those
        that are too many. Raises OSError: then nothing of it is left."""
        self.let_go()
        settings, context = self._context.settings, self._context
        head = Head(context.process, self._layout_hash, context.epoch, self._bounds, commands, events, time_ns=time.time_ns())
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = write_snapshot(self.folder, head, parts)
        try:
            self._await_journal(head, within_s)
            path = publish(draft)
        except OSError:
            draft.unlink(missing_ok=True)
            raise
        size = path.stat().st_size
        for old in snapshots(self.folder)[settings.snapshots.keep :]:
            _put_away(old)
        context.logger.info("snapshot", commands=list(commands), events=list(events), bytes=size)

    def write_last(self, parts: Parts, commands: Numbers, events: Numbers) -> None:
        """``write`` by a process that stops, unless there is one of just this; a failure is logged."""
        if self._has(commands):
            return
        try:
            self.write(parts, commands, events, LAST_WITHIN_S)
        except OSError as error:
            self._context.logger.error("no snapshot", problem=str(error), commands=list(commands))

    def _has(self, commands: Numbers) -> bool:
        """Is the newest one of just these commands? How many of their events it knows makes no difference to a start."""
        with suppress(SnapshotDamaged, OSError):
            for path in snapshots(self.folder)[:1]:
                head = read_head(path)
                fits = (head.layout_hash, head.epoch) == (self._layout_hash, self._context.epoch)
                return fits and head.commands[: len(commands)] == commands
        return False

    def _await_journal(self, head: Head, within_s: float) -> None:
        """Until all that the snapshot knows is on disk; without durability, written."""
        unsynced, bells = self._context.settings.durability == "none", self._context.doorbells
        words = (COMMANDS_WRITTEN, EVENTS_WRITTEN) if unsynced else (COMMANDS_DURABLE, EVENTS_DURABLE)
        deadline = time.monotonic() + within_s
        for shard, durable in enumerate(self._durables):
            known = (head.commands[shard], head.events[shard])
            while any(durable.read(word) < sequence for word, sequence in zip(words, known, strict=True)):
                if time.monotonic() > deadline or durable.read(STATE) == JournalState.STOPPED:
                    raise TimeoutError(f"the journal of shard {shard} does not get to {known}")
                durable.advance(SYNC_ASKED, 1)
                bells.ring(bell_of("persister"))
                time.sleep(LOOK_EVERY_S)


def _put_away(path: Path) -> None:
    """Delete a snapshot, unless somebody is starting from it: then the next one does."""
    with suppress(OSError):
        descriptor = os.open(path, os.O_RDONLY)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            path.unlink()
        finally:
            os.close(descriptor)


def _is_later(known: Numbers, bound: Numbers | None) -> bool:
    return bound is not None and any(ours > theirs for ours, theirs in zip(known, bound, strict=False))
