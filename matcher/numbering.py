"""Numbers commands as riskd would, for engines that have no riskd before them: a researcher's convenience.

Sequence, slot and order id of a NEW; order id of a CANCEL or REPLACE by (account, client_order_id); the few refusals without
which the numbers would make no sense. It is a riskd without delay: a slot is free, and a name forgotten, as soon as the
command before has been handled. Limits, money and units are not its business.

    NUMBERING      sequence i8, absorbed i8 (last event seen), free_count i8, order_bound i8, entry_mask i8, pad 24; then
    free           u4 by height of the stack: slots not in use, the one freed last on top
    entries        ENTRY, a power of two of them, open addressing: order_id 0 is an empty one

Like the matcher's state it has one layout, as large as the largest may be, and uses as much of it as it was made for.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from matcher.layout import LARGEST
from matcher.slots import event_at, events_words
from matcher.state import reserve
from shm.atomics import int64
from shm.inner import inner
from shm.reasons import Reason
from shm.records import SLOT_BITS, SLOT_BOUND, CommandKind, EventKind, OrderFlag, OrderType, Side, TimeInForce
from shm.ring import published

ENTRY: Final = np.dtype([("order_id", "<i8"), ("client_order_id", "<u8"), ("account", "<i4"), ("pad", "u1", (12,))])
assert ENTRY.itemsize == 32

NEW, CANCEL, REPLACE = int64(CommandKind.NEW), int64(CommandKind.CANCEL), int64(CommandKind.REPLACE)
REDUCE, EXTENDED = int64(CommandKind.REDUCE), int64(OrderFlag.EXTENDED)
LIMIT, PEGGED_MIDDLE = int64(OrderType.LIMIT), int64(OrderType.PEGGED_MIDDLE)
GTC, AT_CLOSE = int64(TimeInForce.GTC), int64(TimeInForce.AT_CLOSE)
REJECTED, TRADE, CANCELLED = int64(EventKind.REJECTED), int64(EventKind.TRADE), int64(EventKind.CANCELLED)
SELL = int64(Side.SELL)
UNKNOWN_SIDE, UNKNOWN_TYPE = int64(Reason.UNKNOWN_SIDE), int64(Reason.UNKNOWN_TYPE)
UNKNOWN_TIME_IN_FORCE = int64(Reason.UNKNOWN_TIME_IN_FORCE)
QUANTITY_NOT_POSITIVE, PRICE_NOT_POSITIVE = int64(Reason.QUANTITY_NOT_POSITIVE), int64(Reason.PRICE_NOT_POSITIVE)
DUPLICATE_CLIENT_ORDER_ID = int64(Reason.DUPLICATE_CLIENT_ORDER_ID)
ORDER_POOL_FULL, UNKNOWN_ORDER = int64(Reason.ORDER_POOL_FULL), int64(Reason.UNKNOWN_ORDER)


NUMBERING: Final = np.dtype(
    [
        ("sequence", "<i8"),
        ("absorbed", "<i8"),
        ("free_count", "<i8"),
        ("order_bound", "<i8"),
        ("entry_mask", "<i8"),
        ("pad", "u1", (24,)),
        ("free", "<u4", (LARGEST.orders,)),
        ("entries", ENTRY, (2 * LARGEST.orders,)),
    ]
)
_HEAD_BYTES: Final = 64


def empty_numbering(orders: int) -> Any:
    """A numbering with ``orders`` slots, every one free, slot 0 on top."""
    numbering = reserve(NUMBERING)[0]
    numbering["free"][:orders] = np.arange(orders - 1, -1, -1)
    numbering["free_count"] = numbering["order_bound"] = orders
    numbering["entry_mask"] = max(2, 1 << (2 * orders - 1).bit_length()) - 1
    return numbering


def used_numbering(numbering: Any) -> list[Any]:
    """What of it is in use, as arrays of bytes: for a snapshot."""
    whole, orders = numbering.base.view(np.uint8), int(numbering["order_bound"])
    assert NUMBERING.fields is not None
    free, entries = NUMBERING.fields["free"][1], NUMBERING.fields["entries"][1]
    entries_end = entries + (int(numbering["entry_mask"]) + 1) * ENTRY.itemsize
    return [whole[:_HEAD_BYTES], whole[free : free + 4 * orders], whole[entries:entries_end]]


@njit(cache=True)
def number(numbering: Any, command: Any) -> None:
    """Complete ``command`` in place."""
    numbering["sequence"] += 1
    command["sequence"] = numbering["sequence"]
    kind = command["kind"]
    if command["verdict"] != 0:
        return
    if kind == NEW:
        _number_new(numbering, command)
    elif kind in (CANCEL, REPLACE, REDUCE):
        at = _find(numbering, command["account"], command["client_order_id"])
        command["order_id"] = numbering["entries"][at]["order_id"]
        if command["order_id"] == 0:
            command["verdict"] = UNKNOWN_ORDER


@njit(cache=True)
def absorb(numbering: Any, state: Any) -> None:
    """Look at the events published since the last time: what is terminal frees its slot and its name."""
    for sequence in range(numbering["absorbed"] + 1, published(events_words(state)) + 1):
        event = event_at(state, sequence)
        if event["kind"] == TRADE:
            if event["leaves"] == 0:
                _forget(numbering, event["account"], event["client_order_id"], event["order_id"])
            if event["resting_leaves"] == 0:
                _forget(numbering, event["resting_account"], event["resting_client_order_id"], event["resting_order_id"])
        elif event["kind"] == CANCELLED or (event["kind"] == REJECTED and event["flags"] == NEW):
            _forget(numbering, event["account"], event["client_order_id"], event["order_id"])
        numbering["absorbed"] = sequence


@inner
def _number_new(numbering: Any, command: Any) -> None:
    if command["flags"] & EXTENDED and command["order_id"] != 0 and not _find_linked(numbering, command):
        command["verdict"] = UNKNOWN_ORDER
        return
    at = _find(numbering, command["account"], command["client_order_id"])
    command["verdict"] = _refusal(numbering, command, numbering["entries"][at]["order_id"])
    if command["verdict"] != 0:
        return
    numbering["free_count"] -= 1
    slot = np.int64(numbering["free"][numbering["free_count"]])
    command["order_id"] = np.int64(command["sequence"]) << SLOT_BITS | slot
    entry = numbering["entries"][at]
    entry["order_id"], entry["client_order_id"] = command["order_id"], command["client_order_id"]
    entry["account"] = command["account"]


@inner
def _find_linked(numbering: Any, command: Any) -> bool:
    """Turn the client order id of the order to link with, in ``order_id``, into its slot; False: there is none."""
    at = _find(numbering, command["account"], np.uint64(command["order_id"]))
    other = numbering["entries"][at]["order_id"]
    command["order_id"] = 0
    command["linked"] = (other & (SLOT_BOUND - 1)) + 1 if other else 0
    return other != 0


@inner
def _refusal(numbering: Any, command: Any, namesake: int) -> int:
    """Why riskd would refuse a NEW, by the numbers alone; 0 when it would not."""
    kind, validity = command["type"], command["time_in_force"]
    if command["side"] > SELL:
        return UNKNOWN_SIDE
    if kind < LIMIT or kind > PEGGED_MIDDLE:
        return UNKNOWN_TYPE
    if validity < GTC or validity > AT_CLOSE:
        return UNKNOWN_TIME_IN_FORCE
    if command["quantity"] <= 0:
        return QUANTITY_NOT_POSITIVE
    if kind == LIMIT and command["price"] <= 0:
        return PRICE_NOT_POSITIVE
    if namesake != 0:
        return DUPLICATE_CLIENT_ORDER_ID
    if numbering["free_count"] == 0:
        return ORDER_POOL_FULL
    return 0


@inner
def _forget(numbering: Any, account: int, client_order_id: int, order_id: int) -> None:
    at = _find(numbering, account, client_order_id)
    if order_id == 0 or numbering["entries"][at]["order_id"] != order_id:
        return
    _remove(numbering, at)
    numbering["free"][numbering["free_count"]] = order_id & (SLOT_BOUND - 1)
    numbering["free_count"] += 1


@inner
def _find(numbering: Any, account: int, client_order_id: int) -> int:
    """Where the name is, or the empty entry where it would be."""
    entries = numbering["entries"]
    mask = numbering["entry_mask"]
    at = _home(account, client_order_id, mask)
    while entries[at]["order_id"] != 0 and (
        entries[at]["client_order_id"] != client_order_id or entries[at]["account"] != account
    ):
        at = (at + 1) & mask
    return at


@inner
def _remove(numbering: Any, at: int) -> None:
    """Empty the entry, moving back those behind it that would no longer be found."""
    entries = numbering["entries"]
    mask = numbering["entry_mask"]
    after = (at + 1) & mask
    while entries[after]["order_id"] != 0:
        home = _home(entries[after]["account"], entries[after]["client_order_id"], mask)
        if (after - home) & mask >= (after - at) & mask:
            entries[at] = entries[after]
            at = after
        after = (after + 1) & mask
    entries[at]["order_id"] = 0


@inner
def _home(account: int, client_order_id: int, mask: int) -> Any:
    """A multiplicative hash (Fibonacci's) in 32-bit halves, so that the sum of products never overflows in Python."""
    low = np.int64(np.uint64(client_order_id) & np.uint64(0xFFFFFFFF))
    high = np.int64(np.uint64(client_order_id) >> np.uint64(32))
    mixed = (low * 0x4F1BBCDD + high * 0x3C6EF372 + np.int64(account) * 0x2545F491) & 0x7FFFFFFFFFFFFFFF
    return (mixed ^ (mixed >> 29)) & mask
