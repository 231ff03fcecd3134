"""One slice of the gateway's duty cycle, compiled: frames in and events out by turns, until idle or Python is wanted."""

from typing import Any, Final

from numba import njit

from gateway.inbound import FULL, IDLE, SLICE, receive
from gateway.outbound import tell
from shm.patience import NO_MORE, next_round

MESSAGES_A_SLICE: Final = 4096
OUTCOMES: Final = 8
assert max(FULL, IDLE, SLICE) < OUTCOMES


@njit(cache=True)
def cycle(states: Any, rings: Any, events_like: Any, durables_like: Any, histograms: Any, patiences: Any, taking: int) -> int:
    """Work till idle, as patiently as ``shm.patience`` says, or for MESSAGES_A_SLICE.

    Returns the messages handled times OUTCOMES, plus the Outcome of the last reading.

    Each argument is an array of one record: state, orders ring, any events ring, any marks, the
    histogram of how long telling took, patience. With ``taking`` 0 the
    sockets are left alone and only events are told. While the orders ring is full only events move.
    """
    state, orders = states[0], rings[0]
    state["handled"] = 0
    outcome, left = IDLE, patiences[0]["rounds"]
    while True:
        before = state["handled"]
        if taking:
            outcome = receive(state, orders)
        tell(state, events_like[0], durables_like[0], histograms[0], patiences[0])
        left = next_round(patiences[0], state["handled"] - before, left)
        if left == NO_MORE or outcome > FULL or state["handled"] >= MESSAGES_A_SLICE:
            return state["handled"] * OUTCOMES + outcome
