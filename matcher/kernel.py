"""The matcher's loop: commands in, events out, nothing else. No clock, no socket, no file, no log.

``run`` is the entry. It takes the state, one record that knows where the two rings are, and handles a bounded slice.
"""

from typing import Any

from numba import njit

from matcher.emit import plain, publish_events, rejected
from matcher.layout import TRACKED
from matcher.mass import mass_cancel, tick
from matcher.match import SLOT_MASK, cancel, enter, reduce, replace
from matcher.settle import finish
from matcher.states import define_instrument, set_rules, set_state
from shm.atomics import int64, prefetch, record_at
from shm.inner import inner
from shm.patience import NO_MORE, next_round
from shm.reasons import Reason
from shm.records import RECORD_BYTES, AccountFlag, CommandKind, EventKind
from shm.ring import published, release
from shm.ring_layout import UNPUBLISHED_BOUND

ABORTED = -1
NEW, CANCEL = int64(CommandKind.NEW), int64(CommandKind.CANCEL)
REPLACE, MASS_CANCEL = int64(CommandKind.REPLACE), int64(CommandKind.MASS_CANCEL)
INSTRUMENT, ACCOUNT = int64(CommandKind.INSTRUMENT), int64(CommandKind.ACCOUNT)
SNAPSHOT, CLOCK = int64(CommandKind.SNAPSHOT), int64(CommandKind.CLOCK)
ACCOUNT_DEFINED, TRACK_POSITION = int64(EventKind.ACCOUNT_DEFINED), int64(AccountFlag.TRACK_POSITION)
REDUCE, STATE, RULES = int64(CommandKind.REDUCE), int64(CommandKind.STATE), int64(CommandKind.RULES)
UNKNOWN_COMMAND, ACCOUNT_BEYOND_BOUND = int64(Reason.UNKNOWN_COMMAND), int64(Reason.ACCOUNT_BEYOND_BOUND)
FAR, NEAR = 16, 8
"""How many commands ahead the order, and then its neighbours, are fetched into cache."""

assert (SNAPSHOT, CLOCK) == (EventKind.SNAPSHOT_TAKEN, EventKind.CLOCK)  # their events bear the command's number


@njit(cache=True)
def run(state: Any, bound: int) -> int:
    """Handle at most ``bound`` of the commands at hand; how many it was, or ABORTED when the hook said stop.

    Events are published, and commands released, at least every 128: readers see a batch at once, riskd gets its room back.
    """
    done, words = state["command_sequence"], record_at(state["commands_words"], state["ring_like"][0])
    last = min(published(words), done + bound)
    handled = last - done
    while done < last:
        batch = min(last, done + UNPUBLISHED_BOUND)
        for sequence in range(done + 1, batch + 1):
            _look_ahead(state, sequence, last)
            _handle(state, command_at(state, sequence))
        publish_events(state)
        if state["aborted"]:
            return ABORTED
        release(words, state["reader"], batch)
        done = batch
    return handled


@njit(cache=True)
def run_patiently(states: Any, patiences: Any, bound: int) -> int:
    """``run``, again and again as long as ``shm.patience`` says, until ``bound`` commands are handled.

    Takes arrays of one record each, which Python hands over in a tenth of the time (see ``shm.segment``).
    """
    handled, left = 0, patiences[0]["rounds"]
    while handled < bound and left != NO_MORE:
        did = run(states[0], bound)
        if did == ABORTED:
            return ABORTED
        handled += did
        left = next_round(patiences[0], did, left)
    return handled


@inner
def command_at(state: Any, sequence: int) -> Any:
    """The command of this number, where it lies in the ring."""
    return record_at(command_address(state, sequence), state["command_like"][0])


@inner
def command_address(state: Any, sequence: int) -> int:
    """The address of that slot."""
    return state["commands_slots"] + (sequence & state["commands_mask"]) * RECORD_BYTES


@inner
def _handle(state: Any, command: Any) -> None:
    state["opened"] = state["event_sequence"]
    kind = command["kind"]
    if command["verdict"] != 0:
        rejected(state, command, command["verdict"])
    elif kind == NEW:
        enter(state, command)
    elif kind == CANCEL:
        cancel(state, command)
    elif kind == REPLACE:
        replace(state, command)
    else:
        _handle_rare(state, command)
    state["command_sequence"] = command["sequence"]


@inner
def _handle_rare(state: Any, command: Any) -> None:
    kind = command["kind"]
    if kind == REDUCE:
        reduce(state, command)
    elif kind == MASS_CANCEL:
        mass_cancel(state, command)
    elif kind == INSTRUMENT:
        define_instrument(state, command)
    elif kind == ACCOUNT:
        define_account(state, command)
    elif kind == SNAPSHOT:
        plain(state, command, SNAPSHOT, 0)
    elif kind == CLOCK:
        tick(state, command)
    elif kind == STATE:
        set_state(state, command)
        finish(state, command)
    elif kind == RULES:
        set_rules(state, command)
        finish(state, command)
    else:
        rejected(state, command, UNKNOWN_COMMAND)


@inner
def define_account(state: Any, command: Any) -> None:
    """From now on the account may have orders; a second definition changes limits, which are riskd's."""
    account = command["account"]
    if account < 0 or account >= state["account_bound"]:
        rejected(state, command, ACCOUNT_BEYOND_BOUND)
        return
    state["accounts"][account]["defined"] = TRACKED if command["flags"] & TRACK_POSITION else 1
    plain(state, command, ACCOUNT_DEFINED, 0)


@inner
def _look_ahead(state: Any, sequence: int, last: int) -> None:
    """Fetch what commands further on will touch. It reads nothing that matters: no result depends on it."""
    if sequence + FAR <= last:
        slot = command_at(state, sequence + FAR)["order_id"] & SLOT_MASK
        if slot < state["order_bound"]:
            prefetch(state["orders"], slot)
    if sequence + NEAR <= last:
        order_id = command_at(state, sequence + NEAR)["order_id"]
        slot = order_id & SLOT_MASK
        if slot < state["order_bound"] and state["orders"][slot]["order_id"] == order_id:
            _fetch_neighbours(state, state["orders"][slot])


@inner
def _fetch_neighbours(state: Any, order: Any) -> None:
    prefetch(state["levels"], order["level"])
    prefetch(state["blocks"], order["place"] >> 4)
    prefetch(state["orders"], order["following"])
    prefetch(state["orders"], order["preceding"])
