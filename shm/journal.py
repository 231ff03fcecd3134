"""Read the journal: every good record after a sequence, and where the good ones end.

The format is in ``shm.journal_layout``. The persister alone writes it; everybody else reads, at start to recover, or
behind the writer (the database).
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from shm.crc_plain import crc32c_plain
from shm.journal_layout import (
    BATCH_BOUND,
    BATCH_HEADER,
    CURSOR,
    SEGMENT_HEADER,
    SEGMENT_HEADER_BYTES,
    SEGMENT_MAGIC,
    STOP_MEANING,
    SUFFIX,
    VERSION,
    WORDS_PER_RECORD,
    Stop,
    Stream,
    segment_name,
    stream_folder,
)
from shm.records import COMMAND, EVENT, RECORD_BYTES, layout_hash

__all__ = ["JournalDamaged", "JournalReader", "Stream", "Tail", "make_segment_header", "segments", "stream_folder"]

Array = np.ndarray[Any, np.dtype[Any]]
Walk = Callable[[Any, Any, Any, int, Any], int]

_OUT_RECORDS: Final = 2 * BATCH_BOUND
_FOREVER: Final = (1 << 63) - 1
_STREAM_DTYPE: Final = {Stream.COMMANDS: COMMAND, Stream.EVENTS: EVENT}


class JournalDamaged(Exception):  # noqa: N818 - the state, as the operator reads it
    """The journal is not what was written, and that is not its torn end. Says which file, byte and sequence."""

    def __init__(self, path: Path, offset: int, sequence: int, what: str) -> None:
        super().__init__(f"journal {path} is damaged at byte {offset}, where sequence {sequence} should be: {what}")
        self.path, self.offset, self.sequence, self.what = path, offset, sequence, what


@dataclass(frozen=True)
class Tail:
    """Where the good batches of a stream end. ``path`` is None for a stream without a file."""

    path: Path | None
    offset: int
    """Where the next batch goes."""
    last_sequence: int
    checksum: int
    """Of the last good batch."""
    synced: int
    """How far into the file the last good batch says that all was on disk."""
    torn: bool
    """Whether anything but zeros follows."""


def segments(folder: Path) -> list[tuple[int, Path]]:
    """First sequence and path of each segment, in order; empty for a folder that is not there."""
    return sorted((int(path.stem), path) for path in Path(folder).glob(f"*{SUFFIX}"))


def make_segment_header(
    stream: Stream, shard: int, first_sequence: int, epoch: int, segment_bytes: int, previous_checksum: int
) -> bytes:
    """The first 4096 bytes of a segment."""
    header = np.zeros((), SEGMENT_HEADER)
    header["magic"], header["version"], header["record_bytes"] = SEGMENT_MAGIC, VERSION, RECORD_BYTES
    header["layout_hash"] = layout_hash(_STREAM_DTYPE[stream])
    header["stream"], header["shard"], header["first_sequence"] = stream, shard, first_sequence
    header["epoch"], header["segment_bytes"], header["previous_checksum"] = epoch, segment_bytes, previous_checksum
    header["checksum"] = crc32c_plain(header.tobytes()[:-4])
    return header.tobytes()


def _check_header(path: Path, header: Any, dtype: Any, first_sequence: int, size: int) -> None:
    """Raise ``JournalDamaged`` with the first thing that is wrong in a segment's header."""
    checks = (
        ("magic", int(header["magic"]), SEGMENT_MAGIC),
        ("checksum of the header", int(header["checksum"]), crc32c_plain(header.tobytes()[:-4])),
        ("version", int(header["version"]), VERSION),
        ("layout hash", int(header["layout_hash"]), layout_hash(dtype)),
        ("first sequence", int(header["first_sequence"]), first_sequence),
        ("length of the file", size, int(header["segment_bytes"])),
    )
    for what, found, wanted in checks:
        if found != wanted:
            raise JournalDamaged(path, 0, first_sequence, f"{what} is {found:#x} and should be {wanted:#x}")


class _Segment:
    """One mapped file."""

    def __init__(self, path: Path, first_sequence: int, dtype: Any) -> None:
        size = path.stat().st_size
        if size < SEGMENT_HEADER_BYTES or size % SEGMENT_HEADER_BYTES:
            raise JournalDamaged(path, 0, first_sequence, f"the file has {size} bytes")
        self.path = path
        raw = np.memmap(path, np.uint8, mode="r")
        self.header = np.array(raw[:SEGMENT_HEADER_BYTES].view(SEGMENT_HEADER)[0])
        _check_header(path, self.header, dtype, first_sequence, size)
        plain = np.asarray(raw)
        self.words = plain.view(np.uint64)
        self.lines = plain.view(BATCH_HEADER)


class JournalReader:
    """The records of one stream of one shard after sequence ``after``, in order, in arrays of up to some 16,000.

    Iterating ends at the end of the journal, and may be done again later to go on from there. The journal's end is
    where no whole batch follows; if a later batch proves that one was there, and anywhere else, that is
    ``JournalDamaged``. ``last_sequence`` is the last good one seen, or ``after``. ``walk`` replaces the kernel
    (``shm.journal_plain``).
    """

    def __init__(self, folder: Path | str, dtype: Any, after: int = 0, walk: Walk | None = None) -> None:
        self.folder, self.after, self.epoch = Path(folder), after, 0
        self._dtype = np.dtype(dtype)
        self._walk = walk or _kernel("walk")
        self._segment: _Segment | None = None
        self._cursor: Any = np.zeros(1, CURSOR)[0]

    def __iter__(self) -> Iterator[Array]:
        return self.read()

    @property
    def last_sequence(self) -> int:
        """The last good one read."""
        return max(self.after, int(self._cursor["sequence"]) - 1)

    @property
    def reached(self) -> int:
        """The last sequence that was read over, were it before ``after``; 0 before the first reading."""
        return int(self._cursor["sequence"]) - 1 if self._segment is not None else 0

    def read(self, through: int | None = None) -> Iterator[Array]:
        """Arrays of records; with ``through``, of the batches up to it, all of which must be there."""
        while self._segment is not None or self._open_first():
            assert self._segment is not None
            out = np.empty(_OUT_RECORDS * WORDS_PER_RECORD, np.uint64)
            end = _FOREVER if through is None else through
            first = int(self._cursor["sequence"])
            taken = self._walk(self._segment.lines, self._segment.words, self._cursor, end, out)
            skipped = min(max(self.after + 1 - first, 0), taken)
            if taken > skipped:
                yield self._checked(out[: taken * WORDS_PER_RECORD].view(self._dtype), first)[skipped:]
            stop = Stop(int(self._cursor["stop"]))
            if stop is Stop.THROUGH or (stop is not Stop.FULL and not self._open_next(stop, through)):
                return

    def each_segment(self, consume: Callable[[Any, Any, Any], int]) -> Iterator[int]:
        """What ``consume`` returns, called until the journal's end with a segment's batch headers, its words and the cursor
        (see ``shm.journal_kernels``): it goes over the batches, which it checks, and says in the cursor why it stopped."""
        while self._segment is not None or self._open_first():
            assert self._segment is not None
            yield consume(self._segment.lines, self._segment.words, self._cursor)
            stop = Stop(int(self._cursor["stop"]))
            if stop is not Stop.FULL and not self._open_next(stop, None):
                return

    def tail(self) -> Tail:
        """Where the good batches end; to be asked after reading to the end."""
        if self._segment is None:
            return Tail(None, 0, self.last_sequence, 0, 0, False)
        cursor = self._cursor
        offset = int(cursor["offset"])
        torn = bool(self._segment.words[offset // 8 :].any())
        return Tail(self._segment.path, offset, self.last_sequence, int(cursor["checksum"]), int(cursor["synced"]), torn)

    def _checked(self, records: Array, first: int) -> Array:
        """Batches say which sequences they hold; see that the records do."""
        sequences = records["sequence"]
        if sequences[0] != first or not np.all(np.diff(sequences) == 1):
            wrong = int(np.flatnonzero(sequences != np.arange(first, first + len(records)))[0])
            raise self._damaged(f"in the batches before it, record {first + wrong} says that it is {sequences[wrong]}")
        return records

    def _open_first(self) -> bool:
        """Open the segment that holds ``after + 1``; False if there is none yet."""
        found = segments(self.folder)
        if not found:
            return False
        usable = [entry for entry in found if entry[0] <= self.after + 1]
        if not usable:
            first, path = found[0]
            raise JournalDamaged(path, 0, self.after + 1, f"the journal starts only with sequence {first}")
        first, path = usable[-1]
        self._open(first, path)
        assert self._segment is not None
        self._cursor["checksum"] = self._segment.header["previous_checksum"]
        return True

    def _open(self, first: int, path: Path) -> None:
        self._segment = _Segment(path, first, self._dtype)
        epoch = int(self._segment.header["epoch"])
        if self.epoch not in (0, epoch):
            raise JournalDamaged(path, 0, first, f"it belongs to data folder {epoch:#x}, not {self.epoch:#x}")
        self.epoch = epoch
        self._cursor["offset"], self._cursor["sequence"] = SEGMENT_HEADER_BYTES, first
        self._cursor["synced"] = SEGMENT_HEADER_BYTES

    def _open_next(self, stop: Stop, through: int | None) -> bool:
        """Go on with the next segment; False at the end of the journal. Raises where something is missing."""
        assert self._segment is not None
        sequence, checksum = int(self._cursor["sequence"]), int(self._cursor["checksum"])
        following = self.folder / segment_name(sequence)
        if stop in (Stop.ZERO, Stop.END_OF_FILE) and following != self._segment.path and following.exists():
            self._open(sequence, following)
            if int(self._segment.header["previous_checksum"]) != checksum:
                raise JournalDamaged(following, 0, sequence, "it does not follow the last batch of the file before")
            return True
        if through is not None and sequence <= through:
            raise self._damaged(f"{STOP_MEANING.get(stop, 'the end of the file')}, though all up to {through} was written")
        if through is None:
            self._judge_tail(stop)
        return False

    def _judge_tail(self, stop: Stop) -> None:
        """Raise unless what follows the cursor is what a crash may leave: an unfinished batch that nothing proves."""
        assert self._segment is not None
        later = [path.name for first, path in segments(self.folder) if first > int(self._cursor["sequence"])]
        if later:
            raise self._damaged(f"{STOP_MEANING.get(stop, 'the end of the file')}, and {later[0]} comes later")
        if stop in (Stop.BAD_SEQUENCE, Stop.BAD_CHAIN):
            raise self._damaged(STOP_MEANING[stop])
        proof = _kernel("find_proof")(self._segment.lines, self._segment.words, int(self._cursor["offset"]))
        if proof >= 0:
            raise self._damaged(f"{STOP_MEANING[stop]}, and a whole batch at byte {proof} was written after it was on disk")

    def damaged(self, what: str) -> JournalDamaged:
        """What is wrong at the cursor, as an exception."""
        return self._damaged(what)

    def _damaged(self, what: str) -> JournalDamaged:
        assert self._segment is not None
        return JournalDamaged(self._segment.path, int(self._cursor["offset"]), int(self._cursor["sequence"]), what)


def _kernel(name: str) -> Any:
    """The compiled ``name``. Imported late, so that a process may read the journal without Numba."""
    from shm import journal_kernels

    return getattr(journal_kernels, name)
