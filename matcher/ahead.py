"""Fetch into cache what commands further on in the ring will touch. It reads nothing that matters: no result depends on it.

In a market of a million orders nearly everything that a command touches lies in memory far from the processor, ten lines of it,
and where each lies is written in the one before. So a command is looked at six times, from afar to near: each time the lines
are fetched that the lines of the time before, which have come by now, point to; and those of many commands are on their way at
once. A small book stays in the nearer caches, and is not helped.
"""

from typing import Any

import numpy as np

from matcher.book import child_towards, number_of, rank_of
from matcher.head import NOTES
from matcher.layout import PLACE_BITS, RANKS
from matcher.slots import command_at
from shm.atomics import int64, prefetch, trailing_zeros
from shm.inner import laid_in
from shm.records import SLOT_BOUND, CommandKind

NEW, REPLACE = int64(CommandKind.NEW), int64(CommandKind.REPLACE)
SLOT_MASK, ONE = SLOT_BOUND - 1, np.uint64(1)
FIRST, SECOND, THIRD, FOURTH, FIFTH, SIXTH = 23, 19, 15, 11, 7, 3
"""How many commands ahead each look is."""


@laid_in
def look_ahead(state: Any, sequence: int, last: int) -> None:
    """Before the command ``sequence`` is handled, of which up to ``last`` are at hand."""
    if sequence + FIRST <= last:
        _fetch_named(state, command_at(state, sequence + FIRST))
    if sequence + SECOND <= last:
        _begin(state, command_at(state, sequence + SECOND), _notes(state, sequence + SECOND))
    if sequence + THIRD <= last:
        _go_on(state, _notes(state, sequence + THIRD), 3)
    if sequence + FOURTH <= last:
        _go_on(state, _notes(state, sequence + FOURTH), 4)
    if sequence + FIFTH <= last:
        _go_on(state, _notes(state, sequence + FIFTH), 5)
    if sequence + SIXTH <= last:
        _go_on(state, _notes(state, sequence + SIXTH), 6)


@laid_in
def _notes(state: Any, sequence: int) -> Any:
    """Where the looks at this command have got to. Of an earlier run of commands, they are out of date and do no harm."""
    return state["ahead"][np.uint32(sequence & (NOTES - 1))]


@laid_in
def _fetch_named(state: Any, command: Any) -> None:
    """What the command itself names. Nobody has looked yet whether it may: fetching cannot fault."""
    prefetch(state["orders"], command["order_id"] & SLOT_MASK)
    prefetch(state["instruments"], command["instrument"])
    prefetch(state["accounts"], command["account"])


@laid_in
def _begin(state: Any, command: Any, notes: Any) -> None:
    """What the order, instrument and account point to, which the command names."""
    kind, order_id, instrument = command["kind"], command["order_id"], command["instrument"]
    slot = np.uint32(order_id & SLOT_MASK)
    notes["goes"], notes["stands"], notes["meets"] = 0, 0, 0
    if instrument < 0 or instrument >= state["instrument_bound"] or slot >= state["order_bound"]:
        return
    book, order = state["instruments"][np.uint32(instrument)], state["orders"][slot]
    if kind == NEW:
        if 0 <= command["account"] < state["account_bound"] and state["accounts"][np.uint32(command["account"])]["last"]:
            prefetch(state["blocks"], state["accounts"][np.uint32(command["account"])]["last"])
        _begin_to_go(state, book, np.uint32(command["side"] & 1), command["price"], notes)
    elif order["order_id"] == order_id:
        notes["stands"] = order["level"]
        prefetch(state["levels"], order["level"])
        prefetch(state["blocks"], order["place"] >> PLACE_BITS)
        prefetch(state["orders"], order["following"])
        prefetch(state["orders"], order["preceding"])
        if kind == REPLACE:
            _begin_to_go(state, book, np.uint32(order["side"]), command["price"], notes)


@laid_in
def _fetch_place(state: Any, order: Any) -> None:
    """Where the order's account notes that it rests."""
    block = order["place"] >> PLACE_BITS
    if block:
        prefetch(state["blocks"], block)
    else:
        prefetch(state["accounts"], order["account"])


@laid_in
def _begin_to_go(state: Any, book: Any, side: int, price: int, notes: Any) -> None:
    """Where the order will stand; and whom it meets, if it trades."""
    rank, other = rank_of(side, price), np.uint32(side ^ 1)
    notes["rank"], notes["goes"] = rank, book["roots"][side]
    _fetch_child(state, book["roots"][side], rank)
    if book["best"][other] <= RANKS ^ rank:
        notes["meets"] = notes["stands"] = book["levels"][other]  # whose only order may be filled: then it goes
        prefetch(state["levels"], book["levels"][other])


@laid_in
def _go_on(state: Any, notes: Any, look: int) -> None:
    """A step further on each of the ways."""
    goes, stands = notes["goes"], notes["stands"]
    if goes & 1:
        prefetch(state["orders"], state["levels"][number_of(goes)]["tail"])
        notes["goes"] = 0
    elif goes != 0:
        child = child_towards(state, goes, notes["rank"])
        if child & 1 or child == 0:
            prefetch(state["nodes"], number_of(goes))
        _fetch_child(state, child, notes["rank"])
        notes["goes"] = child
    if stands != 0 and look < 6:
        _look_where_it_stands(state, state["levels"][stands], notes, look)
    if notes["meets"] != 0 and look < 5:
        _look_whom_it_meets(state, notes, look)


@laid_in
def _look_where_it_stands(state: Any, level: Any, notes: Any, look: int) -> None:
    """If one order stands there alone, the level goes: where it hangs, and what then takes the place of a node of two."""
    number = level["node"]
    if level["count"] != 1 or number == 0:
        notes["stands"] = 0
        return
    node = state["nodes"][number]
    if look == 3:
        prefetch(state["nodes"], number)
        return
    place = (level["rank"] >> np.int64(node["shift"])) & 63
    others = node["bitmap"] & ~(ONE << np.uint64(place))
    beside = np.uint32(trailing_zeros(others)) if others else np.uint32(place)
    children = state["nodes"][number]["child"]
    if look == 4:
        prefetch(children, place)
        if others & (others - ONE) == 0:
            prefetch(children, beside)
            prefetch(state["nodes"], node["parent"])
        else:
            notes["stands"] = 0
    else:
        _fetch_child(state, children[beside], level["rank"])


@laid_in
def _look_whom_it_meets(state: Any, notes: Any, look: int) -> None:
    """The first order at the best price, then what its end would touch."""
    if look == 3:
        head = state["levels"][notes["meets"]]["head"]
        notes["meets"] = head
        prefetch(state["orders"], head)
    else:
        order = state["orders"][notes["meets"]]
        _fetch_place(state, order)
        prefetch(state["orders"], order["following"])


@laid_in
def _fetch_child(state: Any, child: int, rank: int) -> None:
    """What ``descend`` would look at next."""
    number = number_of(child)
    if child & 1:
        prefetch(state["levels"], number)
    else:
        prefetch(state["nodes"][number]["child"], (rank >> np.int64((child >> 1) & 63)) & 63)
