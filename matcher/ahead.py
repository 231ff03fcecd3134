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
from matcher.layout import CHILD_BITS, PLACE_BITS, RANKS
from matcher.short import key_of, level_of, place_of
from matcher.slots import command_at, level_at
from shm.atomics import int64, prefetch, trailing_zeros
from shm.inner import laid_in
from shm.records import SLOT_BOUND, CommandKind, TimeInForce

NEW, REPLACE = int64(CommandKind.NEW), int64(CommandKind.REPLACE)
IOC = int64(TimeInForce.IOC)
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
    prefetch(state["accounts"], command["account"] * (command["kind"] == NEW))  # without a branch that nothing foresees


@laid_in
def _begin(state: Any, command: Any, notes: Any) -> None:
    """What the order, instrument and account point to, which the command names."""
    kind, order_id, instrument = command["kind"], command["order_id"], command["instrument"]
    slot = np.uint32(order_id & SLOT_MASK)
    notes["goes"], notes["stands"], notes["meets"], notes["sweeps"], notes["short"] = 0, 0, 0, 0, 0
    if instrument < 0 or instrument >= state["instrument_bound"] or slot >= state["order_bound"]:
        return
    book, order = state["instruments"][np.uint32(instrument)], state["orders"][slot]
    if kind == NEW:
        if 0 <= command["account"] < state["account_bound"] and state["accounts"][np.uint32(command["account"])]["last"]:
            prefetch(state["blocks"], state["accounts"][np.uint32(command["account"])]["last"])
        rests = command["time_in_force"] != IOC
        _begin_to_go(state, instrument, np.uint32(command["side"] & 1), command["price"], rests, notes)
    elif order["order_id"] == order_id:
        notes["stands"] = order["level"]
        _fetch_level(state, order["level"])
        side = np.int64(order["side"])
        prefetch(
            book["short"], (side + 1) * (1 - np.int64(book["tall"][side])) - 1
        )  # before the first lies what is here by now
        prefetch(state["blocks_live"], order["place"] >> PLACE_BITS)
        prefetch(state["orders"], order["following"])
        prefetch(state["orders"], order["preceding"])
        if kind == REPLACE:
            _begin_to_go(state, instrument, np.uint32(order["side"]), command["price"], True, notes)


@laid_in
def _begin_to_go(state: Any, instrument: int, side: int, price: int, rests: bool, notes: Any) -> None:
    """Where the order will stand, if it may rest; and whom it meets, if it trades."""
    book = state["instruments"][np.uint32(instrument)]
    rank, other = rank_of(side, price), np.uint32(side ^ 1)
    notes["rank"] = rank
    if book["tall"][side]:
        root = np.uint32(book["roots"][side] * rests)
        notes["goes"] = root
        _fetch_child(state, root, rank)
    else:
        notes["short"] = ((np.int64(instrument) << 1 | np.int64(side)) + 1) * rests
        prefetch(book["short"], side)
    if book["best"][other] <= RANKS ^ rank:
        notes["sweeps"] = 1
        if not book["tall"][other]:
            notes["short"] = (np.int64(instrument) << 1 | np.int64(other)) + 1
            prefetch(book["short"], other)
        notes["meets"] = notes["stands"] = book["levels"][other]  # whose only order may be filled: then it goes
        _fetch_level(state, book["levels"][other])


@laid_in
def _go_on(state: Any, notes: Any, look: int) -> None:
    """A step further on each of the ways."""
    goes, stands = notes["goes"], notes["stands"]
    if look == 3 and notes["short"] != 0:
        notes["goes"] = _level_of_short(state, notes)
    elif goes & 1:
        prefetch(state["orders"], level_at(state, number_of(goes))["tail"])
        notes["goes"] = 0
    elif goes != 0:
        child = child_towards(state, goes, notes["rank"])
        if child & 1 or child == 0:
            prefetch(state["nodes"], number_of(goes))
        _fetch_child(state, child, notes["rank"])
        notes["goes"] = child
    if stands != 0 and look < 6:
        _look_where_it_stands(state, level_at(state, stands), notes, look)
    if notes["meets"] != 0 and look < 5:
        _look_whom_it_meets(state, notes, look)


@laid_in
def _level_of_short(state: Any, notes: Any) -> Any:
    """On a short side, as a child's word: the level where the order will stand, or if it trades the second to trade with."""
    at = np.int64(notes["short"]) - 1
    short = state["instruments"][np.uint32(at >> 1)]["short"][np.uint32(at & 1)]
    key = key_of(short, notes["rank"])
    place = place_of(short, key)
    level = short["levels"][1] if notes["sweeps"] else np.uint32(level_of(short, key, place))
    if level == 0:
        return np.uint32(0)
    _fetch_level(state, level)
    return np.uint32(level << CHILD_BITS | 1)


@laid_in
def _look_where_it_stands(state: Any, level: Any, notes: Any, look: int) -> None:
    """If one order stands there alone, the level goes: where it hangs; what then takes the place of a node of two; and where an
    order trades, which level is the next to trade with."""
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
        elif notes["sweeps"]:
            prefetch(children, beside)
        else:
            notes["stands"] = 0
    else:
        _fetch_child(state, children[beside], level["rank"])
        if notes["sweeps"]:
            notes["goes"] = children[beside] * (children[beside] & 1)  # the next level to trade with, and the order there


@laid_in
def _look_whom_it_meets(state: Any, notes: Any, look: int) -> None:
    """The first order at the best price, then what its end would touch."""
    if look == 3:
        head = level_at(state, notes["meets"])["head"]
        notes["meets"] = head
        prefetch(state["orders"], head)
    else:
        prefetch(state["orders"], state["orders"][notes["meets"]]["following"])


@laid_in
def _fetch_level(state: Any, number: int) -> None:
    prefetch(state["levels"], number)


@laid_in
def _fetch_child(state: Any, child: int, rank: int) -> None:
    """What ``descend`` would look at next."""
    number = number_of(child)
    if child & 1:
        _fetch_level(state, number)
    else:
        prefetch(state["nodes"][number]["child"], (rank >> np.int64((child >> 1) & 63)) & 63)
