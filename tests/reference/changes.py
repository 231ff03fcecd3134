"""Commands about orders that live: cancel, reduce, replace, mass cancel, expiry."""

from typing import Any

from reference import checks
from reference.orders import NOWHERE, PRO_RATA_BOUND, Order
from reference.settling import enter, walk
from reference.world import World
from shm.reasons import Reason
from shm.records import (
    NO_ACCOUNT,
    NO_INSTRUMENT,
    EventKind,
    InstrumentState,
    MassCancelFlag,
    OrderFlag,
    OrderType,
    Policy,
    TimeInForce,
)

NO_CHANGES = (InstrumentState.CANCEL_ONLY, InstrumentState.CLOSED)


def cancel(world: World, command: dict[str, Any]) -> None:
    """CANCEL."""
    order = world.live.get(command["order_id"])
    if order is None:
        world.reject(Reason.ORDER_NOT_LIVE)
    else:
        world.cancel(order, Reason.CANCELLED_BY_CLIENT)


def reduce(world: World, command: dict[str, Any]) -> None:
    """REDUCE."""
    order, lots = world.live.get(command["order_id"]), command["quantity"]
    if order is None:
        world.reject(Reason.ORDER_NOT_LIVE)
    elif lots <= 0:
        world.reject(Reason.QUANTITY_NOT_POSITIVE)
    elif world.books[order.instrument].state in NO_CHANGES:
        world.reject(Reason.NOT_IN_THIS_STATE)
    elif lots >= order.leaves:
        world.cancel(order, Reason.CANCELLED_BY_CLIENT)
    else:
        world.touch(order.instrument)
        order.lose(lots)
        world.tell_order(EventKind.REPLACED, order)


def replace(world: World, command: dict[str, Any]) -> None:
    """REPLACE."""
    order = world.live.get(command["order_id"])
    if order is None:
        world.reject(Reason.ORDER_NOT_LIVE)
        return
    if world.books[order.instrument].state in (InstrumentState.HALTED, *NO_CHANGES):
        world.reject(Reason.NOT_IN_THIS_STATE)
        return
    executed = order.quantity - order.leaves
    if command["quantity"] <= executed:
        world.cancel(order, Reason.CANCELLED_BY_CLIENT)
        return
    stays = _has_same_prices(order, command) and command["quantity"] < order.quantity
    reason = _objection(world, order, command, stays)
    if reason:
        world.reject(reason)
        return
    world.touch(order.instrument)
    order.lose(order.quantity - command["quantity"])
    order.price = order.peg_limit = command["price"]
    if _has_stop_price(order):
        order.stop_price = command["stop_price"]
    if not stays:
        world.leave_place(order)
        order.entered = world.stamp()
    world.tell_order(EventKind.REPLACED, order, price=command["price"])
    if not stays:
        assert order.place == NOWHERE
        enter(world, order)


def _has_stop_price(order: Order) -> bool:
    """Whether a REPLACE gives it a stop price, distance or offset."""
    return order.is_stop() or order.is_pegged()


def _has_same_prices(order: Order, command: dict[str, Any]) -> bool:
    price = order.peg_limit if order.is_pegged() else order.price
    return command["price"] == price and (not _has_stop_price(order) or command["stop_price"] == order.stop_price)


def _objection(world: World, order: Order, command: dict[str, Any], stays: bool) -> int:
    """Why the order may not have the price and quantity; a limit order by now, whatever it was, is looked at as one."""
    book = world.books[order.instrument]
    price = command["price"]
    kind = order.type if order.is_stop() or order.is_pegged() or order.is_market() else OrderType.LIMIT
    if not checks.price_in_range(kind, price):
        return Reason.PRICE_OUT_OF_RANGE
    if _has_stop_price(order) and not checks.stop_price_in_range(kind, command["stop_price"], order.flags):
        return Reason.STOP_PRICE_OUT_OF_RANGE
    if not checks.inside_static_collar(book, kind, price):
        return Reason.PRICE_OUTSIDE_COLLAR
    if book.rules.policy == Policy.PRO_RATA and command["quantity"] >= PRO_RATA_BOUND:
        return Reason.QUANTITY_ABOVE_BOUND
    if order.display_quantity and 1000 * order.display_quantity < command["quantity"]:
        return Reason.QUANTITY_ABOVE_BOUND
    if order.has(OrderFlag.POST_ONLY) and checks.would_trade(world, order.instrument, order.side, price):
        return Reason.POST_ONLY_WOULD_TRADE
    if not stays and len(world.levels_in_use()) >= world.levels and not _is_alone(world, order):
        return Reason.LEVEL_POOL_FULL
    return Reason.NONE


def _is_alone(world: World, order: Order) -> bool:
    """Whether it holds a level that it leaves free when it goes."""

    def level(each: Order) -> tuple[int, int, str, int]:
        return each.instrument, each.side, each.place, each.level

    return order.level > 0 and not any(level(o) == level(order) for o in world.live.values() if o is not order)


def mass_cancel(world: World, command: dict[str, Any]) -> None:
    """MASS_CANCEL."""
    account, instrument = command["account"], command["instrument"]
    if account == NO_ACCOUNT:
        if instrument not in world.books:
            world.reject(Reason.INSTRUMENT_NOT_DEFINED)
            return
        orders = walk(world, instrument)
    elif account not in world.account_flags:
        world.reject(Reason.ACCOUNT_NOT_DEFINED)
        return
    else:
        mine = [order for order in world.live.values() if order.account == account]
        orders = [order for order in mine if instrument in (NO_INSTRUMENT, order.instrument)]
    cancelled = 0
    for order in [order for order in orders if _fits(order, command)]:
        if order.leaves:
            world.cancel(order, Reason.CANCELLED_BY_MASS_CANCEL)
            cancelled += 1
    world.summary = (EventKind.MASS_CANCELLED, cancelled)


def _fits(order: Order, command: dict[str, Any]) -> bool:
    flags, price = command["flags"], order.standing_price()
    if flags & MassCancelFlag.BY_SESSION and order.session != command["session"]:
        return False
    if flags & MassCancelFlag.BY_SIDE and order.side != command["side"]:
        return False
    return not flags & MassCancelFlag.BY_PRICE or command["price"] <= price <= command["stop_price"]


def expire(world: World, command: dict[str, Any]) -> None:
    """CLOCK: whose time has come ends."""
    dated = [order for order in world.live.values() if order.time_in_force == TimeInForce.GTD]
    due = [order for order in dated if order.expiry_ns <= command["time_ns"]]
    for order in sorted(due, key=lambda order: (order.expiry_ns, order.order_id)):
        if order.leaves:
            world.cancel(order, Reason.EXPIRED)
    world.summary = (EventKind.CLOCK, 0)
