"""Every benchmark runs, tiny: what is not run rots. Figures mean nothing here; their names and the checks inside do."""

import json

import pytest
import sqlalchemy
from click.testing import CliRunner

import exchange
from cli.bench import bench
from cli.matcher_flow import generate
from postgres import Postgres, needs_postgres

KEYS = {
    "ring": {"ring_64B_per_s", "ring_128B_per_s", "there_and_back_ns"},
    "matcher": {"orders", "ns_per_order", "trades", "volume", "best_bid", "best_ask"},
    "risk": {"orders", "refused", "added_ns", "ns_per_order", "runs_added_ns"},
    "pipeline": {"orders", "riskd_per_s", "matcher_per_s", "pipeline_per_s", "ratio"},
}
DATABASE = {"rows_per_s", "copy_rows_per_s", "ratio", "events_per_s", "rows_by_table"}
WIRE = {"round_trip_us", "orders_per_s_at_1_a_frame", "orders_per_s_at_16_a_frame", "orders_per_s_at_64_a_frame"}


def run(*words):
    found = CliRunner().invoke(bench, [*words, "--tiny", "--json"])
    assert found.exit_code == 0, found.output
    return json.loads(found.stdout)


@pytest.mark.slow
def test_the_recovery_benchmark_prints_what_it_is_held_to():
    """Ratio, seconds, pause; beside them every run."""
    found = run("recovery")
    assert found.keys() >= {
        "replay_ratio",
        "ready_s",
        "pause_ms",
        "silence_ms",
        "silence_without_ms",
        "ready_runs_s",
        "runs_s",
        "host",
    }
    assert found["commands"] >= 5_000
    assert found["resting"] >= 1_000


@pytest.mark.parametrize("word", KEYS)
def test_a_benchmark_prints_the_keys_that_it_is_compared_by(word):
    """Beside them, the host that the figures belong to."""
    assert KEYS[word] | {"host"} <= run(word).keys()


@needs_postgres
def test_the_database_benchmark_prints_its_rate_beside_that_of_a_bare_copy():
    """Of the same rows: every table that the journal fills has some, and the copy held them all."""
    found = run("database")
    assert DATABASE | {"host"} <= found.keys()
    assert found["rows"] == sum(found["rows_by_table"].values()) and all(found["rows_by_table"].values())


@needs_postgres
def test_the_database_benchmark_spares_a_database_that_is_in_use():
    server = Postgres()
    try:
        server.start()
        engine = sqlalchemy.create_engine(server.url)
        with engine.begin() as connection:
            connection.exec_driver_sql("CREATE TABLE precious (number int)")
        engine.dispose()
        found = CliRunner().invoke(bench, ["database", "--tiny", "--url", server.url])
        assert found.exit_code == 1 and "the database is not empty" in found.stderr
    finally:
        server.close()


def test_the_large_market_is_told_by_time_and_by_bytes():
    """What it is held to stands beside the runs that it comes from."""
    found = run("matcher", "--scale")
    assert found.keys() >= {"ratio", "bytes_per_resting_order", "bytes_per_empty_instrument", "runs_small", "runs_large"}


def test_the_shapes_of_a_book_are_told_at_several_sizes():
    """So that one sees whether a figure grows with the size."""
    found = run("matcher", "--shapes")
    assert found["sweep"].keys() == found["whole_range"].keys() == {"16", "128"}
    assert {"cancel_in_the_middle", "a_million_ticks_apart"} <= found.keys()


def test_a_benchmark_with_a_flow_of_its_own_takes_no_other(tmp_path):
    """Rather than to leave it out without a word."""
    path = tmp_path / "flow"
    path.touch()
    found = CliRunner().invoke(bench, ["matcher", "--scale", "--flow", str(path)])
    assert found.exit_code == 2 and "leave out --flow" in found.output


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
