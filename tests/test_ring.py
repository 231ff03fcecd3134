"""Rings: one writer, gating readers, taps. What is published is read once, in order, by everyone who gates."""

import itertools
import os
import random
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from numba import njit

from bench.ring import MESSAGES
from shm.errors import CutLoose, SegmentError
from shm.ring import Ring, Tap, can_write, cursor, publish, published, release
from shm.ring_layout import UNPUBLISHED_BOUND, ring_dtype
from shm.segment import unlink

CAPACITY = 256
MESSAGE = MESSAGES[64]
_numbers = itertools.count()


@pytest.fixture
def name():
    """A segment name of this test alone; the segment is gone afterwards."""
    unique = f"/pinion-ringtest-{os.getpid()}-{next(_numbers)}"
    yield unique
    unlink(unique)


@njit(cache=True)
def write(ring, count):
    """Write up to ``count`` messages holding their own sequence, while there is room; how many."""
    first = sequence = published(ring) + 1
    mask = ring["slots"].shape[0] - 1
    while sequence < first + count and can_write(ring, sequence):
        words = ring["slots"][sequence & mask]["words"]
        for k in range(words.size):
            words[k] = sequence * (k + 1)
        sequence += 1
        if (sequence - first) % UNPUBLISHED_BOUND == 0:
            publish(ring, sequence - 1)
    publish(ring, sequence - 1)
    return sequence - first


@njit(cache=True)
def verify(ring, reader):
    """Read all there is and check every word; the last sequence, or minus the first one that is wrong."""
    done, head = cursor(ring, reader), published(ring)
    mask = ring["slots"].shape[0] - 1
    while done < head:
        done += 1
        words = ring["slots"][done & mask]["words"]
        for k in range(words.size):
            if words[k] != done * (k + 1):
                return -done
    release(ring, reader, done)
    return done


def test_reader_holds_the_writer_back_until_it_has_done():
    """A full ring takes nothing more; a message done with makes room for one."""
    ring = Ring.private(MESSAGE, CAPACITY, gating=("slow",))
    assert write(ring.record, CAPACITY + 50) == CAPACITY
    assert ring.fill() == 1.0
    release(ring.record, ring.reader("slow"), 7)
    assert write(ring.record, CAPACITY) == 7


def test_slowest_of_several_readers_counts():
    """Room is what the slowest gating reader leaves."""
    ring = Ring.private(MESSAGE, CAPACITY, gating=("slow", "fast"))
    write(ring.record, CAPACITY)
    release(ring.record, ring.reader("fast"), CAPACITY)
    assert write(ring.record, 1) == 0
    release(ring.record, ring.reader("slow"), 3)
    assert write(ring.record, CAPACITY) == 3


def test_ring_begins_after_its_base():
    """A ring that continues a journal of 1,000 messages hands out sequence 1,001 first."""
    ring = Ring.private(MESSAGE, CAPACITY, gating=("reader",), base=1_000)
    assert write(ring.record, 5) == 5
    assert (ring.published, ring.cursor(0)) == (1_005, 1_000)
    assert verify(ring.record, 0) == 1_005


def test_tap_that_is_overrun_says_so_and_never_shows_an_overwritten_message():
    """A tap sees everything while it keeps up; once lapped it counts what it lost and goes on with what is whole."""
    ring = Ring.private(MESSAGE, CAPACITY)
    tap = Tap(ring)
    write(ring.record, 100)
    assert tap.poll()["words"][:, 0].tolist() == list(range(1, 101))
    assert tap.overrun == 0
    write(ring.record, 1_000)
    seen = tap.poll()["words"][:, 0]
    assert tap.overrun + seen.size == 1_000
    assert seen[-1] == 1_100
    assert np.all(np.diff(seen) == 1)
    assert seen.size == CAPACITY - UNPUBLISHED_BOUND


def test_reader_cut_loose_is_told_and_may_rejoin_where_the_ring_still_reaches():
    """The writer goes on without a stuck reader; that one learns of it, and gates again from a sequence that is still there."""
    ring = Ring.private(MESSAGE, CAPACITY, gating=("stuck", "well"))
    write(ring.record, CAPACITY)
    release(ring.record, 1, CAPACITY)
    ring.cut_loose("stuck")
    assert write(ring.record, CAPACITY) == CAPACITY
    with pytest.raises(CutLoose, match="stuck"):
        ring.reader("stuck")
    with pytest.raises(CutLoose, match="does not keep sequence 11"):
        ring.rejoin("stuck", 10)
    with pytest.raises(CutLoose, match="does not keep sequence 252"):
        ring.rejoin("stuck", CAPACITY - 5)  # still there, but the writer may write over it without looking
    index = ring.rejoin("stuck", 2 * CAPACITY - 5)
    release(ring.record, 1, 2 * CAPACITY)
    assert write(ring.record, CAPACITY) == CAPACITY - 5, "it holds the writer back again"
    assert verify(ring.record, index) == 3 * CAPACITY - 5


@pytest.mark.parametrize("capacity", [0, 100, 128, 1_000])
def test_capacity_that_is_no_power_of_two_or_too_small_is_refused(capacity):
    """The kernels trust the capacity, so it is checked where the ring is made."""
    with pytest.raises(ValueError, match=f"capacity {capacity} .* power of two"):
        ring_dtype(MESSAGE, capacity)


def test_writer_that_starts_again_goes_on_where_it_was(name):
    """What was published stands, the cursors stand, and other readers than before are refused by name."""
    ring = Ring.create(name, MESSAGE, CAPACITY, epoch=1, gating=("reader",))
    write(ring.record, 10)
    release(ring.record, 0, 4)
    ring.close()
    again = Ring.create(name, MESSAGE, CAPACITY, epoch=1, gating=("reader",))
    assert (again.published, again.cursor(0)) == (10, 4)
    again.close()
    with pytest.raises(SegmentError, match=r"readers \['reader'\], the settings say \['other'\]"):
        Ring.create(name, MESSAGE, CAPACITY, epoch=1, gating=("other",))


class _Forwarder:
    """The process in the middle, which the test stops, continues and kills."""

    def __init__(self, source: str, target: str, capacity: int, last: int) -> None:
        script = Path(__file__).with_name("ring_forwarder.py")
        command = [sys.executable, str(script), source, target, str(capacity), str(last)]
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
        self._command, self._environment = command, environment
        self.start()

    def start(self) -> None:
        self.process = subprocess.Popen(self._command, env=self._environment, stdout=subprocess.PIPE)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == b"ready\n"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def signal(self, number: int) -> None:
        self.process.send_signal(number)


@pytest.mark.slow
@pytest.mark.timeout(240)
def test_100_million_messages_through_a_reader_that_is_stalled_and_killed(seed):
    """Two processes, two rings, 100 million messages; every word of every message arrives once, in order.

    The reader is stopped until the writer finds no room, the writer waits until the reader has nothing left, and the reader
    is killed and starts again from what it had forwarded.
    """
    count, capacity, dice = 100_000_000, 1 << 14, random.Random(seed)
    names = [f"/pinion-ringtest-{os.getpid()}-{next(_numbers)}" for _ in range(2)]
    source = Ring.create(names[0], MESSAGE, capacity, epoch=1, gating=("forwarder",))
    forwarder = _Forwarder(*names, capacity, count)
    target = Ring.attach(names[1], MESSAGE, capacity, timeout_s=10)
    stalls, kills, next_event = 0, 0, 0
    try:
        while target.cursor(0) < count:
            write(source.record, min(8_192, count - source.published))
            assert verify(target.record, 0) >= 0, f"message {-verify(target.record, 0)} is wrong"
            if source.published < next_event or source.published == count:
                continue
            next_event += dice.randrange(count // 20)
            if dice.random() < 0.5:
                stalls += 1
                forwarder.signal(signal.SIGSTOP)
                while write(source.record, min(8_192, count - source.published)):
                    pass
                forwarder.signal(signal.SIGCONT)
            else:
                kills += 1
                forwarder.kill()
                forwarder.start()
        assert (target.published, target.cursor(0), source.cursor(0)) == (count, count, count)
        assert forwarder.process.wait(timeout=10) == 0
    finally:
        forwarder.kill()
        source.close()
        target.close()
        for each in names:
            unlink(each)
    print(f"{stalls} stalls, {kills} kills")
    assert stalls and kills
