"""The database's process as the persister sees it: started, looked after, started again, ended."""

import os
import subprocess
import sys
import time
from collections.abc import Iterable
from typing import Any, Final

from persister.database_link import DatabaseLink, DatabaseState
from runtime.following import with_rooms
from runtime.settings import Settings

URL_VARIABLE: Final = "PINION_DATABASE_URL"
"""Passes the URL on, since arguments are there for all to read and it may hold a password."""
BACKOFF_S_MIN: Final = 0.1
BACKOFF_S_MAX: Final = 10.0
PROGRESS_INTERVAL_S: Final = 5.0
"""How often it is said how far a database has caught up."""
GOOD_LIFE_S: Final = 30.0
"""A child that lived so long begins with the shortest wait again."""


class DatabaseChild:
    """Keeps one ``python -m persister.database_process`` alive. Trading never waits for anything in here."""

    def __init__(self, settings: Settings, logger: Any, part: int = 0) -> None:
        """``part``: which of ``settings.database_urls`` it fills."""
        self.link = DatabaseLink.make()
        self.starts = 0
        self._settings, self._part = settings, part
        self._logger = logger if len(settings.database_urls) == 1 else logger.bind(part=part)
        self._process: subprocess.Popen[bytes] | None = None
        self._backoff_s, self._started_s, self._start_at_s = BACKOFF_S_MIN, 0.0, 0.0
        self._heard = 0
        self._state = DatabaseState.STARTING
        self._progress = Progress(settings.matchers, 2 * settings.database.batch_rows)

    def tend(self) -> None:
        """Start the process if it is not there, and log what is new. Cheap: to be called some hundred times a
        second."""
        self._listen()
        now_s = time.monotonic()
        if self._process is not None and self._process.poll() is not None:
            self._bury(now_s)
        if self._process is None and now_s >= self._start_at_s:
            self._start(now_s)
        if said := self._progress.look(self.link, now_s):
            self._logger.info(said[0], **said[1])

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
            [sys.executable, "-m", "persister.database_process", *arguments(self._settings, self.link.descriptor, self._part)],
            env=environment(self._settings, self._part),
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


class Progress:
    """Of a database that is far behind, such as one that was down or is new: how far it has got, every few seconds."""

    def __init__(self, shards: int, far: int) -> None:
        """``far``: a backlog (of events) below it is nothing to talk about."""
        self._shards, self._far = shards, far
        self._look_at_s, self._before = 0.0, (0.0, 0)
        self._is_far = False

    def look(self, link: DatabaseLink, now_s: float) -> tuple[str, dict[str, Any]] | None:
        """What to log, if anything."""
        if now_s < self._look_at_s:
            return None
        self._look_at_s = now_s + PROGRESS_INTERVAL_S
        backlog, done = link.backlog(self._shards), sum(map(link.events_done, range(self._shards)))
        was_far, self._is_far = self._is_far, backlog > self._far
        if not self._is_far:
            return ("database has caught up", {"backlog": backlog}) if was_far else None
        then_s, done_then = self._before
        if was_far and done == done_then:  # not even one transaction since: look again later
            return None
        self._before = (now_s, done)
        if not was_far or done < done_then:
            return None
        per_s, percent = (done - done_then) / (now_s - then_s), 100 * done // (done + backlog)
        left = {"percent": percent, "events_per_s": round(per_s), "seconds_left": round(backlog / per_s)}
        return "database catches up", {"backlog": backlog, **left}


def arguments(settings: Settings, descriptor: int, part: int) -> list[str]:
    """The command line of the database's process, behind its module's name."""
    return [
        f"--data={settings.data}",
        f"--shards={settings.matchers}",
        f"--link={descriptor}",
        f"--part={part}",
        f"--parts={len(settings.database_urls)}",
        f"--parent={os.getpid()}",
        f"--batch-rows={settings.database.batch_rows}",
        f"--retry-s={settings.database.retry_s}",
        f"--avoid-cores={','.join(map(str, sorted(_cores_of_all(settings))))}",
    ]


def environment(settings: Settings, part: int) -> dict[str, str]:
    """The child's environment: ours, the URL, and the rooms where this process found them."""
    return {**with_rooms(), URL_VARIABLE: settings.database_urls[part]}


def _cores_of_all(settings: Settings) -> set[int]:
    """The processors that the settings pin anything to: the database keeps off them."""
    pinned: Iterable[tuple[int, ...]] = map(settings.cores, settings.processes())
    return {core for cores in pinned for core in cores}
