"""The snapshots of one process: found at its start, written by a forked child while it goes on, the last few kept.

A snapshot counts only once the journal has on disk all that it knows: else a loss of power could leave a snapshot of commands
that never were. So the child writes the file, asks the persister to sync, waits for that, and only then names the file.
"""

import os
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from runtime import placement
from runtime.context import Context
from runtime.forked import fork
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
    WRITING,
    Head,
    Snapshot,
    SnapshotDamaged,
    publish,
    snapshot_folder,
    snapshots,
    write_snapshot,
)

SAFE_WITHIN_S: Final = 60.0
"""How long a child waits for the journal to reach what its snapshot knows."""
FINISH_WITHIN_S: Final = 3.0
"""How long a stopping process waits for its child."""
LOOK_EVERY_S: Final = 0.002
TEND_EVERY_NS: Final = 10_000_000
TEND_AFTER_NS: Final = 30_000_000_000
"""How long after its start a process begins to put its memory on huge pages: it has settled, and has no snapshot yet."""
DAMAGED: Final = ".damaged"
Parts = Sequence[np.ndarray[Any, np.dtype[Any]]]


class Snapshots:
    """Of ``context.process``, whose state has the layout ``layout_hash`` and ``bounds``. ``durables`` are those of the shards
    that ``commands`` and ``events`` of a snapshot are about, in that order."""

    def __init__(self, context: Context, layout_hash: int, bounds: tuple[int, ...], durables: Sequence[Durable]) -> None:
        self._context, self._layout_hash, self._bounds, self._durables = context, layout_hash, bounds, durables
        self.folder = snapshot_folder(context.settings.data, context.process)
        self._child = 0
        self._writing: Head | None = None
        self._split: list[int] | None = None
        """Where memory may lie on small pages; None: everywhere."""
        self._tend_at_ns = time.monotonic_ns() + TEND_AFTER_NS
        self._last: dict[str, Any] = {}
        self._every_ns = int(context.settings.snapshots.every_s * 1e9)
        self._due_ns = 0
        self.postpone()

    # ------------------------------------------------------------------------------------ at the start

    def newest(self) -> Snapshot | None:
        """The newest snapshot that is whole and that the journal goes on from; what stands before it is said in the log."""
        for left in self.folder.glob(f"*{SUFFIX}{WRITING}"):
            left.unlink()  # of a life that ended before it was whole
        for path in snapshots(self.folder):
            try:
                found = Snapshot.read(path)
            except SnapshotDamaged as damage:
                self._context.logger.warning("a snapshot is damaged: trying the one before", problem=str(damage))
                path.rename(path.with_suffix(SUFFIX + DAMAGED))
                continue
            reason = self._why_not(found.head)
            if not reason:
                self._note(found.head, found.path.stat().st_size)
                return found
            self._context.logger.warning("a snapshot cannot be used: trying the one before", snapshot=str(path), reason=reason)
        return None

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

    # ------------------------------------------------------------------------------------ at work

    @property
    def busy(self) -> bool:
        """Is one being written?"""
        self._reap(os.WNOHANG)
        return self._child != 0

    def due(self) -> bool:
        """Has it been ``snapshots.every_s`` since the last one?"""
        return self._every_ns > 0 and time.monotonic_ns() >= self._due_ns

    def postpone(self) -> None:
        """The next one is due an interval from now."""
        self._due_ns = time.monotonic_ns() + self._every_ns

    def knows(self, sequences: tuple[int, ...], what: str = "commands") -> bool:
        """Was the last snapshot taken, or found, of just these ``commands`` (or ``events``)?"""
        newest: Any = self._last.get(what) if self._writing is None else list(getattr(self._writing, what))
        return bool(newest == list(sequences))

    def take(self, parts: Parts, commands: tuple[int, ...], events: tuple[int, ...]) -> bool:
        """Have a child write the state as it is now; False while an earlier one is being written, or for lack of memory."""
        if self.busy:
            self._context.logger.warning("no snapshot: the one before is still being written", commands=commands)
            return False
        self.postpone()
        settings = self._context.settings
        head = Head(
            self._context.process, self._layout_hash, self._context.epoch, self._bounds, commands, events, time.time_ns()
        )
        bell = self._bell()
        try:
            self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            started_ns, used_ns = time.monotonic_ns(), time.thread_time_ns()
            self._child = fork(lambda: _write(self.folder, head, parts, settings, self._durables, bell))
        except OSError as error:
            self._context.logger.error("no snapshot", problem=str(error))
            return False
        self._writing = head
        self._last = {
            "pause_us": (time.monotonic_ns() - started_ns) // 1000,
            "pause_cpu_us": (time.thread_time_ns() - used_ns) // 1000,
        }
        self._split, self._tend_at_ns = None, time.monotonic_ns() + TEND_EVERY_NS
        return True

    def tend(self) -> None:
        """To be called in every slice: hears of the child's end, and then puts memory on huge pages, a bit at a time.

        A fork copies an entry for each page. What a process writes while a child shares its memory falls apart into small
        pages again, and the next fork would take ten times as long.
        """
        if self._tend_at_ns == 0 or time.monotonic_ns() < self._tend_at_ns:
            return
        if not self.busy:
            if self._split is None:
                self._split = placement.own_chunks()
            while self._split and not placement.collapse(self._split.pop()):
                pass
        self._tend_at_ns = time.monotonic_ns() + TEND_EVERY_NS if self._split or self._split is None else 0

    def finish(self) -> None:
        """Wait for the child, but not for ever: of a snapshot that is not whole nothing is left."""
        deadline = time.monotonic() + FINISH_WITHIN_S
        while self.busy and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY_S)
        if self._child:
            os.kill(self._child, 9)
            self._reap(0)

    def status(self) -> dict[str, Any]:
        """The newest snapshot: what it knows, its size, for how long it held up this process; empty without one."""
        writing = self.busy
        return {**self._last, "writing": writing}

    def _bell(self) -> Callable[[], None]:
        bells = self._context.doorbells
        return lambda: bells.ring(bell_of("persister"))

    def _reap(self, how: int) -> None:
        if not self._child:
            return
        child, status = os.waitpid(self._child, how)
        if child == 0:
            return
        head, self._child, self._writing = self._writing, 0, None
        assert head is not None
        if status == 0:
            path = self.folder / f"{head.order:020d}{SUFFIX}"
            self._note(head, path.stat().st_size if path.exists() else 0)
            self._context.logger.info("snapshot", **self._last)
        else:
            code = os.waitstatus_to_exitcode(status)
            self._context.logger.error("a snapshot failed", commands=list(head.commands), status=code)

    def _note(self, head: Head, size: int) -> None:
        count = len(self._durables)
        known = {"commands": list(head.commands[:count]), "events": list(head.events[:count])}
        self._last = {**self._last, **known, "bytes": size, "time_ns": head.time_ns}


def _write(
    folder: Path, head: Head, parts: Parts, settings: Any, durables: Sequence[Durable], wake: Callable[[], None]
) -> None:
    """The child's work. Raises OSError."""
    draft = write_snapshot(folder, head, parts)
    try:
        _await_journal(head, settings.durability == "none", durables, wake)
        publish(draft)
    except OSError:
        draft.unlink(missing_ok=True)
        raise
    for path in snapshots(folder)[settings.snapshots.keep :]:
        path.unlink()


def _await_journal(head: Head, unsynced: bool, durables: Sequence[Durable], wake: Callable[[], None]) -> None:
    """Until all that the snapshot knows is on disk; with ``unsynced``, written."""
    words = (COMMANDS_WRITTEN, EVENTS_WRITTEN) if unsynced else (COMMANDS_DURABLE, EVENTS_DURABLE)
    deadline = time.monotonic() + SAFE_WITHIN_S
    for shard, durable in enumerate(durables):
        known = (head.commands[shard], head.events[shard])
        while any(durable.read(word) < sequence for word, sequence in zip(words, known, strict=True)):
            if time.monotonic() > deadline or durable.read(STATE) == JournalState.STOPPED:
                raise TimeoutError(f"the journal of shard {shard} does not get to {known}")
            durable.advance(SYNC_ASKED, 1)
            wake()
            time.sleep(LOOK_EVERY_S)
