"""What a process says about itself while it runs, and after it has crashed: counters, errors, histograms.

One segment a process. Counters are named once and then written without locks by their only writer; anyone may read. The
error log keeps one entry for each different error, with a count and the first and last time, however often it happens.
"""

import time
from typing import Any, Final, Self

import numpy as np

from shm.histogram import HISTOGRAM, percentile
from shm.segment import HEADER, Segment

COUNTER_BOUND: Final = 128
ERROR_BOUND: Final = 32
HISTOGRAM_BOUND: Final = 4
ERROR_TEXT_BYTES: Final = 480
NAME_BYTES: Final = 40

ERROR: Final = np.dtype(
    [("count", "<i8"), ("first_ns", "<i8"), ("last_ns", "<i8"), ("pad", "<i8"), ("text", f"S{ERROR_TEXT_BYTES}")]
)
assert ERROR.itemsize == 512
NAME: Final = np.dtype([("name", f"S{NAME_BYTES}")])  # Numba knows no nested array of plain strings
COUNTERS: Final = np.dtype(
    [
        ("header", HEADER),
        ("pad", "u1", (64,)),
        ("names", NAME, (COUNTER_BOUND,)),
        ("values", "<i8", (COUNTER_BOUND,)),
        ("errors", ERROR, (ERROR_BOUND,)),
        ("histograms", HISTOGRAM, (HISTOGRAM_BOUND,)),
    ]
)


class Counters:
    """The segment ``counters.<process>``. Kernels take ``record`` and write its ``values`` and ``histograms``."""

    def __init__(self, segment: Segment) -> None:
        self.segment = segment
        self.record: Any = segment.record
        self._values: Any = segment.record["values"]

    @classmethod
    def create(cls, name: str, epoch: int) -> Self:
        """Become the writer. Counts of a life before are kept."""
        counters = cls(Segment.create(name, COUNTERS, epoch))
        counters.segment.publish_ready()
        return counters

    @classmethod
    def attach(cls, name: str, timeout_s: float = 0.0) -> Self:
        """Look at another process's counters, alive or dead. Raises SegmentAbsent, SegmentMismatch."""
        return cls(Segment.attach(name, COUNTERS, None, timeout_s))

    def index(self, name: str) -> int:
        """The place of counter ``name``, given out at its first mention."""
        return _place(self.record["names"]["name"], name)

    def histogram(self, name: str) -> int:
        """The place of histogram ``name``, given out at its first mention."""
        return _place(self.record["histograms"]["name"], name)

    def set(self, index: int, value: int) -> None:
        """Writer: counter ``index`` is now ``value``."""
        self._values[index] = value

    def add(self, index: int, value: int = 1) -> None:
        """Writer: counter ``index`` grows by ``value``."""
        self._values[index] += value

    def note_error(self, text: str) -> int:
        """Writer: ``text`` has happened (again). How often by now; 0 where the log has no room for another error."""
        errors, now = self.record["errors"], time.time_ns()
        encoded = text.encode()[:ERROR_TEXT_BYTES]
        for entry in errors:
            if entry["count"] == 0:
                entry["text"], entry["first_ns"] = encoded, now
            if entry["text"] == encoded.rstrip(b"\0"):
                entry["last_ns"] = now
                entry["count"] += 1
                return int(entry["count"])
        return 0

    def as_dict(self) -> dict[str, int]:
        """All counters by name."""
        names = self.record["names"]["name"].tolist()
        return {name.decode(): int(value) for name, value in zip(names, self._values.tolist(), strict=True) if name}

    def histograms(self) -> dict[str, dict[str, int]]:
        """Every histogram by name: how many values, their percentiles and the highest."""
        return {
            bytes(each["name"]).decode(): {
                "count": int(each["total"]),
                **{f"p{percent:g}": percentile(each, percent) for percent in (50, 90, 99, 99.9, 99.99)},
                "highest": int(each["highest"]),
            }
            for each in self.record["histograms"]
            if each["name"]
        }

    def errors(self) -> list[dict[str, Any]]:
        """The error log: text, count, first_ns, last_ns."""
        return [
            {
                "text": bytes(entry["text"]).decode(errors="replace"),
                "count": int(entry["count"]),
                "first_ns": int(entry["first_ns"]),
                "last_ns": int(entry["last_ns"]),
            }
            for entry in self.record["errors"]
            if entry["count"]
        ]


def _place(names: Any, name: str) -> int:
    encoded = name.encode()
    assert 0 < len(encoded) <= NAME_BYTES, name
    for index, known in enumerate(names.tolist()):
        if known == encoded:
            return index
        if not known:
            names[index] = encoded
            return index
    raise AssertionError(f"no room for {name}: {len(names)} names are the bound")
