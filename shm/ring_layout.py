"""How a ring lies in shared memory. Layout only.

   0 header     64   what every segment begins with (shm/segment.py)
  64 capacity    8   slots, a power of two
  72 pad        56
 128 names     16 x 24 bytes  gating readers by index, padded with 0
 512 words     512 x i8  cursors, each on two cache lines of its own (processors fetch lines in pairs)
                          word 0           last sequence published                      writer writes
                          word 16          the slowest gating cursor, as last looked up  writer's own
                          word 17          gating readers                                set at creation
                          word 32 + 16 r   last sequence that reader r has done with     reader r writes
                          word 33 + 16 r   1 while it holds the writer back, 2 cut loose
                          word 288         of commands: the last SNAPSHOT numbered       writer writes, after publishing it
4608 slots      capacity records; sequence s lies in slot s & (capacity - 1)
"""

from functools import cache
from typing import Any, Final

import numpy as np

from shm.segment import HEADER

READER_BOUND: Final = 16
LINE: Final = 16  # words of 8 bytes from one cursor to the next
PUBLISHED: Final = 0
GATE: Final = LINE
READERS: Final = LINE + 1
FIRST_READER: Final = 2 * LINE
STATE: Final = 1  # added to a reader's cursor word
GATING, LOOSE = 1, 2
WORDS: Final = 512
NAME_BYTES: Final = 24
SNAPSHOT_MARK: Final = FIRST_READER + READER_BOUND * LINE
UNPUBLISHED_BOUND: Final = 128
"""A writer writes at most this many slots ahead of what it has published: that is how a tap knows what it can trust."""

assert SNAPSHOT_MARK + LINE <= WORDS


RING_WORDS: Final = np.dtype([("words", "<i8", (WORDS,))])
"""The cursors alone: enough for kernels that are told the capacity."""


@cache
def ring_dtype(record: np.dtype[Any], capacity: int) -> np.dtype[Any]:
    """The whole ring as one record. ``capacity`` is a power of two, at least 2 * UNPUBLISHED_BOUND. Raises ValueError.

    Rings of one kind share one dtype object: Numba knows it again by identity, and an equal one only by comparing every
    field, which costs 3 µs a call.
    """
    if capacity < 2 * UNPUBLISHED_BOUND or capacity & (capacity - 1):
        raise ValueError(f"capacity {capacity} of a ring is not a power of two of at least {2 * UNPUBLISHED_BOUND}")
    dtype = np.dtype(
        [
            ("header", HEADER),
            ("capacity", "<i8"),
            ("pad", "u1", (56,)),
            ("names", "u1", (READER_BOUND, NAME_BYTES)),
            ("words", "<i8", (WORDS,)),
            ("slots", record, (capacity,)),
        ]
    )
    assert dtype.fields is not None and dtype.fields["words"][1] == 512 and dtype.fields["slots"][1] == 4608
    return dtype
