"""How far an incoming order may trade, and whether enough stands there for an order that wants all or nothing."""

from typing import Any

from matcher.book import next_level, rank_of
from matcher.layout import NO_ORDER, RANKS
from matcher.queues import after, first_of, is_hidden
from matcher.slots import level_at
from matcher.trade import breaches, of_one_owner, tradable
from shm.atomics import int64
from shm.inner import inner
from shm.records import OrderFlag, OrderType, Policy, SelfTradeRule

MARKET, STOP, TRAILING_STOP = int64(OrderType.MARKET), int64(OrderType.STOP), int64(OrderType.TRAILING_STOP)
CANCEL_OLDEST, REDUCE_ONLY = int64(SelfTradeRule.CANCEL_OLDEST), int64(OrderFlag.REDUCE_ONLY)
PRO_RATA = int64(Policy.PRO_RATA)
HIGHEST = RANKS - 1


@inner
def has_no_price(order_type: int) -> bool:
    """Does an order of this type, once active, take any price?"""
    return order_type in (MARKET, STOP, TRAILING_STOP)


@inner
def reach_of(state: Any, slot: int) -> int:
    """The worst rank of the other side that the incoming order may trade with."""
    order, extra = state["orders"][slot], state["extras"][slot]
    side, price = int64(order["side"]), int64(extra["price"])
    rules = state["rules"][order["instrument"]]
    if has_no_price(order["type"]):
        if price == 0:
            price = 1 if side else HIGHEST
        if side:
            price = max(price, rules["static_low"])
        elif rules["static_high"]:
            price = min(price, rules["static_high"])
    return int64(RANKS ^ rank_of(side, price))


@inner
def is_enough(state: Any, slot: int, needed: int) -> bool:
    """Do the opposite orders in reach hold ``needed`` lots that would surely trade?"""
    order = state["orders"][slot]
    book, instrument = state["instruments"][order["instrument"]], int64(order["instrument"])
    other, reach = 1 - int64(order["side"]), reach_of(state, slot)
    number, left = book["levels"][other], needed
    while number and left > 0:
        level = level_at(state, number)
        if level["rank"] > reach or breaches(state, instrument, int64(rank_of(other, level["rank"]))):
            return False
        left = _after_level(state, slot, level, left)
        if left < 0:
            return False
        number = next_level(state, book, number)
    return left == 0


@inner
def _after_level(state: Any, slot: int, level: Any, needed: int) -> int:
    """How many lots are still needed when the level has given its own; -1: self-trade prevention ends it there."""
    rule, at = state["extras"][slot]["rule"], first_of(level)
    ends = rule != 0 and rule != CANCEL_OLDEST
    if ends and state["rules"][level["instrument"]]["policy"] == PRO_RATA and _has_own(state, slot, level, True):
        return -1  # own orders are dealt with before anything trades at this price
    once = ends and _has_own(state, slot, level, False)  # its turn comes before icebergs are refilled
    while at != NO_ORDER and needed > 0:
        if rule and of_one_owner(state, slot, at):
            if rule != CANCEL_OLDEST:
                return -1
        elif _counts(state, at):
            needed = max(needed - (tradable(state, at) if once else int64(state["orders"][at]["leaves"])), 0)
        at = after(state, level, at)
    return needed


@inner
def _has_own(state: Any, slot: int, level: Any, hidden_too: bool) -> bool:
    at = first_of(level)
    while at != NO_ORDER and (hidden_too or not (state["orders"][at]["special"] and is_hidden(state["extras"][at]))):
        if of_one_owner(state, slot, at):
            return True
        at = after(state, level, at)
    return False


@inner
def _counts(state: Any, slot: int) -> bool:
    """Can nothing but a trade take its lots away? Links and reduce-only can."""
    extra = state["extras"][slot]
    return not state["orders"][slot]["special"] or not (extra["partner"] or extra["flags"] & REDUCE_ONLY)
