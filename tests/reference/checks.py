"""What a NEW is checked for, one function a rule, in the order of the page."""

from typing import Any

from reference import terms
from reference.orders import COLLECTING, HIGHEST_PRICE, PEGGED, PRO_RATA_BOUND, STOPS, TRAILING, Instrument, Order
from reference.world import World
from shm.reasons import Reason
from shm.records import InstrumentState, OrderFlag, OrderType, Policy, Side, TimeInForce

PLAIN_FIELDS_ARE_0 = (
    "stop_price",
    "display_quantity",
    "expiry_ns",
    "minimum_quantity",
    "self_trade_rule",
    "self_trade_group",
    "step",
    "linked",
)
SLOTS = 2**24
OFFSET_BOUND = 2**47


def as_entered(command: dict[str, Any]) -> dict[str, Any]:
    """The command with 0 in the fields that are not looked at."""
    if command["flags"] & OrderFlag.EXTENDED:
        return command
    return command | dict.fromkeys(PLAIN_FIELDS_ARE_0, 0)


def objection(world: World, command: dict[str, Any]) -> int:
    """Why the order may not enter; 0 when it may."""
    command = as_entered(command)
    reason = _on_its_own(command) or _place(world, command)
    if reason:
        return reason
    book = world.books[command["instrument"]]
    return _instrument(book, command) or _accounts(world, command) or _post_only(world, command)


def _on_its_own(command: dict[str, Any]) -> int:
    kind, validity = command["type"], command["time_in_force"]
    if command["side"] not in (Side.BUY, Side.SELL):
        return Reason.UNKNOWN_SIDE
    if command["quantity"] <= 0:
        return Reason.QUANTITY_NOT_POSITIVE
    if kind not in list(OrderType):
        return Reason.UNKNOWN_TYPE
    if validity not in list(TimeInForce):
        return Reason.UNKNOWN_TIME_IN_FORCE
    plain = kind in (OrderType.LIMIT, OrderType.MARKET) and validity in (TimeInForce.GTC, TimeInForce.IOC, TimeInForce.DAY)
    if not command["flags"] & OrderFlag.EXTENDED and (not plain or command["flags"]):
        return Reason.TERMS_DISAGREE
    if command["flags"] & OrderFlag.EXTENDED and terms.disagree(command):
        return Reason.TERMS_DISAGREE
    if not price_in_range(kind, command["price"]):
        return Reason.PRICE_OUT_OF_RANGE
    if not stop_price_in_range(kind, command["stop_price"], command["flags"]):
        return Reason.STOP_PRICE_OUT_OF_RANGE
    return Reason.NONE


def price_in_range(kind: int, price: int) -> bool:
    """Whether an order of the type may have the price."""
    if kind in (OrderType.MARKET_TO_LIMIT, OrderType.STOP, OrderType.TRAILING_STOP):
        return price == 0
    if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        return 1 <= price <= HIGHEST_PRICE
    return 0 <= price <= HIGHEST_PRICE


def stop_price_in_range(kind: int, stop_price: int, flags: int) -> bool:
    """Whether an order of the type may have the stop price, distance or offset."""
    if kind in TRAILING and flags & OrderFlag.BASIS_POINTS:
        return 1 <= stop_price <= 9_999
    if kind in STOPS:
        return 1 <= stop_price <= HIGHEST_PRICE
    return kind not in PEGGED or -OFFSET_BOUND < stop_price < OFFSET_BOUND


def _place(world: World, command: dict[str, Any]) -> int:
    at_once = (TimeInForce.IOC, TimeInForce.FOK)
    market_at_once = (*at_once, TimeInForce.GTC, TimeInForce.DAY)
    needs_none = command["time_in_force"] in (market_at_once if command["type"] == OrderType.MARKET else at_once)
    slot = command["order_id"] % SLOTS
    if not needs_none and len(world.levels_in_use()) >= world.levels:
        return Reason.LEVEL_POOL_FULL
    if command["order_id"] <= 0 or slot >= world.orders or in_slot(world, slot):
        return Reason.BAD_ORDER_ID
    if command["instrument"] not in world.books:
        return Reason.INSTRUMENT_NOT_DEFINED
    if command["account"] not in world.account_flags:
        return Reason.ACCOUNT_NOT_DEFINED
    return Reason.NONE


def in_slot(world: World, slot: int) -> Order | None:
    """The live order of the slot."""
    return next((order for order in world.live.values() if order.order_id % SLOTS == slot), None)


def _instrument(book: Instrument, command: dict[str, Any]) -> int:
    if not _state_takes(book.state, command):
        return Reason.NOT_IN_THIS_STATE
    if not inside_static_collar(book, command["type"], command["price"]):
        return Reason.PRICE_OUTSIDE_COLLAR
    if book.rules.policy == Policy.PRO_RATA and command["quantity"] >= PRO_RATA_BOUND:
        return Reason.QUANTITY_ABOVE_BOUND
    if book.rules.policy == Policy.PRO_RATA and (command["linked"] or command["flags"] & OrderFlag.REDUCE_ONLY):
        return Reason.TERMS_DISAGREE
    return Reason.NONE


def _state_takes(state: int, command: dict[str, Any]) -> bool:
    kind, validity = command["type"], command["time_in_force"]
    if state == InstrumentState.CONTINUOUS:
        return validity != TimeInForce.AT_OPEN
    if state not in COLLECTING or validity in (TimeInForce.IOC, TimeInForce.FOK):
        return False
    if kind == OrderType.MARKET_TO_LIMIT or command["minimum_quantity"]:
        return False
    if kind == OrderType.MARKET and validity not in (TimeInForce.AT_OPEN, TimeInForce.AT_CLOSE):
        return False
    too_late = (InstrumentState.VOLATILITY_PAUSE, InstrumentState.CLOSING_AUCTION)
    return validity != TimeInForce.AT_OPEN or state not in too_late


def inside_static_collar(book: Instrument, kind: int, price: int) -> bool:
    """Whether the price that an order of the type names is allowed."""
    if kind in (OrderType.LIMIT, OrderType.STOP_LIMIT):
        return book.rules.allow(price)
    named = price and (kind == OrderType.MARKET or kind in PEGGED)
    return not named or book.rules.allow(price)


def _accounts(world: World, command: dict[str, Any]) -> int:
    account, instrument = command["account"], command["instrument"]
    reduces = command["flags"] & OrderFlag.REDUCE_ONLY
    if command["time_in_force"] == TimeInForce.GTD and command["expiry_ns"] <= command["time_ns"]:
        return Reason.EXPIRY_PASSED
    if command["linked"] and partner_of(world, command) is None:
        return Reason.LINKED_ORDER_NOT_LIVE
    if reduces and not world.tracks(account):
        return Reason.POSITION_NOT_TRACKED
    first = world.tracks(account) and (account, instrument) not in world.positions
    if first and len(world.positions) >= world.orders:
        return Reason.POSITION_POOL_FULL
    if reduces and not world.lots_to_reduce(account, instrument, command["side"]):
        return Reason.REDUCE_ONLY_WOULD_INCREASE
    return Reason.NONE


def partner_of(world: World, command: dict[str, Any]) -> Order | None:
    """The order that a command's ``linked`` names, if it can be a partner."""
    order = in_slot(world, command["linked"] - 1)
    if order is None or order.partner is not None:
        return None
    same = order.account == command["account"] and order.instrument == command["instrument"]
    return order if same else None


def _post_only(world: World, command: dict[str, Any]) -> int:
    wanted = command["flags"] & (OrderFlag.POST_ONLY | OrderFlag.SLIDE) == OrderFlag.POST_ONLY
    if wanted and would_trade(world, command["instrument"], command["side"], command["price"]):
        return Reason.POST_ONLY_WOULD_TRADE
    return Reason.NONE


def would_trade(world: World, instrument: int, side: int, price: int) -> bool:
    """Whether an order at the price would meet another at once."""
    other = world.best(instrument, 1 - side)
    if world.books[instrument].state != InstrumentState.CONTINUOUS or not other:
        return False
    return other <= price if side == Side.BUY else other >= price
