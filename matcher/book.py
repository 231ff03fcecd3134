"""One instrument's prices: on each side a path-compressed 64-way trie of levels, or, while they are
few, a line of them (``matcher/short.py``), and the best level at hand.

Ranks, ids and the shape of a node: see ``matcher/layout.py``.
"""

from typing import Any

import numpy as np
from numba import void

from matcher.apart import MAKE_SHORT, MAKE_TALL, apart
from matcher.layout import CHILD_BITS, FEW_LEVELS, NO_ORDER, RANKS, SHORT_LEVELS, WORST
from matcher.short import begin_short, beside, key_of, level_of, place_of, put, rank_at, take
from matcher.slots import level_at
from shm.atomics import int64, leading_zeros, trailing_zeros
from shm.inner import inner

ONE = np.uint64(1)


@inner
def rank_of(side: int, price: int) -> Any:
    """The price in ticks as a rank of ``side``; the same function turns a rank back into a price."""
    return price ^ ((np.int64(side) - 1) & RANKS)


@inner
def reach_level(state: Any, book: Any, slot: int, side: int, rank: int) -> Any:
    """The level of ``rank`` on ``side`` of ``book``, made for the order in ``slot`` if there is none. A level must be free."""
    if not book["tall"][side]:
        short, count = book["short"][side], int64(book["count"][side])
        if count == 0:
            begin_short(short, rank)
        key = key_of(short, rank)
        place = place_of(short, key)
        found = level_of(short, key, place)
        if found != 0:
            return np.uint32(found)
        if key != 0 and count < SHORT_LEVELS:
            level = _new_level(state, slot, side, rank)
            level_at(state, level)["node"] = 0
            put(short, count, place, key, level)
            _note_best(book, side, rank, level)
            return level
        make_tall(state, state["command_like"][0], int64(state["orders"][slot]["instrument"]), _which(book, side))
    parent, child = _descend(state, book["roots"][side], rank)
    level = number_of(child)
    if level_at(state, level)["rank"] == rank:
        return level
    level = _new_level(state, slot, side, rank)
    _insert(state, book, side, rank, level, parent, child)
    _note_best(book, side, rank, level)
    return level


@inner
def find_level(state: Any, book: Any, side: int, rank: int) -> Any:
    """The level of ``rank``, or 0."""
    if not book["tall"][side]:
        short = book["short"][side]
        key = key_of(short, rank)
        return np.uint32(level_of(short, key, place_of(short, key)))
    _, child = _descend(state, book["roots"][side], rank)
    level = number_of(child)
    return level if level_at(state, level)["rank"] == rank else np.uint32(0)


@inner
def drop_level(state: Any, book: Any, side: int, level: int) -> None:
    """Take the empty ``level`` off its side; if it was the best, the next one is."""
    gone, left = level_at(state, level), int64(book["count"][side]) - 1
    book["count"][side] = left
    if book["tall"][side]:
        _take_out(state, book, side, level)
        if left <= FEW_LEVELS:
            make_short(state, state["command_like"][0], int64(gone["instrument"]), _which(book, side))
    else:
        short = book["short"][side]
        place = place_of(short, key_of(short, gone["rank"]))
        take(short, left, place)
        if place == 0:
            _set_best(book, side, rank_at(short, 0) if left else WORST, np.uint32(short["levels"][0]))
    gone["head"] = state["level_free"]
    state["level_free"] = level
    state["level_count"] -= 1


@inner
def _take_out(state: Any, book: Any, side: int, level: int) -> None:
    """Take ``level`` out of the trie; if it was the best, the next one is."""
    gone = level_at(state, level)
    parent = gone["node"]
    if parent == 0:
        book["roots"][side] = 0
        _set_best(book, side, WORST, np.uint32(0))
        return
    node = state["nodes"][parent]
    offset = _offset(gone["rank"], node)
    left = node["bitmap"] & ~(ONE << offset)
    node["bitmap"] = left
    state["nodes"][parent]["child"][offset] = 0
    if book["levels"][side] == level:  # the lowest of its node, which has another: the successor is under it
        best_rank, best = _lowest_under(state, parent)
        _set_best(book, side, best_rank, best)
    if left & (left - ONE) == 0:
        _collapse(state, book, side, parent)


@inner
def _which(book: Any, side: int) -> Any:
    """The side, and two if the book is of stops, for a function that stands apart."""
    return int64(side) | int64(book["stops"]) << 1


@apart(MAKE_TALL, 2, void)
def make_tall(state: Any, command: Any, instrument: int, which: int) -> None:
    """The levels of a short side into a trie: there are too many, or they are too far apart."""
    if which & 2:
        _make_tall(state, state["triggers"][instrument], which & 1)
    else:
        _make_tall(state, state["instruments"][instrument], which & 1)


@apart(MAKE_SHORT, 2, void)
def make_short(state: Any, command: Any, instrument: int, which: int) -> None:
    """The few levels of a trie into a line, unless they are too far apart."""
    if which & 2:
        _make_short(state, state["triggers"][instrument], which & 1)
    else:
        _make_short(state, state["instruments"][instrument], which & 1)


@inner
def _make_tall(state: Any, book: Any, side: int) -> None:
    short = book["short"][side]
    book["tall"][side] = 1
    for k in range(int64(book["count"][side])):
        rank, level = rank_at(short, k), np.uint32(short["levels"][k])
        parent, child = _descend(state, book["roots"][side], rank)
        _insert(state, book, side, rank, level, parent, child)
        short["keys"][k], short["levels"][k] = 0, 0


@inner
def _make_short(state: Any, book: Any, side: int) -> None:
    short, count, best, first = book["short"][side], int64(book["count"][side]), book["best"][side], book["levels"][side]
    begin_short(short, best)
    level = first
    for _ in range(count):
        if key_of(short, level_at(state, level)["rank"]) == 0:
            return
        level = next_level(state, book, level)
    for k in range(count):
        level = book["levels"][side]
        short["keys"][k], short["levels"][k] = key_of(short, level_at(state, level)["rank"]), level
        _take_out(state, book, side, level)
        level_at(state, level)["node"] = 0
    book["tall"][side] = 0
    _set_best(book, side, best, first)


@inner
def next_level(state: Any, book: Any, level: int) -> Any:
    """The level behind ``level`` on its side of ``book``, or 0: for walking a book, best first."""
    rank, parent, side = level_at(state, level)["rank"], level_at(state, level)["node"], level_at(state, level)["side"]
    if not book["tall"][side]:
        return np.uint32(beside(book["short"][side], rank, 1))
    while parent != 0:
        node = state["nodes"][parent]
        offset = _offset(rank, node)
        above = (node["bitmap"] >> offset) >> ONE
        if above:
            return _lowest(state, state["nodes"][parent]["child"][np.int64(offset) + 1 + trailing_zeros(above)])
        parent = node["parent"]
    return np.uint32(0)


@inner
def previous_level(state: Any, book: Any, level: int) -> Any:
    """The level before ``level`` on its side of ``book``, or 0: for walking a book towards its best."""
    rank, parent, side = level_at(state, level)["rank"], level_at(state, level)["node"], level_at(state, level)["side"]
    if not book["tall"][side]:
        return np.uint32(beside(book["short"][side], rank, -1))
    while parent != 0:
        node = state["nodes"][parent]
        below = node["bitmap"] & ((ONE << _offset(rank, node)) - ONE)
        if below:
            return _highest(state, state["nodes"][parent]["child"][63 - leading_zeros(below)])
        parent = node["parent"]
    return np.uint32(0)


@inner
def number_of(child: int) -> Any:
    """The number of the node or level that ``child`` is; 0 for none."""
    return np.uint32(child >> CHILD_BITS)


@inner
def _descend(state: Any, root: int, rank: int) -> Any:
    """Down from ``root`` towards ``rank`` without looking at what the nodes span: the last node, and the level or 0 below it.

    Four instructions and one load a node. It may have left the way that holds ``rank`` where a node skips bits; who inserts
    looks back up, and who only searches sees that the level is another.
    """
    parent, child = np.uint32(0), root
    while child & 1 == 0 and child != 0:
        parent = np.uint32(child >> CHILD_BITS)
        child = child_towards(state, child, rank)
    return parent, child


@inner
def child_towards(state: Any, node: int, rank: int) -> Any:
    """The child of ``node``, itself a child word, under which ``rank`` is or would be."""
    return state["nodes"][number_of(node)]["child"][(rank >> np.int64((node >> 1) & 63)) & 63]


@inner
def _insert(state: Any, book: Any, side: int, rank: int, level: int, parent: int, child: int) -> None:
    """Hang the ``level`` of ``rank`` in, where ``_descend`` ended at ``parent`` and ``child``."""
    while parent != 0 and not _spans(state["nodes"][parent], rank):
        child = _node_word(state, parent)
        parent = state["nodes"][parent]["parent"]
    if child != 0:
        parent = _fork(state, book, side, parent, child, rank)
    _attach(state, book, side, parent, np.uint32(level << CHILD_BITS | 1))


@inner
def _spans(node: Any, rank: int) -> bool:
    return (rank ^ node["base"]) >> (np.int64(node["shift"]) + 6) == 0


@inner
def _node_word(state: Any, node: int) -> Any:
    """The node as a child of another."""
    return np.uint32(np.int64(node) << CHILD_BITS | np.int64(state["nodes"][node]["shift"]) << 1)


@inner
def _offset(rank: int, node: Any) -> Any:
    return np.uint64((rank >> np.int64(node["shift"])) & 63)


@inner
def _lowest(state: Any, child: int) -> Any:
    """The best level under ``child``."""
    while child & 1 == 0:
        node = number_of(child)
        child = state["nodes"][node]["child"][np.uint32(trailing_zeros(state["nodes"][node]["bitmap"]))]
    return number_of(child)


@inner
def _lowest_under(state: Any, node: int) -> Any:
    """The rank and the level that are the best under ``node``. Where each child is a price, its place says the rank: the level
    itself, which may lie far away, need not be looked at."""
    place = np.uint32(trailing_zeros(state["nodes"][node]["bitmap"]))
    child = state["nodes"][node]["child"][place]
    while child & 1 == 0:
        node = number_of(child)
        place = np.uint32(trailing_zeros(state["nodes"][node]["bitmap"]))
        child = state["nodes"][node]["child"][place]
    level = number_of(child)
    if state["nodes"][node]["shift"] == 0:
        return state["nodes"][node]["base"] | np.int64(place), level
    return level_at(state, level)["rank"], level


@inner
def _highest(state: Any, child: int) -> Any:
    """The worst level under ``child``."""
    while child & 1 == 0:
        node = number_of(child)
        child = state["nodes"][node]["child"][63 - leading_zeros(state["nodes"][node]["bitmap"])]
    return number_of(child)


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
def _new_level(state: Any, slot: int, side: int, rank: int) -> Any:
    level = state["level_free"]
    if level:
        state["level_free"] = level_at(state, level)["head"]
    else:
        state["level_fresh"] += 1
        level = state["level_fresh"]
    state["level_count"] += 1
    made = level_at(state, level)
    made["rank"], made["quantity"], made["count"] = rank, 0, 0
    made["head"], made["tail"] = NO_ORDER, NO_ORDER
    made["instrument"], made["side"] = state["orders"][slot]["instrument"], side
    return level


@inner
def _fork(state: Any, book: Any, side: int, parent: int, child: int, rank: int) -> Any:
    """Put a new node between ``parent`` and ``child``, just high enough to hold both ``child`` and ``rank``."""
    number = number_of(child)
    below = level_at(state, number)["rank"] if child & 1 else state["nodes"][number]["base"]
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
        book["roots"][side] = _node_word(state, node)
        state["nodes"][node]["parent"] = 0
    else:
        _hang(state, parent, _node_word(state, node), rank)


@inner
def _attach(state: Any, book: Any, side: int, parent: int, child: int) -> None:
    """Hang the level ``child`` under ``parent``, or from the root."""
    if parent == 0:
        book["roots"][side] = child
        level_at(state, number_of(child))["node"] = 0
    else:
        _hang(state, parent, child, level_at(state, number_of(child))["rank"])


@inner
def _hang(state: Any, parent: int, child: int, rank: int) -> None:
    """Make ``child``, which holds ``rank``, a child of the node ``parent``."""
    node = state["nodes"][parent]
    offset = _offset(rank, node)
    node["bitmap"] |= ONE << offset
    state["nodes"][parent]["child"][offset] = child
    if child & 1:
        level_at(state, number_of(child))["node"] = parent
    else:
        state["nodes"][number_of(child)]["parent"] = parent


@inner
def _collapse(state: Any, book: Any, side: int, lonely: int) -> None:
    """A node that is left with one child gives its place to it."""
    node = state["nodes"][lonely]
    last = np.uint32(trailing_zeros(node["bitmap"]))
    child, parent = state["nodes"][lonely]["child"][last], node["parent"]
    state["nodes"][lonely]["child"][last] = 0  # who takes the node next finds no children
    if parent:
        _hang(state, parent, child, node["base"])
    else:
        book["roots"][side] = child
        if child & 1:
            level_at(state, number_of(child))["node"] = 0
        else:
            state["nodes"][number_of(child)]["parent"] = 0
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
