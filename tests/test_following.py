"""Followers: what they make out of the journal is what the process was at that very command, and goes on as it went on."""

import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from conftest import Place
from journal_writing import write_records
from matcher import follow as matcher_follow
from matcher.engine import Engine
from matcher.head import WIRING
from matcher.recovery import go_on_from
from matcher.state import empty_state, used
from matcher_streams import BOUNDS, engine, stream
from riskd import follow as riskd_follow
from riskd import snapshot
from riskd.state import empty_state as empty_risks
from runtime.following import Task, with_rooms
from runtime.settings import load
from shm.journal import Stream, stream_folder
from shm.records import COMMAND, EVENT
from shm.snapshot import Head, Snapshot, publish, write_snapshot
from test_riskd_recovery import Life, check_holds, check_once, essence

OF_A_LIFE = (*WIRING, "room_through", "suppress_through", "scratch")


def bytes_of(state: Any) -> bytes:
    """A matcher's state but for what is of a life: where its rings are, what it has told."""
    own = {name: state[name].copy() for name in OF_A_LIFE}
    for name in OF_A_LIFE:
        state[name] = 0
    found = b"".join(part.tobytes() for part in used(state, BOUNDS))
    for name, value in own.items():
        state[name] = value
    return found


@pytest.mark.parametrize("number", range(4))
def test_a_matchers_follower_has_its_state_to_the_byte(tmp_path: Path, seed: int, number: int) -> None:
    """At any command, be it in the middle of a batch, from nothing or from a snapshot before it; and from there on the engine
    gives the same events and the same state as one that never stopped."""
    chance = random.Random(f"{seed}.{number}")
    commands, events = numbered(seed + number)
    write_records(tmp_path, Stream.COMMANDS, 0, commands, 64)
    folder, before = stream_folder(tmp_path, Stream.COMMANDS, 0), None
    for cut in sorted(chance.sample(range(1, len(commands)), 3)):
        whole = engine()
        whole.run(commands[:cut])
        made = empty_state(BOUNDS)
        if before is not None:
            go_on_from(Snapshot.read(before), made, used(made, BOUNDS))
        matcher_follow.bring_to(made, folder, cut)
        assert bytes_of(made) == bytes_of(whole.state)
        head = Head("matcher.0", 1, 1, (), (cut,), (int(made["event_sequence"]),))
        before = publish(write_snapshot(tmp_path, head, used(made, BOUNDS)))
        check_goes_on(before, whole, commands[cut:], events)


def numbered(seed: int) -> tuple[Any, Any]:
    """Numbered commands and their events."""
    subject = engine()
    events = subject.run(stream(seed, 600))
    return subject.commands, events


def check_goes_on(path: Path, whole: Engine, commands: Any, events: Any) -> None:
    """An engine that begins with the snapshot does as ``whole``."""
    other = engine()
    go_on_from(Snapshot.read(path), other.state, used(other.state, BOUNDS))
    other._open_rings()
    for each in (other, whole):
        assert each.run(commands).tobytes() == events[-len(events) + cut_of(events, commands) :].tobytes()
    assert bytes_of(other.state) == bytes_of(whole.state)


def cut_of(events: Any, commands: Any) -> int:
    """How many events are of commands before these."""
    return int((events["command_sequence"] < commands["sequence"][0]).sum())


@pytest.mark.parametrize("number", range(3))
def test_riskd_goes_on_from_its_followers_snapshot(tmp_path: Path, seed: int, number: int) -> None:
    """Made at some command of each shard and its last event, while riskd had read fewer events or more: with what comes after
    it, riskd knows to the last lot what it knew, and what it then numbers adds up."""
    life = Life(random.Random(f"{seed}.{number}.followed"))
    for turn in range(12):
        for _ in range(4):
            life.send()
            life.live()
        state = followed(life, tmp_path / str(turn))
        for shard, ring in enumerate(life.made.events):
            read = max(ring.cursor(0), int(state[0]["shards"][shard]["events_read"]))
            while ring.cursor(0) < read:
                life.made.run(life.now_ns, 1)  # riskd reads on, and so far the two can be compared
                life.record(shard)
        known = essence(life.made.risk)
        assert essence(life.come_back(begin=state)) == known
        check_holds(life.made.risk)
    life.settle()
    check_once(life)


def followed(life: Life, data: Path) -> Any:
    """The state of riskd's follower, at some cut that the matchers have told of, through a snapshot's parts."""
    made, began = (empty_risks(life.made.sizes, seed=99) for _ in range(2))
    for shard in range(2):
        commands, events = np.array(life.commands[shard], COMMAND), np.array(life.events[shard] or [np.zeros((), EVENT)], EVENT)
        events = events[: len(life.events[shard])]
        write_records(data, Stream.COMMANDS, shard, commands, 7)
        if len(events):
            write_records(data, Stream.EVENTS, shard, events, 7)
        told = [each for each in events[: life.made.events[shard].published] if each["command_sequence"] <= len(commands)]
        whole = int(told[-1]["command_sequence"]) - 1 if told else 0
        cut = life.chance.randint(whole // 2, whole)
        last = int((events["command_sequence"] <= cut).sum())
        riskd_follow.bring_to(made, data, shard, cut // 2, int((events["command_sequence"] <= cut // 2).sum()))
        riskd_follow.bring_to(made, data, shard, cut, last)
    path = publish(write_snapshot(data, Head("riskd", 1, 1), snapshot.parts(made)))
    snapshot.go_on_from(Snapshot.read(path), began)
    return began


def test_a_task_comes_through_as_it_was(place: Place) -> None:
    """With the settings that a follower needs, and no secret."""
    settings = load(None, {**place.environ, "PINION_POOLS_ORDERS": "64", "PINION_DATABASE_URL": "sqlite:////secret"})
    task = Task(("gateway.0", "gateway.1"), (7, 8), (9, 10), settings, 1, (0, 1))
    said = task.to_json()
    assert b"secret" not in said
    found = Task.from_json(said)
    assert replace(found, settings=settings) == task
    for name in ("data", "run", "instance", "pools", "rings", "gateway", "snapshots", "durability"):
        assert getattr(found.settings, name) == getattr(settings, name)


@pytest.mark.parametrize("room", ["matcher", "riskd", "gateway"])
def test_a_follower_without_its_parent_does_nothing(place: Place, room: str) -> None:
    """Whoever started it is gone by then: nobody would look after it."""
    task = Task((room,), (1,), (1,), load(None, place.environ), 1, (0,))
    done = subprocess.run(
        [sys.executable, "-m", f"{room}.follow"], input=task.to_json(), env=with_rooms(), capture_output=True, timeout=60
    )
    assert done.returncode == 1, done.stderr.decode()
    assert not list(place.data.rglob("*.snapshot"))
