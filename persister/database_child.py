"""The database's process as the persister sees it: started, looked after, started again, ended."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

from persister.database_link import DatabaseLink, DatabaseState
from runtime.settings import Settings

URL_VARIABLE: Final = "PINION_DATABASE_URL"
"""Passes the URL on, since arguments are there for all to read and it may hold a password."""
BACKOFF_S_MIN: Final = 0.1
BACKOFF_S_MAX: Final = 10.0
GOOD_LIFE_S: Final = 30.0
"""A child that lived so long begins with the shortest wait again."""


class DatabaseChild:
    """Keeps one ``python -m persister.database_process`` alive. Trading never waits for anything in here."""

    def __init__(self, settings: Settings, logger: Any) -> None:
        self.link = DatabaseLink.make()
        self.starts = 0
        self._settings, self._logger = settings, logger
        self._process: subprocess.Popen[bytes] | None = None
        self._backoff_s, self._started_s, self._start_at_s = BACKOFF_S_MIN, 0.0, 0.0
        self._heard = 0
        self._state = DatabaseState.STARTING

    def tend(self) -> None:
        """Start the process if it is not there, and log what is new. Cheap: to be called some hundred times a
        second."""
        self._listen()
        now_s = time.monotonic()
        if self._process is not None and self._process.poll() is not None:
            self._bury(now_s)
        if self._process is None and now_s >= self._start_at_s:
            self._start(now_s)

    def finish(self, bound_s: float) -> bool:
        """Let the process reach the end of the journal, at most ``bound_s``, and end it. Whether it got there."""
        self._end(bound_s)
        self._listen()
        return self.link.backlog(self._settings.matchers) == 0

    def status(self) -> dict[str, Any]:
        """What the persister's status says about the database."""
        pid = self._process.pid if self._process is not None else None
        return {**self.link.as_dict(self._settings.matchers), "pid": pid, "starts": self.starts}

    def _start(self, now_s: float) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "persister.database_process", *arguments(self._settings, self.link.descriptor)],
            env=environment(self._settings),
            pass_fds=(self.link.descriptor,),
            stdin=subprocess.DEVNULL,
        )
        self._started_s = now_s
        self.starts += 1

    def _bury(self, now_s: float) -> None:
        assert self._process is not None
        if now_s - self._started_s >= GOOD_LIFE_S:
            self._backoff_s = BACKOFF_S_MIN
        self._logger.warning("database process ended", status=self._process.returncode, again_in_s=self._backoff_s)
        self._process, self._start_at_s = None, now_s + self._backoff_s
        self._backoff_s = min(2 * self._backoff_s, BACKOFF_S_MAX)

    def _listen(self) -> None:
        """Log a change of the database's state once, not every failed attempt."""
        generation = self.link.generation
        if generation == self._heard:
            return
        self._heard, before, self._state = generation, self._state, self.link.state
        backlog, text = self.link.backlog(self._settings.matchers), self.link.text
        if self._state in (DatabaseState.TROUBLE, DatabaseState.UNFIT):
            self._logger.error("database falls behind; trading goes on", problem=text, backlog=backlog)
        elif self._state is DatabaseState.FOLLOWING:
            recovered = before in (DatabaseState.TROUBLE, DatabaseState.UNFIT)
            self._logger.info("database is back" if recovered else "database follows", database=text, backlog=backlog)

    def _end(self, bound_s: float) -> None:
        """The process ends itself where the journal does. A transaction that is cut off leaves nothing: killing is
        safe."""
        self.link.ask_to_stop()
        if self._process is None:
            return
        try:
            self._process.wait(bound_s)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None


def arguments(settings: Settings, descriptor: int) -> list[str]:
    """The command line of the database's process, behind its module's name."""
    return [
        f"--data={settings.data}",
        f"--shards={settings.matchers}",
        f"--link={descriptor}",
        f"--parent={os.getpid()}",
        f"--batch-rows={settings.database.batch_rows}",
        f"--retry-s={settings.database.retry_s}",
        f"--avoid-cores={','.join(map(str, sorted(_cores_of_all(settings))))}",
    ]


def environment(settings: Settings) -> dict[str, str]:
    """The child's environment: ours, the URL, and the rooms where this process found them."""
    rooms = str(Path(__file__).resolve().parent.parent)
    path = os.pathsep.join(filter(None, (rooms, os.environ.get("PYTHONPATH"))))
    return {**os.environ, "PYTHONPATH": path, URL_VARIABLE: settings.database.url}


def _cores_of_all(settings: Settings) -> set[int]:
    """The processors that the settings pin anything to: the database keeps off them."""
    pinned: Iterable[tuple[int, ...]] = map(settings.cores, settings.processes())
    return {core for cores in pinned for core in cores}
