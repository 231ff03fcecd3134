"""Client order ids that an account has used and may not use again: the newest ones, as far as there is room.

An id belongs to one of an account's sets by its lowest bits, so ids that count up fill all sets evenly, and each set keeps its
newest. What is kept is a function of ids and times alone: a replay that takes the shards one after the other finds the same.
"""

from typing import Any

import numpy as np
from numba import njit


@njit(cache=True)
def is_remembered(risk: Any, account: int, client_order_id: Any) -> bool:
    """Is the id (not 0) among those of the account's orders taken last, if they are to be remembered?"""
    if risk["permits"][account]["remembers"] == 0:
        return False
    entries = _set_of(risk, account, client_order_id)
    for at in range(entries.shape[0]):
        if entries[at]["client_order_id"] == client_order_id:
            return True
    return False


@njit(cache=True)
def remember(risk: Any, account: int, client_order_id: Any, time_ns: int) -> None:
    """An order of that id was taken then. The oldest id of the set is forgotten, which may be this one."""
    entries = _set_of(risk, account, client_order_id)
    at = entries.shape[0] - 1
    for known in range(entries.shape[0]):
        if entries[known]["client_order_id"] == client_order_id:
            at = known
            break
    if not _is_newer(time_ns, client_order_id, entries[at]):
        return
    while at > 0 and _is_newer(time_ns, client_order_id, entries[at - 1]):
        entries[at] = entries[at - 1]
        at -= 1
    entries[at]["time_ns"], entries[at]["client_order_id"] = time_ns, client_order_id


@njit(inline="always")
def _is_newer(time_ns: int, client_order_id: Any, entry: Any) -> bool:
    """Of two of one instant the higher id counts as newer."""
    later = time_ns > entry["time_ns"]
    return later or (time_ns == entry["time_ns"] and client_order_id > entry["client_order_id"])


@njit(inline="always")
def _set_of(risk: Any, account: int, client_order_id: Any) -> Any:
    sets = risk["remembered"][account]
    return sets[np.int64(client_order_id & np.uint64(sets.shape[0] - 1))]
