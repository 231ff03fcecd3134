"""Commands about instruments and accounts: their definition, rules, and states."""

from typing import Any

from reference.auction import uncross
from reference.orders import AUCTIONS, HIGHEST_PRICE, NOTHING_INDICATED, NOWHERE, WAITING, Instrument, Rules
from reference.settling import walk
from reference.stops import last_price_moved
from reference.trading import come_in, park_all
from reference.world import World
from shm.reasons import Reason
from shm.records import EventKind, InstrumentState, Policy, TimeInForce


def define_instrument(world: World, command: dict[str, Any]) -> None:
    """INSTRUMENT."""
    number = command["instrument"]
    if not 0 <= number < world.instruments:
        world.reject(Reason.INSTRUMENT_BEYOND_BOUND)
    elif number in world.books:
        world.reject(Reason.INSTRUMENT_ALREADY_DEFINED)
    else:
        world.books[number] = Instrument(number)
        world.tell(EventKind.INSTRUMENT_DEFINED)


def define_account(world: World, command: dict[str, Any]) -> None:
    """ACCOUNT."""
    if not 0 <= command["account"] < world.accounts:
        world.reject(Reason.ACCOUNT_BEYOND_BOUND)
    else:
        world.account_flags[command["account"]] = command["flags"]
        world.tell(EventKind.ACCOUNT_DEFINED)


def set_rules(world: World, command: dict[str, Any]) -> None:
    """RULES, whose fields lie where a NEW has others."""
    book = world.books.get(command["instrument"])
    rules = Rules(
        reference_price=command["price"],
        dynamic_collar=command["stop_price"],
        static_low=command["quantity"],
        static_high=command["display_quantity"],
        policy=command["type"],
        minimum_allocation=command["minimum_quantity"],
        flags=command["flags"],
    )
    if book is None:
        world.reject(Reason.INSTRUMENT_NOT_DEFINED)
    elif _disagree(world, book, rules):
        world.reject(Reason.RULES_DISAGREE)
    else:
        book.rules = rules
        world.touch(book.number)
        world.tell(EventKind.RULES_SET)


def _disagree(world: World, book: Instrument, rules: Rules) -> bool:
    prices = (rules.reference_price, rules.static_low, rules.static_high, rules.dynamic_collar)
    if min(*prices, rules.minimum_allocation) < 0 or max(prices) > HIGHEST_PRICE:
        return True
    if rules.static_low and rules.static_high and rules.static_low > rules.static_high:
        return True
    has_orders = any(order.instrument == book.number for order in world.live.values())
    return rules.policy not in list(Policy) or (has_orders and rules.policy != book.rules.policy)


def set_state(world: World, command: dict[str, Any]) -> None:
    """STATE."""
    book = world.books.get(command["instrument"])
    if book is None:
        world.reject(Reason.INSTRUMENT_NOT_DEFINED)
        return
    if command["type"] not in list(InstrumentState):
        world.reject(Reason.UNKNOWN_STATE)
        return
    before, book.state, book.indicated = book.state, command["type"], NOTHING_INDICATED
    world.touch(book.number)
    world.tell(EventKind.STATE_CHANGED, type=book.state, reason=Reason.COMMANDED)
    if before == InstrumentState.CONTINUOUS and book.state != InstrumentState.CONTINUOUS:
        park_all(world, book)
    if book.state == InstrumentState.CONTINUOUS and before != InstrumentState.CONTINUOUS:
        uncross(world, book)
        _end_orders(world, book)
        last_price_moved(world, book)
    elif book.state == InstrumentState.CLOSED:
        if before in AUCTIONS:
            uncross(world, book)
        _end_orders(world, book)
    elif book.state == InstrumentState.CLOSING_AUCTION:
        _begin_closing_auction(world, book)


def _end_orders(world: World, book: Instrument) -> None:
    """Orders for an auction that is over end, but for those that wait for the close; on closing those and DAY orders too."""
    closed = book.state == InstrumentState.CLOSED
    for order in walk(world, book.number):
        if not order.leaves:
            continue
        if order.is_for_auctions() and (closed or order.place != WAITING):
            world.cancel(order, Reason.AUCTION_ENDED)
        elif closed and order.time_in_force == TimeInForce.DAY:
            world.cancel(order, Reason.DAY_ENDED)


def _begin_closing_auction(world: World, book: Instrument) -> None:
    for order in world.by_entry(book.number):
        if order.time_in_force == TimeInForce.AT_CLOSE and order.place == WAITING:
            order.place = NOWHERE
            world.tell_order(EventKind.TRIGGERED, order)
            come_in(world, order)
