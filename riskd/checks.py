"""Whether a request may pass: one verdict, by checks in the order of the reason codes, so that it never depends on the mood.

A verdict is a ``Reason``'s number, 0 when nothing is wrong. What the checks work out on the way (ticks, lots, money, the
position) they leave in the state's ``draft``.

- A market order has no price. Its money is reckoned at the instrument's last trade; before the first, only its quantity is
  limited. That reckoning is no promise: there is no collar yet.
- A replace is held to a limit only by what it adds: one that does not raise the quantity is not asked about the maximum
  quantity, one that does not raise the money not about the maximum notional. A limit set to 0 blocks.
- A client order id of 0 names nothing, and counts as taken.
"""

from typing import Any, Final

from numba import njit

from riskd import ids
from riskd.layout import MONEY_BOUND
from riskd.money import product
from riskd.orders import SLOT_MASK, worst
from riskd.positions import account_of, has_room, instrument_of, place
from shm.reasons import Reason
from shm.records import NO_INSTRUMENT, SLOT_BITS, OrderType, Side, TimeInForce

PASSED: Final = Reason.NONE.value
UNKNOWN_ACCOUNT: Final = Reason.UNKNOWN_ACCOUNT.value
UNKNOWN_INSTRUMENT: Final = Reason.UNKNOWN_INSTRUMENT.value
UNKNOWN_SIDE: Final = Reason.UNKNOWN_SIDE.value
UNKNOWN_TYPE: Final = Reason.UNKNOWN_TYPE.value
UNKNOWN_TIME_IN_FORCE: Final = Reason.UNKNOWN_TIME_IN_FORCE.value
TYPE_AND_TIME_IN_FORCE_DISAGREE: Final = Reason.TYPE_AND_TIME_IN_FORCE_DISAGREE.value
QUANTITY_NOT_POSITIVE: Final = Reason.QUANTITY_NOT_POSITIVE.value
QUANTITY_OFF_LOT: Final = Reason.QUANTITY_OFF_LOT.value
PRICE_NOT_POSITIVE: Final = Reason.PRICE_NOT_POSITIVE.value
PRICE_OFF_TICK: Final = Reason.PRICE_OFF_TICK.value
QUANTITY_ABOVE_MAXIMUM: Final = Reason.QUANTITY_ABOVE_MAXIMUM.value
NOTIONAL_OVERFLOW: Final = Reason.NOTIONAL_OVERFLOW.value
NOTIONAL_ABOVE_MAXIMUM: Final = Reason.NOTIONAL_ABOVE_MAXIMUM.value
DUPLICATE_CLIENT_ORDER_ID: Final = Reason.DUPLICATE_CLIENT_ORDER_ID.value
TOO_MANY_OPEN_ORDERS: Final = Reason.TOO_MANY_OPEN_ORDERS.value
ORDER_POOL_FULL: Final = Reason.ORDER_POOL_FULL.value
UNKNOWN_ORDER: Final = Reason.UNKNOWN_ORDER.value
POSITION_OVERFLOW: Final = Reason.POSITION_OVERFLOW.value

SELL: Final = Side.SELL.value
LIMIT, MARKET = OrderType.LIMIT.value, OrderType.MARKET.value
GTC, IOC = TimeInForce.GTC.value, TimeInForce.IOC.value


@njit(cache=True)
def verdict_on_new(risk: Any, order: Any, shard: int) -> int:
    """May this new order go to the book? It becomes a command of ``shard``."""
    verdict = _terms(risk, order)
    if verdict == PASSED:
        verdict = _units(risk, order, order["instrument"], order["type"] == LIMIT)
    if verdict == PASSED:
        verdict = _limits(risk, order["account"], order["instrument"], 0, 0)
    if verdict == PASSED:
        verdict = _entry(risk, order, shard)
    return verdict


@njit(cache=True)
def verdict_on_replace(risk: Any, request: Any, reference: int) -> int:
    """May the live order that ``reference`` names get this price and total quantity? 0 as a reference names none."""
    verdict = verdict_on_cancel(risk, request["account"], reference)
    if verdict != PASSED:
        return verdict
    shard, slot = (reference - 1) >> SLOT_BITS, (reference - 1) & SLOT_MASK
    order = risk["orders"][shard, slot]
    instrument = instrument_of(risk["positions"][order["position"]]["key"])
    verdict = _units(risk, request, instrument, True)
    if verdict == PASSED:
        held = order["price"] * order["quantity"] * risk["instruments"][instrument]["tick_value"]
        verdict = _limits(risk, request["account"], instrument, order["quantity"], held)
    if verdict == PASSED:
        verdict = _increase(risk, order)
    return verdict


@njit(cache=True)
def verdict_on_cancel(risk: Any, account: int, reference: int) -> int:
    """Is there such an order of that account?"""
    if not is_account(risk, account):
        return UNKNOWN_ACCOUNT
    return PASSED if reference != 0 else UNKNOWN_ORDER


@njit(cache=True)
def verdict_on_mass_cancel(risk: Any, account: int, instrument: int) -> int:
    """Is there such an account, and such an instrument or none named?"""
    if not is_account(risk, account):
        return UNKNOWN_ACCOUNT
    if instrument != NO_INSTRUMENT and not is_instrument(risk, instrument):
        return UNKNOWN_INSTRUMENT
    return PASSED


@njit(inline="always")
def is_account(risk: Any, account: int) -> bool:
    """Is it the number of a defined account?"""
    return 0 <= account < risk["header"]["accounts"]


@njit(inline="always")
def is_instrument(risk: Any, instrument: int) -> bool:
    """Is it the number of a defined instrument?"""
    return 0 <= instrument < risk["header"]["instruments"]


@njit(cache=True)
def _terms(risk: Any, order: Any) -> int:
    if not is_account(risk, order["account"]):
        return UNKNOWN_ACCOUNT
    if not is_instrument(risk, order["instrument"]):
        return UNKNOWN_INSTRUMENT
    if order["side"] > SELL:
        return UNKNOWN_SIDE
    if order["type"] != LIMIT and order["type"] != MARKET:
        return UNKNOWN_TYPE
    if order["time_in_force"] != GTC and order["time_in_force"] != IOC:
        return UNKNOWN_TIME_IN_FORCE
    if order["type"] == MARKET and order["time_in_force"] != IOC:
        return TYPE_AND_TIME_IN_FORCE_DISAGREE
    return PASSED


@njit(cache=True)
def _units(risk: Any, request: Any, instrument: int, priced: bool) -> int:
    """From wire units to whole lots and ticks, in the draft; an order without a price is reckoned at the last one traded."""
    units, draft = risk["instruments"][instrument], risk["draft"]
    if request["quantity"] <= 0:
        return QUANTITY_NOT_POSITIVE
    draft["quantity"] = request["quantity"] // units["lot_size"]
    if draft["quantity"] * units["lot_size"] != request["quantity"]:
        return QUANTITY_OFF_LOT
    if not priced:
        draft["price"] = units["last_price"]
        return PASSED
    if request["price"] <= 0:
        return PRICE_NOT_POSITIVE
    draft["price"] = request["price"] // units["tick_size"]
    if draft["price"] * units["tick_size"] != request["price"]:
        return PRICE_OFF_TICK
    return PASSED


@njit(cache=True)
def _limits(risk: Any, account: int, instrument: int, quantity_before: int, money_before: int) -> int:
    """The account's limits on one order; only what is more than before counts."""
    limits, draft = risk["accounts"][account], risk["draft"]
    quantity = draft["quantity"]
    if quantity > limits["maximum_quantity"] and quantity > quantity_before:
        return QUANTITY_ABOVE_MAXIMUM
    money = product(product(draft["price"], quantity), risk["instruments"][instrument]["tick_value"])
    if money < 0:
        return NOTIONAL_OVERFLOW
    draft["money"] = money
    if money > limits["maximum_notional"] and money > money_before:
        return NOTIONAL_ABOVE_MAXIMUM
    return PASSED


@njit(cache=True)
def _entry(risk: Any, order: Any, shard: int) -> int:
    """Is there a place for one more order: its id, the account's count, the pool, the position?"""
    account, draft = risk["accounts"][order["account"]], risk["draft"]
    client_order_id = order["client_order_id"]
    if client_order_id == 0 or ids.find(risk, order["account"], client_order_id) != 0:
        return DUPLICATE_CLIENT_ORDER_ID
    if account["open_orders"] >= account["maximum_open_orders"]:
        return TOO_MANY_OPEN_ORDERS
    if risk["shards"][shard]["free"] == 0:
        return ORDER_POOL_FULL
    draft["position"] = place(risk, order["account"], order["instrument"])
    if draft["position"] < 0:
        return POSITION_OVERFLOW
    return _room(risk, account, draft["position"], order["side"], draft["quantity"], draft["money"])


@njit(cache=True)
def _increase(risk: Any, order: Any) -> int:
    """Is there room for what the order may come to, more than it counts for already, until the outcome is known?"""
    draft, key = risk["draft"], risk["positions"][order["position"]]["key"]
    tick_value = risk["instruments"][instrument_of(key)]["tick_value"]
    working, held = worst(order, draft["price"], draft["quantity"], tick_value)
    draft["working"], draft["held"] = working, held
    account, more_lots, more_money = risk["accounts"][account_of(key)], working - order["working"], held - order["held"]
    return _room(risk, account, order["position"], order["side"], more_lots, more_money)


@njit(cache=True)
def _room(risk: Any, account: Any, position: int, side: int, quantity: int, money: int) -> int:
    if account["held"][side] > MONEY_BOUND - money:
        return POSITION_OVERFLOW
    return PASSED if has_room(risk["positions"][position], side, quantity, money) else POSITION_OVERFLOW
