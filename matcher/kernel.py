"""The matcher's loop: commands in, events out, nothing else. No clock, no socket, no file, no log.

``run`` is the entry. It takes the state and the two rings, one record each, and handles a bounded slice.
"""

from typing import Any

import numpy as np
from numba import njit

from matcher.emit import plain, publish_events, rejected
from matcher.layout import WORST
from matcher.match import SLOT_MASK, cancel, enter, replace, take_off
from shm.atomics import prefetch, trailing_zeros
from shm.patience import NO_MORE, next_round
from shm.reasons import Reason
from shm.records import NO_INSTRUMENT, CommandKind, EventKind
from shm.ring import published, release
from shm.ring_layout import UNPUBLISHED_BOUND

ABORTED = -1
NEW, CANCEL = int(CommandKind.NEW), int(CommandKind.CANCEL)
REPLACE, MASS_CANCEL = int(CommandKind.REPLACE), int(CommandKind.MASS_CANCEL)
INSTRUMENT, ACCOUNT = int(CommandKind.INSTRUMENT), int(CommandKind.ACCOUNT)
SNAPSHOT, CLOCK = int(CommandKind.SNAPSHOT), int(CommandKind.CLOCK)
INSTRUMENT_DEFINED, ACCOUNT_DEFINED = int(EventKind.INSTRUMENT_DEFINED), int(EventKind.ACCOUNT_DEFINED)
MASS_CANCELLED = int(EventKind.MASS_CANCELLED)
UNKNOWN_COMMAND, ACCOUNT_NOT_DEFINED = int(Reason.UNKNOWN_COMMAND), int(Reason.ACCOUNT_NOT_DEFINED)
INSTRUMENT_ALREADY_DEFINED = int(Reason.INSTRUMENT_ALREADY_DEFINED)
INSTRUMENT_BEYOND_BOUND = int(Reason.INSTRUMENT_BEYOND_BOUND)
ACCOUNT_BEYOND_BOUND = int(Reason.ACCOUNT_BEYOND_BOUND)
CANCELLED_BY_MASS_CANCEL = int(Reason.CANCELLED_BY_MASS_CANCEL)
FAR, NEAR = 16, 8
"""How many commands ahead the order, and then its neighbours, are fetched into cache."""

assert (SNAPSHOT, CLOCK) == (EventKind.SNAPSHOT_TAKEN, EventKind.CLOCK)  # their events bear the command's number


@njit(cache=True)
def run(state: Any, commands: Any, events: Any, bound: int) -> int:
    """Handle at most ``bound`` of the commands at hand; how many it was, or ABORTED when the hook said stop.

    Events are published, and commands released, at least every 128: readers see a batch at once, riskd gets its room back.
    """
    done = state["command_sequence"]
    last = min(published(commands), done + bound)
    handled = last - done
    while done < last:
        batch = min(last, done + UNPUBLISHED_BOUND)
        for sequence in range(done + 1, batch + 1):
            _look_ahead(state, commands, sequence, last)
            _handle(state, events, commands["slots"][sequence & (commands["slots"].shape[0] - 1)])
        publish_events(state, events)
        if state["aborted"]:
            return ABORTED
        release(commands, state["reader"], batch)
        done = batch
    return handled


@njit(cache=True)
def run_patiently(states: Any, commands: Any, events: Any, patiences: Any, bound: int) -> int:
    """``run``, again and again as long as ``shm.patience`` says, until ``bound`` commands are handled.

    Takes arrays of one record each, which Python hands over in a tenth of the time (see ``shm.segment``).
    """
    handled, left = 0, patiences[0]["rounds"]
    while handled < bound and left != NO_MORE:
        did = run(states[0], commands[0], events[0], bound)
        if did == ABORTED:
            return ABORTED
        handled += did
        left = next_round(patiences[0], did, left)
    return handled


@njit(cache=True)
def _handle(state: Any, events: Any, command: Any) -> None:
    state["opened"] = state["event_sequence"]
    kind = command["kind"]
    if command["verdict"] != 0:
        rejected(state, events, command, command["verdict"])
    elif kind == NEW:
        enter(state, events, command)
    elif kind == CANCEL:
        cancel(state, events, command)
    elif kind == REPLACE:
        replace(state, events, command)
    else:
        _handle_rare(state, events, command)
    state["command_sequence"] = command["sequence"]


@njit(cache=True)
def _handle_rare(state: Any, events: Any, command: Any) -> None:
    kind = command["kind"]
    if kind == MASS_CANCEL:
        mass_cancel(state, events, command)
    elif kind == INSTRUMENT:
        define_instrument(state, events, command)
    elif kind == ACCOUNT:
        define_account(state, events, command)
    elif kind in (SNAPSHOT, CLOCK):
        plain(state, events, command, kind, 0)
    else:
        rejected(state, events, command, UNKNOWN_COMMAND)


@njit(cache=True)
def mass_cancel(state: Any, events: Any, command: Any) -> None:
    """Cancel the account's orders, oldest first, of one instrument or of all."""
    account = command["account"]
    if account < 0 or account >= state["accounts"].shape[0] or not state["accounts"][account]["defined"]:
        rejected(state, events, command, ACCOUNT_NOT_DEFINED)
        return
    count, block = 0, state["accounts"][account]["first"]
    while block:
        following = state["blocks"][block]["following"]
        count += _cancel_block(state, events, command, block)
        block = following
    plain(state, events, command, MASS_CANCELLED, count)


@njit(cache=True)
def _cancel_block(state: Any, events: Any, command: Any, block: int) -> int:
    count, page = 0, state["blocks"][block]
    live = np.uint64(page["live"])
    while live:
        slot = page["orders"][trailing_zeros(live)]
        if command["instrument"] == NO_INSTRUMENT or command["instrument"] == state["orders"][slot]["instrument"]:
            take_off(state, events, command, slot, CANCELLED_BY_MASS_CANCEL, 0)
            count += 1
        live &= live - np.uint64(1)
    return count


@njit(cache=True)
def define_instrument(state: Any, events: Any, command: Any) -> None:
    """From now on the instrument has a book. Its sizes are riskd's business: here are only ticks and lots."""
    instrument = command["instrument"]
    if instrument < 0 or instrument >= state["instruments"].shape[0]:
        rejected(state, events, command, INSTRUMENT_BEYOND_BOUND)
        return
    book = state["instruments"][instrument]
    if book["defined"]:
        rejected(state, events, command, INSTRUMENT_ALREADY_DEFINED)
        return
    book["defined"] = 1
    book["best"][0], book["best"][1] = WORST, WORST
    plain(state, events, command, INSTRUMENT_DEFINED, 0)


@njit(cache=True)
def define_account(state: Any, events: Any, command: Any) -> None:
    """From now on the account may have orders; a second definition changes limits, which are riskd's."""
    account = command["account"]
    if account < 0 or account >= state["accounts"].shape[0]:
        rejected(state, events, command, ACCOUNT_BEYOND_BOUND)
        return
    state["accounts"][account]["defined"] = 1
    plain(state, events, command, ACCOUNT_DEFINED, 0)


@njit(cache=True)
def _look_ahead(state: Any, commands: Any, sequence: int, last: int) -> None:
    """Fetch what commands further on will touch. It reads nothing that matters: no result depends on it."""
    slots = commands["slots"]
    mask = slots.shape[0] - 1
    if sequence + FAR <= last:
        slot = slots[(sequence + FAR) & mask]["order_id"] & SLOT_MASK
        if slot < state["orders"].shape[0]:
            prefetch(state["orders"], slot)
    if sequence + NEAR <= last:
        order_id = slots[(sequence + NEAR) & mask]["order_id"]
        slot = order_id & SLOT_MASK
        if slot < state["orders"].shape[0] and state["orders"][slot]["order_id"] == order_id:
            _fetch_neighbours(state, state["orders"][slot])


@njit(cache=True)
def _fetch_neighbours(state: Any, order: Any) -> None:
    prefetch(state["levels"], order["level"])
    prefetch(state["blocks"], order["place"] >> 4)
    prefetch(state["orders"], order["following"])
    prefetch(state["orders"], order["preceding"])
