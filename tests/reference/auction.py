"""Auctions: the price at which most trades, the uncross, and what it would do now."""

from reference.limits import cut_to_position
from reference.orders import AUCTIONS, HIGHEST_PRICE, LOWEST_PRICE, NOTHING_INDICATED, Instrument
from reference.trading import exchange, refill
from reference.world import World
from shm.records import EventFlag, EventKind, OrderType, Side


def finding(world: World, book: Instrument) -> tuple[int, int, int, int]:
    """Price, volume, imbalance and the side that has more; all 0 if the book does not cross or has no price."""
    number = book.number
    buys, sells = world.queue(number, Side.BUY), world.queue(number, Side.SELL)
    if not buys or not sells or buys[0].level < sells[0].level:
        return NOTHING_INDICATED
    found = []
    for price in _prices(world, book):
        bought = sum(order.leaves for order in buys if order.level >= price)
        sold = sum(order.leaves for order in sells if order.level <= price)
        distance = abs(price - book.reference()) if book.reference() else 0
        found.append((-min(bought, sold), abs(bought - sold), distance, price, sold > bought))
    if not found:
        return NOTHING_INDICATED
    volume, imbalance, _, price, more_sold = min(found)
    return price, -volume, imbalance, int(Side.SELL if more_sold else Side.BUY)


def _prices(world: World, book: Instrument) -> set[int]:
    prices = {book.reference()} - {0}
    for side, market_price in ((Side.BUY, HIGHEST_PRICE), (Side.SELL, LOWEST_PRICE)):
        queue = world.queue(book.number, side)
        only_market = all(order.type == OrderType.MARKET for order in queue if order.level == market_price)
        prices |= {order.level for order in queue} - ({market_price} if only_market else set())
    return prices


def uncross(world: World, book: Instrument) -> None:
    """Trade at the auction's price; again, if links or positions leave the book crossed."""
    while True:
        price, volume, imbalance, side = finding(world, book)
        if not price:
            return
        world.tell(EventKind.UNCROSSED, instrument=book.number, price=price, quantity=volume, leaves=imbalance, side=side)
        while _one_trade(world, book, price):
            pass
        book.collar_price = book.reference()


def _one_trade(world: World, book: Instrument, price: int) -> bool:
    """The best two orders trade, or one of them is found to have no position; false when a side has none."""
    buys = [order for order in world.queue(book.number, Side.BUY) if order.level >= price]
    sells = [order for order in world.queue(book.number, Side.SELL) if order.level <= price]
    if not buys or not sells:
        return False
    buyer, seller = buys[0], sells[0]
    cut_to_position(world, seller)
    if buyer.leaves and seller.leaves:
        cut_to_position(world, buyer)
    if buyer.leaves and seller.leaves:
        exchange(world, buyer, seller, price, min(buyer.part(), seller.part()), EventFlag.AUCTION)
        refill(world, buyer)
        refill(world, seller)
        world.cancel_partner(seller)
        world.cancel_partner(buyer)
    return True


def indicate(world: World, book: Instrument) -> None:
    """Tell what the auction would do, if that is not what was told last."""
    if book.state not in AUCTIONS:
        return
    found = finding(world, book)
    if found != book.indicated:
        book.indicated = found
        price, volume, imbalance, side = found
        world.tell(EventKind.INDICATIVE, instrument=book.number, price=price, quantity=volume, leaves=imbalance, side=side)
