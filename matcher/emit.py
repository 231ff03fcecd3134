"""Writing events: every byte of every slot, published in batches, and what happens when the ring is full.

An event is *opened* (numbered, common fields written) and then filled in by the caller. What is opened is complete by the
time the next one is opened, or the command is done: only then is it published.
"""

from typing import Any

from numba import njit

from shm.atomics import call_hook, pause, sched_yield
from shm.records import CommandKind, EventFlag, EventKind
from shm.ring import can_write, publish
from shm.ring_layout import GATE, UNPUBLISHED_BOUND

ACCEPTED, REJECTED, TRADE = int(EventKind.ACCEPTED), int(EventKind.REJECTED), int(EventKind.TRADE)
CANCELLED, REPLACED = int(EventKind.CANCELLED), int(EventKind.REPLACED)
LAST = int(EventFlag.LAST)
BODY_KINDS = int(CommandKind.MASS_CANCEL)
_PAUSES, _YIELDS = 64, 16
"""While waiting: so many pauses to a yield, so many yields to a call of the hook."""


@njit(cache=True)
def accepted(state: Any, events: Any, command: Any) -> None:
    """The order is in."""
    event = _open(state, events, command, ACCEPTED, 0)
    _about_command(event, command)
    event["leaves"] = command["quantity"]
    event["reason"] = 0


@njit(cache=True)
def rejected(state: Any, events: Any, command: Any, reason: int) -> None:
    """The command did nothing. Its body comes back as it was sent, where its kind has that layout."""
    event = _open(state, events, command, REJECTED, command["kind"])
    _about_command(event, command)
    if command["kind"] > BODY_KINDS:
        event["price"], event["quantity"] = 0, 0
        event["side"], event["type"], event["time_in_force"] = 0, 0, 0
    event["leaves"] = 0
    event["reason"] = reason


@njit(cache=True)
def plain(state: Any, events: Any, command: Any, kind: int, quantity: int) -> None:
    """The one event, or the last, of a command that is about no single order."""
    event = _open(state, events, command, kind, LAST)
    event["order_id"], event["client_order_id"] = 0, 0
    event["account"], event["instrument"] = command["account"], command["instrument"]
    event["price"], event["quantity"], event["leaves"] = 0, quantity, 0
    event["side"], event["type"], event["time_in_force"] = 0, 0, 0
    event["reason"] = 0
    _no_resting(event)


@njit(cache=True)
def changed(
    state: Any,
    events: Any,
    command: Any,
    order: Any,
    kind: int,
    price: int,
    quantity: int,
    leaves: int,
    reason: int,
    flags: int,
) -> None:
    """CANCELLED or REPLACED: something about one ``order`` alone."""
    event = _open(state, events, command, kind, flags)
    _about_order(event, order)
    _no_resting(event)
    event["price"], event["quantity"], event["leaves"], event["reason"] = price, quantity, leaves, reason


@njit(cache=True)
def traded(state: Any, events: Any, command: Any, order: Any, resting: Any, price: int, quantity: int) -> None:
    """``order`` took ``quantity`` from ``resting``; the leaves of both are already what is left."""
    event = _open(state, events, command, TRADE, 0)
    _about_order(event, order)
    event["resting_order_id"] = resting["order_id"]
    event["resting_client_order_id"] = resting["client_order_id"]
    event["resting_account"] = resting["account"]
    event["price"], event["quantity"], event["reason"] = price, quantity, 0
    event["leaves"], event["resting_leaves"] = order["leaves"], resting["leaves"]


@njit(cache=True)
def mark_last(state: Any, events: Any) -> None:
    """The event written last was the last of its command."""
    sequence = state["event_sequence"]
    if sequence <= state["room_through"]:
        events["slots"][sequence & (events["slots"].shape[0] - 1)]["flags"] = LAST


@njit(cache=True)
def publish_events(state: Any, events: Any) -> None:
    """Show readers all that is written."""
    if state["event_sequence"] > state["suppress_through"] and not state["aborted"]:
        publish(events, state["event_sequence"])


@njit(cache=True)
def _open(state: Any, events: Any, command: Any, kind: int, flags: int) -> Any:
    sequence = state["event_sequence"] + 1
    state["event_sequence"] = sequence
    slots = events["slots"]
    event = slots[sequence & (slots.shape[0] - 1)]
    if sequence > state["room_through"] and not _make_room(state, events, sequence):
        event = state["scratch"][0]
    event["sequence"] = sequence
    event["command_sequence"], event["time_ns"] = command["sequence"], command["time_ns"]
    event["index"] = sequence - state["opened"] - 1
    event["session"], event["request_id"] = command["session"], command["request_id"]
    event["kind"], event["flags"] = kind, flags
    for k in range(4):
        event["pad"][k] = 0
    return event


@njit(cache=True)
def _about_command(event: Any, command: Any) -> None:
    event["order_id"], event["client_order_id"] = command["order_id"], command["client_order_id"]
    event["account"], event["instrument"] = command["account"], command["instrument"]
    event["side"], event["type"] = command["side"], command["type"]
    event["time_in_force"] = command["time_in_force"]
    event["price"], event["quantity"] = command["price"], command["quantity"]
    _no_resting(event)


@njit(cache=True)
def _about_order(event: Any, order: Any) -> None:
    event["order_id"], event["client_order_id"] = order["order_id"], order["client_order_id"]
    event["account"], event["instrument"] = order["account"], order["instrument"]
    event["side"], event["type"] = order["side"], order["type"]
    event["time_in_force"] = order["time_in_force"]


@njit(cache=True)
def _no_resting(event: Any) -> None:
    event["resting_order_id"], event["resting_client_order_id"] = 0, 0
    event["resting_account"], event["resting_leaves"] = 0, 0


@njit(cache=True)
def _make_room(state: Any, events: Any, sequence: int) -> bool:
    """Publish what is complete and see to it that ``sequence`` may be written; False: it goes to nobody."""
    if state["aborted"] or sequence <= state["suppress_through"]:
        return False
    publish(events, sequence - 1)
    if not can_write(events, sequence) and not _wait(state, events, sequence):
        state["aborted"], state["room_through"] = 1, 0
        return False
    gate = events["words"][GATE] + events["slots"].shape[0]
    state["room_through"] = min(gate, sequence - 1 + UNPUBLISHED_BOUND)
    return True


@njit(cache=True)
def _wait(state: Any, events: Any, sequence: int) -> bool:
    """Until the slowest reader has moved on; False when the hook says that the process is stopping."""
    while True:
        if state["hook"] and call_hook(state["hook"]):
            return False
        for _ in range(_YIELDS):
            for _ in range(_PAUSES):
                if can_write(events, sequence):
                    return True
                pause()
            sched_yield()
