"""Two orders meet: what self-trade prevention, reduce-only and icebergs make of it, and one trade with all that it causes."""

from typing import Any

from matcher.book import rank_of
from matcher.emit import traded
from matcher.ending import partner_of, retire, take_away, take_off, take_off_partner
from matcher.layout import Where
from matcher.positions import count_trade, reducible
from matcher.queues import first_of, lose_lots, refill
from matcher.slots import level_at
from matcher.tell import RESTATED, standing_price, told
from matcher.watch import on_price
from shm.atomics import int64
from shm.inner import inner
from shm.reasons import Reason
from shm.records import OrderFlag, SelfTradeRule

CANCEL_NEWEST, CANCEL_OLDEST = int64(SelfTradeRule.CANCEL_NEWEST), int64(SelfTradeRule.CANCEL_OLDEST)
CANCEL_BOTH, DECREMENT = int64(SelfTradeRule.CANCEL_BOTH), int64(SelfTradeRule.DECREMENT)
SELF_TRADE, SELF_TRADE_DECREMENTED = int64(Reason.SELF_TRADE), int64(Reason.SELF_TRADE_DECREMENTED)
ICEBERG_REFILLED, REDUCED_TO_POSITION = int64(Reason.ICEBERG_REFILLED), int64(Reason.REDUCED_TO_POSITION)
REDUCE_ONLY_WOULD_INCREASE = int64(Reason.REDUCE_ONLY_WOULD_INCREASE)
REDUCE_ONLY, BOOK = int64(OrderFlag.REDUCE_ONLY), int64(Where.BOOK)


@inner
def meet(state: Any, command: Any, slot: int, number: int, price: int) -> None:
    """The incoming order meets the first order of the best level: one of the two ends, shrinks, or they trade."""
    order, extra = state["orders"][slot], state["extras"][slot]
    other = first_of(level_at(state, number))
    if extra["rule"] and of_one_owner(state, slot, other):
        prevent(state, command, slot, other)
        return
    if cut_to_position(state, command, other) or cut_to_position(state, command, slot):
        return
    quantity = min(order["leaves"], tradable(state, other))
    trade(state, command, slot, other, price, quantity)
    if state["orders"][other]["order_id"] and needs_refill(state, other):
        refill_and_tell(state, command, other)
    finish_trade(state, command, slot, other, price)


@inner
def of_one_owner(state: Any, slot: int, other: int) -> bool:
    """Are the orders, the first of which has an EXTRA, of one account or of one group?"""
    order, resting, group = state["orders"][slot], state["orders"][other], state["extras"][slot]["group"]
    if order["account"] == resting["account"]:
        return True
    return group > 0 and resting["special"] and state["extras"][other]["group"] == group


@inner
def prevent(state: Any, command: Any, slot: int, other: int) -> None:
    """Do what the incoming order's rule says instead of a trade with ``other``."""
    rule = state["extras"][slot]["rule"]
    if rule == DECREMENT:
        quantity = min(int64(state["orders"][slot]["leaves"]), int64(state["orders"][other]["leaves"]))
        _decrement(state, command, other, quantity)
        if state["orders"][slot]["order_id"]:
            _decrement(state, command, slot, quantity)
        return
    if rule != CANCEL_NEWEST:
        take_off(state, command, other, SELF_TRADE)
    if rule != CANCEL_OLDEST and state["orders"][slot]["order_id"]:
        take_off(state, command, slot, SELF_TRADE)


@inner
def tradable(state: Any, slot: int) -> int:
    """How many lots of a resting order may trade in its turn."""
    order, extra = state["orders"][slot], state["extras"][slot]
    if order["special"] and extra["display"] and extra["shown"]:
        return int64(extra["shown"])
    return int64(order["leaves"])


@inner
def needs_refill(state: Any, slot: int) -> bool:
    """Is the shown part of this resting iceberg used up?"""
    order, extra = state["orders"][slot], state["extras"][slot]
    return order["special"] and extra["display"] != 0 and extra["where"] == BOOK and extra["shown"] == 0


@inner
def refill_and_tell(state: Any, command: Any, slot: int) -> None:
    """The iceberg's next part goes to the back of the queue."""
    refill(state, slot)
    told(state, command, slot, RESTATED, standing_price(state, slot), ICEBERG_REFILLED, False)


@inner
def trade(state: Any, command: Any, slot: int, other: int, price: int, quantity: int) -> None:
    """The lots change hands, the TRADE is told, a resting order that is done leaves. ``finish_trade`` comes after."""
    order, resting = state["orders"][slot], state["orders"][other]
    order["leaves"] -= quantity
    lose_lots(state, other, quantity, False)
    state["trades"] += 1
    state["volume"] += quantity
    count_trade(state, order, state["extras"][slot], quantity)
    count_trade(state, resting, state["extras"][other], quantity)
    state["instruments"][order["instrument"]]["last_price"] = price
    traded(state, command, order, resting, price, quantity)
    if resting["leaves"] == 0:
        leave_filled(state, other)


@inner
def leave_filled(state: Any, slot: int) -> None:
    """An order without leaves goes out of the book; its partner's turn comes in ``finish_trade``."""
    take_away(state, slot)
    if not state["orders"][slot]["special"] or state["extras"][slot]["partner"] == 0:
        retire(state, slot)


@inner
def finish_trade(state: Any, command: Any, slot: int, other: int, price: int) -> None:
    """What a trade causes besides: partners end, then the price moves and elects stops."""
    instrument = int64(state["orders"][slot]["instrument"])
    end_partner(state, command, other)
    end_partner(state, command, slot)
    on_price(state, command, instrument, price)


@inner
def end_partner(state: Any, command: Any, slot: int) -> None:
    """The order traded: its partner ends, unless it is done too. An order that is done, and was kept for this, goes as well."""
    order = state["orders"][slot]
    if order["order_id"] == 0:
        return
    partner = partner_of(state, slot)
    if partner < 0:
        return
    if state["orders"][partner]["leaves"] > 0:
        take_off_partner(state, command, slot)
    if order["leaves"] == 0:
        retire(state, slot)


@inner
def cut_to_position(state: Any, command: Any, slot: int) -> bool:
    """Cut a reduce-only order down to what its account may still reduce; True: nothing, and the order was cancelled."""
    order, extra = state["orders"][slot], state["extras"][slot]
    if not order["special"] or not extra["flags"] & REDUCE_ONLY:
        return False
    left = reducible(state, int64(order["account"]), int64(order["instrument"]), int64(order["side"]))
    if left == 0:
        take_off(state, command, slot, REDUCE_ONLY_WOULD_INCREASE)
        return True
    if left < order["leaves"]:
        shrink(state, slot, int64(order["leaves"]) - left)
        told(state, command, slot, RESTATED, standing_price(state, slot), REDUCED_TO_POSITION, False)
    return False


@inner
def shrink(state: Any, slot: int, quantity: int) -> None:
    """Take lots, not all, off the order's quantity and leaves where it stands; of an iceberg the hidden ones first."""
    order, extra = state["orders"][slot], state["extras"][slot]
    order["quantity"] -= quantity
    if not order["special"] or extra["where"] == BOOK:
        lose_lots(state, slot, quantity, True)
        return
    order["leaves"] -= quantity
    if extra["where"]:
        level_at(state, order["level"])["quantity"] -= quantity


@inner
def _decrement(state: Any, command: Any, slot: int, quantity: int) -> None:
    if state["orders"][slot]["leaves"] == quantity:
        take_off(state, command, slot, SELF_TRADE)
        return
    shrink(state, slot, quantity)
    told(state, command, slot, RESTATED, standing_price(state, slot), SELF_TRADE_DECREMENTED, False)


@inner
def breaches(state: Any, instrument: int, price: int) -> bool:
    """Would a trade at ``price`` be too far from where the command found the instrument?"""
    rules = state["rules"][instrument]
    if rules["dynamic_collar"] == 0 or rules["anchor"] == 0:
        return False
    return abs(price - rules["anchor"]) > rules["dynamic_collar"]


@inner
def price_of_level(state: Any, number: int) -> int:
    """The price in ticks at which orders of the level stand."""
    level = level_at(state, number)
    return int64(rank_of(level["side"], level["rank"]))
