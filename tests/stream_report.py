"""A stream that fails, for people: a table of its commands with what both told, and a program that has it again."""

import re
from collections.abc import Iterator
from enum import IntEnum
from io import StringIO
from typing import Any

import numpy as np
from rich.box import SIMPLE
from rich.console import Console
from rich.table import Table

from matcher.layout import Bounds
from matcher_streams import as_dicts, as_events, engine, twin
from shm.reasons import name_of
from shm.records import (
    EVENT,
    RULES_COMMAND,
    AccountFlag,
    CommandKind,
    EventFlag,
    EventKind,
    InstrumentState,
    MassCancelFlag,
    OrderFlag,
    OrderType,
    SelfTradeRule,
    Side,
    TimeInForce,
)
from stream_check import Told as TwinsEvents
from stream_check import renumbered

WIDTH = 160
Told = tuple[Any, str]
"""A command's events, and what is wrong after it."""
ORDER = {"side": Side, "type": OrderType, "time_in_force": TimeInForce, "self_trade_rule": SelfTradeRule}
ENUMS: dict[int, dict[str, type[IntEnum]]] = {
    CommandKind.NEW: ORDER,
    CommandKind.MASS_CANCEL: {"side": Side},
    CommandKind.STATE: {"type": InstrumentState},
}
FLAGS: dict[int, type[IntEnum]] = {
    CommandKind.NEW: OrderFlag,
    CommandKind.MASS_CANCEL: MassCancelFlag,
    CommandKind.ACCOUNT: AccountFlag,
}
TOLD = ("client_order_id", "price", "quantity", "leaves", "resting_client_order_id", "resting_leaves")
"""Of an event, if it is not 0; whatever both tell differently is told too."""


def report(commands: Any, bounds: Bounds) -> str:
    """The table and the program."""
    return f"{table(commands, bounds)}\n{program(commands, bounds)}"


def table(commands: Any, bounds: Bounds) -> str:
    """One row a command: what it says, what the kernel told, what the twin told."""
    commands = renumbered(commands)
    made = Table("", "command", "the kernel", "the twin", box=SIMPLE, title_justify="left")
    told = zip(_kernel(commands, bounds), _twin(commands, bounds), strict=True)
    for k, (each, (found, wanted)) in enumerate(zip(commands, told, strict=True), 1):
        left, right = _told(found, wanted), _told(wanted, found)
        made.add_row(str(k), command_words(each), left, "the same" if left == right else right)
    drawn = StringIO()
    Console(file=drawn, width=WIDTH, color_system=None, markup=False, highlight=False).print(made)
    return drawn.getvalue()


def program(commands: Any, bounds: Bounds) -> str:
    """Python that runs both over the commands and prints what is wrong."""
    lines = [f"    {_call(each)}," for each in commands]
    used = sorted({word.split(".")[0] for line in lines for word in line.replace("=", " ").split() if word[:1].isupper()})
    used = sorted({*(name.removeprefix("command(").lstrip("(") for name in used), "CommandKind"})
    return "\n".join(
        [
            "# from the checkout: PYTHONPATH=tests python <this file>",
            "import numpy as np",
            "",
            "from matcher.layout import Bounds",
            f"from shm.records import {', '.join(used)}",
            "from stream_check import command, verify",
            "from stream_report import table",
            "",
            f"bounds = Bounds({', '.join(f'{name}={count}' for name, count in bounds._asdict().items())})",
            "commands = [",
            *lines,
            "]",
            "print(table(np.concatenate(commands), bounds))",
            "print(verify(np.concatenate(commands), bounds))",
            "",
        ]
    )


def command_words(each: Any) -> str:
    """The kind and every field that is not 0."""
    kind = int(each["kind"])
    seen = each.view(RULES_COMMAND) if kind == CommandKind.RULES else each
    words = [CommandKind(kind).name if kind in list(CommandKind) else f"kind {kind}"]
    for name, value in _fields(seen):
        words.append(f"{name}={re.sub('[A-Za-z]+[.]| ', '', _named(kind, name, value))}")
    return " ".join(words)


def _call(each: Any) -> str:
    kind = int(each["kind"])
    first = f"CommandKind.{CommandKind(kind).name}" if kind in list(CommandKind) else str(kind)
    return f"command({', '.join([first, *(f'{name}={_named(kind, name, value)}' for name, value in _fields(each))])})"


def _fields(each: Any) -> list[tuple[str, int]]:
    names = [name for name in each.dtype.names if name != "kind" and not name.startswith("pad")]
    return [(name, int(each[name])) for name in names if each[name]]


def _named(kind: int, name: str, value: int) -> str:
    """A value as Python: the member of an enum where there is one."""
    known = ENUMS.get(kind, {}).get(name)
    if known and value in list(known):
        return f"{known.__name__}.{known(value).name}"
    flags = FLAGS.get(kind)
    if name == "flags" and flags and not value & ~sum(flags):
        return " | ".join(f"{flags.__name__}.{flag.name}" for flag in flags if value & flag)
    return str(value)


def _told(found: Told, wanted: Told) -> str:
    """One side's events in words, with what the other tells differently, and what stopped it."""
    events, others = found[0], wanted[0]
    lines = [event_words(event, others[k] if k < len(others) else event) for k, event in enumerate(events)]
    return "\n".join([*lines, found[1]]).strip()


def event_words(event: Any, other: Any) -> str:
    """What an event says, and in what it differs from another."""
    kind = int(event["kind"])
    words = [EventKind(kind).name if kind in list(EventKind) else f"kind {kind}"]
    if event["reason"]:
        words.append(name_of(int(event["reason"])).upper())
    differs = [name for name in EVENT.names or () if name not in ("pad", "sequence") and event[name] != other[name]]
    shown = [name for name in TOLD if event[name]]
    words += [f"{name}={event[name]}" for name in shown + [name for name in differs if name not in (*shown, "kind", "reason")]]
    words += [
        flag.name for flag in EventFlag if kind != EventKind.REJECTED and event["flags"] & flag and "flags" not in differs
    ]
    return " ".join(words)


def _kernel(commands: Any, bounds: Bounds) -> Iterator[Told]:
    subject = engine(bounds)
    for each in np.split(commands, len(commands)):
        events, trouble = subject.run(each), ""
        try:
            subject.validate()
        except AssertionError as error:
            trouble = f"the book does not hold together: {error}"
        yield events, trouble


def _twin(commands: Any, bounds: Bounds) -> Iterator[Told]:
    numberer, reference, trouble = engine(bounds), twin(bounds), ""
    numberer.run(commands)
    for each in as_dicts(numberer.commands):
        reference.events = TwinsEvents()
        try:
            if not trouble:
                reference.handle(each)
        except Exception as error:  # what stopped it is what people want to read
            trouble = repr(error)
        yield as_events(reference.events), trouble
