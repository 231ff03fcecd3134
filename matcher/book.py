"""One instrument's prices: a path-compressed 64-way trie of levels on each side, and the best level at hand.

Ranks, ids and the shape of a node: see ``matcher/layout.py``.
"""

from typing import Any

import numpy as np

from matcher.layout import RANKS, WORST
from shm.atomics import leading_zeros, trailing_zeros
from shm.inner import inner

ONE = np.uint64(1)


@inner
def rank_of(side: int, price: int) -> Any:
    """The price in ticks as a rank of ``side``; the same function turns a rank back into a price."""
    return price ^ ((np.int64(side) - 1) & RANKS)


@inner
def reach_level(state: Any, book: Any, instrument: int, side: int, rank: int) -> Any:
    """The level of ``rank`` on ``side`` of the instrument's ``book``, made if it is not there. A level must be free."""
    if rank == book["best"][side]:
        return book["levels"][side]
    nodes, parent, child = state["nodes"], np.uint32(0), book["roots"][side]
    while child != 0 and child & 1 == 0:
        node = nodes[child >> 1]
        offset = (rank - node["base"]) >> np.int64(node["shift"])
        if offset >> 6 != 0:
            break
        parent = np.uint32(child >> 1)
        child = state["children"][parent]["child"][offset]
        if not (node["bitmap"] >> np.uint64(offset)) & ONE:
            child = np.uint32(0)
    if child & 1 and state["levels"][child >> 1]["rank"] == rank:
        return np.uint32(child >> 1)
    level = _new_level(state, instrument, side, rank)
    if child != 0:
        parent = _fork(state, book, side, parent, child, rank)
    _attach(state, book, side, parent, np.uint32(level << 1 | 1))
    _note_best(book, side, rank, level)
    return level


@inner
def find_level(state: Any, book: Any, side: int, rank: int) -> Any:
    """The level of ``rank``, or 0."""
    child = book["roots"][side]
    while child != 0 and child & 1 == 0:
        node = state["nodes"][child >> 1]
        offset = (rank - node["base"]) >> np.int64(node["shift"])
        if offset >> 6 != 0 or not (node["bitmap"] >> np.uint64(offset)) & ONE:
            return np.uint32(0)
        child = state["children"][child >> 1]["child"][offset]
    level = np.uint32(child >> 1)
    return level if state["levels"][level]["rank"] == rank else np.uint32(0)


@inner
def drop_level(state: Any, book: Any, side: int, level: int) -> None:
    """Take the empty ``level`` out of the trie; if it was the best, the next one is."""
    gone = state["levels"][level]
    parent, rank = gone["node"], gone["rank"]
    book["count"][side] -= 1
    if parent == 0:
        book["roots"][side] = 0
        _set_best(book, side, WORST, np.uint32(0))
    else:
        node = state["nodes"][parent]
        node["bitmap"] &= ~(ONE << _offset(rank, node))
        if book["levels"][side] == level:  # the lowest of its node, which has another: the successor is under it
            best = _lowest(state, np.uint32(parent << 1))
            _set_best(book, side, state["levels"][best]["rank"], best)
        if node["bitmap"] & (node["bitmap"] - ONE) == 0:
            _collapse(state, book, side, parent)
    gone["head"] = state["level_free"]
    state["level_free"] = level
    state["level_count"] -= 1


@inner
def next_level(state: Any, level: int) -> Any:
    """The level behind ``level`` on its side, or 0: for walking a book, best first."""
    rank, parent = state["levels"][level]["rank"], state["levels"][level]["node"]
    while parent != 0:
        node = state["nodes"][parent]
        offset = _offset(rank, node)
        above = (node["bitmap"] >> offset) >> ONE
        if above:
            return _lowest(state, state["children"][parent]["child"][np.int64(offset) + 1 + trailing_zeros(above)])
        parent = node["parent"]
    return np.uint32(0)


@inner
def previous_level(state: Any, level: int) -> Any:
    """The level before ``level`` on its side, or 0: for walking a book towards its best."""
    rank, parent = state["levels"][level]["rank"], state["levels"][level]["node"]
    while parent != 0:
        node = state["nodes"][parent]
        below = node["bitmap"] & ((ONE << _offset(rank, node)) - ONE)
        if below:
            return _highest(state, state["children"][parent]["child"][63 - leading_zeros(below)])
        parent = node["parent"]
    return np.uint32(0)


@inner
def _offset(rank: int, node: Any) -> Any:
    return np.uint64((rank >> np.int64(node["shift"])) & 63)


@inner
def _lowest(state: Any, child: int) -> Any:
    """The best level under ``child``."""
    while child & 1 == 0:
        child = state["children"][child >> 1]["child"][trailing_zeros(state["nodes"][child >> 1]["bitmap"])]
    return np.uint32(child >> 1)


@inner
def _highest(state: Any, child: int) -> Any:
    """The worst level under ``child``."""
    while child & 1 == 0:
        child = state["children"][child >> 1]["child"][63 - leading_zeros(state["nodes"][child >> 1]["bitmap"])]
    return np.uint32(child >> 1)


@inner
def _note_best(book: Any, side: int, rank: int, level: int) -> None:
    book["count"][side] += 1
    if rank < book["best"][side]:
        _set_best(book, side, rank, level)


@inner
def _set_best(book: Any, side: int, rank: int, level: int) -> None:
    book["best"][side] = rank
    book["levels"][side] = level


@inner
def _new_level(state: Any, instrument: int, side: int, rank: int) -> Any:
    level = state["level_free"]
    if level:
        state["level_free"] = state["levels"][level]["head"]
    else:
        state["level_fresh"] += 1
        level = state["level_fresh"]
    state["level_count"] += 1
    made = state["levels"][level]
    made["rank"], made["quantity"], made["count"] = rank, 0, 0
    made["instrument"], made["side"] = instrument, side
    return level


@inner
def _fork(state: Any, book: Any, side: int, parent: int, child: int, rank: int) -> Any:
    """Put a new node between ``parent`` and ``child``, just high enough to hold both ``child`` and ``rank``."""
    below = state["levels"][child >> 1]["rank"] if child & 1 else state["nodes"][child >> 1]["base"]
    shift = (63 - leading_zeros(np.uint64(below ^ rank))) // 6 * 6
    fresh = _new_node(state)
    node = state["nodes"][fresh]
    node["shift"], node["base"], node["bitmap"] = shift, rank >> (shift + 6) << (shift + 6), 0
    _attach_node(state, book, side, parent, fresh, below)
    _hang(state, fresh, child, below)
    return fresh


@inner
def _attach_node(state: Any, book: Any, side: int, parent: int, node: int, rank: int) -> None:
    """Hang ``node`` where the child that holds ``rank`` was."""
    if parent == 0:
        book["roots"][side] = node << 1
        state["nodes"][node]["parent"] = 0
    else:
        _hang(state, parent, np.uint32(node << 1), rank)


@inner
def _attach(state: Any, book: Any, side: int, parent: int, child: int) -> None:
    """Hang the level ``child`` under ``parent``, or from the root."""
    if parent == 0:
        book["roots"][side] = child
        state["levels"][child >> 1]["node"] = 0
    else:
        _hang(state, parent, child, state["levels"][child >> 1]["rank"])


@inner
def _hang(state: Any, parent: int, child: int, rank: int) -> None:
    """Make ``child``, which holds ``rank``, a child of the node ``parent``."""
    node = state["nodes"][parent]
    offset = _offset(rank, node)
    node["bitmap"] |= ONE << offset
    state["children"][parent]["child"][offset] = child
    if child & 1:
        state["levels"][child >> 1]["node"] = parent
    else:
        state["nodes"][child >> 1]["parent"] = parent


@inner
def _collapse(state: Any, book: Any, side: int, lonely: int) -> None:
    """A node that is left with one child gives its place to it."""
    node = state["nodes"][lonely]
    child = state["children"][lonely]["child"][trailing_zeros(node["bitmap"])]
    parent = node["parent"]
    if parent:
        _hang(state, parent, child, node["base"])
    else:
        book["roots"][side] = child
        if child & 1:
            state["levels"][child >> 1]["node"] = 0
        else:
            state["nodes"][child >> 1]["parent"] = 0
    node["parent"] = state["node_free"]
    state["node_free"] = lonely


@inner
def _new_node(state: Any) -> Any:
    node = state["node_free"]
    if node:
        state["node_free"] = state["nodes"][node]["parent"]
    else:
        state["node_fresh"] += 1
        node = state["node_fresh"]
    return node
