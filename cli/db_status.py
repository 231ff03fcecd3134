"""How each database is: schema, size, and how far it has followed the journal."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import sqlalchemy
from sqlalchemy.engine import make_url
from sqlalchemy.exc import SQLAlchemyError

from cli.output import Failure
from persister import schema
from persister.sinks import open_engine, shown
from persister.tables import PROGRESS
from runtime.settings import Settings
from shm.journal import JournalReader, Stream, segments, stream_folder
from shm.journal_plain import walk_unchecked
from shm.records import EVENT

__all__ = ["DatabaseStatus", "connected", "read", "require_schema", "shown", "sqlite_path", "upgraded"]


@dataclass
class DatabaseStatus:
    """One database. ``events`` and ``events_journaled``: shard → the last event in it, and in the journal."""

    database: str
    part: int
    wanted: str = schema.HEAD
    revision: str | None = None
    bytes: int = 0
    events: dict[str, int] = field(default_factory=dict)
    events_journaled: dict[str, int] = field(default_factory=dict)
    backlog: int = 0
    error: str = ""


def read(settings: Settings) -> list[DatabaseStatus]:
    """Of every database of the settings."""
    journaled = {str(shard): journal_end(settings.data, shard) for shard in range(settings.matchers)}
    found = []
    for part, url in enumerate(settings.database_urls):
        each = DatabaseStatus(shown(url), part, events_journaled=journaled)
        found.append(each)
        try:
            _look(url, each)
        except Failure as failure:
            each.error = failure.message.removeprefix(f"{each.database}: ")
        each.backlog = sum(max(0, last - each.events.get(shard, 0)) for shard, last in journaled.items())
    return found


def upgraded(url: str) -> tuple[str | None, str]:
    """The schema before, and after bringing it to this version's. Raises Failure."""
    with connected(url, make=True) as connection, connection.begin():
        before = schema.revision_of(connection)
        schema.upgrade(connection)
        return before, schema.revision_of(connection) or ""


@contextmanager
def connected(url: str, make: bool = False) -> Iterator[sqlalchemy.Connection]:
    """A connection. Raises Failure, in a sentence, for whatever goes wrong in it; ``make``: SQLite's file need not be there."""
    path = sqlite_path(url)
    if path is not None and not path.exists() and not make:
        raise Failure(f"{shown(url)}: there is no such file; the persister makes it")
    engine = open_engine(url)
    try:
        with engine.connect() as connection:
            yield connection
    except SQLAlchemyError as error:
        words = str(getattr(error, "orig", None) or error).strip().partition("\n")[0]
        raise Failure(f"{shown(url)}: {words}") from error
    finally:
        engine.dispose()


def require_schema(connection: sqlalchemy.Connection) -> None:
    """Raise Failure unless the database has this version's schema."""
    revision = schema.revision_of(connection)
    if revision != schema.HEAD:
        name = shown(connection.engine.url)
        raise Failure(f"{name}: is at schema {revision or 'none'}, not {schema.HEAD}: pinion db upgrade")


def sqlite_path(url: str) -> Path | None:
    """The file of a SQLite database; None for a server's."""
    parsed = make_url(url)
    return Path(parsed.database or "") if parsed.get_backend_name() == "sqlite" else None


def journal_end(data: Path, shard: int) -> int:
    """The last event in a shard's journal; only its last file is read."""
    folder = stream_folder(data, Stream.EVENTS, shard)
    files = segments(folder)
    if not files:
        return 0
    reader = JournalReader(folder, EVENT, files[-1][0] - 1, walk_unchecked)
    for _ in reader:
        pass
    return reader.last_sequence


def progress_of(connection: sqlalchemy.Connection) -> dict[str, int]:
    """``shard/stream`` → how far it reaches."""
    rows = connection.execute(sqlalchemy.select(PROGRESS).order_by(PROGRESS.c.shard, PROGRESS.c.stream))
    return {f"{row.shard}/{row.stream}": int(row.sequence) for row in rows}


def _look(url: str, found: DatabaseStatus) -> None:
    with connected(url) as connection, connection.begin():
        found.revision = schema.revision_of(connection)
        found.bytes = _bytes_of(url, connection)
        if found.revision is not None:
            reached = progress_of(connection).items()
            found.events = {key.partition("/")[0]: last for key, last in reached if key.endswith(Stream.EVENTS.name.lower())}


def _bytes_of(url: str, connection: sqlalchemy.Connection) -> int:
    path = sqlite_path(url)
    if path is not None:
        return sum(each.stat().st_size for each in (path, path.with_name(f"{path.name}-wal")) if each.exists())
    found: Any = connection.exec_driver_sql("SELECT pg_database_size(current_database())").scalar()
    return int(found)
