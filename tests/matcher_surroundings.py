"""The matcher's surroundings, played by a fake in the test's own process: a context, its rings, and who sends through them."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import structlog

from matcher_streams import ACCOUNTS, INSTRUMENTS, LEVELS, ORDERS
from runtime.faults import StopRequested
from shm.durable import COMMANDS_DURABLE, COMMANDS_WRITTEN, EVENTS_DURABLE, EVENTS_WRITTEN, STATE, SYNC_ASKED, JournalState
from shm.records import COMMAND, EVENT
from shm.ring import Ring, publish, release

COMMANDS, EVENTS = 256, 4096


class Surroundings:
    """A Context in one process's own memory. ``grow`` is called whenever the agent waits for the journal."""

    process, number, epoch = "matcher.0", 0, 0xE70C
    own = SimpleNamespace(huge_pages=False)
    logger = structlog.get_logger()

    def __init__(self, data, events_capacity=EVENTS):
        pools = SimpleNamespace(instruments=INSTRUMENTS, accounts=ACCOUNTS, orders=ORDERS, levels=LEVELS)
        instruments = [SimpleNamespace(symbol=f"S{k}") for k in range(INSTRUMENTS)]
        snapshots = SimpleNamespace(every_s=0, keep=2, at_stop=False)
        self.settings = SimpleNamespace(
            matchers=1, pools=pools, instruments=instruments, data=data, snapshots=snapshots, durability="disk"
        )
        self.doorbells = SimpleNamespace(ring=lambda bell: None)
        self.commands = Ring.private(COMMAND, COMMANDS, gating=("matcher",))
        self.events = Ring.private(EVENT, events_capacity, gating=("persister",))
        self.words = dict.fromkeys((EVENTS_WRITTEN, EVENTS_DURABLE, COMMANDS_WRITTEN, COMMANDS_DURABLE, SYNC_ASKED), 0)
        self.words[STATE] = JournalState.WRITING
        self.stopping, self.relaxed, self.grow = False, 0, lambda: None

    def neighbours(self):
        return ("riskd", "persister")

    def attach_durable(self, shard):
        return SimpleNamespace(read=self.words.__getitem__, advance=self.words.__setitem__)

    def create_ring(self, name, base=0):
        return self.events

    def attach_ring(self, name):
        return self.commands

    def relax(self):
        self.relaxed += 1
        return self.stopping

    def wait_for(self, look, what):
        self.grow()
        if (found := look()) is None:
            raise StopRequested
        return found

    def send(self, commands):
        slots = self.commands.record["slots"]
        slots[commands["sequence"] & (len(slots) - 1)] = commands
        publish(self.commands.record, int(commands["sequence"][-1]))

    def told(self, count):
        return self.events.record["slots"][np.arange(1, count + 1) & (self.events.capacity - 1)]


class SharedSurroundings(Surroundings):
    """The same with rings in shared memory, as between processes: riskd's end is created, the matcher's attached."""

    def __init__(self, data: Path, instance: str) -> None:
        super().__init__(data)
        self.instance = instance
        self.commands = Ring.create(f"{instance}-commands.0", COMMAND, COMMANDS, epoch=1, gating=("matcher",))

    def create_ring(self, name: str, base: int = 0) -> Ring:
        name = f"{self.instance}-{name}"
        created = Ring.create(name, EVENT, EVENTS, epoch=1, gating=("persister",), base=base)
        self.events = Ring.attach(name, EVENT, EVENTS, epoch=1)
        return created

    def attach_ring(self, name: str) -> Ring:
        return Ring.attach(f"{self.instance}-{name}", COMMAND, COMMANDS, epoch=1)

    def drain(self) -> Any:
        """The events since the last time, as the persister takes them."""
        first, last = self.events.cursor(0) + 1, self.events.published
        taken = self.events.record["slots"][np.arange(first, last + 1) & (self.events.capacity - 1)]
        release(self.events.record, 0, last)
        return taken


def pump(place, agent, commands):
    """Through the ring, as riskd would send them."""
    for start in range(0, len(commands), COMMANDS):
        place.send(commands[start : start + COMMANDS])
        while agent.do_work():
            pass
