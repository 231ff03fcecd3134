"""Taking off many orders of one instrument, in a fixed order: see "the walk" in docs/matching.md."""

from typing import Any

from matcher.book import next_level
from matcher.ending import NOWHERE, take_off
from matcher.layout import NO_ORDER, Listed
from matcher.lists import first_listed, next_listed
from matcher.queues import after, first_of
from matcher.slots import level_at
from matcher.tell import standing_price
from shm.atomics import int64
from shm.inner import inner
from shm.reasons import Reason
from shm.records import MassCancelFlag, TimeInForce

TRAILING, AON, CLOSE, PEGGED = int64(Listed.TRAILING), int64(Listed.ALL_OR_NONE), int64(Listed.AT_CLOSE), int64(Listed.PEGGED)
BY_SESSION, BY_SIDE, BY_PRICE = int64(MassCancelFlag.BY_SESSION), int64(MassCancelFlag.BY_SIDE), int64(MassCancelFlag.BY_PRICE)
DAY, AT_OPEN, AT_CLOSE = int64(TimeInForce.DAY), int64(TimeInForce.AT_OPEN), int64(TimeInForce.AT_CLOSE)
CANCELLED_BY_MASS_CANCEL = int64(Reason.CANCELLED_BY_MASS_CANCEL)
DAY_ENDED, AUCTION_ENDED = int64(Reason.DAY_ENDED), int64(Reason.AUCTION_ENDED)
FITS_COMMAND, AUCTION_ORDERS, ENDING_WITH_THE_DAY = 0, 1, 2
"""Which orders a walk takes off: those that the mass cancel in hand names, those of auctions, these and DAY orders."""


@inner
def fits(state: Any, command: Any, slot: int) -> bool:
    """Does the order fit the filters of the mass cancel, but for account and instrument?"""
    order, flags = state["orders"][slot], command["flags"]
    if flags & BY_SESSION and order["session"] != command["session"]:
        return False
    if flags & BY_SIDE and order["side"] != command["side"]:
        return False
    return not flags & BY_PRICE or command["price"] <= standing_price(state, slot) <= command["stop_price"]


@inner
def sweep_away(state: Any, command: Any, instrument: int, which: int) -> int:
    """Cancel the instrument's orders that ``which`` says, in the order of the walk; how many."""
    count = 0
    for side in range(2):
        count += _side(state, command, state["instruments"][instrument], side, which)
    if which != AUCTION_ORDERS:
        for side in range(1, -1, -1):
            count += _side(state, command, state["triggers"][instrument], side, which)
        for listed in (TRAILING, AON, CLOSE, PEGGED):
            count += _waiting(state, command, instrument, listed, which)
    return count


@inner
def _reason(state: Any, command: Any, slot: int, which: int) -> int:
    """Why the order is to go, or 0."""
    if which == FITS_COMMAND:
        return CANCELLED_BY_MASS_CANCEL if fits(state, command, slot) else 0
    validity = state["orders"][slot]["time_in_force"]
    if validity in (AT_OPEN, AT_CLOSE):
        return AUCTION_ENDED
    return DAY_ENDED if which == ENDING_WITH_THE_DAY and validity == DAY else 0


@inner
def _side(state: Any, command: Any, book: Any, side: int, which: int) -> int:
    """All levels of one side. Where a partner went too, any level may be gone: then the side is begun again."""
    count, number = 0, int64(book["levels"][side])
    while number:
        behind = int64(next_level(state, book, number))
        taken, linked = _level(state, command, number, which)
        count += taken
        number = int64(book["levels"][side]) if linked else behind
    return count


@inner
def _level(state: Any, command: Any, number: int, which: int) -> Any:
    """The orders of one level, up to one that had a partner: how many were taken off, and was there such a one?"""
    level, count = level_at(state, number), 0
    slot = first_of(level)
    while slot != NO_ORDER:
        following, reason = after(state, level, slot), _reason(state, command, slot, which)
        if reason:
            count += 1
            if take_off(state, command, slot, reason):
                return count, True
        slot = following
    return count, False


@inner
def _waiting(state: Any, command: Any, instrument: int, listed: int, which: int) -> int:
    """Orders on a list that stand nowhere."""
    count, slot = 0, first_listed(state, instrument, listed)
    while slot != NO_ORDER:
        following = next_listed(state, slot)
        reason = _reason(state, command, slot, which) if state["extras"][slot]["where"] == NOWHERE else 0
        if reason:
            count += 1
            if take_off(state, command, slot, reason):
                following = first_listed(state, instrument, listed)
        slot = following
    return count
