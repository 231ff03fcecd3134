"""A moment of the past made again: a matcher's state out of a snapshot before it and the journal's commands up to it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from cli.journal_dump import between
from cli.journal_look import Place
from matcher.layout import STATE, Bounds
from matcher.recovery import Replay, go_on_from
from matcher.state import empty_state, used, wire
from matcher.view import read_book
from runtime.settings import Settings
from shm.journal import Stream, stream_folder
from shm.records import COMMAND, EVENT, InstrumentState, layout_hash, shard_of
from shm.ring import Ring
from shm.ring_layout import UNPUBLISHED_BOUND
from shm.snapshot import Snapshot, SnapshotDamaged, snapshot_folder, snapshots

FOR_EVER: Final = (1 << 62) - 1
"""Events up to this one are told to nobody."""


@dataclass
class Moment:
    """A shard as it was at ``command_sequence``. ``began``: where the replay did, at a snapshot or at 0."""

    shard: int
    state: Any
    began: int
    time_ns: int = 0

    @property
    def command_sequence(self) -> int:
        """The last command that the state knows."""
        return int(self.state["command_sequence"])

    def instruments(self, settings: Settings) -> list[int]:
        """The shard's instruments that were defined by then."""
        numbers = range(len(settings.instruments))
        mine = [number for number in numbers if shard_of(number, settings.matchers) == self.shard]
        return [number for number in mine if self.state["instruments"][number]["defined"]]

    def book(self, number: int, depth: int) -> dict[str, Any]:
        """An instrument's book in ticks and lots, and its state."""
        book = read_book(self.state, number, depth)
        state = InstrumentState(int(self.state["instruments"][number]["state"])).name.lower()
        return {"bids": [list(level) for level in book.bids], "asks": [list(level) for level in book.asks], "state": state}


class Past:
    """The past of one shard, in the bounds that the settings give its matcher. Raises JournalDamaged as it reads."""

    def __init__(self, settings: Settings, shard: int) -> None:
        pools = settings.pools
        self._bounds = Bounds(pools.instruments, pools.accounts, pools.orders, pools.levels)
        self._settings, self._shard = settings, shard
        self._place = Place(Stream.COMMANDS, shard, stream_folder(settings.data, Stream.COMMANDS, shard))
        self._commands = Ring.private(COMMAND, 2 * UNPUBLISHED_BOUND, gating=("matcher",))
        self._events = Ring.private(EVENT, 2 * UNPUBLISHED_BOUND)

    def at(self, sequence: int, from_start: bool, hear: Callable[[int], None]) -> Moment:
        """The shard behind command ``sequence``, or at the journal's end if that comes first.

        It begins at the newest snapshot that is not later, unless ``from_start``. ``hear`` is told of the commands done.
        """
        state = empty_state(self._bounds)
        state["suppress_through"] = FOR_EVER
        wire(state, self._commands, self._events)
        snapshot = None if from_start else self._snapshot_before(sequence)
        moment = Moment(self._shard, state, 0)
        if snapshot is not None:
            go_on_from(snapshot, state, used(state, self._bounds))
            moment.began, moment.time_ns = moment.command_sequence, snapshot.head.time_ns
            hear(moment.began)
        replay = Replay(state, self._commands, self._events)
        replay.feed(self._heard(between(self._place.read(moment.began), sequence), moment, hear))
        return moment

    def last(self) -> int:
        """The last command of the journal."""
        return self._place.last()

    def _heard(
        self, blocks: Iterator[np.ndarray[Any, Any]], moment: Moment, hear: Callable[[int], None]
    ) -> Iterator[np.ndarray[Any, Any]]:
        for commands in blocks:
            yield commands
            moment.time_ns = int(commands["time_ns"][-1])
            hear(len(commands))

    def _snapshot_before(self, sequence: int) -> Snapshot | None:
        """The newest that fits these bounds and knows nothing later than ``sequence``."""
        for path in snapshots(snapshot_folder(self._settings.data, f"matcher.{self._shard}")):
            try:
                found = Snapshot.read(path)
            except (SnapshotDamaged, FileNotFoundError):  # the latter was put away meanwhile
                continue
            fits = found.head.layout_hash == layout_hash(STATE) and found.head.bounds[:4] == tuple(self._bounds)
            if fits and found.head.commands[0] <= sequence:
                return found
        return None
