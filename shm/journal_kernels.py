"""The journal's hot half: seal a batch, walk through the batches of a segment. Twins: ``shm.journal_plain``.

A segment is seen three ways at once: as batch headers, one a line (``headers``), as 8-byte words (``words``), and by
the cursor (one ``CURSOR`` record), which counts bytes.
"""

from typing import Final

import numpy as np
from numba import njit

from shm import journal_layout
from shm.crc import crc32c
from shm.journal_layout import BATCH_BOUND, BATCH_HEADER_BYTES, LINE_BYTES, WORDS_PER_LINE, WORDS_PER_RECORD, Stop
from shm.records import RECORD_BYTES

BATCH_MAGIC: Final = np.uint32(journal_layout.BATCH_MAGIC)
FULL: Final = int(Stop.FULL)
THROUGH: Final = int(Stop.THROUGH)
END_OF_FILE: Final = int(Stop.END_OF_FILE)
ZERO: Final = int(Stop.ZERO)
BAD_MAGIC: Final = int(Stop.BAD_MAGIC)
BAD_COUNT: Final = int(Stop.BAD_COUNT)
BAD_CHECKSUM: Final = int(Stop.BAD_CHECKSUM)
BAD_SEQUENCE: Final = int(Stop.BAD_SEQUENCE)
BAD_CHAIN: Final = int(Stop.BAD_CHAIN)


@njit(cache=True)
def _checksum(words, start, end):  # type: ignore[no-untyped-def]
    """Of the batch from word ``start`` to ``end``: what follows the checksum itself, from byte 8 on."""
    return crc32c(words[start + 1 : end].view(np.uint8), 0)


@njit(cache=True)
def seal(headers, words, count, first_sequence, previous_checksum, synced):  # type: ignore[no-untyped-def]
    """Write the batch header in line 0 for the ``count`` records that follow it; returns the batch's checksum."""
    words[0:WORDS_PER_LINE] = 0
    header = headers[0]
    header["magic"] = BATCH_MAGIC
    header["first_sequence"] = first_sequence
    header["count"] = count
    header["previous_checksum"] = previous_checksum
    header["synced"] = synced
    checksum = _checksum(words, 0, WORDS_PER_LINE + count * WORDS_PER_RECORD)
    header["checksum"] = checksum
    return checksum


@njit(cache=True)
def examine(headers, words, line):  # type: ignore[no-untyped-def]
    """0 if a whole batch starts at ``line``, else the ``Stop`` that says what is wrong with it."""
    header = headers[line]
    if header["magic"] != BATCH_MAGIC:
        start = line * WORDS_PER_LINE
        for word in range(start, start + WORDS_PER_LINE):
            if words[word] != 0:
                return BAD_MAGIC
        return ZERO
    count = np.int64(header["count"])
    end = (line + 1) * WORDS_PER_LINE + count * WORDS_PER_RECORD
    if count < 1 or count > BATCH_BOUND or end > words.shape[0]:
        return BAD_COUNT
    if _checksum(words, line * WORDS_PER_LINE, end) != header["checksum"]:
        return BAD_CHECKSUM
    return 0


@njit(cache=True)
def look(headers, words, cursor):  # type: ignore[no-untyped-def]
    """0 if the batch at the cursor is whole and follows the one before it, else the ``Stop``."""
    line = cursor["offset"] // LINE_BYTES
    if line >= headers.shape[0]:
        return END_OF_FILE
    wrong = examine(headers, words, line)
    if wrong != 0:
        return wrong
    if headers[line]["first_sequence"] != cursor["sequence"]:
        return BAD_SEQUENCE
    if headers[line]["previous_checksum"] != cursor["checksum"]:
        return BAD_CHAIN
    return 0


@njit(cache=True)
def walk(headers, words, cursor, through, out):  # type: ignore[no-untyped-def]
    """Copy the records of the batches from the cursor on to ``out`` (words); returns how many records.

    Stops, saying why in ``cursor["stop"]``, when ``out`` has no room for a largest batch, when the next batch starts
    after ``through``, or at bytes that are no batch. ``out`` has room for ``BATCH_BOUND`` records at least.
    """
    taken = np.int64(0)
    bound = out.shape[0] // WORDS_PER_RECORD
    while True:
        if cursor["sequence"] > through:
            cursor["stop"] = THROUGH
            return taken
        if bound - taken < BATCH_BOUND:
            cursor["stop"] = FULL
            return taken
        wrong = look(headers, words, cursor)
        if wrong != 0:
            cursor["stop"] = wrong
            return taken
        header = headers[cursor["offset"] // LINE_BYTES]
        count = np.int64(header["count"])
        start = cursor["offset"] // 8 + WORDS_PER_LINE
        length = count * WORDS_PER_RECORD
        out[taken * WORDS_PER_RECORD : taken * WORDS_PER_RECORD + length] = words[start : start + length]
        taken += count
        move_on(header, cursor)


@njit(cache=True)
def move_on(header, cursor):  # type: ignore[no-untyped-def]
    """From the batch at the cursor, whose ``header`` it is, to the next."""
    count = np.int64(header["count"])
    cursor["synced"] = header["synced"]
    cursor["checksum"] = header["checksum"]
    cursor["offset"] += BATCH_HEADER_BYTES + count * RECORD_BYTES
    cursor["sequence"] += count


@njit(cache=True)
def find_proof(headers, words, offset):  # type: ignore[no-untyped-def]
    """The offset of a whole batch after ``offset`` which says that ``offset`` was already on disk; -1 without one."""
    for line in range(offset // LINE_BYTES + 1, headers.shape[0]):
        header = headers[line]
        if header["magic"] == BATCH_MAGIC and header["synced"] > offset and examine(headers, words, line) == 0:
            return line * LINE_BYTES
    return -1
