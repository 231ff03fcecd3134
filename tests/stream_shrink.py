"""The shortest stream that still fails: pieces are left out, then single commands, then fields become 0."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from stream_check import verify

Fails = Callable[[Any], int | None]
"""Given commands: the number, from 0, of the one at which they fail, or None."""
GIVE_UP_S = 300.0
KEPT = ("kind", "sequence", "pad")


def shrink(commands: Any, bounds: Any, hear: Callable[[int], None] = lambda length: None) -> Any:
    """The shortest part of ``commands`` found within five minutes that still fails; ``hear`` is told each length."""

    def fails(candidate: Any) -> int | None:
        outcome = verify(candidate, bounds)
        return outcome.at if outcome.wrong else None

    return shrink_by(commands, fails, hear)


def shrink_by(commands: Any, fails: Fails, hear: Callable[[int], None] = lambda length: None) -> Any:
    """The same for whatever ``fails`` says."""
    end = time.monotonic() + GIVE_UP_S

    def fails_in_time(candidate: Any) -> int | None:
        if time.monotonic() > end or not len(candidate):
            return None
        at = fails(candidate)
        if at is not None:
            hear(at + 1)
        return at

    at = fails_in_time(commands)
    assert at is not None, "only a stream that fails can be shrunk"
    commands = commands[: at + 1]
    while True:
        before = commands.tobytes()
        commands = _simplify(_leave_out(commands, fails_in_time), fails_in_time)
        if commands.tobytes() == before:
            return commands


def _leave_out(commands: Any, fails: Fails) -> Any:
    """Pieces of half the stream, of a quarter, and so on down to one command, the last ones first, as long as it helps."""
    size = max(len(commands) // 2, 1)
    while True:
        length = len(commands)
        start = length - size
        while start > -size:
            rest = np.concatenate([commands[: max(start, 0)], commands[start + size :]])
            at = fails(rest)
            if at is not None:
                commands = rest[: at + 1]
            start = min(start, len(commands)) - size
        if size == 1 and len(commands) == length:
            return commands
        size = max(size // 2, 1)


def _simplify(commands: Any, fails: Fails) -> Any:
    """Every field that may be 0, or else 1, becomes that."""
    for name in commands.dtype.names:
        for k in range(len(commands)) if name not in KEPT else ():
            for value in (0, 1):
                if k >= len(commands) or 0 <= commands[k][name] <= value:
                    break
                simpler = commands.copy()
                simpler[k][name] = value
                at = fails(simpler)
                if at is not None:
                    commands = simpler[: at + 1]
                    break
    return commands
