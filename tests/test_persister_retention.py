"""Old files of the journal: which may go, and where."""

from pathlib import Path

import numpy as np
import pytest

from journal_writing import EPOCH, PlainJournal
from persister.retention import known_by_all, removable, sweep
from runtime.settings import Settings, load
from shm.journal import JournalDamaged, JournalReader, Stream, segments, stream_folder
from shm.records import COMMAND
from shm.snapshot import Head, publish, snapshot_folder, write_snapshot

PROCESSES = ("matcher.0", "riskd", "gateway.0")


def settings_of(data: Path, how: str) -> Settings:
    return load(None, {"PINION_JOURNAL_OLD_SEGMENTS": how, "PINION_DATA": str(data)})


def snapshot(settings: Settings, process: str, commands: int, events: int, epoch: int = EPOCH) -> Path:
    folder = snapshot_folder(settings.data, process)
    folder.mkdir(parents=True, exist_ok=True)
    head = Head(process, 1, epoch, (), (commands,), (events,))
    return publish(write_snapshot(folder, head, [np.ones(10, np.uint8)]))


def journal(settings: Settings) -> list[int]:
    """Four files of either stream, and the sequences that they begin with."""
    for stream in Stream:
        made = PlainJournal(settings.data, stream)
        for _ in range(12):
            made.write(150)
    return [first for first, _ in segments(stream_folder(settings.data, Stream.COMMANDS, 0))]


def left(settings: Settings, stream: Stream) -> list[int]:
    return [first for first, _ in segments(stream_folder(settings.data, stream, 0))]


@pytest.mark.parametrize("how", ["delete", "archive"])
def test_files_below_the_oldest_snapshot_go(tmp_path: Path, how: str) -> None:
    """Of each stream as far as every process has a snapshot, and never what the database has not."""
    settings = settings_of(tmp_path, how)
    firsts = journal(settings)
    assert len(firsts) == 4
    for process in PROCESSES:
        snapshot(settings, process, firsts[2] + 5, firsts[1] + 5)
        snapshot(settings, process, 1790, 1790)
    assert sweep(settings, EPOCH, [(1800, 1800)]) == 3
    assert (left(settings, Stream.COMMANDS), left(settings, Stream.EVENTS)) == (firsts[2:], firsts[1:])
    reader = JournalReader(stream_folder(tmp_path, Stream.COMMANDS, 0), COMMAND, firsts[2])
    assert sum(map(len, reader)) == 1800 - firsts[2]
    with pytest.raises(JournalDamaged, match="starts only with"):
        list(JournalReader(stream_folder(tmp_path, Stream.COMMANDS, 0), COMMAND))
    kept = sorted(path.name for path in (tmp_path / "archive").glob("*/*"))
    assert len(kept) == (3 if how == "archive" else 0)
    assert sweep(settings, EPOCH, [(1800, 1800)]) == 0


def test_what_one_still_needs_stays(tmp_path: Path) -> None:
    """A process without a snapshot of this data folder, or a database that is behind, keeps all."""
    settings = settings_of(tmp_path, "delete")
    firsts = journal(settings)
    snapshot(settings, "matcher.0", 1790, 1790)
    snapshot(settings, "riskd", 1790, 1790)
    snapshot(settings, "gateway.0", 1790, 1790, epoch=7)
    assert (known_by_all(settings, 0, EPOCH), sweep(settings, EPOCH, [(1800, 1800)])) == ((0, 0), 0)
    snapshot(settings, "gateway.0", 1780, 1780)
    assert sweep(settings, EPOCH, [(firsts[1] - 1, 0)]) == 0
    assert sweep(settings, EPOCH, [(firsts[1], 0)]) == 1


def test_the_last_file_stays_and_so_does_the_record_that_is_known_last(tmp_path: Path) -> None:
    """A gateway looks at the last event that it has told: that one is kept."""
    settings = settings_of(tmp_path, "delete")
    firsts = journal(settings)
    folder = stream_folder(tmp_path, Stream.COMMANDS, 0)
    assert len(list(removable(folder, 10**9))) == 3
    assert len(list(removable(folder, firsts[1] - 1))) == 0
    assert len(list(removable(folder, firsts[1]))) == 1
