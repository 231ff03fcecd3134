"""How far the journal of a shard has got: written by the persister, read by whoever must not run ahead of it.

  0 header             64
 64 pad                64
128 words              64 x i8: word 0 commands durable, 16 commands written, 32 events written, 33 events durable,
                             40 sync asked for (whoever wants it sets 1), 48 state
"""

from collections.abc import Callable
from enum import IntEnum
from typing import Any, Final, Self

import numpy as np
from numba import njit

from shm.atomics import load_acquire
from shm.segment import HEADER, Segment

COMMANDS_DURABLE, COMMANDS_WRITTEN, EVENTS_WRITTEN, EVENTS_DURABLE, SYNC_ASKED, STATE = 0, 16, 32, 33, 40, 48
DURABLE: Final = np.dtype([("header", HEADER), ("pad", "u1", (64,)), ("words", "<i8", (64,))])


class JournalState(IntEnum):
    """Word ``STATE``."""

    RECOVERING = 0
    WRITING = 1
    STALLED = 2
    """A write or a sync failed: nothing new becomes durable until the persister says so."""
    STOPPED = 3


@njit(inline="always")
def commands_durable(durable: Any) -> int:
    """The last command of the shard that survives the loss of the machine."""
    return load_acquire(durable["words"], COMMANDS_DURABLE)


class Durable:
    """The segment ``durable.k`` as Python holds it. The writer sets words by ``advance``."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.record: Any = segment.record

    @classmethod
    def create(cls, name: str, epoch: int, commands: int, events: int) -> Self:
        """Become the writer, having recovered ``commands`` and ``events``, all of them synced."""
        durable = cls(Segment.create(name, DURABLE, epoch))
        for word, value in ((COMMANDS_DURABLE, commands), (COMMANDS_WRITTEN, commands)):
            durable.advance(word, value)
        for word, value in ((EVENTS_WRITTEN, events), (EVENTS_DURABLE, events)):
            durable.advance(word, value)
        durable.segment.publish_ready()
        return durable

    @classmethod
    def attach(
        cls, name: str, epoch: int | None = None, timeout_s: float = 0.0, stop: Callable[[], bool] = lambda: False
    ) -> Self:
        """Map the persister's word on how far it has got, waiting for it. Raises SegmentAbsent, SegmentMismatch."""
        return cls(Segment.attach(name, DURABLE, epoch, timeout_s, stop))

    def advance(self, word: int, value: int) -> None:
        """Writer: set one of the words."""
        self.record["words"][word] = value

    def read(self, word: int) -> int:
        """One of the words, as it is now."""
        return int(self.record["words"][word])

    @property
    def epoch(self) -> int:
        """The random id of the data folder that the journal lies in."""
        return int(self.record["header"]["epoch"])
