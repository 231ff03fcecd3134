"""The journal's commands through the matcher's kernel, compiled, straight from where the file is mapped: nothing is copied."""

from typing import Any, Final

import numpy as np
from numba import njit

from matcher.kernel import ABORTED, run
from shm.atomics import address_of, record_at
from shm.journal_kernels import FULL, look, move_on
from shm.journal_layout import LINE_BYTES, WORDS_PER_LINE, WORDS_PER_RECORD
from shm.records import RECORD_BYTES
from shm.ring import publish

BAD_NUMBERS: Final = -2
"""A batch whose records are not numbered as it says."""
assert BAD_NUMBERS < ABORTED


@njit(cache=True)
def replay_batches(states: Any, lines: Any, words: Any, cursor: Any, bound: int) -> int:
    """Check the batches of a segment from the cursor on, and handle their commands as far as the state does not know them.

    ``states`` holds the one state, wired to a ring of its own whose mask leaves numbers as they are. Stops after ``bound``
    commands at least (``cursor["stop"]`` is FULL then) or where no batch follows, which ``cursor["stop"]`` gives the reason
    of. How many commands it handled, ABORTED, or BAD_NUMBERS.
    """
    state, handled = states[0], 0
    ring = record_at(state["commands_words"], state["ring_like"][0])
    while handled < bound:
        wrong = look(lines, words, cursor)
        if wrong != 0:
            cursor["stop"] = wrong
            return handled
        header = lines[cursor["offset"] // LINE_BYTES]
        first, count = cursor["sequence"], np.int64(header["count"])
        start = cursor["offset"] // 8 + WORDS_PER_LINE
        for k in range(count):
            if np.int64(words[start + k * WORDS_PER_RECORD]) != first + k:
                return BAD_NUMBERS
        last = first + count - 1
        if last > state["command_sequence"]:
            state["commands_slots"] = address_of(words, start) - first * RECORD_BYTES
            publish(ring, last)
            did = run(state, count)
            if did == ABORTED:
                return ABORTED
            handled += did
        move_on(header, cursor)
    cursor["stop"] = FULL
    return handled
