"""How fast the journal gets into PostgreSQL, beside what PostgreSQL can do at most.

Goal: rows a second of the persister's own loader, from the journal's files to commits in the server, beside a bare binary
COPY, by one connection, of the very same rows into the same tables with the same indexes; in turns, against one server. A
row counts once, however often it is changed: changes of orders and sums cost the loader time and gain it nothing. Not a
goal: the server's best settings.
"""

import io
import statistics
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from bench.postgres import Postgres
from persister.loader import Loader
from persister.schema import upgrade
from persister.sinks import open_engine
from persister.tables import METADATA

SERVER: Final = ("shared_buffers=256MB", "max_wal_size=4GB")
BATCH_ROWS: Final = 50_000
"""As ``database.batch_rows`` unless the settings say otherwise."""
PIECE_BYTES: Final = 1 << 20


def run(url: str | None, data: Path, epoch: int, rounds: int, told: Callable[[], None]) -> dict[str, Any]:
    """Figures of the journal in ``data`` into the empty database at ``url``, or into one of a server of its own.

    ``told`` is called after each of ``2 * rounds + 1`` steps. Raises FileNotFoundError without a PostgreSQL server,
    SQLAlchemyError when the database fails, ValueError when it is not empty.
    """
    with _database(url) as address:
        engine = open_engine(address)
        try:
            with engine.connect() as connection:
                return _measure(connection, data, epoch, rounds, told)
        finally:
            engine.dispose()


def _measure(connection: sa.Connection, data: Path, epoch: int, rounds: int, told: Callable[[], None]) -> dict[str, Any]:
    with connection.begin():
        if sa.inspect(connection).get_table_names():
            raise ValueError("the database is not empty: name one that may be lost")
        upgrade(connection)
    followed, copied = [], []
    _follow(connection, data, epoch)  # a fresh server makes the files of its log as it goes: not timed
    told()
    for _ in range(rounds):
        _empty(connection)
        seconds, events = _follow(connection, data, epoch)
        followed.append(seconds)
        told()
        rows = _rows(connection)
        copied.append(_copy(connection))
        told()
        assert _rows(connection) == rows, "the copy holds what was copied"
    count = sum(rows.values())
    best = {"rows_per_s": count / statistics.median(followed), "copy_rows_per_s": count / statistics.median(copied)}
    return {
        "rows": count,
        "events": events,
        **{name: round(value) for name, value in best.items()},
        "ratio": round(best["rows_per_s"] / best["copy_rows_per_s"], 3),
        "events_per_s": round(events / statistics.median(followed)),
        "runs_rows_per_s": [round(count / seconds) for seconds in followed],
        "runs_copy_rows_per_s": [round(count / seconds) for seconds in copied],
        "rows_by_table": rows,
    }


def _follow(connection: sa.Connection, data: Path, epoch: int) -> tuple[float, int]:
    """Seconds, and how many events."""
    from shm.journal import JournalReader, Stream, stream_folder
    from shm.journal_plain import walk_unchecked
    from shm.records import EVENT

    events = sum(map(len, JournalReader(stream_folder(data, Stream.EVENTS, 0), EVENT, 0, walk_unchecked)))
    loader = Loader(connection, data, 1, epoch)
    started = time.perf_counter()
    while loader.step(loader.feeds[0], events, BATCH_ROWS):
        pass
    seconds = time.perf_counter() - started
    loader.close()
    return seconds, events


def _copy(connection: sa.Connection) -> float:
    """Take every row out, empty the tables and put them back: seconds of the last."""
    saved = {table.name: io.BytesIO() for table in METADATA.sorted_tables}
    for name, into in saved.items():
        _expert(connection, f"COPY {name} TO STDOUT WITH (FORMAT BINARY)", into)
    _empty(connection)
    seconds = 0.0
    for name, held in saved.items():
        held.seek(0)
        started = time.perf_counter()
        _expert(connection, f"COPY {name} FROM STDIN WITH (FORMAT BINARY)", held)
        seconds += time.perf_counter() - started
    return seconds


def _expert(connection: sa.Connection, statement: str, stream: io.BytesIO) -> None:
    """A COPY in a transaction of its own."""
    with connection.begin():
        cursor: Any = connection.connection.cursor()
        cursor.copy_expert(statement, stream, PIECE_BYTES)
        cursor.close()


def _rows(connection: sa.Connection) -> dict[str, int]:
    with connection.begin():
        return {
            table.name: int(connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one())
            for table in METADATA.sorted_tables
        }


def _empty(connection: sa.Connection) -> None:
    with connection.begin():
        connection.exec_driver_sql(f"TRUNCATE {', '.join(table.name for table in METADATA.sorted_tables)}")


@contextmanager
def _database(url: str | None) -> Iterator[str]:
    if url is not None:
        yield url
        return
    server = Postgres(SERVER)
    try:
        server.start()
        yield server.url
    finally:
        server.close()
