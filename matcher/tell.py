"""Events about what few orders do. ``matcher/emit.py`` has the others, and says how an event is written."""

from typing import Any

from matcher.book import rank_of
from matcher.emit import about_order, no_resting, open_event
from matcher.layout import Where
from matcher.queues import is_hidden
from matcher.slots import level_at
from shm.atomics import int64
from shm.inner import inner
from shm.records import EventFlag, EventKind, OrderFlag, OrderType

TRADE, CANCELLED, RESTATED = int64(EventKind.TRADE), int64(EventKind.CANCELLED), int64(EventKind.RESTATED)
AUCTION, ALL_OR_NONE = int64(EventFlag.AUCTION), int64(OrderFlag.ALL_OR_NONE)
BOOK, STOP, TRAILING_STOP_LIMIT = int64(Where.BOOK), int64(OrderType.STOP), int64(OrderType.TRAILING_STOP_LIMIT)


@inner
def standing_price(state: Any, slot: int) -> int:
    """The price at which the order stands, or was last sent or restated with."""
    order, extra = state["orders"][slot], state["extras"][slot]
    if not order["special"] or extra["where"] == BOOK:
        return int64(rank_of(order["side"], level_at(state, order["level"])["rank"]))
    return int64(extra["price"])


@inner
def not_shown(state: Any, slot: int, waits: bool) -> int:
    """How many of the order's leaves others do not see. ``waits``: it is an at-the-close order that is not in the book."""
    order, extra = state["orders"][slot], state["extras"][slot]
    if not order["special"]:
        return 0
    untriggered = STOP <= order["type"] <= TRAILING_STOP_LIMIT and not extra["active"]
    if waits or untriggered or is_hidden(extra) or extra["flags"] & ALL_OR_NONE:
        return int64(order["leaves"])
    if extra["display"] == 0:
        return 0
    shown = extra["shown"] if extra["where"] == BOOK else min(extra["display"], order["leaves"])
    return int64(order["leaves"] - shown)


@inner
def told(state: Any, command: Any, slot: int, kind: int, price: int, reason: int, waits: bool) -> None:
    """ACCEPTED, REPLACED, TRIGGERED or RESTATED: ``price``, and quantity and leaves as the order has them now."""
    order = state["orders"][slot]
    event = open_event(state, command, kind, 0)
    about_order(event, order)
    no_resting(event)
    event["price"], event["quantity"], event["leaves"], event["reason"] = price, order["quantity"], order["leaves"], reason
    event["resting_leaves"] = not_shown(state, slot, waits)


@inner
def cancelled(state: Any, command: Any, slot: int, price: int, quantity: int, reason: int) -> None:
    """CANCELLED: ``quantity`` lots are taken off, none are left."""
    event = open_event(state, command, CANCELLED, 0)
    about_order(event, state["orders"][slot])
    no_resting(event)
    event["price"], event["quantity"], event["leaves"], event["reason"] = price, quantity, 0, reason


@inner
def uncrossed_pair(state: Any, command: Any, buyer: Any, seller: Any, price: int, quantity: int) -> None:
    """A TRADE of an auction; the leaves of both are already what is left."""
    event = open_event(state, command, TRADE, AUCTION)
    about_order(event, buyer)
    event["resting_order_id"] = seller["order_id"]
    event["resting_client_order_id"] = seller["client_order_id"]
    event["resting_account"] = seller["account"]
    event["price"], event["quantity"], event["reason"] = price, quantity, 0
    event["leaves"], event["resting_leaves"] = buyer["leaves"], seller["leaves"]


@inner
def about_instrument(state: Any, command: Any, kind: int, instrument: int, which: int, reason: int, auction: Any) -> None:
    """STATE_CHANGED (``which``: the state), INDICATIVE or UNCROSSED. ``auction``: price, volume, surplus of buys."""
    event = open_event(state, command, kind, 0)
    event["order_id"], event["client_order_id"] = 0, 0
    event["account"], event["instrument"] = command["account"], instrument
    event["price"], event["quantity"] = auction[0], auction[1]
    event["leaves"], event["side"] = abs(auction[2]), 1 if auction[2] < 0 else 0
    event["type"], event["time_in_force"], event["reason"] = which, 0, reason
    no_resting(event)
