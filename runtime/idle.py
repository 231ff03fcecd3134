"""Idle strategies: what to do when a slice found nothing. Each gets the time since the last slice that found something.

    spin    nothing: look again at once. For a process with a core of its own: it answers fastest and takes the core whole.
    yield   let whoever waits for this core run first. For processes that share a core, or a machine kept awake.
    park    sleep on the doorbell at once. Least processor; every wake-up costs a system call on either side.
    auto    yield for a little while, then park. What a laptop gets.

A strategy returns True when the runner should park now. A park that ended without work is followed by the next at once,
since the time goes on: an idle engine must not spin after every timeout. ``auto`` counts time, not slices: where others wait
for the core, one yield takes milliseconds, and a process that insisted on hundreds would stand in its own neighbours' way.
"""

import os
from collections.abc import Callable
from typing import Final

IdleStrategy = Callable[[int], bool]

YIELD_NS: Final = 1_000_000
"""Longer than a client takes from one answer to its next order, so that a conversation finds the engine awake."""
PARK_BOUND_S: Final = 0.1
"""The longest sleep. A signal that falls just before the system call is seen so late, and so is time that an agent keeps.

Every wake-up costs some 0.2 ms of processor on a cold cache: four idle processes take about 1% of a core at this bound.
"""


def spin(_: int) -> bool:
    """Never gives the core away."""
    return False


def yielding(_: int) -> bool:
    """Gives way to whoever waits for the core."""
    os.sched_yield()
    return False


def park(_: int) -> bool:
    """Sleeps at the first chance."""
    return True


def auto(quiet_ns: int) -> bool:
    """Yields, then sleeps. With the core to itself a yield is a spin of 0.3 µs; with others there, a spin is in their way."""
    if quiet_ns <= YIELD_NS:
        os.sched_yield()
        return False
    return True


STRATEGIES: Final[dict[str, IdleStrategy]] = {"spin": spin, "yield": yielding, "park": park, "auto": auto}
