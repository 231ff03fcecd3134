"""What the persister compiles: copying records out of a ring into the buffer that one batch is written from."""

from typing import Any

import numpy as np
from numba import njit

from shm.journal_layout import WORDS_PER_LINE, WORDS_PER_RECORD
from shm.records import EVENT
from shm.ring import published, release

_COMMAND_SEQUENCE_WORD = EVENT.fields["command_sequence"][1] // 8  # type: ignore[index]
GAP = -1
"""Returned for a ring that does not hold the sequence that should come next: a bug."""


@njit(cache=True)
def _copy(slots: Any, mask: int, sequence: int, words: Any, place: int) -> bool:
    """One record from its slot to its place behind the batch header; False if it is another than ``sequence``."""
    source = (sequence & mask) * WORDS_PER_RECORD
    target = WORDS_PER_LINE + place * WORDS_PER_RECORD
    for word in range(WORDS_PER_RECORD):
        words[target + word] = slots[source + word]
    return np.int64(slots[source]) == sequence


@njit(cache=True)
def take_commands(rings: Any, slots: Any, after: int, bound: int, words: Any) -> int:
    """Copy what was published after ``after``, at most ``bound`` records, into ``words``; how many, or ``GAP``.

    ``rings`` is the ring as an array of one, ``slots`` its slots as 8-byte words.
    """
    last = min(published(rings[0]), after + bound)
    mask = slots.shape[0] // WORDS_PER_RECORD - 1
    for sequence in range(after + 1, last + 1):
        if not _copy(slots, mask, sequence, words, sequence - after - 1):
            return GAP
    return max(last - after, 0)


@njit(cache=True)
def take_events(rings: Any, slots: Any, after: int, bound: int, words: Any, commands: int) -> int:
    """As ``take_commands``, but stops before the first event of a command after ``commands``."""
    last = min(published(rings[0]), after + bound)
    mask = slots.shape[0] // WORDS_PER_RECORD - 1
    for sequence in range(after + 1, last + 1):
        if np.int64(slots[(sequence & mask) * WORDS_PER_RECORD + _COMMAND_SEQUENCE_WORD]) > commands:
            return sequence - after - 1
        if not _copy(slots, mask, sequence, words, sequence - after - 1):
            return GAP
    return max(last - after, 0)


@njit(cache=True)
def give_back(rings: Any, reader: int, sequence: int) -> None:
    """The writer of the ring may overwrite everything up to ``sequence``."""
    release(rings[0], reader, sequence)
