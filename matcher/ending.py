"""How an order leaves: off wherever it stands or waits, out of every list, with its partner."""

from typing import Any

from numba import boolean

from matcher.accounts import enrol, withdraw
from matcher.apart import TAKE_OFF, apart
from matcher.expiry import forget_expiry
from matcher.layout import Where
from matcher.lists import delist
from matcher.queues import leave_level, unlink
from matcher.tell import cancelled, standing_price
from shm.atomics import int64
from shm.inner import inner
from shm.reasons import Reason

BOOK, STOPS, NOWHERE = int64(Where.BOOK), int64(Where.STOPS), int64(Where.NOWHERE)
ONE_CANCELS_OTHER = int64(Reason.ONE_CANCELS_OTHER)


@inner
def enrol_once(state: Any, slot: int) -> None:
    """The order rests or waits; its account has one more, if it had not already."""
    order = state["orders"][slot]
    if order["place"] == 0:
        order["place"] = enrol(state, order["account"], slot)
        state["resting"] += 1


@inner
def take_away(state: Any, slot: int) -> None:
    """Out of the book, or from among the stops; it stays on its list."""
    order, extra = state["orders"][slot], state["extras"][slot]
    if not order["special"] or extra["where"] == BOOK:
        leave_level(state, state["instruments"][order["instrument"]], slot)
    elif extra["where"] == STOPS:
        unlink(state, state["triggers"][order["instrument"]], order, 1 - int64(order["side"]))
    extra["where"] = NOWHERE


@inner
def retire(state: Any, slot: int) -> None:
    """The order, which stands nowhere any more, is no more: its slot is free."""
    order, extra = state["orders"][slot], state["extras"][slot]
    if order["special"]:
        delist(state, slot)
        forget_expiry(state, slot)
        if extra["partner"]:
            state["extras"][int64(extra["partner"]) - 1]["partner"] = 0
            extra["partner"] = 0
    order["order_id"], order["leaves"], order["special"] = 0, 0, 0
    if order["place"]:
        state["resting"] -= 1
        withdraw(state, order["account"], order["place"])
        order["place"] = 0


@inner
def partner_of(state: Any, slot: int) -> int:
    """The slot of the order's partner, or -1."""
    return int64(state["extras"][slot]["partner"]) - 1 if state["orders"][slot]["special"] else -1


@apart(TAKE_OFF, 2, boolean)
def take_off(state: Any, command: Any, slot: int, reason: int) -> bool:
    """Cancel the order, on its way, resting or waiting, and its partner after it, and say so; was there a partner?"""
    partner = partner_of(state, slot)
    _remove(state, command, slot, reason)
    if partner >= 0:
        _remove(state, command, partner, ONE_CANCELS_OTHER)
    return partner >= 0


@inner
def take_off_partner(state: Any, command: Any, slot: int) -> None:
    """Cancel the order's partner, if it has one, for the order traded or was triggered."""
    partner = partner_of(state, slot)
    if partner >= 0:
        _remove(state, command, partner, ONE_CANCELS_OTHER)


@inner
def _remove(state: Any, command: Any, slot: int, reason: int) -> None:
    order = state["orders"][slot]
    cancelled(state, command, slot, standing_price(state, slot), int64(order["leaves"]), reason)
    take_away(state, slot)
    retire(state, slot)
