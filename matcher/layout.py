"""How a matcher's state lies in memory: one record, all pools inside. Layout only: no algorithm lives here.

    HEAD (once)   counters, free lists, scratch: what nearly every command touches

    INSTRUMENT  64 bytes, by instrument id        ORDER  64 bytes, by the slot in the order id
      0 best      2 x i8  best rank of each side    0 order_id         i8  0: the slot is free
     16 levels    2 x u4  best level of each side   8 client_order_id  u8
     24 roots     2 x u4  of each side's trie      16 leaves           i8  lots still open
     32 count     2 x u4  levels of each side      24 quantity         i8  lots in all, executed ones included
     40 defined       u1  1 once it is             32 level            u4
     41 pad          23                            36 following        u4  next in the level's queue, or NO_ORDER
                                                   40 preceding        u4
                                                   44 place            u4  in the account's blocks
    LEVEL  64 bytes, by level id (0 is none)       48 account          i4
      0 rank          i8  price as ranked          52 session          i4  that entered it
      8 quantity      i8  lots open at it          56 instrument       i4
     16 head          u4  first order              60 side u1  type u1  time_in_force u1  pad
     20 tail          u4  last order
     24 node          u4  of the trie, 0: it hangs  ACCOUNT  16 bytes, by account id
     28 instrument    i4     from the root           0 first   u4  oldest block of its resting orders (0 is none)
     32 count         u4  orders at it               4 last    u4  newest
     36 side          u1                             8 orders  u4  at rest
     37 pad          27                             12 defined u1, pad 3

    NODE  32 bytes, CHILDREN  64 x u4, both by     BLOCK  64 bytes, by block id
    node id (0 is none)                              0 following  u4  newer block of the account
      0 bitmap  u8  which children there are         4 preceding  u4  older
      8 base    i8  lowest rank under it             8 live       u2  bit k: orders[k] is at rest
     16 parent  u4  0: the root                     10 filled     u2  orders[k] was used for k < filled
     20 shift   u4  each child spans 1 << shift     12 orders    13 x u4  slots
     24 pad      8

Prices are ranked so that the best has the lowest number on both sides: a sell's rank is its price, a buy's is RANKS - price.
Then one trie, one comparison and one "next" do for both, and no branch asks for the side, which is random.

A trie is path-compressed: a node has two children at least, so a side of n levels has at most n - 1 nodes, whatever its
prices. A child is ``id << 1 | is_level``; 0 is none. A resting order has a place in its account's blocks, in the order of
entry; a block is freed when its last order is gone, so there are never more blocks in use than orders at rest.
"""

from typing import Any, Final, NamedTuple

import numpy as np

from shm.records import EVENT, SLOT_BOUND

PRICE_BITS: Final = 48
RANKS: Final = (1 << PRICE_BITS) - 1
"""Prices run from 1 to RANKS - 1 ticks."""
WORST: Final = 1 << PRICE_BITS
"""The best rank of an empty side: no order reaches it."""
NO_ORDER: Final = 0xFFFFFFFF
BLOCK_ORDERS: Final = 13
PLACE_BITS: Final = 4

HEAD: Final = [
    ("command_sequence", "<i8"),  # last command done
    ("event_sequence", "<i8"),  # last event made
    ("room_through", "<i8"),  # last event that may be written without asking the ring
    ("suppress_through", "<i8"),  # events up to this one were told by an earlier life
    ("opened", "<i8"),  # event_sequence when the command began
    ("trades", "<i8"),
    ("volume", "<i8"),
    ("resting", "<i8"),
    # 64
    ("hook", "<i8"),  # C function int64 f(void), called now and then while waiting; 0: none
    ("aborted", "<i8"),  # the hook said stop: nothing more is written
    ("reader", "<i8"),  # our index among the commands ring's gating readers
    ("level_bound", "<u4"),
    ("level_count", "<u4"),
    ("level_free", "<u4"),
    ("level_fresh", "<u4"),
    ("node_free", "<u4"),
    ("node_fresh", "<u4"),
    ("block_free", "<u4"),
    ("block_fresh", "<u4"),
    ("unused", "u1", (8,)),
    # 128
    ("scratch", EVENT, (1,)),  # where an event goes that nobody is to see
]

INSTRUMENT: Final = np.dtype(
    [
        ("best", "<i8", (2,)),
        ("levels", "<u4", (2,)),
        ("roots", "<u4", (2,)),
        ("count", "<u4", (2,)),
        ("defined", "u1"),
        ("pad", "u1", (23,)),
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
        ("pad", "u1"),
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
        ("pad", "u1", (27,)),
    ]
)
NODE: Final = np.dtype(
    [("bitmap", "<u8"), ("base", "<i8"), ("parent", "<u4"), ("shift", "<u4"), ("pad", "u1", (8,))],
)
CHILDREN: Final = np.dtype([("child", "<u4", (64,))])
ACCOUNT: Final = np.dtype(
    [("first", "<u4"), ("last", "<u4"), ("orders", "<u4"), ("defined", "u1"), ("pad", "u1", (3,))],
)
BLOCK: Final = np.dtype(
    [
        ("following", "<u4"),
        ("preceding", "<u4"),
        ("live", "<u2"),
        ("filled", "<u2"),
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
        named = self._asdict().items()
        wrong = [f"{name} must be at least 1, not {count}" for name, count in named if count < 1]
        if self.orders > SLOT_BOUND:
            wrong.append(f"orders must be at most {SLOT_BOUND:,}, not {self.orders:,}")
        return wrong


def state_dtype(bounds: Bounds) -> np.dtype[Any]:
    """The whole state as one record. Every pool begins on a cache line; pools whose id 0 means none have one more."""
    return np.dtype(
        [
            *HEAD,
            ("instruments", INSTRUMENT, (bounds.instruments,)),
            ("levels", LEVEL, (bounds.levels + 1,)),
            ("orders", ORDER, (bounds.orders,)),
            ("blocks", BLOCK, (bounds.orders + 1,)),
            ("children", CHILDREN, (bounds.levels + 1,)),
            ("nodes", NODE, ((bounds.levels + 2) // 2 * 2,)),
            ("accounts", ACCOUNT, (-(-bounds.accounts // 4) * 4,)),
        ]
    )


for _dtype, _size in ((INSTRUMENT, 64), (ORDER, 64), (LEVEL, 64), (BLOCK, 64), (NODE, 32), (ACCOUNT, 16), (CHILDREN, 256)):
    assert _dtype.itemsize == _size, (_dtype, _dtype.itemsize)
assert np.dtype(HEAD).itemsize == 256
assert BLOCK_ORDERS <= 1 << PLACE_BITS and BLOCK_ORDERS <= 16
assert SLOT_BOUND < NO_ORDER
for _name, _at in {"level": 32, "account": 48, "instrument": 56}.items():
    assert ORDER.fields is not None and ORDER.fields[_name][1] == _at
