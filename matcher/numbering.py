"""Numbers commands as riskd would, for engines that have no riskd before them: a researcher's convenience.

Sequence, slot and order id of a NEW; order id of a CANCEL or REPLACE by (account, client_order_id); the few refusals without
which the numbers would make no sense. It is a riskd without delay: a slot is free, and a name forgotten, as soon as the
command before has been handled. Limits, money and units are not its business.

    NUMBERING      sequence i8, absorbed i8 (last event seen), free_count i8, pad 40; then
    free           u4 by height of the stack: slots not in use, the one freed last on top
    entries        ENTRY, a power of two of them, open addressing: order_id 0 is an empty one
"""

from typing import Any, Final

import numpy as np
from numba import njit

from shm.reasons import Reason
from shm.records import SLOT_BITS, SLOT_BOUND, CommandKind, EventKind, OrderType, Side, TimeInForce
from shm.ring import published

ENTRY: Final = np.dtype([("order_id", "<i8"), ("client_order_id", "<u8"), ("account", "<i4"), ("pad", "u1", (12,))])
assert ENTRY.itemsize == 32

NEW, CANCEL, REPLACE = int(CommandKind.NEW), int(CommandKind.CANCEL), int(CommandKind.REPLACE)
LIMIT, MARKET, GTC, IOC = int(OrderType.LIMIT), int(OrderType.MARKET), int(TimeInForce.GTC), int(TimeInForce.IOC)
REJECTED, TRADE, CANCELLED = int(EventKind.REJECTED), int(EventKind.TRADE), int(EventKind.CANCELLED)
SELL = int(Side.SELL)
UNKNOWN_SIDE, UNKNOWN_TYPE = int(Reason.UNKNOWN_SIDE), int(Reason.UNKNOWN_TYPE)
UNKNOWN_TIME_IN_FORCE = int(Reason.UNKNOWN_TIME_IN_FORCE)
QUANTITY_NOT_POSITIVE, PRICE_NOT_POSITIVE = int(Reason.QUANTITY_NOT_POSITIVE), int(Reason.PRICE_NOT_POSITIVE)
DUPLICATE_CLIENT_ORDER_ID = int(Reason.DUPLICATE_CLIENT_ORDER_ID)
ORDER_POOL_FULL, UNKNOWN_ORDER = int(Reason.ORDER_POOL_FULL), int(Reason.UNKNOWN_ORDER)


def numbering_dtype(orders: int) -> np.dtype[Any]:
    """The whole numbering as one record, for ``orders`` slots."""
    entries = 1 << (2 * orders - 1).bit_length()
    return np.dtype(
        [
            ("sequence", "<i8"),
            ("absorbed", "<i8"),
            ("free_count", "<i8"),
            ("pad", "u1", (40,)),
            ("free", "<u4", (orders,)),
            ("entries", ENTRY, (entries,)),
        ]
    )


def clear(numbering: Any) -> None:
    """Make a zeroed numbering an empty one: every slot free, slot 0 on top."""
    orders = numbering["free"].shape[0]
    numbering["free"][:] = np.arange(orders - 1, -1, -1)
    numbering["free_count"] = orders


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
    elif kind in (CANCEL, REPLACE):
        at = _find(numbering, command["account"], command["client_order_id"])
        command["order_id"] = numbering["entries"][at]["order_id"]
        if command["order_id"] == 0:
            command["verdict"] = UNKNOWN_ORDER


@njit(cache=True)
def absorb(numbering: Any, events: Any) -> None:
    """Look at the events published since the last time: what is terminal frees its slot and its name."""
    slots = events["slots"]
    for sequence in range(numbering["absorbed"] + 1, published(events) + 1):
        event = slots[sequence & (slots.shape[0] - 1)]
        if event["kind"] == TRADE:
            if event["leaves"] == 0:
                _forget(numbering, event["account"], event["client_order_id"], event["order_id"])
            if event["resting_leaves"] == 0:
                _forget(numbering, event["resting_account"], event["resting_client_order_id"], event["resting_order_id"])
        elif event["kind"] == CANCELLED or (event["kind"] == REJECTED and event["flags"] == NEW):
            _forget(numbering, event["account"], event["client_order_id"], event["order_id"])
        numbering["absorbed"] = sequence


@njit(cache=True)
def _number_new(numbering: Any, command: Any) -> None:
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


@njit(cache=True)
def _refusal(numbering: Any, command: Any, namesake: int) -> int:
    """Why riskd would refuse a NEW, by the numbers alone; 0 when it would not."""
    kind, validity = command["type"], command["time_in_force"]
    if command["side"] > SELL:
        return UNKNOWN_SIDE
    if kind not in (LIMIT, MARKET):
        return UNKNOWN_TYPE
    if validity not in (GTC, IOC):
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


@njit(cache=True)
def _forget(numbering: Any, account: int, client_order_id: int, order_id: int) -> None:
    at = _find(numbering, account, client_order_id)
    if order_id == 0 or numbering["entries"][at]["order_id"] != order_id:
        return
    _remove(numbering, at)
    numbering["free"][numbering["free_count"]] = order_id & (SLOT_BOUND - 1)
    numbering["free_count"] += 1


@njit(cache=True)
def _find(numbering: Any, account: int, client_order_id: int) -> int:
    """Where the name is, or the empty entry where it would be."""
    entries = numbering["entries"]
    mask = entries.shape[0] - 1
    at = _home(account, client_order_id, mask)
    while entries[at]["order_id"] != 0 and (
        entries[at]["client_order_id"] != client_order_id or entries[at]["account"] != account
    ):
        at = (at + 1) & mask
    return at


@njit(cache=True)
def _remove(numbering: Any, at: int) -> None:
    """Empty the entry, moving back those behind it that would no longer be found."""
    entries = numbering["entries"]
    mask = entries.shape[0] - 1
    after = (at + 1) & mask
    while entries[after]["order_id"] != 0:
        home = _home(entries[after]["account"], entries[after]["client_order_id"], mask)
        if (after - home) & mask >= (after - at) & mask:
            entries[at] = entries[after]
            at = after
        after = (after + 1) & mask
    entries[at]["order_id"] = 0


@njit(cache=True)
def _home(account: int, client_order_id: int, mask: int) -> Any:
    """A multiplicative hash (Fibonacci's) in 32-bit halves, so that the sum of products never overflows in Python."""
    low = np.int64(np.uint64(client_order_id) & np.uint64(0xFFFFFFFF))
    high = np.int64(np.uint64(client_order_id) >> np.uint64(32))
    mixed = (low * 0x4F1BBCDD + high * 0x3C6EF372 + np.int64(account) * 0x2545F491) & 0x7FFFFFFFFFFFFFFF
    return (mixed ^ (mixed >> 29)) & mask
