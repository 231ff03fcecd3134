"""Where riskd stood: replay a shard's journal, commands with their events after them, then what is only in the rings yet.

riskd's state after any commands and events does not depend on when it read which, so a replay need not know. (But for the
money held for a replace whose outcome is not known, which is at its worst either way, and for an order that is reckoned at the
last price, since who knows which trade riskd had read last.) Only of one shard need the order be
kept: a slot is used again only after the order before it has ended.

Commands are synced at once, events only now and then: after a loss of power the journal may have commands that riskd numbered
only after events that are gone, such as a NEW in a slot that was free by then. The matcher makes those events again, out of the
same commands, and riskd reads them in its ring.
"""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import numpy as np

from riskd.definitions import define
from riskd.replay import DONE, IMPOSSIBLE_EVENT, LACKS_EVENTS, replay, replay_events
from riskd.state import Array
from runtime.context import Context
from runtime.faults import EnvironmentFault, FaultStatus
from shm.journal import JournalReader, Stream, stream_folder
from shm.records import COMMAND, EVENT, CommandKind, EventFlag, EventKind
from shm.ring import Ring, release

LaterEvents = Callable[[int, int], Array]
"""Waits for the events after a sequence, and returns those that came; the number of the command that they come before is for
the fault that says that none did."""


def recover_shard(
    risks: Array,
    shard: int,
    commands: Iterable[Array],
    events: Iterable[Array],
    later: LaterEvents | None = None,
    *,
    to_the_last: bool = False,
    known: Array | None = None,
) -> None:
    """Take in the recorded commands and events of a shard, both from where the state stands. Free slots are to be stacked anew
    after.

    ``later`` has the events that the matcher makes again: they are waited for where a command cannot be taken in before them,
    and with ``to_the_last`` until those of the last command are in; ``known`` is the last event that the state knows already,
    if any. Raises EnvironmentFault when the records contradict the settings or one another, or the events do not come.
    """
    replaying = _Replaying(risks, shard, events, later, known)
    for batch in commands:
        for command in batch[batch["kind"] >= CommandKind.INSTRUMENT]:
            define(risks[0], shard, command)
        replaying.take_commands(batch)
    replaying.take_events()
    if to_the_last:
        replaying.wait_for_the_last()


class _Replaying:
    """A shard's commands, and beside them the events in hand, in the journal, and yet to be made again."""

    def __init__(
        self, risks: Array, shard: int, events: Iterable[Array], later: LaterEvents | None, known: Array | None
    ) -> None:
        self._risks, self._shard, self._journal, self._later = risks, shard, iter(events), later
        self._cursor = np.zeros(2, np.int64)
        self._in_hand = next(self._journal, None)
        self._last = known

    def take_commands(self, batch: Array) -> None:
        """All of ``batch``, each after the events of the commands before it, as far as there are any."""
        cursor = self._cursor
        cursor[0] = 0
        while cursor[0] < len(batch):
            if self._in_hand is not None and cursor[1] == len(self._in_hand):
                self._next()
            events = np.zeros(0, EVENT) if self._in_hand is None else self._in_hand
            outcome = replay(self._risks, self._shard, batch, events, cursor, self._in_hand is not None)
            if outcome == LACKS_EVENTS and self._later is not None:
                self._wait(int(batch[cursor[0]]["sequence"]))
            else:
                _check(outcome, self._shard, batch, events, cursor)

    def take_events(self) -> None:
        """Those that are left after the last command."""
        while self._in_hand is not None:
            outcome = replay_events(self._risks, self._shard, self._in_hand, self._cursor)
            _check(outcome, self._shard, np.zeros(0, COMMAND), self._in_hand, self._cursor)
            self._next()

    def wait_for_the_last(self) -> None:
        """Until every event of every command has come."""
        last = int(self._risks[0]["shards"][self._shard]["sequence"])
        while last > 0 and not _ends(self._last, last):
            self._wait(last + 1)
            self.take_events()

    def _next(self) -> None:
        """The events in hand are used up; once the journal's are too, there are none but those waited for."""
        assert self._in_hand is not None
        self._last, self._in_hand, self._cursor[1] = self._in_hand[-1:], next(self._journal, None), 0

    def _wait(self, command: int) -> None:
        assert self._later is not None and self._in_hand is None
        self._in_hand = self._later(int(self._risks[0]["shards"][self._shard]["events_read"]), command)


def _ends(event: Array | None, command: int) -> bool:
    """Is it the last event of ``command``? A rejection is the only one."""
    if event is None or event[0]["command_sequence"] != command:
        return False
    return bool(event[0]["kind"] == EventKind.REJECTED or event[0]["flags"] & EventFlag.LAST)


def events_made_again(context: Context, shard: int, ring: Ring) -> LaterEvents:
    """Out of the ring, as the matcher publishes them; they are let go of at once, or it could not go on once the ring is full.

    What riskd lets go of before it is done, the persister has or will have in the journal, should riskd die meanwhile.
    """
    reader = ring.reader("riskd")

    def wait(after: int, command: int) -> Array:
        release(ring.record, reader, after)
        what = f"matcher.{shard} to make the events after {after} again, which come before command {command} of shard {shard}"
        through = context.wait_for(lambda: ring.published if ring.published > after else None, what)
        events: Array = ring.record["slots"][np.arange(after + 1, through + 1) & (ring.capacity - 1)]
        release(ring.record, reader, through)
        return events

    return wait


def recorded_commands(data: Path, shard: int, ring: Ring, through: int, after: int = 0) -> Iterator[Array]:
    """The commands of a shard after ``after``: those in the journal, at least up to ``through``, then those that only the ring
    holds.

    riskd itself must not be writing now.
    """
    reader = JournalReader(stream_folder(data, Stream.COMMANDS, shard), COMMAND, after)
    yield from reader.read(through)
    numbers = np.arange(reader.last_sequence + 1, ring.published + 1)
    assert numbers.size <= ring.capacity, "the persister holds the ring back"
    if numbers.size:
        yield ring.record["slots"][numbers & (ring.capacity - 1)]


def recorded_events(data: Path, shard: int, through: int, after: int = 0) -> Iterator[Array]:
    """The events of a shard after ``after`` in the journal, at least up to ``through``, which is there."""
    return JournalReader(stream_folder(data, Stream.EVENTS, shard), EVENT, after).read(through)


def recorded_event(data: Path, shard: int, sequence: int) -> Array | None:
    """An event of a shard that is in the journal, as an array of one; None for number 0."""
    found = next(recorded_events(data, shard, sequence, sequence - 1), None) if sequence else None
    return None if found is None else found[:1]


def _check(outcome: int, shard: int, commands: Array, events: Array, cursor: Array) -> None:
    if outcome == DONE:
        return
    word, culprit = ("event", events[cursor[1]]) if outcome == IMPOSSIBLE_EVENT else ("command", commands[cursor[0]])
    what = f"{word} {culprit['sequence']} of shard {shard} (order {culprit['order_id']:#x})"
    raise EnvironmentFault(
        f"recovery stopped at {what}: it does not fit what came before, or the pools in the settings have become smaller",
        FaultStatus.CONFIGURATION,
        **{name: int(culprit[name]) for name in ("order_id", "client_order_id", "account")},
    )
