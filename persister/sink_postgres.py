"""PostgreSQL: rows go in by binary COPY straight from numpy columns, fifteen times as fast as by INSERT.

What changes rows that are there is copied into a temporary table and joined or merged from there. ``docs/scaling.md`` lists
the statements used; a test holds the list against what is sent.
"""

import io
from typing import Any, Final

import numpy as np
from sqlalchemy import BigInteger, Connection, SmallInteger, Table
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from persister.placement import Array
from persister.rows import Columns
from persister.sinks import ADDED_TO_ORDERS, Sink, Work, on_conflict
from persister.tables import BALANCES, DAILY_PRICES, DAILY_PROFIT, ORDERS, POSITIONS

_HEADER: Final = b"PGCOPY\n\xff\r\n\0" + bytes(8)
_TRAILER: Final = b"\xff\xff"
_MERGED: Final = (POSITIONS, DAILY_PROFIT, BALANCES, DAILY_PRICES)

_SET_UP: Final = (
    # A commit that a crash takes back is made again from the journal, so none has to wait for the server's disk.
    "SET synchronous_commit = off",
    # Without statistics of the temporary tables the planner would read all orders to change a few.
    "SET enable_hashjoin = off",
    "SET enable_mergejoin = off",
    "CREATE TEMPORARY TABLE IF NOT EXISTS new_states (order_id bigint, executed bigint, leaves bigint, status smallint, "
    "reason smallint, updated_ns bigint, event_sequence bigint) ON COMMIT DELETE ROWS",
    "CREATE TEMPORARY TABLE IF NOT EXISTS new_terms (order_id bigint, price bigint, quantity bigint) ON COMMIT DELETE ROWS",
    *(f"CREATE TEMPORARY TABLE IF NOT EXISTS new_{table.name} (LIKE {table.name}) ON COMMIT DELETE ROWS" for table in _MERGED),
)


class PostgresSink(Sink):
    """As ``Sink``."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        with connection.begin():
            for statement in _SET_UP:
                connection.exec_driver_sql(statement)

    def insert(self, table: Table, columns: Columns) -> Work | None:
        return _copy(table.name, table, columns)

    def merge(self, table: Table, columns: Columns) -> Work | None:
        names = ", ".join(columns)
        into = f"INSERT INTO {table.name} ({names}) SELECT {names} FROM new_{table.name}"  # noqa: S608 - our own names
        return _copy(f"new_{table.name}", table, columns, f"{into} {on_conflict(table)}")

    def update_orders(self, shard: int, columns: Columns) -> Work | None:
        staged = "new_states" if "status" in columns else "new_terms"
        changed = ", ".join(
            f"{name} = o.{name} + n.{name}" if name in ADDED_TO_ORDERS else f"{name} = n.{name}"
            for name in columns
            if name != "order_id"
        )
        join = f"FROM {staged} n WHERE o.shard = {int(shard)} AND o.order_id = n.order_id"
        return _copy(staged, ORDERS, columns, f"UPDATE orders o SET {changed} {join}")  # noqa: S608 - our own names

    def do(self, work: Work) -> None:
        if not isinstance(work.rows, bytes):
            super().do(work)
            return
        driver: Any = self.connection.dialect.loaded_dbapi
        cursor: Any = self.connection.connection.cursor()
        try:
            cursor.copy_expert(work.statement, io.BytesIO(work.rows), len(work.rows))
        except driver.Error as error:
            raise DBAPIError(work.statement, None, error) from error  # as SQLAlchemy reports all else
        finally:
            cursor.close()
        if work.then:
            self.connection.exec_driver_sql(work.then)

    def _insert(self, table: Table) -> Any:
        return postgresql.insert(table)


def _copy(name: str, table: Table, columns: Columns, then: str = "") -> Work | None:
    """COPY of ``columns``, which are some of ``table``'s, into the table called ``name``."""
    arrays = list(columns.values())
    if len(arrays[0]) == 0:
        return None
    statement = f"COPY {name} ({', '.join(columns)}) FROM STDIN WITH (FORMAT BINARY)"
    return Work(statement, encode(arrays, [_bytes_of(table.columns[each].type) for each in columns]), then)


def encode(columns: list[Array], widths: list[int]) -> bytes:
    """PostgreSQL's binary COPY of columns of integers of 2 or 8 bytes each, or (width 0) of text.

    A row is a field count, then length and value of each field. Rows with texts of other lengths are of another size:
    they go together, so the order of rows may change.
    """
    texts = [np.char.str_len(column) for column, width in zip(columns, widths, strict=True) if width == 0]
    if not texts:
        return b"".join([_HEADER, _rows(columns, widths), _TRAILER])
    assert len(texts) == 1
    parts = [
        _rows([column[texts[0] == length] for column in columns], [width or int(length) for width in widths])
        for length in np.unique(texts[0])
    ]
    return b"".join([_HEADER, *parts, _TRAILER])


def _rows(columns: list[Array], widths: list[int]) -> Any:
    """Rows of one size, as bytes."""
    fields: list[tuple[str, str]] = [("count", ">i2")]
    for index, (column, width) in enumerate(zip(columns, widths, strict=True)):
        kind = f"S{width}" if column.dtype.kind == "S" else f">i{width}"
        fields += [(f"length_{index}", ">i4"), (f"value_{index}", kind)]
    rows = np.empty(len(columns[0]), np.dtype(fields))
    rows["count"] = len(columns)
    for index, (column, width) in enumerate(zip(columns, widths, strict=True)):
        rows[f"length_{index}"] = width
        rows[f"value_{index}"] = column
    return rows.view(np.uint8)


def _bytes_of(kind: Any) -> int:
    if isinstance(kind, BigInteger):
        return 8
    return 2 if isinstance(kind, SmallInteger) else 0
