"""What each command does to the books where price and time are all. Nothing is undone half-way.

A command that is about more, or comes to an instrument that does more, is handed to ``matcher/change.py`` at once; a plain
incoming order that meets one that is not, as soon as it does.
"""

from typing import Any

import numpy as np

from matcher.accounts import enrol, withdraw
from matcher.book import drop_level, rank_of
from matcher.emit import LAST, mark_last
from matcher.layout import NO_ORDER, RANKS
from matcher.plain_events import accepted, cancelled, replaced, traded
from matcher.queues import link, unlink
from matcher.slots import level_at
from matcher.terms import is_plain
from shm.atomics import int64
from shm.inner import laid_in
from shm.reasons import Reason
from shm.records import SLOT_BOUND, OrderType, Side, TimeInForce

MARKET, IOC, SELL = int64(OrderType.MARKET), int64(TimeInForce.IOC), int64(Side.SELL)
ORDER_NOT_LIVE, NO_LIQUIDITY = int64(Reason.ORDER_NOT_LIVE), int64(Reason.NO_LIQUIDITY)
PRICE_OUT_OF_RANGE, LEVEL_POOL_FULL = int64(Reason.PRICE_OUT_OF_RANGE), int64(Reason.LEVEL_POOL_FULL)
BAD_ORDER_ID, CANCELLED_BY_CLIENT = int64(Reason.BAD_ORDER_ID), int64(Reason.CANCELLED_BY_CLIENT)
UNKNOWN_SIDE, QUANTITY_NOT_POSITIVE = int64(Reason.UNKNOWN_SIDE), int64(Reason.QUANTITY_NOT_POSITIVE)
SLOT_MASK = SLOT_BOUND - 1
NOT_LAST = int64(0)
DONE, LONG_WAY, HAND_OVER = int64(0), int64(-1), int64(-2)
"""How a command ended here, unless it is refused: then by the reason. The two calls that may follow are made in one place."""
_enrol, _withdraw = laid_in(enrol), laid_in(withdraw)
_link, _unlink = laid_in(link), laid_in(unlink)
_drop_level, _mark_last = laid_in(drop_level), laid_in(mark_last)


@laid_in
def enter(state: Any, command: Any) -> int:
    """NEW: match, then rest what is left or cancel it. DONE, another way to take, or why the order is refused."""
    if not _is_plain_here(state, command):
        return LONG_WAY
    reason = _objection(state, command)
    if reason:
        return reason
    slot, side = _slot(command), np.uint32(command["side"])
    order, book = state["orders"][slot], state["instruments"][np.uint32(command["instrument"])]
    market = command["type"] == MARKET
    rank = int64(0) if market and command["price"] == 0 else rank_of(side, command["price"])
    trades, may_rest = book["best"][side ^ 1] <= RANKS ^ rank, not market and command["time_in_force"] != IOC
    accepted(state, command, LAST if may_rest and not trades else NOT_LAST)
    _write_order(order, command)
    if trades:
        if not _match(state, command, book, order, RANKS ^ rank):
            return HAND_OVER
        if order["leaves"] == 0:
            order["order_id"] = 0
            _mark_last(state)
            return DONE
        if may_rest:
            _mark_last(state)
    if may_rest:
        order["place"] = _enrol(state, order["account"], slot)
        state["resting"] += 1
        _link(state, book, order, slot, rank)
    else:
        _expire(state, command, order)
    return DONE


@laid_in
def cancel(state: Any, command: Any) -> int:
    """CANCEL: take the order off, wherever it is."""
    if not _is_live(state, command):
        return ORDER_NOT_LIVE
    order = state["orders"][_slot(command)]
    if _is_special(state, order):
        return LONG_WAY
    _take_off(state, command, order)
    return DONE


@laid_in
def replace(state: Any, command: Any) -> int:
    """REPLACE: a new price and a new total quantity, of which the executed part counts."""
    if not _is_live(state, command):
        return ORDER_NOT_LIVE
    order = state["orders"][_slot(command)]
    if _is_special(state, order):
        return LONG_WAY
    level = level_at(state, order["level"])
    price, quantity = command["price"], command["quantity"]
    rank = rank_of(order["side"], price)
    if quantity - (order["quantity"] - order["leaves"]) <= 0:
        _take_off(state, command, order)
    elif price <= 0 or price >= RANKS:
        return PRICE_OUT_OF_RANGE
    elif rank == level["rank"] and quantity < order["quantity"]:
        _reduce(state, command, order, level)
    elif state["level_count"] >= state["level_bound"] and level["count"] > 1:
        return LEVEL_POOL_FULL
    else:
        return _move(state, command, order, rank)
    return DONE


@laid_in
def _is_plain_here(state: Any, command: Any) -> bool:
    """A plain order, of an account that is nothing special, for a book that only trades?"""
    instrument, account = command["instrument"], command["account"]
    if not is_plain(command) or instrument < 0 or instrument >= state["instrument_bound"]:
        return False
    book = state["instruments"][np.uint32(instrument)]
    if book["special"] or not book["defined"] or account < 0 or account >= state["account_bound"]:
        return False
    return state["accounts"][np.uint32(account)]["defined"] == 1


@laid_in
def _is_special(state: Any, order: Any) -> bool:
    return (order["special"] | state["instruments"][np.uint32(order["instrument"])]["special"]) != 0


@laid_in
def _take_off(state: Any, command: Any, order: Any) -> None:
    """Cancel the plain resting ``order`` and say so."""
    price = rank_of(order["side"], level_at(state, order["level"])["rank"])
    cancelled(state, command, order, price, CANCELLED_BY_CLIENT)
    _unlink(state, state["instruments"][np.uint32(order["instrument"])], order, np.uint32(order["side"]))
    _retire(state, order)


@laid_in
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
    slot = _slot(command)
    if order_id <= 0 or slot >= state["order_bound"] or state["orders"][slot]["order_id"] != 0:
        return BAD_ORDER_ID
    return 0


@laid_in
def _write_order(order: Any, command: Any) -> None:
    order["order_id"], order["client_order_id"] = command["order_id"], command["client_order_id"]
    order["leaves"] = order["quantity"] = command["quantity"]
    order["account"], order["session"] = command["account"], command["session"]
    order["instrument"], order["side"] = command["instrument"], command["side"]
    order["type"], order["time_in_force"] = command["type"], command["time_in_force"]
    order["special"], order["place"] = 0, 0


@laid_in
def _slot(command: Any) -> Any:
    """The slot that the command names. Unsigned, as all that picks from a pool here: nobody looks whether it is negative."""
    return np.uint32(command["order_id"] & SLOT_MASK)


@laid_in
def _is_live(state: Any, command: Any) -> bool:
    """Does the order that the command names rest, or wait?"""
    order_id = command["order_id"]
    slot = _slot(command)
    return order_id > 0 and slot < state["order_bound"] and state["orders"][slot]["order_id"] == order_id


@laid_in
def _match(state: Any, command: Any, book: Any, order: Any, reach: int) -> bool:
    """Trade ``order`` against the other side, best level first, down to the other side's rank ``reach``.

    False: it met an order that is not plain, and has lots left.
    """
    other = np.uint32(order["side"] ^ 1)
    while book["best"][other] <= reach and order["leaves"] > 0:
        if not _match_level(state, command, book, order, other):
            return False
    return True


@laid_in
def _match_level(state: Any, command: Any, book: Any, order: Any, other: int) -> bool:
    """Trade ``order`` against the best level of side ``other``, oldest order first; False at one that is not plain."""
    number = book["levels"][other]
    level = level_at(state, number)
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
        _drop_level(state, book, other, number)
    else:
        level["head"] = slot
        state["orders"][slot]["preceding"] = NO_ORDER
    return plain


@laid_in
def _expire(state: Any, command: Any, order: Any) -> None:
    """What an order that may not rest has left is cancelled."""
    cancelled(state, command, order, command["price"], NO_LIQUIDITY)
    order["order_id"] = 0


@laid_in
def _reduce(state: Any, command: Any, order: Any, level: Any) -> None:
    """Less at the same price: the order keeps its place in the queue."""
    less = order["quantity"] - command["quantity"]
    order["quantity"] -= less
    order["leaves"] -= less
    level["quantity"] -= less
    replaced(state, command, order, LAST)


@laid_in
def _move(state: Any, command: Any, order: Any, rank: int) -> int:
    """Anything else: off its level, match at the new price, then to the back of the queue there."""
    book, side = state["instruments"][np.uint32(order["instrument"])], np.uint32(order["side"])
    _unlink(state, book, order, side)
    order["leaves"] += command["quantity"] - order["quantity"]
    order["quantity"] = command["quantity"]
    trades = book["best"][side ^ 1] <= RANKS ^ rank
    replaced(state, command, order, NOT_LAST if trades else LAST)
    if trades:
        if not _match(state, command, book, order, RANKS ^ rank):
            return HAND_OVER
        _mark_last(state)
        if order["leaves"] == 0:
            _retire(state, order)
            return DONE
    _link(state, book, order, _slot(command), rank)
    return DONE


@laid_in
def _retire(state: Any, order: Any) -> None:
    """The resting order is no more: its slot is free and its account has one less."""
    order["order_id"] = 0
    state["resting"] -= 1
    _withdraw(state, order["account"], order["place"])
