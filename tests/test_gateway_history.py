"""Events of the past, while the ring's writer and the journal's go on."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from gateway.history import History
from shm.records import EVENT
from shm.ring import Ring

CAPACITY = 256


class Moving:
    """A ring and a journal of the same events; the journal's reader ends where the journal did when it was opened."""

    def __init__(self) -> None:
        self.ring = Ring.private(EVENT, CAPACITY)
        self.written = self.opened = 0

    def go_on(self, published: int, written: int) -> None:
        """The matcher publishes up to ``published``; the persister writes up to ``written``."""
        for sequence in range(self.ring.published + 1, published + 1):
            self.ring.record["slots"][sequence & (CAPACITY - 1)]["sequence"] = sequence
        self.ring.record["words"][0] = published
        self.written = written

    def open_journal(self, after: int) -> Iterator[Any]:
        self.opened += 1
        events = np.zeros(max(0, self.written - after), EVENT)
        events["sequence"] = np.arange(after + 1, after + 1 + len(events))
        return iter([events] if len(events) else [])


def test_what_is_overwritten_while_the_journal_is_read_is_read_there() -> None:
    """The journal ended where the ring began; when that was read, the ring began later, and the journal held more."""
    moving = Moving()
    moving.go_on(published=300, written=180)
    parts = []
    for records in History(moving.ring, moving.open_journal).after(0, 400):
        parts.append(records["sequence"].copy())
        if len(parts) == 1:
            moving.go_on(published=500, written=380)
    assert np.concatenate(parts).tolist() == list(range(1, 401))
    assert moving.opened == 2


def test_what_is_nowhere_ends_it() -> None:
    """Neither the ring nor a journal opened anew has the next event: it is not asked for again and again."""
    moving = Moving()
    moving.go_on(published=500, written=180)
    parts = list(History(moving.ring, moving.open_journal).after(0, 400))
    assert [len(records) for records in parts] == [180]
    assert moving.opened == 2
