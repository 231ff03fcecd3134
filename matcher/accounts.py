"""Which orders an account has at rest, in the order of entry: slots, for mass cancels.

The first few lie with the account itself, as nearly all accounts never have more; further ones in blocks. A linked list through
the orders would touch two more cold cache lines for every order that goes. A place is ``block << PLACE_BITS | index``, or, with
the account, the index and one, so that 0 is none.
"""

from typing import Any

import numpy as np

from matcher.layout import BLOCK_ORDERS, OWN_ORDERS, PLACE_BITS
from shm.inner import inner


@inner
def enrol(state: Any, account: int, slot: int) -> Any:
    """Note that the order in ``slot`` rests for ``account``; the place to give back to ``withdraw``."""
    owner = state["accounts"][np.uint32(account)]
    index = np.int64(owner["filled"])
    if owner["last"] != 0 or index == OWN_ORDERS:
        return _enrol_in_block(state, owner, slot)
    owner["orders"][np.uint32(index)] = slot
    owner["live"] |= 1 << index
    owner["filled"] = index + 1
    return index + 1


@inner
def withdraw(state: Any, account: int, place: int) -> None:
    """The order at ``place`` no longer rests."""
    block = np.uint32(place >> PLACE_BITS)
    if block != 0:
        page = state["blocks"][block]
        page["live"] &= ~(1 << np.int64(place & ((1 << PLACE_BITS) - 1)))
        if page["live"] == 0:
            _remove(state, state["accounts"][np.uint32(account)], block)
        return
    owner = state["accounts"][np.uint32(account)]
    owner["live"] &= ~(1 << (np.int64(place) - 1))
    if owner["live"] == 0 and owner["last"] == 0:
        owner["filled"] = 0


@inner
def _enrol_in_block(state: Any, owner: Any, slot: int) -> Any:
    block = owner["last"]
    if block == 0 or state["blocks"][block]["filled"] == BLOCK_ORDERS:
        block = _append(state, owner)
    page = state["blocks"][block]
    index = np.int64(page["filled"])
    page["orders"][np.uint32(index)] = slot
    page["live"] |= 1 << index
    page["filled"] = index + 1
    return np.int64(block) << PLACE_BITS | index


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
    if owner["last"] == 0 and owner["live"] == 0:
        owner["filled"] = 0
