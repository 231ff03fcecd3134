"""Pinion's figures beside those of the bare programs in ../shared/limits, taken in the same run.

On a machine that is not idle the figures are printed and nothing is asserted: they would tell of the other programs.
"""

import json
import subprocess
import sys
from typing import Any

import pytest
from click.testing import CliRunner

from bench.harness import host, warnings
from cli.bench import bench
from sources import ROOT

LIMITS = ROOT.parent / "shared" / "limits"
ROUNDS = 3
"""Of which the best ratio counts: a neighbour on the host disturbs one side or the other, never both alike."""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(not LIMITS.exists(), reason="needs ../shared/limits"),
]


def _limit(program: str) -> Any:
    done = subprocess.run([sys.executable, str(LIMITS / program)], capture_output=True, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def _ours(word: str) -> Any:
    found = CliRunner().invoke(bench, [word, "--json"])
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


def _report(ratios: dict[str, list[float]]) -> None:
    """Print all ratios, ours to the limit's, and why they may mislead."""
    for name, values in ratios.items():
        print(name, *(f"{value:.2f}" for value in values))
    print(*warnings(host()), sep="\n")


def test_ring_against_a_bare_ring() -> None:
    """At least half the messages a second, and the mark there and back in at most 1.3 times the time."""
    quiet = not warnings(host())
    ratios: dict[str, list[float]] = {}
    for _ in range(ROUNDS if quiet else 1):
        ours, limit = _ours("ring"), _limit("ring_limit.py")
        assert limit.keys() <= ours.keys()
        for key in limit:
            ratios.setdefault(key, []).append(ours[key] / limit[key])
    _report(ratios)
    if quiet:
        assert max(ratios["ring_64B_per_s"]) >= 0.5
        assert max(ratios["ring_128B_per_s"]) >= 0.5
        assert min(ratios["there_and_back_ns"]) <= 1.3


def test_whole_path_against_a_bare_echo() -> None:
    """A round trip through all processes is no slower than one through a bare ROUTER, and orders come at its rate or faster."""
    quiet = not warnings(host())
    trips: dict[str, list[float]] = {}
    rates: dict[str, list[float]] = {}
    for _ in range(ROUNDS if quiet else 1):
        ours, limit = _ours("wire"), _limit("zmq_echo.py")
        for transport, figures in limit.items():
            assert figures.keys() <= ours[transport].keys()
            trips.setdefault(transport, []).append(ours[transport]["round_trip_us"]["p50"] / figures["round_trip_us"]["p50"])
            key = "orders_per_s_at_1_a_frame"
            rates.setdefault(transport, []).append(ours[transport][key] / figures[key])
    _report({f"{name} round trip": values for name, values in trips.items()})
    _report({f"{name} orders a second": values for name, values in rates.items()})
    if quiet:
        assert all(min(values) <= 1.0 for values in trips.values())
        assert all(max(values) >= 1.0 for values in rates.values())
