"""Where rows go. The embedded SQLite here; PostgreSQL, which is fed by COPY, in ``persister.sink_postgres``."""

import sqlite3
from typing import Any, Final

from sqlalchemy import Connection, Engine, Table, create_engine, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.engine import URL, make_url

from persister.positions import Position
from persister.rows import Columns
from persister.tables import POSITIONS, PROGRESS

BUSY_TIMEOUT_S: Final = 1.0
"""How long a statement waits for another program that has locked the database, before the attempt counts as failed."""
_PRAGMAS: Final = ("journal_mode = WAL", "synchronous = NORMAL", "cache_size = -16384", "temp_store = MEMORY")
"""WAL lets others read while rows come in. NORMAL syncs at checkpoints alone: what a power cut takes is taken back as
a whole, progress with it, and the journal has it. 16 MB of cache: from there to 256 MB the rate stayed within a
tenth."""

_STATE_COLUMNS: Final = ("executed", "leaves", "status", "reason", "updated_ns", "event_sequence")
_UPDATE_STATES: Final = (
    "UPDATE orders SET executed = executed + ?, leaves = ?, status = ?, reason = ?, updated_ns = ?, event_sequence = ? "
    "WHERE shard = ? AND order_id = ?"
)
_UPDATE_TERMS: Final = "UPDATE orders SET price = ?, quantity = ? WHERE shard = ? AND order_id = ?"


class Sink:
    """Writes rows through one connection, inside the caller's transaction. This one speaks SQLite."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def insert(self, table: Table, columns: Columns) -> None:
        """New rows, one a place of the columns."""
        places = ", ".join("?" * len(columns))
        statement = f"INSERT INTO {table.name} ({', '.join(columns)}) VALUES ({places})"  # noqa: S608 - our own names
        self._many(statement, list(columns.values()))

    def update_orders(self, shard: int, states: Columns, terms: Columns) -> None:
        """New states and new terms of orders that are there."""
        for statement, names, columns in (
            (_UPDATE_STATES, _STATE_COLUMNS, states),
            (_UPDATE_TERMS, ("price", "quantity"), terms),
        ):
            shards = [shard] * len(columns["order_id"])
            self._many(statement, [*(columns[name] for name in names), shards, columns["order_id"]])

    def put_positions(self, positions: dict[tuple[int, int], Position]) -> None:
        """These accounts' positions are now these."""
        rows = [{"account": key[0], "instrument": key[1], **value._asdict()} for key, value in positions.items()]
        if rows:
            statement = self._insert(POSITIONS)
            changed = {name: statement.excluded[name] for name in Position._fields}
            keys = ["account", "instrument"]
            self.connection.execute(statement.on_conflict_do_update(index_elements=keys, set_=changed), rows)

    def define(self, table: Table, rows: list[dict[str, Any]]) -> None:
        """Instruments or accounts; those already there stay as they are."""
        if rows:
            self.connection.execute(self._insert(table).on_conflict_do_nothing(), rows)

    def put_progress(self, shard: int, epoch: int, sequences: dict[str, int]) -> None:
        """The rows hold the shard's streams up to these sequences."""
        statement = self._insert(PROGRESS)
        rows = [{"shard": shard, "stream": k, "sequence": v, "epoch": epoch} for k, v in sequences.items()]
        changed = {"sequence": statement.excluded.sequence}
        self.connection.execute(statement.on_conflict_do_update(index_elements=["shard", "stream"], set_=changed), rows)

    def _insert(self, table: Table) -> Any:
        return sqlite.insert(table)

    def _many(self, statement: str, columns: list[Any]) -> None:
        lists = [column if isinstance(column, list) else column.tolist() for column in columns]
        rows = list(zip(*lists, strict=True))
        if rows:
            self.connection.exec_driver_sql(statement, rows)


def open_engine(url: str) -> Engine:
    """An engine for ``url``, set up for one writer. Nothing is connected yet."""
    parsed = make_url(url)
    if parsed.get_backend_name() == "sqlite":
        engine = create_engine(parsed, connect_args={"timeout": BUSY_TIMEOUT_S})
        event.listen(engine, "connect", _set_pragmas)
        return engine
    return create_engine(parsed, connect_args={"connect_timeout": 3, "application_name": "pinion"})


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
