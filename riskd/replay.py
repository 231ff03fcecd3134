"""Recovery, compiled: what recorded commands and events do to a state that has not seen them."""

from typing import Any, Final

import numpy as np
from numba import njit

from riskd.ahead import note
from riskd.checks import is_account
from riskd.events import apply
from riskd.layout import PENDING_BOUND
from riskd.limits import throttled
from riskd.money import product
from riskd.orders import NOT_LIVE, SLOT_MASK, enter, expect_replace, slot_of, worst
from riskd.positions import place
from riskd.reckoning import follow_replace, reckoned, reckoned_again
from riskd.repeats import ORDER_REPEATED, count_repeat, kind_of, latch
from riskd.take import CLOCK, NEW, REDUCE, REPLACE
from riskd.usage import count_ordered, set_time
from shm.controls import UNLIMITED
from shm.records import GATEWAY_BOUND

DONE: Final = 0
IMPOSSIBLE_COMMAND: Final = 1
"""A command out of sequence, or a NEW whose slot is beyond the pool, or in use though all events before it are known."""
IMPOSSIBLE_EVENT: Final = 2
LACKS_EVENTS: Final = 3
"""riskd numbered the command only after it had read events that have not come yet."""


@njit(cache=True)
def replay(risks: Any, shard: int, commands: Any, events: Any, cursor: Any, more_events: bool) -> int:
    """Apply ``commands`` of a shard and, each before the first command after its own, ``events``.

    ``cursor`` (int64, 2) says how many of either are done already, and is moved. Returns when the commands are used up, or
    the events are and there are ``more_events`` to fetch: DONE; or at a command or event that cannot be taken in, which is left
    undone: IMPOSSIBLE_COMMAND, IMPOSSIBLE_EVENT, LACKS_EVENTS.
    """
    risk = risks[0]
    while cursor[0] < commands.shape[0]:
        command = commands[cursor[0]]
        while cursor[1] < events.shape[0] and events[cursor[1]]["command_sequence"] < command["sequence"]:
            if not _apply_event(risk, shard, events[cursor[1]]):
                return IMPOSSIBLE_EVENT
            cursor[1] += 1
        if cursor[1] == events.shape[0] and more_events:
            return DONE
        outcome = _apply_command(risk, shard, command)
        if outcome == LACKS_EVENTS and cursor[1] < events.shape[0]:  # later events are known: those before it are all in
            return IMPOSSIBLE_COMMAND
        if outcome != DONE:
            return outcome
        cursor[0] += 1
    return DONE


@njit(cache=True)
def replay_events(risks: Any, shard: int, events: Any, cursor: Any) -> int:
    """Apply the events that are left when there are no more commands."""
    while cursor[1] < events.shape[0]:
        if not _apply_event(risks[0], shard, events[cursor[1]]):
            return IMPOSSIBLE_EVENT
        cursor[1] += 1
    return DONE


@njit(cache=True)
def _apply_event(risk: Any, shard: int, event: Any) -> bool:
    risk["shards"][shard]["events_read"] = event["sequence"]
    return apply(risk, shard, event)


@njit(cache=True)
def _apply_command(risk: Any, shard: int, command: Any) -> int:
    source = risk["shards"][shard]
    if command["sequence"] != source["sequence"] + 1:
        return IMPOSSIBLE_COMMAND
    if _came_after_events(risk, shard, command):
        return LACKS_EVENTS
    source["sequence"] = source["published"] = command["sequence"]
    set_time(risk, command["time_ns"])
    if command["origin"] < GATEWAY_BOUND:
        note(risk, command["origin"], command["origin_sequence"], shard)
        if (command["kind"] == NEW or command["kind"] == REPLACE) and is_account(risk, command["account"]):
            throttled(risk, command["account"], risk["accounts"][command["account"]]["checks"], command["time_ns"])
    if command["verdict"] == ORDER_REPEATED:
        _latch_again(risk, shard, command)
    if command["verdict"] != 0:
        return DONE
    if command["kind"] == NEW:
        return DONE if _enter_again(risk, shard, command) else IMPOSSIBLE_COMMAND
    if command["kind"] == REPLACE or command["kind"] == REDUCE:
        _change_again(risk, shard, command)
    if command["kind"] == CLOCK:
        source["clocked_ns"] = command["time_ns"]
    return DONE


@njit(cache=True)
def _came_after_events(risk: Any, shard: int, command: Any) -> bool:
    """Is there no room for the command before more events: its slot is in use, or too many replaces are on their way?"""
    if command["verdict"] != 0:
        return False
    if command["kind"] == NEW:
        slot = command["order_id"] & SLOT_MASK
        return slot < risk["orders"].shape[1] and risk["orders"][shard, slot]["order_id"] != 0
    if command["kind"] == REPLACE or command["kind"] == REDUCE:
        slot = slot_of(risk, shard, command["order_id"])
        return slot != NOT_LIVE and risk["orders"][shard, slot]["pending"] == PENDING_BOUND
    return False


@njit(cache=True)
def _enter_again(risk: Any, shard: int, command: Any) -> bool:
    """The slot is the one that the order id names. Free slots are only counted: their stack is made anew afterwards."""
    slot = command["order_id"] & SLOT_MASK
    if slot >= risk["orders"].shape[1]:
        return False
    position = place(risk, command["account"], command["instrument"])
    if position < 0:
        return False
    instrument = risk["instruments"][command["instrument"]]
    stop_price, last_price = command["stop_price"], instrument["last_price"]
    price = reckoned(command["type"], command["side"], command["price"], stop_price, last_price)
    held = product(product(price, command["quantity"]), instrument["tick_value"])
    risk["shards"][shard]["free"] -= 1
    enter(risk, shard, command, position, price, max(held, 0))
    if risk["permits"][command["account"]]["maximum_repeats"] != UNLIMITED:
        kind = kind_of(command["instrument"], command["side"], command["type"])
        price, quantity, time_ns = command["price"], command["quantity"], command["time_ns"]
        count_repeat(risk, command["account"], shard, kind, price, quantity, time_ns)
    return True


@njit(cache=True)
def _latch_again(risk: Any, shard: int, command: Any) -> None:
    """The command has what the client sent: prices and quantities as they travel."""
    units = risk["instruments"][command["instrument"]]
    price, quantity = command["price"] // units["tick_size"], command["quantity"] // units["lot_size"]
    latch(risk, command["account"], shard, kind_of(command["instrument"], command["side"], command["type"]), price, quantity)


@njit(cache=True)
def _count_ordered(risk: Any, command: Any, price: int, tick_value: int) -> None:
    money = product(product(price, command["quantity"]), tick_value)
    count_ordered(risk, command["account"], max(money, 0), command["time_ns"])


@njit(cache=True)
def _change_again(risk: Any, shard: int, command: Any) -> None:
    """The order may have ended meanwhile: riskd may have read that event only after it had numbered the replace or reduce."""
    slot, units = slot_of(risk, shard, command["order_id"]), risk["instruments"][command["instrument"]]
    if slot == NOT_LIVE:
        if command["kind"] == REPLACE:
            _count_ordered(risk, command, np.int64(command["price"]), units["tick_value"])
        return
    order = risk["orders"][shard, slot]
    working, held = order["working"], order["held"]
    if command["kind"] == REPLACE:
        price = reckoned_again(order, command["price"], command["stop_price"], units["last_price"])
        working, held = worst(order, price, command["quantity"], units["tick_value"])
        _count_ordered(risk, command, np.int64(price), units["tick_value"])
        follow_replace(order, command["price"], price)
    expect_replace(risk, order, working, held)
