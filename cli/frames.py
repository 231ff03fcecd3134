"""Whole arrays of requests as wire messages, packed at once: what a replay and the demo send.

``pinion.codec`` packs one kind at a time; a flow mixes kinds, and a frame cut out of it must keep their order.
"""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from pinion.codec import blank
from pinion.protocol import LAYOUTS, Kind
from shm.records import CommandKind

Records = NDArray[np.void]
KINDS: Final = {
    CommandKind.NEW: Kind.NEW_ORDER,
    CommandKind.CANCEL: Kind.CANCEL,
    CommandKind.REPLACE: Kind.REPLACE,
    CommandKind.MASS_CANCEL: Kind.MASS_CANCEL,
    CommandKind.REDUCE: Kind.REDUCE,
}
FIELDS: Final = ("client_order_id", "request_id", "price", "quantity", "instrument", "side", "type", "time_in_force")
WORD_BYTES: Final = 8


class Packed:
    """A flow as bytes. Message ``i`` lies in ``[offsets[i], offsets[i + 1])``, so any run of messages is one slice."""

    def __init__(self, commands: Records, token: int = 0) -> None:
        """``commands`` (dtype COMMAND) with ``request_id`` set, prices and quantities in wire units."""
        sizes = np.zeros(len(commands), np.int64)
        for command, kind in KINDS.items():
            sizes[commands["kind"] == command] = LAYOUTS[kind].itemsize
        assert sizes.all(), "a command of a kind that clients do not send"
        self.offsets = np.concatenate(([0], np.cumsum(sizes)))
        words = np.zeros(self.offsets[-1] // WORD_BYTES, np.uint64)
        for command, kind in KINDS.items():
            _scatter(words, self.offsets[:-1], commands, commands["kind"] == command, kind, token)
        self._bytes = words.tobytes()

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def frame(self, first: int, last: int) -> bytes:
        """Messages ``first`` to ``last`` (exclusive) as one frame."""
        return self._bytes[self.offsets[first] : self.offsets[last]]


def _scatter(
    words: NDArray[np.uint64], offsets: NDArray[np.int64], commands: Records, mine: NDArray[np.bool_], kind: Kind, token: int
) -> None:
    """Write the messages of one kind to their places among ``words``."""
    messages = blank(kind, int(mine.sum()), token)
    for name in FIELDS:
        if name in (messages.dtype.names or ()):
            messages[name] = commands[name][mine]
    width = messages.dtype.itemsize // WORD_BYTES
    places = offsets[mine, None] // WORD_BYTES + np.arange(width)
    words[places] = messages.view(np.uint64).reshape(-1, width)


def to_wire(commands: Records, instruments: Any) -> Records:
    """A copy of ``commands`` (ticks and lots) in wire units, each by its own instrument's ``tick_size`` and ``lot_size``."""
    ticks = np.array([each.tick_size for each in instruments], np.int64)
    lots = np.array([each.lot_size for each in instruments], np.int64)
    wire = commands.copy()
    wire["price"] *= ticks[commands["instrument"]]
    wire["quantity"] *= lots[commands["instrument"]]
    return wire
