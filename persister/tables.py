"""The database's tables, as SQLAlchemy Core sees them. The schema itself is made by ``persister/migrations``.

Prices and quantities are wire integers: counts of 10**-price_decimals and 10**-quantity_decimals of their instrument
(the views ``orders_view``, ``executions_view`` and ``positions_view`` show them as decimals, with names). Money is in
the smallest unit of the quote currency. Times are nanoseconds since 1970, UTC. Client order ids are 64 bits without
sign; databases have none such, so those from 2**63 on appear as the negative number of the same bits.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, MetaData, SmallInteger, String, Table

METADATA: Final = MetaData()


def _long(name: str, primary_key: bool = False) -> Column[int]:
    return Column(name, BigInteger, primary_key=primary_key, nullable=False, autoincrement=False)


def _short(name: str, primary_key: bool = False) -> Column[int]:
    return Column(name, SmallInteger, primary_key=primary_key, nullable=False, autoincrement=False)


INSTRUMENTS: Final = Table(
    "instruments",
    METADATA,
    _long("instrument", primary_key=True),
    Column("symbol", String(16), nullable=False),
    Column("currency", String(8), nullable=False),
    _long("tick_size"),
    _long("lot_size"),
    _long("tick_value"),
    _short("price_decimals"),
    _short("quantity_decimals"),
)

ACCOUNTS: Final = Table(
    "accounts",
    METADATA,
    _long("account", primary_key=True),
    Column("name", String(16), nullable=False),
    _long("maximum_quantity"),
    _long("maximum_notional"),
    _long("maximum_open_orders"),
)

ORDERS: Final = Table(
    "orders",
    METADATA,
    _short("shard", primary_key=True),
    _long("order_id", primary_key=True),
    _long("client_order_id"),
    _long("account"),
    _long("instrument"),
    _short("side"),
    _short("type"),
    _short("time_in_force"),
    _long("price"),
    _long("quantity"),
    _long("executed"),
    _long("leaves"),
    _short("status"),
    _short("reason"),
    _long("created_ns"),
    _long("updated_ns"),
    _long("event_sequence"),
    _long("stop_price"),
    _long("display_quantity"),
    _long("minimum_quantity"),
    _long("expiry_ns"),
    _long("flags"),
    _long("self_trade_group"),
    _short("self_trade_rule"),
    Index("orders_by_account", "account", "client_order_id"),
    sqlite_with_rowid=False,
)
"""One row an order. An order that was refused has no order id that is its own: its row has ``-command_sequence`` for
it.

Refused cancels and replaces change no order and have no row; the journal holds them. ``event_sequence`` is the last
event that changed the row, ``reason`` why it was cancelled or rejected (``shm.reasons``). The columns from
``stop_price`` on are as the order was entered (``docs/matching.md``, ``shm.records.OrderFlag``); with flag BASIS_POINTS
``stop_price`` is not a price.
"""

EXECUTIONS: Final = Table(
    "executions",
    METADATA,
    _short("shard", primary_key=True),
    _long("event_sequence", primary_key=True),
    _long("command_sequence"),
    _long("instrument"),
    _short("aggressor_side"),
    _long("price"),
    _long("quantity"),
    _long("notional"),
    _long("aggressor_order_id"),
    _long("aggressor_client_order_id"),
    _long("aggressor_account"),
    _long("resting_order_id"),
    _long("resting_client_order_id"),
    _long("resting_account"),
    _long("time_ns"),
    sqlite_with_rowid=False,
)

POSITIONS: Final = Table(
    "positions",
    METADATA,
    _long("account", primary_key=True),
    _long("instrument", primary_key=True),
    _long("net_quantity"),
    _long("bought_quantity"),
    _long("sold_quantity"),
    _long("bought_notional"),
    _long("sold_notional"),
    _long("average_cost"),
    _long("realised_profit"),
    sqlite_with_rowid=False,
)
"""What an account has in an instrument. Average cost: of all that was bought and of all that was sold
(``persister.positions``).

``average_cost`` is the money that the open quantity cost (or brought, for a short) in all, not a price: no rounding
is hidden in it.
"""

PROGRESS: Final = Table(
    "progress",
    METADATA,
    _short("shard", primary_key=True),
    Column("stream", String(8), primary_key=True, nullable=False),
    _long("sequence"),
    _long("epoch"),
)
"""How much of the journal the rows hold: committed with them. ``epoch`` names the data folder."""

STATUSES: Final = ("open", "filled", "cancelled", "rejected")
"""``orders.status`` is 1 for the first."""
OPEN, FILLED, CANCELLED, REJECTED = range(1, 5)
assert len(STATUSES) == REJECTED
