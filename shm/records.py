"""The records that travel through the rings and lie in the journal. Layout only: no algorithm lives here.

Little-endian, explicitly padded, 128 bytes: two cache lines. The first line of a command says what it is and where it comes
from; the second is its body, which ``INSTRUMENT`` and ``ACCOUNT`` commands lay out in their own way.

    COMMAND                                   ORDER body (line 2)          INSTRUMENT body        ACCOUNT body
      0 sequence          i8                   64 price            i8       64 symbol      S16     64 name              S16
      8 time_ns           i8                   72 stop_price       i8       80 tick_size   i8      80 maximum_quantity  i8
     16 order_id          i8                   80 quantity         i8       88 lot_size    i8      88 maximum_notional  i8
     24 client_order_id   u8                   88 display_quantity i8       96 tick_value  i8      96 maximum_open_orders i8
     32 request_id        u8                   96 expiry_ns        i8      104 currency    S8     104 flags             u4
     40 origin_sequence   i8                  104 minimum_quantity i8      112 price_decimals u1  108 pad
     48 account           i4                  112 side u1 type u1          113 quantity_decimals u1
     52 session           i4                  114 time_in_force u1         114 pad
     56 instrument        i4                  115 self_trade_rule u1
     60 verdict           u2                  116 self_trade_group i4
     62 origin            u1                  120 flags            u4
     63 kind              u1                  124 pad

    EVENT
      0 sequence                 i8            64 price            i8
      8 command_sequence         i8            72 quantity         i8
     16 time_ns                  i8            80 leaves           i8
     24 order_id                 i8            88 resting_leaves   i8
     32 client_order_id          u8            96 instrument       i4
     40 resting_order_id         i8           100 index            u4
     48 resting_client_order_id  u8           104 session          i4
     56 account                  i4           108 kind u1 side u1 type u1 time_in_force u1
     60 resting_account          i4           112 reason u2 flags u2 pad u4
                                              120 request_id       u8

Units. ``sequence`` counts from 1 in each ring. Prices are ticks and quantities lots, but for a command that riskd refused
(``verdict != 0``), which carries them as the client sent them. Money is ticks x lots x ``tick_value``, in the smallest unit
of the quote currency. ``time_ns`` is nanoseconds since 1970, UTC. A field that a kind does not use is 0.
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
        ("flags", "<u4"),
        ("pad", "u1", (4,)),
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
        ("pad", "u1", (14,)),
    ]
)
"""Defines an instrument: ``tick_size``, ``lot_size`` in wire units (10**-decimals), money that a lot gains a tick."""

ACCOUNT_COMMAND: Final = np.dtype(
    [
        *_COMMAND_HEAD,
        ("name", "S16"),
        ("maximum_quantity", "<i8"),
        ("maximum_notional", "<i8"),
        ("maximum_open_orders", "<i8"),
        ("flags", "<u4"),
        ("pad", "u1", (20,)),
    ]
)
"""Defines an account and its limits: lots an order, money an order, orders at rest; 0 blocks. Sent to every shard."""

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
        ("pad", "u1", (4,)),
        ("request_id", "<u8"),
    ]
)
"""One outcome. ``order_id`` is the order it is about (of a trade, the aggressor); trades alone set ``resting_*``."""


class CommandKind(IntEnum):
    """``kind`` of a command. Every command gives at least one event."""

    NEW = 1
    CANCEL = 2
    REPLACE = 3
    MASS_CANCEL = 4
    INSTRUMENT = 16
    ACCOUNT = 17
    SNAPSHOT = 18
    CLOCK = 19


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
    INSTRUMENT_DEFINED = 16
    ACCOUNT_DEFINED = 17
    SNAPSHOT_TAKEN = 18
    CLOCK = 19


class Side(IntEnum):
    """``side`` of an order; of a trade: the aggressor's."""

    BUY = 0
    SELL = 1


class OrderType(IntEnum):
    """``type`` of an order: whether it has a price of its own."""

    LIMIT = 1
    MARKET = 2


class TimeInForce(IntEnum):
    """How long an order lives: until it is cancelled, or not at all."""

    GTC = 1
    IOC = 2


class EventFlag(IntEnum):
    """Bits of ``flags`` in an event that is not a rejection."""

    LAST = 1
    """The last event of its command."""


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
SHARD_BOUND: Final = 16
GATEWAY_BOUND: Final = 8

VARIANTS: Final = (COMMAND, INSTRUMENT_COMMAND, ACCOUNT_COMMAND, EVENT)
for _dtype in VARIANTS:
    assert _dtype.itemsize == RECORD_BYTES and not _dtype.isalignedstruct
for _dtype in (COMMAND, INSTRUMENT_COMMAND, ACCOUNT_COMMAND):
    assert _dtype.fields is not None and _dtype.fields["kind"][1] == 63
for _name, _offset in {"price": 64, "side": 112, "self_trade_group": 116, "flags": 120}.items():
    assert COMMAND.fields is not None and COMMAND.fields[_name][1] == _offset
for _name, _offset in {"price": 64, "instrument": 96, "kind": 108, "reason": 112, "request_id": 120}.items():
    assert EVENT.fields is not None and EVENT.fields[_name][1] == _offset


def layout_hash(dtype: np.dtype[Any]) -> int:
    """64 bits that change with any name, type or offset of ``dtype``; kept in every segment and journal file."""
    return int.from_bytes(hashlib.sha256(repr(np.dtype(dtype).descr).encode()).digest()[:8], "little")


def shard_of(instrument: int, shards: int) -> int:
    """The shard whose matcher has the instrument's book: instruments are dealt round."""
    return instrument % shards
