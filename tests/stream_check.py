"""A stream of commands through the kernel and through its twin: the same events, books that hold together, no lot lost.

What ``pinion verify`` and the tests of the matcher share.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from matcher.engine import Engine
from matcher.layout import Bounds
from matcher_streams import ACCOUNTS, BOUNDS, INSTRUMENTS, as_dicts, as_events, engine, stream, twin, wrong_numbers
from shm.records import COMMAND, EventKind

STREAM_COMMANDS = 2_000
STREAMS_A_SEED = 1_000_000
SIZES = (BOUNDS, Bounds(INSTRUMENTS, ACCOUNTS, 200, 150), BOUNDS, Bounds(INSTRUMENTS, ACCOUNTS, 8, 6))
WRONG_NUMBERS_EVERY = 7
"""Themes, sizes and this have no common divisor, so that each meets each."""


EVENTS_BOUND = 200_000


class Told(list[dict[str, Any]]):
    """The twin's events; too many of them are a command that never ends."""

    def append(self, event: dict[str, Any]) -> None:
        assert len(self) < EVENTS_BOUND, "it goes on and on"
        super().append(event)


@dataclass(frozen=True)
class Stream:
    """Commands, and the bounds of the matcher that they are for."""

    seed: int
    bounds: Bounds
    commands: Any


@dataclass(frozen=True)
class Outcome:
    """What came of a stream: how many events, or what is wrong, and at which command, from 0."""

    events: int
    wrong: str = ""
    at: int = 0


def streams(seed: int, commands: int) -> Iterator[Stream]:
    """``commands`` commands in streams of 2,000, each with a seed of its own."""
    for number in range(-(-commands // STREAM_COMMANDS)):
        size = min(STREAM_COMMANDS, commands - number * STREAM_COMMANDS)
        yield one_stream(seed * STREAMS_A_SEED + number, size)


def one_stream(seed: int, size: int) -> Stream:
    """``size`` commands, definitions included, of a theme and for bounds by the seed; a few streams have wrong numbers."""
    bounds = SIZES[seed % len(SIZES)]
    commands = stream(seed, size)[:size]
    if seed % WRONG_NUMBERS_EVERY == WRONG_NUMBERS_EVERY - 1:
        numberer = engine(bounds)
        numberer.run(commands)
        commands = wrong_numbers(numberer.commands, seed)
    return Stream(seed, bounds, commands)


def command(kind: int, **fields: int) -> Any:
    """One command, as an array; what is not named is 0."""
    made = np.zeros(1, COMMAND)
    made["kind"] = kind
    for name, value in fields.items():
        made[name] = value
    return made


def verify(commands: Any, bounds: Bounds) -> Outcome:
    """Run both over ``commands``; those that bear numbers are numbered from 1 on and otherwise taken as they are."""
    commands = renumbered(commands)
    subject, reference = engine(bounds), twin(bounds)
    try:
        found = subject.run(commands, validate=True)
    except AssertionError as error:
        return Outcome(0, f"the kernel, {error}", max(int(subject.state["command_sequence"]) - 1, 0))
    reference.events = Told()
    for k, each in enumerate(as_dicts(subject.commands)):
        try:
            reference.handle(each)
        except Exception as error:  # a twin that stumbles is a finding like any other
            return Outcome(0, f"the twin, at command {k + 1}: {error!r}", k)
    wanted = as_events(reference.events)
    if found.tobytes() != wanted.tobytes():
        sequence = first_difference(found, wanted)
        return Outcome(len(found), f"kernel and twin tell command {sequence} differently", sequence - 1)
    return lost_lots(reference.events, subject) or Outcome(len(found))


def renumbered(commands: Any) -> Any:
    """The commands with sequences that go on from 1, if they have any."""
    if commands["sequence"].any():
        commands = commands.copy()
        commands["sequence"] = np.arange(1, len(commands) + 1)
    return commands


def first_difference(found: Any, wanted: Any) -> int:
    """The sequence of the first command that is told differently."""
    for one, other in zip(found, wanted, strict=False):
        if one.tobytes() != other.tobytes():
            return int(min(one["command_sequence"], other["command_sequence"]))
    longer = max(found, wanted, key=len)
    return int(longer[min(len(found), len(wanted))]["command_sequence"])


def lost_lots(told: Iterable[dict[str, Any]], subject: Engine) -> Outcome | None:
    """What came in, and what changes of an order added or took, is filled, cancelled or at rest: for every order."""
    leaves: dict[int, int] = {}
    executed: dict[int, int] = {}
    for event in told:
        wrong = _account_for(event, leaves, executed)
        if wrong:
            return Outcome(0, f"command {event['command_sequence']}: {wrong}", event["command_sequence"] - 1)
    orders = subject.state["orders"][: subject.bounds.orders]
    resting = orders[orders["order_id"] != 0]
    if dict(zip(resting["order_id"].tolist(), resting["leaves"].tolist(), strict=True)) != leaves:
        return Outcome(0, "the orders at rest are not those that the events leave", int(subject.state["command_sequence"]) - 1)
    return None


def _account_for(event: dict[str, Any], leaves: dict[int, int], executed: dict[int, int]) -> str:
    """Follow one event; what does not add up, in words."""
    kind, order_id = event["kind"], event.get("order_id", 0)
    if kind == EventKind.ACCEPTED:
        leaves[order_id], executed[order_id] = event["quantity"], 0
        return "" if event["leaves"] == event["quantity"] else "an order comes in with other leaves than lots"
    if kind == EventKind.TRADE:
        sides = ((order_id, event["leaves"]), (event["resting_order_id"], event["resting_leaves"]))
        return "" if all(_trade(*side, event["quantity"], leaves, executed) for side in sides) else "a trade loses lots"
    if kind == EventKind.CANCELLED:
        return "" if leaves.pop(order_id, None) == event["quantity"] else "other lots are cancelled than there were"
    if kind in (EventKind.REPLACED, EventKind.RESTATED, EventKind.TRIGGERED):
        leaves[order_id] = event["leaves"]
        whole = event["quantity"] - event["leaves"] == executed.get(order_id) and event["leaves"] > 0
        return "" if whole else "a change of an order loses lots"
    return ""


def _trade(order_id: int, left: int, lots: int, leaves: dict[int, int], executed: dict[int, int]) -> bool:
    before = leaves.pop(order_id, 0)
    executed[order_id] = executed.get(order_id, 0) + lots
    if left:
        leaves[order_id] = left
    return lots > 0 and before - lots == left >= 0
