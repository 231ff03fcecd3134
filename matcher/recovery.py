"""Becoming again what one was: the journal's commands through the same kernel, telling only what was not yet told."""

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from matcher.kernel import ABORTED, run
from matcher.layout import Bounds
from matcher.state import used, wire
from shm.records import COMMAND
from shm.ring import Ring, publish

SLICE = 4096


class Replay:
    """A ring of this process's own that feeds recorded commands to the kernel."""

    def __init__(self, state: Any, commands: Ring, events: Ring) -> None:
        self.state, self.commands, self.events = state, commands, events
        self.ring = Ring.private(COMMAND, commands.capacity, gating=("matcher",), base=int(state["command_sequence"]))
        self.reader = self.ring.reader("matcher")

    def feed(self, batches: Iterable[Any]) -> bool:
        """Handle the commands of ``batches``, arrays of COMMAND that go on where the state stands; False: told to stop."""
        own, self.state["reader"] = int(self.state["reader"]), self.reader
        wire(self.state, self.ring, self.events)
        try:
            return all(self._feed(batch[k : k + self.ring.capacity]) for batch in batches for k in self._starts(batch))
        finally:
            self.state["reader"] = own
            wire(self.state, self.commands, self.events)

    def _starts(self, batch: Any) -> range:
        return range(0, len(batch), self.ring.capacity)

    def _feed(self, commands: Any) -> bool:
        assert commands["sequence"][0] == self.state["command_sequence"] + 1, "a gap in the journal"
        slots = self.ring.record["slots"]
        slots[commands["sequence"] & (len(slots) - 1)] = commands
        publish(self.ring.record, int(commands["sequence"][-1]))
        while (handled := run(self.state, SLICE)) > 0:
            pass
        return bool(handled != ABORTED)


def catch_up(replay: Replay, journal: Callable[[], Iterable[Any]], at_least: int, wait: Callable[[], bool]) -> bool:
    """Replay what the journal holds, and wait until it holds command ``at_least``; False: told to stop.

    ``at_least`` is what an earlier life released in the ring, where the slots up to it may be overwritten at any moment. Those
    after it may not, so from there on the ring is as good as the journal.
    """
    while replay.feed(journal()):
        if replay.state["command_sequence"] >= at_least:
            return True
        if not wait():
            return False
    return False


def touch(state: Any, bounds: Bounds) -> None:
    """Have every page of the state now: a first touch costs a quarter of a microsecond, and lacks of memory show at once."""
    for part in used(state, bounds):
        pages = part[::4096]
        pages |= np.uint8(0)
