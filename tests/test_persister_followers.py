"""Who makes snapshots while the exchange trades: what is waited for, what becomes of what fails, dies, or is away."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import structlog

from journal_writing import EPOCH
from persister import followers
from persister.followers import TOLD_WITHIN_S, Followers
from runtime.following import Task
from runtime.settings import load
from shm.snapshot import Head, drafts, publish, snapshot_folder, snapshots, write_snapshot

EVENTS_A_COMMAND = 2
PROCESSES = ("matcher.0", "matcher.1", "riskd", "gateway.0", "gateway.1")


class Shard:
    """Of a persister's: what riskd has numbered, how far the journal is, what gateways have told."""

    def __init__(self) -> None:
        self.mark = 0
        self.commands, self.events = SimpleNamespace(last_sequence=0), SimpleNamespace(last_sequence=0)
        self.told = {"gateway.0": 0, "gateway.1": 0}

    def snapshot_numbered(self) -> int:
        return self.mark

    def has_read(self, reader: str, event: int) -> bool:
        return self.told[reader] >= event

    def number(self, command: int) -> None:
        """A SNAPSHOT that journal and gateways have at once."""
        self.mark = self.commands.last_sequence = command
        self.events.last_sequence = self.told["gateway.0"] = self.told["gateway.1"] = EVENTS_A_COMMAND * command


class World:
    """Two shards and two gateways. Followers do their work when the test says so."""

    def __init__(self, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.settings = load(None, {"PINION_DATA": str(data), "PINION_MATCHERS": "2", "PINION_GATEWAYS": "2"})
        self.shards = [Shard(), Shard()]
        self.now_s, self.started, self.status = 100.0, [], None
        self.begun: list[tuple[tuple[str, ...], Any]] = []
        self.running: Any = None
        monkeypatch.setattr(followers.time, "monotonic", lambda: self.now_s)
        monkeypatch.setattr(followers.subprocess, "Popen", self._start)
        self.followers = self.begin()

    def begin(self) -> Followers:
        """A persister's."""
        self.followers = Followers(self.settings, EPOCH, self.shards, structlog.get_logger())  # type: ignore[arg-type]
        return self.followers

    def number(self, command: int) -> None:
        for shard in self.shards:
            shard.number(command)

    def tend(self, times: int = 20) -> list[tuple[str, ...]]:
        """Whose followers were started; each does its work at once."""
        before = len(self.begun)
        for _ in range(times):
            self.followers.tend()
            if self.running is not None and self.running.status is None:
                self.finish()
        return [processes for processes, _ in self.begun[before:]]

    def finish(self) -> None:
        """The follower's work: snapshots as its task says."""
        task = Task.from_json(self.running.said)
        for name in task.processes:
            self.write(name, task.commands, task.events)
        self.running.status = 0

    def write(self, name: str, commands: tuple[int, ...], events: tuple[int, ...]) -> None:
        kind, _, shard = name.partition(".")
        if kind == "matcher":
            commands = commands[int(shard) : int(shard) + 1]
            events = (EVENTS_A_COMMAND * commands[0],)
        folder = snapshot_folder(self.settings.data, name)
        folder.mkdir(parents=True, exist_ok=True)
        publish(write_snapshot(folder, Head(name, 1, EPOCH, (), commands, events), [np.ones(10, np.uint8)]))

    def made(self) -> dict[str, list[int]]:
        """The commands of each process's newest snapshot."""
        return {name: each["commands"] for name, each in self.followers.status()["newest"].items()}

    def _start(self, command: list[str], **options: Any) -> Any:
        assert self.running is None or self.running.status is not None, "one after the other"
        self.running = Follower()
        self.begun.append(((command[-1],), self.running))
        return self.running


class Follower:
    """A process as the persister sees it."""

    def __init__(self) -> None:
        self.said, self.status = b"", None
        self.stdin = SimpleNamespace(write=self._hear, close=lambda: None)

    def _hear(self, text: bytes) -> None:
        self.said += text

    @property
    def returncode(self) -> int | None:
        return self.status

    def poll(self) -> int | None:
        return self.status

    def kill(self) -> None:
        self.status = -9

    def wait(self) -> int | None:
        return self.status


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> World:
    return World(tmp_path, monkeypatch)


def test_a_cut_is_made_of_every_process_one_after_the_other(world: World) -> None:
    """Matchers first, who know the last event of the cut; then riskd, then all gateways at once; then there is peace."""
    world.number(7)
    assert [module for (module,) in world.tend()] == ["matcher.follow", "matcher.follow", "riskd.follow", "gateway.follow"]
    assert world.made() == {name: [7] if "matcher" in name else [7, 7] for name in PROCESSES}
    tasks = [Task.from_json(follower.said) for _, follower in world.begun]
    assert [task.processes for task in tasks] == [("matcher.0",), ("matcher.1",), ("riskd",), ("gateway.0", "gateway.1")]
    assert {task.commands for task in tasks} == {(7, 7)} and {task.events for task in tasks[2:]} == {(14, 14)}
    assert world.tend() == []
    assert world.followers.status()["done"] == [7, 7]


def test_nothing_begins_before_the_journal_has_the_cut(world: World) -> None:
    """All commands before the first follower, all events before riskd's; a SNAPSHOT numbered in one shard alone is no cut."""
    world.number(7)
    world.shards[1].commands.last_sequence, world.shards[1].events.last_sequence = 6, 13
    assert world.tend() == []
    world.shards[1].commands.last_sequence = 7
    assert len(world.tend()) == 2
    assert world.tend() == []
    world.shards[1].events.last_sequence = 14
    assert len(world.tend()) == 2
    world.shards[0].number(9)
    assert world.tend() == []


def test_cuts_that_are_numbered_meanwhile_are_skipped_but_the_last(world: World) -> None:
    """However many there are while one is being made."""
    world.number(7)
    world.followers.tend()
    world.followers.tend()
    for command in (8, 9, 10):
        world.number(command)
    assert len(world.tend(50)) == 3 + 4
    assert world.made()["riskd"] == [10, 10]
    assert [int(path.stem) for path in snapshots(snapshot_folder(world.settings.data, "matcher.0"))] == [30, 21]


def test_a_gateway_that_is_behind_is_left_out(world: World) -> None:
    """It starts again from where it stands, and a later table would skip what it has still to tell. The next cut has it."""
    world.number(7)
    world.shards[1].told["gateway.1"] = 13
    assert len(world.tend()) == 3
    world.now_s += TOLD_WITHIN_S
    assert len(world.tend()) == 1
    assert "gateway.1" not in world.made() and world.made()["gateway.0"] == [7, 7]
    assert world.followers.status()["without"] == ["gateway.1"] and world.followers.status()["done"] == [7, 7]
    world.number(8)
    assert len(world.tend()) == 4
    assert world.made()["gateway.1"] == [8, 8] and world.followers.status()["without"] == []


def test_what_fails_is_tried_again_later_and_later(world: World) -> None:
    """Without what was made already; a later cut is tried at once."""
    world.number(7)
    for wait_s in (5, 10, 20):
        while world.running is None or world.running.status is not None or world.begun[-1][0] != ("riskd.follow",):
            world.followers.tend()
            if world.begun and world.begun[-1][0] != ("riskd.follow",) and world.running.status is None:
                world.finish()
        world.running.status = 74
        assert world.tend() == []
        assert "follower of riskd ended with status 74" in world.followers.status()["problem"]
        assert world.followers.status()["failed"] == [7, 7]
        world.now_s += wait_s - 1
        assert world.tend() == []
        world.now_s += 1
    assert len(world.begun) == 2 + 3
    world.number(8)
    assert len(world.tend()) == 4
    assert (world.made()["riskd"], world.followers.status()["problem"]) == ([8, 8], "")


def test_a_persister_that_starts_again_makes_what_was_half_made(world: World) -> None:
    """Of the cut that the ring still names. What its predecessor's follower was writing is nothing."""
    world.number(7)
    world.followers.tend()
    world.followers.tend()
    world.finish()
    folder = snapshot_folder(world.settings.data, "matcher.1")
    folder.mkdir(parents=True)
    write_snapshot(folder, Head("matcher.1", 1, EPOCH, (), (7,), (14,)), [np.ones(10, np.uint8)])
    world.begin()
    assert drafts(world.settings.data) == []
    assert len(world.tend()) == 3
    assert world.made()["riskd"] == [7, 7]
    world.begin()
    assert world.tend() == []


def test_a_follower_is_ended_with_the_persister(world: World) -> None:
    """Nothing of what it was writing counts."""
    world.number(7)
    world.followers.tend()
    world.followers.tend()
    world.followers.close()
    assert world.running.status == -9
    assert world.made() == {}
