"""What each command does to the books. Cold checks first, in the order of their reason codes; nothing is undone half-way."""

from typing import Any

import numpy as np
from numba import njit

from matcher.accounts import enrol, withdraw
from matcher.book import drop_level, rank_of, reach_level
from matcher.emit import CANCELLED, LAST, REPLACED, accepted, changed, mark_last, rejected, traded
from matcher.layout import NO_ORDER, RANKS
from shm.reasons import Reason
from shm.records import SLOT_BOUND, OrderType, Side, TimeInForce

MARKET, GTC, SELL = int(OrderType.MARKET), int(TimeInForce.GTC), int(Side.SELL)
ORDER_NOT_LIVE, NO_LIQUIDITY = int(Reason.ORDER_NOT_LIVE), int(Reason.NO_LIQUIDITY)
PRICE_OUT_OF_RANGE, LEVEL_POOL_FULL = int(Reason.PRICE_OUT_OF_RANGE), int(Reason.LEVEL_POOL_FULL)
BAD_ORDER_ID, INSTRUMENT_NOT_DEFINED = int(Reason.BAD_ORDER_ID), int(Reason.INSTRUMENT_NOT_DEFINED)
ACCOUNT_NOT_DEFINED, CANCELLED_BY_CLIENT = int(Reason.ACCOUNT_NOT_DEFINED), int(Reason.CANCELLED_BY_CLIENT)
UNKNOWN_SIDE, QUANTITY_NOT_POSITIVE = int(Reason.UNKNOWN_SIDE), int(Reason.QUANTITY_NOT_POSITIVE)
SLOT_MASK = SLOT_BOUND - 1


@njit(cache=True)
def enter(state: Any, events: Any, command: Any) -> None:
    """NEW: match, then rest what is left or cancel it."""
    reason = _objection(state, command)
    if reason:
        rejected(state, events, command, reason)
        return
    accepted(state, events, command)
    slot = np.uint32(command["order_id"] & SLOT_MASK)
    order = state["orders"][slot]
    _write_order(order, command)
    book = state["instruments"][command["instrument"]]
    market = command["type"] == MARKET
    rank = np.int64(0) if market else rank_of(command["side"], command["price"])
    _match(state, events, command, book, order, RANKS ^ rank)
    if order["leaves"] == 0:
        order["order_id"] = 0
        mark_last(state, events)
    elif market or command["time_in_force"] != GTC:
        _expire(state, events, command, order)
    else:
        order["place"] = enrol(state, order["account"], slot)
        state["resting"] += 1
        _link(state, book, order, slot, rank)
        mark_last(state, events)


@njit(cache=True)
def cancel(state: Any, events: Any, command: Any) -> None:
    """CANCEL: take the order off, wherever it is."""
    slot = _live_slot(state, command)
    if slot == NO_ORDER:
        rejected(state, events, command, ORDER_NOT_LIVE)
    else:
        take_off(state, events, command, slot, CANCELLED_BY_CLIENT, LAST)


@njit(cache=True)
def replace(state: Any, events: Any, command: Any) -> None:
    """REPLACE: a new price and a new total quantity, of which the executed part counts."""
    slot = _live_slot(state, command)
    if slot == NO_ORDER:
        rejected(state, events, command, ORDER_NOT_LIVE)
        return
    order = state["orders"][slot]
    level = state["levels"][order["level"]]
    price, quantity = command["price"], command["quantity"]
    rank = rank_of(order["side"], price)
    if quantity - (order["quantity"] - order["leaves"]) <= 0:
        take_off(state, events, command, slot, CANCELLED_BY_CLIENT, LAST)
    elif price <= 0 or price >= RANKS:
        rejected(state, events, command, PRICE_OUT_OF_RANGE)
    elif rank == level["rank"] and quantity < order["quantity"]:
        _reduce(state, events, command, order, level)
    elif state["level_count"] >= state["level_bound"] and level["count"] > 1:
        rejected(state, events, command, LEVEL_POOL_FULL)
    else:
        _move(state, events, command, order, slot, rank)


@njit(cache=True)
def take_off(state: Any, events: Any, command: Any, slot: int, reason: int, flags: int) -> None:
    """Cancel the resting order in ``slot`` and say so."""
    order = state["orders"][slot]
    price = rank_of(order["side"], state["levels"][order["level"]]["rank"])
    changed(state, events, command, order, CANCELLED, price, order["leaves"], 0, reason, flags)
    _unlink(state, order)
    _retire(state, order)


@njit(cache=True)
def _objection(state: Any, command: Any) -> int:
    """Why the order cannot be entered, or 0."""
    if command["side"] > SELL:
        return UNKNOWN_SIDE
    if command["quantity"] <= 0:
        return QUANTITY_NOT_POSITIVE
    rests = command["type"] != MARKET and command["time_in_force"] == GTC
    if command["type"] != MARKET and (command["price"] <= 0 or command["price"] >= RANKS):
        return PRICE_OUT_OF_RANGE
    if rests and state["level_count"] >= state["level_bound"]:
        return LEVEL_POOL_FULL
    order_id = command["order_id"]
    slot = order_id & SLOT_MASK
    if order_id <= 0 or slot >= state["orders"].shape[0] or state["orders"][slot]["order_id"] != 0:
        return BAD_ORDER_ID
    instrument = command["instrument"]
    if instrument < 0 or instrument >= state["instruments"].shape[0] or not state["instruments"][instrument]["defined"]:
        return INSTRUMENT_NOT_DEFINED
    account = command["account"]
    if account < 0 or account >= state["accounts"].shape[0] or not state["accounts"][account]["defined"]:
        return ACCOUNT_NOT_DEFINED
    return 0


@njit(cache=True)
def _write_order(order: Any, command: Any) -> None:
    order["order_id"], order["client_order_id"] = command["order_id"], command["client_order_id"]
    order["leaves"] = order["quantity"] = command["quantity"]
    order["account"], order["session"] = command["account"], command["session"]
    order["instrument"], order["side"] = command["instrument"], command["side"]
    order["type"], order["time_in_force"] = command["type"], command["time_in_force"]


@njit(cache=True)
def _live_slot(state: Any, command: Any) -> Any:
    """The slot of the resting order that the command names, or NO_ORDER."""
    order_id = command["order_id"]
    slot = order_id & SLOT_MASK
    if order_id <= 0 or slot >= state["orders"].shape[0] or state["orders"][slot]["order_id"] != order_id:
        return np.uint32(NO_ORDER)
    return np.uint32(slot)


@njit(cache=True)
def _match(state: Any, events: Any, command: Any, book: Any, order: Any, reach: int) -> None:
    """Trade ``order`` against the other side, best level first, down to the other side's rank ``reach``."""
    other = 1 - np.int64(order["side"])
    while book["best"][other] <= reach and order["leaves"] > 0:
        _match_level(state, events, command, book, order, other)


@njit(cache=True)
def _match_level(state: Any, events: Any, command: Any, book: Any, order: Any, other: int) -> None:
    """Trade ``order`` against the best level of side ``other``, oldest order first."""
    number = book["levels"][other]
    level = state["levels"][number]
    price, slot, leaves = rank_of(other, level["rank"]), level["head"], order["leaves"]
    while leaves > 0 and slot != NO_ORDER:
        resting = state["orders"][slot]
        quantity = min(leaves, resting["leaves"])
        leaves -= quantity
        order["leaves"] = leaves
        resting["leaves"] -= quantity
        level["quantity"] -= quantity
        state["trades"] += 1
        state["volume"] += quantity
        traded(state, events, command, order, resting, price, quantity)
        if resting["leaves"] == 0:
            slot = resting["following"]
            level["count"] -= 1
            _retire(state, resting)
    if slot == NO_ORDER:
        drop_level(state, book, other, number)
    else:
        level["head"] = slot
        state["orders"][slot]["preceding"] = NO_ORDER


@njit(cache=True)
def _expire(state: Any, events: Any, command: Any, order: Any) -> None:
    """What an order that may not rest has left is cancelled."""
    leaves = order["leaves"]
    changed(state, events, command, order, CANCELLED, command["price"], leaves, 0, NO_LIQUIDITY, LAST)
    order["order_id"] = 0


@njit(cache=True)
def _reduce(state: Any, events: Any, command: Any, order: Any, level: Any) -> None:
    """Less at the same price: the order keeps its place in the queue."""
    less = order["quantity"] - command["quantity"]
    order["quantity"] -= less
    order["leaves"] -= less
    level["quantity"] -= less
    changed(state, events, command, order, REPLACED, command["price"], order["quantity"], order["leaves"], 0, LAST)


@njit(cache=True)
def _move(state: Any, events: Any, command: Any, order: Any, slot: int, rank: int) -> None:
    """Anything else: off its level, match at the new price, then to the back of the queue there."""
    book = state["instruments"][order["instrument"]]
    _unlink(state, order)
    order["leaves"] += command["quantity"] - order["quantity"]
    order["quantity"] = command["quantity"]
    changed(state, events, command, order, REPLACED, command["price"], order["quantity"], order["leaves"], 0, 0)
    _match(state, events, command, book, order, RANKS ^ rank)
    if order["leaves"] > 0:
        _link(state, book, order, slot, rank)
    else:
        _retire(state, order)
    mark_last(state, events)


@njit(cache=True)
def _link(state: Any, book: Any, order: Any, slot: int, rank: int) -> None:
    """Put the order at the back of the queue at ``rank``."""
    number = reach_level(state, book, order["instrument"], order["side"], rank)
    level = state["levels"][number]
    order["level"], order["following"] = number, NO_ORDER
    if level["count"] == 0:
        order["preceding"] = NO_ORDER
        level["head"] = slot
    else:
        order["preceding"] = level["tail"]
        state["orders"][level["tail"]]["following"] = slot
    level["tail"] = slot
    level["count"] += 1
    level["quantity"] += order["leaves"]


@njit(cache=True)
def _unlink(state: Any, order: Any) -> None:
    """Take the order out of its level's queue; an empty level goes."""
    number = order["level"]
    level = state["levels"][number]
    level["count"] -= 1
    if level["count"] == 0:
        drop_level(state, state["instruments"][order["instrument"]], order["side"], number)
        return
    level["quantity"] -= order["leaves"]
    if order["preceding"] == NO_ORDER:
        level["head"] = order["following"]
    else:
        state["orders"][order["preceding"]]["following"] = order["following"]
    if order["following"] == NO_ORDER:
        level["tail"] = order["preceding"]
    else:
        state["orders"][order["following"]]["preceding"] = order["preceding"]


@njit(cache=True)
def _retire(state: Any, order: Any) -> None:
    """The resting order is no more: its slot is free and its account has one less."""
    order["order_id"] = 0
    state["resting"] -= 1
    withdraw(state, order["account"], order["place"])
