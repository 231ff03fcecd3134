"""Becoming again what one was: the journal's commands through the same kernel, telling only what was not yet told."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from matcher.head import WIRING
from matcher.kernel import ABORTED, run
from matcher.layout import Bounds, pools
from matcher.replaying import BAD_NUMBERS, replay_batches
from matcher.state import used, wire
from shm.journal import JournalReader
from shm.records import COMMAND, RECORD_BYTES
from shm.ring import Ring, publish
from shm.ring_layout import UNPUBLISHED_BOUND
from shm.snapshot import Snapshot

SLICE = 1 << 16
WHOLE_NUMBERS = (1 << 62) - 1
"""A mask that leaves a sequence as it is."""
SELDOM = ("triggers", "rules", "extras", "expiries", "positions")
"""Pools that plain orders never touch."""
OF_A_LIFE = (*WIRING, "room_through", "suppress_through", "aborted")
"""What of the head is this life's and not the snapshot's."""


class Replay:
    """Feeds recorded commands to the kernel from where they lie: a ring's cursors, and slots that are an array of commands."""

    def __init__(self, state: Any, commands: Ring, events: Ring) -> None:
        self.state, self.commands, self.events = state, commands, events
        self.ring = Ring.private(COMMAND, 2 * UNPUBLISHED_BOUND, gating=("matcher",), base=int(state["command_sequence"]))
        self.reader = self.ring.reader("matcher")

    def feed(self, batches: Iterable[Any]) -> bool:
        """Handle the commands of ``batches``, arrays of COMMAND that go on where the state stands; False: told to stop."""
        own, self.state["reader"] = int(self.state["reader"]), self.reader
        wire(self.state, self.ring, self.events)
        try:
            return all(self._feed(batch) for batch in batches)
        finally:
            self.state["reader"] = own
            wire(self.state, self.commands, self.events)

    def feed_journal(self, journal: JournalReader) -> bool:
        """Handle all that the journal holds by now and the state does not know; False: told to stop. Raises JournalDamaged."""
        own, self.state["reader"] = int(self.state["reader"]), self.reader
        wire(self.state, self.ring, self.events)
        self.state["commands_mask"] = WHOLE_NUMBERS
        states = self.state.base
        try:
            for handled in journal.each_segment(lambda lines, words, at: replay_batches(states, lines, words, at, SLICE)):
                if handled == BAD_NUMBERS:
                    raise journal.damaged("a batch whose records are not numbered as it says")
                if handled == ABORTED:
                    return False
        finally:
            self.state["reader"] = own
            wire(self.state, self.commands, self.events)
        return True

    def _feed(self, commands: Any) -> bool:
        first = int(commands["sequence"][0])
        assert first == self.state["command_sequence"] + 1, "a gap in the journal"
        assert commands.flags.c_contiguous
        self.state["commands_slots"] = commands.ctypes.data - first * RECORD_BYTES
        self.state["commands_mask"] = WHOLE_NUMBERS
        publish(self.ring.record, int(commands["sequence"][-1]))
        while (handled := run(self.state, SLICE)) > 0:
            pass
        return bool(handled != ABORTED)


def catch_up(replay: Replay, journal: JournalReader, at_least: int, wait: Callable[[], bool]) -> bool:
    """Replay what the journal holds, and wait until it holds command ``at_least``; False: told to stop.

    ``at_least`` is what an earlier life released in the ring, where the slots up to it may be overwritten at any moment. Those
    after it may not, so from there on the ring is as good as the journal.
    """
    while replay.feed_journal(journal):
        if replay.state["command_sequence"] >= at_least:
            return True
        if not wait():
            return False
    return False


def go_on_from(snapshot: Snapshot, state: Any, parts: Sequence[Any]) -> None:
    """Make an empty state, whose used parts are ``parts``, that of the snapshot; rings and what was told are this life's."""
    own = {name: state[name].copy() for name in OF_A_LIFE}
    snapshot.fill(parts)
    for name, value in own.items():
        state[name] = value


def touch(state: Any, bounds: Bounds) -> None:
    """Have the pages now that nearly every order needs: a first touch costs a quarter of a microsecond.

    What few orders need comes when they do: with the pools of the sample settings it would be 40 MB.
    """
    _, *parts = used(state, bounds)
    for name, part in zip(pools(bounds), parts, strict=True):
        if name not in SELDOM:
            pages = part[::4096]
            pages |= np.uint8(0)
