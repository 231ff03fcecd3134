"""What size costs: an order in a market of 1,000,000 orders, 100,000 instruments and 1,000,000 accounts, and in a small one.

Goals: the ratio of the two, of the same mix of operations, taken in turns; resident memory an order and an instrument, as the
kernel counts the pages of the matcher's state. Not goals: numbering, other processes.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import numpy as np

from bench.matcher import EVENTS_CAPACITY, ring, run_to
from bench.population import Market, lay
from matcher.state import clear, empty_state
from shm.records import EVENT
from shm.ring_layout import PUBLISHED

SMALL: Final = Market(instruments=1, accounts=1, resting=1_000)
LARGE: Final = Market(instruments=100_000, accounts=1_000_000, resting=1_000_000)
TINY: Final = Market(instruments=100, accounts=200, resting=500)
OPERATIONS: Final = 1_000_000
ROUNDS: Final = 5


def steps(rounds: int) -> int:
    """How often ``measure`` calls ``told``."""
    return 3 + 2 * rounds


def measure(
    large: Market = LARGE, operations: int = OPERATIONS, rounds: int = ROUNDS, told: Callable[[], None] = lambda: None
) -> dict[str, Any]:
    """Nanoseconds an order in ``large`` and in a small market, their ratio, and bytes. ``told`` is called after each step."""
    markets = {"small": Place(SMALL, operations)}
    told()
    markets["large"] = Place(large, operations)
    told()
    memory = markets["large"].memory()
    told()
    runs: dict[str, list[float]] = {name: [] for name in markets}
    for _ in range(rounds):
        for name, place in markets.items():
            runs[name].append(round(place.timed(), 1))
            told()
    each = {name: round(statistics.median(taken[1:] or taken), 1) for name, taken in runs.items()}
    return {
        **{f"ns_per_order_{name}": taken for name, taken in each.items()},
        "ratio": round(each["large"] / each["small"], 2),
        **memory,
        **{f"runs_{name}": taken for name, taken in runs.items()},
        "resting": {name: place.resting for name, place in markets.items()},
        "levels": {name: int(place.state["level_count"]) for name, place in markets.items()},
        "trades": {name: place.trades for name, place in markets.items()},
    }


class Place:
    """A market, laid out, and a matcher that has not seen it yet."""

    def __init__(self, market: Market, operations: int) -> None:
        self.bounds, self.laid = market.bounds(), lay(market, operations)
        self.events, self.state = ring(EVENT, EVENTS_CAPACITY), empty_state(self.bounds)
        self.resting = self.trades = 0

    def memory(self) -> dict[str, Any]:
        """Resident bytes, counted while the market is entered for the first time, into memory that nobody has touched yet."""
        pages = [resident_bytes(self.state)]
        for last in (self.laid.instruments, self.laid.defined, self.laid.standing):
            run_to(self.state, self.laid.commands, self.events, last)
            pages.append(resident_bytes(self.state))
        resting = int(self.state["resting"])
        return {
            "bytes_per_resting_order": round((pages[3] - pages[2]) / resting, 1),
            "bytes_per_empty_instrument": round((pages[1] - pages[0]) / self.laid.instruments, 1),
            "bytes_resident": pages[3],
        }

    def timed(self) -> float:
        """Nanoseconds an order, from the market at rest on; memory is touched before."""
        clear(self.state, self.bounds)
        self.events.record["words"][PUBLISHED] = 0
        laid = self.laid
        run_to(self.state, laid.commands, self.events, laid.standing)
        self.resting, before = int(self.state["resting"]), int(self.state["trades"])
        started = time.perf_counter()
        run_to(self.state, laid.commands, self.events, laid.last)
        taken = time.perf_counter() - started
        self.trades = int(self.state["trades"]) - before
        return taken / (laid.last - laid.standing) * 1e9


def resident_bytes(record: Any) -> int:
    """Bytes of memory behind the mapping that ``record`` lies in, of which the machine holds a page, by /proc/self/smaps."""
    address, total, inside = int(np.asarray(record).ctypes.data), 0, False
    end = address + record.dtype.itemsize
    for line in Path("/proc/self/smaps").read_text(encoding="utf-8").splitlines():
        name, _, rest = line.partition(" ")
        if "-" in name and not name.endswith(":"):
            low, high = (int(part, 16) for part in name.split("-"))
            inside = low < end and high > address
        elif inside and name == "Rss:":
            total += int(rest.split()[0]) * 1024
    return total
