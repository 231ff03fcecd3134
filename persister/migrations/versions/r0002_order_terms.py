"""What orders may say beyond price and quantity, and the words for all their types."""

# ruff: noqa: S608 - the statements are put together from the names in this file

from typing import Final

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

LONG: Final = ("stop_price", "display_quantity", "minimum_quantity", "expiry_ns", "flags", "self_trade_group")
SHORT: Final = ("self_trade_rule",)
TYPES: Final = (
    "limit", "market", "market_to_limit", "stop", "stop_limit", "trailing_stop", "trailing_stop_limit", "pegged_bid",
    "pegged_ask", "pegged_middle",
)  # fmt: skip
TIMES: Final = ("gtc", "ioc", "day", "gtd", "fok", "at_open", "at_close")
BASIS_POINTS: Final = 64


def upgrade() -> None:
    """Add the columns; orders that are there had none of it."""
    op.execute("DROP VIEW orders_view")
    for names, kind in ((LONG, sa.BigInteger), (SHORT, sa.SmallInteger)):
        for name in names:
            op.add_column("orders", sa.Column(name, kind(), nullable=False, server_default="0", autoincrement=False))
    op.execute(_orders_view(TYPES, TIMES, with_terms=True))


def downgrade() -> None:
    """Drop the columns, and what they say."""
    op.execute("DROP VIEW orders_view")
    for name in (*SHORT, *LONG):
        op.drop_column("orders", name)
    op.execute(_orders_view(TYPES[:2], TIMES[:2], with_terms=False))


def _words(column: str, words: tuple[str, ...]) -> str:
    cases = " ".join(f"WHEN {number} THEN '{word}'" for number, word in enumerate(words, 1))
    return f"CASE {column} {cases} END"


def _orders_view(types: tuple[str, ...], times: tuple[str, ...], *, with_terms: bool) -> str:
    """Decimals are exact in PostgreSQL; SQLite has none and shows the nearest double."""
    is_postgres = op.get_bind().dialect.name == "postgresql"

    def decimal(column: str, places: str) -> str:
        if is_postgres:
            return f"({column} * ('1e-' || i.{places}_decimals)::numeric)"
        return f"({column} / CAST('1e' || i.{places}_decimals AS REAL))"

    def moment(column: str) -> str:
        return f"to_timestamp({column} / 1e9)" if is_postgres else f"strftime('%Y-%m-%d %H:%M:%f', {column} / 1e9, 'unixepoch')"

    terms = f""",
               CASE WHEN o.flags & {BASIS_POINTS} = 0 THEN {decimal("o.stop_price", "price")} END AS stop_price,
               CASE WHEN o.flags & {BASIS_POINTS} <> 0 THEN o.stop_price END AS distance_basis_points,
               {decimal("o.display_quantity", "quantity")} AS display_quantity,
               {decimal("o.minimum_quantity", "quantity")} AS minimum_quantity,
               CASE WHEN o.expiry_ns <> 0 THEN {moment("o.expiry_ns")} END AS expiry, o.flags,
               o.self_trade_rule, o.self_trade_group"""
    return f"""
        CREATE VIEW orders_view AS
        SELECT o.shard, o.order_id, o.client_order_id, a.name AS account, i.symbol,
               CASE o.side WHEN 0 THEN 'buy' WHEN 1 THEN 'sell' END AS side,
               {_words("o.type", types)} AS type, {_words("o.time_in_force", times)} AS time_in_force,
               {decimal("o.price", "price")} AS price, {decimal("o.quantity", "quantity")} AS quantity,
               {decimal("o.executed", "quantity")} AS executed, {decimal("o.leaves", "quantity")} AS leaves,
               {_words("o.status", ("open", "filled", "cancelled", "rejected"))} AS status, o.reason,
               {moment("o.created_ns")} AS created, {moment("o.updated_ns")} AS updated{terms if with_terms else ""}
        FROM orders o LEFT JOIN instruments i ON i.instrument = o.instrument
                      LEFT JOIN accounts a ON a.account = o.account"""
