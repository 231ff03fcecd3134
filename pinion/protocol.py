"""The layout of every message between a client and the gateway. Layout only: ``pinion.codec`` packs and reads them.

Little-endian, a multiple of 8 bytes, explicitly padded with zeros. A kind has one length, or two: the longer form, *extended*,
carries what few messages need. A frame (one ZeroMQ message) holds one or more messages back to back. ``docs/protocol.md`` says
what they mean; here is where each byte lies:

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
    NEW_ORDER_EXTENDED  104    8 client_order_id u8   16 request_id u8   24 price i8   32 quantity i8   40 instrument i4
                               44 side u1   45 type u1   46 time_in_force u1   47 self_trade_rule u1   48 stop_price i8
                               56 display_quantity i8   64 expiry_ns i8   72 minimum_quantity i8
                               80 linked_client_order_id u8   88 step i8   96 self_trade_group i4   100 flags u2   102 pad 2
    CANCEL               24    8 client_order_id u8   16 request_id u8
    REPLACE              40    8 client_order_id u8   16 request_id u8   24 price i8   32 quantity i8
    REPLACE_EXTENDED     48    8 client_order_id u8   16 request_id u8   24 price i8   32 quantity i8   40 stop_price i8
    MASS_CANCEL          24    8 request_id u8   16 instrument i4   20 pad 4
    MASS_CANCEL_EXTENDED 40    8 request_id u8   16 instrument i4   20 flags u2   22 side u1   23 pad 1   24 lowest_price i8
                               32 highest_price i8
    REDUCE               32    8 client_order_id u8   16 request_id u8   24 quantity i8

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
                               102 auction u1   103 pad 1

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
    REDUCE = 20
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
    """``type`` of an order: where its price comes from, and when it becomes active."""

    LIMIT = 1
    MARKET = 2
    """Any price, or none worse than ``price``, if that is not 0."""
    MARKET_TO_LIMIT = 3
    """The best opposite price becomes its limit price."""
    STOP = 4
    """A market order once a trade reaches ``stop_price``."""
    STOP_LIMIT = 5
    """A limit order once a trade reaches ``stop_price``."""
    TRAILING_STOP = 6
    """A stop whose stop price follows the market at the distance ``stop_price``."""
    TRAILING_STOP_LIMIT = 7
    """The same, and when it is triggered a limit order, ``price`` beyond its stop price."""
    PEGGED_BID = 8
    """A hidden order that follows the best buy, ``stop_price`` off it, and goes no further than ``price``, if not 0."""
    PEGGED_ASK = 9
    PEGGED_MIDDLE = 10


class TimeInForce(IntEnum):
    """``time_in_force`` of an order."""

    GTC = 1
    """Good till cancelled: what is not executed rests in the book."""
    IOC = 2
    """Immediate or cancel: what is not executed at once is cancelled."""
    DAY = 3
    """Until its instrument closes."""
    GTD = 4
    """Until its ``expiry_ns``."""
    FOK = 5
    """Fill or kill: all of it trades at once, or nothing."""
    AT_OPEN = 6
    """Only in the opening auction."""
    AT_CLOSE = 7
    """Only in the closing auction."""


class OrderFlag(IntFlag):
    """Bits of ``flags`` in an extended NEW_ORDER."""

    EXTENDED = 1
    """Set by the gateway: an extended message is one, whether it says so or not."""
    POST_ONLY = 2
    """Refused if it could trade at once."""
    SLIDE = 4
    """With POST_ONLY: priced one tick short of the best opposite price instead."""
    REDUCE_ONLY = 8
    """Trades only what brings the account's position nearer to 0."""
    HIDDEN = 16
    ALL_OR_NONE = 32
    BASIS_POINTS = 64
    """A trailing order's distance is in basis points of the price that it trails, and not a price."""


class MassCancelFlag(IntFlag):
    """Bits of ``flags`` in an extended MASS_CANCEL: what narrows it down, besides the instrument."""

    BY_SESSION = 1
    """Only orders that this session entered."""
    BY_SIDE = 2
    BY_PRICE = 4
    """From ``lowest_price`` to ``highest_price``, both included."""


class SelfTradeRule(IntEnum):
    """``self_trade_rule``: what an order does instead of trading with one of its own account or group; 0: its account's."""

    NONE = 0
    CANCEL_NEWEST = 1
    CANCEL_OLDEST = 2
    CANCEL_BOTH = 3
    DECREMENT = 4


class ReportKind(IntEnum):
    """``report`` of an execution report: what happened to the order."""

    ACCEPTED = 1
    REJECTED = 2
    TRADE = 3
    CANCELLED = 4
    REPLACED = 5
    MASS_CANCELLED = 6
    TRIGGERED = 7
    """A waiting order became active."""
    RESTATED = 8
    """The order has another price, quantity or place without having asked: ``reason`` says why."""
    DONE = 9
    """Nothing more will come of a message of this session; what came last was about another account's order, or none."""


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

_ORDER_HEAD: Final = (
    ("client_order_id", "<u8"),
    ("request_id", "<u8"),
    ("price", "<i8"),
    ("quantity", "<i8"),
    ("instrument", "<i4"),
    ("side", "u1"),
    ("type", "u1"),
    ("time_in_force", "u1"),
)
NEW_ORDER: Final = _layout(*_ORDER_HEAD, ("pad", "u1", (1,)), ("reserved", "<u8", (2,)))
NEW_ORDER_EXTENDED: Final = _layout(
    *_ORDER_HEAD,
    ("self_trade_rule", "u1"),
    ("stop_price", "<i8"),
    ("display_quantity", "<i8"),
    ("expiry_ns", "<i8"),
    ("minimum_quantity", "<i8"),
    ("linked_client_order_id", "<u8"),
    ("step", "<i8"),
    ("self_trade_group", "<i4"),
    ("flags", "<u2"),
    ("pad", "u1", (2,)),
)
CANCEL: Final = _layout(("client_order_id", "<u8"), ("request_id", "<u8"))
_REPLACE: Final = (("client_order_id", "<u8"), ("request_id", "<u8"), ("price", "<i8"), ("quantity", "<i8"))
REPLACE: Final = _layout(*_REPLACE)
REPLACE_EXTENDED: Final = _layout(*_REPLACE, ("stop_price", "<i8"))
MASS_CANCEL: Final = _layout(("request_id", "<u8"), ("instrument", "<i4"), ("pad", "u1", (4,)))
MASS_CANCEL_EXTENDED: Final = _layout(
    ("request_id", "<u8"),
    ("instrument", "<i4"),
    ("flags", "<u2"),
    ("side", "u1"),
    ("pad", "u1", (1,)),
    ("lowest_price", "<i8"),
    ("highest_price", "<i8"),
)
REDUCE: Final = _layout(("client_order_id", "<u8"), ("request_id", "<u8"), ("quantity", "<i8"))

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
    ("auction", "u1"),
    ("pad", "u1", (1,)),
)

LAYOUTS: Final[dict[Kind, Dtype]] = {kind: globals()[kind.name] for kind in Kind}
"""The dtype of each kind's plain form."""

EXTENDED: Final[dict[Kind, Dtype]] = {
    Kind.NEW_ORDER: NEW_ORDER_EXTENDED,
    Kind.REPLACE: REPLACE_EXTENDED,
    Kind.MASS_CANCEL: MASS_CANCEL_EXTENDED,
}
"""The dtype of the longer form of those kinds that have one."""

FORMS: Final[dict[Kind, dict[int, Dtype]]] = {
    kind: {layout.itemsize: layout for layout in (LAYOUTS[kind], EXTENDED.get(kind, LAYOUTS[kind]))} for kind in Kind
}
"""Every form that a kind may have in version 1, by its length."""

assert HEADER.itemsize == HEADER_BYTES
assert NEW_ORDER.itemsize == 64, "one cache line"
for _kind, _forms in FORMS.items():
    assert (_kind >= SERVER_KINDS_FROM) == (_kind >= Kind.LOGON_ACCEPTED), _kind
    for _length, _dtype in _forms.items():
        assert _length % 8 == 0 and not _dtype.isalignedstruct, _kind
