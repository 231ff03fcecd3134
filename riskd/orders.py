"""Orders from the moment riskd numbers them until it reads their last event: slots, holds, client order ids."""

from typing import Any, Final

import numpy as np
from numba import njit

from riskd import ids
from riskd.cash import FUNDED, hold_funds
from riskd.layout import ORDER
from riskd.positions import account_of, claim, instrument_of
from riskd.reckoning import expires, kept_type
from riskd.remembered import remember
from riskd.usage import OTHERS, Check, count_ordered, count_orders, hold_beside
from shm.records import SLOT_BITS, SLOT_BOUND

SLOT_MASK: Final = SLOT_BOUND - 1
NOT_LIVE: Final = -1
PERMITS: Final = Check.PERMITS.value
_FREE: Final = np.zeros(1, ORDER)


@njit(inline="always")
def reference_of(shard: int, slot: int) -> int:
    """What the table of ids knows an order by; never 0."""
    return (shard << SLOT_BITS | slot) + 1


@njit(cache=True)
def take_slot(risk: Any, shard: int) -> Any:
    """The slot of the shard's pool that was freed last, and so is likely in cache. The caller has seen that one is free."""
    source = risk["shards"][shard]
    source["free"] -= 1
    return np.int64(risk["free"][shard, source["free"]])


@njit(cache=True)
def enter(risk: Any, shard: int, command: Any, position: int, price: int, held: int) -> None:
    """Take up a numbered NEW: it works with all its quantity, and holds ``held`` money, reckoned at ``price``."""
    slot = command["order_id"] & SLOT_MASK
    order = risk["orders"][shard, slot]
    claim(risk, position, command["account"], command["instrument"])
    order["order_id"] = command["order_id"]
    order["client_order_id"] = command["client_order_id"]
    order["price"] = price
    order["quantity"] = command["quantity"]
    order["leaves"] = command["quantity"]
    order["position"] = position
    order["side"] = command["side"]
    order["type"] = kept_type(command["type"], command["flags"], command["time_in_force"])
    if expires(order):
        risk["shards"][shard]["expiring"] += 1
    count_orders(risk, command["account"], 1)
    count_ordered(risk, command["account"], held, command["time_ns"])
    limits = risk["limits"][command["account"]]
    limits["highest_id"] = max(limits["highest_id"], command["client_order_id"])
    if risk["accounts"][command["account"]]["checks"] & PERMITS != 0 and risk["permits"][command["account"]]["remembers"] != 0:
        remember(risk, command["account"], command["client_order_id"], command["time_ns"])
    ids.insert(risk, command["account"], command["client_order_id"], reference_of(shard, slot))
    hold(risk, order, command["quantity"], held)


@njit(cache=True)
def hold(risk: Any, order: Any, working: int, held: int) -> None:
    """From now on count the order as ``working`` lots and ``held`` money."""
    position, side = risk["positions"][order["position"]], order["side"]
    account, lots, money = account_of(position["key"]), working - order["working"], held - order["held"]
    position["open"][side] += lots
    risk["accounts"][account]["held"][side] += money
    checks = risk["accounts"][account]["checks"]
    if checks & (OTHERS | FUNDED) != 0:
        hold_beside(risk, account, instrument_of(position["key"]), side, lots, money)
        if checks & FUNDED != 0:
            hold_funds(risk, account, instrument_of(position["key"]), order, working, held)
    order["working"] = working
    order["held"] = held


@njit(cache=True)
def worst(order: Any, price: int, quantity: int, tick_value: int) -> Any:
    """Lots and money to count while a replace to that price and total quantity is on its way, for it may or may not be done."""
    leaves = max(quantity - (order["quantity"] - order["leaves"]), 0)
    return max(order["working"], leaves), max(order["held"], price * leaves * tick_value)


@njit(cache=True)
def expect_replace(risk: Any, order: Any, working: int, held: int) -> None:
    """A replace of the order is on its way: count the worst it can come to until the outcome is known."""
    order["pending"] += 1
    hold(risk, order, working, held)


@njit(cache=True)
def leave(risk: Any, shard: int, slot: int) -> None:
    """The order has ended: give back what it holds, its id and its slot."""
    order = risk["orders"][shard, slot]
    hold(risk, order, 0, 0)
    account = account_of(risk["positions"][order["position"]]["key"])
    count_orders(risk, account, -1)
    ids.remove(risk, account, order["client_order_id"], reference_of(shard, slot))
    source = risk["shards"][shard]
    if expires(order):
        source["expiring"] -= 1
    risk["orders"][shard, slot] = _FREE[0]
    risk["free"][shard, source["free"]] = slot
    source["free"] += 1


@njit(cache=True)
def slot_of(risk: Any, shard: int, order_id: int) -> int:
    """The slot that the live order lies in; NOT_LIVE when it is not, or no longer, there."""
    slot = order_id & SLOT_MASK
    if order_id <= 0 or slot >= risk["orders"].shape[1] or risk["orders"][shard, slot]["order_id"] != order_id:
        return NOT_LIVE
    return slot
