"""A slice of the process's work: as ``matcher.kernel.run_patiently``, but never past a SNAPSHOT that is to be taken.

riskd names a SNAPSHOT's number in the ring of commands before it publishes the command. So whoever has seen the command
published sees its number too, and stops behind it: the state then is that of this very number.
"""

from typing import Any, Final

from numba import njit

from matcher.kernel import ABORTED, run
from shm.atomics import load_acquire, record_at
from shm.patience import NO_MORE, next_round
from shm.ring import published
from shm.ring_layout import SNAPSHOT_MARK

SNAPSHOT_DUE: Final = -2
"""Less the commands handled: what a slice returns that ended behind a SNAPSHOT."""
assert SNAPSHOT_DUE < ABORTED


@njit(cache=True)
def run_slice(states: Any, patiences: Any, bound: int) -> int:
    """Handle about ``bound`` commands, looking again as long as ``shm.patience`` says. How many, ABORTED, or SNAPSHOT_DUE less
    how many.

    Takes arrays of one record each, which Python hands over in a tenth of the time (see ``shm.segment``).
    """
    state, handled, left = states[0], 0, patiences[0]["rounds"]
    words = record_at(state["commands_words"], state["ring_like"][0])
    while handled < bound and left != NO_MORE:
        before = state["command_sequence"]
        last = published(words)
        mark = load_acquire(words["words"], SNAPSHOT_MARK)
        last = min(last, mark) if before < mark else last
        did = run(state, min(bound, last - before)) if last > before else 0
        if did == ABORTED:
            return ABORTED
        handled += did
        if did > 0 and state["command_sequence"] == mark:
            return SNAPSHOT_DUE - handled
        left = next_round(patiences[0], did, left)
    return handled
