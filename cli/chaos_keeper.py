"""The processes of an exchange under chaos: struck down by signals and full disks, started again as a service manager would."""

import contextlib
import os
import resource
import signal
import time
from collections import Counter, deque
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import IO, Final

from cli.chaos_plan import DATABASE, FULL, POWER, STOP, Strike
from cli.child import Change
from cli.cluster import Cluster, remove_segments

RESTART_DELAY_S: Final = 0.1
LINES_KEPT: Final = 30
POLL_S: Final = 0.02
PRECISE_S: Final = 0.003
"""The last so much of a wait is slept through at once."""


class Keeper:
    """Looks after ``cluster``, whose children's lines go to files in ``logs`` and end up in ``tail``.

    ``violations`` are ends that nobody caused; ``done`` counts what was done to whom.
    """

    def __init__(self, cluster: Cluster, logs: Path) -> None:
        self.cluster = cluster
        self.violations: list[str] = []
        self.done: Counter[str] = Counter()
        self._logs: dict[str, IO[str]] = {name: (logs / f"{name}.log").open("a", buffering=1) for name in cluster.names}
        self._tails: dict[str, deque[str]] = {name: deque(maxlen=LINES_KEPT) for name in cluster.names}
        self._killed: set[int] = set()
        self._due: dict[str, float] = {}
        self._delays_s: dict[str, float] = {}
        self._endings: list[tuple[float, Callable[[], object]]] = []
        self._limits: tuple[int, int] | None = None

    @property
    def calm(self) -> bool:
        """Is every process ready, none stopped, and is there room on the disk?"""
        children = [self.cluster.children[name] for name in self.cluster.names]
        return not self._due and not self._endings and all(each.ready and each.pid not in self._killed for each in children)

    def tail(self, name: str) -> str:
        """The last lines that a process wrote."""
        return "".join(f"\n  {name} | {line}" for line in self._tails[name])

    def wait(self, seconds: float) -> None:
        """Look after the processes for so long, to the fraction of a millisecond."""
        end = time.monotonic() + seconds
        while (left := end - time.monotonic()) > PRECISE_S:
            self.poll(min(left - PRECISE_S, POLL_S))
        time.sleep(max(0.0, end - time.monotonic()))

    def wait_until(self, condition: Callable[[], bool], within_s: float) -> bool:
        """Look after the processes until ``condition`` holds; False when it does not ``within_s``."""
        end = time.monotonic() + within_s
        while not condition():
            if time.monotonic() > end:
                return False
            self.poll(POLL_S)
        return True

    def poll(self, timeout_s: float) -> None:
        """Hear the processes, start those that are due, let go on those that were stopped long enough."""
        now_s = time.monotonic()
        wakes = [*self._due.values(), *(at for at, _ in self._endings)]
        until_s = max(0.0, min([timeout_s, *(at - now_s for at in wakes)]))
        for change in self.cluster.poll(until_s):
            self._hear(change)
        self._end_due()
        now_s = time.monotonic()
        for name in [name for name, due_s in self._due.items() if due_s <= now_s]:
            del self._due[name]
            self.cluster.start([name])

    def strike(self, strike: Strike) -> None:
        """Let it fall, now."""
        if strike.what == FULL:
            self._fill(strike)
            return
        pids = {victim: pid for victim in strike.victims if (pid := self._pid(victim)) is not None}
        if strike.what == STOP:
            self.done["stops"] += _send(pids.values(), signal.SIGSTOP)
            self._later(strike, lambda: _send(pids.values(), signal.SIGCONT))
            return
        self._killed.update(pids.values())
        self._delays_s.update(dict.fromkeys(pids, strike.lasts_us / 1e6))
        self.done["kills"] += _send(pids.values(), signal.SIGKILL)
        if strike.what == POWER:
            self._lose_memory()

    def end_strikes(self) -> None:
        """Whatever lasts ends now."""
        self._endings = [(0.0, end) for _, end in self._endings]
        self._end_due()

    def close(self) -> None:
        """Let go on what is stopped, and close the logs. The cluster's children are left to it."""
        self.end_strikes()
        for log in self._logs.values():
            log.close()

    def _lose_memory(self) -> None:
        """Once all are gone, and before any is started again."""
        while self.cluster.running():
            for change in self.cluster.poll(POLL_S):
                self._hear(change)
        remove_segments(self.cluster.settings.instance)
        self.done["power_losses"] += 1

    def _hear(self, change: Change) -> None:
        if change.what == "line":
            self._logs[change.name].write(change.text + "\n")
            self._tails[change.name].append(change.text)
        elif change.what == "exit":
            self._bury(change)

    def _bury(self, change: Change) -> None:
        child = self.cluster.children[change.name]
        if child.pid in self._killed and child.status == -signal.SIGKILL:
            delay_s = self._delays_s.pop(change.name, RESTART_DELAY_S)
        else:
            delay_s = RESTART_DELAY_S
            self.violations.append(f"{change.name} ended by itself: {change.text}{self.tail(change.name)}")
        self._due[change.name] = time.monotonic() + delay_s

    def _pid(self, victim: str) -> int | None:
        """None for a process that is not there just now."""
        if victim == DATABASE:
            return database_pid(self._pid("persister"))
        child = self.cluster.children[victim]
        return child.pid if child.status is None else None

    def _fill(self, strike: Strike) -> None:
        """The persister, its children too, may write nothing beyond ``file_bytes`` of any file: as of a quota."""
        pid = self._pid("persister")
        if pid is None or self._limits is not None:
            return
        self._limits = resource.prlimit(pid, resource.RLIMIT_FSIZE)
        with contextlib.suppress(ProcessLookupError):
            resource.prlimit(pid, resource.RLIMIT_FSIZE, (strike.file_bytes, self._limits[1]))
            self.done["full_disks"] += 1
        self._later(strike, lambda: self._make_room(pid))

    def _make_room(self, pid: int) -> None:
        """Also for a child that it has started meanwhile."""
        assert self._limits is not None
        limits, self._limits = self._limits, None
        for each in (pid, database_pid(pid)):
            with contextlib.suppress(ProcessLookupError):
                if each is not None:
                    resource.prlimit(each, resource.RLIMIT_FSIZE, limits)

    def _later(self, strike: Strike, end: Callable[[], object]) -> None:
        self._endings.append((time.monotonic() + strike.lasts_us / 1e6, end))

    def _end_due(self) -> None:
        now_s = time.monotonic()
        due = [end for at, end in self._endings if at <= now_s]
        self._endings = [(at, end) for at, end in self._endings if at > now_s]
        for end in due:
            end()


def database_pid(persister: int | None) -> int | None:
    """The process that fills the database: a child of the persister. None while there is none."""
    if persister is None:
        return None
    for folder in os.listdir("/proc"):
        if folder.isdigit() and _parent(folder) == persister:
            with contextlib.suppress(OSError):
                if b"persister.database_process" in Path(f"/proc/{folder}/cmdline").read_bytes():
                    return int(folder)
    return None


def _parent(pid: str) -> int:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _send(pids: Iterable[int], number: signal.Signals) -> int:
    """How many there still were."""
    sent = 0
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
            sent += 1
    return sent
