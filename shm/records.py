"""The records that travel through the rings and lie in the journal. Layout only: no algorithm lives here.

Little-endian, explicitly padded, 128 bytes: two cache lines. The first line of a command says what it is and where it comes
from; the second is its body, which ``INSTRUMENT`` and ``ACCOUNT`` commands lay out in their own way.

    COMMAND                                   ORDER body (line 2)          INSTRUMENT body        ACCOUNT body
      0 sequence          i8                   64 price            i8       64 symbol      S16     64 name              S16
      8 time_ns           i8                   72 stop_price       i8       80 tick_size   i8      80 maximum_quantity  i8
     16 order_id          i8                   80 quantity         i8       88 lot_size    i8      88 maximum_notional  i8
     24 client_order_id   u8                   88 display_quantity i8       96 tick_value  i8      96 maximum_open_orders i8
     32 request_id        u8                   96 expiry_ns        i8      104 currency    S8     104 pad
     40 origin_sequence   i8                  104 minimum_quantity i8      112 price_decimals u1  115 self_trade_rule   u1
     48 account           i4                  112 side u1 type u1          113 quantity_decimals  116 self_trade_group  i4
     52 session           i4                  114 time_in_force u1         114 fee_basis u1       120 flags             u2
     56 instrument        i4                  115 self_trade_rule u1       116 maker_fee i4       122 pad
     60 verdict           u2                  116 self_trade_group i4      120 taker_fee i4
     62 origin            u1                  120 flags u2  step u2        124 pad
     63 kind              u1                  124 linked           u4

    RULES body: 64 reference_price i8, 72 dynamic_collar i8, 80 static_low i8, 88 static_high i8, 104 minimum_allocation i8,
    113 policy u1, 120 flags u2; a STATE command is an ORDER body with the InstrumentState in ``type``. Where these overlap an
    ORDER body they lie at the same offset as a field of the same width, by whose name kernels read them. RISK: shm/controls.py.

    EVENT
      0 sequence                 i8            64 price            i8
      8 command_sequence         i8            72 quantity         i8
     16 time_ns                  i8            80 leaves           i8
     24 order_id                 i8            88 resting_leaves   i8
     32 client_order_id          u8            96 instrument       i4
     40 resting_order_id         i8           100 index            u4
     48 resting_client_order_id  u8           104 session          i4
     56 account                  i4           108 kind u1 side u1 type u1 time_in_force u1
     60 resting_account          i4           112 reason u2 flags u2
                                              116 commander        i4
                                              120 request_id       u8

Units. ``sequence`` counts from 1 in each ring. Prices are ticks and quantities lots, but for a command that riskd refused
(``verdict != 0``), which carries them as the client sent them. Money is ticks x lots x ``tick_value``, in the smallest unit
of the quote currency. ``time_ns`` is nanoseconds since 1970, UTC. A field that a kind does not use is 0.

What the fields of an order mean, and which go together, is in ``docs/matching.md``. ``stop_price`` is the price that triggers a
stop; of a trailing order its distance (ticks, or basis points with BASIS_POINTS), of a pegged order its offset in ticks.
``linked`` is the paired order's slot, plus one; a request has its client order id in ``order_id``, and ``step`` in ``time_ns``.
``commander`` is the account of the command that an event came of.
"""

import hashlib
from enum import IntEnum
from typing import Any, Final

import numpy as np

RECORD_BYTES: Final = 128

_COMMAND_HEAD = [
    ("sequence", "<i8"),
    ("time_ns", "<i8"),
    ("order_id", "<i8"),
    ("client_order_id", "<u8"),
    ("request_id", "<u8"),
    ("origin_sequence", "<i8"),
    ("account", "<i4"),
    ("session", "<i4"),
    ("instrument", "<i4"),
    ("verdict", "<u2"),
    ("origin", "u1"),
    ("kind", "u1"),
]

COMMAND: Final = np.dtype(
    [
        *_COMMAND_HEAD,
        ("price", "<i8"),
        ("stop_price", "<i8"),
        ("quantity", "<i8"),
        ("display_quantity", "<i8"),
        ("expiry_ns", "<i8"),
        ("minimum_quantity", "<i8"),
        ("side", "u1"),
        ("type", "u1"),
        ("time_in_force", "u1"),
        ("self_trade_rule", "u1"),
        ("self_trade_group", "<i4"),
        ("flags", "<u2"),
        ("step", "<u2"),
        ("linked", "<u4"),
    ]
)
"""One numbered command to a matcher; without sequence, time and verdict it is a gateway's request to riskd."""

INSTRUMENT_COMMAND: Final = np.dtype(
    [
        *_COMMAND_HEAD,
        ("symbol", "S16"),
        ("tick_size", "<i8"),
        ("lot_size", "<i8"),
        ("tick_value", "<i8"),
        ("currency", "S8"),
        ("price_decimals", "u1"),
        ("quantity_decimals", "u1"),
        ("fee_basis", "u1"),
        ("pad", "u1", (1,)),
        ("maker_fee", "<i4"),
        ("taker_fee", "<i4"),
        ("pad_2", "u1", (4,)),
    ]
)
"""Defines an instrument: ``tick_size``, ``lot_size`` in wire units (10**-decimals), money that a lot gains a tick, fees."""

RULES_COMMAND: Final = np.dtype(
    [
        *_COMMAND_HEAD,
        ("reference_price", "<i8"),
        ("dynamic_collar", "<i8"),
        ("static_low", "<i8"),
        ("static_high", "<i8"),
        ("pad", "u1", (8,)),
        ("minimum_allocation", "<i8"),
        ("pad_2", "u1", (1,)),
        ("policy", "u1"),
        ("pad_3", "u1", (6,)),
        ("flags", "<u2"),
        ("pad_4", "u1", (6,)),
    ]
)
"""Sets an instrument's rules, all at once: prices in ticks, 0 for none; ``policy`` a Policy, ``flags`` RulesFlag bits."""

ACCOUNT_COMMAND: Final = np.dtype(
    [
        *_COMMAND_HEAD,
        ("name", "S16"),
        ("maximum_quantity", "<i8"),
        ("maximum_notional", "<i8"),
        ("maximum_open_orders", "<i8"),
        ("pad", "u1", (11,)),
        ("self_trade_rule", "u1"),
        ("self_trade_group", "<i4"),
        ("flags", "<u2"),
        ("pad_2", "u1", (6,)),
    ]
)
"""Defines an account and its limits: lots an order, money an order, orders at rest; 0 blocks. Sent to every shard.
``self_trade_rule`` and ``self_trade_group`` are what its orders have that name none; ``flags`` are AccountFlag bits."""

EVENT: Final = np.dtype(
    [
        ("sequence", "<i8"),
        ("command_sequence", "<i8"),
        ("time_ns", "<i8"),
        ("order_id", "<i8"),
        ("client_order_id", "<u8"),
        ("resting_order_id", "<i8"),
        ("resting_client_order_id", "<u8"),
        ("account", "<i4"),
        ("resting_account", "<i4"),
        ("price", "<i8"),
        ("quantity", "<i8"),
        ("leaves", "<i8"),
        ("resting_leaves", "<i8"),
        ("instrument", "<i4"),
        ("index", "<u4"),
        ("session", "<i4"),
        ("kind", "u1"),
        ("side", "u1"),
        ("type", "u1"),
        ("time_in_force", "u1"),
        ("reason", "<u2"),
        ("flags", "<u2"),
        ("commander", "<i4"),
        ("request_id", "<u8"),
    ]
)
"""One outcome. ``order_id`` is the order it is about (of a trade, the aggressor); trades alone set ``resting_*``, but for
``resting_leaves``, which in ACCEPTED, REPLACED, TRIGGERED and RESTATED counts the lots of ``leaves`` that are not shown."""


class CommandKind(IntEnum):
    """``kind`` of a command. Every command gives at least one event."""

    NEW = 1
    CANCEL = 2
    REPLACE = 3
    MASS_CANCEL = 4
    REDUCE = 5
    INSTRUMENT = 16
    ACCOUNT = 17
    SNAPSHOT = 18
    CLOCK = 19
    STATE = 20
    RULES = 21
    RISK = 24


class EventKind(IntEnum):
    """``kind`` of an event."""

    ACCEPTED = 1
    """The order is in: ``price``, ``quantity`` as entered; ``leaves`` = quantity. Always before its first trade."""
    REJECTED = 2
    """The command did nothing: ``reason`` says why, ``flags`` holds the command's kind."""
    TRADE = 3
    """``quantity`` lots at ``price`` (the resting order's); ``side`` is the aggressor's; leaves of both after it."""
    CANCELLED = 4
    """The order is gone: ``quantity`` is what was taken off, ``leaves`` 0, ``reason`` why."""
    REPLACED = 5
    """The order now has ``price`` and ``leaves``; ``quantity`` is the new total, executed part included."""
    MASS_CANCELLED = 6
    """All orders of a mass cancel are gone, each with a CANCELLED before; ``quantity`` counts them."""
    TRIGGERED = 7
    """A waiting order became active: a stop whose price was reached, an at-the-close order when the closing auction began."""
    RESTATED = 8
    """The order now has ``price``, total ``quantity`` and ``leaves`` without having asked: ``reason`` says why."""
    INSTRUMENT_DEFINED = 16
    ACCOUNT_DEFINED = 17
    SNAPSHOT_TAKEN = 18
    CLOCK = 19
    STATE_CHANGED = 20
    """The instrument is now in the InstrumentState ``type``; ``reason`` says why."""
    RULES_SET = 21
    INDICATIVE = 22
    """What an auction would do now: ``price``, ``quantity`` traded, ``leaves`` left over on ``side``."""
    UNCROSSED = 23
    """An auction found its ``price``: ``quantity`` will trade, ``leaves`` are left over on ``side``. Its trades follow."""
    RISK_SET = 24


class Side(IntEnum):
    """``side`` of an order; of a trade: the aggressor's."""

    BUY = 0
    SELL = 1


class OrderType(IntEnum):
    """``type`` of an order: where its price comes from, and when it becomes active."""

    LIMIT = 1
    MARKET = 2
    """Any price, or none worse than its protection price."""
    MARKET_TO_LIMIT = 3
    STOP = 4
    STOP_LIMIT = 5
    TRAILING_STOP = 6
    TRAILING_STOP_LIMIT = 7
    PEGGED_BID = 8
    PEGGED_ASK = 9
    PEGGED_MIDDLE = 10


class TimeInForce(IntEnum):
    """How long an order lives."""

    GTC = 1
    """Until it is cancelled."""
    IOC = 2
    """What does not trade at once is cancelled."""
    DAY = 3
    """Until its instrument closes."""
    GTD = 4
    """Until its ``expiry_ns``."""
    FOK = 5
    """All of it trades at once, or nothing."""
    AT_OPEN = 6
    """Only in the opening auction."""
    AT_CLOSE = 7
    """Only in the closing auction."""


class OrderFlag(IntEnum):
    """Bits of ``flags`` in a NEW. An order without EXTENDED is a limit or market order of which all else is 0."""

    EXTENDED = 1
    """The fields that few orders use are to be looked at; without it they are not."""
    POST_ONLY = 2
    SLIDE = 4
    """With POST_ONLY: an order that would trade goes one tick off instead."""
    REDUCE_ONLY = 8
    HIDDEN = 16
    ALL_OR_NONE = 32
    BASIS_POINTS = 64
    """A trailing order's distance is in basis points of the price that it trails."""


class MassCancelFlag(IntEnum):
    """Bits of ``flags`` in a MASS_CANCEL: which of its fields narrow it down, besides account and instrument."""

    BY_SESSION = 1
    BY_SIDE = 2
    BY_PRICE = 4
    """From ``price`` to ``stop_price``, both included."""


class SelfTradeRule(IntEnum):
    """``self_trade_rule``: what an order does instead of trading with one of its own account or group."""

    NONE = 0
    CANCEL_NEWEST = 1
    CANCEL_OLDEST = 2
    CANCEL_BOTH = 3
    DECREMENT = 4


class InstrumentState(IntEnum):
    """What an instrument's book does with orders."""

    CONTINUOUS = 0
    PRE_OPEN = 1
    OPENING_AUCTION = 2
    VOLATILITY_PAUSE = 3
    CLOSING_AUCTION = 4
    HALTED = 5
    CANCEL_ONLY = 6
    CLOSED = 7


class Policy(IntEnum):
    """Who among the resting orders of one price trades."""

    PRICE_TIME = 0
    PRO_RATA = 1


class RulesFlag(IntEnum):
    """Bits of ``flags`` in a RULES command."""

    TOP_ORDER_PRIORITY = 1


class AccountFlag(IntEnum):
    """Bits of ``flags`` in an ACCOUNT command."""

    TRACK_POSITION = 1
    """The matcher keeps the account's positions, which reduce-only orders need; set before the account's first order."""
    UNLIMITED, RISING_IDS, CASH, MARGIN, SHORT_SELLING = 2, 4, 8, 16, 32


class FeeBasis(IntEnum):
    """What ``maker_fee`` and ``taker_fee`` count."""

    BASIS_POINTS = 0
    """Hundredths of a basis point of the trade's money."""
    PER_LOT = 1
    """Money a lot."""


class EventFlag(IntEnum):
    """Bits of ``flags`` in an event that is not a rejection."""

    LAST = 1
    """The last event of its command."""
    AUCTION = 2
    """A trade of an auction: ``order_id`` is the buyer's, and neither was the aggressor."""


RISKD_ORIGIN: Final = 255
"""``origin`` of a command that no gateway asked for (instruments, accounts, snapshots, time)."""
NO_ACCOUNT: Final = -1
NO_INSTRUMENT: Final = -1
"""In a mass cancel: every instrument."""

SLOT_BITS: Final = 24
"""An order id is ``sequence << SLOT_BITS | slot``: unique in its shard, and it names the order's place in every pool."""
SLOT_BOUND: Final = 1 << SLOT_BITS
SESSION_BITS: Final = 24
"""A session is ``gateway << SESSION_BITS | number``."""
SHARD_BOUND, GATEWAY_BOUND = 16, 8

VARIANTS: Final = (COMMAND, INSTRUMENT_COMMAND, RULES_COMMAND, ACCOUNT_COMMAND, EVENT)
for _dtype in VARIANTS:
    assert _dtype.itemsize == RECORD_BYTES and not _dtype.isalignedstruct
    assert _dtype.fields is not None and _dtype.fields["kind"][1] == (108 if _dtype is EVENT else 63)
assert COMMAND.fields is not None and EVENT.fields is not None
assert [COMMAND.fields[name][1] for name in ("price", "side", "self_trade_group", "flags")] == [64, 112, 116, 120]
assert [EVENT.fields[name][1] for name in ("price", "instrument", "kind", "reason", "request_id")] == [64, 96, 108, 112, 120]

_SAME_PLACE: Final = {
    RULES_COMMAND: {
        "reference_price": "price",
        "dynamic_collar": "stop_price",
        "static_low": "quantity",
        "static_high": "display_quantity",
        "minimum_allocation": "minimum_quantity",
        "policy": "type",
        "flags": "flags",
    },
    ACCOUNT_COMMAND: {"self_trade_rule": "self_trade_rule", "self_trade_group": "self_trade_group", "flags": "flags"},
}
for _dtype, _names in _SAME_PLACE.items():
    for _name, _other in _names.items():
        assert _dtype.fields is not None and _dtype.fields[_name] == COMMAND.fields[_other], _name


def layout_hash(dtype: np.dtype[Any]) -> int:
    """64 bits that change with any name, type or offset of ``dtype``; kept in every segment and journal file."""
    return int.from_bytes(hashlib.sha256(repr(np.dtype(dtype).descr).encode()).digest()[:8], "little")


def shard_of(instrument: int, shards: int) -> int:
    """The shard whose matcher has the instrument's book: instruments are dealt round."""
    return instrument % shards
