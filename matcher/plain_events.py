"""The events of plain orders, whole words at a time. ``matcher/emit.py`` writes all others, and says how an event is written.

The small fields of an event lie as the same fields of an order and a command do, so three of them go over in one word.
All that an event says is loaded before any of it is stored: the compiler cannot know that the event is not the order.
"""

from typing import Any

from matcher.emit import LAST, make_room
from shm.atomics import address_of, int64, record_at
from shm.inner import laid_in
from shm.records import RECORD_BYTES, EventKind

ACCEPTED, TRADE = int64(EventKind.ACCEPTED), int64(EventKind.TRADE)
CANCELLED, REPLACED = int64(EventKind.CANCELLED), int64(EventKind.REPLACED)
WHAT, LOW = 0xFFFFFF, 0xFFFFFFFF
"""Masks: side, type and time in force of an order, first byte first; an i4 in the lower half of a word."""


@laid_in
def accepted(state: Any, command: Any, flags: int) -> None:
    """The order is in."""
    ids = command["order_id"], command["client_order_id"], 0, 0
    owners = int64(command["account"]), 0, int64(command["instrument"])
    what, price, quantity = _what(command, command["self_trade_rule"]), command["price"], command["quantity"]
    _write(state, command, ACCEPTED, int64(flags) << 16, ids, owners, what, (price, quantity, quantity, 0))


@laid_in
def traded(state: Any, command: Any, order: Any, resting: Any, price: int, quantity: int) -> None:
    """``order`` took ``quantity`` from ``resting``; the leaves of both are already what is left."""
    ids = order["order_id"], order["client_order_id"], resting["order_id"], resting["client_order_id"]
    owners = int64(order["account"]), int64(resting["account"]), int64(order["instrument"])
    numbers = price, quantity, order["leaves"], resting["leaves"]
    _write(state, command, TRADE, 0, ids, owners, _what(order, order["special"]), numbers)


@laid_in
def cancelled(state: Any, command: Any, order: Any, price: int, reason: int) -> None:
    """All that the order has left is taken off: the last event of its command."""
    verdict = int64(reason) | LAST << 16
    _write_about(state, command, CANCELLED, verdict, order, price, order["leaves"], int64(0))


@laid_in
def replaced(state: Any, command: Any, order: Any, flags: int) -> None:
    """The order has the command's price now, and the quantity and leaves that are in it."""
    verdict = int64(flags) << 16
    _write_about(state, command, REPLACED, verdict, order, command["price"], order["quantity"], order["leaves"])


@laid_in
def _write_about(state: Any, command: Any, kind: int, verdict: int, order: Any, price: int, quantity: int, leaves: int) -> None:
    """An event about one ``order`` alone."""
    ids = order["order_id"], order["client_order_id"], 0, 0
    owners = int64(order["account"]), 0, int64(order["instrument"])
    _write(state, command, kind, verdict, ids, owners, _what(order, order["special"]), (price, quantity, leaves, 0))


@laid_in
def _what(record: Any, fourth: int) -> Any:
    """Side, type and time in force in one load: the compiler makes one of four bytes that lie together, not of three."""
    what = int64(record["side"]) | int64(record["type"]) << 8 | int64(record["time_in_force"]) << 16 | int64(fourth) << 24
    return what & WHAT


@laid_in
def _write(state: Any, command: Any, kind: int, verdict: int, ids: Any, owners: Any, what: int, numbers: Any) -> None:
    """The next event, all of it. ``verdict``: reason | flags << 16; ``owners``: account, resting account, instrument."""
    sequence = state["event_sequence"] + 1
    state["event_sequence"] = sequence
    address = state["events_slots"] + (sequence & state["events_mask"]) * RECORD_BYTES
    if sequence > state["room_through"] and not make_room(state, command, sequence):
        address = address_of(state["scratch"], 0)
    event = record_at(address, state["words_like"][0])
    index, session, request_id = sequence - state["opened"] - 1, int64(command["session"]) & LOW, command["request_id"]
    command_sequence, time_ns, commander = command["sequence"], command["time_ns"], int64(command["account"]) << 32
    event["sequence"], event["command_sequence"], event["time_ns"] = sequence, command_sequence, time_ns
    event["order_id"], event["client_order_id"] = ids[0], ids[1]
    event["resting_order_id"], event["resting_client_order_id"] = ids[2], ids[3]
    event["accounts"] = owners[0] | owners[1] << 32
    event["price"], event["quantity"], event["leaves"], event["resting_leaves"] = numbers
    event["instrument_index"] = owners[2] | index << 32
    event["session_what"] = session | kind << 32 | what << 40
    event["verdict"], event["request_id"] = verdict | commander, request_id
