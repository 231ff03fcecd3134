"""Continuous trading: what the incoming order does, until it is done, and what one trade causes."""

from reference import stops
from reference.limits import cut_to_position, deal_with_own, is_kept_apart, reachable, within_reach
from reference.orders import COLLECTING, HIGHEST_PRICE, IN_BOOK, LOWEST_PRICE, NOTHING_INDICATED, WAITING, Instrument, Order
from reference.world import World
from shm.reasons import Reason
from shm.records import EventKind, InstrumentState, OrderFlag, OrderType, Policy, RulesFlag, Side, TimeInForce


def rest(world: World, order: Order) -> None:
    """Come into the book at its price; a market order in an auction without one is before all others."""
    price = order.price
    if order.is_market() and not price:
        price = HIGHEST_PRICE if order.side == Side.BUY else LOWEST_PRICE
    world.stand(order, IN_BOOK, price)


def come_in(world: World, order: Order) -> None:
    """The order is incoming at its price, in an instrument that matches or collects."""
    state = world.books[order.instrument].state
    if state != InstrumentState.CONTINUOUS:
        assert state in COLLECTING
        if order.has(OrderFlag.ALL_OR_NONE):
            order.place = WAITING
        elif order.triggered and order.is_market():
            world.cancel(order, Reason.TRADING_PAUSED)
        else:
            rest(world, order)
        return
    if order.type == OrderType.MARKET_TO_LIMIT and not order.price:
        _take_the_best_price(world, order)
    if order.leaves and order.has(OrderFlag.SLIDE):
        _slide(world, order)
    if order.leaves and _is_enough(world, order):
        match(world, order)


def _take_the_best_price(world: World, order: Order) -> None:
    best = world.best(order.instrument, 1 - order.side)
    if not best:
        world.cancel(order, Reason.NO_LIQUIDITY)
        return
    order.price = best
    world.tell_order(EventKind.RESTATED, order, Reason.PRICED_BY_MARKET)


def _slide(world: World, order: Order) -> None:
    best = world.best(order.instrument, 1 - order.side)
    if not best or not within_reach(world, order, best):
        return
    price = best - 1 if order.side == Side.BUY else best + 1
    if not LOWEST_PRICE <= price <= HIGHEST_PRICE or not world.books[order.instrument].rules.allow(price):
        world.cancel(order, Reason.POST_ONLY_WOULD_TRADE)
        return
    order.price = price
    world.tell_order(EventKind.RESTATED, order, Reason.POST_ONLY_SLID)


def _is_enough(world: World, order: Order) -> bool:
    """Whether what the order asks for can trade; if not it ends, or waits. A minimum quantity is asked for once."""
    minimum, order.minimum_quantity = order.minimum_quantity, 0
    if order.time_in_force == TimeInForce.FOK and reachable(world, order) < order.leaves:
        world.cancel(order, Reason.FILL_OR_KILL)
    elif minimum and reachable(world, order) < minimum:
        world.cancel(order, Reason.MINIMUM_QUANTITY)
    elif order.has(OrderFlag.ALL_OR_NONE) and reachable(world, order) < order.leaves:
        order.place = WAITING
    else:
        return True
    return False


def match(world: World, order: Order) -> None:
    """Trade as far as the order reaches, then rest or end."""
    book = world.books[order.instrument]
    while order.leaves:
        queue = world.queue(order.instrument, 1 - order.side)
        if not queue or not within_reach(world, order, queue[0].level):
            break
        if book.is_beyond_collar(queue[0].level):
            pause(world, book, order)
            return
        if book.rules.policy == Policy.PRO_RATA:
            pro_rata_round(world, order, [resting for resting in queue if resting.level == queue[0].level])
        elif is_kept_apart(order, queue[0]):
            deal_with_own(world, order, queue[0])
        else:
            meet(world, order, queue[0])
    if order.leaves and order.may_rest():
        assert not order.has(OrderFlag.ALL_OR_NONE)
        rest(world, order)
    elif order.leaves:
        assert order.time_in_force != TimeInForce.FOK
        world.cancel(order, Reason.NO_LIQUIDITY)


def meet(world: World, order: Order, resting: Order) -> None:
    """Two orders that may trade: reduce-only ones are cut first, and if both are left they trade."""
    cut_to_position(world, resting)
    if order.leaves and resting.leaves:
        cut_to_position(world, order)
    if order.leaves and resting.leaves:
        trade(world, order, resting, resting.level, min(order.leaves, resting.part()))


def trade(world: World, order: Order, resting: Order, price: int, lots: int, *, refills: bool = True) -> None:
    """One TRADE in continuous trading, and all that it causes before the next."""
    exchange(world, order, resting, price, lots)
    if refills:
        refill(world, resting)
    world.cancel_partner(resting)
    world.cancel_partner(order)
    book = world.books[order.instrument]
    stops.last_price_moved(world, book)


def exchange(world: World, order: Order, resting: Order, price: int, lots: int, flags: int = 0) -> None:
    """The lots change hands: the TRADE itself."""
    for each in (order, resting):
        each.leaves -= lots
        if each.place == IN_BOOK and each.display_quantity:
            each.shown -= lots
        world.change_position(each, lots)
        if not each.leaves:
            world.leave_place(each)
            del world.live[each.order_id]
    world.books[order.instrument].last_price = price
    world.tell(
        EventKind.TRADE,
        order,
        price=price,
        quantity=lots,
        leaves=order.leaves,
        resting_leaves=resting.leaves,
        resting_order_id=resting.order_id,
        resting_client_order_id=resting.client_order_id,
        resting_account=resting.account,
        flags=flags,
    )


def refill(world: World, order: Order) -> None:
    """An iceberg whose shown part is used up shows another, behind the others."""
    if order.leaves and order.place == IN_BOOK and order.display_quantity and not order.shown:
        order.shown = min(order.display_quantity, order.leaves)
        order.arrived = world.stamp()
        world.tell_order(EventKind.RESTATED, order, Reason.ICEBERG_REFILLED)


def pause(world: World, book: Instrument, order: Order) -> None:
    """The next trade would be too far away: nobody trades until a STATE command says so."""
    book.state, book.indicated = InstrumentState.VOLATILITY_PAUSE, NOTHING_INDICATED
    world.tell(EventKind.STATE_CHANGED, instrument=book.number, type=book.state, reason=Reason.COLLAR_BREACHED)
    if order.may_rest():
        rest(world, order)
    else:
        world.cancel(order, Reason.TRADING_PAUSED)
    park_all(world, book)


def park(world: World, order: Order) -> None:
    """A pegged order leaves the book and waits for a price."""
    world.leave_place(order)
    order.place, order.price = WAITING, 0
    world.tell_order(EventKind.RESTATED, order, Reason.PEG_PARKED)


def park_all(world: World, book: Instrument) -> None:
    """Outside continuous trading pegged orders have no price."""
    for order in world.by_entry(book.number):
        if order.is_pegged() and order.place == IN_BOOK:
            park(world, order)


# Pro-rata


def pro_rata_round(world: World, order: Order, queue: list[Order]) -> None:
    """Deal the incoming order out among the orders of one price, ``queue``."""
    for resting in queue:
        if order.leaves and resting.leaves and is_kept_apart(order, resting):
            deal_with_own(world, order, resting)
    if not order.leaves:
        return
    queue = [resting for resting in queue if resting.leaves]
    shown = [resting for resting in queue if not resting.is_dark()]
    if not shown:
        if queue:
            _take(world, order, queue[0], queue[0].leaves)
        return
    if order.leaves < sum(resting.part() for resting in shown):
        _deal_out_shares(world, order, shown)
    for resting in shown:
        _take(world, order, resting, resting.part())
    for resting in shown:
        refill(world, resting)


def _deal_out_shares(world: World, order: Order, shown: list[Order]) -> None:
    rules = world.books[order.instrument].rules
    sharing = shown
    if rules.flags & RulesFlag.TOP_ORDER_PRIORITY:
        _take(world, order, shown[0], shown[0].part())
        sharing = shown[1:]
    whole, parts = order.leaves, [resting.part() for resting in sharing]
    for resting, part in zip(sharing, parts, strict=True):
        share = whole * part // sum(parts)
        if share >= rules.minimum_allocation:
            _take(world, order, resting, share)


def _take(world: World, order: Order, resting: Order, lots: int) -> None:
    lots = min(lots, order.leaves)
    if lots:
        trade(world, order, resting, resting.level, lots, refills=False)
