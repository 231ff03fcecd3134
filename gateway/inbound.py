"""From the socket to the ring: frames are taken in, hot messages decoded straight into the ``orders`` ring.

What is not hot, or not right, stops the kernel at its offset: Python deals with it and calls again. A message refused drops
the rest of its frame, because the length of what is wrong cannot be trusted.
"""

from typing import Any, Final

from numba import njit

from gateway.layout import IDENTITY_BYTES, NOBODY, Outcome
from gateway.zmqlib import DONTWAIT, RCVMORE, zmq_getsockopt, zmq_recv
from pinion.protocol import FORMS, HEADER_BYTES, SERVER_KINDS_FROM, VERSION, Kind, MassCancelFlag
from shm.atomics import address_of, record_at
from shm.reasons import Reason
from shm.records import NO_INSTRUMENT, CommandKind, OrderFlag
from shm.ring import can_write, publish

FRAMES_A_SLICE: Final = 64
UNPUBLISHED: Final = 64
"""A long frame is published in such steps: riskd may begin while the rest is decoded."""

DONE: Final = -1
IDLE, SLICE, FULL, COLD, REFUSED = (int(outcome) for outcome in Outcome)
_NEW_ORDER, _CANCEL, _REPLACE, _MASS_CANCEL, _REDUCE = map(
    int, (Kind.NEW_ORDER, Kind.CANCEL, Kind.REPLACE, Kind.MASS_CANCEL, Kind.REDUCE)
)
_LAST_COLD, _LAST_HOT, _SERVER = int(Kind.RESEND_REQUEST), int(Kind.REDUCE), SERVER_KINDS_FROM
_NEW, _CANCEL_COMMAND, _REPLACE_COMMAND, _MASS, _REDUCE_COMMAND = map(
    int, (CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE, CommandKind.MASS_CANCEL, CommandKind.REDUCE)
)
_IS_EXTENDED: Final = int(OrderFlag.EXTENDED)
_UNKNOWN_FILTERS: Final = 0xFFFF & ~int(MassCancelFlag.BY_SESSION | MassCancelFlag.BY_SIDE | MassCancelFlag.BY_PRICE)
_MALFORMED, _VERSION, _UNKNOWN, _LENGTH = map(
    int, (Reason.MALFORMED_FRAME, Reason.UNSUPPORTED_VERSION, Reason.UNKNOWN_MESSAGE, Reason.WRONG_LENGTH)
)
_SERVER_ONLY, _NOT_LOGGED_ON, _NOT_AVAILABLE, _READ_ONLY = map(
    int, (Reason.SERVER_ONLY_MESSAGE, Reason.NOT_LOGGED_ON, Reason.NOT_AVAILABLE, Reason.READ_ONLY)
)
_LENGTHS: Final = tuple(min(FORMS[Kind(kind)]) if kind in FORMS else 0 for kind in range(_LAST_HOT + 1))
"""Bytes of each kind's plain form that a client may send; 0 where there is none."""
_LONG: Final = tuple(max(FORMS[Kind(kind)]) if kind in FORMS else 0 for kind in range(_LAST_HOT + 1))
"""Bytes of its longer form, if it has one, else of the plain one."""


@njit(cache=True)
def receive(state: Any, orders: Any) -> int:
    """Take in up to FRAMES_A_SLICE frames. The Outcome; ``handled`` grows by the messages."""
    outcome = SLICE
    for _ in range(FRAMES_A_SLICE):
        if state["offset"] >= state["frame_bytes"]:
            outcome = _next_frame(state)
            if outcome != DONE:
                break
        outcome = _read_frame(state, orders)
        _publish(state, orders)
        if outcome != DONE:
            break
    return SLICE if outcome == DONE else outcome


@njit(cache=True)
def session_of(state: Any, identity: Any, identity_bytes: int) -> int:
    """The place of the session of this routing id, or NOBODY."""
    index, sessions = state["index"], state["sessions"]
    key = key_of(identity, identity_bytes)
    at = key & (index.shape[0] - 1)
    while index[at] != NOBODY:
        session = sessions[index[at]]
        alike = session["key"] == key and session["identity_bytes"] == identity_bytes
        if alike and _same(session["identity"], identity, identity_bytes):
            return int(index[at])
        at = (at + 1) & (index.shape[0] - 1)
    return NOBODY


@njit(cache=True)
def key_of(identity: Any, identity_bytes: int) -> int:
    """32 bits that stand for a routing id: FNV-1a, in steps that 64 bits hold."""
    key = 0x811C9DC5
    for k in range(identity_bytes):
        key = ((key ^ int(identity[k])) * 0x01000193) & 0xFFFFFFFF
    return key


@njit(cache=True)
def _same(one: Any, other: Any, count: int) -> bool:
    for k in range(count):
        if one[k] != other[k]:
            return False
    return True


@njit(cache=True)
def _next_frame(state: Any) -> int:
    """Take the next frame from the socket; DONE, or IDLE, or REFUSED when it is more than one part or too long."""
    socket, identity = state["socket"], state["identity"]
    got = zmq_recv(socket, address_of(identity, 0), IDENTITY_BYTES, DONTWAIT)
    if got < 0:
        return IDLE
    state["identity_bytes"] = got
    length = zmq_recv(socket, address_of(state["frame"], 0), state["frame"].shape[0], DONTWAIT)
    parts = 1 + _drop_rest(state, socket)
    state["frames_in"] += 1
    state["offset"], state["frame_bytes"] = 0, length
    state["session"] = session_of(state, identity, got)
    if state["session"] != NOBODY:
        state["sessions"][state["session"]]["heard"] = 1
    if parts > 1 or length > state["frame"].shape[0] or length == 0:
        return _refuse(state, _MALFORMED)
    return DONE


@njit(cache=True)
def _drop_rest(state: Any, socket: int) -> int:
    """Read away what follows the frame's one part; how many parts that was."""
    option, dropped = state["option"], 0
    while True:
        option[0], option[1] = 0, 4
        zmq_getsockopt(socket, RCVMORE, address_of(option, 0), address_of(option, 1))
        if option[0] == 0:
            return dropped
        zmq_recv(socket, address_of(option, 0), 0, DONTWAIT)
        dropped += 1


@njit(cache=True)
def _read_frame(state: Any, orders: Any) -> int:
    """Decode messages from ``offset`` on; DONE at the frame's end, else why not."""
    base = address_of(state["frame"], 0)
    while state["offset"] < state["frame_bytes"]:
        outcome = _read_message(state, orders, base + state["offset"])
        if outcome != DONE:
            return outcome
        if state["sequence"] - state["published"] >= UNPUBLISHED:
            _publish(state, orders)
    return DONE


@njit(cache=True)
def _read_message(state: Any, orders: Any, address: int) -> int:
    left = state["frame_bytes"] - state["offset"]
    if left < HEADER_BYTES:
        return _refuse(state, _MALFORMED)
    header = record_at(address, state["header"][0])
    kind = int(header["kind"])
    reason = _check(header, kind, left)
    if reason != 0:
        return _refuse(state, reason)
    if kind <= _LAST_COLD:
        state["handled"] += 1
        return COLD
    if state["session"] == NOBODY or header["token"] != state["sessions"][state["session"]]["token"]:
        return _refuse(state, _NOT_LOGGED_ON)
    if state["sessions"][state["session"]]["copy"] != NOBODY:
        return _refuse(state, _READ_ONLY)
    if state["refusing"] != 0:
        return _refuse(state, state["refusing"])
    return _take_order(state, orders, kind, int(header["length"]), address)


@njit(cache=True)
def _check(header: Any, kind: int, left: int) -> int:
    """0, or the reason why this is no message of this version from a client. ``left`` bytes remain in the frame."""
    if header["version"] != VERSION:
        return _VERSION
    if kind >= _SERVER:
        return _SERVER_ONLY
    if kind > _LAST_HOT or _LENGTHS[kind] == 0:
        return _UNKNOWN
    if header["length"] != _LENGTHS[kind] and header["length"] != _LONG[kind]:
        return _LENGTH
    return _MALFORMED if header["length"] > left else 0


@njit(cache=True)
def _take_order(state: Any, orders: Any, kind: int, length: int, address: int) -> int:
    """Write a hot message into the next slot of the ring, if there is room."""
    sequence = state["sequence"] + 1
    if not can_write(orders, sequence):
        return FULL
    slot = orders["slots"][sequence & (orders["slots"].shape[0] - 1)]
    if length != _LENGTHS[kind]:
        reason = _fill_extended(state, slot, sequence, kind, address)
        if reason != 0:
            return _refuse(state, reason)
    elif kind == _NEW_ORDER:
        message = record_at(address, state["new_order"][0])
        if message["reserved"][0] != 0 or message["reserved"][1] != 0:
            return _refuse(state, _NOT_AVAILABLE)
        _open(state, slot, _NEW, sequence, message["client_order_id"], message["request_id"], message["instrument"])
        _fill(slot, message["price"], message["quantity"], message["side"], message["type"], message["time_in_force"])
    elif kind == _CANCEL:
        cancel = record_at(address, state["cancel"][0])
        _open(state, slot, _CANCEL_COMMAND, sequence, cancel["client_order_id"], cancel["request_id"], NO_INSTRUMENT)
        _fill(slot, 0, 0, 0, 0, 0)
    elif kind == _REPLACE:
        replace = record_at(address, state["replace"][0])
        _open(state, slot, _REPLACE_COMMAND, sequence, replace["client_order_id"], replace["request_id"], NO_INSTRUMENT)
        _fill(slot, replace["price"], replace["quantity"], 0, 0, 0)
    elif kind == _MASS_CANCEL:
        mass = record_at(address, state["mass_cancel"][0])
        _open(state, slot, _MASS, sequence, 0, mass["request_id"], mass["instrument"])
        _fill(slot, 0, 0, 0, 0, 0)
    else:
        reduce = record_at(address, state["reduce"][0])
        _open(state, slot, _REDUCE_COMMAND, sequence, reduce["client_order_id"], reduce["request_id"], NO_INSTRUMENT)
        _fill(slot, 0, reduce["quantity"], 0, 0, 0)
    state["sequence"] = sequence
    state["offset"] += length
    state["handled"] += 1
    state["messages_in"] += 1
    return DONE


@njit(cache=True)
def _fill_extended(state: Any, slot: Any, sequence: int, kind: int, address: int) -> int:
    """The slot of a message in the longer form of its kind; 0, or the reason why not, the slot then being as good as empty."""
    if kind == _NEW_ORDER:
        order = record_at(address, state["new_order_extended"][0])
        _open(state, slot, _NEW, sequence, order["client_order_id"], order["request_id"], order["instrument"])
        _fill(slot, order["price"], order["quantity"], order["side"], order["type"], order["time_in_force"])
        _fill_terms(slot, order)
        return 0
    if kind == _REPLACE:
        replace = record_at(address, state["replace_extended"][0])
        _open(state, slot, _REPLACE_COMMAND, sequence, replace["client_order_id"], replace["request_id"], NO_INSTRUMENT)
        _fill(slot, replace["price"], replace["quantity"], 0, 0, 0)
        slot["stop_price"] = replace["stop_price"]
        return 0
    mass = record_at(address, state["mass_cancel_extended"][0])
    if mass["flags"] & _UNKNOWN_FILTERS != 0:
        return _NOT_AVAILABLE
    _open(state, slot, _MASS, sequence, 0, mass["request_id"], mass["instrument"])
    _fill(slot, mass["lowest_price"], 0, mass["side"], 0, 0)
    slot["stop_price"], slot["flags"] = mass["highest_price"], mass["flags"]
    return 0


@njit(cache=True)
def _fill_terms(slot: Any, order: Any) -> None:
    """What only an extended order has. Two fields that riskd fills carry what it needs for that (see shm/records.py)."""
    slot["order_id"], slot["time_ns"] = order["linked_client_order_id"], order["step"]
    slot["stop_price"], slot["display_quantity"] = order["stop_price"], order["display_quantity"]
    slot["expiry_ns"], slot["minimum_quantity"] = order["expiry_ns"], order["minimum_quantity"]
    slot["self_trade_rule"], slot["self_trade_group"] = order["self_trade_rule"], order["self_trade_group"]
    slot["flags"] = order["flags"] | _IS_EXTENDED


@njit(cache=True)
def _open(state: Any, slot: Any, kind: int, sequence: int, client_order_id: int, request_id: int, instrument: int) -> None:
    """Who asks for what. The account and session are the logon's: a message cannot name another's."""
    session = state["sessions"][state["session"]]
    slot["sequence"], slot["time_ns"], slot["order_id"] = 0, 0, 0
    slot["client_order_id"], slot["request_id"] = client_order_id, request_id
    slot["origin_sequence"] = sequence
    slot["account"], slot["session"], slot["instrument"] = session["account"], session["number"], instrument
    slot["verdict"], slot["origin"], slot["kind"] = 0, state["origin"], kind


@njit(cache=True)
def _fill(slot: Any, price: int, quantity: int, side: int, type_: int, time_in_force: int) -> None:
    """The body, in wire units; every byte of it, since the slot held something else before."""
    slot["price"], slot["quantity"] = price, quantity
    slot["side"], slot["type"], slot["time_in_force"] = side, type_, time_in_force
    slot["stop_price"], slot["display_quantity"], slot["expiry_ns"], slot["minimum_quantity"] = 0, 0, 0, 0
    slot["self_trade_rule"], slot["self_trade_group"] = 0, 0
    slot["flags"], slot["step"], slot["linked"] = 0, 0, 0


@njit(cache=True)
def _refuse(state: Any, reason: int) -> int:
    state["reason"] = reason
    state["handled"] += 1
    return REFUSED


@njit(cache=True)
def _publish(state: Any, orders: Any) -> None:
    if state["sequence"] > state["published"]:
        publish(orders, state["sequence"])
        state["published"] = state["sequence"]
