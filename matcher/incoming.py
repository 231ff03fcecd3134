"""An order on its way: what it does on entry, how it trades, where it comes to rest or waits.

``go`` is the way of every incoming order, whatever made it one: a NEW, a REPLACE, a trigger, a peg that moved. It has an EXTRA
and stands nowhere; afterwards it stands, waits, or is no more.
"""

from typing import Any

from numba import void

from matcher.apart import BEGIN, GO, apart
from matcher.book import find_level, rank_of
from matcher.ending import enrol_once, retire, take_off
from matcher.layout import RANKS, WORST, Listed
from matcher.lists import enlist
from matcher.pegs import PEG_MOVED, best_shown, park_pegs, peg_price
from matcher.prorata import deal_out
from matcher.queues import stand
from matcher.reach import has_no_price, is_enough, reach_of
from matcher.tell import RESTATED, about_instrument, told
from matcher.trade import breaches, meet, price_of_level
from matcher.watch import CONTINUOUS, elect, is_reached, note_special, trailed_price, wait_for_stop
from shm.atomics import int64
from shm.inner import inner
from shm.reasons import Reason
from shm.records import EventKind, InstrumentState, OrderFlag, OrderType, Policy, TimeInForce

IOC, FOK = int64(TimeInForce.IOC), int64(TimeInForce.FOK)
AT_OPEN, AT_CLOSE = int64(TimeInForce.AT_OPEN), int64(TimeInForce.AT_CLOSE)
MARKET, MARKET_TO_LIMIT, STOP = int64(OrderType.MARKET), int64(OrderType.MARKET_TO_LIMIT), int64(OrderType.STOP)
TRAILING_STOP, TRAILING_STOP_LIMIT = int64(OrderType.TRAILING_STOP), int64(OrderType.TRAILING_STOP_LIMIT)
PEGGED_BID = int64(OrderType.PEGGED_BID)
POST_ONLY, SLIDE, ALL_OR_NONE = int64(OrderFlag.POST_ONLY), int64(OrderFlag.SLIDE), int64(OrderFlag.ALL_OR_NONE)
EXTENDED = int64(OrderFlag.EXTENDED)
VOLATILITY_PAUSE, CLOSING_AUCTION = int64(InstrumentState.VOLATILITY_PAUSE), int64(InstrumentState.CLOSING_AUCTION)
TRAILING, AON, CLOSE, PEGGED = int64(Listed.TRAILING), int64(Listed.ALL_OR_NONE), int64(Listed.AT_CLOSE), int64(Listed.PEGGED)
PRO_RATA, STATE_CHANGED = int64(Policy.PRO_RATA), int64(EventKind.STATE_CHANGED)
NO_LIQUIDITY, TRADING_PAUSED = int64(Reason.NO_LIQUIDITY), int64(Reason.TRADING_PAUSED)
LEVEL_POOL_FULL, FILL_OR_KILL = int64(Reason.LEVEL_POOL_FULL), int64(Reason.FILL_OR_KILL)
MINIMUM_QUANTITY, PRICED_BY_MARKET = int64(Reason.MINIMUM_QUANTITY), int64(Reason.PRICED_BY_MARKET)
POST_ONLY_SLID, POST_ONLY_WOULD_TRADE = int64(Reason.POST_ONLY_SLID), int64(Reason.POST_ONLY_WOULD_TRADE)
COLLAR_BREACHED = int64(Reason.COLLAR_BREACHED)
HIGHEST, ALL_BUT_EXTENDED = RANKS - 1, 0xFFFF ^ EXTENDED


@apart(BEGIN, 2, void)
def begin(state: Any, command: Any, slot: int, minimum: int) -> None:
    """An order that was just told of starts: it waits for its time or price, or it is incoming now."""
    order, extra = state["orders"][slot], state["extras"][slot]
    instrument, kind = int64(order["instrument"]), order["type"]
    continuous = state["instruments"][instrument]["state"] == CONTINUOUS
    if STOP <= kind <= TRAILING_STOP_LIMIT and not extra["active"]:
        _begin_stop(state, command, slot, continuous)
    elif kind >= PEGGED_BID:
        _list(state, slot, PEGGED)
        price = peg_price(state, slot, best_shown(state, instrument, 0), best_shown(state, instrument, 1))
        if continuous and price:
            move_peg(state, command, slot, price)
    elif extra["flags"] & ALL_OR_NONE:
        if continuous and is_enough(state, slot, int64(order["leaves"])):
            go(state, command, slot)
        else:
            _list(state, slot, AON)
    elif order["time_in_force"] == AT_CLOSE and state["instruments"][instrument]["state"] != CLOSING_AUCTION:
        _list(state, slot, CLOSE)
    elif not continuous or _may_go(state, command, slot, minimum):
        go(state, command, slot)


@apart(GO, 1, void)
def go(state: Any, command: Any, slot: int) -> None:
    """Trade as far as the order reaches, if the instrument trades; what is left rests, or is cancelled."""
    order = state["orders"][slot]
    instrument = int64(order["instrument"])
    book = state["instruments"][instrument]
    was_continuous = book["state"] == CONTINUOUS
    if was_continuous:
        _sweep(state, command, slot)
    if order["order_id"] and order["leaves"] == 0:
        retire(state, slot)
    elif order["order_id"]:
        _settle_rest(state, command, slot, book)
    if was_continuous and book["state"] != CONTINUOUS:
        park_pegs(state, command, instrument)


@inner
def _sweep(state: Any, command: Any, slot: int) -> None:
    order, reach = state["orders"][slot], reach_of(state, slot)
    instrument, other = int64(order["instrument"]), 1 - int64(order["side"])
    book, rules = state["instruments"][instrument], state["rules"][instrument]
    while order["leaves"] > 0 and book["best"][other] <= reach:
        number = int64(book["levels"][other])
        price = price_of_level(state, number)
        if breaches(state, instrument, price):
            pause(state, command, instrument)
            return
        if rules["policy"] == PRO_RATA:
            deal_out(state, command, slot, number, price)
        else:
            meet(state, command, slot, number, price)


@inner
def pause(state: Any, command: Any, instrument: int) -> None:
    """The dynamic collar was reached: from now on the instrument collects."""
    book, rules = state["instruments"][instrument], state["rules"][instrument]
    book["state"] = VOLATILITY_PAUSE
    rules["told_price"], rules["told_volume"], rules["told_imbalance"], rules["told_side"] = 0, 0, 0, 0
    note_special(state, instrument)
    about_instrument(state, command, STATE_CHANGED, instrument, VOLATILITY_PAUSE, COLLAR_BREACHED, (0, 0, 0))


@inner
def _settle_rest(state: Any, command: Any, slot: int, book: Any) -> None:
    """What the order has left rests where it may."""
    order, extra = state["orders"][slot], state["extras"][slot]
    auction = order["time_in_force"] in (AT_OPEN, AT_CLOSE)
    if order["time_in_force"] in (IOC, FOK) or (has_no_price(order["type"]) and not auction):
        paused = book["state"] != CONTINUOUS
        take_off(state, command, slot, TRADING_PAUSED if paused else NO_LIQUIDITY)
        return
    price = int64(extra["price"])
    if price == 0:
        price = 1 if order["side"] else HIGHEST
    rank = int64(rank_of(order["side"], price))
    if state["level_count"] >= state["level_bound"] and find_level(state, book, int64(order["side"]), rank) == 0:
        take_off(state, command, slot, LEVEL_POOL_FULL)
        return
    stand(state, book, slot, rank)
    order["special"] = is_special(extra)
    enrol_once(state, slot)


@inner
def is_special(extra: Any) -> bool:
    """Has an order that stands in the book anything about it that a plain one has not?"""
    named = extra["display"] | extra["rule"] | extra["group"] | extra["partner"] | extra["expiry_ns"] | extra["listed"]
    return named != 0 or extra["flags"] & ALL_BUT_EXTENDED != 0


@inner
def _list(state: Any, slot: int, which: int) -> None:
    """The order waits on a list, or is followed by it."""
    enlist(state, slot, which)
    enrol_once(state, slot)


@inner
def _may_go(state: Any, command: Any, slot: int, minimum: int) -> bool:
    """Entry in CONTINUOUS: set the price that the market gives; False: the order was cancelled."""
    order, extra = state["orders"][slot], state["extras"][slot]
    other = 1 - int64(order["side"])
    best = int64(state["instruments"][order["instrument"]]["best"][other])
    if order["type"] == MARKET_TO_LIMIT and extra["price"] == 0:
        if best == WORST:
            take_off(state, command, slot, NO_LIQUIDITY)
            return False
        extra["price"] = rank_of(other, best)
        told(state, command, slot, RESTATED, int64(extra["price"]), PRICED_BY_MARKET, False)
    if extra["flags"] & POST_ONLY and best <= reach_of(state, slot):
        return _slide(state, command, slot, int64(rank_of(other, best)))
    if order["time_in_force"] == FOK and not is_enough(state, slot, int64(order["leaves"])):
        take_off(state, command, slot, FILL_OR_KILL)
        return False
    if minimum and not is_enough(state, slot, minimum):
        take_off(state, command, slot, MINIMUM_QUANTITY)
        return False
    return True


@inner
def _slide(state: Any, command: Any, slot: int, best: int) -> bool:
    """A post-only order that would trade with the opposite price ``best`` goes one tick off."""
    order, extra = state["orders"][slot], state["extras"][slot]
    rules = state["rules"][order["instrument"]]
    price = best + 1 if order["side"] else best - 1
    outside = price < max(rules["static_low"], 1) or price > (rules["static_high"] if rules["static_high"] else HIGHEST)
    if outside or price > HIGHEST or not extra["flags"] & SLIDE:
        take_off(state, command, slot, POST_ONLY_WOULD_TRADE)
        return False
    extra["price"] = price
    told(state, command, slot, RESTATED, price, POST_ONLY_SLID, False)
    return True


@inner
def _begin_stop(state: Any, command: Any, slot: int, continuous: bool) -> None:
    order, extra = state["orders"][slot], state["extras"][slot]
    book, rules = state["instruments"][order["instrument"]], state["rules"][order["instrument"]]
    stop_price = int64(extra["stop_price"])
    if order["type"] in (TRAILING_STOP, TRAILING_STOP_LIMIT):
        enlist(state, slot, TRAILING)
        seen = int64(book["last_price"] if book["last_price"] else rules["reference_price"])
        stop_price = int64(trailed_price(extra, int64(order["side"]), seen)) if seen else 0
        extra["stop_price"] = stop_price
    enrol_once(state, slot)
    if stop_price and continuous and is_reached(state, slot):
        elect(state, slot)
    elif stop_price and not wait_for_stop(state, slot, stop_price):
        take_off(state, command, slot, LEVEL_POOL_FULL)


@inner
def move_peg(state: Any, command: Any, slot: int, price: int) -> None:
    """A pegged order, which stands nowhere, goes to its new price."""
    state["extras"][slot]["price"] = price
    told(state, command, slot, RESTATED, price, PEG_MOVED, False)
    go(state, command, slot)
