"""The persister as a process: recover the journal, then write it, and look after the database's process and the followers."""

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from persister.databases import Databases
from persister.followers import Followers
from persister.recovery import check_events_follow, known_by_snapshots, recover_stream
from persister.retention import Retention
from persister.stream_writer import StreamWriter, UnsyncedLost
from persister.writer import BatchBuffer, ShardWriter, lost
from runtime.agent import Agent
from runtime.context import Context
from runtime.faults import EnvironmentFault, FaultStatus
from shm.durable import STATE, JournalState
from shm.journal import Stream, Tail, stream_folder
from shm.records import COMMAND, EVENT

Recovered = tuple[Tail, int]
TEND_INTERVAL_NS: Final = 5_000_000
SYNC_BEHIND_INTERVAL_NS: Final = 1_000_000_000
DATABASE_BOUND_S: Final = 0.7
"""How long a stopping persister waits for the database to reach the end of the journal; a later start goes on there."""
MEND_EVERY_NS: Final = 200_000_000
"""Between two attempts to go on after the disk has failed."""
LINGER_S: Final = 0.001
"""Where nobody waits for the journal, the persister lets a batch gather: a write costs it some 40 µs, be it of one order or of
a hundred, on a core that the engine may need. The rings hold far more than comes in that time, and outlive every process."""


class Persister(Agent):
    """Writes the journal of all shards; every few milliseconds sees to the database and to snapshots."""

    name = "persister"

    def __init__(self, context: Context, shards: list[ShardWriter], background: ThreadPoolExecutor) -> None:
        self.wakes = context.neighbours()
        self._context, self._shards, self._background = context, shards, background
        self._batch = BatchBuffer(context.settings.journal.batch_bound)
        self._databases = Databases(context.settings, context.logger)
        self._followers = Followers(context.settings, context.epoch, shards, context.logger)
        self._retention = Retention(context.settings, context.epoch, self._databases.settled, context.logger)
        self._tend_at_ns = self._sync_at_ns = self._mend_at_ns = 0
        self._problem = ""
        """Why the journal is not written now; empty while it is."""
        self._lingers = context.settings.durability != "disk"
        counters = context.counters
        names = ("commands_journaled", "events_journaled", "journal_stalled", "database_backlog", "database_failures")
        self._places = {name: counters.index(name) for name in names}

    def do_work(self) -> int:
        """A batch of each stream of each shard, if there is any; while the disk fails, an attempt to mend now and then."""
        now_ns = time.monotonic_ns()
        if self._problem and not self._mended(now_ns):
            return 0
        handled = self._guarded(self._write)
        if self._problem:
            return 0
        now_ns = time.monotonic_ns()
        if now_ns >= self._tend_at_ns:
            self._tend(now_ns)
        self.linger_s = LINGER_S if self._lingers and handled < self._batch.bound else 0.0
        return handled

    def _write(self) -> int:
        handled = 0
        for number, shard in enumerate(self._shards):
            wrote = shard.write(self._batch)
            if wrote:
                self.allow(number)
                handled += wrote
        return handled

    def _guarded(self, work: Callable[[], int]) -> int:
        """What ``work`` handled; 0 where the disk failed it, and from then on nothing is written until that is mended.

        All shards stall together: they share a disk, and an exchange that trades in half of its instruments is none.
        """
        try:
            return work()
        except OSError as error:
            self._problem = error.strerror or str(error)
            self._mend_at_ns = time.monotonic_ns() + MEND_EVERY_NS
            for shard in self._shards:
                shard.stall()
            folder = str(self._shards[0].commands.folder.parent)
            self._context.logger.error(
                "the journal cannot be written: trading stops until it can", problem=self._problem, folder=folder
            )
            self._context.counters.note_error(f"the journal in {folder} cannot be written: {self._problem}")
            return 0

    def _mended(self, now_ns: int) -> bool:
        """Can it be written again? Asked of the disk a few times a second.

        Raises EnvironmentFault when only a new start helps.
        """
        if now_ns < self._mend_at_ns:
            return False
        self._mend_at_ns = now_ns + MEND_EVERY_NS
        try:
            for shard in self._shards:
                shard.mend()
        except OSError as error:
            self._problem = error.strerror or str(error)
            self._databases.tend()
            self._count()
            return False
        except UnsyncedLost as error:
            raise lost(self._shards[0].commands.folder.parent, error) from error
        self._context.logger.warning("the journal can be written again: trading goes on", after=self._problem)
        self._problem = ""
        return True

    def allow(self, number: int) -> None:
        """Let the database read what the journal of shard ``number`` safely holds by now."""
        shard = self._shards[number]
        self._databases.allow(number, shard.safe, shard.events.last_sequence)

    def drained(self) -> bool:
        """Is everything in the rings in the journal, as safely as the durability asks?"""
        return not any(shard.behind() for shard in self._shards)

    def close(self) -> None:
        """Sync the journal, let the database reach its end, and say that nobody writes now. Raises EnvironmentFault."""
        try:
            self._close_journal()
        finally:
            self._followers.close()
            self._background.shutdown()
            self._retention.close()
            reached = self._databases.finish(DATABASE_BOUND_S)
        if not reached:
            backlog = self._databases.backlog
            self._context.logger.warning("the database has not reached the end of the journal", backlog=backlog)

    def _close_journal(self) -> None:
        for shard in self._shards:
            try:
                if self._problem:
                    shard.mend()
                shard.close()
            except (OSError, UnsyncedLost) as error:
                shard.stall()
                raise lost(shard.commands.folder.parent, error) from error

    def status(self) -> dict[str, Any]:
        """How far journal and database have got."""
        stalled = {"state": "stalled", "problem": self._problem} if self._problem else {}
        return {
            **stalled,
            "durability": self._context.settings.durability,
            "journal": {
                str(number): {
                    "commands": shard.commands.last_sequence,
                    "commands_synced": shard.commands.synced_sequence,
                    "events": shard.events.last_sequence,
                    "events_synced": shard.events.synced_sequence,
                }
                for number, shard in enumerate(self._shards)
            },
            "database": self._databases.status(),
            "snapshots": self._followers.status(),
        }

    def _tend(self, now_ns: int) -> None:
        self._tend_at_ns = now_ns + TEND_INTERVAL_NS
        at_once = now_ns >= self._sync_at_ns
        if at_once:
            self._sync_at_ns = now_ns + SYNC_BEHIND_INTERVAL_NS
        self._guarded(lambda: self._sync_behind(at_once))
        self._databases.tend()
        self._followers.tend()
        self._retention.tend()
        self._count()

    def _sync_behind(self, at_once: bool) -> int:
        for shard in self._shards:
            shard.sync_behind(at_once or shard.asked_to_sync())
        return 0

    def _count(self) -> None:
        counters = self._context.counters
        values = {
            "commands_journaled": sum(shard.commands.last_sequence for shard in self._shards),
            "events_journaled": sum(shard.events.last_sequence for shard in self._shards),
            "journal_stalled": int(bool(self._problem)),
            "database_backlog": self._databases.backlog,
            "database_failures": self._databases.failures,
        }
        for name, value in values.items():
            counters.set(self._places[name], value)


def build(context: Context) -> Persister:
    """Recover the journal, tell everybody how far it reaches, and attach to the rings. Raises EnvironmentFault."""
    epoch, settings = context.epoch, context.settings
    assert context.counters, "being the writer of its counters proves that this persister runs alone"
    background = ThreadPoolExecutor(1, "journal")
    shards = [_recover(context, shard, epoch, background) for shard in range(settings.matchers)]
    agent = Persister(context, shards, background)
    for number, shard in enumerate(shards):
        shard.attach(context.attach_ring(f"commands.{number}"), context.attach_ring(f"events.{number}"))
        agent.allow(number)
    return agent


def _recover(context: Context, shard: int, epoch: int, background: ThreadPoolExecutor) -> ShardWriter:
    """The shard's journal, cut and checked, with ``durable.k`` saying so."""
    settings = context.settings
    folders = [stream_folder(settings.data, stream, shard) for stream in Stream]
    snapshots = known_by_snapshots(settings, shard, epoch)
    known, most = [min(each) for each in zip(*snapshots, strict=True)], [max(each) for each in zip(*snapshots, strict=True)]
    commands, _ = _tried(context, folders[0], lambda: recover_stream(folders[0], COMMAND, epoch, known[0], most[0]))
    events, command_sequence = _tried(context, folders[1], lambda: recover_stream(folders[1], EVENT, epoch, known[1], most[1]))
    check_events_follow(folders[1], commands.last_sequence, command_sequence)
    writers = [
        StreamWriter(settings.data, stream, shard, epoch, tail, settings.journal.segment_bytes, background)
        for stream, tail in zip(Stream, (commands, events), strict=True)
    ]
    durable = context.create_durable(shard, commands.last_sequence, events.last_sequence)
    durable.advance(STATE, JournalState.WRITING)
    context.logger.info(
        f"journal recovered: read from command {known[0]} and event {known[1]}, which snapshots know, to its end",
        shard=shard,
        commands=commands.last_sequence,
        events=events.last_sequence,
        cut=[tail.path.name for tail in (commands, events) if tail.torn and tail.path],
    )
    return ShardWriter(writers[0], writers[1], durable, settings.durability)


def _tried(context: Context, folder: Path, recover: Callable[[], Recovered]) -> Recovered:
    """What ``recover`` returns, again and again while the disk fails it: a disk that is full now may have room in a moment.

    Raises EnvironmentFault when it fails for ``control.attach_s``.
    """
    problems: list[str] = []
    next_ns = 0

    def look() -> Recovered | None:
        nonlocal next_ns
        if time.monotonic_ns() < next_ns:
            return None
        try:
            return recover()
        except OSError as error:
            problem = f"the journal in {folder} cannot be read or mended: {error}"
            if not problems:
                context.logger.error("the start waits for the disk", problem=problem)
            problems.append(problem)
            next_ns = time.monotonic_ns() + MEND_EVERY_NS
            return None

    try:
        return context.wait_for(look, f"the journal in {folder}")
    except EnvironmentFault as fault:
        if not problems or fault.status != FaultStatus.UNAVAILABLE:
            raise
        raise EnvironmentFault(problems[-1], FaultStatus.INPUT_OUTPUT) from fault
