"""The small things in shared memory: checksums, histograms, counters, doorbells, and the layouts of the records."""

import itertools
import os
import threading
import time

import numpy as np
import pytest

from shm import records
from shm.counters import ERROR_BOUND, Counters
from shm.crc import crc32c, crc32c_by_table
from shm.doorbell import BELLS, LINE, Doorbells, _bump, bell_of
from shm.durable import COMMANDS_DURABLE, Durable
from shm.histogram import empty_histogram, highest_of_place, percentile, place_of, record_values
from shm.reasons import Reason, name_of
from shm.segment import unlink

_numbers = itertools.count()


@pytest.fixture
def name():
    """A segment name of this test alone; the segment is gone afterwards."""
    unique = f"/pinion-shmtest-{os.getpid()}-{next(_numbers)}"
    yield unique
    unlink(unique)


def test_crc32c_gives_the_check_value_of_its_standard():
    """RFC 3720, appendix B.4, and the usual check string."""
    assert crc32c(np.frombuffer(b"123456789", np.uint8), 0) == 0xE3069283
    assert crc32c(np.zeros(32, np.uint8), 0) == 0x8A9136AA
    assert crc32c(np.full(32, 255, np.uint8), 0) == 0x62A8AB43


def test_crc32c_by_instruction_equals_its_slow_twin_at_every_length_and_split(seed):
    """The table is the twin; a checksum can be gone on from where it stopped."""
    data = np.random.default_rng(seed).integers(0, 256, 200).astype(np.uint8)
    for length in range(data.size):
        assert crc32c(data[:length], 0) == crc32c_by_table(data[:length], 0)
        assert crc32c(data[length:], crc32c(data[:length], 0)) == crc32c_by_table(data, 0)


def test_histogram_places_every_value_within_one_in_128():
    """Each value lies in its place, no place holds values that differ by more than 1 in 128, and places are in order."""
    values = [*range(300), *(1 << k for k in range(9, 42)), *((1 << k) - 1 for k in range(9, 43))]
    for value in values:
        highest = highest_of_place(place_of(value))
        assert value <= highest <= value + value // 128
    places = [place_of(value) for value in sorted(values)]
    assert places == sorted(places)


def test_histogram_percentiles_equal_those_of_the_sorted_values(seed):
    """The value at the rank asked for, to the histogram's precision."""
    values = np.random.default_rng(seed).lognormal(9, 2, 100_000).astype(np.int64)
    histogram = empty_histogram("wait")
    record_values(histogram, values)
    ordered = np.sort(values)
    for percent, rank in ((1, 1_000), (50, 50_000), (99, 99_000), (99.9, 99_900), (100, 100_000)):
        exact = ordered[rank - 1]
        assert exact <= percentile(histogram, percent) <= exact + exact // 128 + 1
    assert (histogram["total"], histogram["sum"], histogram["highest"]) == (values.size, values.sum(), values.max())
    assert percentile(empty_histogram(), 50) == 0


def test_counters_are_read_from_outside_and_outlive_a_restart(name):
    """The writer names a counter at its first mention; who attaches sees names and values, and they are kept."""
    counters = Counters.create(name, epoch=1)
    counters.add(counters.index("orders"), 5)
    assert Counters.attach(name).as_dict() == {"orders": 5}
    counters.segment.close()
    again = Counters.create(name, epoch=1)
    again.add(again.index("orders"))
    assert again.as_dict() == {"orders": 6}


def test_histograms_are_read_from_outside(name):
    """Recorded by the writer, or its kernels, and summed up by whoever looks."""
    counters = Counters.create(name, epoch=1)
    record_values(counters.record["histograms"][counters.histogram("wait_ns")], np.arange(1, 101))
    found = Counters.attach(name).histograms()
    assert found == {"wait_ns": {"count": 100, "p50": 50, "p90": 90, "p99": 99, "p99.9": 100, "p99.99": 100, "highest": 100}}


def test_same_error_is_one_entry_with_a_count(name):
    """However often it happens; a log that is full loses new errors, not old ones."""
    counters = Counters.create(name, epoch=1)
    for _ in range(3):
        counters.note_error("the disk is full")
    assert [(error["text"], error["count"]) for error in counters.errors()] == [("the disk is full", 3)]
    for number in range(ERROR_BOUND - 1):
        assert counters.note_error(f"error {number}") == 1
    assert counters.note_error("one too many") == 0
    assert counters.note_error("the disk is full") == 4
    assert len(counters.errors()) == ERROR_BOUND


def test_parked_process_is_woken_by_its_bell(name):
    """A ring between announcing and waiting is not lost, and one while waiting ends the wait."""
    bells, bell = Doorbells.open(name, epoch=1), bell_of("riskd")
    announced = bells.announce(bell)
    assert bells.parked(np.array([bell_of("persister"), bell])) == 0b10
    bells.ring(bell)
    bells.wait(bell, announced, timeout_s=30)
    announced = bells.announce(bell)
    sleeper = threading.Thread(target=bells.wait, args=(bell, announced, 30))
    sleeper.start()
    Doorbells.open(name, epoch=1).ring(bell)
    sleeper.join(timeout=20)
    assert not sleeper.is_alive()
    assert not bells.is_parked(bell)


def test_bell_is_rung_in_the_order_that_loses_no_sleeper(monkeypatch):
    """The flag falls before the word changes: else one who parks in between has its flag cleared, and nobody wakes it."""
    done = []
    monkeypatch.setattr("shm.doorbell.store_release", lambda words, at, value: done.append(("flag", value)))
    monkeypatch.setattr("shm.doorbell.fetch_add", lambda words, at, value: done.append(("word", value)))
    _bump.py_func(np.zeros(BELLS * LINE, np.int64), 0)
    assert done == [("flag", 0), ("word", 1)]


def test_parked_process_wakes_by_itself_after_its_timeout(name):
    """Nobody rings."""
    bells, started = Doorbells.open(name, epoch=1), time.monotonic()
    bells.wait(3, bells.announce(3), timeout_s=0.02)
    assert time.monotonic() - started >= 0.02


def test_every_process_has_a_bell_of_its_own():
    """No two processes of the largest deployment share a word."""
    names = ["riskd", "persister", *(f"gateway.{g}" for g in range(8)), *(f"matcher.{k}" for k in range(16))]
    bells = [bell_of(each) for each in names]
    assert len(set(bells)) == len(bells)
    assert max(bells) < BELLS


def test_durable_marks_are_seen_by_readers(name):
    """What the persister advances, the gateway reads; the epoch travels with it."""
    written = Durable.create(name, epoch=9, commands=5, events=8)
    read = Durable.attach(name)
    written.advance(COMMANDS_DURABLE, 6)
    assert (read.read(COMMANDS_DURABLE), read.epoch) == (6, 9)


@pytest.mark.parametrize("dtype", records.VARIANTS, ids=["command", "instrument", "rules", "account", "event"])
def test_records_have_no_unnamed_byte(dtype):
    """Every one of the 128 bytes belongs to a field, so that writing every field writes every byte."""
    assert sum(dtype.fields[field][0].itemsize for field in dtype.names) == dtype.itemsize == 128


def test_layout_hash_changes_with_any_name_type_or_place():
    """Renaming, widening and moving a field are all another layout."""
    layouts = [
        [("a", "<i8"), ("b", "<i4"), ("c", "<i4")],
        [("a", "<i8"), ("b", "<i4"), ("d", "<i4")],
        [("a", "<i8"), ("b", "<u4"), ("c", "<i4")],
        [("a", "<i8"), ("c", "<i4"), ("b", "<i4")],
    ]
    assert len({records.layout_hash(np.dtype(layout)) for layout in layouts}) == len(layouts)
    assert records.layout_hash(records.COMMAND) == records.layout_hash(np.dtype(records.COMMAND.descr))


def test_reason_codes_are_a_thousand_per_process_and_have_words():
    """The thousands digit says which process speaks; an unknown code still prints."""
    assert {code // 1000 for code in Reason} <= {0, 1, 2, 3, 4}
    assert name_of(Reason.PRICE_OFF_TICK) == "price_off_tick"
    assert name_of(999) == "unknown_999"
