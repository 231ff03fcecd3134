"""What the matchers' events do to riskd's state."""

from typing import Any, Final

from numba import njit

from riskd.cash import FUNDED, settle
from riskd.orders import NOT_LIVE, hold, leave, slot_of
from riskd.profit import mark
from riskd.reckoning import (
    LIMIT,
    MARKET,
    MARKET_TO_LIMIT,
    STOP,
    STOP_LIMIT,
    TRAILING_STOP,
    TRAILING_STOP_LIMIT,
    becomes,
    reckon_at,
    type_of,
)
from riskd.usage import day_of, fill
from shm.records import CommandKind, EventKind

TRADE: Final = EventKind.TRADE.value
CANCELLED: Final = EventKind.CANCELLED.value
REPLACED: Final = EventKind.REPLACED.value
REJECTED: Final = EventKind.REJECTED.value
TRIGGERED: Final = EventKind.TRIGGERED.value
RESTATED: Final = EventKind.RESTATED.value
NEW: Final = CommandKind.NEW.value
REPLACE: Final = CommandKind.REPLACE.value
REDUCE: Final = CommandKind.REDUCE.value


@njit(cache=True)
def apply(risk: Any, shard: int, event: Any) -> bool:
    """Take one event in. False: it is about an order that is not there, or it would overflow; then nothing can be right."""
    kind = event["kind"]
    if kind == TRADE:
        return _traded(risk, shard, event)
    if kind == CANCELLED:
        return _ended(risk, shard, event)
    if kind == REPLACED:
        return _replaced(risk, shard, event)
    if kind == REJECTED and event["order_id"] != 0:
        return _rejected(risk, shard, event)
    if kind == RESTATED:
        return _restated(risk, shard, event)
    if kind == TRIGGERED:
        return _triggered(risk, shard, event)
    return True  # accepted, defined, mass-cancelled: what they say, riskd knew when it numbered the command


@njit(cache=True)
def _traded(risk: Any, shard: int, event: Any) -> bool:
    aggressor = slot_of(risk, shard, event["order_id"])
    resting = slot_of(risk, shard, event["resting_order_id"])
    if aggressor == NOT_LIVE or resting == NOT_LIVE:
        return False
    day, value = day_of(risk, event["time_ns"]), risk["instruments"][event["instrument"]]["tick_value"]
    mark(risk, event["instrument"], event["price"], day)
    done = _fill(risk, shard, aggressor, event["leaves"], event["price"], event["quantity"], value, day) and _fill(
        risk, shard, resting, event["resting_leaves"], event["price"], event["quantity"], value, day
    )
    accounts = risk["accounts"]
    funded = (accounts[event["account"]]["checks"] | accounts[event["resting_account"]]["checks"]) & FUNDED != 0
    return done and (not funded or settle(risk, event))


@njit(cache=True)
def _fill(risk: Any, shard: int, slot: int, leaves: int, price: int, quantity: int, tick_value: int, day: int) -> bool:
    order = risk["orders"][shard, slot]
    if not fill(risk, order["position"], order["side"], price, quantity, tick_value, day):
        return False
    order["leaves"] = leaves
    if leaves == 0:
        leave(risk, shard, slot)
    elif order["pending"] == 0:
        hold(risk, order, leaves, order["price"] * leaves * tick_value)
    else:  # whichever way the replaces end, both totals fall by what was executed; the money waits for the outcome
        hold(risk, order, max(order["working"] - quantity, leaves), order["held"])
    return True


@njit(cache=True)
def _ended(risk: Any, shard: int, event: Any) -> bool:
    slot = slot_of(risk, shard, event["order_id"])
    if slot == NOT_LIVE:
        return False
    leave(risk, shard, slot)
    return True


@njit(cache=True)
def _replaced(risk: Any, shard: int, event: Any) -> bool:
    slot = slot_of(risk, shard, event["order_id"])
    if slot == NOT_LIVE:
        return False
    order = risk["orders"][shard, slot]
    order["quantity"] = event["quantity"]
    order["leaves"] = event["leaves"]
    reckon_at(risk, order, event["price"], risk["instruments"][event["instrument"]]["tick_value"])
    _settle(risk, order, event["instrument"])
    return True


@njit(cache=True)
def _restated(risk: Any, shard: int, event: Any) -> bool:
    """The order has other terms without having asked; without a price (a parked one) it is reckoned as before."""
    slot = slot_of(risk, shard, event["order_id"])
    if slot == NOT_LIVE:
        return False
    order = risk["orders"][shard, slot]
    order["quantity"] = event["quantity"]
    order["leaves"] = event["leaves"]
    reckon_at(risk, order, event["price"], risk["instruments"][event["instrument"]]["tick_value"])
    if type_of(order) == MARKET_TO_LIMIT and event["price"] != 0:
        becomes(order, LIMIT)
    _hold_again(risk, order, event["instrument"])
    return True


@njit(cache=True)
def _triggered(risk: Any, shard: int, event: Any) -> bool:
    """A stop is a limit or market order from now on."""
    slot = slot_of(risk, shard, event["order_id"])
    if slot == NOT_LIVE:
        return False
    order = risk["orders"][shard, slot]
    type_ = type_of(order)
    if type_ in (STOP, TRAILING_STOP):
        becomes(order, MARKET)
    elif type_ in (STOP_LIMIT, TRAILING_STOP_LIMIT):
        becomes(order, LIMIT)
        reckon_at(risk, order, event["price"], risk["instruments"][event["instrument"]]["tick_value"])
        _hold_again(risk, order, event["instrument"])
    return True


@njit(cache=True)
def _rejected(risk: Any, shard: int, event: Any) -> bool:
    """A NEW that the matcher turned down ends; a REPLACE or REDUCE changes nothing, and its order may have ended before it."""
    slot = slot_of(risk, shard, event["order_id"])
    if event["flags"] == NEW:
        return _ended(risk, shard, event)
    if (event["flags"] == REPLACE or event["flags"] == REDUCE) and slot != NOT_LIVE:
        _settle(risk, risk["orders"][shard, slot], event["instrument"])
    return True


@njit(cache=True)
def _settle(risk: Any, order: Any, instrument: int) -> None:
    """One replace or reduce fewer on its way; after the last, the hold is what the order is now, not the worst it could be."""
    order["pending"] -= 1
    if order["pending"] == 0:
        value = risk["instruments"][instrument]["tick_value"]
        hold(risk, order, order["leaves"], order["price"] * order["leaves"] * value)


@njit(cache=True)
def _hold_again(risk: Any, order: Any, instrument: int) -> None:
    """Leaves or price have changed: hold for what the order is now or, while a replace is on its way, for the worse."""
    money = order["price"] * order["leaves"] * risk["instruments"][instrument]["tick_value"]
    if order["pending"] == 0:
        hold(risk, order, order["leaves"], money)
    else:
        hold(risk, order, max(order["working"], order["leaves"]), max(order["held"], money))
