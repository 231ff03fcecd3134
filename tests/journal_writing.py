"""Write journal files slowly and plainly, for the tests of what reads them."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from persister.recovery import recover_stream
from persister.stream_writer import StreamWriter
from persister.writer import BatchBuffer
from shm import journal_plain
from shm.journal import make_segment_header
from shm.journal_layout import (
    BATCH_BOUND,
    BATCH_HEADER,
    LINE_BYTES,
    WORDS_PER_LINE,
    WORDS_PER_RECORD,
    Stream,
    segment_name,
    stream_folder,
)
from shm.records import COMMAND, EVENT

EPOCH = 0xE70C
SEGMENT_BYTES = 64 * 1024


def records(dtype: Any, first: int, count: int, seed: int = 1) -> np.ndarray:
    """``count`` records of random bytes, numbered from ``first``."""
    made = np.frombuffer(np.random.default_rng([seed, first]).bytes(count * 128), np.dtype(dtype)).copy()
    made["sequence"] = np.arange(first, first + count)
    return made


def batch_bytes(batch: np.ndarray, previous_checksum: int, synced: int) -> tuple[bytes, int]:
    """A sealed batch and its checksum."""
    words = np.concatenate([np.zeros(8, np.uint64), batch.view(np.uint64)])
    lines = words.view(np.uint8)[:LINE_BYTES].view(BATCH_HEADER)
    checksum = journal_plain.seal(lines, words, len(batch), int(batch["sequence"][0]), previous_checksum, synced)
    return words.tobytes(), checksum


class PlainJournal:
    """Writes one stream, a file at a time; remembers where each batch starts."""

    def __init__(self, data: Path, stream: Stream = Stream.COMMANDS, shard: int = 0, every_batch_synced: bool = True) -> None:
        self.stream, self.shard, self.synced = stream, shard, every_batch_synced
        self.dtype = COMMAND if stream is Stream.COMMANDS else EVENT
        self.folder = stream_folder(data, stream, shard)
        self.folder.mkdir(parents=True)
        self.sequence, self.checksum = 1, 0
        self.starts: list[tuple[Path, int]] = []
        self.written: list[np.ndarray] = []

    def open_segment(self) -> None:
        self.path = self.folder / segment_name(self.sequence)
        header = make_segment_header(self.stream, self.shard, self.sequence, EPOCH, SEGMENT_BYTES, self.checksum)
        self.path.write_bytes(header.ljust(SEGMENT_BYTES, b"\0"))
        self.offset = 4096

    def write(self, count: int, batch: np.ndarray | None = None) -> None:
        if not self.starts or self.offset + 64 + 128 * count > SEGMENT_BYTES:
            self.open_segment()
        batch = records(self.dtype, self.sequence, count) if batch is None else batch
        sealed, self.checksum = batch_bytes(batch, self.checksum, self.offset if self.synced else 4096)
        with self.path.open("r+b") as file:
            file.seek(self.offset)
            file.write(sealed)
        self.starts.append((self.path, self.offset))
        self.written.append(batch)
        self.sequence += count
        self.offset += len(sealed)

    def all(self) -> np.ndarray:
        return np.concatenate(self.written) if self.written else np.zeros(0, self.dtype)


def write_records(
    data: Path, stream: Stream, shard: int, made: np.ndarray, batch: int, epoch: int = EPOCH, synced: bool = False
) -> None:
    """Append ``made`` to a stream as the persister does, ``batch`` records at a time, ``synced`` each or at the end."""
    dtype = COMMAND if stream is Stream.COMMANDS else EVENT
    tail, _ = recover_stream(stream_folder(data, stream, shard), dtype, epoch)
    buffer = BatchBuffer(BATCH_BOUND)
    with ThreadPoolExecutor(1) as background:
        writer = StreamWriter(data, stream, shard, epoch, tail, 1 << 20, background)
        writer.each_synced, done = synced, 0
        while done < len(made):
            count = min(batch, writer.room(), len(made) - done)
            piece = np.ascontiguousarray(made[done : done + count])
            buffer.words[WORDS_PER_LINE : WORDS_PER_LINE + count * WORDS_PER_RECORD] = piece.view(np.uint64)
            writer.append(buffer.headers, buffer.words, buffer.bytes, count)
            done += count
        writer.close()


def patch(path: Path, offset: int, replacement: bytes) -> None:
    """Overwrite bytes of a file."""
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(replacement)
