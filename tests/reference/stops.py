"""Stop orders: waiting, trailing, election. That they trade when their turn comes is in ``settling``."""

from reference.orders import AT_STOP, ELECTED, HIGHEST_PRICE, LOWEST_PRICE, WAITING, Instrument, Order
from reference.world import World
from shm.records import InstrumentState, OrderFlag, Side


def within_bounds(price: int) -> int:
    """The nearest price that an order can have."""
    return max(LOWEST_PRICE, min(HIGHEST_PRICE, price))


def wait(world: World, order: Order) -> None:
    """A stop order is entered."""
    book = world.books[order.instrument]
    price = order.stop_price
    if order.is_trailing():
        if not book.reference():
            order.place = WAITING
            return
        price = trail(order, book.reference())
    if book.state == InstrumentState.CONTINUOUS and _is_reached(order, price, book.last_price):
        elect(book, order, price)
    else:
        world.stand(order, AT_STOP, price)


def trail(order: Order, price: int) -> int:
    """The stop price of a trailing order when the price is ``price``."""
    distance = order.stop_price
    if order.has(OrderFlag.BASIS_POINTS):
        distance = -(-price * order.stop_price // 10_000)
    return within_bounds(price - distance if order.side == Side.SELL else price + distance)


def _is_reached(order: Order, stop_price: int, last_price: int) -> bool:
    if not last_price:
        return False
    return last_price >= stop_price if order.side == Side.BUY else last_price <= stop_price


def elect(book: Instrument, order: Order, stop_price: int) -> None:
    """The order queues up to be triggered; it holds no price level any more."""
    order.place, order.level = ELECTED, stop_price
    book.elected.append(order)


def last_price_moved(world: World, book: Instrument) -> None:
    """A trade at the last price moves trailing stops, then elects; so does the last price when an instrument opens."""
    if not book.last_price:
        return
    for order in world.by_entry(book.number):
        if order.leaves and order.is_trailing() and order.place in (AT_STOP, WAITING):
            _follow(world, book, order)
    waiting = [order for order in world.by_entry(book.number) if order.place == AT_STOP]
    reached = [order for order in waiting if _is_reached(order, order.level, book.last_price)]
    buys = [order for order in reached if order.side == Side.BUY]
    sells = [order for order in reached if order.side == Side.SELL]
    for order in sorted(buys, key=lambda order: (order.level, order.arrived)):
        elect(book, order, order.level)
    for order in sorted(sells, key=lambda order: (-order.level, order.arrived)):
        elect(book, order, order.level)


def _follow(world: World, book: Instrument, order: Order) -> None:
    price, step = trail(order, book.last_price), max(order.step, 1)
    better = price >= order.level + step if order.side == Side.SELL else price <= order.level - step
    if order.place == WAITING or better:
        world.leave_place(order)
        world.stand(order, AT_STOP, price)
