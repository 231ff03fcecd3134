"""One stream of one shard on its way into files: batches into the current one, the next one prepared ahead."""

import os
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import Any, Final

from persister.segment_file import make_folder, name_segment, next_segment_bytes, prepare, write_all
from shm.journal import Tail
from shm.journal_kernels import seal
from shm.journal_layout import BATCH_HEADER_BYTES, SEGMENT_HEADER_BYTES, Stream, stream_folder
from shm.records import RECORD_BYTES

SYNC_BEHIND_BYTES: Final = 4 << 20
"""A stream without a sync of its own is synced in the background each time so much was written."""


class StreamWriter:
    """Appends sealed batches. ``each_synced``: a batch is on disk when ``append`` returns; else the background syncs
    it.

    ``last_sequence`` is the last one written, ``synced_sequence`` the last one known to be on disk. Methods raise
    OSError when the disk fails; after that the writer is not used again.
    """

    def __init__(
        self, data: Path, stream: Stream, shard: int, epoch: int, tail: Tail, segment_bytes: int, background: Executor
    ) -> None:
        self.stream, self.shard, self.epoch = stream, shard, epoch
        self.each_synced, self.background_synced = False, True
        self.folder = stream_folder(data, stream, shard)
        self.last_sequence = self.synced_sequence = tail.last_sequence
        self._checksum, self._offset = tail.checksum, tail.offset
        self._synced_offset = tail.offset
        self._segment_bound, self._background = segment_bytes, background
        self._prepared: Future[int] | None = None
        self._syncing: tuple[Future[None], int, int] | None = None
        self._descriptor, self._size = -1, 0
        if tail.path is not None:
            self._descriptor = os.open(tail.path, os.O_RDWR | os.O_CLOEXEC)
            self._size = os.fstat(self._descriptor).st_size

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
        checksum = int(seal(headers, words, count, self.last_sequence + 1, self._checksum, self._synced_offset))
        write_all(self._descriptor, buffer[:length], self._offset, self.each_synced)
        self._offset += length
        self._checksum = checksum
        self.last_sequence += count
        if self.each_synced:
            self._synced_offset, self.synced_sequence = self._offset, self.last_sequence
        if self._prepared is None and self._offset > self._size // 2:
            self._prepare()

    def sync_behind(self, at_once: bool = False) -> None:
        """Let the background sync what is written, if that is much (or ``at_once``), and note what it has synced."""
        if self._syncing is not None and self._syncing[0].done():
            done, offset, sequence = self._syncing
            self._syncing = None
            done.result()  # raises what the sync raised: nothing is believed then
            self._synced_offset, self.synced_sequence = offset, sequence
        unsynced = self._offset - self._synced_offset
        if self._syncing is None and (unsynced >= SYNC_BEHIND_BYTES or (at_once and unsynced > 0)):
            future = self._background.submit(os.fdatasync, self._descriptor)
            self._syncing = (future, self._offset, self.last_sequence)

    def sync(self) -> None:
        """Put everything written on disk, now."""
        if self._syncing is not None:
            pending, self._syncing = self._syncing[0], None
            pending.result()
        if self._offset > self._synced_offset:
            os.fdatasync(self._descriptor)
        self._synced_offset, self.synced_sequence = self._offset, self.last_sequence

    def close(self) -> None:
        """Sync and let go of the files."""
        if self._descriptor >= 0:
            self.sync()
            os.close(self._descriptor)
        if self._prepared is not None:
            os.close(self._prepared.result())
        self._descriptor, self._prepared = -1, None

    def _room(self) -> int:
        return (self._size - self._offset - BATCH_HEADER_BYTES) // RECORD_BYTES if self._descriptor >= 0 else 0

    def _prepare(self) -> None:
        size = next_segment_bytes(self._size, self._segment_bound)
        self._prepared = self._background.submit(prepare, self.folder, size, self.background_synced)

    def _roll(self) -> None:
        """Begin the next file. The one before is on disk as a whole, whatever the durability, unless nothing is ever
        synced."""
        if self._descriptor < 0:
            make_folder(self.folder)
        elif self.background_synced:
            self.sync()
        if self._prepared is None:
            self._prepare()
        assert self._prepared is not None
        before, self._descriptor = self._descriptor, self._prepared.result()
        self._prepared = None
        name_segment(
            self._descriptor,
            self.folder,
            self.stream,
            self.shard,
            self.epoch,
            self.last_sequence + 1,
            self._checksum,
            self.background_synced,
        )
        if before >= 0:
            os.close(before)
        self._size = os.fstat(self._descriptor).st_size
        self._offset = self._synced_offset = SEGMENT_HEADER_BYTES
