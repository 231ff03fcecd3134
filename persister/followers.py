"""Snapshots while the exchange trades: made by followers, one after the other, behind the SNAPSHOT that riskd numbered last.

A follower (``runtime/following.py``) needs nothing but the journal, so nobody who trades does anything for it. What is waited
for here: that the journal has the cut (else a snapshot would know what the journal does not), and that the gateways have told
all events of it: one that starts again goes on telling from where it stood, which a later table of orders must not skip. One
that is away holds up nobody: it is left out, and keeps the snapshots that it has.

While one cut is being made, others may be numbered: the last of them is the next. What fails is tried again, later and later;
what is half made when the persister dies is made by the next.
"""

import os
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import Any, Final

from persister.recovery import place_of
from persister.writer import ShardWriter
from runtime.following import Task, with_rooms
from runtime.settings import Settings
from shm.snapshot import Head, SnapshotDamaged, drafts, read_head, snapshot_folder, snapshots

TOLD_WITHIN_S: Final = 5.0
"""How long gateways are waited for."""
RETRY_S_MIN: Final = 5.0
RETRY_S_MAX: Final = 300.0
Numbers = tuple[int, ...]


class Followers:
    """See the module. Cheap to tend: some hundred times a second."""

    def __init__(self, settings: Settings, epoch: int, shards: Sequence[ShardWriter], logger: Any) -> None:
        self._settings, self._epoch, self._shards, self._logger = settings, epoch, shards, logger
        self._done = self._newest("riskd")
        """The cut that was made last."""
        self._cut: Numbers = ()
        """The cut that is being made; empty: none."""
        self._events: Numbers = ()
        """The last event of it in each shard, once the matchers' snapshots say so."""
        self._left: list[tuple[str, ...]] = []
        """Whose snapshots of it are still to be made."""
        self._process: subprocess.Popen[bytes] | None = None
        self._failed: Numbers = ()
        """The cut that could not be made, and why; until when it is not tried again, and how long that is the next time."""
        self._problem, self._not_before_s, self._retry_s = "", 0.0, RETRY_S_MIN
        self._told_until_s = 0.0
        self._without: list[str] = []
        for left in drafts(settings.data):
            left.unlink(missing_ok=True)  # by a follower that died with the persister before this one

    def tend(self) -> None:
        """Hear of the end of a follower, and start the next when what it needs is there."""
        if self._process is not None:
            if self._process.poll() is None:
                return
            self._bury(self._process.returncode)
        elif not self._left:
            self._look()
        elif self._is_there(self._left[0]):
            self._start(self._left[0])

    def close(self) -> None:
        """End the follower that is at work: of what it was writing nothing counts."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def status(self) -> dict[str, Any]:
        """The cut made last (a command of each shard), the one being made, the one that failed and why, the gateways that were
        left out, and the newest snapshot of each process."""
        found = {name: self._shown(name) for name in self._settings.processes() if name != "persister"}
        return {
            "done": list(self._done),
            "making": list(self._cut),
            "failed": list(self._failed),
            "problem": self._problem,
            "without": self._without,
            "newest": {name: shown for name, shown in found.items() if shown},
        }

    def _look(self) -> None:
        """Begin with the last cut that was numbered, once the journal has it."""
        cut = tuple(shard.snapshot_numbered() for shard in self._shards)
        is_new = all(new > old for new, old in zip(cut, self._done, strict=True))
        if not is_new or (cut == self._failed and time.monotonic() < self._not_before_s):
            return
        if any(shard.commands.last_sequence < number for shard, number in zip(self._shards, cut, strict=True)):
            return
        processes = [f"matcher.{shard}" for shard in range(len(self._shards))]
        gateways = tuple(f"gateway.{number}" for number in range(self._settings.gateways))
        self._cut, self._events, self._told_until_s = cut, (), 0.0
        self._left = [*((name,) for name in (*processes, "riskd") if not self._has(name)), gateways]

    def _is_there(self, processes: tuple[str, ...]) -> bool:
        """Is there what their follower needs? Gateways that are not as far as the cut are left out in the end."""
        if processes[0].startswith("matcher"):
            return True
        self._events = self._events or self._last_events()
        if len(self._events) < len(self._shards):
            self._fail("a matcher has no snapshot of the cut")
            return False
        if any(shard.events.last_sequence < event for shard, event in zip(self._shards, self._events, strict=True)):
            return False
        return processes == ("riskd",) or self._have_told(processes)

    def _have_told(self, gateways: tuple[str, ...]) -> bool:
        of_shards = list(zip(self._shards, self._events, strict=True))
        told = tuple(name for name in gateways if all(shard.has_read(name, event) for shard, event in of_shards))
        now_s = time.monotonic()
        self._told_until_s = self._told_until_s or now_s + TOLD_WITHIN_S
        if told != gateways and now_s < self._told_until_s:
            return False
        self._without = [name for name in gateways if name not in told]
        if self._without:
            self._logger.warning("no snapshot of gateways that have not told of all events", gateways=self._without)
        self._left = [told] if told else []
        if not told:
            self._end()
        return bool(told)

    def _start(self, processes: tuple[str, ...]) -> None:
        room = processes[0].partition(".")[0]
        task = Task(processes, self._cut, self._events, self._settings, os.getpid(), tuple(_cores(self._settings)))
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", f"{room}.follow"], env=with_rooms(), stdin=subprocess.PIPE
            )
            assert self._process.stdin is not None
            with suppress(BrokenPipeError):
                self._process.stdin.write(task.to_json())
                self._process.stdin.close()
        except OSError as error:
            self._fail(f"no follower can be started: {error}")

    def _bury(self, status: int) -> None:
        self._process = None
        if status:
            self._fail(f"the follower of {', '.join(self._left[0])} ended with status {status}")
            return
        del self._left[0]
        if not self._left:
            self._end()

    def _end(self) -> None:
        self._done, self._cut = self._cut, ()
        self._failed, self._problem, self._retry_s = (), "", RETRY_S_MIN

    def _fail(self, problem: str) -> None:
        self._logger.error("no snapshot", problem=problem, commands=list(self._cut), again_in_s=self._retry_s)
        self._failed, self._problem, self._cut, self._left = self._cut, problem, (), []
        self._not_before_s = time.monotonic() + self._retry_s
        self._retry_s = min(2 * self._retry_s, RETRY_S_MAX)

    def _last_events(self) -> Numbers:
        """As the matchers' snapshots of the cut say; of fewer shards where one is missing."""
        found = []
        for shard, command in enumerate(self._cut):
            found += [head.events[0] for head, _ in self._heads(f"matcher.{shard}") if head.commands[0] == command][:1]
        return tuple(found)

    def _has(self, process: str) -> bool:
        """Is there a snapshot of just the cut?"""
        shards = range(len(self._cut)) if process == "riskd" else [int(process.partition(".")[2])]
        wanted = [self._cut[shard] for shard in shards]
        return any([head.commands[place_of(process, k)] for k in shards] == wanted for head, _ in self._heads(process))

    def _newest(self, process: str) -> Numbers:
        count = len(self._shards)
        return next((head.commands[:count] for head, _ in self._heads(process)), (0,) * count)

    def _shown(self, process: str) -> dict[str, Any]:
        count = 1 if process.startswith("matcher") else len(self._shards)
        for head, size in self._heads(process):
            known = {"commands": list(head.commands[:count]), "events": list(head.events[:count])}
            return {**known, "bytes": size, "time_ns": head.time_ns}
        return {}

    def _heads(self, process: str) -> list[tuple[Head, int]]:
        """Of the snapshots of this data folder, newest first, what they say of themselves, and their bytes."""
        found = []
        for path in snapshots(snapshot_folder(self._settings.data, process)):
            with suppress(SnapshotDamaged, OSError):
                head = read_head(path)
                found += [(head, path.stat().st_size)] if head.epoch == self._epoch else []
        return found


def _cores(settings: Settings) -> set[int]:
    """Where followers run: not on the processors that belong to those who trade, if there are others."""
    everywhere = set(range(os.cpu_count() or 1)) if settings.cores("persister") else os.sched_getaffinity(0)
    trading = {core for name in settings.processes() if name != "persister" for core in settings.cores(name)}
    return everywhere - trading - set(settings.cores("persister")) or everywhere - trading or everywhere
