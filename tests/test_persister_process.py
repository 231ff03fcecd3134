"""The persister among its neighbours: what is in the rings gets into journal and database, whatever is killed meanwhile."""

import errno
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import persister.process
import persister.stream_writer
from conftest import Place
from persister_rig import Rig, environment_of, settings_of
from runtime.faults import EnvironmentFault, FaultStatus
from shm.durable import COMMANDS_DURABLE, COMMANDS_WRITTEN, EVENTS_WRITTEN, STATE, Durable, JournalState
from shm.journal import Stream, segments, stream_folder
from shm.ring import release
from trading_story import Story
from waiting import wait_until

GUEST = str(Path(__file__).with_name("persister_guest.py"))
Starter = Callable[..., Rig]


@pytest.fixture
def start(place: Place) -> Iterator[Starter]:
    """Makes rigs of this test's engine, with the persister in this process."""
    made: list[Rig] = []

    def start_one(**sections: Any) -> Rig:
        rig = Rig(settings_of(place, **sections))
        made.append(rig)
        rig.start()
        return rig

    yield start_one
    for rig in made:
        if rig.agent is not None:
            rig.stop()


def durable(rig: Rig) -> Durable:
    return rig.neighbour.attach_durable(0)


def some(count: int = 200, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    return Story(seed).grow(count).arrays()


@pytest.mark.parametrize("level", ["disk", "memory", "none"])
def test_what_is_in_the_rings_is_journaled_and_told(start: Starter, level: str) -> None:
    rig = start(durability=level, journal_batch_bound=16)
    commands, events = some()
    rig.write("commands.0", commands)
    rig.write("events.0", events)
    assert not rig.agent.drained()
    rig.work()
    assert rig.agent.drained()
    words = durable(rig)
    assert (words.read(COMMANDS_WRITTEN), words.read(EVENTS_WRITTEN)) == (len(commands), len(events))
    assert words.read(STATE) == JournalState.WRITING
    if level == "disk":
        assert words.read(COMMANDS_DURABLE) == len(commands)
    assert rig.journal(Stream.COMMANDS).tobytes() == commands.tobytes()
    assert rig.journal(Stream.EVENTS).tobytes() == events.tobytes()
    for name, records in (("commands.0", commands), ("events.0", events)):
        ring = rig.rings[name]
        assert ring.cursor(ring.reader("persister")) == len(records)
    rig.stop()
    assert words.read(STATE) == JournalState.STOPPED


def test_memory_becomes_durable_behind(start: Starter) -> None:
    """``COMMANDS_DURABLE`` says what a lost machine leaves, under every level."""
    rig = start(durability="memory")
    rig.write("commands.0", some()[0])
    rig.work()

    def synced() -> bool:
        rig.agent.do_work()
        return durable(rig).read(COMMANDS_DURABLE) == rig.rings["commands.0"].published

    wait_until(synced, 10, "the background's sync")


def test_events_wait_for_their_command(start: Starter) -> None:
    """The journal never knows an event of a command that it does not hold; waiting for that is work, so nobody sleeps."""
    rig = start()
    commands, events = some()
    rig.write("events.0", events)
    assert rig.agent.do_work() == 1
    assert len(rig.journal(Stream.EVENTS)) == 0
    rig.write("commands.0", commands[:50])
    rig.agent.do_work()
    rig.agent.do_work()
    assert rig.journal(Stream.EVENTS)["command_sequence"][-1] == 50
    assert rig.agent.do_work() == 1
    rig.write("commands.0", commands[50:])
    rig.work()
    assert rig.journal(Stream.EVENTS).tobytes() == events.tobytes()


def test_a_start_skips_what_is_journaled(start: Starter) -> None:
    """A persister that died between writing and moving on in the ring finds the same records there again."""
    rig = start()
    commands, events = some()
    rig.write("commands.0", commands[:100])
    rig.work()
    ring = rig.rings["commands.0"]
    release(ring.record, ring.reader("persister"), 60)
    rig.stop()
    again = start()
    ring = again.rings["commands.0"]
    assert ring.cursor(ring.reader("persister")) == 100
    again.write("commands.0", commands[100:])
    again.write("events.0", events)
    again.work()
    assert again.journal(Stream.COMMANDS).tobytes() == commands.tobytes()
    assert again.journal(Stream.EVENTS).tobytes() == events.tobytes()


def test_a_gap_between_journal_and_ring_is_a_bug(place: Place) -> None:
    """The ring was read further than the journal reaches: something took records without keeping them."""
    rig = Rig(settings_of(place))
    rig.write("commands.0", some()[0])
    release(rig.rings["commands.0"].record, 1, 5)
    with pytest.raises(AssertionError, match="read up to 5, journaled to 0"):
        rig.start()
    rig.close()


def failing(code: int) -> Callable[..., int]:
    """What a function of ``os`` does on a disk that fails."""

    def fail(*_: Any) -> int:
        raise OSError(code, os.strerror(code))

    return fail


@pytest.mark.parametrize("level", ["disk", "memory"])
@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_a_write_that_fails_stalls_the_journal_until_it_works(
    start: Starter, monkeypatch: pytest.MonkeyPatch, code: int, level: str
) -> None:
    """Everybody can see why nothing moves, nothing counts as taken or durable; then it goes on where it was, by itself."""
    rig = start(durability=level)
    commands, events = some()
    rig.write("commands.0", commands[:100])
    rig.work()
    words = durable(rig)
    monkeypatch.setattr(os, "pwritev", failing(code))
    rig.write("commands.0", commands[100:])
    rig.write("events.0", events)
    rig.work()
    assert words.read(STATE) == JournalState.STALLED
    assert words.read(COMMANDS_WRITTEN) == 100
    ring = rig.rings["commands.0"]
    assert ring.cursor(ring.reader("persister")) == 100
    status = rig.agent.status()
    assert (status["state"], status["problem"]) == ("stalled", os.strerror(code))
    wait_until(lambda: rig.agent.do_work() == 0 and rig.agent._mend_at_ns - time.monotonic_ns() > 10**8, 5, "a try to mend")
    assert words.read(STATE) == JournalState.STALLED
    monkeypatch.undo()
    wait_until(lambda: rig.agent.do_work() > 0, 5, "the journal to be written again")
    rig.work()
    assert words.read(STATE) == JournalState.WRITING
    assert "state" not in rig.agent.status()
    assert rig.journal(Stream.COMMANDS).tobytes() == commands.tobytes()
    assert rig.journal(Stream.EVENTS).tobytes() == events.tobytes()


def test_a_file_that_cannot_be_made_stalls_the_journal_until_it_can(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that is full when the next file is due; it is not taken for mended while there is still no room."""
    rig = start()
    monkeypatch.setattr(persister.stream_writer, "prepare", failing(errno.ENOSPC))
    commands, _ = some()
    rig.write("commands.0", commands)
    rig.work()
    words = durable(rig)
    for _ in range(3):
        before = rig.agent._mend_at_ns
        wait_until(lambda before=before: rig.agent.do_work() == 0 and rig.agent._mend_at_ns > before, 5, "a try to mend")
        assert words.read(STATE) == JournalState.STALLED
    monkeypatch.undo()
    wait_until(lambda: rig.agent.do_work() > 0, 5, "the journal to be written again")
    rig.work()
    assert rig.journal(Stream.COMMANDS).tobytes() == commands.tobytes()


def test_a_sync_that_failed_is_never_believed(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not when the next one works: what it was to put on disk is written again before that."""
    rig = start(durability="memory")
    commands, _ = some()
    steps: list[str] = []
    write, sync = os.pwritev, os.fdatasync
    monkeypatch.setattr(os, "fdatasync", failing(errno.EIO))
    rig.write("commands.0", commands)
    wait_until(lambda: rig.agent.do_work() == 0 and durable(rig).read(STATE) == JournalState.STALLED, 10, "a sync to fail")
    assert durable(rig).read(COMMANDS_DURABLE) == 0
    monkeypatch.setattr(os, "pwritev", lambda *words: steps.append("write") or write(*words))
    monkeypatch.setattr(os, "fdatasync", lambda descriptor: steps.append("sync") or sync(descriptor))
    wait_until(lambda: rig.agent.do_work() == 0 and durable(rig).read(STATE) == JournalState.WRITING, 10, "it to be mended")
    assert steps[:2] == ["write", "sync"]
    assert durable(rig).read(COMMANDS_DURABLE) == len(commands)
    assert rig.journal(Stream.COMMANDS).tobytes() == commands.tobytes()


def test_what_memory_has_lost_too_ends_the_persister(start: Starter, monkeypatch: pytest.MonkeyPatch) -> None:
    """With a status of its own, and nothing of it ever told to be durable."""
    rig = start(durability="memory")
    monkeypatch.setattr(os, "fdatasync", failing(errno.EIO))
    rig.write("commands.0", some()[0])
    wait_until(lambda: rig.agent.do_work() == 0 and durable(rig).read(STATE) == JournalState.STALLED, 10, "a sync to fail")
    ((_, path),) = segments(stream_folder(rig.settings.data, Stream.COMMANDS, 0))
    with path.open("r+b") as file:
        file.seek(5000)
        file.write(bytes(3000))
    with pytest.raises(EnvironmentFault, match="could not be synced") as caught:
        wait_until(rig.agent.do_work, 10, "it to end")
    monkeypatch.undo()
    assert caught.value.status is FaultStatus.INPUT_OUTPUT
    assert durable(rig).read(COMMANDS_DURABLE) == 0
    with pytest.raises(EnvironmentFault):
        rig.agent.close()
    rig.close()


def test_status_tells_how_far_it_is(start: Starter) -> None:
    rig = start()
    commands, events = some()
    rig.write("commands.0", commands)
    rig.write("events.0", events)
    rig.work()

    def caught_up() -> bool:
        rig.agent.do_work()
        return rig.agent.status()["database"]["backlog"] == 0

    wait_until(caught_up, 20, "the database")
    status = rig.agent.status()
    assert status["journal"]["0"] == {
        "commands": len(commands),
        "commands_synced": len(commands),
        "events": len(events),
        "events_synced": status["journal"]["0"]["events_synced"],
    }
    assert status["database"]["state"] == "following"
    assert status["database"]["rows"] == len(events)


class Outside:
    """A persister in a process of its own, among rings that this test writes."""

    def __init__(self, place: Place, **sections: str) -> None:
        self.rig = Rig(settings_of(place, **{key.lower().removeprefix("pinion_"): value for key, value in sections.items()}))
        self._environment = environment_of(place, sections)
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen([sys.executable, GUEST], env=self._environment, stderr=subprocess.DEVNULL)

    def kill(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()

    def end(self) -> int:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(10)


def events_in_database(place: Place) -> int:
    """How far the rows reach; 0 without any."""
    database = sqlite3.connect(place.data / "pinion.sqlite")
    try:
        return int(database.execute("SELECT coalesce(max(sequence), 0) FROM progress WHERE stream = 'events'").fetchone()[0])
    except sqlite3.OperationalError:
        return 0
    finally:
        database.close()


@pytest.fixture
def outside(place: Place) -> Iterator[Callable[..., Outside]]:
    """Makes persisters of this test's engine, each in a process of its own."""
    made: list[Outside] = []

    def make(**sections: str) -> Outside:
        made.append(Outside(place, **sections))
        return made[-1]

    yield make
    for each in made:
        each.kill()
        each.rig.close()


@pytest.mark.slow
def test_kills_at_any_instant_lose_and_double_nothing(place: Place, outside: Callable[..., Outside], seed: int) -> None:
    """Ten kills while both rings are written; in the end journal and database hold every record once."""
    draw = np.random.default_rng(seed)
    persister = outside(PINION_JOURNAL_BATCH_BOUND="8", PINION_DURABILITY="memory")
    rig, stories = persister.rig, some(6000, seed)
    persister.start()
    progress = {"commands.0": 0, "events.0": 0}
    next_kill = int(draw.integers(1, 500))

    def feed() -> bool:
        nonlocal next_kill
        for (name, done), records in zip(list(progress.items()), stories, strict=True):
            count = int(min(draw.integers(1, 40), rig.room(name), len(records) - done))
            if count:
                rig.write(name, records[done : done + count])
                progress[name] += count
        if progress["commands.0"] > next_kill:
            persister.kill()
            persister.start()
            next_kill += int(draw.integers(300, 900))
        return all(progress[name] == len(records) for name, records in zip(progress, stories, strict=True))

    wait_until(feed, 120, "everything in the rings")
    wait_until(lambda: rig.room("commands.0") == rig.room("events.0") == 1024, 30, "everything taken")
    wait_until(lambda: events_in_database(place) == len(stories[1]), 30, "the database's end")
    assert persister.end() == 0
    assert rig.journal(Stream.COMMANDS).tobytes() == stories[0].tobytes()
    assert rig.journal(Stream.EVENTS).tobytes() == stories[1].tobytes()


def test_the_database_process_dies_with_the_persister(place: Place, outside: Callable[..., Outside]) -> None:
    """However it dies. (What the test would leave behind otherwise fails it.)"""
    persister = outside()
    persister.start()
    wait_until(lambda: (place.data / "pinion.sqlite").exists(), 20, "the database process")
    persister.kill()


def test_sigterm_ends_it_within_two_seconds(outside: Callable[..., Outside]) -> None:
    persister = outside()
    commands, events = some(300)
    persister.start()
    persister.rig.write("commands.0", commands)
    persister.rig.write("events.0", events)
    wait_until(lambda: persister.rig.room("commands.0") == 1024, 20, "the persister at work")
    begun = time.monotonic()
    assert persister.end() == 0
    assert time.monotonic() - begun < 2
    assert len(persister.rig.journal(Stream.EVENTS)) == len(events)


@pytest.mark.parametrize("times", [2, 1000])
def test_a_start_waits_for_a_disk_that_is_full(place: Place, monkeypatch: pytest.MonkeyPatch, times: int) -> None:
    """It goes on once there is room, and ends with what is wrong when there is none for long."""
    left = [times]
    real = persister.process.recover_stream

    def recover(*arguments: Any) -> Any:
        left[0] -= 1
        return real(*arguments) if left[0] < 0 else failing(errno.ENOSPC)()

    monkeypatch.setattr(persister.process, "recover_stream", recover)
    monkeypatch.setattr(persister.process, "MEND_EVERY_NS", 1_000_000)
    rig = Rig(settings_of(place, control_attach_s="0.2" if times > 2 else "20"))
    if times > 2:
        with pytest.raises(EnvironmentFault, match=r"cannot be read or mended: .*No space") as fault:
            rig.start()
        assert fault.value.status == FaultStatus.INPUT_OUTPUT
        rig.close()
    else:
        rig.start()
        assert left[0] < 0
        rig.stop()
