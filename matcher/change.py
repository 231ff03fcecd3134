"""NEW, CANCEL, REDUCE and REPLACE where more than price and time is at stake. ``matcher/match.py`` has the plain ones."""

from typing import Any

from matcher.book import rank_of
from matcher.emit import rejected
from matcher.ending import BOOK, STOPS, take_away, take_off
from matcher.expiry import expect_expiry
from matcher.incoming import AT_CLOSE, CLOSE, CLOSING_AUCTION, MARKET, PEGGED_BID, STOP, TRAILING_STOP, begin, go
from matcher.layout import NO_ORDER, TRACKED, TRACKED_ORDER
from matcher.lists import delist
from matcher.positions import open_position
from matcher.reach import reach_of
from matcher.slots import level_at
from matcher.tell import standing_price, told
from matcher.terms import (
    CONTINUOUS,
    EXTENDED,
    HALTED,
    HIDDEN,
    POST_ONLY,
    PRICE_OUT_OF_RANGE,
    PRO_RATA,
    PRO_RATA_BOUND,
    QUANTITY_ABOVE_BOUND,
    SLIDE,
    collar_objection,
    has_too_many_parts,
    objection,
    price_objection,
)
from matcher.trade import shrink
from matcher.watch import touch
from shm.atomics import int64
from shm.inner import inner
from shm.reasons import Reason
from shm.records import SLOT_BOUND, EventKind, InstrumentState

ACCEPTED, REPLACED = int64(EventKind.ACCEPTED), int64(EventKind.REPLACED)
NOT_IN_THIS_STATE, POST_ONLY_WOULD_TRADE = int64(Reason.NOT_IN_THIS_STATE), int64(Reason.POST_ONLY_WOULD_TRADE)
LEVEL_POOL_FULL, CANCELLED_BY_CLIENT = int64(Reason.LEVEL_POOL_FULL), int64(Reason.CANCELLED_BY_CLIENT)
CANCEL_ONLY, SLOT_MASK = int64(InstrumentState.CANCEL_ONLY), SLOT_BOUND - 1


@inner
def enter_special(state: Any, command: Any) -> None:
    """A NEW that is no plain order, or comes to an instrument that does more than trade."""
    reason = objection(state, command)
    slot = int64(command["order_id"]) & SLOT_MASK
    if reason == 0:
        _write(state, command, slot)
        if _would_be_refused(state, slot):
            reason, state["orders"][slot]["order_id"], state["orders"][slot]["special"] = POST_ONLY_WOULD_TRADE, 0, 0
    if reason:
        rejected(state, command, reason)
        return
    minimum = int64(command["minimum_quantity"]) if command["flags"] & EXTENDED else int64(0)
    _register(state, command, slot)
    order, extra = state["orders"][slot], state["extras"][slot]
    instrument = int64(order["instrument"])
    waits = order["time_in_force"] == AT_CLOSE and state["instruments"][instrument]["state"] != CLOSING_AUCTION
    told(state, command, slot, ACCEPTED, int64(command["price"]), 0, waits)
    if order["type"] >= PEGGED_BID:
        extra["stop_price"] = extra["price"]
    touch(state, instrument)
    begin(state, command, slot, minimum)


@inner
def _would_be_refused(state: Any, slot: int) -> bool:
    """A post-only order that may not slide and would trade."""
    order, flags = state["orders"][slot], state["extras"][slot]["flags"]
    if not flags & POST_ONLY or flags & SLIDE:
        return False
    return _would_trade(state, slot, int64(order["instrument"]))


@inner
def _would_trade(state: Any, slot: int, instrument: int) -> bool:
    book, other = state["instruments"][instrument], 1 - int64(state["orders"][slot]["side"])
    return book["state"] == CONTINUOUS and book["best"][other] <= reach_of(state, slot)


@inner
def _write(state: Any, command: Any, slot: int) -> None:
    """The order as it was sent. While it is on its way it has an EXTRA, whatever it is."""
    order, extra = state["orders"][slot], state["extras"][slot]
    order["order_id"], order["client_order_id"] = command["order_id"], command["client_order_id"]
    order["leaves"] = order["quantity"] = command["quantity"]
    order["account"], order["session"] = command["account"], command["session"]
    order["instrument"], order["side"] = command["instrument"], command["side"]
    order["type"], order["time_in_force"] = command["type"], command["time_in_force"]
    order["special"], order["place"] = 1, 0
    _clear(extra)
    extra["price"] = command["price"]
    if command["flags"] & EXTENDED:
        extra["stop_price"], extra["offset"] = command["stop_price"], command["stop_price"]
        extra["display"], extra["expiry_ns"] = command["display_quantity"], command["expiry_ns"]
        extra["group"], extra["rule"] = command["self_trade_group"], command["self_trade_rule"]
        extra["flags"], extra["step"] = command["flags"], command["step"]
    if command["type"] >= PEGGED_BID:
        extra["flags"] |= HIDDEN


@inner
def _clear(extra: Any) -> None:
    extra["price"], extra["stop_price"], extra["offset"], extra["display"], extra["shown"] = 0, 0, 0, 0, 0
    extra["expiry_ns"], extra["expiry_place"], extra["partner"], extra["group"] = 0, 0, 0, 0
    extra["following"], extra["preceding"], extra["flags"], extra["step"] = NO_ORDER, NO_ORDER, 0, 0
    extra["rule"], extra["where"], extra["listed"], extra["active"] = 0, 0, 0, 0


@inner
def _register(state: Any, command: Any, slot: int) -> None:
    """Partner, expiry, position: what others have to know of the order."""
    extra, account = state["extras"][slot], int64(command["account"])
    if state["accounts"][account]["defined"] == TRACKED:
        extra["flags"] |= TRACKED_ORDER
        open_position(state, account, int64(command["instrument"]))
    if not command["flags"] & EXTENDED:
        return
    if command["linked"]:
        partner = int64(command["linked"]) - 1
        give_extra(state, partner)
        extra["partner"], state["extras"][partner]["partner"] = partner + 1, slot + 1
    if extra["expiry_ns"]:
        expect_expiry(state, slot)


@inner
def give_extra(state: Any, slot: int) -> None:
    """A plain order in the book gets an EXTRA that says what it was without."""
    order, extra = state["orders"][slot], state["extras"][slot]
    if order["special"]:
        return
    _clear(extra)
    extra["price"] = rank_of(order["side"], level_at(state, order["level"])["rank"])
    extra["shown"], extra["where"], extra["active"] = order["leaves"], BOOK, 1
    order["special"] = 1


@inner
def go_on(state: Any, command: Any, slot: int) -> None:
    """A plain order that was trading met one that is not plain: it goes on from here. It stands nowhere."""
    order, extra = state["orders"][slot], state["extras"][slot]
    _clear(extra)
    extra["price"], extra["active"], order["special"] = command["price"], 1, 1
    touch(state, int64(order["instrument"]))
    go(state, command, slot)


@inner
def cancel_special(state: Any, command: Any, slot: int) -> None:
    """CANCEL of any order, anywhere."""
    touch(state, int64(state["orders"][slot]["instrument"]))
    take_off(state, command, slot, CANCELLED_BY_CLIENT)


@inner
def reduce_special(state: Any, command: Any, slot: int) -> None:
    """REDUCE of any order, anywhere: fewer lots, the same place."""
    order, quantity = state["orders"][slot], int64(command["quantity"])
    instrument = int64(order["instrument"])
    if state["instruments"][instrument]["state"] >= CANCEL_ONLY:
        rejected(state, command, NOT_IN_THIS_STATE)
        return
    touch(state, instrument)
    if quantity >= order["leaves"]:
        take_off(state, command, slot, CANCELLED_BY_CLIENT)
    else:
        _shrink_and_tell(state, command, slot, quantity, standing_price(state, slot))


@inner
def _shrink_and_tell(state: Any, command: Any, slot: int, quantity: int, price: int) -> None:
    shrink(state, slot, quantity)
    waits = state["orders"][slot]["special"] and state["extras"][slot]["listed"] == CLOSE
    told(state, command, slot, REPLACED, price, 0, waits)


@inner
def replace_special(state: Any, command: Any, slot: int) -> None:
    """REPLACE of any order, anywhere."""
    order = state["orders"][slot]
    instrument, quantity = int64(order["instrument"]), int64(command["quantity"])
    if state["instruments"][instrument]["state"] >= HALTED:
        rejected(state, command, NOT_IN_THIS_STATE)
        return
    if quantity - (order["quantity"] - order["leaves"]) <= 0:
        touch(state, instrument)
        take_off(state, command, slot, CANCELLED_BY_CLIENT)
        return
    was_plain = not order["special"]
    give_extra(state, slot)
    reason = _replace_objection(state, command, slot)
    if reason:
        order["special"] = not was_plain
        rejected(state, command, reason)
        return
    touch(state, instrument)
    if quantity < order["quantity"] and _same_terms(state, command, slot):
        shrink(state, slot, int64(order["quantity"]) - quantity)
        if not was_plain and state["extras"][slot]["where"] != BOOK:
            state["extras"][slot]["price"] = command["price"]  # of a parked pegged order it was 0
        waits = state["extras"][slot]["listed"] == CLOSE
        told(state, command, slot, REPLACED, int64(command["price"]), 0, waits)
        order["special"] = not was_plain
    else:
        _move(state, command, slot)


@inner
def has_stop_field(state: Any, slot: int) -> bool:
    """Does a REPLACE give the order's stop price, distance or offset? Not once a stop was triggered."""
    return state["orders"][slot]["type"] >= STOP and not state["extras"][slot]["active"]


@inner
def effective_type(state: Any, slot: int) -> int:
    """The order's type, or what a triggered stop, or a priced market-to-limit order, has become."""
    kind = int64(state["orders"][slot]["type"])
    return kind if kind == MARKET or has_stop_field(state, slot) else 1


@inner
def _same_terms(state: Any, command: Any, slot: int) -> bool:
    extra, pegged = state["extras"][slot], state["orders"][slot]["type"] >= PEGGED_BID
    if command["price"] != (extra["stop_price"] if pegged else extra["price"]):
        return False
    return not has_stop_field(state, slot) or command["stop_price"] == extra["offset"]


@inner
def _replace_objection(state: Any, command: Any, slot: int) -> int:
    order, extra = state["orders"][slot], state["extras"][slot]
    instrument, kind = int64(order["instrument"]), effective_type(state, slot)
    price, quantity = int64(command["price"]), int64(command["quantity"])
    if kind in (STOP, TRAILING_STOP) and price != 0:
        return PRICE_OUT_OF_RANGE
    reason = price_objection(kind, price, int64(command["stop_price"]), int64(extra["flags"]))
    if reason == 0:
        reason = collar_objection(state, instrument, kind, price)
    if reason == 0 and state["rules"][instrument]["policy"] == PRO_RATA and quantity >= PRO_RATA_BOUND:
        reason = QUANTITY_ABOVE_BOUND
    if reason == 0 and extra["display"] and has_too_many_parts(int64(extra["display"]), quantity):
        reason = QUANTITY_ABOVE_BOUND
    if reason:
        return reason
    if extra["flags"] & POST_ONLY:
        before = extra["price"]
        extra["price"] = price
        refused = _would_trade(state, slot, instrument)
        extra["price"] = before
        if refused:
            return POST_ONLY_WOULD_TRADE
    shrinks = quantity < order["quantity"] and _same_terms(state, command, slot)
    stands = extra["where"] == BOOK or extra["where"] == STOPS
    alone = stands and level_at(state, order["level"])["count"] == 1
    full = state["level_count"] >= state["level_bound"]
    return LEVEL_POOL_FULL if full and not shrinks and not alone else 0


@inner
def _move(state: Any, command: Any, slot: int) -> None:
    """Off its place and entered again, with the new terms."""
    order, extra = state["orders"][slot], state["extras"][slot]
    take_away(state, slot)
    delist(state, slot)
    order["leaves"] += command["quantity"] - order["quantity"]
    order["quantity"] = command["quantity"]
    stop_field = has_stop_field(state, slot)
    extra["price"] = command["price"]
    if stop_field:
        extra["stop_price"] = extra["offset"] = command["stop_price"]
    state_now = state["instruments"][order["instrument"]]["state"]
    waits = order["time_in_force"] == AT_CLOSE and state_now != CLOSING_AUCTION
    told(state, command, slot, REPLACED, int64(command["price"]), 0, waits)
    if order["type"] >= PEGGED_BID:
        extra["stop_price"] = command["price"]
    begin(state, command, slot, 0)
