"""What each command does to the books where price and time are all. Nothing is undone half-way.

A command that is about more, or comes to an instrument that does more, is handed to ``matcher/change.py`` at once; a plain
incoming order that meets one that is not, as soon as it does.
"""

from typing import Any

import numpy as np

from matcher.accounts import enrol, withdraw
from matcher.book import drop_level, rank_of
from matcher.change import cancel_special, enter_special, hand_over, reduce_special, replace_special
from matcher.emit import CANCELLED, LAST, REPLACED, accepted, changed, mark_last, rejected, traded
from matcher.layout import NO_ORDER, RANKS
from matcher.queues import link, unlink
from matcher.settle import finish
from matcher.terms import is_plain
from shm.atomics import int64
from shm.inner import inner
from shm.reasons import Reason
from shm.records import SLOT_BOUND, OrderType, Side, TimeInForce

MARKET, IOC, SELL = int64(OrderType.MARKET), int64(TimeInForce.IOC), int64(Side.SELL)
ORDER_NOT_LIVE, NO_LIQUIDITY = int64(Reason.ORDER_NOT_LIVE), int64(Reason.NO_LIQUIDITY)
PRICE_OUT_OF_RANGE, LEVEL_POOL_FULL = int64(Reason.PRICE_OUT_OF_RANGE), int64(Reason.LEVEL_POOL_FULL)
BAD_ORDER_ID, CANCELLED_BY_CLIENT = int64(Reason.BAD_ORDER_ID), int64(Reason.CANCELLED_BY_CLIENT)
UNKNOWN_SIDE, QUANTITY_NOT_POSITIVE = int64(Reason.UNKNOWN_SIDE), int64(Reason.QUANTITY_NOT_POSITIVE)
SLOT_MASK = SLOT_BOUND - 1


@inner
def enter(state: Any, command: Any) -> None:
    """NEW: match, then rest what is left or cancel it."""
    if not _is_plain_here(state, command):
        enter_special(state, command)
        finish(state, command)
        return
    reason = _objection(state, command)
    if reason:
        rejected(state, command, reason)
        return
    accepted(state, command)
    slot = np.uint32(command["order_id"] & SLOT_MASK)
    order = state["orders"][slot]
    _write_order(order, command)
    book = state["instruments"][command["instrument"]]
    market = command["type"] == MARKET
    rank = int64(0) if market and command["price"] == 0 else rank_of(command["side"], command["price"])
    if not _match(state, command, book, order, RANKS ^ rank):
        hand_over(state, command, slot)
        finish(state, command)
    elif order["leaves"] == 0:
        order["order_id"] = 0
        mark_last(state)
    elif market or command["time_in_force"] == IOC:
        _expire(state, command, order)
    else:
        order["place"] = enrol(state, order["account"], slot)
        state["resting"] += 1
        link(state, book, order, slot, rank)
        mark_last(state)


@inner
def cancel(state: Any, command: Any) -> None:
    """CANCEL: take the order off, wherever it is."""
    slot = _live_slot(state, command)
    if slot == NO_ORDER:
        rejected(state, command, ORDER_NOT_LIVE)
    elif _is_special(state, slot):
        cancel_special(state, command, int64(slot))
        finish(state, command)
    else:
        _take_off(state, command, slot)


@inner
def replace(state: Any, command: Any) -> None:
    """REPLACE: a new price and a new total quantity, of which the executed part counts."""
    slot = _live_slot(state, command)
    if slot == NO_ORDER:
        rejected(state, command, ORDER_NOT_LIVE)
        return
    if _is_special(state, slot):
        replace_special(state, command, int64(slot))
        finish(state, command)
        return
    order = state["orders"][slot]
    level = state["levels"][order["level"]]
    price, quantity = command["price"], command["quantity"]
    rank = rank_of(order["side"], price)
    if quantity - (order["quantity"] - order["leaves"]) <= 0:
        _take_off(state, command, slot)
    elif price <= 0 or price >= RANKS:
        rejected(state, command, PRICE_OUT_OF_RANGE)
    elif rank == level["rank"] and quantity < order["quantity"]:
        _reduce(state, command, order, level)
    elif state["level_count"] >= state["level_bound"] and level["count"] > 1:
        rejected(state, command, LEVEL_POOL_FULL)
    else:
        _move(state, command, order, slot, rank)


@inner
def reduce(state: Any, command: Any) -> None:
    """REDUCE: fewer lots, the same place in the queue."""
    slot = _live_slot(state, command)
    if slot == NO_ORDER:
        rejected(state, command, ORDER_NOT_LIVE)
    elif command["quantity"] <= 0:
        rejected(state, command, QUANTITY_NOT_POSITIVE)
    else:
        reduce_special(state, command, int64(slot))
        finish(state, command)


@inner
def _is_plain_here(state: Any, command: Any) -> bool:
    """A plain order, of an account that is nothing special, for a book that only trades?"""
    instrument, account = command["instrument"], command["account"]
    if not is_plain(command) or instrument < 0 or instrument >= state["instrument_bound"]:
        return False
    book = state["instruments"][instrument]
    if book["special"] or not book["defined"] or account < 0 or account >= state["account_bound"]:
        return False
    return state["accounts"][account]["defined"] == 1


@inner
def _is_special(state: Any, slot: int) -> bool:
    order = state["orders"][slot]
    return (order["special"] | state["instruments"][order["instrument"]]["special"]) != 0


@inner
def _take_off(state: Any, command: Any, slot: int) -> None:
    """Cancel the plain resting order in ``slot`` and say so."""
    order = state["orders"][slot]
    price = rank_of(order["side"], state["levels"][order["level"]]["rank"])
    changed(state, command, order, CANCELLED, price, order["leaves"], 0, CANCELLED_BY_CLIENT, LAST)
    unlink(state, state["instruments"][order["instrument"]], order, int64(order["side"]))
    _retire(state, order)


@inner
def _objection(state: Any, command: Any) -> int:
    """Why the plain order cannot be entered, or 0."""
    if command["side"] > SELL:
        return UNKNOWN_SIDE
    if command["quantity"] <= 0:
        return QUANTITY_NOT_POSITIVE
    market, price = command["type"] == MARKET, command["price"]
    if price >= RANKS or price < 0 or (price == 0 and not market):
        return PRICE_OUT_OF_RANGE
    if not market and command["time_in_force"] != IOC and state["level_count"] >= state["level_bound"]:
        return LEVEL_POOL_FULL
    order_id = command["order_id"]
    slot = order_id & SLOT_MASK
    if order_id <= 0 or slot >= state["order_bound"] or state["orders"][slot]["order_id"] != 0:
        return BAD_ORDER_ID
    return 0


@inner
def _write_order(order: Any, command: Any) -> None:
    order["order_id"], order["client_order_id"] = command["order_id"], command["client_order_id"]
    order["leaves"] = order["quantity"] = command["quantity"]
    order["account"], order["session"] = command["account"], command["session"]
    order["instrument"], order["side"] = command["instrument"], command["side"]
    order["type"], order["time_in_force"] = command["type"], command["time_in_force"]
    order["special"], order["place"] = 0, 0


@inner
def _live_slot(state: Any, command: Any) -> Any:
    """The slot of the resting order that the command names, or NO_ORDER."""
    order_id = command["order_id"]
    slot = order_id & SLOT_MASK
    if order_id <= 0 or slot >= state["order_bound"] or state["orders"][slot]["order_id"] != order_id:
        return np.uint32(NO_ORDER)
    return np.uint32(slot)


@inner
def _match(state: Any, command: Any, book: Any, order: Any, reach: int) -> bool:
    """Trade ``order`` against the other side, best level first, down to the other side's rank ``reach``.

    False: it met an order that is not plain, and has lots left.
    """
    other = 1 - int64(order["side"])
    while book["best"][other] <= reach and order["leaves"] > 0:
        if not _match_level(state, command, book, order, other):
            return False
    return True


@inner
def _match_level(state: Any, command: Any, book: Any, order: Any, other: int) -> bool:
    """Trade ``order`` against the best level of side ``other``, oldest order first; False at one that is not plain."""
    number = book["levels"][other]
    level = state["levels"][number]
    price, slot, leaves = rank_of(other, level["rank"]), level["head"], order["leaves"]
    if level["hidden_count"]:
        return False
    plain = True
    while leaves > 0 and slot != NO_ORDER:
        resting = state["orders"][slot]
        if resting["special"]:
            plain = False
            break
        quantity = min(leaves, resting["leaves"])
        leaves -= quantity
        order["leaves"] = leaves
        resting["leaves"] -= quantity
        level["quantity"] -= quantity
        state["trades"] += 1
        state["volume"] += quantity
        book["last_price"] = price
        traded(state, command, order, resting, price, quantity)
        if resting["leaves"] == 0:
            slot = resting["following"]
            level["count"] -= 1
            _retire(state, resting)
    if slot == NO_ORDER:
        drop_level(state, book, other, number)
    else:
        level["head"] = slot
        state["orders"][slot]["preceding"] = NO_ORDER
    return plain


@inner
def _expire(state: Any, command: Any, order: Any) -> None:
    """What an order that may not rest has left is cancelled."""
    leaves = order["leaves"]
    changed(state, command, order, CANCELLED, command["price"], leaves, 0, NO_LIQUIDITY, LAST)
    order["order_id"] = 0


@inner
def _reduce(state: Any, command: Any, order: Any, level: Any) -> None:
    """Less at the same price: the order keeps its place in the queue."""
    less = order["quantity"] - command["quantity"]
    order["quantity"] -= less
    order["leaves"] -= less
    level["quantity"] -= less
    changed(state, command, order, REPLACED, command["price"], order["quantity"], order["leaves"], 0, LAST)


@inner
def _move(state: Any, command: Any, order: Any, slot: int, rank: int) -> None:
    """Anything else: off its level, match at the new price, then to the back of the queue there."""
    book = state["instruments"][order["instrument"]]
    unlink(state, book, order, int64(order["side"]))
    order["leaves"] += command["quantity"] - order["quantity"]
    order["quantity"] = command["quantity"]
    changed(state, command, order, REPLACED, command["price"], order["quantity"], order["leaves"], 0, 0)
    if not _match(state, command, book, order, RANKS ^ rank):
        hand_over(state, command, int64(slot))
        finish(state, command)
        return
    if order["leaves"] > 0:
        link(state, book, order, slot, rank)
    else:
        _retire(state, order)
    mark_last(state)


@inner
def _retire(state: Any, order: Any) -> None:
    """The resting order is no more: its slot is free and its account has one less."""
    order["order_id"] = 0
    state["resting"] -= 1
    withdraw(state, order["account"], order["place"])
