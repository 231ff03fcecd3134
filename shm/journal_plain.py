"""The twins of ``shm.journal_kernels`` in plain Python, for tests and for a process that must not import Numba.

``checked=False`` leaves the checksums out: for the reader of batches that another process checked or wrote a moment
ago. What a header says (magic, count, sequence, chain) is looked at all the same.
"""

from typing import Any

import numpy as np

from shm.crc_plain import crc32c_plain
from shm.journal_layout import (
    BATCH_BOUND,
    BATCH_HEADER_BYTES,
    BATCH_MAGIC,
    LINE_BYTES,
    WORDS_PER_LINE,
    WORDS_PER_RECORD,
    Stop,
)
from shm.records import RECORD_BYTES


def seal(headers: Any, words: Any, count: int, first_sequence: int, previous_checksum: int, synced: int) -> int:
    """As ``shm.journal_kernels.seal``."""
    words[:WORDS_PER_LINE] = 0
    header = headers[0]
    header["magic"], header["count"] = BATCH_MAGIC, count
    header["first_sequence"], header["previous_checksum"], header["synced"] = first_sequence, previous_checksum, synced
    header["checksum"] = crc32c_plain(words[1 : WORDS_PER_LINE + count * WORDS_PER_RECORD].tobytes())
    return int(header["checksum"])


def examine(headers: Any, words: Any, line: int, checked: bool = True) -> int:
    """As ``shm.journal_kernels.examine``."""
    header = headers[line]
    start = line * WORDS_PER_LINE
    if header["magic"] != BATCH_MAGIC:
        return int(Stop.BAD_MAGIC if words[start : start + WORDS_PER_LINE].any() else Stop.ZERO)
    count = int(header["count"])
    end = start + WORDS_PER_LINE + count * WORDS_PER_RECORD
    if not 1 <= count <= BATCH_BOUND or end > words.shape[0]:
        return int(Stop.BAD_COUNT)
    if checked and crc32c_plain(words[start + 1 : end].tobytes()) != header["checksum"]:
        return int(Stop.BAD_CHECKSUM)
    return int(Stop.NONE)


def _look(headers: Any, words: Any, cursor: Any, checked: bool) -> int:
    line = int(cursor["offset"]) // LINE_BYTES
    if line >= headers.shape[0]:
        return int(Stop.END_OF_FILE)
    wrong = examine(headers, words, line, checked)
    if wrong:
        return wrong
    if headers[line]["first_sequence"] != cursor["sequence"]:
        return int(Stop.BAD_SEQUENCE)
    return int(Stop.NONE if headers[line]["previous_checksum"] == cursor["checksum"] else Stop.BAD_CHAIN)


def walk(headers: Any, words: Any, cursor: Any, through: int, out: Any, checked: bool = True) -> int:
    """As ``shm.journal_kernels.walk``."""
    taken, bound = 0, out.shape[0] // WORDS_PER_RECORD
    while cursor["sequence"] <= through and bound - taken >= BATCH_BOUND:
        wrong = _look(headers, words, cursor, checked)
        if wrong:
            cursor["stop"] = wrong
            return taken
        header = headers[int(cursor["offset"]) // LINE_BYTES]
        count = int(header["count"])
        start, length = int(cursor["offset"]) // 8 + WORDS_PER_LINE, count * WORDS_PER_RECORD
        out[taken * WORDS_PER_RECORD : taken * WORDS_PER_RECORD + length] = words[start : start + length]
        taken += count
        cursor["synced"], cursor["checksum"] = header["synced"], header["checksum"]
        cursor["offset"] += BATCH_HEADER_BYTES + count * RECORD_BYTES
        cursor["sequence"] += count
    cursor["stop"] = Stop.THROUGH if cursor["sequence"] > through else Stop.FULL
    return taken


def walk_unchecked(headers: Any, words: Any, cursor: Any, through: int, out: Any) -> int:
    """``walk`` without checksums."""
    return walk(headers, words, cursor, through, out, checked=False)


def find_proof(headers: Any, words: Any, offset: int) -> int:
    """As ``shm.journal_kernels.find_proof``."""
    first = offset // LINE_BYTES + 1
    for line in np.flatnonzero(headers["magic"][first:] == BATCH_MAGIC) + first:
        if headers[line]["synced"] > offset and examine(headers, words, int(line)) == Stop.NONE:
            return int(line) * LINE_BYTES
    return -1
