"""The orders of one price: the shown ones in their queue, the hidden ones in a second one behind it.

Every function here leaves level, order and book whole. ``dark`` of a level counts what is not shown: hidden orders and the rest
of icebergs. A level without shown orders has NO_ORDER for head and tail.
"""

from typing import Any

import numpy as np

from matcher.book import drop_level, reach_level
from matcher.layout import NO_ORDER, Where
from matcher.slots import level_at
from shm.atomics import int64
from shm.inner import inner
from shm.records import OrderFlag

BOOK = int64(Where.BOOK)
HIDDEN = int64(OrderFlag.HIDDEN)


@inner
def link(state: Any, book: Any, order: Any, slot: int, rank: int) -> None:
    """Put the order, all of it shown, at the back of the queue at ``rank``."""
    number = reach_level(state, book, slot, np.uint32(order["side"]), rank)
    level = level_at(state, number)
    append(state, level, number, order, slot)
    level["count"] += 1
    level["quantity"] += order["leaves"]


@inner
def append(state: Any, level: Any, number: int, order: Any, slot: int) -> None:
    """The links alone: ``slot`` is the last of the level's shown orders."""
    tail = level["tail"]
    order["level"], order["following"], order["preceding"] = number, NO_ORDER, tail
    state["orders"][tail]["following"] = slot
    level["head"] = slot if tail == NO_ORDER else level["head"]
    level["tail"] = slot


@inner
def detach(state: Any, level: Any, order: Any) -> None:
    """The links alone: the order is none of the level's shown orders any more."""
    preceding, following = order["preceding"], order["following"]
    state["orders"][preceding]["following"] = following
    state["orders"][following]["preceding"] = preceding
    level["head"] = following if preceding == NO_ORDER else level["head"]
    level["tail"] = preceding if following == NO_ORDER else level["tail"]


@inner
def unlink(state: Any, book: Any, order: Any, side: int) -> None:
    """Take a plain order out of its level's queue in ``book``; an empty level goes. ``side`` is the level's."""
    number = order["level"]
    level = level_at(state, number)
    level["count"] -= 1
    level["quantity"] -= order["leaves"]
    if level["count"] == 0:
        level["head"] = NO_ORDER
        drop_level(state, book, side, number)
    else:
        detach(state, level, order)


@inner
def is_hidden(extra: Any) -> bool:
    """Does the order stand, or would it stand, among the hidden ones?"""
    return extra["flags"] & HIDDEN != 0


@inner
def stand(state: Any, book: Any, slot: int, rank: int) -> None:
    """Put the order, which has an EXTRA, into the book at ``rank``: shown, in part, or hidden. A level must be free."""
    order, extra = state["orders"][slot], state["extras"][slot]
    number = reach_level(state, book, slot, order["side"], rank)
    level = level_at(state, number)
    extra["where"] = BOOK
    if is_hidden(extra):
        _append_hidden(state, level, number, order, slot)
        extra["shown"] = 0
    else:
        append(state, level, number, order, slot)
        extra["shown"] = min(extra["display"], order["leaves"]) if extra["display"] else order["leaves"]
    level["count"] += 1
    level["quantity"] += extra["shown"]
    level["dark"] += order["leaves"] - extra["shown"]


@inner
def leave_level(state: Any, book: Any, slot: int) -> None:
    """Take the order out of the book; it may be one without an EXTRA, and have any leaves."""
    order, extra = state["orders"][slot], state["extras"][slot]
    if not order["special"]:
        unlink(state, book, order, int64(order["side"]))
        return
    number = order["level"]
    level = level_at(state, number)
    level["quantity"] -= extra["shown"]
    level["dark"] -= order["leaves"] - extra["shown"]
    if is_hidden(extra):
        _detach_hidden(state, level, order)
    else:
        detach(state, level, order)
    level["count"] -= 1
    if level["count"] == 0:
        drop_level(state, book, int64(order["side"]), number)
    extra["where"] = 0


@inner
def lose_lots(state: Any, slot: int, quantity: int, hidden_first: bool) -> None:
    """The order in the book has ``quantity`` lots fewer: of its shown part, or of the rest first."""
    order, extra = state["orders"][slot], state["extras"][slot]
    level = level_at(state, order["level"])
    order["leaves"] -= quantity
    if not order["special"]:
        level["quantity"] -= quantity
        return
    unseen = order["leaves"] + quantity - extra["shown"]
    dark = min(quantity, unseen) if hidden_first or is_hidden(extra) else max(quantity - extra["shown"], 0)
    level["dark"] -= dark
    level["quantity"] -= quantity - dark
    extra["shown"] -= quantity - dark


@inner
def refill(state: Any, slot: int) -> None:
    """Show the next part of an iceberg whose shown part is used up, at the back of the shown orders."""
    order, extra = state["orders"][slot], state["extras"][slot]
    level = level_at(state, order["level"])
    shown = min(extra["display"], order["leaves"])
    extra["shown"] = shown
    level["quantity"] += shown
    level["dark"] -= shown
    if order["following"] != NO_ORDER:
        detach(state, level, order)
        order["preceding"], order["following"] = level["tail"], NO_ORDER
        state["orders"][level["tail"]]["following"] = slot
        level["tail"] = slot


@inner
def first_of(level: Any) -> int:
    """The slot of the order of the level that trades first."""
    if level["count"] != level["hidden_count"]:
        return int64(level["head"])
    return int64(level["hidden_head"]) - 1


@inner
def after(state: Any, level: Any, slot: int) -> int:
    """The slot that trades after ``slot`` at its level, shown before hidden; NO_ORDER behind the last."""
    following = int64(state["orders"][slot]["following"])
    hidden = state["orders"][slot]["special"] and is_hidden(state["extras"][slot])
    if following == NO_ORDER and not hidden and level["hidden_count"]:
        return int64(level["hidden_head"]) - 1
    return following


@inner
def _append_hidden(state: Any, level: Any, number: int, order: Any, slot: int) -> None:
    order["level"], order["following"] = number, NO_ORDER
    if level["hidden_count"] == 0:
        order["preceding"] = NO_ORDER
        level["hidden_head"] = slot + 1
    else:
        last = int64(level["hidden_tail"]) - 1
        order["preceding"] = last
        state["orders"][last]["following"] = slot
    level["hidden_tail"] = slot + 1
    level["hidden_count"] += 1


@inner
def _detach_hidden(state: Any, level: Any, order: Any) -> None:
    preceding, following = int64(order["preceding"]), int64(order["following"])
    if preceding == NO_ORDER:
        level["hidden_head"] = 0 if following == NO_ORDER else following + 1
    else:
        state["orders"][preceding]["following"] = following
    if following == NO_ORDER:
        level["hidden_tail"] = 0 if preceding == NO_ORDER else preceding + 1
    else:
        state["orders"][following]["preceding"] = preceding
    level["hidden_count"] -= 1
