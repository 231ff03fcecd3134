"""The database's tables, as SQLAlchemy Core sees them. The schema itself is made by ``persister/migrations``.

Prices and quantities are wire integers: counts of 10**-price_decimals and 10**-quantity_decimals of their instrument
(the views, such as ``orders_view``, show them as decimals, with names). Money is in the smallest unit of the quote
currency. Times are nanoseconds since 1970, UTC; a day is a count of days since then. Client order ids are 64 bits without
sign; databases have none such, so those from 2**63 on appear as the negative number of the same bits.

Every row belongs to one account and lies in the database that holds it (``persister.placement``); but what is about an
instrument, and the accounts themselves, are in every database.

Rows are inserted once, or merged: a column of those tables says in ``info["merge"]`` what a later row does to it. Without it
the value of the later row stands.
"""

from typing import Final

from sqlalchemy import BigInteger, Column, Index, MetaData, SmallInteger, String, Table

METADATA: Final = MetaData()


MERGE: Final = "merge"
ADD, KEEP, HIGH, LOW = "add", "keep", "high", "low"
"""Adds; keeps what is there; takes the higher, the lower of both."""


def _long(name: str, primary_key: bool = False, merge: str = "") -> Column[int]:
    return Column(name, BigInteger, primary_key=primary_key, nullable=False, autoincrement=False, info={MERGE: merge})


def _sums(*names: str) -> list[Column[int]]:
    return [_long(name, merge=ADD) for name in names]


def _text(name: str, length: int, primary_key: bool = False) -> Column[str]:
    return Column(name, String(length), nullable=False, primary_key=primary_key)


def _short(name: str, primary_key: bool = False) -> Column[int]:
    return Column(name, SmallInteger, primary_key=primary_key, nullable=False, autoincrement=False)


INSTRUMENTS: Final = Table(
    "instruments",
    METADATA,
    _long("instrument", primary_key=True),
    _text("symbol", 16),
    _text("currency", 8),
    _long("tick_size"),
    _long("lot_size"),
    _long("tick_value"),
    _short("price_decimals"),
    _short("quantity_decimals"),
    _short("fee_basis"),
    _long("maker_fee"),
    _long("taker_fee"),
)

INSTRUMENT_HISTORY: Final = Table(
    "instrument_history",
    METADATA,
    _short("shard", primary_key=True),
    _long("event_sequence", primary_key=True),
    _long("command_sequence"),
    _long("time_ns"),
    _long("instrument"),
    _short("kind"),
    _short("state"),
    _short("reason"),
    _long("reference_price"),
    _long("static_low"),
    _long("static_high"),
    _long("dynamic_collar"),
    _long("minimum_allocation"),
    _short("policy"),
    _long("flags"),
    Index("instrument_history_by_instrument", "instrument", "time_ns"),
)
"""What happened to instruments, one row each: ``kind`` (``shm.records.EventKind``) says whether it was defined (once; its
sizes and fees are in ``instruments``), came into a state (``state``, ``reason``) or was given rules (the columns from
``reference_price`` on)."""

ACCOUNTS: Final = Table(
    "accounts",
    METADATA,
    _long("account", primary_key=True),
    _text("name", 16),
    _long("maximum_quantity"),
    _long("maximum_notional"),
    _long("maximum_open_orders"),
    _short("self_trade_rule"),
    _long("self_trade_group"),
    _long("flags"),
)
"""As it was defined last."""

ACCOUNT_HISTORY: Final = Table(
    "account_history",
    METADATA,
    _long("account", primary_key=True),
    _long("command_sequence", primary_key=True),
    _long("time_ns"),
    _text("name", 16),
    _long("maximum_quantity"),
    _long("maximum_notional"),
    _long("maximum_open_orders"),
    _short("self_trade_rule"),
    _long("self_trade_group"),
    _long("flags"),
)
"""Every definition of an account. Accounts are defined in every shard; the sequence is that of the first shard's command."""

RISK_LOG: Final = Table(
    "risk_log",
    METADATA,
    _short("shard", primary_key=True),
    _long("command_sequence", primary_key=True),
    _long("time_ns"),
    _text("who", 24),
    _short("scope"),
    _long("number"),
    _short("control"),
    _long("value_before"),
    _long("value_after"),
    _long("flags"),
    _text("currency", 8),
    _long("instrument"),
)
"""Who set which control of riskd's on what, when, from what to what: one row a RISK command, in the words of
``shm.controls``. ``number`` is the account's, group's, instrument's or session's; 0 of the firm. FUNDS is about a
``currency``, LOTS about an ``instrument`` (else "", -1): ``value_after`` less ``value_before`` was put in."""

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

ORDER_EVENTS: Final = Table(
    "order_events",
    METADATA,
    _short("shard", primary_key=True),
    _long("order_id", primary_key=True),
    _long("event_sequence", primary_key=True),
    _long("command_sequence"),
    _long("account"),
    _short("kind"),
    _long("price"),
    _long("quantity"),
    _long("leaves"),
    _short("reason"),
    _long("time_ns"),
    sqlite_with_rowid=False,
)
"""The history of orders: one row for each event (``kind``: ``shm.records.EventKind``) and order that it touched, so two of a
trade."""

EXECUTIONS: Final = Table(
    "executions",
    METADATA,
    _short("shard", primary_key=True),
    _long("event_sequence", primary_key=True),
    _short("side", primary_key=True),
    _long("command_sequence"),
    _long("account"),
    _long("instrument"),
    _long("order_id"),
    _long("client_order_id"),
    _short("liquidity"),
    _long("price"),
    _long("quantity"),
    _long("notional"),
    _long("fee"),
    _long("net_quantity"),
    _long("average_cost"),
    _long("realised_profit"),
    _long("contra_account"),
    _long("contra_order_id"),
    _long("time_ns"),
    Index("executions_by_account", "account", "time_ns"),
    sqlite_with_rowid=False,
)
"""Two rows a trade, one a side, so that each belongs to one account. ``liquidity`` is 1 for the resting order's side, 2 for
the aggressor's, 3 for both in an auction. ``fee`` is what this side paid. ``net_quantity`` and ``average_cost`` are the
position after it, which makes this the history of positions; ``realised_profit`` is what it gained, before fees."""

POSITIONS: Final = Table(
    "positions",
    METADATA,
    _long("account", primary_key=True),
    _long("instrument", primary_key=True),
    _long("net_quantity"),
    *_sums("bought_quantity", "sold_quantity", "bought_notional", "sold_notional"),
    _long("average_cost"),
    *_sums("realised_profit", "fees"),
    _long("event_sequence"),
    _long("updated_ns"),
    sqlite_with_rowid=False,
)
"""What an account has in an instrument, at average cost (``persister.positions``).

``average_cost`` is the money that the open quantity cost (or brought, for a short, then negative) in all, not a price: no
rounding is hidden in it. ``realised_profit`` is before ``fees``.
"""

DAILY_PROFIT: Final = Table(
    "daily_profit",
    METADATA,
    _long("account", primary_key=True),
    _long("instrument", primary_key=True),
    _long("day", primary_key=True),
    *_sums("trades", "wins", "losses", "bought_quantity", "sold_quantity", "bought_notional", "sold_notional"),
    *_sums("realised_profit", "fees"),
    _long("net_quantity"),
    _long("average_cost"),
    sqlite_with_rowid=False,
)
"""What an account did with an instrument in a day: executions (``wins`` realised a profit, ``losses`` a loss, the others
opened or came out even), and the position that it ended with."""

BALANCES: Final = Table(
    "balances",
    METADATA,
    _long("account", primary_key=True),
    _text("currency", 8, primary_key=True),
    _long("day", primary_key=True),
    *_sums("received", "paid", "fees"),
    sqlite_with_rowid=False,
)
"""The money that an account received for what it sold, paid for what it bought, and paid in fees, a day. ``balances_view``
adds up what it has since the beginning. With what FUNDS in ``risk_log`` put in, that is what an account with funds has."""

DAILY_PRICES: Final = Table(
    "daily_prices",
    METADATA,
    _long("instrument", primary_key=True),
    _long("day", primary_key=True),
    _long("first_price", merge=KEEP),
    _long("high_price", merge=HIGH),
    _long("low_price", merge=LOW),
    _long("last_price"),
    *_sums("trades", "quantity", "notional"),
    sqlite_with_rowid=False,
)
"""What an instrument traded at in a day, whoever it was: what positions are marked at."""

PROGRESS: Final = Table(
    "progress",
    METADATA,
    _short("shard", primary_key=True),
    _text("stream", 8, primary_key=True),
    _long("sequence"),
    _long("epoch"),
)
"""How much of the journal the rows hold: committed with them. ``epoch`` names the data folder."""

PLACEMENT: Final = Table("placement", METADATA, _short("part", primary_key=True), _short("parts"))
"""One row: which of how many databases this is."""

STATUSES: Final = ("open", "filled", "cancelled", "rejected")
"""``orders.status`` is 1 for the first."""
OPEN, FILLED, CANCELLED, REJECTED = range(1, 5)
assert len(STATUSES) == REJECTED
MAKER, TAKER, AUCTION = range(1, 4)
"""``executions.liquidity``."""
NS_PER_DAY: Final = 86_400_000_000_000
