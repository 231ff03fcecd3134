"""The journal's files, byte for byte. Layout only: no algorithm lives here.

A stream (``commands.k`` or ``events.k`` of a shard) is a folder of segment files, each named by the first sequence that
it holds, ``{data}/journal/commands.0/00000000000000000001.journal``. A segment has its full length and is really filled
with zeros before its first use, so that writing into it changes no metadata and a sync is one flush. All is counted in
64-byte lines.

    SEGMENT HEADER, 4096 bytes              BATCH HEADER, 64 bytes, then ``count`` records of 128 bytes
      0 magic             u8                   0 magic              u4
      8 version           u4                   4 checksum           u4   CRC32C of bytes 8.. and the records
     12 record_bytes      u4                   8 first_sequence     i8
     16 layout_hash       u8                  16 count              u4
     24 stream            u4                  20 previous_checksum  u4   of the batch before: a chain
     28 shard             u4                  24 synced             i8   offset in this file known to be on disk
     32 first_sequence    i8                  32 pad
     40 epoch             u8
     48 segment_bytes     i8
     56 previous_checksum u4   of the last batch in the file before
     60 pad
   4092 checksum          u4   CRC32C of bytes 0..4091

A batch never crosses the end of its file. What follows the last batch is zero. ``synced`` is what tells a torn tail
from damage: a batch that is whole, and says that the place where an earlier one should be was already on disk, proves
that one damaged.
"""

from enum import IntEnum
from pathlib import Path
from typing import Final

import numpy as np

from shm.records import RECORD_BYTES

LINE_BYTES: Final = 64
SEGMENT_MAGIC: Final = int.from_bytes(b"PINIONJL", "little")
BATCH_MAGIC: Final = int.from_bytes(b"PBCH", "little")
VERSION: Final = 1
SUFFIX: Final = ".journal"
PREPARED_NAME: Final = "next.prepared"
"""The zero-filled file that becomes the next segment; it gets its header and its name when it is needed."""

SEGMENT_HEADER: Final = np.dtype(
    [
        ("magic", "<u8"),
        ("version", "<u4"),
        ("record_bytes", "<u4"),
        ("layout_hash", "<u8"),
        ("stream", "<u4"),
        ("shard", "<u4"),
        ("first_sequence", "<i8"),
        ("epoch", "<u8"),
        ("segment_bytes", "<i8"),
        ("previous_checksum", "<u4"),
        ("pad", "u1", (4032,)),
        ("checksum", "<u4"),
    ]
)

BATCH_HEADER: Final = np.dtype(
    [
        ("magic", "<u4"),
        ("checksum", "<u4"),
        ("first_sequence", "<i8"),
        ("count", "<u4"),
        ("previous_checksum", "<u4"),
        ("synced", "<i8"),
        ("pad", "u1", (32,)),
    ]
)

CURSOR: Final = np.dtype(
    [
        ("offset", "<i8"),
        ("sequence", "<i8"),
        ("synced", "<i8"),
        ("checksum", "<u4"),
        ("stop", "<u4"),
    ]
)
"""Where a walk through one segment has got to: the offset and sequence of the next batch, the checksum of the last."""


class Stream(IntEnum):
    """``stream`` of a segment; its name in lower case is the folder's."""

    COMMANDS = 1
    EVENTS = 2


class Stop(IntEnum):
    """Why a walk stopped. From ``BAD_MAGIC`` on the bytes at the cursor are no batch that could follow."""

    NONE = 0
    FULL = 1
    THROUGH = 2
    END_OF_FILE = 3
    ZERO = 4
    BAD_MAGIC = 5
    BAD_COUNT = 6
    BAD_CHECKSUM = 7
    BAD_SEQUENCE = 8
    BAD_CHAIN = 9


STOP_MEANING: Final = {
    Stop.ZERO: "zeros where a batch should be",
    Stop.BAD_MAGIC: "not the start of a batch",
    Stop.BAD_COUNT: "a batch header with an impossible count",
    Stop.BAD_CHECKSUM: "a batch whose checksum does not match its bytes",
    Stop.BAD_SEQUENCE: "a whole batch with another sequence than the one that should follow",
    Stop.BAD_CHAIN: "a whole batch that does not follow the batch before it",
}

SEGMENT_HEADER_BYTES: Final = 4096
BATCH_HEADER_BYTES: Final = 64
BATCH_BOUND: Final = 8192
"""Records a batch at most: what a reader must have room for."""
WORDS_PER_LINE: Final = LINE_BYTES // 8
WORDS_PER_RECORD: Final = RECORD_BYTES // 8
SEGMENT_BYTES_MIN: Final = 64 * 1024

assert SEGMENT_HEADER.itemsize == SEGMENT_HEADER_BYTES
assert BATCH_HEADER.itemsize == BATCH_HEADER_BYTES == LINE_BYTES
assert RECORD_BYTES % LINE_BYTES == 0
assert SEGMENT_HEADER_BYTES % LINE_BYTES == 0
_OFFSETS: Final = (
    (SEGMENT_HEADER, {"layout_hash": 16, "first_sequence": 32, "previous_checksum": 56, "checksum": 4092}),
    (BATCH_HEADER, {"checksum": 4, "first_sequence": 8, "count": 16, "previous_checksum": 20, "synced": 24}),
)
for _dtype, _offsets in _OFFSETS:
    assert _dtype.fields is not None
    for _name, _offset in _offsets.items():
        assert _dtype.fields[_name][1] == _offset


def stream_folder(data: Path | str, stream: Stream, shard: int) -> Path:
    """``{data}/journal/{commands|events}.{shard}``."""
    return Path(data) / "journal" / f"{stream.name.lower()}.{shard}"


def segment_name(first_sequence: int) -> str:
    """The file name of the segment that starts with ``first_sequence``; names sort as sequences do."""
    return f"{first_sequence:020d}{SUFFIX}"
