"""The layout of every message between a client and the gateway. Layout only: ``pinion.codec`` packs and reads them.

Little-endian, fixed size, a multiple of 8 bytes, explicitly padded with zeros. A frame (one ZeroMQ message) holds one or more
messages back to back. ``docs/protocol.md`` says what they mean; here is where each byte lies:

    every message begins with    0 length u2   2 kind u1   3 version u1   4 token u4

    client to server
    LOGON                96    8 account S16   24 api_key S64   88 heartbeat_ms u4   92 flags u4
    LOGOUT               16    8 reason u2   10 pad 6                                              (both ways)
    HEARTBEAT            16    8 time_ns i8                                                        (both ways)
    INSTRUMENTS_REQUEST  16    8 request_id u8
    ORDERS_REQUEST       16    8 request_id u8
    RESEND_REQUEST       32    8 request_id u8   16 after_sequence i8   24 shard i4   28 pad 4
    NEW_ORDER            64    8 client_order_id u8   16 request_id u8   24 price i8   32 quantity i8   40 instrument i4
                               44 side u1   45 type u1   46 time_in_force u1   47 pad 1   48 reserved u8[2]
    CANCEL               24    8 client_order_id u8   16 request_id u8
    REPLACE              40    8 client_order_id u8   16 request_id u8   24 price i8   32 quantity i8
    MASS_CANCEL          24    8 request_id u8   16 instrument i4   20 pad 4

    server to client
    LOGON_ACCEPTED      168    8 account i4   12 session i4   16 time_ns i8   24 heartbeat_ms u4   28 shards u4
                               32 maximum_frame_bytes u4   36 pad 4   40 told i8[16]
    REJECT               64    8 request_id u8   16 reason u2   18 message u1   19 pad 1   20 offset u4   24 text S40
    INSTRUMENT           64    8 request_id u8   16 symbol S16   32 currency S8   40 tick_size i8   48 lot_size i8
                               56 instrument i4   60 price_decimals u1   61 quantity_decimals u1   62 pad 2
    ORDER_STATUS         88    8 request_id u8   16 order_id i8   24 client_order_id u8   32 time_ns i8   40 price i8
                               48 quantity i8   56 leaves i8   64 cumulative i8   72 account i4   76 instrument i4
                               80 side u1   81 type u1   82 time_in_force u1   83 shard u1   84 pad 4
    END_OF_LIST          24    8 request_id u8   16 count u4   20 message u1   21 pad 3
    RESEND_COMPLETE      32    8 request_id u8   16 sequence i8   24 shard i4   28 pad 4
    BEHIND               16    8 pad 8
    EXECUTION_REPORT    104    8 event_sequence i8   16 command_sequence i8   24 time_ns i8   32 order_id i8
                               40 client_order_id u8   48 request_id u8   56 price i8   64 quantity i8   72 leaves i8
                               80 account i4   84 instrument i4   88 session i4   92 reason u2   94 shard u1   95 report u1
                               96 side u1   97 type u1   98 time_in_force u1   99 liquidity u1   100 message u1   101 last u1
                               102 pad 2

Prices count 10**-price_decimals of the quote currency and quantities 10**-quantity_decimals of the instrument; times are
nanoseconds since 1970, UTC. Nothing on the wire is a float.
"""

from enum import IntEnum, IntFlag
from typing import Any, Final

import numpy as np

VERSION: Final = 1
HEADER_BYTES: Final = 8
SHARD_BOUND: Final = 16
REJECT_TEXT_BYTES: Final = 40

Dtype = np.dtype[Any]


class Kind(IntEnum):
    """``kind`` of a message: below 128 what a client may send, from 128 on what only the server sends."""

    LOGON = 1
    LOGOUT = 2
    HEARTBEAT = 3
    INSTRUMENTS_REQUEST = 4
    ORDERS_REQUEST = 5
    RESEND_REQUEST = 6
    NEW_ORDER = 16
    CANCEL = 17
    REPLACE = 18
    MASS_CANCEL = 19
    LOGON_ACCEPTED = 129
    REJECT = 130
    INSTRUMENT = 131
    ORDER_STATUS = 132
    END_OF_LIST = 133
    RESEND_COMPLETE = 134
    BEHIND = 135
    EXECUTION_REPORT = 144


SERVER_KINDS_FROM: Final = 128


class Side(IntEnum):
    """``side`` of an order."""

    BUY = 0
    SELL = 1


class OrderType(IntEnum):
    """``type`` of an order."""

    LIMIT = 1
    MARKET = 2


class TimeInForce(IntEnum):
    """``time_in_force`` of an order."""

    GTC = 1
    """Good till cancelled: what is not executed rests in the book."""
    IOC = 2
    """Immediate or cancel: what is not executed at once is cancelled."""


class ReportKind(IntEnum):
    """``report`` of an execution report: what happened to the order."""

    ACCEPTED = 1
    REJECTED = 2
    TRADE = 3
    CANCELLED = 4
    REPLACED = 5
    MASS_CANCELLED = 6


class Liquidity(IntEnum):
    """``liquidity`` of a TRADE report; NONE in every other."""

    NONE = 0
    MAKER = 1
    TAKER = 2


class LogonFlag(IntFlag):
    """Bits of ``flags`` in a LOGON."""

    RESUME = 1
    """Send no report before it is asked for by RESEND_REQUEST: the client has seen some and wants no gap."""


ALL_INSTRUMENTS: Final = -1
"""``instrument`` of a mass cancel that means every one."""


def _layout(*fields: tuple[Any, ...]) -> Dtype:
    head = [("length", "<u2"), ("kind", "u1"), ("version", "u1"), ("token", "<u4")]
    return np.dtype([*head, *fields])


HEADER: Final = _layout()

LOGON: Final = _layout(("account", "S16"), ("api_key", "S64"), ("heartbeat_ms", "<u4"), ("flags", "<u4"))
LOGOUT: Final = _layout(("reason", "<u2"), ("pad", "u1", (6,)))
HEARTBEAT: Final = _layout(("time_ns", "<i8"))
INSTRUMENTS_REQUEST: Final = _layout(("request_id", "<u8"))
ORDERS_REQUEST: Final = _layout(("request_id", "<u8"))
RESEND_REQUEST: Final = _layout(("request_id", "<u8"), ("after_sequence", "<i8"), ("shard", "<i4"), ("pad", "u1", (4,)))

NEW_ORDER: Final = _layout(
    ("client_order_id", "<u8"),
    ("request_id", "<u8"),
    ("price", "<i8"),
    ("quantity", "<i8"),
    ("instrument", "<i4"),
    ("side", "u1"),
    ("type", "u1"),
    ("time_in_force", "u1"),
    ("pad", "u1", (1,)),
    ("reserved", "<u8", (2,)),
)
CANCEL: Final = _layout(("client_order_id", "<u8"), ("request_id", "<u8"))
REPLACE: Final = _layout(("client_order_id", "<u8"), ("request_id", "<u8"), ("price", "<i8"), ("quantity", "<i8"))
MASS_CANCEL: Final = _layout(("request_id", "<u8"), ("instrument", "<i4"), ("pad", "u1", (4,)))

LOGON_ACCEPTED: Final = _layout(
    ("account", "<i4"),
    ("session", "<i4"),
    ("time_ns", "<i8"),
    ("heartbeat_ms", "<u4"),
    ("shards", "<u4"),
    ("maximum_frame_bytes", "<u4"),
    ("pad", "u1", (4,)),
    ("told", "<i8", (SHARD_BOUND,)),
)
REJECT: Final = _layout(
    ("request_id", "<u8"),
    ("reason", "<u2"),
    ("message", "u1"),
    ("pad", "u1", (1,)),
    ("offset", "<u4"),
    ("text", "S40"),
)
INSTRUMENT: Final = _layout(
    ("request_id", "<u8"),
    ("symbol", "S16"),
    ("currency", "S8"),
    ("tick_size", "<i8"),
    ("lot_size", "<i8"),
    ("instrument", "<i4"),
    ("price_decimals", "u1"),
    ("quantity_decimals", "u1"),
    ("pad", "u1", (2,)),
)
ORDER_STATUS: Final = _layout(
    ("request_id", "<u8"),
    ("order_id", "<i8"),
    ("client_order_id", "<u8"),
    ("time_ns", "<i8"),
    ("price", "<i8"),
    ("quantity", "<i8"),
    ("leaves", "<i8"),
    ("cumulative", "<i8"),
    ("account", "<i4"),
    ("instrument", "<i4"),
    ("side", "u1"),
    ("type", "u1"),
    ("time_in_force", "u1"),
    ("shard", "u1"),
    ("pad", "u1", (4,)),
)
END_OF_LIST: Final = _layout(("request_id", "<u8"), ("count", "<u4"), ("message", "u1"), ("pad", "u1", (3,)))
RESEND_COMPLETE: Final = _layout(("request_id", "<u8"), ("sequence", "<i8"), ("shard", "<i4"), ("pad", "u1", (4,)))
BEHIND: Final = _layout(("pad", "u1", (8,)))
EXECUTION_REPORT: Final = _layout(
    ("event_sequence", "<i8"),
    ("command_sequence", "<i8"),
    ("time_ns", "<i8"),
    ("order_id", "<i8"),
    ("client_order_id", "<u8"),
    ("request_id", "<u8"),
    ("price", "<i8"),
    ("quantity", "<i8"),
    ("leaves", "<i8"),
    ("account", "<i4"),
    ("instrument", "<i4"),
    ("session", "<i4"),
    ("reason", "<u2"),
    ("shard", "u1"),
    ("report", "u1"),
    ("side", "u1"),
    ("type", "u1"),
    ("time_in_force", "u1"),
    ("liquidity", "u1"),
    ("message", "u1"),
    ("last", "u1"),
    ("pad", "u1", (2,)),
)

LAYOUTS: Final[dict[Kind, Dtype]] = {kind: globals()[kind.name] for kind in Kind}
"""The dtype of each kind. One version, one length a kind; a later version may add longer ones."""

assert HEADER.itemsize == HEADER_BYTES
assert NEW_ORDER.itemsize == 64, "one cache line"
for _kind, _dtype in LAYOUTS.items():
    assert _dtype.itemsize % 8 == 0, _kind
    assert not _dtype.isalignedstruct, _kind
    assert (_kind >= SERVER_KINDS_FROM) == (_kind >= Kind.LOGON_ACCEPTED), _kind
