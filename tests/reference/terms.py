"""The table of terms: what may go together in an order with the flag EXTENDED."""

from typing import Any

from reference.orders import PEGGED, STOPS, TRAILING
from shm.records import OrderFlag, OrderType, TimeInForce

LIMIT, MARKET, MARKET_TO_LIMIT = OrderType.LIMIT, OrderType.MARKET, OrderType.MARKET_TO_LIMIT
GTC, IOC, DAY, GTD, FOK = TimeInForce.GTC, TimeInForce.IOC, TimeInForce.DAY, TimeInForce.GTD, TimeInForce.FOK
STAYING = (GTC, DAY, GTD)
AUCTION_ONLY = (TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE)


def disagree(command: dict[str, Any]) -> bool:
    """Whether any line of the table is broken."""
    return not (
        _time_in_force(command)
        and _quantities(command)
        and _flags(command)
        and _post_only_and_all_or_none(command)
        and _reduce_only(command)
        and _prices(command)
        and _linking_and_owner(command)
    )


def _has(command: dict[str, Any], flag: OrderFlag) -> bool:
    return bool(command["flags"] & flag)


def _may_rest(command: dict[str, Any]) -> bool:
    return command["time_in_force"] not in (IOC, FOK) and command["type"] != MARKET


def _time_in_force(command: dict[str, Any]) -> bool:
    kind, validity = command["type"], command["time_in_force"]
    if kind == MARKET:
        return validity != GTD
    if kind == LIMIT:
        return True
    return validity in STAYING


def _quantities(command: dict[str, Any]) -> bool:
    kind, validity, quantity = command["type"], command["time_in_force"], command["quantity"]
    minimum, display = command["minimum_quantity"], command["display_quantity"]
    dark = _has(command, OrderFlag.HIDDEN) or _has(command, OrderFlag.ALL_OR_NONE)
    other = _has(command, OrderFlag.POST_ONLY) or _has(command, OrderFlag.ALL_OR_NONE)
    if not 0 <= minimum <= quantity or not 0 <= display <= quantity or (display and 1000 * display < quantity):
        return False
    if minimum and (kind not in (LIMIT, MARKET) or validity in (FOK, *AUCTION_ONLY) or other):
        return False
    shows_part = (LIMIT, OrderType.STOP_LIMIT, MARKET_TO_LIMIT)
    return not (display and (kind not in shows_part or not _may_rest(command) or dark))


def _flags(command: dict[str, Any]) -> bool:
    everything = sum(OrderFlag)
    if command["flags"] & ~everything:
        return False
    if _has(command, OrderFlag.HIDDEN) and (command["type"] != LIMIT or not _may_rest(command)):
        return False
    if _has(command, OrderFlag.HIDDEN) and _has(command, OrderFlag.ALL_OR_NONE):
        return False
    trailing = command["type"] in TRAILING
    return trailing or not (_has(command, OrderFlag.BASIS_POINTS) or command["step"])


def _post_only_and_all_or_none(command: dict[str, Any]) -> bool:
    post_only, all_or_none = _has(command, OrderFlag.POST_ONLY), _has(command, OrderFlag.ALL_OR_NONE)
    limit_that_stays = command["type"] == LIMIT and command["time_in_force"] in STAYING
    if (post_only or all_or_none) and not limit_that_stays:
        return False
    if post_only and all_or_none:
        return False
    return post_only or not _has(command, OrderFlag.SLIDE)


def _reduce_only(command: dict[str, Any]) -> bool:
    if not _has(command, OrderFlag.REDUCE_ONLY):
        return True
    kinds = (LIMIT, MARKET, OrderType.STOP, OrderType.STOP_LIMIT)
    if command["type"] not in kinds or command["time_in_force"] in AUCTION_ONLY:
        return False
    return not command["minimum_quantity"] and not _has(command, OrderFlag.ALL_OR_NONE)


def _prices(command: dict[str, Any]) -> bool:
    kind, validity = command["type"], command["time_in_force"]
    if command["stop_price"] and kind not in STOPS and kind not in PEGGED:
        return False
    if command["price"] and kind in (MARKET_TO_LIMIT, OrderType.STOP, OrderType.TRAILING_STOP):
        return False
    return command["expiry_ns"] > 0 if validity == GTD else command["expiry_ns"] == 0


def _linking_and_owner(command: dict[str, Any]) -> bool:
    if command["linked"] and (not _may_rest(command) or command["time_in_force"] in AUCTION_ONLY):
        return False
    return 0 <= command["self_trade_rule"] <= 4 and command["self_trade_group"] >= 0
