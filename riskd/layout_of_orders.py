"""The records by which riskd judges a single order, as they lie in its state (``riskd.layout``). Layout only."""

from typing import Final

import numpy as np

REPEATS: Final = 8
"""Orders of an account and shard that are known again; 1 where there are very many accounts and shards."""
WAYS: Final = 8
"""Client order ids remembered in each set of an account's."""
PAIR_BOUND: Final = 1 << 16
"""Pairs of account and instrument that were ever allowed or refused by name."""

COLLAR: Final = np.dtype([("price", "<i8"), ("ticks", "<i8"), ("basis_points", "<i8"), ("pad", "<i8"), ("chosen", "<i8", (4,))])
"""``price``: the one given, in wire units. ``chosen``: what the settings said last of the four controls, in their order."""

PERMITS: Final = np.dtype(
    [
        ("maximum_repeats", "<i8"),
        ("repeat_window_ms", "<i8"),
        ("latched", "<i8"),
        ("released", "<i8"),
        ("named", "<i4"),
        ("forbidden_gateways", "u1"),
        ("restricted", "u1"),
        ("remembers", "u1"),
        ("pad", "u1", (25,)),
    ]
)
"""``latched``: how often the account was, ``released``: through which of those times; while the first is more, it is latched.
``named``: its entries in ``pairs``. ``restricted``: what is not allowed there is refused."""

PAIR: Final = np.dtype([("key", "<i8"), ("permit", "u1"), ("chosen", "u1"), ("pad", "u1", (6,))])
"""``key`` as that of a position. Permits: the one in force, and that of the settings."""

REPEAT: Final = np.dtype([("price", "<i8"), ("quantity", "<i8"), ("begin_ns", "<i8"), ("kind", "<i4"), ("count", "<u4")])
"""So many orders of these terms since a window began. ``kind``: instrument << 8 | side << 7 | type; never 0."""

REMEMBERED: Final = np.dtype([("time_ns", "<i8"), ("client_order_id", "<u8")])
"""When an order of that id was taken; the newest lies first in its set."""

assert (COLLAR.itemsize, PERMITS.itemsize) == (64, 64)
assert (PAIR.itemsize, REPEAT.itemsize, REMEMBERED.itemsize) == (16, 32, 16)
