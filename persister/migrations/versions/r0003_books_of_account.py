"""Histories, both sides of each trade with its fee, balances, profit and prices by day.

What is there cannot be turned into what is wanted: an execution had one row a trade and no fee, a position another rule. So
all rows go, and the persister fills the tables again from the journal's first command.
"""

# ruff: noqa: S608 - the statements are put together from the names in this file

from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

KEPT: Final = ("orders", "instruments", "accounts", "progress")
RULES: Final = ("maximum_quantity", "maximum_notional", "maximum_open_orders")
SUMS: Final = ("bought_quantity", "sold_quantity", "bought_notional", "sold_notional")
MADE: Final = (
    "placement", "daily_prices", "balances", "daily_profit", "positions", "executions", "order_events", "account_history",
    "instrument_history",
)  # fmt: skip
VIEWS: Final = (
    "positions_view", "executions_view", "order_events_view", "daily_profit_view", "balances_view", "daily_prices_view",
)  # fmt: skip
EVENTS: Final = {
    1: "accepted", 2: "rejected", 3: "trade", 4: "cancelled", 5: "replaced", 7: "triggered", 8: "restated",
}  # fmt: skip


def upgrade() -> None:
    """Empty the tables and make the new ones."""
    for view in ("positions_view", "executions_view"):
        op.execute(f"DROP VIEW {view}")
    for table in ("positions", "executions"):
        op.drop_table(table)
    for table in KEPT:
        op.execute(f"DELETE FROM {table}")
    for table, columns in {
        "instruments": [*_short("fee_basis"), *_long("maker_fee", "taker_fee")],
        "accounts": [*_short("self_trade_rule"), *_long("self_trade_group", "flags")],
    }.items():
        for column in columns:
            column.server_default = sa.DefaultClause("0")
            op.add_column(table, column)
    _make_histories()
    _make_books()
    for statement in _views():
        op.execute(statement)


def downgrade() -> None:
    """Back to the tables of before, empty: the journal fills them."""
    for view in VIEWS:
        op.execute(f"DROP VIEW {view}")
    for table in (*MADE, "orders"):
        op.execute(f"DELETE FROM {table}") if table == "orders" else op.drop_table(table)
    for table in ("instruments", "accounts", "progress"):
        op.execute(f"DELETE FROM {table}")
    for table, names in {
        "instruments": ("fee_basis", "maker_fee", "taker_fee"),
        "accounts": ("self_trade_rule", "self_trade_group", "flags"),
    }.items():
        for name in names:
            op.drop_column(table, name)
    _make_tables_of_before()


def _long(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.BigInteger, nullable=False, autoincrement=False) for name in names]


def _short(*names: str) -> list[sa.Column[Any]]:
    return [sa.Column(name, sa.SmallInteger, nullable=False, autoincrement=False) for name in names]


def _text(name: str, length: int) -> sa.Column[Any]:
    return sa.Column(name, sa.String(length), nullable=False)


def _table(name: str, key: tuple[str, ...], *columns: sa.Column[Any], with_rowid: bool = False) -> None:
    op.create_table(name, *columns, sa.PrimaryKeyConstraint(*key), sqlite_with_rowid=with_rowid)


def _make_histories() -> None:
    _table(
        "instrument_history",
        ("shard", "event_sequence"),
        *_short("shard"),
        *_long("event_sequence", "command_sequence", "time_ns", "instrument"),
        *_short("kind", "state", "reason"),
        *_long("reference_price", "static_low", "static_high", "dynamic_collar", "minimum_allocation"),
        *_short("policy"),
        *_long("flags"),
        with_rowid=True,
    )
    op.create_index("instrument_history_by_instrument", "instrument_history", ["instrument", "time_ns"])
    _table(
        "account_history",
        ("account", "command_sequence"),
        *_long("account", "command_sequence", "time_ns"),
        _text("name", 16),
        *_long(*RULES),
        *_short("self_trade_rule"),
        *_long("self_trade_group", "flags"),
        with_rowid=True,
    )
    _table(
        "order_events",
        ("shard", "order_id", "event_sequence"),
        *_short("shard"),
        *_long("order_id", "event_sequence", "command_sequence", "account"),
        *_short("kind"),
        *_long("price", "quantity", "leaves"),
        *_short("reason"),
        *_long("time_ns"),
    )


def _make_books() -> None:
    _table(
        "executions",
        ("shard", "event_sequence", "side"),
        *_short("shard"),
        *_long("event_sequence"),
        *_short("side"),
        *_long("command_sequence", "account", "instrument", "order_id", "client_order_id"),
        *_short("liquidity"),
        *_long("price", "quantity", "notional", "fee", "net_quantity", "average_cost", "realised_profit"),
        *_long("contra_account", "contra_order_id", "time_ns"),
    )
    op.create_index("executions_by_account", "executions", ["account", "time_ns"])
    _table(
        "positions",
        ("account", "instrument"),
        *_long("account", "instrument", "net_quantity", *SUMS),
        *_long("average_cost", "realised_profit", "fees", "event_sequence", "updated_ns"),
    )
    _table(
        "daily_profit",
        ("account", "instrument", "day"),
        *_long("account", "instrument", "day", "trades", "wins", "losses", *SUMS),
        *_long("realised_profit", "fees", "net_quantity", "average_cost"),
    )
    _table(
        "balances",
        ("account", "currency", "day"),
        *_long("account"),
        _text("currency", 8),
        *_long("day", "received", "paid", "fees"),
    )
    _table(
        "daily_prices",
        ("instrument", "day"),
        *_long("instrument", "day", "first_price", "high_price", "low_price", "last_price", "trades", "quantity", "notional"),
    )
    _table("placement", ("part",), *_short("part", "parts"), with_rowid=True)
    if op.get_bind().dialect.name == "postgresql":
        for table in ("positions", "daily_profit", "balances", "daily_prices"):
            # Room in every page for the new version of a row that changes.
            op.execute(f"ALTER TABLE {table} SET (fillfactor = 50)")


class _Words:
    """Numbers as people read them. Decimals are exact in PostgreSQL; SQLite has none and shows the nearest double."""

    def __init__(self) -> None:
        self.is_postgres = op.get_bind().dialect.name == "postgresql"

    def decimal(self, column: str, places: str) -> str:
        if self.is_postgres:
            return f"({column} * ('1e-' || i.{places}_decimals)::numeric)"
        return f"({column} / CAST('1e' || i.{places}_decimals AS REAL))"

    def prices(self, *columns: str) -> str:
        return ", ".join(f"{self.decimal(column, 'price')} AS {column.partition('.')[2]}" for column in columns)

    def quantities(self, *columns: str) -> str:
        return ", ".join(f"{self.decimal(column, 'quantity')} AS {column.partition('.')[2]}" for column in columns)

    def moment(self, column: str) -> str:
        if self.is_postgres:
            return f"to_timestamp({column} / 1e9)"
        return f"strftime('%Y-%m-%d %H:%M:%f', {column} / 1e9, 'unixepoch')"

    def date(self, column: str) -> str:
        if self.is_postgres:
            return f"(DATE '1970-01-01' + CAST({column} AS integer))"
        return f"date({column} * 86400, 'unixepoch')"


def _views() -> tuple[str, ...]:
    words = _Words()
    kinds = " ".join(f"WHEN {number} THEN '{word}'" for number, word in EVENTS.items())
    instrument = "LEFT JOIN instruments i ON i.instrument ="
    account = "LEFT JOIN accounts a ON a.account ="
    return (
        f"""
        CREATE VIEW positions_view AS
        SELECT a.name AS account, i.symbol, {words.quantities("p.net_quantity", "p.bought_quantity", "p.sold_quantity")},
               p.average_cost, p.realised_profit, p.fees, i.currency, {words.moment("p.updated_ns")} AS updated
        FROM positions p {instrument} p.instrument {account} p.account""",
        f"""
        CREATE VIEW executions_view AS
        SELECT e.shard, e.event_sequence, a.name AS account, i.symbol,
               CASE e.side WHEN 0 THEN 'buy' WHEN 1 THEN 'sell' END AS side,
               CASE e.liquidity WHEN 1 THEN 'maker' WHEN 2 THEN 'taker' WHEN 3 THEN 'auction' END AS liquidity,
               {words.prices("e.price")}, {words.quantities("e.quantity")}, e.notional, e.fee, i.currency, e.order_id,
               {words.quantities("e.net_quantity")}, e.average_cost, e.realised_profit, c.name AS contra_account,
               {words.moment("e.time_ns")} AS time
        FROM executions e {instrument} e.instrument {account} e.account LEFT JOIN accounts c ON c.account = e.contra_account""",
        f"""
        CREATE VIEW order_events_view AS
        SELECT h.shard, h.order_id, h.event_sequence, a.name AS account, i.symbol, CASE h.kind {kinds} END AS event,
               {words.prices("h.price")}, {words.quantities("h.quantity", "h.leaves")}, h.reason,
               {words.moment("h.time_ns")} AS time
        FROM order_events h JOIN orders o ON o.shard = h.shard AND o.order_id = h.order_id
             {instrument} o.instrument {account} h.account""",
        f"""
        CREATE VIEW daily_profit_view AS
        SELECT a.name AS account, i.symbol, {words.date("d.day")} AS date, d.trades, d.wins, d.losses,
               {words.quantities("d.bought_quantity", "d.sold_quantity")}, d.realised_profit, d.fees, i.currency,
               {words.quantities("d.net_quantity")}, d.average_cost
        FROM daily_profit d {instrument} d.instrument {account} d.account""",
        f"""
        CREATE VIEW balances_view AS
        SELECT a.name AS account, b.currency, {words.date("b.day")} AS date, b.received, b.paid, b.fees,
               SUM(b.received - b.paid - b.fees) OVER (PARTITION BY b.account, b.currency ORDER BY b.day) AS balance
        FROM balances b {account} b.account""",
        f"""
        CREATE VIEW daily_prices_view AS
        SELECT i.symbol, {words.date("d.day")} AS date,
               {words.prices("d.first_price", "d.high_price", "d.low_price", "d.last_price")}, d.trades,
               {words.quantities("d.quantity")}, d.notional, i.currency
        FROM daily_prices d {instrument} d.instrument""",
    )


def _make_tables_of_before() -> None:
    from persister.migrations.versions import r0001_first_tables as first

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
    _table(
        "positions",
        ("account", "instrument"),
        *_long("account", "instrument", "net_quantity", *SUMS, "average_cost", "realised_profit"),
    )
    for statement in first._views(op.get_bind().dialect.name)[1:]:
        op.execute(statement)
