"""Net positions of the accounts that are tracked, for reduce-only orders: an open-addressing table, never emptied.

There are twice as many places as orders, and as many positions as orders may be opened: the search always ends.
"""

from typing import Any

from matcher.layout import TRACKED_ORDER
from shm.atomics import int64
from shm.inner import inner


@inner
def place_of(state: Any, account: int, instrument: int) -> int:
    """Where the position is, or the empty place where it would be."""
    table = state["positions"]
    key, mask = _key(account, instrument), state["position_mask"]
    at = ((key * 0x4F1BBCDD) ^ (key >> 17)) & mask
    while table[at]["key"] != 0 and table[at]["key"] != key:
        at = (at + 1) & mask
    return at


@inner
def has_position_place(state: Any, account: int, instrument: int) -> bool:
    """Is there a position already, or may one more be opened?"""
    known = state["positions"][place_of(state, account, instrument)]["key"] != 0
    return known or state["position_count"] < state["order_bound"]


@inner
def open_position(state: Any, account: int, instrument: int) -> None:
    """From now on the position is kept."""
    position = state["positions"][place_of(state, account, instrument)]
    if position["key"] == 0:
        position["key"] = _key(account, instrument)
        state["position_count"] += 1


@inner
def reducible(state: Any, account: int, instrument: int, side: int) -> int:
    """How many lots an order of ``side`` may trade until the position is 0."""
    net = int64(state["positions"][place_of(state, account, instrument)]["net"])
    return max(net if side else -net, 0)


@inner
def count_trade(state: Any, order: Any, extra: Any, quantity: int) -> None:
    """The order traded; its account's position changes if it is tracked."""
    if order["special"] and extra["flags"] & TRACKED_ORDER:
        position = state["positions"][place_of(state, int64(order["account"]), int64(order["instrument"]))]
        position["net"] += -quantity if order["side"] else quantity


@inner
def _key(account: int, instrument: int) -> int:
    return (int64(account) << 31 | int64(instrument)) + 1
