"""Segments: who may write one, who may attach, and what happens to one that was left over or does not fit."""

import itertools
import os
import subprocess
import sys
import threading

import numpy as np
import pytest

from shm.errors import SegmentAbsent, SegmentBusy, SegmentMismatch
from shm.segment import HEADER, Segment, owner_of, unlink

SMALL = np.dtype([("header", HEADER), ("value", "<i8")])
OTHER = np.dtype([("header", HEADER), ("price", "<i8")])
_numbers = itertools.count()


@pytest.fixture
def name():
    """A segment name of this test alone; the segment is gone afterwards."""
    unique = f"/pinion-segmenttest-{os.getpid()}-{next(_numbers)}"
    yield unique
    unlink(unique)


def _made(name, epoch=1, dtype=SMALL):
    segment = Segment.create(name, dtype, epoch)
    segment.publish_ready()
    return segment


def test_what_the_writer_writes_a_reader_sees(name):
    """Two mappings, one memory; the header says who wrote it."""
    writer = _made(name)
    reader = Segment.attach(name, SMALL)
    writer.record["value"] = 42
    assert reader.record["value"] == 42
    assert owner_of(name) == os.getpid()


def test_second_writer_is_refused_and_told_who_is_first(name):
    """One writer per segment: the lock says so."""
    first = _made(name)
    with pytest.raises(SegmentBusy, match=rf"{name} is written by process {os.getpid()}"):
        Segment.create(name, SMALL, 1)
    first.close()


def test_writer_goes_on_with_what_a_dead_one_left(name):
    """The kernel drops the lock of a process that was killed; its segment is taken over as it is."""
    code = (
        "import os, numpy as np\n"
        "from shm.segment import HEADER, Segment\n"
        "dtype = np.dtype([('header', HEADER), ('value', '<i8')])\n"
        f"s = Segment.create({name!r}, dtype, 1); s.record['value'] = 7; s.publish_ready(); os.kill(os.getpid(), 9)"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    assert subprocess.run([sys.executable, "-c", code], env=environment).returncode == -9
    assert owner_of(name) is None
    again = Segment.create(name, SMALL, 1)
    assert (again.fresh, again.record["value"]) == (False, 7)


def test_segment_of_another_epoch_is_left_over_and_made_anew(name):
    """The data folder has changed: what an earlier one left in memory is nobody's."""
    old = _made(name, epoch=1)
    old.record["value"] = 7
    old.close()
    new = Segment.create(name, SMALL, 2)
    assert (new.fresh, new.record["value"]) == (True, 0)


def test_segment_that_was_never_finished_is_made_anew(name):
    """A writer that died before it said ready left nothing worth having."""
    Segment.create(name, SMALL, 1).close()
    with pytest.raises(SegmentAbsent):
        Segment.attach(name, SMALL)
    assert Segment.create(name, SMALL, 1).fresh


@pytest.mark.parametrize("attach", [True, False], ids=["reader", "writer"])
def test_segment_of_another_layout_is_refused_naming_both(name, attach):
    """Same size, other field: the layout hash tells; both values are in the message."""
    _made(name).close()
    with pytest.raises(SegmentMismatch, match=r"layout hash is \d+, this process has \d+"):
        _ = Segment.attach(name, OTHER) if attach else Segment.create(name, OTHER, 1)


def test_segment_that_is_not_ours_is_refused(name):
    """Something else of that name, with a header that says ready."""
    segment = _made(name)
    segment.record["header"]["magic"] = b"SOMEBODY"
    with pytest.raises(SegmentMismatch, match=r"magic is b'SOMEBODY'"):
        Segment.attach(name, SMALL)


def test_absent_segment_is_said_to_be_absent(name):
    """Attaching waits, and then names what is lacking."""
    with pytest.raises(SegmentAbsent, match=f"{name} is not there"):
        Segment.attach(name, SMALL, timeout_s=0.01)


def test_shared_memory_that_is_full_is_one_clear_sentence():
    """In a namespace with 1 MiB of /dev/shm: creation fails at once and leaves no name; nothing dies of SIGBUS later."""
    code = (
        "import os, numpy as np\n"
        "from shm.errors import SegmentError\n"
        "from shm.segment import HEADER, Segment\n"
        "dtype = np.dtype([('header', HEADER), ('memory', 'u1', (1 << 21,))])\n"
        "try: Segment.create('/too-large', dtype, 1)\n"
        "except SegmentError as error: print(error, os.listdir('/dev/shm'))"
    )
    command = 'mount -t tmpfs -o size=1m tmpfs /dev/shm && exec "$0" -c "$1"'
    unshare = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c", command, sys.executable, code]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    result = subprocess.run(unshare, env=environment, capture_output=True, text=True)
    if "unshare failed" in result.stderr or "mount:" in result.stderr:
        pytest.skip(f"no mount namespaces here: {result.stderr.strip()}")
    assert result.stdout == "/dev/shm is full: /too-large needs 2,097,216 bytes []\n"


def test_looking_at_the_owner_never_keeps_a_writer_out(name):
    """A process that waits for its neighbour asks again and again who writes; the neighbour's restart must not trip over it."""
    _made(name).close()
    ended = threading.Event()

    def look():
        while not ended.is_set():
            owner_of(name)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        for _ in range(200):
            _made(name).close()
    finally:
        ended.set()
        watcher.join()
