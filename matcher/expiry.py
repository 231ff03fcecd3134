"""When GTD orders end: a binary heap of their slots by (expiry, order id), each order knowing its place."""

from typing import Any

from shm.atomics import int64
from shm.inner import inner


@inner
def next_expiry(state: Any) -> int:
    """The slot that expires first, or -1."""
    return int64(state["expiries"][0]) if state["expiry_count"] else -1


@inner
def expect_expiry(state: Any, slot: int) -> None:
    """From now on the order is due."""
    state["expiry_count"] += 1
    _rise(state, int64(state["expiry_count"]) - 1, slot)


@inner
def forget_expiry(state: Any, slot: int) -> None:
    """The order is due no more, if it was."""
    place = int64(state["extras"][slot]["expiry_place"]) - 1
    if place < 0:
        return
    state["extras"][slot]["expiry_place"] = 0
    state["expiry_count"] -= 1
    count = int64(state["expiry_count"])
    if place != count:
        moved = int64(state["expiries"][count])
        _rise(state, place, moved)
        _sink(state, int64(state["extras"][moved]["expiry_place"]) - 1, moved)


@inner
def _earlier(state: Any, one: int, other: int) -> bool:
    first, second = state["extras"][one]["expiry_ns"], state["extras"][other]["expiry_ns"]
    return first < second or (first == second and state["orders"][one]["order_id"] < state["orders"][other]["order_id"])


@inner
def _put(state: Any, place: int, slot: int) -> None:
    state["expiries"][place] = slot
    state["extras"][slot]["expiry_place"] = place + 1


@inner
def _rise(state: Any, place: int, slot: int) -> None:
    while place > 0:
        parent = (place - 1) >> 1
        other = int64(state["expiries"][parent])
        if not _earlier(state, slot, other):
            break
        _put(state, place, other)
        place = parent
    _put(state, place, slot)


@inner
def _sink(state: Any, place: int, slot: int) -> None:
    count = int64(state["expiry_count"])
    while 2 * place + 1 < count:
        child = 2 * place + 1
        if child + 1 < count and _earlier(state, int64(state["expiries"][child + 1]), int64(state["expiries"][child])):
            child += 1
        other = int64(state["expiries"][child])
        if not _earlier(state, other, slot):
            break
        _put(state, place, other)
        place = child
    _put(state, place, slot)
