"""Damage anywhere in a small journal: every byte flipped, every length cut. It is seen, named, and never taken for good."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

import journal_writing
from journal_writing import EPOCH, PlainJournal, write_records
from matcher.commands import definitions
from matcher.process import bounds_for, build
from matcher.state import used
from matcher_streams import ACCOUNTS, INSTRUMENTS, engine, stream
from matcher_surroundings import Surroundings
from persister.recovery import recover_stream
from riskd.snapshot import snapshot_command
from runtime.faults import EnvironmentFault
from shm.durable import COMMANDS_DURABLE, COMMANDS_WRITTEN, EVENTS_DURABLE, EVENTS_WRITTEN
from shm.journal import JournalDamaged, JournalReader, Stream
from shm.records import COMMAND
from shm.ring import Ring, publish
from shm.snapshot import read_head, snapshot_folder, snapshots


@pytest.fixture
def journal(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> PlainJournal:
    """Two files of two pages each."""
    monkeypatch.setattr(journal_writing, "SEGMENT_BYTES", 8192)
    made = PlainJournal(tmp_path)
    for count in (3, 20, 5, 2, 9, 1):
        made.write(count)
    assert len({path for path, _ in made.starts}) == 2
    return made


def read(journal: PlainJournal) -> tuple[np.ndarray, bool]:
    """What is read, and whether damage was seen: an unfinished batch behind the end counts."""
    reader, found = JournalReader(journal.folder, COMMAND), [np.zeros(0, COMMAND)]
    try:
        for records in reader:
            found.append(records)
    except JournalDamaged as damage:
        names_it = str(journal.folder) in str(damage)
        return np.concatenate(found), names_it
    return np.concatenate(found), reader.tail().torn


def check_seen(journal: PlainJournal, what: object) -> None:
    """What is read is the beginning of what was written, and that there is damage is known."""
    found, is_seen = read(journal)
    assert found.tobytes() == journal.all()[: len(found)].tobytes(), what
    assert is_seen, what


def flipped(path: Path) -> Iterator[int]:
    """Each byte of the file in turn; it is whole again afterwards."""
    whole = bytearray(path.read_bytes())
    for at in range(len(whole)):
        whole[at] ^= 1 << at % 8
        path.write_bytes(whole)
        yield at
        whole[at] ^= 1 << at % 8
    path.write_bytes(whole)


@pytest.mark.slow
@pytest.mark.parametrize("which", [0, 1])
def test_every_flipped_byte_of_a_journal_is_seen(journal: PlainJournal, which: int) -> None:
    """Headers, batches, and the zeros behind the end."""
    path = sorted({path for path, _ in journal.starts})[which]
    assert not read(journal)[1]
    for at in flipped(path):
        check_seen(journal, (path.name, at))
    assert not read(journal)[1]


def test_every_truncation_of_a_journal_is_seen(journal: PlainJournal) -> None:
    """Of either file."""
    for path in sorted({path for path, _ in journal.starts}):
        whole = path.read_bytes()
        for length in (*range(128), *range(128, len(whole), 61), len(whole) - 1):
            path.write_bytes(whole[:length])
            with pytest.raises(JournalDamaged, match=str(path)):
                list(JournalReader(journal.folder, COMMAND))
        path.write_bytes(whole)


def test_a_lost_end_that_a_snapshot_knows_stops_the_start(journal: PlainJournal) -> None:
    """A flipped bit in the last batch looks like one that was never finished. A snapshot that knows it tells them apart."""
    path, start = journal.starts[-1]
    journal_writing.patch(path, start + 100, b"\x77")
    with pytest.raises(EnvironmentFault, match="snapshots know all up to 40: the end of the journal is lost"):
        recover_stream(journal.folder, COMMAND, EPOCH, 40, 40)
    with pytest.raises(EnvironmentFault, match="truncate"):
        recover_stream(journal.folder, COMMAND, EPOCH, 0, 40)
    assert recover_stream(journal.folder, COMMAND, EPOCH)[0].last_sequence == 39


@pytest.fixture
def place(tmp_path: Path) -> Surroundings:
    """A matcher that has taken a snapshot in the middle of what its journal holds."""
    subject = engine()
    events = subject.run(stream(9, 600))
    commands = subject.commands
    write_records(tmp_path, Stream.COMMANDS, 0, commands, 64)
    first = Surroundings(tmp_path)
    first.words |= dict.fromkeys((COMMANDS_WRITTEN, COMMANDS_DURABLE), len(commands))
    first.words |= dict.fromkeys((EVENTS_WRITTEN, EVENTS_DURABLE), len(events))
    publish(first.events.record, len(events))
    first.commands = Ring.private(COMMAND, 1024, gating=("matcher",), base=300)
    first.words[COMMANDS_WRITTEN] = 0
    agent = build(first)
    assert agent.status()["command_sequence"] == len(commands)
    state = agent.state
    known = (int(state["command_sequence"]),), (int(state["event_sequence"]),)
    agent.snapshots.write(used(state, bounds_for(first.settings)), *known)
    first.words[COMMANDS_WRITTEN] = len(commands)
    assert len(snapshots(snapshot_folder(tmp_path, "matcher.0"))) == 1
    return first


def test_a_damaged_snapshot_is_never_started_from(place: Surroundings, tmp_path: Path) -> None:
    """A byte here and there: the start says so, puts the file aside, and makes the same state out of the journal."""
    (path,) = snapshots(snapshot_folder(tmp_path, "matcher.0"))
    whole, wanted = path.read_bytes(), build(place).status()
    for at in (0, 20, 60, 100, 4093, 4096, 4100, 4104, 4120, 4200, len(whole) // 2, len(whole) - 20, len(whole) - 1):
        raw = bytearray(whole)
        raw[at] ^= 1
        path.write_bytes(raw)
        found = build(place).status()
        assert path.with_suffix(".snapshot.damaged").exists(), at
        assert found == wanted, at


@pytest.mark.parametrize("at_stop", [True, False])
@pytest.mark.parametrize("is_last", [True, False])
def test_a_matcher_that_stops_behind_a_snapshot_writes_it(tmp_path: Path, at_stop: bool, is_last: bool) -> None:
    """If that is wanted, and if the SNAPSHOT is the last command: then everybody stops, and not this process alone."""
    subject = engine()
    commands = [definitions(INSTRUMENTS, ACCOUNTS), snapshot_command()]
    subject.run(np.concatenate(commands if is_last else [*commands, commands[0][:1]]))
    place = Surroundings(tmp_path)
    place.settings.snapshots.at_stop = at_stop
    agent = build(place)
    place.send(subject.commands)
    place.words |= dict.fromkeys((COMMANDS_DURABLE, EVENTS_DURABLE, COMMANDS_WRITTEN, EVENTS_WRITTEN), 10_000)
    while agent.do_work():
        pass
    for _ in range(2):  # the second time there is one
        agent.close()
        found = [read_head(path) for path in snapshots(snapshot_folder(tmp_path, "matcher.0"))]
        assert [head.commands[0] for head in found] == ([len(subject.commands)] if at_stop and is_last else [])


def test_a_snapshot_that_somebody_starts_from_stays(tmp_path: Path) -> None:
    """Whatever is written meanwhile, for the journal behind it would go with it; once the start is done it goes its way."""
    place = Surroundings(tmp_path)
    place.settings.snapshots.keep = 1
    place.words |= dict.fromkeys((COMMANDS_DURABLE, EVENTS_DURABLE, COMMANDS_WRITTEN, EVENTS_WRITTEN), 10_000)
    writing, starting = build(place).snapshots, build(place).snapshots
    parts = used(build(place).state, bounds_for(place.settings))

    def numbers() -> list[int]:
        return [read_head(path).commands[0] for path in snapshots(snapshot_folder(tmp_path, "matcher.0"))]

    writing.write(parts, (1,), (1,))
    assert starting.newest() is not None
    writing.write(parts, (2,), (2,))
    assert numbers() == [2, 1]
    starting.let_go()
    writing.write(parts, (3,), (3,))
    assert numbers() == [3]
