"""The gateway's state as one record, which its kernels take. Layout only.

Sizes follow from the settings; everything is reached by index: a session by its place, an account and an instrument by
their number, an order by shard and by the slot in its id.

    SESSION  384 bytes            ORDER  64 bytes             UNITS  16 bytes
      0 key              i8        0 order_id        i8        0 tick_size  i8   0: not defined
      8 token            u4        8 client_order_id u8        8 lot_size   i8
     12 account          i4       16 time_ns         i8
     16 number           i4       24 price           i8
     20 next             i4       32 quantity        i8
     24 identity_bytes   i4       40 leaves          i8
     28 behind           u4       48 account         i4
     32 reports          i4       52 instrument      i4
     36 live             u1       56 side u1   type u1   time_in_force u1   pad 5
     37 heard u1   told u1   dirty u1   gone u1   noticed u1   pad 6
     48 heard_ns         i8
     56 told_ns          i8
     64 interval_ns      i8
     72 copy             i4   of a drop copy: its number; NOBODY of an account's session
     76 pad              52
    128 identity        256 x u1

Prices are ticks and quantities lots in an ORDER; ``behind`` has a bit for every shard whose events the session must ask for.
A drop copy's session is of account NOBODY, and in a list of its own.
"""

from enum import IntEnum
from typing import Any, Final

import numpy as np

from pinion.protocol import (
    CANCEL,
    EXECUTION_REPORT,
    HEADER,
    MASS_CANCEL,
    MASS_CANCEL_EXTENDED,
    NEW_ORDER,
    NEW_ORDER_EXTENDED,
    REDUCE,
    REPLACE,
    REPLACE_EXTENDED,
)
from shm.records import NO_ACCOUNT, SHARD_BOUND

IDENTITY_BYTES: Final = 256
REPORTS_A_FRAME: Final = 128
NOBODY: Final = -1
"""No session: ends a list, marks an empty place of the index."""
ALL_SHARDS: Final = (1 << SHARD_BOUND) - 1

SESSION: Final = np.dtype(
    [
        ("key", "<i8"),
        ("token", "<u4"),
        ("account", "<i4"),
        ("number", "<i4"),
        ("next", "<i4"),
        ("identity_bytes", "<i4"),
        ("behind", "<u4"),
        ("reports", "<i4"),
        ("live", "u1"),
        ("heard", "u1"),
        ("told", "u1"),
        ("dirty", "u1"),
        ("gone", "u1"),
        ("noticed", "u1"),
        ("pad", "u1", (6,)),
        ("heard_ns", "<i8"),
        ("told_ns", "<i8"),
        ("interval_ns", "<i8"),
        ("copy", "<i4"),
        ("pad2", "u1", (52,)),
        ("identity", "u1", (IDENTITY_BYTES,)),
    ]
)
ORDER: Final = np.dtype(
    [
        ("order_id", "<i8"),
        ("client_order_id", "<u8"),
        ("time_ns", "<i8"),
        ("price", "<i8"),
        ("quantity", "<i8"),
        ("leaves", "<i8"),
        ("account", "<i4"),
        ("instrument", "<i4"),
        ("side", "u1"),
        ("type", "u1"),
        ("time_in_force", "u1"),
        ("pad", "u1", (5,)),
    ]
)
UNITS: Final = np.dtype([("tick_size", "<i8"), ("lot_size", "<i8")])
SHARD: Final = np.dtype(
    [
        ("events", "<i8"),
        ("durable", "<i8"),
        ("reader", "<i8"),
        ("told", "<i8"),
        ("slots_used", "<i8"),
        ("commands", "<i8"),  # the last command all of whose events have been told
        ("pad", "<i8", (2,)),
    ]
)
"""``events`` and ``durable`` are addresses of the shard's ring and marks; ``told`` the last event that clients may know."""

assert SESSION.itemsize == 384 and SESSION.fields is not None and SESSION.fields["identity"][1] == 128
assert ORDER.itemsize == 64 and SHARD.itemsize == 64
assert NO_ACCOUNT == NOBODY


class Outcome(IntEnum):
    """Why the inbound kernel came back."""

    IDLE = 0
    """The socket is empty."""
    SLICE = 1
    """It has done its share."""
    FULL = 2
    """The ring has no room: the frame is gone on with when riskd has read."""
    COLD = 3
    """A well-formed message for Python begins at ``offset``."""
    REFUSED = 4
    """The message at ``offset`` is refused for ``reason``."""


def state_dtype(sessions: int, accounts: int, instruments: int, shards: int, slots: int, frame_bytes: int) -> np.dtype[Any]:
    """Room for so much of each; ``slots`` are live orders a shard, ``frame_bytes`` the longest frame taken in."""
    assert min(sessions, accounts, instruments, shards, slots) > 0 and shards <= SHARD_BOUND
    index = 1 << (2 * sessions - 1).bit_length()
    return np.dtype(
        [
            ("socket", "<i8"),
            ("wait_durable", "<i8"),
            ("origin", "<i8"),
            ("shards", "<i8"),
            ("sequence", "<i8"),  # the last order written, and the last of them published
            ("published", "<i8"),
            ("handled", "<i8"),
            ("reason", "<i8"),
            ("refusing", "<i8"),  # why no order is taken in now, or 0
            ("offset", "<i8"),  # of the next message in the frame at hand
            ("frame_bytes", "<i8"),
            ("identity_bytes", "<i8"),
            ("session", "<i8"),  # that sent it, or NOBODY
            ("asker", "<i8"),  # the session number looked for last, and its place or NOBODY
            ("asker_place", "<i8"),
            ("first_copy", "<i8"),  # the first session of a drop copy, or NOBODY
            ("dirty", "<i8"),  # how many sessions have reports not yet sent, and which
            ("frames_in", "<i8"),
            ("messages_in", "<i8"),
            ("frames_out", "<i8"),
            ("reports_out", "<i8"),
            ("fell_behind", "<i8"),
            ("option", "<i8", (2,)),
            ("identity", "u1", (IDENTITY_BYTES,)),
            ("shard", SHARD, (SHARD_BOUND,)),
            ("header", HEADER, (1,)),  # prototypes: what a message in the frame is read as
            ("new_order", NEW_ORDER, (1,)),
            ("cancel", CANCEL, (1,)),
            ("replace", REPLACE, (1,)),
            ("mass_cancel", MASS_CANCEL, (1,)),
            ("reduce", REDUCE, (1,)),
            ("new_order_extended", NEW_ORDER_EXTENDED, (1,)),
            ("replace_extended", REPLACE_EXTENDED, (1,)),
            ("mass_cancel_extended", MASS_CANCEL_EXTENDED, (1,)),
            ("index", "<i4", (index,)),
            ("first_session", "<i4", (accounts,)),
            ("watched_by", "<i8", (accounts,)),  # a bit for every drop copy that may see the account
            ("dirty_sessions", "<i4", (sessions,)),
            ("units", UNITS, (instruments,)),
            ("sessions", SESSION, (sessions,)),
            ("frames", EXECUTION_REPORT, (sessions, REPORTS_A_FRAME)),
            ("orders", ORDER, (shards, slots)),
            ("frame", "u1", ((frame_bytes + 7) // 8 * 8,)),
        ]
    )


def new_state(dtype: np.dtype[Any], shards: int) -> Any:
    """A state in which nobody is logged on and no order is known. The array; its one record goes to the kernels."""
    state = np.zeros(1, dtype)
    record = state[0]
    record["shards"], record["session"] = shards, NOBODY
    record["index"][:] = record["asker_place"] = NOBODY
    record["first_session"][:] = record["first_copy"] = NOBODY
    return state
