"""Does a matcher's state hold together? Everything is walked: tries, levels, queues, accounts, pools, counts, best prices."""

from enum import IntEnum
from typing import Any

import numpy as np
from numba import njit

from matcher.book import find_level, next_level
from matcher.layout import BLOCK_ORDERS, NO_ORDER, PLACE_BITS, RANKS, WORST


class Flaw(IntEnum):
    """The first thing found wrong."""

    NONE = 0
    BEST_IS_NOT_THE_FIRST_LEVEL = 1
    LEVELS_NOT_SORTED = 2
    LEVEL_NOT_FOUND_BY_PRICE = 3
    LEVEL_OF_ANOTHER_BOOK = 4
    LEVEL_EMPTY = 5
    QUEUE_LINKS = 6
    QUEUE_SUM = 7
    QUEUE_COUNT = 8
    ORDER_OF_ANOTHER_LEVEL = 9
    ORDER_WITHOUT_LEAVES = 10
    LEVEL_COUNT_OF_SIDE = 11
    LEVEL_COUNT_OF_POOL = 12
    BOOK_CROSSED = 13
    ORDERS_NOT_ALL_QUEUED = 14
    ACCOUNT_PLACE = 15
    ACCOUNT_LINKS = 16
    ACCOUNT_COUNT = 17
    ORDERS_NOT_ALL_IN_ACCOUNTS = 18
    NODE_WITH_ONE_CHILD = 19
    BLOCK_EMPTY = 20


def check(state: Any) -> None:
    """Raises AssertionError naming the first flaw and where it is."""
    where = np.full(1, -1, np.int64)
    flaw = Flaw(first_flaw(state, where))
    assert flaw == Flaw.NONE, f"{flaw.name.lower().replace('_', ' ')}: {where[0]}"


@njit(cache=True)
def first_flaw(state: Any, where: Any) -> int:
    """A number of ``Flaw``; ``where[0]`` is the instrument, or the account, that has it."""
    queued = levels = 0
    for instrument in range(state["instruments"].shape[0]):
        where[0], book = instrument, state["instruments"][instrument]
        for side in range(2):
            flaw = _flaw_of_side(state, book, instrument, side)
            if flaw:
                return flaw
            levels += book["count"][side]
            queued += _orders_of_side(state, book, side)
        if book["defined"] and book["best"][0] != WORST and (RANKS ^ book["best"][0]) >= book["best"][1]:
            return 13
    where[0] = -1
    if levels != state["level_count"]:
        return 12
    if queued != state["resting"] or queued != _live(state):
        return 14
    return _flaw_of_accounts(state, where)


@njit(cache=True)
def _flaw_of_side(state: Any, book: Any, instrument: int, side: int) -> int:
    number, count, before = book["levels"][side], 0, np.int64(0)
    if number and state["levels"][number]["rank"] != book["best"][side]:
        return 1
    if number == 0 and (book["roots"][side] != 0 or (book["defined"] and book["best"][side] != WORST)):
        return 1
    while number:
        level = state["levels"][number]
        if level["rank"] <= before:
            return 2
        flaw = _flaw_of_level(state, book, instrument, side, number)
        if flaw:
            return flaw
        before, count = level["rank"], count + 1
        number = next_level(state, number)
    return 0 if count == book["count"][side] else 11


@njit(cache=True)
def _flaw_of_level(state: Any, book: Any, instrument: int, side: int, number: int) -> int:
    level = state["levels"][number]
    if find_level(state, book, side, level["rank"]) != number:
        return 3
    if level["instrument"] != instrument or level["side"] != side:
        return 4
    node = level["node"]
    while node:
        bitmap = state["nodes"][node]["bitmap"]
        if bitmap & (bitmap - np.uint64(1)) == 0:
            return 19
        node = state["nodes"][node]["parent"]
    return _flaw_of_queue(state, level, number)


@njit(cache=True)
def _flaw_of_queue(state: Any, level: Any, number: int) -> int:
    slot, before, count, total = level["head"], np.uint32(NO_ORDER), 0, 0
    if level["count"] == 0:
        return 5
    while slot != NO_ORDER:
        order = state["orders"][slot]
        if order["preceding"] != before or order["order_id"] == 0:
            return 6
        if order["level"] != number or order["instrument"] != level["instrument"] or order["side"] != level["side"]:
            return 9
        if order["leaves"] <= 0 or order["leaves"] > order["quantity"]:
            return 10
        count, total, before, slot = count + 1, total + order["leaves"], slot, order["following"]
    if level["tail"] != before:
        return 6
    if total != level["quantity"]:
        return 7
    return 0 if count == level["count"] else 8


@njit(cache=True)
def _orders_of_side(state: Any, book: Any, side: int) -> int:
    number, count = book["levels"][side], 0
    while number:
        count += state["levels"][number]["count"]
        number = next_level(state, number)
    return count


@njit(cache=True)
def _live(state: Any) -> int:
    count = 0
    for slot in range(state["orders"].shape[0]):
        if state["orders"][slot]["order_id"] != 0:
            count += 1
    return count


@njit(cache=True)
def _flaw_of_accounts(state: Any, where: Any) -> int:
    total = 0
    for account in range(state["accounts"].shape[0]):
        where[0], owner = account, state["accounts"][account]
        block, before, count = owner["first"], np.uint32(0), 0
        while block:
            page = state["blocks"][block]
            if page["preceding"] != before:
                return 16
            if page["live"] == 0 or page["filled"] > BLOCK_ORDERS:
                return 20
            for index in range(page["filled"]):
                if page["live"] >> index & 1:
                    order = state["orders"][page["orders"][index]]
                    if order["account"] != account or order["place"] != (np.int64(block) << PLACE_BITS | index):
                        return 15
                    count += 1
            before, block = block, page["following"]
        if owner["last"] != before:
            return 16
        if count != owner["orders"]:
            return 17
        total += count
    return 0 if total == state["resting"] else 18
