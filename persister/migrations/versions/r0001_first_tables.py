"""The first tables, and views of them for people: names, words and decimals instead of numbers."""

# ruff: noqa: S608 - the statements are put together from the names in this file

from typing import Any

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

VIEWS = ("positions_view", "executions_view", "orders_view")


def _long(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.BigInteger, nullable=False, autoincrement=False) for name in names]


def _short(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.SmallInteger, nullable=False, autoincrement=False) for name in names]


def _text(name: str, length: int) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=False)


def _table(name: str, key: tuple[str, ...], *columns: sa.Column[Any], with_rowid: bool = False) -> None:
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*key), sqlite_with_rowid=with_rowid)


def upgrade() -> None:
    """Make tables and views."""
    _table(
        "instruments",
        ("instrument",),
        *_long("instrument"),
        _text("symbol", 16),
        _text("currency", 8),
        *_long("tick_size", "lot_size", "tick_value"),
        *_short("price_decimals", "quantity_decimals"),
        with_rowid=True,
    )
    _table(
        "accounts",
        ("account",),
        *_long("account"),
        _text("name", 16),
        *_long("maximum_quantity", "maximum_notional", "maximum_open_orders"),
        with_rowid=True,
    )
    _orders_and_executions()
    _table(
        "positions",
        ("account", "instrument"),
        *_long("account", "instrument", "net_quantity", "bought_quantity", "sold_quantity"),
        *_long("bought_notional", "sold_notional", "average_cost", "realised_profit"),
    )
    _table("progress", ("shard", "stream"), *_short("shard"), _text("stream", 8), *_long("sequence", "epoch"))
    for statement in _views(op.get_bind().dialect.name):
        op.execute(statement)


def _orders_and_executions() -> None:
    _table(
        "orders",
        ("shard", "order_id"),
        *_short("shard"),
        *_long("order_id", "client_order_id", "account", "instrument"),
        *_short("side", "type", "time_in_force"),
        *_long("price", "quantity", "executed", "leaves"),
        *_short("status", "reason"),
        *_long("created_ns", "updated_ns", "event_sequence"),
    )
    op.create_index("orders_by_account", "orders", ["account", "client_order_id"])
    if op.get_bind().dialect.name == "postgresql":
        # Room in every page for the new version of a row that changes, so that its indexes need not change too.
        op.execute("ALTER TABLE orders SET (fillfactor = 80)")
    _table(
        "executions",
        ("shard", "event_sequence"),
        *_short("shard"),
        *_long("event_sequence", "command_sequence", "instrument"),
        *_short("aggressor_side"),
        *_long("price", "quantity", "notional"),
        *_long("aggressor_order_id", "aggressor_client_order_id", "aggressor_account"),
        *_long("resting_order_id", "resting_client_order_id", "resting_account", "time_ns"),
    )


def _views(dialect: str) -> tuple[str, ...]:
    """Decimals are exact in PostgreSQL; SQLite has none and shows the nearest double."""

    def decimal(column: str, places: str) -> str:
        if dialect == "postgresql":
            return f"({column} * ('1e-' || {places})::numeric)"
        return f"({column} / CAST('1e' || {places} AS REAL))"

    def moment(column: str) -> str:
        if dialect == "postgresql":
            return f"to_timestamp({column} / 1e9)"
        return f"strftime('%Y-%m-%d %H:%M:%f', {column} / 1e9, 'unixepoch')"

    def price(column: str) -> str:
        return decimal(column, "i.price_decimals")

    def quantity(column: str) -> str:
        return decimal(column, "i.quantity_decimals")

    def side(column: str) -> str:
        return f"CASE {column} WHEN 0 THEN 'buy' WHEN 1 THEN 'sell' END"

    orders = f"""
        CREATE VIEW orders_view AS
        SELECT o.shard, o.order_id, o.client_order_id, a.name AS account, i.symbol, {side("o.side")} AS side,
               CASE o.type WHEN 1 THEN 'limit' WHEN 2 THEN 'market' END AS type,
               CASE o.time_in_force WHEN 1 THEN 'gtc' WHEN 2 THEN 'ioc' END AS time_in_force,
               {price("o.price")} AS price, {quantity("o.quantity")} AS quantity, {quantity("o.executed")} AS executed,
               {quantity("o.leaves")} AS leaves,
               CASE o.status WHEN 1 THEN 'open' WHEN 2 THEN 'filled' WHEN 3 THEN 'cancelled' WHEN 4 THEN 'rejected' END
               AS status, o.reason, {moment("o.created_ns")} AS created, {moment("o.updated_ns")} AS updated
        FROM orders o LEFT JOIN instruments i ON i.instrument = o.instrument
                      LEFT JOIN accounts a ON a.account = o.account"""
    executions = f"""
        CREATE VIEW executions_view AS
        SELECT e.shard, e.event_sequence, i.symbol, {side("e.aggressor_side")} AS aggressor_side,
               {price("e.price")} AS price, {quantity("e.quantity")} AS quantity, e.notional, i.currency,
               aggressor.name AS aggressor, e.aggressor_order_id, resting.name AS resting, e.resting_order_id,
               {moment("e.time_ns")} AS time
        FROM executions e LEFT JOIN instruments i ON i.instrument = e.instrument
                          LEFT JOIN accounts aggressor ON aggressor.account = e.aggressor_account
                          LEFT JOIN accounts resting ON resting.account = e.resting_account"""
    positions = f"""
        CREATE VIEW positions_view AS
        SELECT a.name AS account, i.symbol, {quantity("p.net_quantity")} AS net_quantity,
               {quantity("p.bought_quantity")} AS bought_quantity, {quantity("p.sold_quantity")} AS sold_quantity,
               p.average_cost, p.realised_profit, i.currency
        FROM positions p LEFT JOIN instruments i ON i.instrument = p.instrument
                         LEFT JOIN accounts a ON a.account = p.account"""
    return orders, executions, positions


def downgrade() -> None:
    """Take everything away. The journal still holds it all."""
    for view in VIEWS:
        op.execute(f"DROP VIEW {view}")
    for table in ("progress", "positions", "executions", "orders", "accounts", "instruments"):
        op.drop_table(table)
