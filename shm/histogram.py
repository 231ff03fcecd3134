"""Latency histograms in shared memory: log-linear, by the scheme of HdrHistogram (Gil Tene).

A value lies in a bucket by its highest bit and in one of 128 equal parts of that bucket, so the error is below 1 in 128
over the whole range, recording is a count of leading zeros and one addition, and nothing is ever allocated.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from shm.atomics import leading_zeros

PART_BITS: Final = 7
PARTS: Final = 1 << PART_BITS
VALUE_BITS: Final = 42  # up to 73 minutes in nanoseconds; longer counts as that
COUNTS: Final = (VALUE_BITS - PART_BITS + 1) * PARTS
HISTOGRAM: Final = np.dtype(
    [("name", "S40"), ("total", "<i8"), ("sum", "<i8"), ("highest", "<i8"), ("counts", "<i8", (COUNTS,))]
)


@njit(inline="always")
def place_of(value: int) -> int:
    """The index of the count that ``value`` belongs to."""
    bucket = 64 - leading_zeros(np.uint64(value | 1)) - PART_BITS - 1
    if bucket <= 0:
        return value
    return (bucket << PART_BITS) + (value >> bucket)


@njit(cache=True)
def record_value(histogram: Any, value: int) -> None:
    """Count one value (a time in ns, 0 or more; a negative one counts as 0)."""
    value = min(max(value, 0), (1 << VALUE_BITS) - 1)
    histogram["counts"][place_of(value)] += 1
    histogram["total"] += 1
    histogram["sum"] += value
    histogram["highest"] = max(histogram["highest"], value)


@njit(cache=True)
def record_values(histogram: Any, values: Any) -> None:
    """Count every value of an int64 array."""
    for k in range(values.size):
        record_value(histogram, values[k])


def highest_of_place(place: int) -> int:
    """The largest value that is counted at ``place``."""
    bucket = max(0, (place >> PART_BITS) - 1)
    part = place - (bucket << PART_BITS)
    return ((part + 1) << bucket) - 1


def percentile(histogram: Any, percent: float) -> int:
    """The value that ``percent`` of all counted values do not exceed, to 1 in 128; 0 for an empty histogram."""
    total = int(histogram["counts"].sum())
    if not total:
        return 0
    wanted = max(1, int(np.ceil(round(total * percent / 100, 6))))
    place = int(np.searchsorted(np.cumsum(histogram["counts"]), wanted))
    return min(highest_of_place(place), int(histogram["highest"]))


def empty_histogram(name: str = "") -> Any:
    """A histogram in this process's own memory."""
    histogram = np.zeros(1, HISTOGRAM)[0]
    histogram["name"] = name.encode()
    return histogram
