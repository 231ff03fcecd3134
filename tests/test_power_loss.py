"""Power fails at every point of a persister's and a snapshot's life: what clients were told is there afterwards, always."""

import random
from collections.abc import Callable
from concurrent.futures import Executor, Future
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from journal_writing import EPOCH, records
from persister.recovery import check_events_follow, recover_stream
from persister.stream_writer import StreamWriter
from persister.truncation import cut, plan
from persister.writer import BatchBuffer, ShardWriter
from power import Disk, cuts, lay_out
from runtime.faults import EnvironmentFault
from runtime.settings import load
from shm.durable import COMMANDS_DURABLE, EVENTS_DURABLE
from shm.journal import JournalReader, Stream, Tail, stream_folder
from shm.records import COMMAND, EVENT
from shm.ring import Ring, publish
from shm.snapshot import Head, Snapshot, snapshot_folder, snapshots, write_snapshot
from shm.snapshot import publish as name_for_good

SEGMENT_BYTES = 1 << 13
"""Small, so that the short life that is cut everywhere has several files."""
NOTHING = Tail(None, 0, 0, 0, 0, False)


class Inline(Executor):
    """The background's work done at once: the same steps in every run."""

    def submit(self, work: Callable[..., Any], /, *arguments: Any, **options: Any) -> Future[Any]:
        done: Future[Any] = Future()
        try:
            done.set_result(work(*arguments, **options))
        except OSError as error:
            done.set_exception(error)
        return done


class Life:
    """A shard's writer between rings that the test writes."""

    def __init__(self, data: Path, level: str, tails: tuple[Tail, Tail] = (NOTHING, NOTHING)) -> None:
        self.words: dict[int, int] = {}
        durable: Any = SimpleNamespace(advance=self.words.__setitem__, read=lambda word: self.words.get(word, 0))
        streams = [
            StreamWriter(data, kind, 0, EPOCH, tail, SEGMENT_BYTES, Inline()) for kind, tail in zip(Stream, tails, strict=True)
        ]
        self.data, self.batch = data, BatchBuffer(8)
        self.rings = [
            Ring.private(kind, 256, gating=("persister",), base=tail.last_sequence)
            for kind, tail in zip((COMMAND, EVENT), tails, strict=True)
        ]
        self.writer = ShardWriter(streams[0], streams[1], durable, level)
        self.writer.attach(*self.rings)
        self.written = [np.zeros(0, COMMAND), np.zeros(0, EVENT)]

    def step(self, disk: Disk, chance: random.Random) -> None:
        """Some commands and their events, as many batches, a sync now and then, and the world told how far it got."""
        for which, (ring, dtype) in enumerate(zip(self.rings, (COMMAND, EVENT), strict=True)):
            made = records(dtype, ring.published + 1, chance.randint(1, 12))
            if dtype is EVENT:
                made["command_sequence"] = min(ring.published + 1, self.rings[0].published)
            ring.record["slots"][made["sequence"] & (ring.capacity - 1)] = made
            publish(ring.record, int(made["sequence"][-1]))
            self.written[which] = np.concatenate([self.written[which], made])
        for _ in range(chance.randint(1, 4)):
            self.guarded(lambda: self.writer.write(self.batch), disk)
        self.guarded(lambda: self.writer.sync_behind(chance.random() < 0.3), disk)

    def guarded(self, work: Callable[[], Any], disk: Disk) -> None:
        """``work``, and after a failure as many attempts to mend as it takes; then the world is told how far it got."""
        try:
            work()
        except OSError:
            while not self.mended():
                pass
        disk.tell((self.words.get(COMMANDS_DURABLE, 0), self.words.get(EVENTS_DURABLE, 0)))

    def mended(self) -> bool:
        try:
            self.writer.mend()
        except OSError:
            return False
        return True

    def snapshot(self, disk: Disk) -> None:
        """Of what is on disk, as a child names one."""
        self.writer.sync_behind(True)
        self.writer.sync_behind(False)
        known = self.writer.commands.synced_sequence, self.writer.events.synced_sequence
        folder = snapshot_folder(self.data, "riskd")
        folder.mkdir(parents=True, exist_ok=True)
        state = np.frombuffer(random.Random(known[0]).randbytes(9000), np.uint8)
        name_for_good(write_snapshot(folder, Head("riskd", 1, EPOCH, (), known[:1], known[1:]), [state]))
        disk.tell((*known, "snapshot"))


def recovered(data: Path) -> list[tuple[np.ndarray, Tail]]:
    """Both streams after a start, which must find nothing damaged."""
    found = []
    commands = 0
    for kind, dtype in zip(Stream, (COMMAND, EVENT), strict=True):
        folder = stream_folder(data, kind, 0)
        folder.mkdir(parents=True, exist_ok=True)
        tail, command_sequence = recover_stream(folder, dtype, EPOCH)
        if kind is Stream.EVENTS:
            check_events_follow(folder, commands, command_sequence)
        commands = tail.last_sequence
        found.append((np.concatenate([np.zeros(0, dtype), *JournalReader(folder, dtype)]), tail))
    return found


def recovered_on_a_word(data: Path) -> list[tuple[np.ndarray, Tail]]:
    """The same where an operator cuts events whose commands were never synced: only without ``disk`` can there be such."""
    with suppress(EnvironmentFault):
        return recovered(data)
    settings = load(None, {"PINION_DATA": str(data)})
    cut(settings, 0, plan(settings, 0, 1 << 40))
    return recovered(data)


def check(life: Life, told: list[Any], data: Path) -> list[tuple[np.ndarray, Tail]]:
    """All that was told is there, in order, and nothing that never was; the newest snapshot is whole."""
    found = recovered(data) if life.writer.level == "disk" else recovered_on_a_word(data)
    for which, (kept, _) in enumerate(found):
        assert kept.tobytes() == life.written[which][: len(kept)].tobytes()
        if which == 0 or life.writer.level == "disk":
            assert len(kept) >= max((each[which] for each in told), default=0)
    named = snapshots(snapshot_folder(data, "riskd"))
    for path in named:
        head = Snapshot.read(path).head
        assert (head.commands[0], head.events[0]) <= (len(found[0][0]), len(found[1][0]))
    assert len(named) >= sum(len(each) == 3 for each in told)
    return found


@pytest.mark.parametrize("level", ["disk", "memory"])
def test_power_fails_at_every_point(tmp_path: Path, seed: int, level: str) -> None:
    """Writes, syncs, new files, snapshots: cut anywhere, with unsynced pages there or not, a start has all that was told."""
    chance = random.Random(f"{seed}.{level}")
    data, target = tmp_path / "data", tmp_path / "left"
    data.mkdir()
    disk = Disk(data)
    with disk.recording():
        life = Life(data, level)
        for round_ in range(14):
            life.step(disk, chance)
            if round_ % 5 == 4:
                life.snapshot(disk)
        life.writer.commands.close()
        life.writer.events.close()
    assert len(list(data.glob("journal/*/*.journal"))) > 3
    for point in cuts(disk, target, chance):
        check(life, disk.told(point), target)


@pytest.mark.parametrize("level", ["disk", "memory"])
def test_power_fails_at_every_point_of_a_life_on_a_bad_disk(tmp_path: Path, seed: int, level: str) -> None:
    """Writes stop half way, syncs fail and take with them what they were to sync: what was told is there all the same."""
    chance = random.Random(f"{seed}.{level}.bad")
    data, target = tmp_path / "data", tmp_path / "left"
    data.mkdir()
    disk = Disk(data)
    with disk.recording():
        life = Life(data, level)
        disk.fails = lambda: chance.random() < 0.3
        for _ in range(14):
            life.step(disk, chance)
        disk.fails = lambda: False
        life.guarded(lambda: life.writer.sync_behind(True), disk)
        life.writer.commands.close()
        life.writer.events.close()
    assert any(step[0] == "failed sync" for step in disk.steps)
    for point in cuts(disk, target, chance):
        check(life, disk.told(point), target)


def test_power_fails_again_while_it_recovers(tmp_path: Path, seed: int) -> None:
    """A start that is cut itself, and another after it: nothing told is lost, and what the first promised stays."""
    chance = random.Random(f"{seed}.again")
    data, target, again = tmp_path / "data", tmp_path / "left", tmp_path / "again"
    data.mkdir()
    disk = Disk(data)
    with disk.recording():
        life = Life(data, "disk")
        for _ in range(5):
            life.step(disk, chance)
    for first in cuts(disk, target, chance):
        told = disk.told(first)
        second = Disk(target)
        with second.recording():
            found = recovered(target)
        second.tell((found[0][1].last_sequence, found[1][1].last_sequence))
        for point in {0, len(second.steps), chance.randint(0, len(second.steps))}:
            lay_out(second, point, again, chance)
            check(life, told + second.told(point), again)
