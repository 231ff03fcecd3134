"""The matcher's loop: commands in, events out, nothing else. No clock, no socket, no file, no log.

``run`` is the entry. It takes the state, one record that knows where the two rings are, and handles a bounded slice.
"""

from typing import Any

from numba import njit

from matcher.ahead import look_ahead
from matcher.apart import apart
from matcher.emit import publish_events, rejected
from matcher.long_way import hand_over, take_long_way
from matcher.match import HAND_OVER, LONG_WAY, cancel, enter, replace
from matcher.slots import command_at
from shm.atomics import int64, record_at
from shm.inner import laid_in
from shm.patience import NO_MORE, next_round
from shm.records import CommandKind
from shm.ring import published, release
from shm.ring_layout import UNPUBLISHED_BOUND

ABORTED = -1
NEW, CANCEL = int64(CommandKind.NEW), int64(CommandKind.CANCEL)
REPLACE = int64(CommandKind.REPLACE)


def wire_kernels(state: Any) -> None:
    """Tell the kernels where those are that stand apart, compiling them where this machine never has."""
    apart.wire(state)


@njit(cache=True)
def run(state: Any, bound: int) -> int:
    """Handle at most ``bound`` of the commands at hand; how many it was, or ABORTED when the hook said stop.

    Events are published, and commands released, at least every 128: readers see a batch at once, riskd gets its room back.
    """
    done, words = state["command_sequence"], record_at(state["commands_words"], state["ring_like"][0])
    at_hand = published(words)
    last = min(at_hand, done + bound)
    handled = last - done
    while done < last:
        batch = min(last, done + UNPUBLISHED_BOUND)
        crowded = state["resting"] > state["crowd"]
        for sequence in range(done + 1, batch + 1):
            if crowded:
                look_ahead(state, sequence, at_hand)
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


@laid_in
def _handle(state: Any, command: Any) -> None:
    state["opened"] = state["event_sequence"]
    outcome = _outcome(state, command)
    if outcome > 0:
        rejected(state, command, outcome)
    elif outcome == LONG_WAY:
        take_long_way(state, command)
    elif outcome == HAND_OVER:
        hand_over(state, command)
    state["command_sequence"] = command["sequence"]


@laid_in
def _outcome(state: Any, command: Any) -> int:
    """What came of the command on the plain path: DONE, another way to take, or why it is refused."""
    kind, verdict = command["kind"], command["verdict"]
    if verdict != 0:
        return int64(verdict)
    if kind == NEW:
        return enter(state, command)
    if kind == CANCEL:
        return cancel(state, command)
    if kind == REPLACE:
        return replace(state, command)
    return LONG_WAY
