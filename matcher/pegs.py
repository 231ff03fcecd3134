"""Pegged orders: the price that each should have, and how they are parked. ``stop_price`` of their EXTRA is their limit."""

from typing import Any

from matcher.book import next_level
from matcher.ending import BOOK, take_away
from matcher.layout import NO_ORDER, RANKS, Listed
from matcher.lists import first_listed, next_listed
from matcher.slots import level_at
from matcher.tell import RESTATED, told
from matcher.trade import price_of_level
from shm.atomics import int64
from shm.inner import inner
from shm.reasons import Reason
from shm.records import OrderType

PEGGED_BID, PEGGED_ASK = int64(OrderType.PEGGED_BID), int64(OrderType.PEGGED_ASK)
PEG_MOVED, PEG_PARKED, PEGGED = int64(Reason.PEG_MOVED), int64(Reason.PEG_PARKED), int64(Listed.PEGGED)
HIGHEST = RANKS - 1


@inner
def best_shown(state: Any, instrument: int, side: int) -> int:
    """The best price of a side at which lots are shown; 0: there is none."""
    number = int64(state["instruments"][instrument]["levels"][side])
    while number and level_at(state, number)["quantity"] == 0:
        number = int64(next_level(state, state["instruments"][instrument], number))
    return price_of_level(state, number) if number else 0


@inner
def peg_price(state: Any, slot: int, bid: int, ask: int) -> int:
    """The price that a pegged order should have, given the best shown prices; 0: none."""
    order, extra = state["orders"][slot], state["extras"][slot]
    side, cap, rules = int64(order["side"]), int64(extra["stop_price"]), state["rules"][order["instrument"]]
    if order["type"] == PEGGED_BID:
        price = bid
    elif order["type"] == PEGGED_ASK:
        price = ask
    else:
        price = (bid + ask + side) >> 1 if bid and ask else 0
    if price == 0:
        return 0
    price += int64(extra["offset"])
    if cap:
        price = max(price, cap) if side else min(price, cap)
    if rules["static_low"]:
        price = max(price, int64(rules["static_low"]))
    if rules["static_high"]:
        price = min(price, int64(rules["static_high"]))
    beyond = cap != 0 and (price < cap if side else price > cap)
    return 0 if beyond or not 1 <= price <= HIGHEST else price


@inner
def park(state: Any, command: Any, slot: int) -> None:
    """The pegged order leaves the book and waits until it has a price again."""
    take_away(state, slot)
    state["extras"][slot]["price"] = 0
    told(state, command, slot, RESTATED, 0, PEG_PARKED, False)


@inner
def park_pegs(state: Any, command: Any, instrument: int) -> None:
    """The instrument left CONTINUOUS: all its pegged orders wait."""
    slot = first_listed(state, instrument, PEGGED)
    while slot != NO_ORDER:
        if state["extras"][slot]["where"] == BOOK:
            park(state, command, slot)
        slot = next_listed(state, slot)
