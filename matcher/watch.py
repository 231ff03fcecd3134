"""What a price does to those who wait for it: trailing stops move, stops are elected. And which instruments have to settle."""

from typing import Any

from matcher.book import find_level, rank_of, reach_level
from matcher.ending import STOPS, take_away, take_off
from matcher.layout import NO_ORDER, RANKS, WORST, Listed, Special
from matcher.lists import delist, enlist, first_listed, next_listed
from matcher.queues import append
from matcher.slots import level_at
from shm.atomics import int64
from shm.inner import inner
from shm.reasons import Reason
from shm.records import InstrumentState, OrderFlag, Policy

CONTINUOUS, PRICE_TIME = int64(InstrumentState.CONTINUOUS), int64(Policy.PRICE_TIME)
TRAILING, ALL_OR_NONE, PEGGED, ELECTED = (
    int64(Listed.TRAILING),
    int64(Listed.ALL_OR_NONE),
    int64(Listed.PEGGED),
    int64(Listed.ELECTED),
)
NOT_CONTINUOUS, RULED, WATCHED = int64(Special.NOT_CONTINUOUS), int64(Special.RULED), int64(Special.WATCHED)
BASIS_POINTS = int64(OrderFlag.BASIS_POINTS)
LEVEL_POOL_FULL = int64(Reason.LEVEL_POOL_FULL)
HIGHEST = RANKS - 1
BASIS = 10_000


@inner
def touch(state: Any, instrument: int) -> None:
    """The command changes something in the instrument: it has to settle when the command is done."""
    rules = state["rules"][instrument]
    if rules["touched"]:
        return
    rules["touched"], rules["touched_next"] = 1, 0
    last = state["instruments"][instrument]["last_price"]
    rules["anchor"] = last if last else rules["reference_price"]
    if state["touched_last"]:
        state["rules"][int64(state["touched_last"]) - 1]["touched_next"] = instrument + 1
    else:
        state["touched_first"] = instrument + 1
    state["touched_last"] = instrument + 1


@inner
def untouch_first(state: Any) -> int:
    """The instrument that has to settle next, taken off the queue; -1: none."""
    instrument = int64(state["touched_first"]) - 1
    if instrument >= 0:
        rules = state["rules"][instrument]
        state["touched_first"] = rules["touched_next"]
        if rules["touched_next"] == 0:
            state["touched_last"] = 0
        rules["touched"], rules["touched_next"] = 0, 0
    return instrument


@inner
def note_special(state: Any, instrument: int) -> None:
    """Bring the instrument's ``special`` up to date with its rules and with who waits."""
    book, rules, triggers = state["instruments"][instrument], state["rules"][instrument], state["triggers"][instrument]
    special = 0 if book["state"] == CONTINUOUS else NOT_CONTINUOUS
    if rules["policy"] != PRICE_TIME or rules["dynamic_collar"] or rules["static_low"] or rules["static_high"]:
        special |= RULED
    heads = rules["heads"]
    if triggers["count"][0] + triggers["count"][1] or heads[TRAILING] or heads[ALL_OR_NONE] or heads[PEGGED]:
        special |= WATCHED
    book["special"] = special


@inner
def wait_for_stop(state: Any, slot: int, stop_price: int) -> bool:
    """Put the order among the stops at ``stop_price``; False: no level is free, and it stands nowhere."""
    order, extra = state["orders"][slot], state["extras"][slot]
    triggers = state["triggers"][order["instrument"]]
    extra["stop_price"] = stop_price
    side = 1 - int64(order["side"])
    rank = rank_of(side, stop_price)
    if state["level_count"] >= state["level_bound"] and find_level(state, triggers, side, rank) == 0:
        return False
    number = reach_level(state, triggers, slot, side, rank)
    level = level_at(state, number)
    append(state, level, number, order, slot)
    level["count"] += 1
    level["quantity"] += order["leaves"]
    extra["where"] = STOPS
    return True


@inner
def trailed_price(extra: Any, side: int, price: int) -> int:
    """The stop price of a trailing order after a trade at ``price``."""
    distance = extra["offset"]
    if extra["flags"] & BASIS_POINTS:
        distance = (price * distance + BASIS - 1) // BASIS
    return min(max(price - distance if side else price + distance, 1), HIGHEST)


@inner
def on_price(state: Any, command: Any, instrument: int, price: int) -> None:
    """A trade at ``price``, in CONTINUOUS: move trailing stops, then elect."""
    book = state["instruments"][instrument]
    if not book["special"] & WATCHED or book["state"] != CONTINUOUS:
        return
    slot = first_listed(state, instrument, TRAILING)
    while slot != NO_ORDER:
        following = next_listed(state, slot)
        if _trail(state, command, slot, price):
            following = first_listed(state, instrument, TRAILING)  # a partner may be gone that came next
        slot = following
    triggers = state["triggers"][instrument]
    for side in range(1, -1, -1):  # buy stops stand on the sell side
        reach = rank_of(side, price)
        while triggers["best"][side] <= reach:
            elect(state, int64(level_at(state, triggers["levels"][side])["head"]))


@inner
def elect(state: Any, slot: int) -> None:
    """The order, among the stops or on its way, gets its turn when the incoming order is done."""
    take_away(state, slot)
    delist(state, slot)
    enlist(state, slot, ELECTED)


@inner
def is_reached(state: Any, slot: int) -> bool:
    """Is the last price at the order's stop price already?"""
    order = state["orders"][slot]
    last, stop = state["instruments"][order["instrument"]]["last_price"], state["extras"][slot]["stop_price"]
    if last == 0:
        return False
    return last <= stop if order["side"] else last >= stop


@inner
def _trail(state: Any, command: Any, slot: int, price: int) -> bool:
    """Move one trailing order after a trade; True: it, and perhaps its partner, is gone for lack of a level."""
    order, extra = state["orders"][slot], state["extras"][slot]
    side, stop, step = int64(order["side"]), extra["stop_price"], max(int64(extra["step"]), 1)
    target = trailed_price(extra, side, price)
    if extra["where"] == STOPS:
        if (target < stop + step) if side else (target > stop - step):
            return False
        take_away(state, slot)
    if wait_for_stop(state, slot, target):
        return False
    take_off(state, command, slot, LEVEL_POOL_FULL)
    return True


@inner
def open_watch(state: Any, instrument: int) -> None:
    """A new instrument has no stops."""
    triggers = state["triggers"][instrument]
    triggers["best"][0], triggers["best"][1], triggers["stops"] = WORST, WORST, 1
