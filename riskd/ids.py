"""Which order an account means by a client order id: an open-addressing table, kept free of tombstones.

An entry lies at its home or, where others were there first, at the next free place after it. Removing one moves later ones
back, so the table does not silt up however long it runs. It is seeded: no client can know which ids would collide.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from riskd.layout import IDENTITY
from shm.atomics import prefetch

_LOW: Final = np.uint64(0xFFFFFFFF)
_HALF: Final = np.uint64(32)
_FOLD: Final = np.uint64(15)
_FIRST, _SECOND, _THIRD = np.uint64(0x9E3779B1), np.uint64(0x85EBCA77), np.uint64(0xC2B2AE3D)
_NO_ENTRY: Final = np.zeros(1, IDENTITY)


@njit(inline="always")
def mixed(word: Any) -> Any:
    """32 bits that depend on all of the u64 ``word``. No product passes 64 bits, so it also runs where nothing is compiled."""
    word = (word & _LOW) * _FIRST ^ (word >> _HALF) * _SECOND
    word ^= word >> _HALF
    return ((word ^ word >> _FOLD) & _LOW) * _THIRD >> _HALF


@njit(inline="always")
def home_of(risk: Any, account: int, client_order_id: Any) -> Any:
    """Where the entry belongs."""
    word = client_order_id ^ risk["header"]["seed"] ^ (np.uint64(account) & _LOW) * _THIRD
    return np.int64(mixed(word)) & (risk["ids"].shape[0] - 1)


@njit(inline="always")
def fetch(risk: Any, account: int, client_order_id: Any) -> None:
    """Ask for the cache line that a lookup will need."""
    prefetch(risk["ids"], home_of(risk, account, client_order_id))


@njit(cache=True)
def find(risk: Any, account: int, client_order_id: Any) -> Any:
    """The reference ((shard << SLOT_BITS | slot) + 1) of the account's live order of that id; 0 when there is none."""
    ids = risk["ids"]
    at = home_of(risk, account, client_order_id)
    while ids[at]["reference"] != 0:
        if ids[at]["client_order_id"] == client_order_id and ids[at]["account"] == account:
            return np.int64(ids[at]["reference"])
        at = (at + 1) & (ids.shape[0] - 1)
    return np.int64(0)


@njit(cache=True)
def insert(risk: Any, account: int, client_order_id: Any, reference: int) -> None:
    """Add an entry. There is always room: the table has twice as many places as there are slots."""
    ids = risk["ids"]
    at = home_of(risk, account, client_order_id)
    while ids[at]["reference"] != 0:
        at = (at + 1) & (ids.shape[0] - 1)
    ids[at]["client_order_id"] = client_order_id
    ids[at]["account"] = account
    ids[at]["reference"] = reference


@njit(cache=True)
def remove(risk: Any, account: int, client_order_id: Any, reference: int) -> None:
    """Take out the entry with that reference. The key alone will not do: recovery may meet an id anew before its old end."""
    ids = risk["ids"]
    at = home_of(risk, account, client_order_id)
    while ids[at]["reference"] != reference:
        assert ids[at]["reference"] != 0
        at = (at + 1) & (ids.shape[0] - 1)
    _close_gap(risk, at)


@njit(cache=True)
def _close_gap(risk: Any, gap: int) -> None:
    """Empty place ``gap``, first moving into it whichever later entry of the run may lie there, and so on."""
    ids = risk["ids"]
    mask = ids.shape[0] - 1
    at = (gap + 1) & mask
    while ids[at]["reference"] != 0:
        home = home_of(risk, ids[at]["account"], ids[at]["client_order_id"])
        if (at - home) & mask >= (at - gap) & mask:
            ids[gap] = ids[at]
            gap = at
        at = (at + 1) & mask
    ids[gap] = _NO_ENTRY[0]
