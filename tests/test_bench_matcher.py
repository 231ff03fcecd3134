"""The matcher benchmark runs, tiny, so that it does not rot, and its result is the limit program's."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bench.matcher import CANCEL, FLOW, IOC, MOVE, NEW, measure, measure_flow, prepare, read_flow
from matcher.commands import definitions, new
from matcher.engine import Engine
from matcher.layout import Bounds
from shm.records import Side

LIMIT = Path(__file__).resolve().parent.parent.parent / "shared" / "limits" / "book_limit.py"
SMALL = Bounds(instruments=1, accounts=1, orders=1 << 12, levels=1 << 12)


def small_flow():
    """A sell of 5 at 100 and one of 4 at 101; the first is moved behind the second; an IOC takes 6; the rest is cancelled."""
    rows = [(NEW, 1, 1, 100, 5), (NEW, 1, 2, 101, 4), (MOVE, 1, 1, 101, 5), (IOC, 0, 3, 101, 6), (NEW, 0, 4, 90, 1)]
    return np.array([*rows, (CANCEL, 1, 1, 0, 0)], FLOW)


def test_a_flow_is_run_and_counted():
    result = measure_flow(small_flow(), runs=2, bounds=SMALL)
    assert (result.orders, result.trades, result.volume, result.best_bid, result.best_ask) == (6, 2, 6, 90, -1)
    assert (result.resting, result.events) == (1, 8)
    assert len(result.runs_ns_per_order) == 2


def test_a_file_that_is_no_flow_is_refused(tmp_path):
    path = tmp_path / "flow"
    path.write_bytes(b"x" * 33)
    with pytest.raises(ValueError, match="33 bytes are no multiple of 32"):
        read_flow(path)


@pytest.mark.slow
@pytest.mark.parametrize("mix", ["moves", "lifecycle", "deep"])
def test_trades_and_best_prices_are_the_limit_programs(mix, tmp_path):
    if not LIMIT.exists():
        pytest.skip(f"{LIMIT} is not there")
    path = tmp_path / "flow"
    command = [sys.executable, str(LIMIT), "--mix", mix, "--orders", "60000", "--dump", str(path)]
    limit = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
    result = measure(path, runs=1)._asdict()
    names = ["orders", "trades", "volume", "best_bid", "best_ask", "resting"]
    assert {name: result[name] for name in names} == {name: limit[name] for name in names}
    assert result["events"] == limit["reports"]


def test_preparing_a_flow_numbers_it():
    prepared = prepare(small_flow(), SMALL)
    assert prepared.commands.record["slots"]["sequence"][:9].tolist() == list(range(9))


def test_speed_of_new_and_cancel_through_an_engine(benchmark):
    """1,000 orders that rest and go, numbered, matched and drained."""
    engine = Engine(orders=4096)
    engine.run(definitions(1, 1))
    orders = np.concatenate([new(0, k, Side.BUY, 100 + k % 50, 1) for k in range(500)])
    cancels = orders.copy()
    cancels["kind"] = 2
    stream = np.concatenate([orders, cancels])
    assert len(benchmark(engine.run, stream)) == 1000
