"""At which price an order's money is reckoned: its limit where it has one, else the worst that is known, which is no promise.

- A limit is the price of a limit, stop-limit or pegged order, and the protection price of a market order.
- A stop that buys has its stop price, which is above the market; that it will trade there is not certain.
- All others have the last traded price, or 0 before the first trade: a trailing order's price, say, is only a distance.

Orders without a limit may be replaced; which stop price they then have, no event says. Their price is the highest of all that
were asked for.
"""

from typing import Any, Final

from numba import njit

from riskd.layout import MONEY_BOUND
from riskd.money import product
from riskd.positions import account_of
from riskd.usage import NOT_KEPT, row_beside
from shm.records import OrderFlag, OrderType, Side, TimeInForce

BUY: Final = Side.BUY.value
LIMIT, MARKET, STOP, STOP_LIMIT = (t.value for t in (OrderType.LIMIT, OrderType.MARKET, OrderType.STOP, OrderType.STOP_LIMIT))
MARKET_TO_LIMIT, TRAILING_STOP = OrderType.MARKET_TO_LIMIT.value, OrderType.TRAILING_STOP.value
TRAILING_STOP_LIMIT, PEGGED_BID = OrderType.TRAILING_STOP_LIMIT.value, OrderType.PEGGED_BID.value
BASIS_POINTS: Final = OrderFlag.BASIS_POINTS.value
GTD: Final = TimeInForce.GTD.value
TYPE_MASK: Final = 63
EXPIRES_BIT: Final = 64
"""In riskd's own ``type`` of an order: a CLOCK may end it."""
BASIS_POINTS_BIT: Final = 128
"""In riskd's own ``type`` of an order: its distance is no price."""


@njit(inline="always")
def kept_type(type_: int, flags: int, time_in_force: int) -> Any:
    """What riskd keeps of an order's type, flags and time in force."""
    basis_points = BASIS_POINTS_BIT if flags & BASIS_POINTS != 0 else 0
    return type_ | basis_points | (EXPIRES_BIT if time_in_force == GTD else 0)


@njit(inline="always")
def type_of(order: Any) -> Any:
    """The type of one of riskd's orders."""
    return order["type"] & TYPE_MASK


@njit(inline="always")
def becomes(order: Any, type_: int) -> None:
    """From now on the order is of that type."""
    order["type"] = type_ | order["type"] & EXPIRES_BIT


@njit(inline="always")
def expires(order: Any) -> bool:
    """Is it good till a date?"""
    return order["type"] & EXPIRES_BIT != 0


@njit(inline="always")
def is_in_basis_points(order: Any) -> bool:
    """Is its ``stop_price`` no price?"""
    return order["type"] & BASIS_POINTS_BIT != 0


@njit(inline="always")
def has_limit(type_: int) -> bool:
    """Is the price in this type's events the worst at which it trades?"""
    return type_ in (LIMIT, STOP_LIMIT, MARKET_TO_LIMIT) or type_ >= PEGGED_BID


@njit(cache=True)
def reckoned(type_: int, side: int, price: int, stop_price: int, last_price: int) -> Any:
    """The price, in ticks, at which a new order of these terms is reckoned."""
    if price > 0 and type_ != TRAILING_STOP_LIMIT:
        return price
    if type_ == STOP and side == BUY and stop_price > 0:
        return stop_price
    return last_price


@njit(cache=True)
def reckoned_again(order: Any, price: int, stop_price: int, last_price: int) -> Any:
    """The price at which ``order`` is reckoned once a replace has given it these terms."""
    type_ = type_of(order)
    found = reckoned(type_, order["side"], price, stop_price, last_price)
    return found if has_limit(type_) and price > 0 else max(found, order["price"])


@njit(cache=True)
def follow_replace(order: Any, price: int, found: int) -> None:
    """A replace to ``price`` is on its way, reckoned at ``found``: what no event will say must be kept now."""
    if not has_limit(type_of(order)) or price == 0:
        order["price"] = found


@njit(cache=True)
def reckon_at(risk: Any, order: Any, price: int, tick_value: int) -> None:
    """The matcher says that the order has this price. Reckon so from now on, unless the money would pass its bounds."""
    if price <= 0 or not has_limit(type_of(order)):
        return
    if product(product(price, order["quantity"]), tick_value) < 0:
        return
    account, money = account_of(risk["positions"][order["position"]]["key"]), price * order["leaves"] * tick_value
    fits = risk["accounts"][account]["held"][order["side"]] - order["held"] <= MONEY_BOUND - money
    for which in range(2):
        row = row_beside(risk, account, which)
        fits &= row == NOT_KEPT or risk["accounts"][row]["held"][order["side"]] - order["held"] <= MONEY_BOUND - money
    if fits:
        order["price"] = price
