"""Events of the past: to make the table of orders anew at start, and to tell a session what it has missed.

What the ring still holds is read there, the rest in the journal; between them they always hold everything, because the
ring's writer waits for the journal's.
"""

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
from numba import njit

from gateway.layout import REPORTS_A_FRAME
from gateway.orders import apply_event
from gateway.outbound import ASKER, LAST_REPORTED, OWN, RESTING, SENT, TRADE, add_report, ends_command, flush, sees
from shm.errors import CutLoose
from shm.ring import Ring, Tap

Records = np.ndarray[Any, np.dtype[Any]]
OpenJournal = Callable[[int], Iterator[Records]]
"""Events after a sequence, as far as the journal has them by now, in order."""
Horizon = tuple[int, int]
"""An event and a command that are there: no client has heard of more than what comes of the two."""

READ_A_TIME = 4096
REPORTS_AN_EVENT = 3
"""At most: both sides of a trade, and that it was the last of a command."""


class History:
    """The events of one shard."""

    def __init__(
        self,
        ring: Ring,
        open_journal: OpenJournal,
        commands_written: Callable[[], int] = lambda: 0,
        begins: Callable[[], int] = lambda: 1,
    ) -> None:
        self._ring = ring
        self._open_journal = open_journal
        self._commands_written = commands_written
        self.begins = begins
        """The first event that the journal still has: those before it are archived or deleted."""

    def horizon(self) -> Horizon:
        """The last event published, and the last command in the journal: the matcher may yet have to repeat its events."""
        return self._ring.published, self._commands_written()

    def after(self, sequence: int, through: int) -> Iterator[Records]:
        """Events ``sequence + 1`` to ``through`` in arrays of bounded length; ends early where they cannot be had."""
        journal: Iterator[Records] | None = None
        while sequence < through:
            records = self._from_ring(sequence)
            if records is not None:
                journal = None
            else:
                records = None if journal is None else next(journal, None)
                if records is None:  # what the ring has overwritten since the journal was opened is there by now
                    journal = self._open_journal(sequence)
                    records = next(journal, None)
            if records is None:
                return
            yield records[: through - sequence]
            sequence += len(records)

    def _from_ring(self, sequence: int) -> Records | None:
        tap = Tap(self._ring, after=sequence)
        records = tap.poll(READ_A_TIME)
        there = len(records) > 0 and not tap.overrun and records["sequence"][0] == sequence + 1
        return records if there else None  # a ring made anew begins after events that only the journal has


@njit(cache=True)
def apply_events(state: Any, shard: int, records: Any) -> None:
    """Let the table of orders follow ``records`` (a one-dimensional array of EVENT)."""
    for k in range(records.shape[0]):
        apply_event(state, shard, records[k])


@njit(cache=True)
def resend(state: Any, place: int, shard: int, records: Any, position: int) -> int:
    """Tell one session of what concerns it in ``records``, which follow event ``position``.

    The last event told, which is less than the last there when the socket took no more; what was not sent is not lost.
    """
    session = state["sessions"][place]
    safe = position
    assert session["reports"] == 0, "live reports wait in the frame"
    for k in range(records.shape[0]):
        if session["reports"] >= REPORTS_A_FRAME - REPORTS_AN_EVENT:
            if flush(state, place) != SENT:
                return safe
            safe = position
        event = records[k]
        is_own = event["kind"] <= LAST_REPORTED and sees(state, session, event["account"])
        if is_own:
            add_report(state, place, shard, event, OWN)
        if event["kind"] == TRADE and sees(state, session, event["resting_account"]):
            add_report(state, place, shard, event, RESTING)
        if not is_own and event["session"] == session["number"] and ends_command(event):
            add_report(state, place, shard, event, ASKER)
        position = event["sequence"]
    return position if flush(state, place) == SENT else safe


def rebuild(state: Any, shard: int, history: History, after: int, through: int) -> int:
    """Bring the shard's table of orders from event ``after`` to event ``through``; the last command among them, or 0.

    Raises CutLoose where events are missing.
    """
    sequence, command = after, 0
    for records in history.after(after, through):
        apply_events(state, shard, np.ascontiguousarray(records))
        sequence, command = sequence + len(records), int(records["command_sequence"][-1])
    if sequence != through:
        raise CutLoose(f"events {sequence + 1} to {through} of shard {shard} are neither in the ring nor in the journal")
    return command


def rejoin(state: Any, shard: int, history: History, ring: Ring, name: str, after: int = 0) -> tuple[int, int, int]:
    """Catch up, from event ``after``, with a ring that went on without us: our reader, the event that we have reached, and its
    command."""
    reached, command = after, 0
    while True:
        through = ring.published
        command = rebuild(state, shard, history, reached, through) or command
        try:
            return ring.rejoin(name, through), through, command
        except CutLoose:
            if through == reached:
                raise
            reached = through
