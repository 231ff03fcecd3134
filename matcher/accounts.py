"""Which orders an account has at rest, in the order of entry: slots, for mass cancels.

The first few lie with the account itself, as nearly all accounts never have more; further ones in blocks. A linked list through
the orders would touch two more cold cache lines for every order that goes. A place is ``block << PLACE_BITS | index``, or, with
the account, the index and one, so that 0 is none.

An order that goes touches neither account nor block, which where orders are many would be a line far away. Of a block two bytes
in a table of their own say which of its orders still rest; of an account's own orders each says itself whether it is the one,
and those that went are struck out when there is no place left.
"""

from typing import Any

import numpy as np

from matcher.layout import BLOCK_ORDERS, OWN_ORDERS, PLACE_BITS
from shm.inner import inner

MOST_KEPT = OWN_ORDERS * 3 // 4
"""With more than so many at rest, striking out does not pay: then blocks, and so many orders later again."""
AGAIN = 2 * OWN_ORDERS


@inner
def enrol(state: Any, account: int, slot: int) -> Any:
    """Note that the order in ``slot`` rests for ``account``; the place to give back to ``withdraw``."""
    owner = state["accounts"][np.uint32(account)]
    index = np.int64(owner["filled"])
    if owner["last"] != 0 or index >= OWN_ORDERS:
        return _enrol_elsewhere(state, owner, account, slot)
    owner["orders"][np.uint32(index)] = slot
    owner["filled"] = index + 1
    return index + 1


@inner
def withdraw(state: Any, account: int, place: int) -> None:
    """The order at ``place`` no longer rests."""
    block = np.uint32(place >> PLACE_BITS)
    if block != 0:
        live = np.int64(state["blocks_live"][block]) & ~(1 << np.int64(place & ((1 << PLACE_BITS) - 1)))
        state["blocks_live"][block] = live
        if live == 0:
            _remove(state, state["accounts"][np.uint32(account)], block)


@inner
def rests_at(state: Any, account: int, index: int) -> bool:
    """Does the order rest that was noted with the account at ``index``, below the account's ``filled``?"""
    order = state["orders"][state["accounts"][account]["orders"][index]]
    return order["order_id"] != 0 and order["account"] == account and order["place"] == index + 1


@inner
def _enrol_elsewhere(state: Any, owner: Any, account: int, slot: int) -> Any:
    """There are blocks, or no place is left with the account: make some there if that lasts for a while."""
    if owner["last"] == 0:
        if owner["filled"] == OWN_ORDERS or owner["filled"] == AGAIN:
            _strike_out(state, owner, account)
        else:
            owner["filled"] += 1
        index = np.int64(owner["filled"])
        if index < OWN_ORDERS:
            owner["orders"][np.uint32(index)] = slot
            owner["filled"] = index + 1
            return index + 1
    return _enrol_in_block(state, owner, slot)


@inner
def _strike_out(state: Any, owner: Any, account: int) -> None:
    """Keep of the account's own orders those at rest, unless they are too many: then ``filled`` counts on, to AGAIN."""
    count = 0
    for index in range(OWN_ORDERS):
        count += rests_at(state, account, index)
    if count > MOST_KEPT:
        owner["filled"] = OWN_ORDERS + 1
        return
    kept = np.int64(0)
    for index in range(OWN_ORDERS):
        if rests_at(state, account, index):
            slot = owner["orders"][np.uint32(index)]
            owner["orders"][np.uint32(kept)] = slot
            kept += 1
            state["orders"][slot]["place"] = kept
    owner["filled"] = kept


@inner
def _enrol_in_block(state: Any, owner: Any, slot: int) -> Any:
    block = owner["last"]
    if block == 0 or state["blocks"][block]["filled"] == BLOCK_ORDERS:
        block = _append(state, owner)
    page = state["blocks"][block]
    index = np.int64(page["filled"])
    page["orders"][np.uint32(index)] = slot
    state["blocks_live"][block] |= 1 << index
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
    page["following"], page["preceding"], page["filled"] = 0, last, 0
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
