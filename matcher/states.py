"""What an instrument is told: that it exists, its rules, its state and what entering that causes."""

from typing import Any

from matcher.auction import is_auction, is_crossed, uncross
from matcher.emit import plain, rejected
from matcher.ending import enrol_once
from matcher.incoming import CLOSE, go
from matcher.layout import NO_ORDER, RANKS, WORST
from matcher.lists import delist, first_listed
from matcher.pegs import park_pegs
from matcher.settle import TRIGGERED
from matcher.tell import about_instrument, told
from matcher.walk import AUCTION_ORDERS, ENDING_WITH_THE_DAY, sweep_away
from matcher.watch import CONTINUOUS, note_special, on_price, open_watch, touch
from shm.atomics import int64
from shm.inner import inner
from shm.reasons import Reason
from shm.records import EventKind, InstrumentState, Policy

CLOSING_AUCTION, CLOSED = int64(InstrumentState.CLOSING_AUCTION), int64(InstrumentState.CLOSED)
PRO_RATA = int64(Policy.PRO_RATA)
INSTRUMENT_DEFINED, RULES_SET = int64(EventKind.INSTRUMENT_DEFINED), int64(EventKind.RULES_SET)
STATE_CHANGED = int64(EventKind.STATE_CHANGED)
INSTRUMENT_ALREADY_DEFINED = int64(Reason.INSTRUMENT_ALREADY_DEFINED)
INSTRUMENT_BEYOND_BOUND = int64(Reason.INSTRUMENT_BEYOND_BOUND)
INSTRUMENT_NOT_DEFINED, RULES_DISAGREE = int64(Reason.INSTRUMENT_NOT_DEFINED), int64(Reason.RULES_DISAGREE)
UNKNOWN_STATE, COMMANDED = int64(Reason.UNKNOWN_STATE), int64(Reason.COMMANDED)


@inner
def has_book(state: Any, instrument: int) -> bool:
    """Is it the number of an instrument that was defined?"""
    return 0 <= instrument < state["instrument_bound"] and state["instruments"][instrument]["defined"] != 0


@inner
def define_instrument(state: Any, command: Any) -> None:
    """From now on the instrument has a book. Its sizes are riskd's business: here are only ticks and lots."""
    instrument = command["instrument"]
    if instrument < 0 or instrument >= state["instrument_bound"]:
        rejected(state, command, INSTRUMENT_BEYOND_BOUND)
        return
    book = state["instruments"][instrument]
    if book["defined"]:
        rejected(state, command, INSTRUMENT_ALREADY_DEFINED)
        return
    book["defined"] = 1
    book["best"][0], book["best"][1] = WORST, WORST
    open_watch(state, instrument)
    plain(state, command, INSTRUMENT_DEFINED, 0)


@inner
def set_rules(state: Any, command: Any) -> None:
    """RULES: all of an instrument's rules at once. See RULES_COMMAND for what the fields of the command mean here."""
    instrument = int64(command["instrument"])
    if not has_book(state, instrument):
        rejected(state, command, INSTRUMENT_NOT_DEFINED)
        return
    rules = state["rules"][instrument]
    if _rules_disagree(command) or (command["type"] != rules["policy"] and _has_orders(state, instrument)):
        rejected(state, command, RULES_DISAGREE)
        return
    rules["reference_price"], rules["dynamic_collar"] = command["price"], command["stop_price"]
    rules["static_low"], rules["static_high"] = command["quantity"], command["display_quantity"]
    rules["minimum_allocation"], rules["policy"] = command["minimum_quantity"], command["type"]
    rules["flags"] = command["flags"] & 0xFF
    about_instrument(state, command, RULES_SET, instrument, 0, 0, (0, 0, 0))
    touch(state, instrument)


@inner
def _rules_disagree(command: Any) -> bool:
    prices = (command["price"], command["stop_price"], command["quantity"], command["display_quantity"])
    for price in prices:
        if price < 0 or price >= RANKS:
            return True
    low, high = command["quantity"], command["display_quantity"]
    return (high != 0 and low > high) or command["minimum_quantity"] < 0 or command["type"] > PRO_RATA


@inner
def _has_orders(state: Any, instrument: int) -> bool:
    book, triggers, heads = state["instruments"][instrument], state["triggers"][instrument], state["rules"][instrument]["heads"]
    waiting = 0
    for which in range(heads.shape[0]):
        waiting |= heads[which]
    return book["count"][0] + book["count"][1] + triggers["count"][0] + triggers["count"][1] + waiting != 0


@inner
def set_state(state: Any, command: Any) -> None:
    """STATE: the instrument does from now on what the state says; entering it may uncross, cancel, or bring orders in."""
    instrument, entered = int64(command["instrument"]), int64(command["type"])
    if not has_book(state, instrument):
        rejected(state, command, INSTRUMENT_NOT_DEFINED)
        return
    if entered > CLOSED:
        rejected(state, command, UNKNOWN_STATE)
        return
    book, rules = state["instruments"][instrument], state["rules"][instrument]
    left = int64(book["state"])
    touch(state, instrument)
    book["state"] = entered
    rules["told_price"], rules["told_volume"], rules["told_imbalance"], rules["told_side"] = 0, 0, 0, 0
    note_special(state, instrument)
    about_instrument(state, command, STATE_CHANGED, instrument, entered, COMMANDED, (0, 0, 0))
    if left == CONTINUOUS and entered != CONTINUOUS:
        park_pegs(state, command, instrument)
    if entered == CONTINUOUS and left != CONTINUOUS:
        _open(state, command, instrument)
    elif entered == CLOSED:
        if is_auction(left):
            uncross(state, command, instrument)
        sweep_away(state, command, instrument, ENDING_WITH_THE_DAY)
    elif entered == CLOSING_AUCTION:
        _bring_in(state, command, instrument)


@inner
def _open(state: Any, command: Any, instrument: int) -> None:
    """Entering CONTINUOUS: uncross, end what was for the auction alone, then let the last price move and elect stops."""
    if uncross(state, command, instrument):
        state["rules"][instrument]["anchor"] = state["instruments"][instrument]["last_price"]
    sweep_away(state, command, instrument, AUCTION_ORDERS)
    assert not is_crossed(state, instrument)
    last = state["instruments"][instrument]["last_price"]
    if last:
        on_price(state, command, instrument, int64(last))


@inner
def _bring_in(state: Any, command: Any, instrument: int) -> None:
    """Entering the closing auction: the orders that wait for it go into the book."""
    slot = first_listed(state, instrument, CLOSE)
    while slot != NO_ORDER:
        delist(state, slot)
        told(state, command, slot, TRIGGERED, int64(state["extras"][slot]["price"]), 0, False)
        enrol_once(state, slot)
        go(state, command, slot)
        slot = first_listed(state, instrument, CLOSE)
