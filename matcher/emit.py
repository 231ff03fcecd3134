"""Writing events: every byte of every slot, published in batches, and what happens when the ring is full.

An event is *opened* (numbered, common fields written) and then filled in by the caller. What is opened is complete by the
time the next one is opened, or the command is done: only then is it published.
"""

from typing import Any

from numba import boolean, void

from matcher.apart import MAKE_ROOM, apart
from matcher.apart import REJECTED as REJECTED_APART
from matcher.slots import event_at, events_words
from shm.atomics import call_hook, int64, pause, sched_yield
from shm.inner import inner
from shm.records import CommandKind, EventFlag, EventKind
from shm.ring import has_room, publish
from shm.ring_layout import GATE, UNPUBLISHED_BOUND

REJECTED, TRADE = int64(EventKind.REJECTED), int64(EventKind.TRADE)
LAST = int64(EventFlag.LAST)
BODY_KINDS = int64(CommandKind.REDUCE)
_PAUSES, _YIELDS = 64, 16
"""While waiting: so many pauses to a yield, so many yields to a call of the hook."""


@apart(REJECTED_APART, 1, void)
def rejected(state: Any, command: Any, reason: int) -> None:
    """The command did nothing. Its body comes back as it was sent, where its kind has that layout."""
    event = open_event(state, command, REJECTED, command["kind"])
    _about_command(event, command)
    if command["kind"] > BODY_KINDS:
        event["price"], event["quantity"] = 0, 0
        event["side"], event["type"], event["time_in_force"] = 0, 0, 0
    event["leaves"] = 0
    event["reason"] = reason


@inner
def plain(state: Any, command: Any, kind: int, quantity: int) -> None:
    """The one event, or the last, of a command that is about no single order."""
    event = open_event(state, command, kind, LAST)
    event["order_id"], event["client_order_id"] = 0, 0
    event["account"], event["instrument"] = command["account"], command["instrument"]
    event["price"], event["quantity"], event["leaves"] = 0, quantity, 0
    event["side"], event["type"], event["time_in_force"] = 0, 0, 0
    event["reason"] = 0
    no_resting(event)


@inner
def traded(state: Any, command: Any, order: Any, resting: Any, price: int, quantity: int) -> None:
    """``order`` took ``quantity`` from ``resting``; the leaves of both are already what is left."""
    event = open_event(state, command, TRADE, 0)
    about_order(event, order)
    event["resting_order_id"] = resting["order_id"]
    event["resting_client_order_id"] = resting["client_order_id"]
    event["resting_account"] = resting["account"]
    event["price"], event["quantity"], event["reason"] = price, quantity, 0
    event["leaves"], event["resting_leaves"] = order["leaves"], resting["leaves"]


@inner
def mark_last(state: Any) -> None:
    """The event written last was the last of its command."""
    sequence = state["event_sequence"]
    if sequence <= state["room_through"]:
        event_at(state, sequence)["flags"] |= LAST


@inner
def publish_events(state: Any) -> None:
    """Show readers all that is written."""
    if state["event_sequence"] > state["suppress_through"] and not state["aborted"]:
        publish(events_words(state), state["event_sequence"])


@inner
def open_event(state: Any, command: Any, kind: int, flags: int) -> Any:
    """The next event, numbered, with what all kinds have in common; the caller fills in the rest."""
    sequence = state["event_sequence"] + 1
    state["event_sequence"] = sequence
    event = event_at(state, sequence)
    if sequence > state["room_through"] and not make_room(state, command, sequence):
        event = state["scratch"][0]
    event["sequence"] = sequence
    event["command_sequence"], event["time_ns"] = command["sequence"], command["time_ns"]
    event["index"] = sequence - state["opened"] - 1
    event["session"], event["request_id"] = command["session"], command["request_id"]
    event["kind"], event["flags"], event["commander"] = kind, flags, command["account"]
    return event


@inner
def _about_command(event: Any, command: Any) -> None:
    event["order_id"], event["client_order_id"] = command["order_id"], command["client_order_id"]
    event["account"], event["instrument"] = command["account"], command["instrument"]
    event["side"], event["type"] = command["side"], command["type"]
    event["time_in_force"] = command["time_in_force"]
    event["price"], event["quantity"] = command["price"], command["quantity"]
    no_resting(event)


@inner
def about_order(event: Any, order: Any) -> None:
    """Whose order the event is about, and what it is."""
    event["order_id"], event["client_order_id"] = order["order_id"], order["client_order_id"]
    event["account"], event["instrument"] = order["account"], order["instrument"]
    event["side"], event["type"] = order["side"], order["type"]
    event["time_in_force"] = order["time_in_force"]


@inner
def no_resting(event: Any) -> None:
    """The event is about one order alone."""
    event["resting_order_id"], event["resting_client_order_id"] = 0, 0
    event["resting_account"], event["resting_leaves"] = 0, 0


@apart(MAKE_ROOM, 1, boolean)
def make_room(state: Any, command: Any, sequence: int) -> bool:
    """Publish what is complete and see to it that ``sequence`` may be written; False: it goes to nobody."""
    if state["aborted"] or sequence <= state["suppress_through"]:
        return False
    words, capacity = events_words(state), state["events_mask"] + 1
    publish(words, sequence - 1)
    if not has_room(words, capacity, sequence) and not _wait(state, words, capacity, sequence):
        state["aborted"], state["room_through"] = 1, 0
        return False
    gate = words["words"][GATE] + capacity
    state["room_through"] = min(gate, sequence - 1 + UNPUBLISHED_BOUND)
    return True


@inner
def _wait(state: Any, words: Any, capacity: int, sequence: int) -> bool:
    """Until the slowest reader has moved on; False when the hook says that the process is stopping."""
    while True:
        if state["hook"] and call_hook(state["hook"]):
            return False
        for _ in range(_YIELDS):
            for _ in range(_PAUSES):
                if has_room(words, capacity, sequence):
                    return True
                pause()
            sched_yield()
