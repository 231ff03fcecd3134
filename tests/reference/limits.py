"""What bounds the incoming order: how far it reaches, what is there for it, its own orders, its account's position."""

from reference.orders import HIGHEST_PRICE, LOWEST_PRICE, Order
from reference.world import World
from shm.reasons import Reason
from shm.records import EventKind, OrderFlag, Policy, SelfTradeRule, Side


def reach(world: World, order: Order) -> int:
    """The worst price at which it may trade."""
    if not order.is_market():
        return order.price
    rules = world.books[order.instrument].rules
    if order.side == Side.BUY:
        return min(order.price or HIGHEST_PRICE, rules.static_high or HIGHEST_PRICE)
    return max(order.price or LOWEST_PRICE, rules.static_low or LOWEST_PRICE)


def within_reach(world: World, order: Order, price: int) -> bool:
    """Whether it may trade at the price."""
    worst = reach(world, order)
    return price <= worst if order.side == Side.BUY else price >= worst


def is_kept_apart(order: Order, resting: Order) -> bool:
    """Whether the incoming order may not trade with the other."""
    same_group = order.self_trade_group > 0 and order.self_trade_group == resting.self_trade_group
    return order.self_trade_rule != SelfTradeRule.NONE and (order.account == resting.account or same_group)


def reachable(world: World, order: Order) -> int:
    """The lots that are sure to trade with it."""
    book = world.books[order.instrument]
    queue = world.queue(order.instrument, 1 - order.side)
    total = 0
    for price in dict.fromkeys(resting.level for resting in queue):
        if not within_reach(world, order, price) or book.is_beyond_collar(price):
            break
        here = [resting for resting in queue if resting.level == price]
        ends = [resting for resting in here if is_kept_apart(order, resting)]
        if ends and order.self_trade_rule != SelfTradeRule.CANCEL_OLDEST:
            return total + (0 if book.rules.policy == Policy.PRO_RATA else _lots_before(here, ends[0]))
        total += sum(resting.leaves for resting in here if _is_sure(resting) and resting not in ends)
    return total


def _lots_before(queue: list[Order], end: Order) -> int:
    """What trades at a price before ``end`` has its turn: of icebergs before a shown order, what they show."""
    before = [resting for resting in queue[: queue.index(end)] if _is_sure(resting)]
    return sum(resting.leaves if end.is_dark() else resting.part() for resting in before)


def _is_sure(resting: Order) -> bool:
    return resting.partner is None and not resting.has(OrderFlag.REDUCE_ONLY)


def deal_with_own(world: World, order: Order, resting: Order) -> None:
    """What the incoming order's rule does instead of a trade."""
    rule = order.self_trade_rule
    if rule == SelfTradeRule.DECREMENT:
        lots = min(order.leaves, resting.leaves)
        _decrement(world, resting, lots)
        if order.leaves:
            _decrement(world, order, lots)
        return
    if rule in (SelfTradeRule.CANCEL_OLDEST, SelfTradeRule.CANCEL_BOTH):
        world.cancel(resting, Reason.SELF_TRADE)
    if rule in (SelfTradeRule.CANCEL_NEWEST, SelfTradeRule.CANCEL_BOTH) and order.leaves:
        world.cancel(order, Reason.SELF_TRADE)


def _decrement(world: World, order: Order, lots: int) -> None:
    if order.leaves == lots:
        world.cancel(order, Reason.SELF_TRADE)
        return
    order.lose(lots)
    world.tell_order(EventKind.RESTATED, order, Reason.SELF_TRADE_DECREMENTED)


def cut_to_position(world: World, order: Order) -> None:
    """Before a reduce-only order trades: no more lots than the position has, or none at all."""
    if not order.has(OrderFlag.REDUCE_ONLY):
        return
    lots = world.lots_to_reduce(order.account, order.instrument, order.side)
    if not lots:
        world.cancel(order, Reason.REDUCE_ONLY_WOULD_INCREASE)
    elif lots < order.leaves:
        order.lose(order.leaves - lots)
        world.tell_order(EventKind.RESTATED, order, Reason.REDUCED_TO_POSITION)
