"""Every benchmark runs, tiny: what is not run rots. Figures mean nothing here; their names and the checks inside do."""

import json

import pytest
from click.testing import CliRunner

import exchange
from cli.bench import bench
from cli.matcher_flow import generate

KEYS = {
    "ring": {"ring_64B_per_s", "ring_128B_per_s", "there_and_back_ns"},
    "matcher": {"orders", "ns_per_order", "trades", "volume", "best_bid", "best_ask"},
}
WIRE = {"round_trip_us", "orders_per_s_at_1_a_frame", "orders_per_s_at_16_a_frame", "orders_per_s_at_64_a_frame"}


def run(*words):
    found = CliRunner().invoke(bench, [*words, "--tiny", "--json"])
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


@pytest.mark.parametrize("word", KEYS)
def test_a_benchmark_prints_the_keys_that_it_is_compared_by(word):
    """Beside them, the host that the figures belong to."""
    assert KEYS[word] | {"host"} <= run(word).keys()


def test_the_wire_benchmark_prints_them_for_both_transports(place):
    """And draws the plot that it was asked for."""
    exchange.warm()
    found = run("wire", "--plot", str(place.root / "wire.svg"))
    for transport in ("ipc", "tcp"):
        assert found[transport].keys() >= WIRE
        assert found[transport]["round_trip_us"].keys() >= {"p50", "p99", "p99.9"}
    assert (place.root / "wire.svg").stat().st_size > 0


def test_the_matchers_flow_is_the_same_for_the_same_seed():
    """A benchmark is repeated, not re-drawn."""
    assert generate(500, 3).tobytes() == generate(500, 3).tobytes()
