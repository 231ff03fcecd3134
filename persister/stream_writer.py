"""One stream of one shard on its way into files: batches into the current one, the next one prepared ahead."""

import os
from concurrent.futures import Executor, Future, wait
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import numpy as np

from persister.segment_file import (
    make_folder,
    name_segment,
    next_segment_bytes,
    overwrite_with_zeros,
    prepare,
    unname_segment,
    write_again,
    write_all,
)
from shm.journal import Tail
from shm.journal_kernels import seal, walk
from shm.journal_layout import (
    BATCH_BOUND,
    BATCH_HEADER,
    BATCH_HEADER_BYTES,
    CURSOR,
    SEGMENT_HEADER_BYTES,
    WORDS_PER_RECORD,
    Stream,
    stream_folder,
)
from shm.records import RECORD_BYTES

SYNC_BEHIND_BYTES: Final = 4 << 20
"""A stream without a sync of its own is synced in the background each time so much was written."""
_WALKED_WORDS: Final = 2 * BATCH_BOUND * WORDS_PER_RECORD


class UnsyncedLost(Exception):  # noqa: N818 - it is a state of affairs
    """After a sync that failed the bytes are not in memory either. What was told is safe; a new start finds the rest."""


class Synced(NamedTuple):
    """How far a stream is on disk: the offset in its file, the last sequence, and the last batch's checksum."""

    offset: int
    sequence: int
    checksum: int


class StreamWriter:
    """Appends sealed batches. ``each_synced``: a batch is on disk when ``append`` returns; else the background syncs
    it.

    ``last_sequence`` is the last one written, ``synced_sequence`` the last one known to be on disk. Methods raise
    OSError when the disk fails; after that nothing but ``mend`` and ``close`` is called until ``mend`` has returned.
    """

    def __init__(
        self, data: Path, stream: Stream, shard: int, epoch: int, tail: Tail, segment_bytes: int, background: Executor
    ) -> None:
        self.stream, self.shard, self.epoch = stream, shard, epoch
        self.each_synced, self.background_synced = False, True
        self.folder = stream_folder(data, stream, shard)
        self.last_sequence = tail.last_sequence
        self._checksum, self._offset = tail.checksum, tail.offset
        self._synced = Synced(tail.offset, tail.last_sequence, tail.checksum)
        self._segment_bound, self._background = segment_bytes, background
        self._prepared: Future[int] | None = None
        self._syncing: tuple[Future[None], Synced] | None = None
        self._path, self._descriptor, self._size = tail.path, -1, 0
        self._rolling = False
        self._soiled = tail.offset
        """Up to here a batch that failed may have left bytes."""
        if tail.path is not None:
            self._descriptor = os.open(tail.path, os.O_RDWR | os.O_CLOEXEC)
            self._size = os.fstat(self._descriptor).st_size

    @property
    def synced_sequence(self) -> int:
        """The last record known to be on disk."""
        return self._synced.sequence

    def room(self) -> int:
        """How many records the current file still takes in one batch; a new file is begun where it takes none."""
        if self._room() < 1:
            self._roll()
        return self._room()

    def append(self, headers: Any, words: Any, buffer: memoryview, count: int) -> None:
        """Seal the ``count`` records behind line 0 of ``words`` into a batch and write it. ``room()`` was asked
        before."""
        assert 0 < count <= self._room()
        length = BATCH_HEADER_BYTES + count * RECORD_BYTES
        checksum = int(seal(headers, words, count, self.last_sequence + 1, self._checksum, self._synced.offset))
        self._soiled = self._offset + length
        write_all(self._descriptor, buffer[:length], self._offset, self.each_synced)
        self._offset += length
        self._checksum = checksum
        self.last_sequence += count
        if self.each_synced:
            self._synced = self._written()
        if self._prepared is None and self._offset > self._size // 2:
            self._prepare()

    def sync_behind(self, at_once: bool = False) -> None:
        """Let the background sync what is written, if that is much (or ``at_once``), and note what it has synced."""
        if self._syncing is not None and self._syncing[0].done():
            done, reached = self._syncing
            self._syncing = None
            done.result()  # raises what the sync raised: nothing is believed then
            self._synced = reached
        if self._prepared is not None and self._prepared.done() and self._prepared.exception() is not None:
            self._prepared = None  # tried again with the next batch: nobody needs it yet
        unsynced = self._offset - self._synced.offset
        if self._syncing is None and (unsynced >= SYNC_BEHIND_BYTES or (at_once and unsynced > 0)):
            future = self._background.submit(os.fdatasync, self._descriptor)
            self._syncing = (future, self._written())

    def sync(self) -> None:
        """Put everything written on disk, now."""
        if self._syncing is not None:
            pending, self._syncing = self._syncing[0], None
            pending.result()
        if self._offset > self._synced.offset:
            os.fdatasync(self._descriptor)
        self._synced = self._written()

    def mend(self) -> None:
        """After a failure: write all that was not on disk anew, by another descriptor, and sync it. Raises OSError while the
        disk still fails, and UnsyncedLost where the bytes are not in memory any more.

        A sync that failed is not asked again: the system believes the pages clean since then, and says so.
        """
        self._forget_background()
        if self._path is not None:
            self._write_anew(self._path)
        if self._rolling:
            self._roll()

    def _write_anew(self, path: Path) -> None:
        self._check_unsynced()
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
        try:
            overwrite_with_zeros(descriptor, self._offset, self._soiled)
            if self.background_synced:
                write_again(descriptor, self._synced.offset, self._offset)
        except OSError:
            os.close(descriptor)
            raise
        before, self._descriptor = self._descriptor, descriptor
        self._soiled = self._offset
        if self.background_synced:
            self._synced = self._written()
        if before >= 0:
            with suppress(OSError):
                os.close(before)

    def close(self) -> None:
        """Sync and let go of the files."""
        if self._descriptor >= 0:
            self.sync()
            os.close(self._descriptor)
        if self._prepared is not None and self._prepared.exception() is None:
            os.close(self._prepared.result())
        self._descriptor, self._prepared = -1, None

    def _room(self) -> int:
        return (self._size - self._offset - BATCH_HEADER_BYTES) // RECORD_BYTES if self._descriptor >= 0 else 0

    def _written(self) -> Synced:
        """Where the stream stands: what is synced once a sync that begins now has worked."""
        return Synced(self._offset, self.last_sequence, self._checksum)

    def _prepare(self) -> None:
        size = next_segment_bytes(self._size, self._segment_bound)
        self._prepared = self._background.submit(prepare, self.folder, size, self.background_synced)

    def _forget_background(self) -> None:
        """What the background did is done again: a file that could not be prepared, a sync that nobody may believe."""
        if self._syncing is not None:
            wait([self._syncing[0]])
            self._syncing = None
        if self._prepared is not None:
            wait([self._prepared])
            if self._prepared.exception() is not None:
                self._prepared = None

    def _check_unsynced(self) -> None:
        """See that what was written since the last sync is in memory as it was: from there it is written again."""
        if not self.background_synced or self._offset == self._synced.offset:
            return
        assert self._path is not None
        cursor, synced = np.zeros(1, CURSOR)[0], self._synced
        cursor["offset"], cursor["sequence"], cursor["checksum"] = synced.offset, synced.sequence + 1, synced.checksum
        raw, out = np.asarray(np.memmap(self._path, np.uint8, mode="r")), np.empty(_WALKED_WORDS, np.uint64)
        while walk(raw.view(BATCH_HEADER), raw.view(np.uint64), cursor, self.last_sequence, out) > 0:
            pass
        if cursor["sequence"] != self.last_sequence + 1 or cursor["checksum"] != self._checksum:
            raise UnsyncedLost(f"{self._path} lost what was written after {synced.sequence} and could not be synced")

    def _next_file(self) -> int:
        """The descriptor of the prepared file. Raises OSError."""
        if self._prepared is None:
            found = unname_segment(self.folder, self.last_sequence + 1)
            if found is not None:
                return found
            self._prepare()
        assert self._prepared is not None
        prepared, self._prepared = self._prepared, None
        return prepared.result()

    def _roll(self) -> None:
        """Begin the next file. The one before is on disk as a whole, whatever the durability, unless nothing is ever
        synced. Where this fails ``mend`` does it."""
        self._rolling = True
        if self._descriptor < 0:
            make_folder(self.folder)
        elif self.background_synced:
            self.sync()
        descriptor = self._next_file()
        first, synced = self.last_sequence + 1, self.background_synced
        try:
            path = name_segment(descriptor, self.folder, self.stream, self.shard, self.epoch, first, self._checksum, synced)
        except OSError:
            os.close(descriptor)
            raise
        before, self._descriptor, self._path = self._descriptor, descriptor, path
        if before >= 0:
            os.close(before)
        self._size = os.fstat(self._descriptor).st_size
        self._offset = self._soiled = SEGMENT_HEADER_BYTES
        self._synced, self._rolling = self._written(), False
