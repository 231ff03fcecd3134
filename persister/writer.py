"""Group commit: what lies in the rings goes into the journal, a batch at a time, and only then counts as taken."""

import mmap
from pathlib import Path
from typing import Any, Final

import numpy as np

from persister.kernels import GAP, give_back, take_commands, take_events
from persister.stream_writer import StreamWriter
from runtime.faults import EnvironmentFault, FaultStatus
from shm.durable import (
    COMMANDS_DURABLE,
    COMMANDS_WRITTEN,
    EVENTS_DURABLE,
    EVENTS_WRITTEN,
    STATE,
    SYNC_ASKED,
    Durable,
    JournalState,
)
from shm.errors import CutLoose
from shm.journal_layout import BATCH_BOUND, BATCH_HEADER, BATCH_HEADER_BYTES
from shm.records import RECORD_BYTES
from shm.ring import Ring
from shm.ring_layout import SNAPSHOT_MARK

READER: Final = "persister"


class BatchBuffer:
    """Page-aligned memory that batches are put together in, one after the other: a header line, then ``bound``
    records."""

    def __init__(self, bound: int) -> None:
        self.bound = min(bound, BATCH_BOUND)
        memory = mmap.mmap(-1, BATCH_HEADER_BYTES + self.bound * RECORD_BYTES)
        self.words: Any = np.frombuffer(memory, np.uint64)
        self.headers: Any = self.words[: BATCH_HEADER_BYTES // 8].view(BATCH_HEADER)
        self.bytes = memoryview(memory)


class RingReader:
    """The persister's place in a ring: everything up to it is in the journal."""

    def __init__(self, ring: Ring, journaled: int) -> None:
        self.ring = ring
        self.index = ring.reader(READER)
        self.slots: Any = ring.record["slots"].view(np.uint64)
        name, cursor, published = ring.segment.name, ring.cursor(self.index), ring.published
        assert cursor <= journaled <= published, f"{name}: read up to {cursor}, journaled to {journaled}, of {published}"
        self.release(journaled)

    def release(self, sequence: int) -> None:
        """The writer of the ring may overwrite everything up to ``sequence``."""
        give_back(self.ring.array, self.index, sequence)


class ShardWriter:
    """Both streams of a shard. ``level`` is the durability: how far ``COMMANDS_DURABLE`` may be believed to begin with.

    ``disk``: a batch of commands is synced before it is published. ``memory``: batches are in the page cache, which
    survives every process, and are synced behind. ``none``: as ``memory``, but nothing is ever synced; nobody waits
    for the journal. Events are written only when the commands that they come from are as safe as the level makes
    them, so that the events in the journal never know of a command that the journal has lost.
    """

    def __init__(self, commands: StreamWriter, events: StreamWriter, durable: Durable, level: str) -> None:
        self.commands, self.events, self.durable, self.level = commands, events, durable, level
        commands.each_synced = level == "disk"
        commands.background_synced = events.background_synced = level != "none"
        self._command_ring: RingReader | None = None
        self._event_ring: RingReader | None = None

    def attach(self, commands: Ring, events: Ring) -> None:
        """Read these rings from now on; what the journal has of them already is skipped."""
        self._command_ring = RingReader(commands, self.commands.last_sequence)
        self._event_ring = RingReader(events, self.events.last_sequence)

    @property
    def safe(self) -> int:
        """The last command that the level's promise holds for."""
        return self.commands.synced_sequence if self.level == "disk" else self.commands.last_sequence

    def write(self, batch: BatchBuffer) -> int:
        """At most a batch of each stream. How many records are gone on with; 0 says that both rings were empty.

        Raises OSError when the disk fails: nothing that failed counts as written, and its records stay in their ring.
        """
        return self._write_commands(batch) + self._write_events(batch)

    def sync_behind(self, at_once: bool) -> None:
        """Let the background sync what the level does not sync itself. Raises OSError."""
        if self.level == "none":
            return
        self.events.sync_behind(at_once)
        self.durable.advance(EVENTS_DURABLE, self.events.synced_sequence)
        if self.level == "memory":
            self.commands.sync_behind(at_once)
            self.durable.advance(COMMANDS_DURABLE, self.commands.synced_sequence)

    def stall(self) -> None:
        """The disk has failed: tell everybody that nothing new becomes durable. ``mend`` comes next."""
        self.durable.advance(STATE, JournalState.STALLED)

    def mend(self) -> None:
        """Go on, if the disk lets us: see ``StreamWriter.mend``. Raises OSError, UnsyncedLost."""
        self.commands.mend()
        self.events.mend()
        self.durable.advance(COMMANDS_DURABLE, self.commands.synced_sequence)
        self.durable.advance(EVENTS_DURABLE, self.events.synced_sequence)
        self.durable.advance(STATE, JournalState.WRITING)

    def asked_to_sync(self) -> bool:
        """Does somebody wait for all that is written to be on disk? Asked once, it is answered once."""
        asked = self.durable.read(SYNC_ASKED) != 0
        if asked:
            self.durable.advance(SYNC_ASKED, 0)
        return asked

    def behind(self) -> bool:
        """Is there anything in the rings that is not in the journal?"""
        assert self._command_ring is not None
        assert self._event_ring is not None
        commands, events = self._command_ring.ring.published, self._event_ring.ring.published
        return commands > self.commands.last_sequence or events > self.events.last_sequence

    def snapshot_numbered(self) -> int:
        """The last SNAPSHOT that riskd numbered; 0 where the ring knows of none."""
        assert self._command_ring is not None
        return int(self._command_ring.ring.record["words"][SNAPSHOT_MARK])

    def has_read(self, reader: str, event: int) -> bool:
        """Has this reader of the events taken in ``event``, or been cut loose, and will not tell of what it finds behind it?"""
        assert self._event_ring is not None
        ring = self._event_ring.ring
        try:
            return ring.cursor(ring.reader(reader)) >= event
        except CutLoose:
            return True

    def close(self) -> None:
        """Sync all and say that nobody writes the journal now."""
        for stream in (self.commands, self.events):
            stream.close()
        self.durable.advance(COMMANDS_DURABLE, self.commands.synced_sequence)
        self.durable.advance(EVENTS_DURABLE, self.events.synced_sequence)
        self.durable.advance(STATE, JournalState.STOPPED)
        self.durable.segment.close()

    def _write_commands(self, batch: BatchBuffer) -> int:
        assert self._command_ring is not None
        stream, reader = self.commands, self._command_ring
        if reader.ring.published == stream.last_sequence:
            return 0
        bound = min(batch.bound, stream.room())
        count = take_commands(reader.ring.array, reader.slots, stream.last_sequence, bound, batch.words)
        assert count != GAP, f"{reader.ring.segment.name} does not hold {stream.last_sequence + 1}"
        stream.append(batch.headers, batch.words, batch.bytes, count)
        self.durable.advance(COMMANDS_WRITTEN, stream.last_sequence)
        self.durable.advance(COMMANDS_DURABLE, stream.synced_sequence)
        reader.release(stream.last_sequence)
        return int(count)

    def _write_events(self, batch: BatchBuffer) -> int:
        """Events held back because their command is not safe yet count as one: the next slice will find it."""
        assert self._event_ring is not None
        stream, reader = self.events, self._event_ring
        if reader.ring.published == stream.last_sequence:
            return 0
        bound = min(batch.bound, stream.room())
        count = take_events(reader.ring.array, reader.slots, stream.last_sequence, bound, batch.words, self.safe)
        assert count != GAP, f"{reader.ring.segment.name} does not hold {stream.last_sequence + 1}"
        if count == 0:
            return 1
        stream.append(batch.headers, batch.words, batch.bytes, count)
        self.durable.advance(EVENTS_WRITTEN, stream.last_sequence)
        reader.release(stream.last_sequence)
        return int(count)


def lost(folder: Path, error: Exception) -> EnvironmentFault:
    """The fault that ends the persister when it cannot go on without a new start."""
    what = f"the journal in {folder} cannot be written: {getattr(error, 'strerror', None) or error}"
    return EnvironmentFault(f"{what}; nothing is durable until that is mended", FaultStatus.INPUT_OUTPUT)
