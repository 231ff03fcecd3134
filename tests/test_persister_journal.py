"""The journal's writing side: files that follow each other, ends that are cut, damage that stops the start."""

import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from journal_writing import EPOCH, PlainJournal, patch, records, write_records
from persister.recovery import check_events_follow, recover_stream
from persister.segment_file import FIRST_SEGMENT_BYTES, next_segment_bytes, prepare, zero_from
from persister.stream_writer import StreamWriter
from persister.writer import BatchBuffer
from runtime.faults import EnvironmentFault, FaultStatus
from shm.journal import JournalReader, Stream, segments, stream_folder
from shm.journal_layout import PREPARED_NAME, WORDS_PER_LINE
from shm.records import COMMAND, EVENT


@pytest.fixture
def background() -> Iterator[ThreadPoolExecutor]:
    with ThreadPoolExecutor(1) as made:
        yield made


def open_writer(data: Path, background: ThreadPoolExecutor, bound: int = 1 << 22) -> StreamWriter:
    tail, _ = recover_stream(stream_folder(data, Stream.COMMANDS, 0), COMMAND, EPOCH)
    writer = StreamWriter(data, Stream.COMMANDS, 0, EPOCH, tail, bound, background)
    writer.each_synced = True
    return writer


def append(writer: StreamWriter, count: int) -> np.ndarray:
    made = records(COMMAND, writer.last_sequence + 1, count)
    buffer = BatchBuffer(4096)
    buffer.words[WORDS_PER_LINE : WORDS_PER_LINE + count * 16] = made.view(np.uint64)
    assert writer.room() >= count
    writer.append(buffer.headers, buffer.words, buffer.bytes, count)
    return made


def read(data: Path, dtype: np.dtype = COMMAND, stream: Stream = Stream.COMMANDS) -> np.ndarray:
    return np.concatenate([np.zeros(0, dtype), *JournalReader(stream_folder(data, stream, 0), dtype)])


def test_files_follow_each_other_and_grow(tmp_path: Path, background: ThreadPoolExecutor) -> None:
    """Each is twice the one before, up to the bound, and named by its first sequence."""
    writer, written = open_writer(tmp_path, background), []
    for _ in range(40):
        written.append(append(writer, min(2000, writer.room())))
    writer.close()
    files = segments(writer.folder)
    assert [path.stat().st_size >> 20 for _, path in files] == [1, 2, 4, 4]
    assert files[0][0] == 1
    assert read(tmp_path).tobytes() == np.concatenate(written).tobytes()


def test_file_sizes() -> None:
    """A megabyte first, then twice as much each time, never more than the bound."""
    assert [next_segment_bytes(size, 1 << 22) for size in (0, 1 << 20, 1 << 21, 1 << 22)] == [
        1 << 20,
        1 << 21,
        1 << 22,
        1 << 22,
    ]
    assert next_segment_bytes(0, 1 << 16) == 1 << 16 < FIRST_SEGMENT_BYTES


def test_the_next_file_is_ready_before_it_is_needed(tmp_path: Path, background: ThreadPoolExecutor) -> None:
    """Zeros really written: it takes its blocks on the disk."""
    writer = open_writer(tmp_path, background)
    while not (writer.folder / PREPARED_NAME).exists():
        append(writer, 500)
        background.submit(int).result()
    assert len(segments(writer.folder)) == 1
    status = (writer.folder / PREPARED_NAME).stat()
    assert status.st_size == 2 * FIRST_SEGMENT_BYTES
    assert status.st_blocks * 512 >= status.st_size
    writer.close()


def test_a_file_that_was_only_prepared_is_made_anew(tmp_path: Path, background: ThreadPoolExecutor) -> None:
    """Whatever a killed persister left in it."""
    write_records(tmp_path, Stream.COMMANDS, 0, records(COMMAND, 1, 10), 10)
    folder = stream_folder(tmp_path, Stream.COMMANDS, 0)
    (folder / PREPARED_NAME).write_bytes(b"\xff" * 5000)
    writer = open_writer(tmp_path, background)
    assert not (folder / PREPARED_NAME).exists()
    while len(segments(folder)) == 1:
        append(writer, min(3000, writer.room()))
    writer.close()
    assert len(read(tmp_path)) == writer.last_sequence


def test_a_tail_torn_at_any_byte_is_cut_and_written_over(tmp_path: Path, background: ThreadPoolExecutor) -> None:
    """After every possible tear the next start goes on behind the last whole batch, and all reads as one."""
    journal = PlainJournal(tmp_path)
    journal.write(3)
    journal.write(2)
    path, start = journal.starts[-1]
    whole = path.read_bytes()
    for kept in (*range(64), *range(64, 320, 7)):
        path.write_bytes(whole[: start + kept].ljust(len(whole), b"\0"))
        writer = open_writer(tmp_path, background)
        assert writer.last_sequence == 3
        assert not any(path.read_bytes()[start:])
        added = append(writer, 4)
        writer.close()
        assert read(tmp_path).tobytes() == journal.written[0].tobytes() + added.tobytes()


def test_garbage_behind_the_end_is_cut(tmp_path: Path, background: ThreadPoolExecutor) -> None:
    journal = PlainJournal(tmp_path)
    journal.write(3)
    patch(journal.path, journal.offset, np.random.default_rng(1).bytes(20000))
    writer = open_writer(tmp_path, background)
    assert not any(journal.path.read_bytes()[journal.offset :])
    writer.close()


def test_a_flipped_byte_before_the_tail_stops_the_start(tmp_path: Path) -> None:
    """Saying where; and nothing is changed."""
    journal = PlainJournal(tmp_path)
    for _ in range(5):
        journal.write(10)
    path, start = journal.starts[2]
    before = path.read_bytes()
    patch(path, start + 300, bytes([before[start + 300] ^ 1]))
    damaged = path.read_bytes()
    with pytest.raises(EnvironmentFault) as caught:
        recover_stream(journal.folder, COMMAND, EPOCH)
    assert caught.value.status is FaultStatus.DAMAGED
    for part in (str(path), f"byte {start}", "sequence 21", "checksum", "Nothing was changed"):
        assert part in str(caught.value)
    assert path.read_bytes() == damaged


def test_a_journal_of_another_data_folder_stops_the_start(tmp_path: Path) -> None:
    PlainJournal(tmp_path).write(1)
    with pytest.raises(EnvironmentFault, match="belongs to epoch 000000000000e70c") as caught:
        recover_stream(stream_folder(tmp_path, Stream.COMMANDS, 0), COMMAND, EPOCH + 1)
    assert caught.value.status is FaultStatus.CONFIGURATION


def test_events_of_commands_that_are_lost_stop_the_start(tmp_path: Path) -> None:
    """Only a machine that stopped under ``memory`` or ``none`` can leave that; what to do is in the message."""
    events = np.zeros(3, EVENT)
    events["sequence"], events["command_sequence"] = [1, 2, 3], [1, 1, 8]
    write_records(tmp_path, Stream.EVENTS, 0, events, 3)
    folder = stream_folder(tmp_path, Stream.EVENTS, 0)
    _, command_sequence = recover_stream(folder, EVENT, EPOCH)
    assert command_sequence == 8
    check_events_follow(folder, 8, 8)
    with pytest.raises(EnvironmentFault, match="events of command 8, but the commands end with 7"):
        check_events_follow(folder, 7, 8)


def test_a_sync_that_failed_in_the_background_is_told(
    tmp_path: Path, background: ThreadPoolExecutor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never believed later: the numbers stay where they were."""
    writer = open_writer(tmp_path, background)
    writer.each_synced = False
    append(writer, 10)
    monkeypatch.setattr(os, "fdatasync", lambda _: (_ for _ in ()).throw(OSError(5, "Input/output error")))
    writer.sync_behind(at_once=True)
    background.submit(int).result()
    monkeypatch.undo()
    with pytest.raises(OSError, match="Input/output error"):
        writer.sync_behind(at_once=True)
    assert (writer.last_sequence, writer.synced_sequence) == (10, 0)


def test_syncing_behind_moves_the_proof_of_damage(tmp_path: Path, background: ThreadPoolExecutor) -> None:
    """What was synced and is bad is damage; what was not is an end."""
    writer = open_writer(tmp_path, background)
    writer.each_synced = False
    append(writer, 10)
    writer.sync_behind(at_once=True)
    background.submit(int).result()
    writer.sync_behind()
    assert writer.synced_sequence == 10
    append(writer, 10)
    append(writer, 10)
    path = segments(writer.folder)[-1][1]
    batch = 64 + 10 * 128
    patch(path, 4096 + batch + 100, b"\xff\xff\xff")
    assert len(read(tmp_path)) == 10
    patch(path, 4096 + 100, b"\xff\xff\xff")
    with pytest.raises(Exception, match="written after it was on disk"):
        read(tmp_path)
    writer.close()


def test_zeroing_keeps_what_is_before(tmp_path: Path) -> None:
    descriptor = prepare(tmp_path, 65536, synced=False)
    os.pwrite(descriptor, b"\xff" * 65536, 0)
    zero_from(descriptor, 100)
    assert os.pread(descriptor, 65536, 0) == b"\xff" * 100 + bytes(65436)
    os.close(descriptor)
