"""The head of a matcher's state: what nearly every command touches, and one of each record that is looked up by its type.

``matcher/layout.py`` has the pools behind it.
"""

from typing import Final

import numpy as np

from shm.records import COMMAND, EVENT
from shm.ring_layout import RING_WORDS

EVENT_WORDS: Final = np.dtype(
    [
        *((name, "<i8") for name in ("sequence", "command_sequence", "time_ns", "order_id")),
        ("client_order_id", "<u8"),
        ("resting_order_id", "<i8"),
        ("resting_client_order_id", "<u8"),
        ("accounts", "<i8"),  # account | resting_account << 32
        *((name, "<i8") for name in ("price", "quantity", "leaves", "resting_leaves")),
        ("instrument_index", "<i8"),  # instrument | index << 32
        ("session_what", "<i8"),  # session | kind << 32 | side << 40 | type << 48 | time_in_force << 56
        ("verdict", "<i8"),  # reason | flags << 16 | commander << 32
        ("request_id", "<u8"),
    ]
)
"""An EVENT as whole words: the plain path writes each in one store."""
assert EVENT.fields is not None and EVENT_WORDS.fields is not None
for _word, _first in {
    "accounts": "account",
    "instrument_index": "instrument",
    "session_what": "session",
    "verdict": "reason",
}.items():
    assert EVENT_WORDS.fields[_word][1] == EVENT.fields[_first][1]
for _name in set(EVENT.names or ()) & set(EVENT_WORDS.names or ()):
    assert EVENT.fields[_name] == EVENT_WORDS.fields[_name]

AHEAD: Final = np.dtype(
    [
        ("rank", "<i8"),
        ("goes", "<u4"),  # on the way to that rank, the child reached
        ("stands", "<u4"),  # the level that may go
        ("meets", "<u4"),  # whom it meets: the level, then the slot
        ("sweeps", "<u4"),  # 1: it trades, and the level that may go is the one it meets first
        ("short", "<u4"),  # a short side, instrument << 1 | side, plus one
        ("pad", "u1", (4,)),
    ]
)
"""What the looks at one command ahead have found: see ``matcher/ahead.py``."""
NOTES: Final = 64
HEAD: Final = [
    ("command_sequence", "<i8"),  # last command done
    ("event_sequence", "<i8"),  # last event made
    ("room_through", "<i8"),  # last event that may be written without asking the ring
    ("suppress_through", "<i8"),  # events up to this one were told by an earlier life
    ("opened", "<i8"),  # event_sequence when the command began
    ("trades", "<i8"),
    ("volume", "<i8"),
    ("resting", "<i8"),
    # 64
    ("hook", "<i8"),  # C function int64 f(void), called now and then while waiting; 0: none
    ("aborted", "<i8"),  # the hook said stop: nothing more is written
    ("reader", "<i8"),  # our index among the commands ring's gating readers
    ("level_bound", "<u4"),
    ("level_count", "<u4"),
    ("level_free", "<u4"),
    ("level_fresh", "<u4"),
    ("node_free", "<u4"),
    ("node_fresh", "<u4"),
    ("block_free", "<u4"),
    ("block_fresh", "<u4"),
    ("crowd", "<i8"),  # with more resting orders than this, what commands touch is fetched ahead
    # 128
    ("events_slots", "<i8"),  # addresses in this process, and slots less one: see ``wire`` in matcher/state.py
    ("events_words", "<i8"),
    ("events_mask", "<i8"),
    ("commands_slots", "<i8"),
    ("commands_words", "<i8"),
    ("commands_mask", "<i8"),
    ("order_bound", "<i8"),
    ("position_mask", "<i8"),
    # 192
    ("instrument_bound", "<i4"),
    ("account_bound", "<i4"),
    ("touched_first", "<i4"),  # instruments to settle: number + 1, chained by RULES.touched_next
    ("touched_last", "<i4"),
    ("expiry_count", "<u4"),
    ("position_count", "<u4"),
    ("unused_2", "u1", (40,)),
    # 256
    ("apart", "<i8", (16,)),  # addresses of the kernels that stand apart
    # 384
    ("scratch", EVENT, (1,)),  # where an event goes that nobody is to see, and what one looks like
    ("command_like", COMMAND, (1,)),
    ("words_like", EVENT_WORDS, (1,)),
    ("ring_like", RING_WORDS, (1,)),
    ("ahead", AHEAD, (NOTES,)),  # by command sequence, of the next few: see matcher/ahead.py
]
WIRING: Final = (
    "hook",
    "reader",
    "apart",
    "ahead",
    *(name for name, *_ in HEAD if str(name).startswith(("events_", "commands_"))),
)
"""What of the head is about this process and no other."""
assert np.dtype(HEAD).itemsize == 384 + 128 + 128 + 128 + RING_WORDS.itemsize + NOTES * AHEAD.itemsize
