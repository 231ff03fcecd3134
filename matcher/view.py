"""Reading a book out of a matcher's state, between two slices."""

from typing import Any, NamedTuple

import numpy as np
from numba import njit

from matcher.book import next_level, rank_of
from matcher.slots import level_at
from shm.records import Side


class Level(NamedTuple):
    """One price of one side as others see it: ticks, lots shown, orders that show any."""

    price: int
    quantity: int
    orders: int


class Book(NamedTuple):
    """The best levels of both sides that show anything, best first."""

    bids: list[Level]
    asks: list[Level]


def read_book(state: Any, instrument: int, depth: int) -> Book:
    """The best ``depth`` levels of an instrument's sides."""
    rows = np.empty((depth, 3), np.int64)
    sides = []
    for side in (Side.BUY, Side.SELL):
        count = copy_levels(state, instrument, int(side), rows)
        sides.append([Level(*row) for row in rows[:count].tolist()])
    return Book(*sides)


@njit(cache=True)
def copy_levels(state: Any, instrument: int, side: int, rows: Any) -> int:
    """Fill ``rows`` (n x 3, int64) with price, quantity and orders of the best levels; how many there were."""
    number, count = state["instruments"][instrument]["levels"][side], 0
    while number and count < rows.shape[0]:
        level = level_at(state, number)
        if level["quantity"]:
            rows[count, 0] = rank_of(side, level["rank"])
            rows[count, 1], rows[count, 2] = level["quantity"], level["count"] - level["hidden_count"]
            count += 1
        number = next_level(state, state["instruments"][instrument], number)
    return count
