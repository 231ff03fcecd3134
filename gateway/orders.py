"""The gateway's table of working orders, kept from the events: what ORDERS_REQUEST is answered from.

An order lies where the slot in its id says, as in riskd and matcher. The table is a function of the events so far, so a
gateway that starts again makes it anew from the journal.
"""

from typing import Any, Final

from numba import njit

from shm.records import SLOT_BITS, SLOT_BOUND, EventKind

ACCEPTED, TRADE, CANCELLED, REPLACED = map(int, (EventKind.ACCEPTED, EventKind.TRADE, EventKind.CANCELLED, EventKind.REPLACED))
TRIGGERED, RESTATED = int(EventKind.TRIGGERED), int(EventKind.RESTATED)
SLOT_MASK: Final = SLOT_BOUND - 1
assert SLOT_MASK == (1 << SLOT_BITS) - 1


@njit(cache=True)
def apply_event(state: Any, shard: int, event: Any) -> None:
    """Let the table follow one event of ``shard``. Asserts that it is about an order that is where its id says."""
    kind = event["kind"]
    if kind == ACCEPTED:
        _enter(state, shard, event)
    elif kind == TRADE:
        _leave(state, shard, event["order_id"], event["leaves"])
        _leave(state, shard, event["resting_order_id"], event["resting_leaves"])
    elif kind in (REPLACED, RESTATED):
        order = _order(state, shard, event["order_id"])
        order["price"], order["quantity"], order["leaves"] = event["price"], event["quantity"], event["leaves"]
    elif kind == CANCELLED:
        _leave(state, shard, event["order_id"], 0)
    elif kind == TRIGGERED and event["price"] != 0:
        _order(state, shard, event["order_id"])["price"] = event["price"]


@njit(cache=True)
def _enter(state: Any, shard: int, event: Any) -> None:
    slot = event["order_id"] & SLOT_MASK
    assert slot < state["orders"].shape[1], "an order id names a slot past the pool: pools.orders differs between processes"
    order = state["orders"][shard, slot]
    order["order_id"], order["client_order_id"] = event["order_id"], event["client_order_id"]
    order["time_ns"], order["price"] = event["time_ns"], event["price"]
    order["quantity"], order["leaves"] = event["quantity"], event["quantity"]
    order["account"], order["instrument"] = event["account"], event["instrument"]
    order["side"], order["type"], order["time_in_force"] = event["side"], event["type"], event["time_in_force"]
    if slot >= state["shard"][shard]["slots_used"]:
        state["shard"][shard]["slots_used"] = slot + 1


@njit(cache=True)
def _leave(state: Any, shard: int, order_id: int, leaves: int) -> None:
    order = _order(state, shard, order_id)
    order["leaves"] = leaves
    if leaves == 0:
        order["order_id"] = 0


@njit(cache=True)
def _order(state: Any, shard: int, order_id: int) -> Any:
    order = state["orders"][shard, order_id & SLOT_MASK]
    assert order["order_id"] == order_id, "an event is about an order that the gateway was never told of"
    return order


@njit(cache=True)
def find_orders(state: Any, shard: int, account: int, slots: Any) -> int:
    """Put the slots of the account's working orders into ``slots`` (int64, long enough); how many."""
    found = 0
    for slot in range(state["shard"][shard]["slots_used"]):
        order = state["orders"][shard, slot]
        if order["order_id"] != 0 and order["account"] == account:
            slots[found] = slot
            found += 1
    return found
