"""Whether a NEW that is more than a plain order may be entered: the checks of docs/matching.md, in their order."""

from typing import Any

from matcher.layout import RANKS, TRACKED
from matcher.positions import has_position_place, reducible
from matcher.states import has_book
from shm.atomics import int64
from shm.inner import inner
from shm.reasons import Reason
from shm.records import SLOT_BOUND, InstrumentState, OrderFlag, OrderType, Policy, SelfTradeRule, Side, TimeInForce

UNKNOWN_SIDE, QUANTITY_NOT_POSITIVE = int64(Reason.UNKNOWN_SIDE), int64(Reason.QUANTITY_NOT_POSITIVE)
UNKNOWN_TYPE, UNKNOWN_TIME_IN_FORCE = int64(Reason.UNKNOWN_TYPE), int64(Reason.UNKNOWN_TIME_IN_FORCE)
TERMS_DISAGREE, PRICE_OUT_OF_RANGE = int64(Reason.TERMS_DISAGREE), int64(Reason.PRICE_OUT_OF_RANGE)
STOP_PRICE_OUT_OF_RANGE, LEVEL_POOL_FULL = int64(Reason.STOP_PRICE_OUT_OF_RANGE), int64(Reason.LEVEL_POOL_FULL)
BAD_ORDER_ID, INSTRUMENT_NOT_DEFINED = int64(Reason.BAD_ORDER_ID), int64(Reason.INSTRUMENT_NOT_DEFINED)
ACCOUNT_NOT_DEFINED, NOT_IN_THIS_STATE = int64(Reason.ACCOUNT_NOT_DEFINED), int64(Reason.NOT_IN_THIS_STATE)
PRICE_OUTSIDE_COLLAR, QUANTITY_ABOVE_BOUND = int64(Reason.PRICE_OUTSIDE_COLLAR), int64(Reason.QUANTITY_ABOVE_BOUND)
EXPIRY_PASSED, LINKED_ORDER_NOT_LIVE = int64(Reason.EXPIRY_PASSED), int64(Reason.LINKED_ORDER_NOT_LIVE)
POSITION_NOT_TRACKED, POSITION_POOL_FULL = int64(Reason.POSITION_NOT_TRACKED), int64(Reason.POSITION_POOL_FULL)
REDUCE_ONLY_WOULD_INCREASE = int64(Reason.REDUCE_ONLY_WOULD_INCREASE)

SELL, LIMIT, MARKET = int64(Side.SELL), int64(OrderType.LIMIT), int64(OrderType.MARKET)
MARKET_TO_LIMIT, STOP, STOP_LIMIT = int64(OrderType.MARKET_TO_LIMIT), int64(OrderType.STOP), int64(OrderType.STOP_LIMIT)
TRAILING_STOP, TRAILING_STOP_LIMIT = int64(OrderType.TRAILING_STOP), int64(OrderType.TRAILING_STOP_LIMIT)
PEGGED_BID, PEGGED_MIDDLE = int64(OrderType.PEGGED_BID), int64(OrderType.PEGGED_MIDDLE)
GTC, IOC, DAY, GTD = int64(TimeInForce.GTC), int64(TimeInForce.IOC), int64(TimeInForce.DAY), int64(TimeInForce.GTD)
FOK, AT_OPEN, AT_CLOSE = int64(TimeInForce.FOK), int64(TimeInForce.AT_OPEN), int64(TimeInForce.AT_CLOSE)
EXTENDED, POST_ONLY, SLIDE = int64(OrderFlag.EXTENDED), int64(OrderFlag.POST_ONLY), int64(OrderFlag.SLIDE)
REDUCE_ONLY, HIDDEN = int64(OrderFlag.REDUCE_ONLY), int64(OrderFlag.HIDDEN)
ALL_OR_NONE, BASIS_POINTS = int64(OrderFlag.ALL_OR_NONE), int64(OrderFlag.BASIS_POINTS)
CONTINUOUS, HALTED = int64(InstrumentState.CONTINUOUS), int64(InstrumentState.HALTED)
PRE_OPEN, OPENING_AUCTION = int64(InstrumentState.PRE_OPEN), int64(InstrumentState.OPENING_AUCTION)
DECREMENT, PRO_RATA = int64(SelfTradeRule.DECREMENT), int64(Policy.PRO_RATA)
SLOT_MASK = SLOT_BOUND - 1
ALL_FLAGS = 2 * BASIS_POINTS - 1
HIGHEST = RANKS - 1
OFFSET_BOUND = 1 << 47
LARGEST_BASIS_POINTS = 9_999
PRO_RATA_BOUND = 1 << 31
PARTS_BOUND = 1_000
MOST = (1 << 63) - 1


@inner
def is_plain(command: Any) -> bool:
    """A limit or market order, GTC, IOC or DAY, that asks for nothing else."""
    return (
        command["flags"] == 0
        and (command["type"] == LIMIT or command["type"] == MARKET)
        and (command["time_in_force"] == GTC or command["time_in_force"] == IOC or command["time_in_force"] == DAY)
    )


@inner
def objection(state: Any, command: Any) -> int:
    """Why the order cannot be entered, or 0; all but what the book says of a post-only order."""
    reason = _about_itself(command)
    if reason == 0:
        reason = price_objection(command["type"], command["price"], command["stop_price"], command["flags"])
    if reason == 0:
        reason = _about_places(state, command)
    if reason == 0:
        reason = _about_instrument(state, command)
    if reason == 0 and command["flags"] & EXTENDED:
        reason = _about_others(state, command)
    if reason == 0:
        reason = _about_position(state, command)
    return reason


@inner
def _about_itself(command: Any) -> int:
    kind, validity = command["type"], command["time_in_force"]
    if command["side"] > SELL:
        return UNKNOWN_SIDE
    if command["quantity"] <= 0:
        return QUANTITY_NOT_POSITIVE
    if kind < LIMIT or kind > PEGGED_MIDDLE:
        return UNKNOWN_TYPE
    if validity < GTC or validity > AT_CLOSE:
        return UNKNOWN_TIME_IN_FORCE
    if is_plain(command):
        return 0
    if not command["flags"] & EXTENDED or command["flags"] > ALL_FLAGS:
        return TERMS_DISAGREE
    agree = _validity_agrees(command, kind, validity) and _quantities_agree(command, kind, validity)
    return 0 if agree and _flags_agree(command, kind, validity) else TERMS_DISAGREE


@inner
def lives(validity: int) -> bool:
    """GTC, DAY or GTD?"""
    return validity in (GTC, DAY, GTD)


@inner
def _validity_agrees(command: Any, kind: int, validity: int) -> bool:
    if kind == MARKET:
        if validity == GTD:
            return False
    elif kind != LIMIT and not lives(validity):
        return False
    if (command["expiry_ns"] > 0) != (validity == GTD) or command["expiry_ns"] < 0:
        return False
    if kind in (MARKET_TO_LIMIT, STOP, TRAILING_STOP) and command["price"] != 0:
        return False
    if kind < STOP and command["stop_price"] != 0:
        return False
    trails = kind in (TRAILING_STOP, TRAILING_STOP_LIMIT)
    if not trails and (command["step"] != 0 or command["flags"] & BASIS_POINTS):
        return False
    may_link = lives(validity) and kind != MARKET
    return command["linked"] == 0 or may_link


@inner
def _quantities_agree(command: Any, kind: int, validity: int) -> bool:
    minimum, display, quantity, flags = (
        command["minimum_quantity"],
        command["display_quantity"],
        command["quantity"],
        command["flags"],
    )
    if minimum != 0:
        if minimum < 0 or minimum > quantity or kind > MARKET or validity in (FOK, AT_OPEN, AT_CLOSE):
            return False
        if flags & (POST_ONLY | ALL_OR_NONE | REDUCE_ONLY):
            return False
    if display != 0:
        if (
            display < 0
            or display > quantity
            or has_too_many_parts(display, quantity)
            or kind not in (LIMIT, STOP_LIMIT, MARKET_TO_LIMIT)
        ):
            return False
        if validity in (IOC, FOK) or flags & (HIDDEN | ALL_OR_NONE):
            return False
    return command["self_trade_rule"] <= DECREMENT and command["self_trade_group"] >= 0


@inner
def has_too_many_parts(display: int, quantity: int) -> bool:
    """Would an iceberg of that quantity be refilled so often that one order trading with it held up all others?"""
    return quantity > PARTS_BOUND * min(display, MOST // PARTS_BOUND)


@inner
def _flags_agree(command: Any, kind: int, validity: int) -> bool:
    flags = command["flags"]
    if flags & HIDDEN and (kind != LIMIT or validity in (IOC, FOK) or flags & ALL_OR_NONE):
        return False
    if flags & POST_ONLY and (kind != LIMIT or not lives(validity) or flags & ALL_OR_NONE):
        return False
    if flags & SLIDE and not flags & POST_ONLY:
        return False
    if flags & ALL_OR_NONE and (kind != LIMIT or not lives(validity) or flags & REDUCE_ONLY):
        return False
    reducing_type = kind in (LIMIT, MARKET, STOP, STOP_LIMIT) and validity not in (AT_OPEN, AT_CLOSE)
    return not flags & REDUCE_ONLY or reducing_type


@inner
def price_objection(kind: int, price: int, stop_price: int, flags: int) -> int:
    """Are price and stop price, distance or offset within what the type allows?"""
    if kind in (LIMIT, STOP_LIMIT):
        if price < 1 or price > HIGHEST:
            return PRICE_OUT_OF_RANGE
    elif price < 0 or price > HIGHEST:
        return PRICE_OUT_OF_RANGE
    if kind >= PEGGED_BID:
        if stop_price <= -OFFSET_BOUND or stop_price >= OFFSET_BOUND:
            return STOP_PRICE_OUT_OF_RANGE
    elif kind >= STOP:
        highest = LARGEST_BASIS_POINTS if flags & BASIS_POINTS else HIGHEST
        if stop_price < 1 or stop_price > highest:
            return STOP_PRICE_OUT_OF_RANGE
    return 0


@inner
def _about_places(state: Any, command: Any) -> int:
    validity, order_id = command["time_in_force"], command["order_id"]
    at_once = validity in (IOC, FOK) or (command["type"] == MARKET and validity in (GTC, DAY))
    if not at_once and state["level_count"] >= state["level_bound"]:
        return LEVEL_POOL_FULL
    slot = order_id & SLOT_MASK
    if order_id <= 0 or slot >= state["order_bound"] or state["orders"][slot]["order_id"] != 0:
        return BAD_ORDER_ID
    if not has_book(state, int64(command["instrument"])):
        return INSTRUMENT_NOT_DEFINED
    account = command["account"]
    if account < 0 or account >= state["account_bound"] or not state["accounts"][account]["defined"]:
        return ACCOUNT_NOT_DEFINED
    return 0


@inner
def _about_instrument(state: Any, command: Any) -> int:
    instrument = int64(command["instrument"])
    if not _state_takes(state["instruments"][instrument]["state"], command):
        return NOT_IN_THIS_STATE
    kind = command["type"]
    reason = collar_objection(state, instrument, kind, command["price"])
    if reason == 0 and state["rules"][instrument]["policy"] == PRO_RATA:
        if command["quantity"] >= PRO_RATA_BOUND:
            return QUANTITY_ABOVE_BOUND
        if command["flags"] & EXTENDED and (command["linked"] or command["flags"] & REDUCE_ONLY):
            return TERMS_DISAGREE
    return reason


@inner
def collar_objection(state: Any, instrument: int, kind: int, price: int) -> int:
    """Is a price that the order names outside the static collar?"""
    rules = state["rules"][instrument]
    if price == 0 or kind in (MARKET_TO_LIMIT, STOP, TRAILING_STOP, TRAILING_STOP_LIMIT):
        return 0
    too_high = rules["static_high"] != 0 and price > rules["static_high"]
    return PRICE_OUTSIDE_COLLAR if price < rules["static_low"] or too_high else 0


@inner
def _state_takes(book_state: int, command: Any) -> bool:
    kind, validity = command["type"], command["time_in_force"]
    if book_state == CONTINUOUS:
        return validity != AT_OPEN
    if book_state >= HALTED:
        return False
    if validity in (IOC, FOK) or kind == MARKET_TO_LIMIT:
        return False
    if command["flags"] & EXTENDED and command["minimum_quantity"]:
        return False
    if kind == MARKET and validity not in (AT_OPEN, AT_CLOSE):
        return False
    return validity != AT_OPEN or book_state in (PRE_OPEN, OPENING_AUCTION)


@inner
def _about_others(state: Any, command: Any) -> int:
    if command["time_in_force"] == GTD and command["expiry_ns"] <= command["time_ns"]:
        return EXPIRY_PASSED
    linked = int64(command["linked"])
    if linked and not _may_be_linked(state, command, linked - 1):
        return LINKED_ORDER_NOT_LIVE
    if command["flags"] & REDUCE_ONLY and state["accounts"][command["account"]]["defined"] != TRACKED:
        return POSITION_NOT_TRACKED
    return 0


@inner
def _may_be_linked(state: Any, command: Any, slot: int) -> bool:
    if slot >= state["order_bound"] or state["orders"][slot]["order_id"] == 0:
        return False
    other = state["orders"][slot]
    if other["account"] != command["account"] or other["instrument"] != command["instrument"]:
        return False
    return not other["special"] or state["extras"][slot]["partner"] == 0


@inner
def _about_position(state: Any, command: Any) -> int:
    account, instrument = int64(command["account"]), int64(command["instrument"])
    if state["accounts"][account]["defined"] != TRACKED:
        return 0
    if not has_position_place(state, account, instrument):
        return POSITION_POOL_FULL
    if command["flags"] & REDUCE_ONLY and reducible(state, account, instrument, int64(command["side"])) == 0:
        return REDUCE_ONLY_WOULD_INCREASE
    return 0
