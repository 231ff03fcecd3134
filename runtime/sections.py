"""The sections of the settings file: a frozen dataclass each, every field with its default and what it may be.

A field's name is the key in the file. Units are in the names, or in the line below the field.
"""

from dataclasses import dataclass, field, fields
from typing import Any, Final

from runtime.rules import (
    EVERYTHING,
    AccountNames,
    Amounts,
    Boolean,
    Cores,
    Gateways,
    Integer,
    Limit,
    Number,
    Rule,
    Symbols,
    Tcp,
    Text,
    Url,
    Word,
    Words,
)
from shm.controls import MARGIN, UNLIMITED, WARN_PERCENT, Control, all_of, words_of
from shm.journal_layout import BATCH_BOUND, SEGMENT_BYTES_MIN
from shm.records import GATEWAY_BOUND

INT32_MAX: Final = 2**31 - 1
INT64_MAX: Final = 2**63 - 1
SIDES, TYPES, TIMES = (
    words_of(each, all_of(each)) for each in (Control.ALLOWED_SIDES, Control.ALLOWED_TYPES, Control.ALLOWED_TIMES)
)
MARGIN_BOUND: Final = MARGIN
"""Basis points."""
AMOUNT: Final = Limit(INT64_MAX)
RATE: Final = Limit(10**9)
REFERENCE: Final = Text(
    r"none|last|given",
    '"none", "last" or "given" (the middle of the book is not: riskd is told of trades, not of the best prices)',
)
UNSET: Final = "unset"
"""A limit of an account's that the file does not name."""
IPC: Final = Text(r"|ipc://[^@].*", 'ipc://PATH, where {run} and {gateway} are filled in, or "" (not served)')


def setting(default: Any, rule: Rule) -> Any:
    """A field of a section that need not be given."""
    return field(default=default, metadata={"rule": rule})


def required(rule: Rule) -> Any:
    """A field of a section that must be given."""
    return field(metadata={"rule": rule})


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessSettings:
    """What every process has: how it idles, where it runs."""

    idle: str = setting("auto", Word(("auto", "spin", "yield", "park")))
    cores: tuple[int, ...] = setting((), Cores())
    """Empty: wherever the scheduler puts it. Process k of a numbered room takes ``cores[k % len(cores)]``."""
    scheduler: str = setting("other", Word(("other", "fifo")))
    priority: int = setting(50, Integer(1, 99))
    """Of the ``fifo`` scheduler."""
    memory_lock: bool = setting(False, Boolean())
    huge_pages: bool = setting(False, Boolean())


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewaySettings(ProcessSettings):
    """Order entry."""

    ipc: str = setting("ipc://{run}/gateway.{gateway}", IPC)
    tcp: str = setting("", Tcp())
    """Gateway g binds the port + g."""
    heartbeat_s: float = setting(5.0, Number(0.1, 3600, "seconds"))
    """Sent when nothing else was; a client silent for three times as long is logged off."""
    maximum_sessions: int = setting(1024, Integer(1, 65536))
    maximum_frame_bytes: int = setting(65536, Integer(128, 16 << 20))


@dataclass(frozen=True, slots=True, kw_only=True)
class RingSettings:
    """Messages (128 bytes each) that a ring holds before its writer must wait."""

    orders: int = setting(1 << 15, Integer(1 << 8, 1 << 24, power_of_two=True))
    commands: int = setting(1 << 16, Integer(1 << 8, 1 << 24, power_of_two=True))
    events: int = setting(1 << 17, Integer(1 << 8, 1 << 24, power_of_two=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolSettings:
    """Room taken once, at start: what does not fit is refused with a reason code, never by growing."""

    orders: int = setting(1 << 18, Integer(1 << 4, 1 << 21, power_of_two=True))
    """Live orders a shard."""
    levels: int = setting(1 << 16, Integer(1 << 4, 1 << 21, power_of_two=True))
    """Prices with an order at rest, a shard."""
    instruments: int = setting(1 << 10, Integer(1, 1 << 17, power_of_two=True))
    accounts: int = setting(1 << 10, Integer(1, 1 << 20, power_of_two=True))


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalSettings:
    """The journal's files."""

    segment_bytes: int = setting(64 << 20, Integer(SEGMENT_BYTES_MIN, 1 << 32, power_of_two=True))
    batch_bound: int = setting(4096, Integer(1, BATCH_BOUND))
    """Messages a batch, which is one write and one sync."""
    old_segments: str = setting("keep", Word(("keep", "archive", "delete")))
    """What becomes of files below the oldest snapshot kept, once the database has them."""
    archive: str = setting("{data}/archive", Text(r"[^\x00]+", "a folder, in which {data} is filled in"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotSettings:
    """Snapshots of matchers, riskd and gateways, from which a start goes on."""

    every_s: float = setting(300.0, Number(0, 86400, "seconds (0: none on a timer)"))
    """None is made where nothing has happened since the last."""
    keep: int = setting(3, Integer(1, 1000))
    """So many of each process."""
    at_stop: bool = setting(True, Boolean())


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseSettings:
    """The database that follows the journal."""

    url: str = setting("sqlite:///{data}/pinion.sqlite", Url())
    """``{data}`` is filled in."""
    batch_rows: int = setting(50_000, Integer(1, 1_000_000))
    """Events a transaction."""
    retry_s: float = setting(1.0, Number(0.01, 3600, "seconds"))
    """Between attempts to reach a database that is down."""
    settle_s: float = setting(60.0, Number(0.01, 86_400, "seconds"))
    """So long the journal below what was committed is kept: a server that crashes may forget its latest commits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogSettings:
    """What goes to stderr."""

    format: str = setting("auto", Word(("auto", "json", "console")))
    """``auto``: coloured lines for a terminal, JSON otherwise."""
    level: str = setting("info", Word(("debug", "info", "warning", "error")))


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSettings:
    """Starting and stopping."""

    attach_s: float = setting(30.0, Number(0.1, 3600, "seconds"))
    """How long a process waits at start for its neighbours' segments."""
    drain_s: float = setting(1.5, Number(0, 60, "seconds"))
    """How long a stopping process works on, so that what was taken in is passed on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrument:
    """Something that is traded. Its number is its place in the file, so new ones go to the end."""

    symbol: str = required(Text(r"[A-Za-z0-9._/\-]{1,16}", "1 to 16 characters out of A-Z a-z 0-9 . _ / -"))
    currency: str = setting("USD", Text(r"[A-Z0-9]{1,8}", "1 to 8 characters out of A-Z 0-9"))
    tick_size: int = setting(1, Integer(1, INT64_MAX))
    """The price step, in 10**-price_decimals."""
    lot_size: int = setting(1, Integer(1, INT64_MAX))
    """The quantity step, in 10**-quantity_decimals."""
    price_decimals: int = setting(2, Integer(0, 18))
    quantity_decimals: int = setting(0, Integer(0, 18))
    tick_value: int = setting(0, Integer(1, INT64_MAX))
    """The money that one lot gains a tick, in the currency's smallest unit; not given: tick_size x lot_size."""
    fee_basis: str = setting("basis_points", Word(("basis_points", "per_lot")))
    """What the fees count: hundredths of a basis point of a trade's money, or money a lot."""
    maker_fee: int = setting(0, Integer(-INT32_MAX, INT32_MAX))
    """Of the order that rested; below 0 a rebate."""
    taker_fee: int = setting(0, Integer(-INT32_MAX, INT32_MAX))
    """Of the order that came in; in an auction, of both."""
    collar_reference: str = setting("none", REFERENCE)
    """What riskd holds the prices of orders against."""
    collar_price: int = setting(0, Integer(0, INT64_MAX - 1))
    """The reference price that is given, in 10**-price_decimals; 0: none."""
    collar_ticks: int | str = setting("unlimited", AMOUNT)
    """So far a price may be from the reference."""
    collar_basis_points: int | str = setting("unlimited", AMOUNT)
    initial_margin: int = setting(MARGIN, Integer(0, MARGIN_BOUND))
    """Basis points of its money that margin accounts must have for what they trade next."""
    maintenance_margin: int = setting(MARGIN, Integer(0, MARGIN_BOUND))
    """The same for what they hold; with less they may only reduce."""

    def width(self, name: str) -> int:
        """``collar_ticks`` or ``collar_basis_points`` as riskd counts it."""
        value = getattr(self, name)
        return int(UNLIMITED if value == "unlimited" else value)


NAME: Final = Text(r"[A-Za-z0-9._\-]{1,16}", "1 to 16 characters out of A-Z a-z 0-9 . _ -")


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What account, group and firm may do. Each is a number, of which 0 blocks, or "unlimited"."""

    maximum_open_orders: int | str = setting("unlimited", AMOUNT)
    """Orders at rest or on their way."""
    maximum_long: int | str = setting("unlimited", AMOUNT)
    """Lots bought and not sold in one instrument, if all that works to buy traded."""
    maximum_short: int | str = setting("unlimited", AMOUNT)
    """Lots sold and not bought in one instrument, if all that works to sell traded."""
    maximum_gross: int | str = setting("unlimited", AMOUNT)
    """Money: what positions cost and what working orders are for, both sides added up."""
    maximum_net: int | str = setting("unlimited", AMOUNT)
    """Money: the same of one side, less the positions of the other."""
    maximum_daily_ordered: int | str = setting("unlimited", AMOUNT)
    """Money of the orders of a day (UTC)."""
    maximum_daily_traded: int | str = setting("unlimited", AMOUNT)
    """Money of a day's trades, if all that works traded."""
    maximum_daily_loss: int | str = setting("unlimited", AMOUNT)
    """Money, realised and unrealised since the day began; then only what reduces a position passes."""
    messages_per_second: int | str = setting("unlimited", RATE)
    """Orders and replaces, by a bucket that holds as many."""
    messages_per_minute: int | str = setting("unlimited", RATE)

    @classmethod
    def limits(cls) -> tuple[str, ...]:
        """The names of the limits that it has."""
        return tuple(each.name for each in fields(cls) if isinstance(each.metadata.get("rule"), Limit))

    def limit(self, name: str) -> int:
        """The limit as riskd counts it."""
        value = getattr(self, name)
        return int(UNLIMITED if value == "unlimited" else value)


@dataclass(frozen=True, slots=True, kw_only=True)
class FirmSettings(Limits):
    """All accounts together."""

    warn_percent: int = setting(WARN_PERCENT, Integer(1, 100))
    """riskd warns when an order is taken that uses more of any limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Limits):
    """Accounts that are controlled together. New ones go to the end."""

    name: str = required(NAME)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account(Limits):
    """Who trades. Its number is its place in the file, so new ones go to the end. The key itself is not kept."""

    name: str = required(NAME)
    api_key_sha256: str = setting("", Text(r"[0-9a-f]{64}", "64 characters out of 0-9 a-f", secret=True))
    unset_limits: str = setting("block", Word(("block", "unlimited")))
    """What a limit is that is not given."""
    maximum_quantity: int | str = setting(UNSET, AMOUNT)
    """Lots an order."""
    maximum_notional: int | str = setting(UNSET, AMOUNT)
    """Money an order, in the currency's smallest unit."""
    maximum_open_orders: int | str = setting(UNSET, AMOUNT)
    maximum_long: int | str = setting(UNSET, AMOUNT)
    maximum_short: int | str = setting(UNSET, AMOUNT)
    maximum_gross: int | str = setting(UNSET, AMOUNT)
    maximum_net: int | str = setting(UNSET, AMOUNT)
    maximum_daily_ordered: int | str = setting(UNSET, AMOUNT)
    maximum_daily_traded: int | str = setting(UNSET, AMOUNT)
    maximum_daily_loss: int | str = setting(UNSET, AMOUNT)
    messages_per_second: int | str = setting(UNSET, RATE)
    messages_per_minute: int | str = setting(UNSET, RATE)
    minimum_quantity: int = setting(0, Integer(0, INT64_MAX))
    """Lots an order."""
    minimum_notional: int = setting(0, Integer(0, INT64_MAX))
    """Money an order."""
    allowed_sides: tuple[str, ...] = setting(SIDES, Words(SIDES))
    allowed_types: tuple[str, ...] = setting(TYPES, Words(TYPES))
    allowed_times: tuple[str, ...] = setting(TIMES, Words(TIMES))
    """Times in force."""
    allowed_instruments: tuple[str, ...] = setting(EVERYTHING, Symbols())
    """Their symbols; ``EVERYTHING``: all there are, and will be."""
    allowed_gateways: tuple[int, ...] = setting(tuple(range(GATEWAY_BOUND)), Gateways(GATEWAY_BOUND))
    """Their numbers."""
    maximum_repeats: int | str = setting("unlimited", AMOUNT)
    """Orders of the same terms within ``repeat_window_ms``; one more latches the account."""
    repeat_window_ms: int = setting(1000, Integer(1, 86_400_000))
    remember_ids: bool = setting(False, Boolean())
    """A client order id is not taken again while riskd remembers it, whatever became of its order."""
    rising_ids: bool = setting(False, Boolean())
    """Each client order id must be higher than all before it: none is taken twice, whatever became of its order."""
    group: str = setting("", Text(r"[A-Za-z0-9._\-]{0,16}", 'the name of one of [[groups]], or "" (none)'))
    """The group that it is controlled with; no matter of self-trades."""
    self_trade_rule: str = setting("none", Word(("none", "cancel_newest", "cancel_oldest", "cancel_both", "decrement")))
    """What its orders do, where they do not say it themselves, instead of trading with another of its own or its group."""
    self_trade_group: int = setting(0, Integer(0, INT32_MAX))
    """Accounts of one group above 0 are one owner; its orders may name another."""
    funding: str = setting("none", Word(("none", "cash", "margin")))
    """``cash``: orders are paid for out of ``funds``, and sales come out of what it has; ``margin``: it must have the margins
    of its positions and orders. Set once."""
    funds: tuple[tuple[str, int], ...] = setting((), Amounts("CURRENCY = money in its smallest unit"))
    """What it is given at the first start; what is more at a later one is given then. Never less."""
    lots: tuple[tuple[str, int], ...] = setting((), Amounts("SYMBOL = lots of it"))
    """The same, of instruments; cash accounts only."""
    short_selling: bool = setting(False, Boolean())
    """With funds: sell more than it has, too."""
    track_position: bool = setting(False, Boolean())
    """Let the matcher keep its positions, which reduce-only orders need. Set before its first order."""

    def limit(self, name: str) -> int:
        """The limit as riskd counts it: one that is not set blocks, unless ``unset_limits`` says otherwise."""
        value = getattr(self, name)
        unlimited = value == "unlimited" or (value == UNSET and self.unset_limits == "unlimited")
        return int(UNLIMITED if unlimited else 0 if value == UNSET else value)


@dataclass(frozen=True, slots=True, kw_only=True)
class DropCopy:
    """Who reads what happens to the orders of others, and enters nothing. The key itself is not kept."""

    name: str = required(Text(r"[A-Za-z0-9._\-]{1,16}", "1 to 16 characters out of A-Z a-z 0-9 . _ -"))
    api_key_sha256: str = setting("", Text(r"[0-9a-f]{64}", "64 characters out of 0-9 a-f", secret=True))
    accounts: tuple[str, ...] = required(AccountNames())
    """Whose; ``EVERY_ACCOUNT``: of all there are, and will be."""
