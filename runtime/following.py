"""A follower: a process that makes the state of another out of the journal up to a cut, writes it down as a snapshot, and ends.

A state is a function of the journal, and whoever starts again makes it so: from the newest snapshot, and what the journal has
after it. A follower does just that, up to the cut, while those who trade know nothing of it. The persister starts it
(``persister/followers.py``) as ``python -m ROOM.follow``, with its task on standard input. It dies with the persister, gives
way to everybody, and is the first to go when memory runs out.
"""

import contextlib
import ctypes
import faulthandler
import json
import os
import platform
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Self

from runtime import logs
from runtime.faults import EnvironmentFault, FaultStatus
from runtime.lifecycle import guard
from runtime.settings import SECTIONS, Settings
from shm.journal import JournalDamaged

PR_SET_PDEATHSIG: Final = 1
NICENESS: Final = 10
SLICE_NS: Final = 100_000
"""For so long a follower may run before somebody who wakes on its core gets it: the system's own is some 3 ms, which a client
would see."""
OOM_SCORE: Final = 500
_SCHED_SETATTR: Final = {"x86_64": 314, "aarch64": 274}
PLAIN: Final = ("instance", "matchers", "gateways", "durability")
PASSED: Final = ("gateway", "rings", "pools", "snapshots", "log", "control")
"""Of the settings, what a follower needs: no account, no database."""


@dataclass(frozen=True)
class Task:
    """The state of ``processes``, which is the same for all of them, after ``commands`` and ``events`` of each shard. What
    they do not say, because the follower is to find it out, is empty."""

    processes: tuple[str, ...]
    commands: tuple[int, ...]
    events: tuple[int, ...]
    settings: Settings
    parent: int
    """The process id of who started it."""
    cores: tuple[int, ...]
    """Where it may run."""

    def to_json(self) -> bytes:
        """For standard input."""
        settings: dict[str, Any] = {name: getattr(self.settings, name) for name in PLAIN}
        settings |= {name: str(getattr(self.settings, name)) for name in ("data", "run")}
        settings |= {name: asdict(getattr(self.settings, name)) for name in PASSED}
        rest = {name: getattr(self, name) for name in ("processes", "commands", "events", "parent", "cores")}
        return json.dumps({**rest, "settings": settings}).encode()

    @classmethod
    def from_json(cls, text: bytes) -> Self:
        """What ``to_json`` said."""
        said = json.loads(text)
        given = said.pop("settings")
        given |= {name: SECTIONS[name](**_with_tuples(given[name])) for name in PASSED}
        given |= {name: Path(given[name]) for name in ("data", "run")}
        lists = {name: tuple(said[name]) for name in ("processes", "commands", "events", "cores")}
        return cls(**lists, settings=Settings(**given), parent=said["parent"])


def _with_tuples(values: dict[str, Any]) -> dict[str, Any]:
    """JSON knows lists alone."""
    return {name: tuple(value) if isinstance(value, list) else value for name, value in values.items()}


def run(follow: Callable[[Task], None]) -> None:
    """The whole life of a follower. Ends the process: 0 says that the snapshot is there, anything else that the log says why
    it is not."""
    task = Task.from_json(sys.stdin.buffer.read())
    step_aside(task)
    logs.configure(task.settings.log.format, task.settings.log.level)
    faulthandler.enable()
    status = guard(f"follower of {', '.join(task.processes)}", lambda: _guarded(follow, task))
    os._exit(status)  # all is on disk: taking the interpreter apart would only cost time


def _guarded(follow: Callable[[Task], None], task: Task) -> None:
    try:
        follow(task)
    except JournalDamaged as damage:
        raise EnvironmentFault(f"no snapshot: {damage}", FaultStatus.DAMAGED) from damage
    except OSError as error:
        raise EnvironmentFault(f"no snapshot: {error}", FaultStatus.INPUT_OUTPUT) from error


def step_aside(task: Task) -> None:
    """On a leash, deaf to what the parent is told, and in nobody's way."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != task.parent:
        os._exit(1)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, task.cores)
    with contextlib.suppress(OSError), open("/proc/self/oom_score_adj", "w", encoding="ascii") as file:
        file.write(str(OOM_SCORE))
    _give_way(os.nice(NICENESS))


class _Attributes(ctypes.Structure):
    """Linux's ``sched_attr``. Since 6.12 ``runtime_ns`` is the slice of an ordinary process; before, it says nothing."""

    _fields_ = (
        ("size", ctypes.c_uint32),
        ("policy", ctypes.c_uint32),
        ("flags", ctypes.c_uint64),
        ("nice", ctypes.c_int32),
        ("priority", ctypes.c_uint32),
        ("runtime_ns", ctypes.c_uint64),
        ("deadline_ns", ctypes.c_uint64),
        ("period_ns", ctypes.c_uint64),
    )


def _give_way(nice: int) -> None:
    """Run in short slices, where the system knows how; a follower that cannot is only a worse neighbour."""
    number = _SCHED_SETATTR.get(platform.machine())
    if number is not None:
        wanted = _Attributes(ctypes.sizeof(_Attributes), os.SCHED_OTHER, 0, nice, 0, SLICE_NS, 0, 0)
        ctypes.CDLL(None).syscall(number, 0, ctypes.byref(wanted), 0)


def with_rooms() -> dict[str, str]:
    """The environment in which a child finds the rooms where this process found them."""
    rooms = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (rooms, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path}
