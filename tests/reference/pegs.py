"""Pegged orders: their price, and following it."""

from reference.orders import HIGHEST_PRICE, IN_BOOK, LOWEST_PRICE, WAITING, Instrument, Order
from reference.trading import come_in, park
from reference.world import World
from shm.reasons import Reason
from shm.records import EventKind, InstrumentState, OrderType, Side


def references(world: World, instrument: int) -> tuple[int, int]:
    """The best shown buy and the best shown sell, 0 for none."""
    best = []
    for side in (Side.BUY, Side.SELL):
        shown = [order.level for order in world.queue(instrument, side) if not order.is_dark()]
        best.append(shown[0] if shown else 0)
    return best[0], best[1]


def price_of(book: Instrument, order: Order, bid: int, ask: int) -> int:
    """The price that the order should have, 0 for none."""
    needed = {OrderType.PEGGED_BID: [bid], OrderType.PEGGED_ASK: [ask], OrderType.PEGGED_MIDDLE: [bid, ask]}
    known = needed[OrderType(order.type)]
    if 0 in known:
        return 0
    rounding = 1 if order.side == Side.SELL else 0
    reference = (known[0] + known[-1] + rounding) // 2
    price = reference + order.stop_price
    limit, buys, rules = order.peg_limit, order.side == Side.BUY, book.rules
    if limit:
        price = min(price, limit) if buys else max(price, limit)
    if rules.static_low:
        price = max(price, rules.static_low)
    if rules.static_high:
        price = min(price, rules.static_high)
    worse_than_limit = limit and (price > limit if buys else price < limit)
    return 0 if worse_than_limit or not LOWEST_PRICE <= price <= HIGHEST_PRICE else price


def enter(world: World, order: Order) -> None:
    """A pegged order is entered."""
    book = world.books[order.instrument]
    price = 0
    if book.state == InstrumentState.CONTINUOUS:
        price = price_of(book, order, *references(world, order.instrument))
    if price:
        _move(world, order, price)
    else:
        order.place = WAITING


def _move(world: World, order: Order, price: int) -> None:
    world.leave_place(order)
    order.price = price
    world.tell_order(EventKind.RESTATED, order, Reason.PEG_MOVED)
    come_in(world, order)


def follow(world: World, book: Instrument) -> bool:
    """One round over all pegged orders; whether any had to change."""
    changed = False
    bid, ask = references(world, book.number)
    for order in [order for order in world.by_entry(book.number) if order.is_pegged()]:
        if not order.leaves or book.state != InstrumentState.CONTINUOUS:
            continue
        price = price_of(book, order, bid, ask)
        if price == (order.level if order.place == IN_BOOK else 0):
            continue
        changed = True
        if price:
            _move(world, order, price)
        else:
            park(world, order)
    return changed
