"""The journal's format and its reader: what was written comes back; a torn end is an end; anything else is damage."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from journal_writing import SEGMENT_BYTES, PlainJournal, patch
from shm import journal_kernels, journal_layout, journal_plain
from shm.crc import crc32c, crc32c_by_table
from shm.crc_plain import crc32c_plain
from shm.journal import JournalDamaged, JournalReader, Stream, stream_folder
from shm.records import COMMAND, EVENT


@pytest.fixture
def journal(tmp_path: Path) -> PlainJournal:
    """Three files of commands in batches of odd sizes."""
    made = PlainJournal(tmp_path)
    for count in (1, 7, 100, 1, 350, 200, 200, 3, 5, 400, 2, 9):
        made.write(count)
    assert len({path for path, _ in made.starts}) == 3
    return made


def read(folder: Path, after: int = 0, dtype: np.dtype = COMMAND) -> np.ndarray:
    arrays = list(JournalReader(folder, dtype, after))
    return np.concatenate(arrays) if arrays else np.zeros(0, dtype)


@pytest.mark.parametrize("length", [0, 1, 7, 8, 9, 63, 64, 1000])
def test_checksum_equals_its_plain_twin(length: int) -> None:
    data = np.random.default_rng(length).bytes(length)
    array = np.frombuffer(data, np.uint8)
    assert crc32c(array, 0) == crc32c_by_table(array, 0) == crc32c_plain(data)
    assert crc32c_plain(data[5:], crc32c_plain(data[:5])) == crc32c_plain(data)


def test_seal_equals_its_plain_twin() -> None:
    words = np.frombuffer(np.random.default_rng(3).bytes(64 + 128 * 5), np.uint64).copy()
    twin = words.copy()
    lines, twin_lines = (array.view(journal_layout.BATCH_HEADER)[:1] for array in (words, twin))
    assert journal_kernels.seal(lines, words, 5, 77, 0xABCD, 8192) == journal_plain.seal(twin_lines, twin, 5, 77, 0xABCD, 8192)
    assert words.tobytes() == twin.tobytes()


def test_every_record_comes_back_in_order(journal: PlainJournal) -> None:
    assert read(journal.folder).tobytes() == journal.all().tobytes()


def test_nothing_to_read_is_an_empty_journal(tmp_path: Path) -> None:
    reader = JournalReader(stream_folder(tmp_path, Stream.EVENTS, 3), EVENT)
    assert list(reader) == []
    assert (reader.last_sequence, reader.tail().path) == (0, None)


@pytest.mark.parametrize("after", [0, 1, 2, 8, 458, 459, 460, 1000, 1277, 1278])
def test_reading_starts_after_a_sequence(journal: PlainJournal, after: int) -> None:
    assert read(journal.folder, after).tobytes() == journal.all()[after:].tobytes()


def test_reading_goes_on_where_it_ended(journal: PlainJournal) -> None:
    """A reader behind the writer: at the end it stops, later it finds what came, in the next file too."""
    reader = JournalReader(journal.folder, COMMAND)
    assert sum(map(len, reader)) == journal.sequence - 1
    before = journal.sequence - 1
    journal.write(3)
    journal.write(300)
    assert np.concatenate(list(reader)).tobytes() == journal.all()[before:].tobytes()
    assert reader.tail().offset == journal.offset


def test_reading_through_a_sequence_stops_after_its_batch(journal: PlainJournal) -> None:
    reader = JournalReader(journal.folder, COMMAND)
    assert sum(map(len, reader.read(through=100))) == 108
    assert sum(map(len, reader.read(through=100))) == 0
    assert sum(map(len, reader.read(through=109))) == 1


def test_plain_walk_reads_the_same(journal: PlainJournal) -> None:
    for walk in (journal_plain.walk, journal_plain.walk_unchecked):
        arrays = list(JournalReader(journal.folder, COMMAND, 5, walk=walk))
        assert np.concatenate(arrays).tobytes() == journal.all()[5:].tobytes()


def test_tail_says_where_the_next_batch_goes(journal: PlainJournal) -> None:
    reader = JournalReader(journal.folder, COMMAND)
    list(reader)
    tail = reader.tail()
    assert (tail.path, tail.offset, tail.last_sequence) == (journal.path, journal.offset, journal.sequence - 1)
    assert (tail.checksum, tail.torn, tail.synced) == (journal.checksum, False, journal.starts[-1][1])


def test_a_batch_torn_at_any_byte_is_the_end(tmp_path: Path) -> None:
    """However much of the last batch reached the file, all before it is read and nothing of it."""
    journal = PlainJournal(tmp_path)
    journal.write(3)
    journal.write(2)
    path, start = journal.starts[-1]
    whole = path.read_bytes()
    for kept in range(64 + 2 * 128):
        path.write_bytes(whole[: start + kept].ljust(SEGMENT_BYTES, b"\0"))
        if path.read_bytes() == whole:
            continue
        reader = JournalReader(journal.folder, COMMAND)
        assert sum(map(len, reader)) == 3, kept
        assert reader.tail().torn == (kept > 0)
        assert reader.tail().offset == start


def test_damage_before_the_tail_names_file_offset_and_sequence(journal: PlainJournal) -> None:
    """One flipped bit at every field of a batch's header and in its records, in every batch but the last."""
    for index, (path, start) in enumerate(journal.starts[:-1]):
        for place in (0, 4, 8, 16, 20, 24, 40, 64, 130):
            whole = path.read_bytes()
            patch(path, start + place, bytes([whole[start + place] ^ 4]))
            with pytest.raises(JournalDamaged) as caught:
                read(journal.folder)
            sequence = int(journal.written[index]["sequence"][0])
            assert (caught.value.path, caught.value.offset, caught.value.sequence) == (path, start, sequence), place
            assert f"{path} is damaged at byte {start}" in str(caught.value)
            path.write_bytes(whole)


def test_unsynced_batches_may_be_lost_in_any_order(tmp_path: Path) -> None:
    """Without a sync a machine that loses power may keep a later batch and lose an earlier one: that is no damage."""
    journal = PlainJournal(tmp_path, Stream.EVENTS, every_batch_synced=False)
    for _ in range(4):
        journal.write(10)
    path, start = journal.starts[2]
    patch(path, start, bytes(64))
    reader = JournalReader(journal.folder, EVENT)
    assert sum(map(len, reader)) == 20
    assert reader.tail().torn


def test_a_missing_file_is_damage(journal: PlainJournal) -> None:
    paths = sorted({path for path, _ in journal.starts})
    paths[1].rename(paths[1].with_suffix(".away"))
    with pytest.raises(JournalDamaged, match="comes later"):
        read(journal.folder)
    paths[0].rename(paths[0].with_suffix(".away"))
    with pytest.raises(JournalDamaged, match="starts only with sequence"):
        read(journal.folder)


@pytest.mark.parametrize("place", [0, 8, 12, 16, 24, 32, 40, 48, 56, 64, 4000, 4092])
def test_a_damaged_file_header_is_damage(journal: PlainJournal, place: int) -> None:
    patch(journal.path, place, b"\xff\xff")
    with pytest.raises(JournalDamaged) as caught:
        read(journal.folder)
    assert (caught.value.path, caught.value.offset) == (journal.path, 0)


def test_a_shortened_file_is_damage(journal: PlainJournal) -> None:
    with journal.path.open("r+b") as file:
        file.truncate(SEGMENT_BYTES - 4096)
    with pytest.raises(JournalDamaged, match="length of the file"):
        read(journal.folder)


def test_a_journal_of_another_layout_is_refused(journal: PlainJournal) -> None:
    with pytest.raises(JournalDamaged, match="layout hash"):
        read(journal.folder, dtype=EVENT)


def test_a_batch_that_was_promised_and_is_missing_is_damage(journal: PlainJournal) -> None:
    reader = JournalReader(journal.folder, COMMAND)
    with pytest.raises(JournalDamaged, match="though all up to 2000 was written"):
        list(reader.read(through=2000))


def test_records_are_numbered_as_their_batch_says(tmp_path: Path) -> None:
    journal = PlainJournal(tmp_path)
    journal.write(3)
    wrong = journal.all().copy()
    wrong["sequence"] = [4, 5, 7]
    journal.write(3, wrong)
    with pytest.raises(JournalDamaged, match="record 6 says that it is 7"):
        read(journal.folder)


def test_reading_needs_no_numba(journal: PlainJournal) -> None:
    """The database's process reads the journal without the compiler's hundred megabytes."""
    program = (
        "import sys; from shm.journal import JournalReader; from shm.journal_plain import walk_unchecked;"
        "from shm.records import COMMAND;"
        f"reader = JournalReader({str(journal.folder)!r}, COMMAND, 0, walk_unchecked);"
        "print(sum(map(len, reader.read(through=reader.last_sequence + 1000))), 'numba' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["1267", "False"]
