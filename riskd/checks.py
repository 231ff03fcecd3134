"""Whether a request may pass: one verdict, by checks in the order of the reason codes, so that it never depends on the mood.

The last is whether the account repeats itself, for that counts orders which nothing else refuses.

A verdict is a ``Reason``'s number, 0 when nothing is wrong. What the checks work out on the way (ticks, lots, money, the
position) they leave in the state's ``draft``.

- Every price and quantity of an order is turned into ticks and lots; which terms go together, and between which bounds they
  lie, is the matcher's to say. So a price of 0 passes wherever some order may have none.
- Money is reckoned as ``riskd.reckoning`` says; before the first trade there may be nothing to reckon it at, and then only the
  quantity is limited. That reckoning is no promise: there is no collar yet.
- A replace is held to a limit only by what it adds: one that does not raise the quantity is not asked about the maximum
  quantity, one that does not raise the money not about the maximum notional. A limit set to 0 blocks.
- A client order id of 0 names nothing, and counts as taken. An order linked to another shard's is linked to an unknown one.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from riskd import ids
from riskd.cash import FUNDED, verdict_of_funds
from riskd.collars import verdict_of_collar
from riskd.layout import MONEY_BOUND
from riskd.limits import money_sum, others_have_room, verdict_of_limits
from riskd.money import INT64_MAX, product
from riskd.orders import SLOT_MASK, worst
from riskd.permits import verdict_of_permits
from riskd.positions import account_of, has_room, instrument_of, place
from riskd.reckoning import BASIS_POINTS, LIMIT, MARKET, STOP_LIMIT, is_in_basis_points, reckoned, reckoned_again, type_of
from riskd.remembered import is_remembered
from riskd.repeats import ACCOUNT_LATCHED, is_latched, verdict_of_repeats
from riskd.rules import RISING, RULES, verdict_of_minimum, verdict_of_rules
from riskd.switches import verdict_of_switches
from riskd.usage import OTHERS, Check
from shm.reasons import Reason
from shm.records import NO_INSTRUMENT, SLOT_BITS, MassCancelFlag, OrderFlag, OrderType, Side, TimeInForce

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
LAST_TYPE: Final = max(OrderType).value
GTC, LAST_TIME_IN_FORCE = TimeInForce.GTC.value, max(TimeInForce).value
EXTENDED: Final = OrderFlag.EXTENDED.value
BY_SIDE, BY_PRICE = MassCancelFlag.BY_SIDE.value, MassCancelFlag.BY_PRICE.value
PERMITS: Final = Check.PERMITS.value
STEP_BOUND: Final = (1 << 16) - 1
"""The most ticks that a command's ``step`` holds."""


@njit(cache=True)
def verdict_on_new(risk: Any, order: Any, shard: int) -> int:
    """May this new order go to the book? It becomes a command of ``shard``."""
    verdict = _terms(risk, order)
    if verdict != PASSED:
        return verdict
    units, draft, extended = risk["instruments"][order["instrument"]], risk["draft"], order["flags"] & EXTENDED != 0
    verdict = _quantity(draft, units, order)
    if verdict == PASSED and extended:
        verdict = _more_quantities(draft, units, order)
    if verdict == PASSED:
        verdict = _price(draft, units, order, order["type"])
    if verdict == PASSED and extended:
        verdict = _more_prices(draft, units, order, order["flags"] & BASIS_POINTS != 0)
    if verdict == PASSED:
        stop_price = draft["stop_price"] if extended else 0
        draft["reckoned"] = reckoned(order["type"], order["side"], draft["price"], stop_price, units["last_price"])
        verdict = _limits(risk, order["account"], order["instrument"], 0, 0)
    if verdict == PASSED:
        verdict = _entry(risk, order, shard, extended)
    if verdict == PASSED and risk["header"]["switched"] != 0:
        verdict = verdict_of_switches(risk, order, order["instrument"], draft["position"], draft["quantity"])
    if verdict == PASSED and risk["accounts"][order["account"]]["checks"] != 0:
        verdict = verdict_of_limits(risk, order["account"], order["instrument"], draft["position"], order["side"], 1)
        if verdict == PASSED and risk["accounts"][order["account"]]["checks"] & RULES != 0:
            verdict = verdict_of_rules(risk, order)
    return _of_one(risk, order, shard) if verdict == PASSED else verdict


@njit(cache=True)
def _of_one(risk: Any, order: Any, shard: int) -> int:
    """What is asked of a single new order when no limit refuses it. The last of it counts the order: it must pass."""
    verdict, has_permits = PASSED, risk["accounts"][order["account"]]["checks"] & PERMITS != 0
    if has_permits:
        verdict = verdict_of_permits(risk, order["account"], order["instrument"])
    if verdict == PASSED and risk["instruments"][order["instrument"]]["collar"] != 0:
        verdict = verdict_of_collar(risk, order["instrument"], order["type"], risk["draft"]["price"])
    if verdict == PASSED and risk["accounts"][order["account"]]["checks"] & FUNDED != 0:
        verdict = verdict_of_funds(risk, order["account"], order["instrument"], order["side"], order["type"], 0, 0)
    if verdict == PASSED and has_permits:
        verdict = verdict_of_repeats(risk, order, shard)
    return verdict


@njit(cache=True)
def verdict_on_replace(risk: Any, request: Any, reference: int) -> int:
    """May the live order that ``reference`` names get this price and total quantity? 0 as a reference names none."""
    verdict = verdict_on_reduce(risk, request, reference)
    if verdict != PASSED:
        return verdict
    shard, slot = (reference - 1) >> SLOT_BITS, (reference - 1) & SLOT_MASK
    order, draft = risk["orders"][shard, slot], risk["draft"]
    instrument = instrument_of(risk["positions"][order["position"]]["key"])
    units = risk["instruments"][instrument]
    verdict = _price(draft, units, request, type_of(order))
    if verdict == PASSED:
        verdict = _more_prices(draft, units, request, is_in_basis_points(order))
    if verdict == PASSED:
        draft["reckoned"] = reckoned_again(order, draft["price"], draft["stop_price"], units["last_price"])
        before = product(product(order["price"], order["quantity"]), units["tick_value"])
        verdict = _limits(risk, request["account"], instrument, order["quantity"], before if before >= 0 else INT64_MAX)
    if verdict == PASSED:
        verdict = _increase(risk, order)
    if verdict == PASSED and risk["header"]["switched"] != 0:
        verdict = verdict_of_switches(risk, request, instrument, draft["position"], 0)
    if verdict == PASSED and risk["accounts"][request["account"]]["checks"] != 0:
        verdict = verdict_of_limits(risk, request["account"], instrument, draft["position"], order["side"], 0)
        if verdict == PASSED and risk["accounts"][request["account"]]["checks"] & RULES != 0:
            verdict = verdict_of_minimum(risk, request["account"])
    has_permits = risk["accounts"][request["account"]]["checks"] & PERMITS != 0
    if verdict == PASSED and has_permits:
        verdict = verdict_of_permits(risk, request["account"], instrument)
    if verdict == PASSED and units["collar"] != 0:
        verdict = verdict_of_collar(risk, instrument, type_of(order), draft["price"])
    if verdict == PASSED and risk["accounts"][request["account"]]["checks"] & FUNDED != 0:
        working, held = order["working"], order["held"]
        verdict = verdict_of_funds(risk, request["account"], instrument, order["side"], type_of(order), working, held)
    return ACCOUNT_LATCHED if verdict == PASSED and has_permits and is_latched(risk, request["account"]) else verdict


@njit(cache=True)
def verdict_on_reduce(risk: Any, request: Any, reference: int) -> int:
    """Is there such an order, and can so much be taken off an order of its instrument?"""
    verdict = verdict_on_cancel(risk, request["account"], reference)
    if verdict != PASSED:
        return verdict
    shard, slot = (reference - 1) >> SLOT_BITS, (reference - 1) & SLOT_MASK
    instrument = instrument_of(risk["positions"][risk["orders"][shard, slot]["position"]]["key"])
    return _quantity(risk["draft"], risk["instruments"][instrument], request)


@njit(cache=True)
def verdict_on_cancel(risk: Any, account: int, reference: int) -> int:
    """Is there such an order of that account?"""
    if not is_account(risk, account):
        return UNKNOWN_ACCOUNT
    return PASSED if reference != 0 else UNKNOWN_ORDER


@njit(cache=True)
def verdict_on_mass_cancel(risk: Any, request: Any) -> int:
    """Is there such an account, such an instrument or none named, and does what narrows it down make sense?"""
    instrument, flags, draft = request["instrument"], request["flags"], risk["draft"]
    if not is_account(risk, request["account"]):
        return UNKNOWN_ACCOUNT
    if not is_instrument(risk, instrument) and (instrument != NO_INSTRUMENT or flags & BY_PRICE != 0):
        return UNKNOWN_INSTRUMENT
    if flags & BY_SIDE != 0 and request["side"] > SELL:
        return UNKNOWN_SIDE
    if flags & BY_PRICE == 0:
        return PASSED
    tick_size = risk["instruments"][instrument]["tick_size"]
    draft["price"], draft["stop_price"] = request["price"] // tick_size, request["stop_price"] // tick_size
    if draft["price"] * tick_size != request["price"] or draft["stop_price"] * tick_size != request["stop_price"]:
        return PRICE_OFF_TICK
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
    if order["type"] < LIMIT or order["type"] > LAST_TYPE:
        return UNKNOWN_TYPE
    if order["time_in_force"] < GTC or order["time_in_force"] > LAST_TIME_IN_FORCE:
        return UNKNOWN_TIME_IN_FORCE
    if order["type"] == MARKET and order["time_in_force"] == GTC:
        return TYPE_AND_TIME_IN_FORCE_DISAGREE
    return PASSED


@njit(cache=True)
def _quantity(draft: Any, units: Any, request: Any) -> int:
    """From wire units to whole lots, in the draft."""
    if request["quantity"] <= 0:
        return QUANTITY_NOT_POSITIVE
    draft["quantity"] = request["quantity"] // units["lot_size"]
    return PASSED if draft["quantity"] * units["lot_size"] == request["quantity"] else QUANTITY_OFF_LOT


@njit(cache=True)
def _more_quantities(draft: Any, units: Any, order: Any) -> int:
    """The same for what only an extended order has; 0 is as good as none."""
    lot_size, display, minimum = units["lot_size"], order["display_quantity"], order["minimum_quantity"]
    draft["display_quantity"], draft["minimum_quantity"] = display // lot_size, minimum // lot_size
    is_whole = draft["display_quantity"] * lot_size == display and draft["minimum_quantity"] * lot_size == minimum
    return PASSED if is_whole else QUANTITY_OFF_LOT


@njit(cache=True)
def _price(draft: Any, units: Any, request: Any, type_: int) -> int:
    """From wire units to whole ticks, in the draft. Some types may, or must, have no price, which is 0."""
    price = request["price"]
    if price <= 0 and (price < 0 or type_ in (LIMIT, STOP_LIMIT)):
        return PRICE_NOT_POSITIVE
    draft["price"] = price // units["tick_size"]
    return PASSED if draft["price"] * units["tick_size"] == price else PRICE_OFF_TICK


@njit(cache=True)
def _more_prices(draft: Any, units: Any, request: Any, in_basis_points: bool) -> int:
    """The stop price, which may be a distance or a negative offset, and the step, which a request has in ``time_ns``."""
    tick_size = units["tick_size"]
    divisor = 1 if in_basis_points else tick_size
    draft["stop_price"], draft["step"] = request["stop_price"] // divisor, request["time_ns"] // tick_size
    is_whole = draft["stop_price"] * divisor == request["stop_price"] and draft["step"] * tick_size == request["time_ns"]
    return PASSED if is_whole and 0 <= draft["step"] <= STEP_BOUND else PRICE_OFF_TICK


@njit(cache=True)
def _limits(risk: Any, account: int, instrument: int, quantity_before: int, money_before: int) -> int:
    """The account's limits on one order; only what is more than before counts."""
    limits, draft = risk["accounts"][account], risk["draft"]
    quantity = draft["quantity"]
    if quantity > limits["maximum_quantity"] and quantity > quantity_before:
        return QUANTITY_ABOVE_MAXIMUM
    money = product(product(draft["reckoned"], quantity), risk["instruments"][instrument]["tick_value"])
    if money < 0:
        return NOTIONAL_OVERFLOW
    draft["money"] = money
    if money > limits["maximum_notional"] and money > money_before:
        return NOTIONAL_ABOVE_MAXIMUM
    return PASSED


@njit(cache=True)
def _entry(risk: Any, order: Any, shard: int, extended: bool) -> int:
    """Is there a place for one more order: its id, the account's count, the pool, the position, the order it is linked to?"""
    account, draft = risk["accounts"][order["account"]], risk["draft"]
    client_order_id = order["client_order_id"]
    if client_order_id == 0 or ids.find(risk, order["account"], client_order_id) != 0:
        return DUPLICATE_CLIENT_ORDER_ID
    if account["checks"] & RISING != 0 and client_order_id <= risk["limits"][order["account"]]["highest_id"]:
        return DUPLICATE_CLIENT_ORDER_ID
    if account["checks"] & PERMITS != 0 and is_remembered(risk, order["account"], client_order_id):
        return DUPLICATE_CLIENT_ORDER_ID
    if account["open_orders"] >= account["maximum_open_orders"]:
        return TOO_MANY_OPEN_ORDERS
    if risk["shards"][shard]["free"] == 0:
        return ORDER_POOL_FULL
    if extended and not _find_linked(risk, order, shard):
        return UNKNOWN_ORDER
    draft["position"] = place(risk, order["account"], order["instrument"])
    if draft["position"] < 0:
        return POSITION_OVERFLOW
    draft["more_lots"], draft["more_money"] = draft["quantity"], draft["money"]
    return _room(risk, order["account"], order["instrument"], order["side"])


@njit(cache=True)
def _find_linked(risk: Any, order: Any, shard: int) -> bool:
    """The slot, plus one, of the order of the account's that this one is linked to, or 0. False: there is none in the shard."""
    draft = risk["draft"]
    draft["linked"] = 0
    if order["order_id"] == 0:
        return True
    reference = ids.find(risk, order["account"], np.uint64(order["order_id"]))
    if reference == 0 or (reference - 1) >> SLOT_BITS != shard:
        return False
    draft["linked"] = ((reference - 1) & SLOT_MASK) + 1
    return True


@njit(cache=True)
def _increase(risk: Any, order: Any) -> int:
    """Is there room for what the order may come to, more than it counts for already, until the outcome is known?"""
    draft, key = risk["draft"], risk["positions"][order["position"]]["key"]
    tick_value = risk["instruments"][instrument_of(key)]["tick_value"]
    working, held = worst(order, draft["reckoned"], draft["quantity"], tick_value)
    draft["working"], draft["held"] = working, held
    draft["more_lots"], draft["more_money"] = working - order["working"], held - order["held"]
    draft["position"] = order["position"]
    return _room(risk, account_of(key), instrument_of(key), order["side"])


@njit(cache=True)
def _room(risk: Any, account: int, instrument: int, side: int) -> int:
    """Could all of it be filled, with all that works already, and nothing overflow: positions, their cost, what is held?"""
    draft, row, limits = risk["draft"], risk["accounts"][account], risk["limits"][account]
    used = money_sum(money_sum(limits["long_cost"], limits["short_cost"]), money_sum(row["held"][0], row["held"][1]))
    if used >= MONEY_BOUND - draft["more_money"]:
        return POSITION_OVERFLOW
    if not has_room(risk["positions"][draft["position"]], side, draft["more_lots"], draft["more_money"]):
        return POSITION_OVERFLOW
    if row["checks"] & OTHERS != 0 and not others_have_room(risk, account, instrument, side):
        return POSITION_OVERFLOW
    return PASSED
