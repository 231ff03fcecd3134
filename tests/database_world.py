"""A data folder with a journal that grows, and the database's process that follows it; the log that it would write."""

from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from conftest import Place
from journal_writing import write_records
from persister.database_child import DatabaseChild
from persister.database_link import DatabaseState
from persister.tables import METADATA
from persister_rig import settings_of
from runtime.epoch import make_epoch
from shm.journal import Stream
from trading_story import Rows, Story
from waiting import wait_until


class Log:
    """Keeps what is logged."""

    def __init__(self) -> None:
        self.lines: list[tuple[str, str, dict[str, Any]]] = []

    def __getattr__(self, level: str) -> Callable[..., None]:
        return lambda text, **fields: self.lines.append((level, text, fields))

    def bind(self, **fields: Any) -> "Log":
        return self

    def texts(self, level: str) -> list[str]:
        return [text for found, text, _ in self.lines if found == level]


class World:
    """A data folder with a growing journal, and the child that follows it."""

    def __init__(self, place: Place, url: str = "", **sections: Any) -> None:
        if url:
            sections["database_url"] = url
        self.settings = settings_of(place, database_retry_s=0.05, **sections)
        self.epoch = make_epoch(self.settings.data)
        self.log = Log()
        self.child = DatabaseChild(self.settings, self.log)
        self.story = Story(1)
        self._written = (0, 0)

    def grow(self, count: int) -> None:
        """More trading, journaled, and the child may read it."""
        commands, events = self.story.grow(count).arrays()
        for stream, made, done in zip(Stream, (commands, events), self._written, strict=True):
            write_records(self.settings.data, stream, 0, made[done:], 20, self.epoch)
        self._written = (len(commands), len(events))
        self.child.link.allow(0, *self._written)

    def wait_for(self, condition: Callable[[], Any], what: str, timeout_s: float = 30) -> None:
        def tended() -> Any:
            self.child.tend()
            return condition()

        wait_until(tended, timeout_s, what)

    def wait_for_end(self) -> None:
        self.wait_for(lambda: self.child.link.backlog(1) == 0, "the end of the journal")

    def wait_for_state(self, state: DatabaseState) -> None:
        self.wait_for(lambda: self.child.status()["state"] == state.name.lower(), state.name)

    @property
    def pid(self) -> int:
        return int(self.child.status()["pid"] or 0)

    def assert_rows_are_the_journals(self) -> None:
        wanted = Rows().add(0, *self.story.arrays())
        engine = sa.create_engine(self.settings.database.url)
        with engine.connect() as connection:
            for name, want in wanted.tables().items():
                found = [tuple(row) for row in connection.execute(sa.select(METADATA.tables[name]))]
                assert len(found) == len(want), name
                assert set(found) == want, name
        engine.dispose()
