"""Which of several databases an account's rows lie in.

Each account has a rank in each database, drawn from both their numbers, and lies where its rank is highest. So another
database takes some accounts from all that were there, and none moves between those: they forget what has moved, and the new
one reads it from the journal.
"""

from typing import Any, Final

import numpy as np

Array = np.ndarray[Any, np.dtype[Any]]

_MULTIPLIERS: Final = (np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB))
_STEP: Final = 0x9E3779B97F4A7C15
_KNOWN_AT_FIRST: Final = 1024


def database_of(accounts: Array, databases: int) -> Array:
    """The number of the database that each of ``accounts`` lies in."""
    ranks = [_rank(accounts.astype(np.int64).view(np.uint64), number) for number in range(databases)]
    return np.argmax(np.stack(ranks), axis=0)


def _rank(accounts: Array, database: int) -> Array:
    """A number of 64 bits, as good as drawn by lot (splitmix64)."""
    with np.errstate(over="ignore"):
        mixed = accounts * np.uint64(_STEP) + np.uint64((database + 1) * _STEP * _STEP & (1 << 64) - 1)
        for shift, multiplier in zip((30, 27), _MULTIPLIERS, strict=True):
            mixed = (mixed ^ (mixed >> np.uint64(shift))) * multiplier
    return np.asarray(mixed ^ (mixed >> np.uint64(31)))


class Placement:
    """The part of the accounts that database ``part`` of ``parts`` holds."""

    def __init__(self, part: int = 0, parts: int = 1) -> None:
        assert 0 <= part < parts
        self.part, self.parts = part, parts
        self._known = np.zeros(0, bool)

    def holds(self, accounts: Array) -> Array:
        """For each of ``accounts``: do its rows lie here? What belongs to no account (below 0) lies in the first."""
        if self.parts == 1:
            return np.ones(len(accounts), bool)
        if len(accounts) and int(accounts.max()) >= len(self._known):
            numbers = np.arange(max(2 * int(accounts.max()), _KNOWN_AT_FIRST))
            self._known = database_of(numbers, self.parts) == self.part
        if len(self._known) == 0:
            return np.full(len(accounts), self.part == 0)
        return np.where(accounts >= 0, self._known[accounts], self.part == 0)
