"""What the persister and its database process tell each other: a few words in a piece of memory that both have mapped.

   0  16 x i8  commands_through   persister: the database may read the journal up to here, by shard
 128  16 x i8  events_through
 256  16 x i8  commands_done      database: committed up to here, by shard
 384  16 x i8  events_done
 512  state, stop, generation, failures, transactions, rows   i8 each
1024  512 x u1 text               database: what it says about its state; ``generation`` grows after it was written
"""

import mmap
import os
from enum import IntEnum
from typing import Final, Self

from shm.records import SHARD_BOUND

BYTES: Final = 4096
_TEXT_START: Final = 1024
_TEXT_BYTES: Final = 512
_STATE, _STOP, _GENERATION, _FAILURES, _TRANSACTIONS, _ROWS = range(64, 70)
_COMMANDS_THROUGH, _EVENTS_THROUGH, _COMMANDS_DONE, _EVENTS_DONE = (k * SHARD_BOUND for k in range(4))
assert _EVENTS_DONE + SHARD_BOUND <= _STATE
assert _ROWS * 8 < _TEXT_START


class DatabaseState(IntEnum):
    """How the database's process is doing."""

    STARTING = 0
    FOLLOWING = 1
    """It commits what the journal holds."""
    TROUBLE = 2
    """The database is down, locked or full: tried again and again."""
    UNFIT = 3
    """The database is not of this data folder, or the journal is damaged: tried again, but an operator has to look."""


class DatabaseLink:
    """The memory, as either side holds it. ``descriptor`` is what the child inherits."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self._memory = mmap.mmap(descriptor, BYTES)
        self._words = memoryview(self._memory)[:_TEXT_START].cast("q")

    @classmethod
    def make(cls) -> Self:
        """New memory without a name, all zeros."""
        descriptor = os.memfd_create("pinion-database", os.MFD_CLOEXEC)
        os.ftruncate(descriptor, BYTES)
        return cls(descriptor)

    # ------------------------------------------------------------------------------------ the persister's words

    def allow(self, shard: int, commands: int, events: int) -> None:
        """Persister: the journal of ``shard`` may be read up to these sequences."""
        self._words[_COMMANDS_THROUGH + shard] = commands
        self._words[_EVENTS_THROUGH + shard] = events

    def commands_through(self, shard: int) -> int:
        """See ``allow``."""
        return self._words[_COMMANDS_THROUGH + shard]

    def events_through(self, shard: int) -> int:
        """See ``allow``."""
        return self._words[_EVENTS_THROUGH + shard]

    @property
    def stop(self) -> bool:
        """Persister: end as soon as everything allowed is committed, or cannot be."""
        return bool(self._words[_STOP])

    def ask_to_stop(self) -> None:
        """Persister: see ``stop``."""
        self._words[_STOP] = 1

    # ------------------------------------------------------------------------------------ the database's words

    def done(self, shard: int, commands: int, events: int) -> None:
        """Database: committed up to these sequences."""
        self._words[_COMMANDS_DONE + shard] = commands
        self._words[_EVENTS_DONE + shard] = events

    def commands_done(self, shard: int) -> int:
        """See ``done``."""
        return self._words[_COMMANDS_DONE + shard]

    def events_done(self, shard: int) -> int:
        """See ``done``."""
        return self._words[_EVENTS_DONE + shard]

    def committed(self, rows: int) -> None:
        """Database: one more transaction, of so many rows."""
        self._words[_TRANSACTIONS] += 1
        self._words[_ROWS] += rows

    def failed(self) -> None:
        """Database: one more attempt has failed."""
        self._words[_FAILURES] += 1

    @property
    def failures(self) -> int:
        """Attempts that have failed."""
        return self._words[_FAILURES]

    def say(self, state: DatabaseState, text: str = "") -> None:
        """Database: now in ``state``; ``text`` is for people. The persister logs it once."""
        encoded = text.encode()[:_TEXT_BYTES].ljust(_TEXT_BYTES, b"\0")
        self._memory[_TEXT_START : _TEXT_START + _TEXT_BYTES] = encoded
        self._words[_STATE] = state
        self._words[_GENERATION] += 1

    @property
    def state(self) -> DatabaseState:
        """See ``say``."""
        return DatabaseState(self._words[_STATE])

    @property
    def text(self) -> str:
        """See ``say``."""
        raw = self._memory[_TEXT_START : _TEXT_START + _TEXT_BYTES]
        return raw.rstrip(b"\0").decode(errors="replace")

    @property
    def generation(self) -> int:
        """Grows with each ``say``."""
        return self._words[_GENERATION]

    def backlog(self, shards: int) -> int:
        """Events in the journal that the database does not have yet."""
        return sum(max(0, self.events_through(shard) - self.events_done(shard)) for shard in range(shards))

    def as_dict(self, shards: int) -> dict[str, int | str]:
        """For status and metrics."""
        return {
            "state": self.state.name.lower(),
            "backlog": self.backlog(shards),
            "transactions": self._words[_TRANSACTIONS],
            "rows": self._words[_ROWS],
            "failures": self._words[_FAILURES],
            "text": self.text,
        }
