"""How a matcher's state lies in memory: one record, all pools inside. Layout only: no algorithm lives here.

    HEAD (once)   counters, bounds, free lists, where the rings are: see matcher/head.py

The layout is the same for every matcher, as large as the largest may be, so that the kernels are compiled once and not for
every choice of bounds: ``matcher/state.py`` reserves addresses for all of it, and memory comes where something is written.

    INSTRUMENT  192 bytes, by instrument id       ORDER  64 bytes, by the slot in the order id
      0 best      2 x i8  best rank of each side    0 order_id         i8  0: the slot is free
     16 levels    2 x u4  best level of each side   8 client_order_id  u8
     24 roots     2 x u4  of each side's trie      16 leaves           i8  lots still open
     32 count     2 x u4  levels of each side      24 quantity         i8  lots in all, executed ones included
     40 defined       u1  1 once it is             32 level            u4
     41 state         u1  InstrumentState          36 following        u4  next in the level's queue, or NO_ORDER
     42 special       u1  0: orders only trade     40 preceding        u4
     43 tall     2 x u1  1: a trie                 44 place            u4  where its account notes it, or 0
     45 stops         u1  1: of triggers; pad 2    48 account          i4
     48 last_price    i8  0 before the first       52 session          i4  that entered it
     56 pad            8                           56 instrument       i4
     64 short    2 x SHORT
    LEVEL  64 bytes, by level id (0 is none)       60 side u1  type u1  time_in_force u1
      0 rank          i8  price as ranked          63 special          u1  1: its EXTRA counts
      8 quantity      i8  lots shown at it
     16 head, tail  2xu4  of the shown orders      ACCOUNT  64 bytes, by account id
     24 node          u4  of the trie, 0: it hangs   0 first   u4  oldest block of its resting orders (0 is none)
     28 instrument    i4     from the root           4 last    u4  newest
     32 count         u4  orders at it               8 filled  u2  orders[k] was used for k < filled
     36 side          u1, pad 3                     10 defined u1  1; TRACKED with AccountFlag.TRACK_POSITION; pad 5
     40 hidden_head, hidden_tail, hidden_count      16 orders  12 x u4  slots, older than those in blocks
                    3xu4  slot + 1, slot + 1, orders
     52 pad            4
     56 dark          i8  lots not shown

    NODE  320 bytes, by node id (0 is none)        BLOCK  64 bytes, by block id
      0 bitmap  u8  which children there are         0 following  u4  newer block of the account
      8 base    i8  lowest rank under it             4 preceding  u4  older
     16 parent  u4  0: the root                      8 filled     u2  orders[k] was used for k < filled
     20 shift   u1  each child spans 1 << shift     10 pad         2
     21 pad     43                                  12 orders    13 x u4  slots
     64 child   64 x u4

What few orders and instruments need lies apart, so that the others never touch it: EXTRA by slot, RULES by instrument, and
``triggers``, a second INSTRUMENT each whose levels are stop prices: buy stops on its sell side, lowest first, sell stops on its
buy side. ``blocks_live`` says in two bytes a block which of its ``orders`` are at rest: bit k, orders[k]. ``expiries`` is a
heap of slots by (expiry, order id), ``positions`` a table of the accounts that are tracked.

Prices are ranked so that the best has the lowest number on both sides: a sell's rank is its price, a buy's is RANKS - price.
Then one trie, one comparison and one "next" do for both, and no branch asks for the side, which is random.

A side of few levels is no trie but a SHORT, 64 bytes: base i8, keys 7 x u4, levels 7 x u4, best first (``matcher/short.py``).

A trie is path-compressed: a node has two children at least, so a side of n levels has at most n - 1 nodes, whatever its
prices. A child is ``id << 7 | shift << 1 | is_level``, and 0 where there is none. A resting order has a place with its
account or in one of its blocks, in the order of entry; a block is freed when its last order is gone, so there are never more
blocks in use than orders at rest.
"""

from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np

from matcher.head import HEAD

PRICE_BITS: Final = 48
CROWD: Final = 4_096
"""Up to so many resting orders, what commands touch stays in the nearer caches by itself."""
RANKS: Final = (1 << PRICE_BITS) - 1
"""Prices run from 1 to RANKS - 1 ticks."""
WORST: Final = 1 << PRICE_BITS
"""The best rank of an empty side: no order reaches it."""
CHILD_BITS: Final = 7
BLOCK_ORDERS: Final = 13
OWN_ORDERS: Final = 12
"""Orders of an account that are noted with it; more are in blocks."""
PLACE_BITS: Final = 4
SHORT_LEVELS: Final = 7
FEW_LEVELS: Final = 3
"""A side with more levels than SHORT_LEVELS is a trie, until it has no more than FEW_LEVELS."""
TRACKED: Final = 3
"""``defined`` of an account whose positions the matcher keeps."""
TRACKED_ORDER: Final = 1 << 15
"""In the ``flags`` of an EXTRA: the order's account is tracked."""


class Special(IntEnum):
    """Bits of ``special`` of an instrument: why its commands take the longer way."""

    NOT_CONTINUOUS = 1
    RULED = 2
    """It has collars, or another policy than price-time."""
    WATCHED = 4
    """Stops, trailing, pegged or all-or-none orders look at what happens."""


class Where(IntEnum):
    """``where`` an order stands: on its way or waiting, in the book, or among the stops."""

    NOWHERE = 0
    BOOK = 1
    STOPS = 2


class Listed(IntEnum):
    """The list that an order is on, in the order of entry."""

    NONE = 0
    TRAILING = 1
    ALL_OR_NONE = 2
    AT_CLOSE = 3
    PEGGED = 4
    ELECTED = 5


SHORT: Final = np.dtype([("base", "<i8"), ("keys", "<u4", (SHORT_LEVELS,)), ("levels", "<u4", (SHORT_LEVELS,))])
INSTRUMENT: Final = np.dtype(
    [
        ("best", "<i8", (2,)),
        ("levels", "<u4", (2,)),
        ("roots", "<u4", (2,)),
        ("count", "<u4", (2,)),
        ("defined", "u1"),
        ("state", "u1"),
        ("special", "u1"),
        ("tall", "u1", (2,)),
        ("stops", "u1"),
        ("pad", "u1", (2,)),
        ("last_price", "<i8"),
        ("pad_2", "u1", (8,)),
        ("short", SHORT, (2,)),
    ]
)
EXTRA: Final = np.dtype(
    [
        ("price", "<i8"),  # as last sent or restated
        ("stop_price", "<i8"),  # that triggers it; 0: it has none yet
        ("offset", "<i8"),  # of a trailing order its distance, of a pegged one what is added to the reference
        ("display", "<i8"),
        ("shown", "<i8"),  # what is left of the shown part, in the book
        ("expiry_ns", "<i8"),
        ("following", "<u4"),  # in the list that it is on, or NO_ORDER
        ("preceding", "<u4"),
        ("partner", "<u4"),  # slot + 1
        ("expiry_place", "<u4"),  # in the heap, plus one
        ("group", "<i4"),
        ("flags", "<u2"),  # OrderFlag, and TRACKED_ORDER
        ("step", "<u2"),
        ("rule", "u1"),
        ("where", "u1"),
        ("listed", "u1"),  # the list that it is on
        ("active", "u1"),  # a stop that was triggered
        ("pad", "u1", (52,)),
    ]
)
LEVEL: Final = np.dtype(
    [
        ("rank", "<i8"),
        ("quantity", "<i8"),
        ("head", "<u4"),
        ("tail", "<u4"),
        ("node", "<u4"),
        ("instrument", "<i4"),
        ("count", "<u4"),
        ("side", "u1"),
        ("pad", "u1", (3,)),
        ("hidden_head", "<u4"),
        ("hidden_tail", "<u4"),
        ("hidden_count", "<u4"),
        ("pad_2", "u1", (4,)),
        ("dark", "<i8"),
    ]
)
ORDER: Final = np.dtype(
    [
        ("order_id", "<i8"),
        ("client_order_id", "<u8"),
        ("leaves", "<i8"),
        ("quantity", "<i8"),
        ("level", "<u4"),
        ("following", "<u4"),
        ("preceding", "<u4"),
        ("place", "<u4"),
        ("account", "<i4"),
        ("session", "<i4"),
        ("instrument", "<i4"),
        ("side", "u1"),
        ("type", "u1"),
        ("time_in_force", "u1"),
        ("special", "u1"),
    ]
)
LISTS: Final = 6
RULES: Final = np.dtype(
    [
        ("reference_price", "<i8"),
        ("static_low", "<i8"),
        ("static_high", "<i8"),
        ("dynamic_collar", "<i8"),
        ("minimum_allocation", "<i8"),
        ("anchor", "<i8"),  # what the dynamic collar is held against during a command
        ("told_price", "<i8"),  # the last INDICATIVE of this state
        ("told_volume", "<i8"),
        # 64
        ("told_imbalance", "<i8"),
        ("heads", "<u4", (LISTS,)),
        ("tails", "<u4", (LISTS,)),
        ("touched_next", "<i4"),
        ("pad", "u1", (4,)),
        # 128
        ("touched", "u1"),
        ("told_side", "u1"),
        ("policy", "u1"),
        ("flags", "u1"),
        ("pad_2", "u1", (60,)),
    ]
)
POSITION: Final = np.dtype([("key", "<i8"), ("net", "<i8")])
NODE: Final = np.dtype(
    [
        ("bitmap", "<u8"),
        ("base", "<i8"),
        ("parent", "<u4"),
        ("shift", "u1"),
        ("pad", "u1", (43,)),
        ("child", "<u4", (64,)),
    ]
)
ACCOUNT: Final = np.dtype(
    [
        ("first", "<u4"),
        ("last", "<u4"),
        ("filled", "<u2"),
        ("defined", "u1"),
        ("pad", "u1", (5,)),
        ("orders", "<u4", (OWN_ORDERS,)),
    ]
)
BLOCK: Final = np.dtype(
    [
        ("following", "<u4"),
        ("preceding", "<u4"),
        ("filled", "<u2"),
        ("pad", "u1", (2,)),
        ("orders", "<u4", (BLOCK_ORDERS,)),
    ]
)


class Bounds(NamedTuple):
    """How many of each a matcher can hold. Levels default to as many as orders: then they cannot run out first."""

    instruments: int
    accounts: int
    orders: int
    levels: int

    def problems(self) -> list[str]:
        """What is wrong with these numbers, in words; empty when nothing is."""
        pairs = zip(self._asdict().items(), LARGEST, strict=True)
        return [f"{name} must be 1 to {most:,}, not {count:,}" for (name, count), most in pairs if not 1 <= count <= most]


LARGEST: Final = Bounds(instruments=1 << 17, accounts=1 << 20, orders=1 << 21, levels=1 << 21)
NO_ORDER: Final = LARGEST.orders
"""In place of a slot. There is an order behind the last one that may be written to and says nothing: a queue's links are then
set without asking whether there is a neighbour, which is the one thing about an order that no processor foresees."""


def pools(bounds: Bounds) -> dict[str, int]:
    """How many of each pool's elements are in use with these bounds. Pools whose id 0 means none have one more."""
    instruments, accounts, orders, levels = bounds
    return {
        "instruments": instruments,
        "triggers": instruments,
        "rules": instruments,
        "accounts": accounts,
        "expiries": orders,
        "positions": position_places(orders),
        "orders": orders,
        "extras": orders,
        "blocks": orders + 1,
        "blocks_live": orders + 1,
        "nodes": levels + 1,
        "levels": levels + 1,
    }


def position_places(orders: int) -> int:
    """Places of the table of positions: a power of two, at least twice the orders."""
    return max(4, 1 << (2 * orders - 1).bit_length())


POOLS: Final = {
    "instruments": INSTRUMENT,
    "triggers": INSTRUMENT,
    "rules": RULES,
    "accounts": ACCOUNT,
    "expiries": np.dtype("<u4"),
    "positions": POSITION,
    "orders": ORDER,
    "extras": EXTRA,
    "blocks": BLOCK,
    "blocks_live": np.dtype("<u2"),
    "nodes": NODE,
    "levels": LEVEL,
}
LINE: Final = 64
STATE: Final = np.dtype(
    [*HEAD, *((name, POOLS[name], ((count // LINE + 1) * LINE,)) for name, count in pools(LARGEST).items())]
)
"""The whole state as one record. Every pool begins on a cache line."""
assert STATE.fields is not None
assert max(STATE.fields[name][1] for name in POOLS) < 1 << 31, "Numba reckons the offset of a field in 32 bits"

for _dtype, _size in ((EXTRA, 128), (RULES, 192), (POSITION, 16)):
    assert _dtype.itemsize == _size, (_dtype, _dtype.itemsize)
for _dtype, _size in ((INSTRUMENT, 192), (ORDER, 64), (LEVEL, 64), (BLOCK, 64), (NODE, 320), (ACCOUNT, 64)):
    assert _dtype.itemsize == _size, (_dtype, _dtype.itemsize)
assert OWN_ORDERS < BLOCK_ORDERS <= 1 << PLACE_BITS and BLOCK_ORDERS <= 16
for _name, _at in {"level": 32, "account": 48, "instrument": 56}.items():
    assert ORDER.fields is not None and ORDER.fields[_name][1] == _at
