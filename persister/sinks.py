"""Where rows go. The embedded SQLite here; PostgreSQL, which is fed by COPY, in ``persister.sink_postgres``."""

import sqlite3
from dataclasses import dataclass
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, make_url

from persister.placement import Array
from persister.rows import Columns
from persister.tables import ADD, HIGH, KEEP, LOW, MERGE, PROGRESS

BUSY_TIMEOUT_S: Final = 1.0
"""How long a statement waits for another program that has locked SQLite's file, or a table of a server's, before the attempt
counts as failed."""
_PRAGMAS: Final = ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -16384", "temp_store = MEMORY")
"""WAL lets others read while rows come in. NORMAL syncs at checkpoints alone: what a power cut takes is taken back as
a whole, progress with it, and the journal has it. 16 MB of cache: from there to 256 MB the rate stayed within a
tenth."""
_SERVER: Final = {
    "connect_timeout": 3,
    "application_name": "pinion",
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,
}
"""A server that is cut off without a word is noticed within seconds."""

ORDER_KEY: Final = ("shard", "order_id")
ADDED_TO_ORDERS: Final = ("executed",)


@dataclass(frozen=True)
class Work:
    """A piece of a transaction, ready to be sent: ``rows`` as the driver of this sink takes them."""

    statement: Any
    rows: Any
    then: str = ""
    """A statement that follows."""


class Sink:
    """Writes rows through one connection, inside the caller's transaction. This one speaks SQLite.

    ``insert``, ``merge``, ``update_orders`` and ``put`` prepare work and touch no connection, so they may run in another
    thread; None: nothing to do. ``do`` does it.
    """

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def insert(self, table: Table, columns: Columns) -> Work | None:
        """New rows, one a place of the columns."""
        places = ", ".join("?" * len(columns))
        return _work(f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({places})", columns)  # noqa: S608 - our names

    def merge(self, table: Table, columns: Columns) -> Work | None:
        """Rows that are new, or that change those of the same key as the table says (``MERGE``)."""
        places = ", ".join("?" * len(columns))
        head = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - our own names
        return _work(f"{head} {on_conflict(table)}", columns)

    def update_orders(self, shard: int, columns: Columns) -> Work | None:
        """New values in the rows of these orders, which are there."""
        changed = ", ".join(
            f"{name} = {name} + ?" if name in ADDED_TO_ORDERS else f"{name} = ?" for name in columns if name != "order_id"
        )
        statement = f"UPDATE orders SET {changed} WHERE order_id = ? AND shard = {int(shard)}"  # noqa: S608 - our own names
        last = {name: columns[name] for name in columns if name != "order_id"} | {"order_id": columns["order_id"]}
        return _work(statement, last)

    def put(self, table: Table, rows: list[dict[str, Any]]) -> Work | None:
        """A few rows, in place of those of the same keys."""
        if not rows:
            return None
        statement = self._insert(table)
        keys = [column.name for column in table.primary_key.columns]
        changed = {name: statement.excluded[name] for name in rows[0] if name not in keys}
        statement = statement.on_conflict_do_update(index_elements=keys, set_=changed)
        return Work(statement, rows)

    def do(self, work: Work) -> None:
        """Send it."""
        if isinstance(work.statement, str):
            self.connection.exec_driver_sql(work.statement, work.rows)
        else:
            self.connection.execute(work.statement, work.rows)

    def put_progress(self, shard: int, epoch: int, sequences: dict[str, int]) -> None:
        """The rows hold the shard's streams up to these sequences."""
        rows = ", ".join(f"({int(shard)}, '{stream}', {int(last)}, {int(epoch)})" for stream, last in sequences.items())
        head = f"INSERT INTO progress (shard, stream, sequence, epoch) VALUES {rows}"  # noqa: S608 - our own names
        self.connection.exec_driver_sql(f"{head} {on_conflict(PROGRESS)}")

    def _insert(self, table: Table) -> Any:
        return sqlite.insert(table)


def _work(statement: str, columns: Columns) -> Work | None:
    rows = list(zip(*map(_plain, columns.values()), strict=True))
    return Work(statement, rows) if rows else None


def _plain(column: Array) -> list[Any]:
    return [each.decode() for each in column.tolist()] if column.dtype.kind == "S" else column.tolist()


def on_conflict(table: Table) -> str:
    """What happens to a row that is there, in the words that SQLite and PostgreSQL share."""
    keys = [column.name for column in table.primary_key.columns]
    words = {
        "": "excluded.{0}",
        ADD: "{1}.{0} + excluded.{0}",
        HIGH: "CASE WHEN excluded.{0} > {1}.{0} THEN excluded.{0} ELSE {1}.{0} END",
        LOW: "CASE WHEN excluded.{0} < {1}.{0} THEN excluded.{0} ELSE {1}.{0} END",
    }
    changed = [
        f"{column.name} = {words[column.info.get(MERGE, '')].format(column.name, table.name)}"
        for column in table.columns
        if column.name not in keys and column.info.get(MERGE) != KEEP
    ]
    return f"ON CONFLICT ({', '.join(keys)}) DO UPDATE SET {', '.join(changed)}"


def open_engine(url: str) -> Engine:
    """An engine for ``url``, set up for one writer. Nothing is connected yet."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _set_pragmas)
        return engine
    engine = create_engine(parsed, connect_args=_SERVER)
    event.listen(engine, "connect", _set_lock_timeout)
    return engine


def make_sink(connection: Connection) -> Sink:
    """The sink for what ``connection`` is connected to."""
    if connection.dialect.name == "sqlite":
        return Sink(connection)
    from persister.sink_postgres import PostgresSink

    return PostgresSink(connection)


def shown(url: str | URL) -> str:
    """The URL without its password."""
    return make_url(url).render_as_string(hide_password=True)


def _set_pragmas(connection: sqlite3.Connection, _: Any) -> None:
    for pragma in _PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")


def _set_lock_timeout(connection: Any, _: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(f"SET lock_timeout = {int(BUSY_TIMEOUT_S * 1000)}")
    connection.commit()
