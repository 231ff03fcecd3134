"""Seeded random streams of commands for the matcher, weighted to the rare, and the twin's events as bytes."""

from typing import Any

import numpy as np

from matcher.commands import definitions
from matcher.engine import Engine
from reference.book import Twin
from shm.reasons import Reason
from shm.records import COMMAND, EVENT, CommandKind, OrderType, TimeInForce

INSTRUMENTS, ACCOUNTS, ORDERS, LEVELS = 3, 4, 32, 24
"""Small, so that pools run full and prices meet. One size for all streams: kernels are compiled once for each."""


def engine() -> Engine:
    """An engine of the streams' bounds, over the smallest rings."""
    return Engine(INSTRUMENTS, ACCOUNTS, ORDERS, LEVELS, commands_capacity=256, events_capacity=256)


def restore(snapshot: bytes) -> Engine:
    """An engine like ``engine()`` that goes on from ``snapshot``."""
    return Engine.restore(snapshot, commands_capacity=256, events_capacity=256)


def twin() -> Twin:
    """The twin of ``engine()``."""
    return Twin(INSTRUMENTS, ACCOUNTS, ORDERS, LEVELS)


def stream(seed: int, size: int) -> Any:
    """``size`` unnumbered commands after the definitions; some of them make no sense."""
    chance = np.random.default_rng(seed)
    middle = int(chance.choice([30, 1_000, 131_072, 2**40]))
    spread = int(chance.choice([2, 6, 70, 5_000]))
    return np.concatenate([definitions(INSTRUMENTS, ACCOUNTS), _body(chance, size, middle, spread)])


def _body(chance: Any, size: int, middle: int, spread: int) -> Any:
    made = np.zeros(size, COMMAND)
    kinds = [CommandKind.NEW, CommandKind.REPLACE, CommandKind.CANCEL, CommandKind.MASS_CANCEL, CommandKind.INSTRUMENT]
    kinds += [CommandKind.ACCOUNT, CommandKind.SNAPSHOT, CommandKind.CLOCK, 200]
    made["kind"] = chance.choice(kinds, size, p=[0.55, 0.2, 0.15, 0.03, 0.02, 0.02, 0.01, 0.01, 0.01])
    made["account"] = chance.integers(0, ACCOUNTS, size)
    made["instrument"] = chance.choice([0, 0, 0, 1, 2], size)
    made["client_order_id"] = chance.integers(1, 40, size)
    made["side"] = chance.integers(0, 2, size)
    made["type"] = chance.choice([OrderType.LIMIT, OrderType.MARKET], size, p=[0.95, 0.05])
    made["time_in_force"] = chance.choice([TimeInForce.GTC, TimeInForce.IOC], size, p=[0.9, 0.1])
    made["price"] = np.maximum(middle + np.rint(chance.standard_cauchy(size).clip(-1e4, 1e4) * spread), 1).astype(np.int64)
    made["quantity"] = chance.choice([1, 2, 3, 10, 100], size)
    made["time_ns"], made["session"] = np.cumsum(chance.integers(0, 9, size)), chance.integers(0, 5, size)
    made["request_id"] = chance.integers(0, 2**63, size)
    _spoil(chance, made)
    return made


def _spoil(chance: Any, made: Any) -> None:
    """Make a few of them wrong in each way."""
    odd = {
        "price": [0, -5, 2**48 - 2, 2**48 - 1, 2**60],
        "quantity": [0, -3, 2**40],
        "instrument": [-1, 99, 2],
        "account": [-1, 77, 1],
        "verdict": [Reason.PRICE_OFF_TICK, Reason.UNKNOWN_ORDER],
    }
    for name, values in odd.items():
        wrong = chance.random(len(made)) < 0.01
        made[name][wrong] = chance.choice(values, wrong.sum())
    everything = (made["kind"] == CommandKind.MASS_CANCEL) & (chance.random(len(made)) < 0.5)
    made["instrument"][everything] = -1


def as_dicts(commands: Any) -> list[dict[str, Any]]:
    """The commands as the twin wants them."""
    names = [name for name in COMMAND.names or () if name != "pad"]
    return [dict(zip(names, row, strict=True)) for row in commands[names].tolist()]


def as_events(told: list[dict[str, Any]], first: int = 1) -> Any:
    """The twin's events as an array of EVENT; what it does not mention is 0."""
    events = np.zeros(len(told), EVENT)
    for k, event in enumerate(told):
        events[k]["sequence"] = first + k
        for name, value in event.items():
            events[k][name] = value
    return events


def describe_difference(found: Any, wanted: Any) -> str:
    """The first event that differs, both ways."""
    for k, (one, other) in enumerate(zip(found, wanted, strict=False)):
        if one.tobytes() != other.tobytes():
            return f"event {k}:\n  kernel {dict(zip(EVENT.names or (), one.tolist(), strict=True))}\n  twin   " + str(
                dict(zip(EVENT.names or (), other.tolist(), strict=True))
            )
    return f"{len(found)} events, the twin has {len(wanted)}"
