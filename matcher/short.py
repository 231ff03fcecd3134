"""A side of few levels: one line of (rank, level), best first, with its instrument. Nearly half of all orders in a large market
come to such sides, where a trie would be two or three lines somewhere else.

A rank is kept as a key of 32 bits, the better the higher: ``base + FAR - key``; 0 is none. Sides that do not fit are tries.
"""

from typing import Any

from matcher.layout import SHORT_LEVELS
from shm.atomics import int64
from shm.inner import inner

FAR = (1 << 32) - 1
"""Ranks so far from ``base`` have no key."""
HALF = 1 << 31


@inner
def begin_short(short: Any, rank: int) -> None:
    """The first level of an empty side will be at ``rank``: others may be as far below as above."""
    short["base"] = max(rank - HALF, 0)


@inner
def key_of(short: Any, rank: int) -> int:
    """The key of ``rank``; 0: it is too far away to have one."""
    distance = rank - short["base"]
    return FAR - distance if 0 <= distance < FAR else int64(0)


@inner
def rank_at(short: Any, place: int) -> int:
    """The rank of the level at ``place``, which is one."""
    return short["base"] + FAR - int64(short["keys"][place])


@inner
def place_of(short: Any, key: int) -> int:
    """How many levels are better: where ``key`` is or would be. Without a branch."""
    place = 0
    for k in range(SHORT_LEVELS):
        place += int64(short["keys"][k]) > key
    return place


@inner
def level_of(short: Any, key: int, place: int) -> int:
    """The level of ``key``, whose place this is or would be; 0: there is none."""
    if key != 0 and place < SHORT_LEVELS and int64(short["keys"][place]) == key:
        return int64(short["levels"][place])
    return int64(0)


@inner
def put(short: Any, count: int, place: int, key: int, level: int) -> None:
    """A further level at ``place``, where there are ``count``, fewer than fit."""
    k = count
    while k > place:
        short["keys"][k], short["levels"][k] = short["keys"][k - 1], short["levels"][k - 1]
        k -= 1
    short["keys"][place], short["levels"][place] = key, level


@inner
def take(short: Any, left: int, place: int) -> None:
    """The level at ``place`` goes, and ``left`` are left."""
    k = place
    while k < left:
        short["keys"][k], short["levels"][k] = short["keys"][k + 1], short["levels"][k + 1]
        k += 1
    short["keys"][left], short["levels"][left] = 0, 0


@inner
def beside(short: Any, rank: int, step: int) -> int:
    """The level ``step`` places behind the one of ``rank``, or 0."""
    place = place_of(short, key_of(short, rank)) + step
    return int64(short["levels"][place]) if 0 <= place < SHORT_LEVELS else int64(0)
