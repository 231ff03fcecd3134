"""riskd and matcher as two processes, each on a core of its own, against each of the two alone.

Goal: whether the two get in each other's way: orders a second through both, over those of the slower by itself. The orders lie
in their ring beforehand, all that is written and read lies in rings in shared memory, and riskd reads the events back. Not
goals: the gateway, the persister, parking.
"""

import mmap
import os
import statistics
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import numpy as np

from bench.risk import LEVELS, POOL, Circuit
from matcher.kernel import run, run_patiently
from matcher.layout import Bounds
from matcher.state import clear, empty_states, wire
from shm.patience import ROUNDS as LOOKS
from shm.patience import impatient
from shm.records import COMMAND, EVENT
from shm.ring import Ring
from shm.ring_layout import PUBLISHED
from shm.segment import unlink

ACCOUNTS: Final = 1_000
ROUNDS: Final = 5
SLICE: Final = 4096
READY, DONE = 0, 1
"""Words that the two processes share: the matcher's process can begin, and the number of its last event."""
DEFINED_EVENTS: Final = 1 << 16


def measure(flow: Any, rounds: int = ROUNDS, told: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Medians of ``rounds``, orders a second: ``riskd_per_s``, ``matcher_per_s``, ``pipeline_per_s``; and ``ratio`` of the last
    to the slower of the first two. ``told`` is called after every round."""
    names: list[str] = []

    def shared(record: np.dtype[Any], capacity: int, gating: Sequence[str], base: int) -> Ring:
        names.append(f"/pinion-bench-{os.getpid()}-{len(names)}")
        return Ring.create(names[-1], record, capacity, epoch=1, gating=gating, base=base)

    runs: dict[str, list[int]] = {"riskd": [], "matcher": [], "pipeline": []}
    try:
        pipeline = Pipeline(Circuit(flow, ACCOUNTS, shared))
        pipeline.matcher_alone()
        pipeline.together()
        for _ in range(rounds):
            for name, seconds in (
                ("riskd", pipeline.riskd_alone()),
                ("matcher", pipeline.matcher_alone()),
                ("pipeline", pipeline.together()),
            ):
                runs[name].append(round(len(flow) / seconds))
            told()
    finally:
        for name in names:
            unlink(name)
    rates = {f"{name}_per_s": round(statistics.median(each)) for name, each in runs.items()}
    slower = min(rates["riskd_per_s"], rates["matcher_per_s"])
    ratio = round(rates["pipeline_per_s"] / slower, 2)
    return {"orders": len(flow), **rates, "ratio": ratio, **{f"runs_{name}_per_s": each for name, each in runs.items()}}


class Pipeline:
    """A circuit and a matcher: each alone, and together. riskd is on the lowest core allowed, the matcher on the highest."""

    def __init__(self, circuit: Circuit) -> None:
        self._circuit, self._cores = circuit, os.sched_getaffinity(0)
        self._bounds = Bounds(1, ACCOUNTS, POOL, LEVELS)
        self._states = empty_states(self._bounds)
        self._defining = Ring.private(COMMAND, 1 << len(circuit.definitions.commands).bit_length())
        self._defined = Ring.private(EVENT, DEFINED_EVENTS)
        self._defining.record["slots"][1 : len(circuit.definitions.commands) + 1] = circuit.definitions.commands
        self._patience = impatient()
        self._patience["rounds"] = LOOKS
        circuit.riskd.patience = self._patience

    def riskd_alone(self) -> float:
        """Seconds for all orders, the events coming from where they were put beforehand."""
        return self._on({min(self._cores)}, self._circuit.seconds)

    def matcher_alone(self) -> float:
        """Seconds for all orders, the commands lying there beforehand; nobody reads the events."""
        return self._on({max(self._cores)}, self._time_matcher)

    def together(self) -> float:
        """Seconds until riskd has read the last event of the last order."""
        self._circuit.rewind()
        words = np.frombuffer(mmap.mmap(-1, mmap.PAGESIZE), np.int64)
        pid = os.fork()
        if pid == 0:
            self._be_the_matcher(words)
        seconds = self._on({min(self._cores)}, lambda: self._time_riskd(words, pid))
        assert words[DONE] == self._circuit.marks[-1], "the two have made other events than in the first run"
        self._circuit.check()
        self._circuit.restore()  # which slot an order has follows from when its forerunner's end was read
        return seconds

    def _on(self, cores: set[int], measured: Callable[[], float]) -> float:
        os.sched_setaffinity(0, cores)
        try:
            return measured()
        finally:
            os.sched_setaffinity(0, self._cores)

    def _time_matcher(self) -> float:
        self._circuit.rewind()
        self._begin_matcher()
        self._circuit.rings.commands[0].record["words"][PUBLISHED] = self._circuit.last_command
        started = time.perf_counter()
        self._match()
        return time.perf_counter() - started

    def _begin_matcher(self) -> None:
        """A matcher that knows instrument and accounts and no order, every page of whose memory was just touched."""
        state, rings = self._states[0], self._circuit.rings
        clear(state, self._bounds)
        wire(state, self._defining, self._defined)
        state["reader"] = state["hook"] = 0
        self._defining.record["words"][PUBLISHED] = len(self._circuit.definitions.commands)
        while run(state, SLICE):
            pass
        state["room_through"] = 0
        wire(state, rings.commands[0], rings.events[0])

    def _match(self) -> None:
        state, last = self._states[0], self._circuit.last_command
        while state["command_sequence"] < last:
            run_patiently(self._states, self._patience, SLICE)

    def _be_the_matcher(self, words: Any) -> None:
        """The other process: it ends with 0 when every command is done."""
        try:
            os.sched_setaffinity(0, {max(self._cores)})
            self._begin_matcher()
            for ring in (self._circuit.rings.commands[0], self._circuit.rings.events[0]):
                ring.record["slots"].view(np.uint8)[:: mmap.PAGESIZE].sum()
            words[READY] = 1
            self._match()
            words[DONE] = self._states[0]["event_sequence"]
            os._exit(0)
        finally:
            os._exit(1)

    def _time_riskd(self, words: Any, pid: int) -> float:
        circuit, riskd = self._circuit, self._circuit.riskd
        np.copyto(circuit.risks, circuit.saved)
        alive, shard = True, circuit.risks[0]["shards"][0]
        while alive and not words[READY]:
            alive = _is_alive(pid)
        started = time.perf_counter()
        while not words[DONE] or shard["events_read"] < words[DONE]:
            if riskd.do_work() == 0 and alive:
                alive = _is_alive(pid)
            assert alive or words[DONE], "the matcher's process has failed"
        taken = time.perf_counter() - started
        while alive:
            alive = _is_alive(pid)
        return taken


def _is_alive(pid: int) -> bool:
    return os.waitpid(pid, os.WNOHANG)[0] == 0
