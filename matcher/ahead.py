"""Fetch into cache what commands further on in the ring will touch. It reads nothing that matters: no result depends on it.

In a market of a million orders nearly everything that a command touches lies in memory far from the processor, ten lines of it,
and where each lies is written in the one before. So a command is looked at six times, from afar to near: each time the lines
are fetched that the lines of the time before, which have come by now, point to; and those of many commands are on their way at
once. A small book stays in the nearer caches, and is not helped.
"""

from typing import Any

import numpy as np

from matcher.book import child_towards, number_of, rank_of
from matcher.layout import LINE, PLACE_BITS, RANKS
from matcher.slots import command_address, command_at
from shm.atomics import int64, prefetch, prefetch_to_read, trailing_zeros
from shm.inner import laid_in
from shm.records import SLOT_BOUND, CommandKind

NEW, REPLACE = int64(CommandKind.NEW), int64(CommandKind.REPLACE)
SLOT_MASK, ONE = SLOT_BOUND - 1, np.uint64(1)
FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH = 48, 39, 31, 23, 15, 7
"""How many commands ahead each look is."""
BEFORE = 80
"""How many commands ahead the command itself is fetched."""


@laid_in
def look_ahead(state: Any, sequence: int, last: int) -> None:
    """Before the command ``sequence`` is handled, of which up to ``last`` are at hand."""
    if sequence + BEFORE <= last:
        address = command_address(state, sequence + BEFORE)
        prefetch_to_read(address)
        prefetch_to_read(address + LINE)
    if sequence + FIRST <= last:
        _fetch_named(state, command_at(state, sequence + FIRST))
    if sequence + SECOND <= last:
        _look(state, command_at(state, sequence + SECOND), 2)
    if sequence + THIRD <= last:
        _look(state, command_at(state, sequence + THIRD), 3)
    if sequence + FOURTH <= last:
        _look(state, command_at(state, sequence + FOURTH), 4)
    if sequence + FIFTH <= last:
        _look(state, command_at(state, sequence + FIFTH), 5)
    if sequence + SIXTH <= last:
        _look(state, command_at(state, sequence + SIXTH), 6)


@laid_in
def _fetch_named(state: Any, command: Any) -> None:
    """What the command itself names. Nobody has looked yet whether it may: fetching cannot fault."""
    prefetch(state["orders"], command["order_id"] & SLOT_MASK)
    prefetch(state["instruments"], command["instrument"])
    prefetch(state["accounts"], command["account"])


@laid_in
def _look(state: Any, command: Any, time: int) -> None:
    kind, order_id, instrument = command["kind"], command["order_id"], command["instrument"]
    slot = np.uint32(order_id & SLOT_MASK)
    if instrument < 0 or instrument >= state["instrument_bound"] or slot >= state["order_bound"]:
        return
    book, order = state["instruments"][np.uint32(instrument)], state["orders"][slot]
    if kind == NEW:
        if time == 2 and 0 <= command["account"] < state["account_bound"]:
            prefetch(state["blocks"], state["accounts"][np.uint32(command["account"])]["last"])
        _look_where_it_goes(state, book, np.uint32(command["side"] & 1), command["price"], time)
    elif order["order_id"] == order_id:
        _look_where_it_stands(state, order, time)
        if kind == REPLACE:
            _look_where_it_goes(state, book, np.uint32(order["side"]), command["price"], time)


@laid_in
def _look_where_it_stands(state: Any, order: Any, time: int) -> None:
    """Its level, its neighbours, its place among its account's orders; then, if it is alone, where the level hangs."""
    if time == 2:
        prefetch(state["levels"], order["level"])
        prefetch(state["blocks"], order["place"] >> PLACE_BITS)
        prefetch(state["orders"], order["following"])
        prefetch(state["orders"], order["preceding"])
        return
    level = state["levels"][order["level"]]
    number = level["node"]
    if level["count"] > 1 or number == 0:
        return
    if time == 3:
        prefetch(state["nodes"], number)
    elif time == 4 or time == 5:
        _look_beside(state, state["nodes"][number], number, level["rank"], time)


@laid_in
def _look_beside(state: Any, node: Any, number: int, rank: int, time: int) -> None:
    """The level goes: if its node has one other child, that takes the node's place, or becomes the best."""
    place = (rank >> np.int64(node["shift"])) & 63
    others = node["bitmap"] & ~(ONE << np.uint64(place))
    beside = np.uint32(trailing_zeros(others)) if others else np.uint32(place)
    children = state["children"][number]["child"]
    if time == 4:
        prefetch(children, place)
        prefetch(children, beside)
        prefetch(state["nodes"], node["parent"])
    else:
        _fetch_child(state, children[beside], rank)


@laid_in
def _look_where_it_goes(state: Any, book: Any, side: int, price: int, time: int) -> None:
    """The way to its level, a step each time, and the last order there; whom it meets, if it trades."""
    rank, child = rank_of(side, price), book["roots"][side]
    for _ in range(time - 2):
        if child & 1 == 0 and child != 0:
            child = child_towards(state, child, rank)
    if time < 6:
        _fetch_child(state, child, rank)
    elif child & 1:
        prefetch(state["orders"], state["levels"][number_of(child)]["tail"])
    other = np.uint32(side ^ 1)
    if time < 5 and book["best"][other] <= RANKS ^ rank:
        _look_whom_it_meets(state, book["levels"][other], time)


@laid_in
def _look_whom_it_meets(state: Any, number: int, time: int) -> None:
    if time == 2:
        prefetch(state["levels"], number)
        return
    head = state["levels"][number]["head"]
    if time == 3:
        prefetch(state["orders"], head)
    else:
        order = state["orders"][head]
        prefetch(state["accounts"], order["account"])
        prefetch(state["blocks"], order["place"] >> PLACE_BITS)
        prefetch(state["orders"], order["following"])


@laid_in
def _fetch_child(state: Any, child: int, rank: int) -> None:
    """What ``descend`` would look at next."""
    number = number_of(child)
    if child & 1:
        prefetch(state["levels"], number)
    else:
        prefetch(state["nodes"], number)
        prefetch(state["children"][number]["child"], (rank >> np.int64((child >> 1) & 63)) & 63)
