"""Entering orders, and what goes on after the incoming one: elected stops, pegged orders, all-or-none orders."""

from reference import pegs, stops
from reference.limits import reachable
from reference.orders import IN_BOOK, NOWHERE, WAITING, Instrument, Order
from reference.trading import come_in, match
from reference.world import World
from shm.records import EventKind, InstrumentState, OrderFlag, OrderType, Side, TimeInForce


def enter(world: World, order: Order) -> None:
    """An order that was accepted, or that a REPLACE moves, takes its place."""
    state = world.books[order.instrument].state
    if order.is_stop():
        stops.wait(world, order)
    elif order.is_pegged():
        pegs.enter(world, order)
    elif order.time_in_force == TimeInForce.AT_CLOSE and state != InstrumentState.CLOSING_AUCTION:
        order.place = WAITING
    else:
        come_in(world, order)


def settle(world: World, book: Instrument) -> None:
    """Go on until nothing more happens."""
    while _go_on(world, book):
        pass


def _go_on(world: World, book: Instrument) -> bool:
    if book.elected:
        _trigger(world, book.elected[0])
        return True
    if book.state != InstrumentState.CONTINUOUS:
        return False
    return pegs.follow(world, book) or _try_all_or_none(world, book)


def _trigger(world: World, order: Order) -> None:
    stop_price = order.level
    world.leave_place(order)
    order.triggered = True
    if order.type == OrderType.TRAILING_STOP_LIMIT:
        order.price = stops.within_bounds(stop_price + (order.price if order.side == Side.BUY else -order.price))
    world.tell_order(EventKind.TRIGGERED, order)
    world.cancel_partner(order)
    come_in(world, order)


def _try_all_or_none(world: World, book: Instrument) -> bool:
    for order in world.by_entry(book.number):
        if order.has(OrderFlag.ALL_OR_NONE) and reachable(world, order) >= order.leaves:
            assert order.place == WAITING
            order.place = NOWHERE
            match(world, order)
            return True
    return False


def walk(world: World, instrument: int) -> list[Order]:
    """All orders of an instrument in the order in which states and mass cancels take them."""
    book = world.queue(instrument, Side.BUY) + world.queue(instrument, Side.SELL)
    outside = [order for order in world.by_entry(instrument) if order.place != IN_BOOK]
    at_stop = [order for order in outside if order.place != WAITING]
    buys = [order for order in at_stop if order.side == Side.BUY]
    sells = [order for order in at_stop if order.side == Side.SELL]
    waiting = [order for order in outside if order.place == WAITING]
    kinds = (
        [order for order in waiting if order.is_trailing()],
        [order for order in waiting if order.has(OrderFlag.ALL_OR_NONE)],
        [order for order in waiting if order.time_in_force == TimeInForce.AT_CLOSE],
        [order for order in waiting if order.is_pegged()],
    )
    buys.sort(key=lambda order: (order.level, order.arrived))
    sells.sort(key=lambda order: (-order.level, order.arrived))
    return book + buys + sells + [order for kind in kinds for order in kind]
