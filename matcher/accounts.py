"""Which orders an account has at rest, in the order of entry: blocks of slots, for mass cancels.

A linked list through the orders would touch two more cold cache lines for every order that goes; a block is one, and thirteen
orders share it.
"""

from typing import Any

import numpy as np

from matcher.layout import BLOCK_ORDERS, PLACE_BITS
from shm.inner import inner


@inner
def enrol(state: Any, account: int, slot: int) -> Any:
    """Note that the order in ``slot`` rests for ``account``; the place to give back to ``withdraw``."""
    owner = state["accounts"][np.uint32(account)]
    block = owner["last"]
    if block == 0 or state["blocks"][block]["filled"] == BLOCK_ORDERS:
        block = _append(state, owner)
    page = state["blocks"][block]
    index = np.int64(page["filled"])
    page["orders"][index] = slot
    page["live"] |= 1 << index
    page["filled"] = index + 1
    owner["orders"] += 1
    return np.int64(block) << PLACE_BITS | index


@inner
def withdraw(state: Any, account: int, place: int) -> None:
    """The order at ``place`` no longer rests."""
    owner = state["accounts"][np.uint32(account)]
    owner["orders"] -= 1
    block = np.uint32(place >> PLACE_BITS)
    page = state["blocks"][block]
    page["live"] &= ~(1 << np.int64(place & ((1 << PLACE_BITS) - 1)))
    if page["live"] == 0:
        _remove(state, owner, block)


@inner
def _append(state: Any, owner: Any) -> Any:
    block = state["block_free"]
    if block:
        state["block_free"] = state["blocks"][block]["following"]
    else:
        state["block_fresh"] += 1
        block = state["block_fresh"]
    page, last = state["blocks"][block], owner["last"]
    page["following"], page["preceding"], page["live"], page["filled"] = 0, last, 0, 0
    if last:
        state["blocks"][last]["following"] = block
    else:
        owner["first"] = block
    owner["last"] = block
    return block


@inner
def _remove(state: Any, owner: Any, block: int) -> None:
    page = state["blocks"][block]
    following, preceding = page["following"], page["preceding"]
    if preceding:
        state["blocks"][preceding]["following"] = following
    else:
        owner["first"] = following
    if following:
        state["blocks"][following]["preceding"] = preceding
    else:
        owner["last"] = preceding
    page["following"] = state["block_free"]
    state["block_free"] = block
