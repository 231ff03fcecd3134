"""Orders that wait beside the book, or follow it: one list of each kind an instrument, in the order of entry."""

from typing import Any

from matcher.layout import NO_ORDER
from shm.atomics import int64
from shm.inner import inner


@inner
def first_listed(state: Any, instrument: int, which: int) -> int:
    """The slot at the head of the list, or NO_ORDER. A head is kept as slot + 1: zeroed memory is empty lists."""
    head = int64(state["rules"][instrument]["heads"][which])
    return head - 1 if head else NO_ORDER


@inner
def next_listed(state: Any, slot: int) -> int:
    """The slot behind ``slot`` on its list, or NO_ORDER."""
    return int64(state["extras"][slot]["following"])


@inner
def enlist(state: Any, slot: int, which: int) -> None:
    """Put the order at the end of the list."""
    rules, extra = state["rules"][state["orders"][slot]["instrument"]], state["extras"][slot]
    tail = int64(rules["tails"][which])
    extra["listed"], extra["following"] = which, NO_ORDER
    if tail:
        extra["preceding"] = tail - 1
        state["extras"][tail - 1]["following"] = slot
    else:
        extra["preceding"] = NO_ORDER
        rules["heads"][which] = slot + 1
    rules["tails"][which] = slot + 1


@inner
def delist(state: Any, slot: int) -> None:
    """Take the order off the list that it is on, if it is on one."""
    extra = state["extras"][slot]
    which = int64(extra["listed"])
    if which == 0:
        return
    rules = state["rules"][state["orders"][slot]["instrument"]]
    preceding, following = int64(extra["preceding"]), int64(extra["following"])
    if preceding == NO_ORDER:
        rules["heads"][which] = 0 if following == NO_ORDER else following + 1
    else:
        state["extras"][preceding]["following"] = following
    if following == NO_ORDER:
        rules["tails"][which] = 0 if preceding == NO_ORDER else preceding + 1
    else:
        state["extras"][following]["preceding"] = preceding
    extra["listed"] = 0
