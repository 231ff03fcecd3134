"""The benchmarks of size and shape do what they say, and what they count does not grow with the size.

Work is counted, not timed: the lines of the matcher that run, uncompiled, for each thing touched.
"""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.matcher import EVENTS_CAPACITY, lay, ring, run_to
from bench.population import SLOT_MASK, Market
from bench.population import lay as lay_market
from bench.shapes import SHAPES
from matcher.audit import check
from matcher.commands import definitions
from matcher.engine import Engine
from matcher.layout import RANKS, Bounds
from matcher.state import empty_state
from shm.records import EVENT, CommandKind, EventKind

BOUNDS = Bounds(instruments=1, accounts=1, orders=4096, levels=4096)
SIZES = (64, 512, 2048)
PROGRAM = """
import json, sys, time
import numpy as np
from bench.matcher import lay, ring, run_to
from bench.shapes import SHAPES
from matcher.commands import definitions
from matcher.layout import Bounds
from matcher.state import empty_state
from shm.records import EVENT

def lines_of(made, bounds):
    prepared = lay(np.concatenate([definitions(1, 1), made.before]), made.commands, bounds)
    state, events, count = empty_state(bounds), ring(EVENT, 4096), 0
    run_to(state, prepared.commands, events, prepared.before)
    def trace(frame, what, _):
        nonlocal count
        count += what == "line"
        return trace if "matcher" in frame.f_code.co_filename else None
    sys.settrace(trace)
    run_to(state, prepared.commands, events, prepared.before + prepared.orders)
    sys.settrace(None)
    return count / made.touched

bounds = Bounds(1, 1, 4096, 4096)
shape = SHAPES[sys.argv[1]]
print(json.dumps([lines_of(shape(int(size)), bounds) for size in sys.argv[2:]]))
"""


@pytest.mark.slow
@pytest.mark.parametrize("name", SHAPES)
def test_work_for_each_thing_touched_does_not_grow_with_the_size(name):
    """Thirty times the size, the same work; a tenth more is left for the deeper tries."""
    path = os.pathsep.join([str(Path(__file__).parent), os.getcwd()])
    environment = {**os.environ, "NUMBA_DISABLE_JIT": "1", "PYTHONPATH": path}
    words = [sys.executable, "-c", PROGRAM, name, *map(str, SIZES)]
    found = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stderr
    small, *larger = json.loads(found.stdout)
    assert max(larger) <= 1.1 * small, (small, larger)


@pytest.mark.parametrize("name", SHAPES)
def test_a_shape_touches_what_it_says(name):
    """Its timed commands give as many trades, cancels and moves as it counts, and leave a book that holds together."""
    made = SHAPES[name](256)
    engine = Engine(*BOUNDS)
    engine.run(np.concatenate([definitions(1, 1), made.before]))
    events = engine.run(made.commands)
    engine.validate()
    count = {kind: int((events["kind"] == kind).sum()) for kind in EventKind}
    assert count[EventKind.REJECTED] == 0
    entered = count[EventKind.ACCEPTED] - 1 if name == "a_million_ticks_apart" else 0
    assert count[EventKind.TRADE] + count[EventKind.CANCELLED] + count[EventKind.REPLACED] + entered == made.touched


def test_the_price_runs_over_all_ticks():
    """From the first to the last, and back to the first."""
    moved = SHAPES["whole_range"](256).commands["price"]
    assert (moved.min(), moved.max(), moved[-1], moved[-2]) == (1, RANKS - 1, 2, 1)


def test_no_trie_is_deeper_than_its_prices_have_digits():
    """48 bits are eight digits of a 64-way trie, however far the prices lie from one another."""
    state, events = empty_state(BOUNDS), ring(EVENT, EVENTS_CAPACITY)
    made = SHAPES["a_million_ticks_apart"](2048)
    prepared = lay(definitions(1, 1), made.commands, BOUNDS)
    run_to(state, prepared.commands, events, prepared.before + 2048)
    deepest = 0
    for level in range(1, 2049):
        node, depth = int(state["levels"][level]["node"]), 0
        while node:
            node, depth = int(state["nodes"][node]["parent"]), depth + 1
        deepest = max(deepest, depth)
    assert 2 <= deepest <= 8


def test_a_market_keeps_its_size_while_it_is_timed():
    """Few have most of the orders, cancels name orders that are at rest, and what is left holds together."""
    market = Market(instruments=50, accounts=80, resting=400)
    laid = lay_market(market, 3_000)
    state, events = empty_state(market.bounds()), ring(EVENT, EVENTS_CAPACITY)
    run_to(state, laid.commands, events, laid.standing)
    assert state["resting"] == 400
    run_to(state, laid.commands, events, laid.last)
    check(state)
    assert 330 <= state["resting"] <= 470
    timed = laid.commands.record["slots"][laid.standing + 1 : laid.last + 1]
    assert len(timed) == 3_000 and not timed["verdict"].any()
    assert (timed["order_id"] & SLOT_MASK).max() < market.bounds().orders
    new = timed[timed["kind"] == CommandKind.NEW]
    busiest = np.sort(np.bincount(new["instrument"], minlength=50))[::-1]
    assert busiest[:10].sum() > 0.4 * len(new) and 0.45 < len(new) / len(timed) < 0.6


def test_a_market_is_the_same_for_the_same_seed():
    """A benchmark is repeated, not re-drawn."""
    market = Market(instruments=5, accounts=5, resting=50)
    assert lay_market(market, 200, 3).commands.record.tobytes() == lay_market(market, 200, 3).commands.record.tobytes()
