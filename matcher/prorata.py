"""Dealing an incoming order out over the shown orders of one price: a round of shares, then the rest by time."""

from typing import Any

from matcher.layout import NO_ORDER
from matcher.queues import after, first_of
from matcher.slots import level_at
from matcher.trade import finish_trade, meet, needs_refill, of_one_owner, prevent, refill_and_tell, tradable, trade
from shm.atomics import int64
from shm.inner import inner
from shm.records import RulesFlag

TOP_ORDER_PRIORITY = int64(RulesFlag.TOP_ORDER_PRIORITY)


@inner
def deal_out(state: Any, command: Any, slot: int, number: int, price: int) -> None:
    """One round at the level; where nothing is shown, the first hidden order has its turn."""
    if not _prevent_all(state, command, slot, number):
        return
    order, level = state["orders"][slot], level_at(state, number)
    if level["count"] == level["hidden_count"]:
        meet(state, command, slot, number, price)
        return
    rules = state["rules"][order["instrument"]]
    at = int64(level["head"])
    if order["leaves"] < level["quantity"]:
        if rules["flags"] & TOP_ORDER_PRIORITY:
            at = _give(state, command, slot, at, price, int64(order["leaves"]))
        if at != NO_ORDER and order["leaves"] > 0:
            _deal_shares(state, command, slot, number, price, at)
    rank = level_at(state, number)["rank"]
    at = int64(level["head"])
    while at != NO_ORDER and order["leaves"] > 0:
        at = _give(state, command, slot, at, price, int64(order["leaves"]))
    book, side = state["instruments"][order["instrument"]], 1 - int64(order["side"])
    if book["levels"][side] == number and book["best"][side] == rank:
        _refill_all(state, command, number)


@inner
def _prevent_all(state: Any, command: Any, slot: int, number: int) -> bool:
    """Deal with orders of the incoming order's owner; False: then the level may be gone, or the order: look again."""
    if state["extras"][slot]["rule"] == 0:
        return True
    level = level_at(state, number)
    at, whole = first_of(level), True
    while at != NO_ORDER and state["orders"][slot]["leaves"] > 0:
        following = after(state, level, at)
        if of_one_owner(state, slot, at):
            prevent(state, command, slot, at)
            whole = False
        at = following
    return whole


@inner
def _deal_shares(state: Any, command: Any, slot: int, number: int, price: int, first: int) -> None:
    """Each shown part from ``first`` on gets its share of what the order has left now."""
    order, rules = state["orders"][slot], state["rules"][state["orders"][slot]["instrument"]]
    leaves, total, at = int64(order["leaves"]), int64(level_at(state, number)["quantity"]), first
    while at != NO_ORDER:
        share = leaves * tradable(state, at) // total
        if share < rules["minimum_allocation"]:
            share = 0
        at = _give(state, command, slot, at, price, share)


@inner
def _give(state: Any, command: Any, slot: int, at: int, price: int, quantity: int) -> int:
    """Trade up to ``quantity`` lots with the shown part of the order at ``at``; the shown order behind it."""
    following = int64(state["orders"][at]["following"])
    quantity = 0 if needs_refill(state, at) else min(quantity, tradable(state, at))
    if quantity > 0:
        trade(state, command, slot, at, price, quantity)
        finish_trade(state, command, slot, at, price)
    return following


@inner
def _refill_all(state: Any, command: Any, number: int) -> None:
    """Refill the icebergs that were used up, the first to come first; those refilled go behind all that were there."""
    level = level_at(state, number)
    if level["count"] == level["hidden_count"]:
        return
    at, more = int64(level["head"]), int64(level["count"]) - int64(level["hidden_count"])
    while more > 0:
        following = int64(state["orders"][at]["following"])
        if needs_refill(state, at):
            refill_and_tell(state, command, at)
        at, more = following, more - 1
