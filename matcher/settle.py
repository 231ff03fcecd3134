"""After the incoming order: elected stops, pegged and all-or-none orders have their turn until nothing more happens."""

from typing import Any

from numba import void

from matcher.apart import SETTLE, apart
from matcher.auction import indicate
from matcher.emit import mark_last
from matcher.ending import BOOK, take_away, take_off_partner
from matcher.incoming import AON, TRAILING_STOP_LIMIT, go, move_peg
from matcher.layout import NO_ORDER, RANKS, Listed
from matcher.lists import delist, first_listed, next_listed
from matcher.pegs import PEGGED, best_shown, park, peg_price
from matcher.reach import is_enough, reach_of
from matcher.tell import told
from matcher.watch import CONTINUOUS, WATCHED, note_special, untouch_first
from shm.atomics import int64
from shm.inner import inner
from shm.records import EventKind

ELECTED, TRIGGERED = int64(Listed.ELECTED), int64(EventKind.TRIGGERED)
HIGHEST = RANKS - 1


@apart(SETTLE, 0, void)
def settle(state: Any, command: Any) -> None:
    """Settle every instrument that the command touched, in the order in which it first did."""
    instrument = untouch_first(state)
    while instrument >= 0:
        _settle_one(state, command, instrument)
        note_special(state, instrument)
        indicate(state, command, instrument)
        instrument = untouch_first(state)


@inner
def finish(state: Any, command: Any) -> None:
    """After a command that was not plain: settle, and mark the last event. A rejected one has touched nothing."""
    if state["touched_first"]:
        settle(state, command)
        mark_last(state)


@inner
def _settle_one(state: Any, command: Any, instrument: int) -> None:
    note_special(state, instrument)
    book, busy = state["instruments"][instrument], True
    while busy:
        slot = first_listed(state, instrument, ELECTED)
        if slot != NO_ORDER:
            trigger(state, command, slot)
        elif book["state"] != CONTINUOUS or not book["special"] & WATCHED:
            busy = False
        else:
            busy = _follow(state, command, instrument) or _try_whole(state, command, instrument)


@inner
def trigger(state: Any, command: Any, slot: int) -> None:
    """An elected stop becomes a market or limit order, its partner ends, and it is incoming."""
    order, extra = state["orders"][slot], state["extras"][slot]
    delist(state, slot)
    extra["active"] = 1
    if order["type"] == TRAILING_STOP_LIMIT:
        away = extra["price"]
        price = extra["stop_price"] - away if order["side"] else extra["stop_price"] + away
        extra["price"] = min(max(price, 1), HIGHEST)
    told(state, command, slot, TRIGGERED, int64(extra["price"]), 0, False)
    take_off_partner(state, command, slot)
    go(state, command, slot)


@inner
def _follow(state: Any, command: Any, instrument: int) -> bool:
    """One round of the pegged orders; did any change?"""
    bid, ask = best_shown(state, instrument, 0), best_shown(state, instrument, 1)
    slot, changed = first_listed(state, instrument, PEGGED), False
    while slot != NO_ORDER and state["instruments"][instrument]["state"] == CONTINUOUS:
        extra, order_id = state["extras"][slot], state["orders"][slot]["order_id"]
        price, stands = peg_price(state, slot, bid, ask), extra["where"] == BOOK
        if price == 0 and stands:
            park(state, command, slot)
            changed = True
        elif price and (not stands or price != extra["price"]):
            take_away(state, slot)
            move_peg(state, command, slot, price)
            changed = True
            if state["orders"][slot]["order_id"] != order_id:  # others may be gone too: those before it are right already
                slot = first_listed(state, instrument, PEGGED)
                continue
        slot = next_listed(state, slot)
    return changed


@inner
def _try_whole(state: Any, command: Any, instrument: int) -> bool:
    """The first all-or-none order that can trade whole does; was there one?"""
    slot = first_listed(state, instrument, AON)
    while slot != NO_ORDER:
        other = 1 - int64(state["orders"][slot]["side"])
        in_reach = state["instruments"][instrument]["best"][other] <= reach_of(state, slot)
        if in_reach and is_enough(state, slot, int64(state["orders"][slot]["leaves"])):
            delist(state, slot)
            go(state, command, slot)
            return True
        slot = next_listed(state, slot)
    return False
