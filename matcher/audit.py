"""Does a matcher's state hold together? Everything is walked: tries, levels, queues, accounts, pools, counts, best prices."""

from enum import IntEnum
from typing import Any

import numpy as np
from numba import njit

from matcher.accounts import AGAIN, rests_at
from matcher.book import find_level, next_level
from matcher.layout import BLOCK_ORDERS, LISTS, NO_ORDER, OWN_ORDERS, PLACE_BITS, RANKS, SHORT_LEVELS, WORST, Listed
from matcher.lists import first_listed, next_listed
from matcher.slots import level_at
from shm.atomics import int64
from shm.inner import inner
from shm.records import InstrumentState

CONTINUOUS, ELECTED = int64(InstrumentState.CONTINUOUS), int64(Listed.ELECTED)


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
    ORDERS_NOT_ALL_IN_ACCOUNTS = 18
    NODE_WITH_ONE_CHILD = 19
    BLOCK_EMPTY = 20
    SHOWN_PART = 21
    HIDDEN_COUNT = 22
    LIST_LINKS = 23
    ORDER_ON_NO_LIST = 24
    PARTNER = 25
    EXPIRY_HEAP = 26
    UNSETTLED = 27
    STATE_OF_INSTRUMENT = 28
    SHORT_SIDE = 29


def check(state: Any) -> None:
    """Raises AssertionError naming the first flaw and where it is."""
    where = np.full(1, -1, np.int64)
    flaw = first_flaw(state, where)
    assert flaw == Flaw.NONE, explain(flaw, where)


def explain(flaw: int, where: Any) -> str:
    """What ``first_flaw`` found, in words."""
    return f"{Flaw(flaw).name.lower().replace('_', ' ')}: {where[0]}"


@njit(cache=True)
def first_flaw(state: Any, where: Any) -> int:
    """A number of ``Flaw``; ``where[0]`` is the instrument, or the account, or the slot, that has it."""
    queued = levels = 0
    for instrument in range(state["instrument_bound"]):
        where[0], book, triggers = instrument, state["instruments"][instrument], state["triggers"][instrument]
        for side in range(2):
            flaw = _flaw_of_side(state, book, instrument, side, side)
            if flaw == 0:
                flaw = _flaw_of_side(state, triggers, instrument, side, 1 - side)
            if flaw:
                return flaw
            levels += book["count"][side] + triggers["count"][side]
            queued += _orders_of_side(state, book, side) + _orders_of_side(state, triggers, side)
        flaw = _flaw_of_lists(state, instrument)
        if flaw:
            return flaw
        queued += _waiting(state, instrument)
        crossed = book["best"][0] != WORST and (RANKS ^ book["best"][0]) >= book["best"][1]
        if book["defined"] and book["state"] == CONTINUOUS and crossed:
            return 13
        if state["rules"][instrument]["touched"] or (book["special"] & 1) != (book["state"] != CONTINUOUS):
            return 28
    where[0] = -1
    if levels != state["level_count"]:
        return 12
    if state["touched_first"] or state["touched_last"]:
        return 27
    if queued != state["resting"] or queued != _live(state):
        return 14
    flaw = _flaw_of_orders(state, where)
    return flaw if flaw else _flaw_of_accounts(state, where)


@inner
def _flaw_of_side(state: Any, book: Any, instrument: int, side: int, order_side: int) -> int:
    """One side of a book, whose orders are of ``order_side``: among the stops, that is the other one."""
    number, count, before, short = book["levels"][side], 0, int64(0), book["short"][side]
    for k in range(SHORT_LEVELS):
        there = not book["tall"][side] and k < book["count"][side]
        if (short["keys"][k] != 0) != there or (short["levels"][k] != 0) != there:
            return 29
    if not book["tall"][side] and book["roots"][side] != 0:
        return 29
    if number and level_at(state, number)["rank"] != book["best"][side]:
        return 1
    if number == 0 and (book["roots"][side] != 0 or (book["best"][side] != WORST and book["best"][side] != 0)):
        return 1
    while number:
        level = level_at(state, number)
        if level["rank"] <= before:
            return 2
        flaw = _flaw_of_level(state, book, instrument, side, number, order_side)
        if flaw:
            return flaw
        before, count = level["rank"], count + 1
        number = next_level(state, book, number)
    return 0 if count == book["count"][side] else 11


@inner
def _flaw_of_level(state: Any, book: Any, instrument: int, side: int, number: int, order_side: int) -> int:
    level = level_at(state, number)
    if find_level(state, book, side, level["rank"]) != number:
        return 3
    if level["instrument"] != instrument or level["side"] != side:
        return 4
    node = level["node"]
    if node != 0 and not book["tall"][side]:
        return 29
    while node:
        bitmap = state["nodes"][node]["bitmap"]
        if bitmap & (bitmap - np.uint64(1)) == 0:
            return 19
        node = state["nodes"][node]["parent"]
    if level["count"] == 0:
        return 5
    stops = side != order_side
    shown_count = int64(level["count"]) - int64(level["hidden_count"])
    shown = _queue(state, level, number, order_side, stops, False)
    hidden = _queue(state, level, number, order_side, stops, True)
    if shown[3] or hidden[3]:
        return shown[3] if shown[3] else hidden[3]
    if shown[0] != shown_count:
        return 8
    if hidden[0] != level["hidden_count"]:
        return 22
    return 0 if shown[1] == level["quantity"] and shown[2] + hidden[2] == level["dark"] else 7


@inner
def _queue(state: Any, level: Any, number: int, side: int, stops: bool, hidden: bool) -> Any:
    """Orders, shown lots, lots that are not, and the flaw, of one of a level's two queues."""
    none = int64(NO_ORDER)
    if hidden:
        slot, tail = int64(level["hidden_head"]) - 1, int64(level["hidden_tail"]) - 1
        slot, tail = (none, none) if slot < 0 else (slot, tail)
    else:
        slot, tail = int64(level["head"]), int64(level["tail"])
        if level["count"] == level["hidden_count"]:
            slot, tail = none, none
    before, count, shown, dark = none, 0, 0, 0
    while slot != NO_ORDER:
        order, extra = state["orders"][slot], state["extras"][slot]
        if order["preceding"] != before or order["order_id"] == 0:
            return count, shown, dark, 6
        if order["level"] != number or order["instrument"] != level["instrument"] or order["side"] != side:
            return count, shown, dark, 9
        if order["leaves"] <= 0 or order["leaves"] > order["quantity"]:
            return count, shown, dark, 10
        seen = extra["shown"] if order["special"] and not stops else order["leaves"]
        wrong = seen < 0 or seen > order["leaves"] or (seen == 0) != hidden
        if order["special"] and (extra["where"] != (2 if stops else 1) or (wrong and not stops)):
            return count, shown, dark, 21
        count, shown, dark, before, slot = (
            count + 1,
            shown + seen,
            dark + order["leaves"] - seen,
            slot,
            int64(order["following"]),
        )
    return count, shown, dark, 0 if tail == before else 6


@inner
def _orders_of_side(state: Any, book: Any, side: int) -> int:
    number, count = book["levels"][side], 0
    while number:
        count += level_at(state, number)["count"]
        number = next_level(state, book, number)
    return count


@inner
def _flaw_of_lists(state: Any, instrument: int) -> int:
    for which in range(1, LISTS):
        slot, before = first_listed(state, instrument, which), int64(NO_ORDER)
        if which == ELECTED and slot != NO_ORDER:
            return 27
        while slot != NO_ORDER:
            order, extra = state["orders"][slot], state["extras"][slot]
            live = order["order_id"] != 0 and order["special"] != 0 and order["instrument"] == instrument
            if not live or extra["listed"] != which or extra["preceding"] != before:
                return 23
            before, slot = slot, next_listed(state, slot)
        if int64(state["rules"][instrument]["tails"][which]) != (0 if before == NO_ORDER else before + 1):
            return 23
    return 0


@inner
def _waiting(state: Any, instrument: int) -> int:
    """Orders on lists that stand nowhere."""
    count = 0
    for which in range(1, LISTS):
        slot = first_listed(state, instrument, which)
        while slot != NO_ORDER:
            if state["extras"][slot]["where"] == 0:
                count += 1
            slot = next_listed(state, slot)
    return count


@inner
def _flaw_of_orders(state: Any, where: Any) -> int:
    """What each live order says of itself: partner, expiry, a list if it stands nowhere."""
    due = 0
    for slot in range(state["order_bound"]):
        order, extra = state["orders"][slot], state["extras"][slot]
        if order["order_id"] == 0 or not order["special"]:
            continue
        where[0] = slot
        if extra["where"] == 0 and extra["listed"] == 0:
            return 24
        partner = int64(extra["partner"]) - 1
        if partner >= 0:
            other = state["orders"][partner]
            if other["order_id"] == 0 or not other["special"] or int64(state["extras"][partner]["partner"]) != slot + 1:
                return 25
        if extra["expiry_ns"]:
            due += 1
            place = int64(extra["expiry_place"]) - 1
            if place < 0 or int64(state["expiries"][place]) != slot:
                return 26
            if place > 0 and state["extras"][int64(state["expiries"][(place - 1) >> 1])]["expiry_ns"] > extra["expiry_ns"]:
                return 26
    where[0] = -1
    return 0 if due == state["expiry_count"] else 26


@inner
def _live(state: Any) -> int:
    count = 0
    for slot in range(state["order_bound"]):
        if state["orders"][slot]["order_id"] != 0:
            count += 1
    return count


@inner
def _flaw_of_accounts(state: Any, where: Any) -> int:
    total = 0
    for account in range(state["account_bound"]):
        where[0], owner = account, state["accounts"][account]
        if owner["filled"] > AGAIN:
            return 15
        for index in range(min(int64(owner["filled"]), OWN_ORDERS)):
            total += rests_at(state, account, index)
        block, before = owner["first"], np.uint32(0)
        while block:
            page, live = state["blocks"][block], int64(state["blocks_live"][block])
            if page["preceding"] != before:
                return 16
            if live == 0 or page["filled"] > BLOCK_ORDERS or live >> int64(page["filled"]):
                return 20
            for index in range(page["filled"]):
                if live >> index & 1:
                    order = state["orders"][page["orders"][index]]
                    if order["account"] != account or order["place"] != (np.int64(block) << PLACE_BITS | index):
                        return 15
                    total += 1
            before, block = block, page["following"]
        if owner["last"] != before:
            return 16
    return 0 if total == state["resting"] else 18
