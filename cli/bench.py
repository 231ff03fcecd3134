"""``pinion bench``: the benchmarks of ``bench/``, run, described, and printed for people or machines."""

import importlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from cli.output import json_option, print_json

Command = TypeVar("Command", bound=Callable[..., Any])
PLOT = click.Path(dir_okay=False, path_type=Path)


def tiny_option(command: Command) -> Command:
    """``--tiny``, given to the command as ``tiny``."""
    return click.option("--tiny", is_flag=True, help="A few messages: shows that it runs, measures nothing.")(command)


@click.group()
def bench() -> None:
    """Measure the rings, the matcher, riskd, the whole path and the database.

    Figures mean something only beside others of the same run on the same idle machine.

    \b
    Example:
      pinion bench ring --json
    """


@bench.command()
@json_option
@tiny_option
def ring(as_json: bool, tiny: bool) -> None:
    """Messages through a shared-memory ring, and one there and back.

    \b
    Example:
      pinion bench ring --json
    """
    size = {"messages": 20_000, "trips": 500, "rounds": 1} if tiny else {}
    found = importlib.import_module("bench.ring").run(**size)
    _show("ring", found, {"ring": found}, as_json)


@bench.command()
@click.option("--flow", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A flow dumped by another program.")
@click.option("--orders", type=click.IntRange(1), default=1_000_000, show_default=True, help="Without --flow: how many.")
@click.option("--seed", type=int, default=1, show_default=True)
@click.option("--scale", "what", flag_value="scale", help="A million orders and accounts, 100,000 instruments: time, memory.")
@click.option("--shapes", "what", flag_value="shapes", help="Sweeps, long queues, far prices: time for each thing touched.")
@json_option
@tiny_option
def matcher(flow: Path | None, orders: int, seed: int, what: str | None, as_json: bool, tiny: bool) -> None:
    """Orders through the matcher alone: nanoseconds an order.

    \b
    Example:
      pinion bench matcher --json
      pinion bench matcher --flow moves.bin
      pinion bench matcher --scale
      pinion bench matcher --shapes
    """
    from cli import bench_matcher, matcher_flow

    if what is not None:
        if flow is not None:
            raise click.UsageError(f"--{what} makes its own flow: leave out --flow")
        figures, rows = {"scale": bench_matcher.scale, "shapes": bench_matcher.shapes}[what](tiny)
        _show(f"matcher: {what}", figures, rows, as_json)
        return
    measured = importlib.import_module("bench.matcher")
    records = measured.read_flow(flow) if flow else matcher_flow.generate(2_000 if tiny else orders, seed)
    found = measured.measure_flow(records, runs=2 if tiny else 6)._asdict()
    _show("matcher", found, {"matcher": found}, as_json)


def flow_options(command: Command) -> Command:
    """``--flow``, ``--orders`` and ``--seed`` of the benchmarks that run the limit program's ``moves``."""
    file = click.Path(exists=True, dir_okay=False, path_type=Path)
    command = click.option("--seed", type=int, default=1, show_default=True)(command)
    command = click.option(
        "--orders", type=click.IntRange(1, 1_000_000), default=1_000_000, show_default=True, help="At most."
    )(command)
    return click.option("--flow", type=file, help="A flow dumped by another program; default: one of repricing orders.")(
        command
    )


@bench.command()
@flow_options
@json_option
@tiny_option
def risk(flow: Path | None, orders: int, seed: int, as_json: bool, tiny: bool) -> None:
    """What riskd adds to an order, with a thousand accounts and with a million: nanoseconds.

    Its whole kernel between real rings, orders in, commands out, and the events that the matcher made of them; beside it
    `ns_per_order` of the matcher alone, for the same orders.

    \b
    Example:
      pinion bench risk --json
      pinion bench risk --flow moves.bin
    """
    from cli import bench_risk

    found, rows = bench_risk.risk(flow, orders, seed, tiny)
    _show("risk: nanoseconds an order", found, rows, as_json)


@bench.command()
@flow_options
@json_option
@tiny_option
def pipeline(flow: Path | None, orders: int, seed: int, as_json: bool, tiny: bool) -> None:
    """riskd and matcher as two pinned processes, and each alone: orders a second.

    `ratio` is what goes through both over what the slower of the two does alone.

    \b
    Example:
      pinion bench pipeline --json
    """
    from cli import bench_risk

    found, rows = bench_risk.pipeline(flow, orders, seed, tiny)
    _show("pipeline: orders a second", found, rows, as_json)


@bench.command()
@click.option("--plot", type=PLOT, help="Draw latencies into this PNG or SVG.")
@json_option
@tiny_option
def wire(plot: Path | None, as_json: bool, tiny: bool) -> None:
    """Orders through all processes, from a client's socket and back, on ipc and tcp; durability memory.

    \b
    Example:
      pinion bench wire --json
      pinion bench wire --plot wire.svg
    """
    from cli.bench_wire import measure

    found, latencies = measure(tiny)
    if plot is not None:
        importlib.import_module("bench.harness").plot_latencies(plot, latencies, "An order and its answer")
    rows = {name: {**each["round_trip_us"], **_rates(each)} for name, each in found.items()}
    rows |= {f"{name}, {each['steady']['orders_per_s']:,}/s": each["steady"]["latency_us"] for name, each in found.items()}
    _show(
        "wire: round trip µs, orders a second; latency µs from the planned send time at a tenth of that rate",
        found,
        rows,
        as_json,
    )


@bench.command()
@click.option("--commands", type=click.IntRange(1), default=10_000_000, show_default=True, help="Behind the snapshot.")
@click.option(
    "--resting", type=click.IntRange(1), default=1_000_000, show_default=True, help="Orders, while snapshots are taken."
)
@json_option
@tiny_option
def recovery(commands: int, resting: int, as_json: bool, tiny: bool) -> None:
    """A start with many commands behind a snapshot, their replay, and how long snapshots hold up trading.

    `replay_ratio` is the engine's time for the commands over the time that their replay from the journal takes, `ready_s` the
    time until all processes are ready that had nothing in memory. `pause_ms` is the longest that a trading process did nothing
    else because of a snapshot, `silence_ms` the longest time between two answers that a client saw while one was made, and
    `silence_without_ms` while none was. Takes some minutes, and 5 GB of disk.

    \b
    Example:
      pinion bench recovery --json
      pinion bench recovery --commands 1000000 --resting 100000
    """
    from cli.bench_recovery import measure

    found = measure(5_000, 1_000) if tiny else measure(commands, resting)
    rows = {
        name: {"": found[name]}
        for name in (
            "commands",
            "bare_ns_per_command",
            "replay_ns_per_command",
            "replay_ratio",
            "ready_s",
            "resting",
            "pause_ms",
            "silence_ms",
            "silence_without_ms",
        )
    }
    _show("recovery", found, rows, as_json)


@bench.command()
@click.option("--url", help="A PostgreSQL database that is empty and may be lost; default: a throwaway server of its own.")
@click.option("--orders", type=click.IntRange(1), default=400_000, show_default=True, help="Requests in the journal.")
@json_option
@tiny_option
def database(url: str | None, orders: int, as_json: bool, tiny: bool) -> None:
    """The journal into PostgreSQL, rows a second, beside a bare binary COPY of the same rows into the same tables.

    \b
    Example:
      pinion bench database --json
      pinion bench database --url postgresql+psycopg2://me@db/scratch
    """
    from cli.bench_database import measure

    found = measure(url, 3_000 if tiny else orders, 1 if tiny else 5)
    rows = {"follower": {"rows a second": found["rows_per_s"]}, "bare COPY": {"rows a second": found["copy_rows_per_s"]}}
    _show(f"database: {found['rows']:,} rows of {found['events']:,} events; ratio {found['ratio']}", found, rows, as_json)


def _rates(figures: dict[str, Any]) -> dict[str, Any]:
    return {key.removeprefix("orders_per_s_"): value for key, value in figures.items() if key.startswith("orders_per_s")}


def _show(title: str, found: dict[str, Any], rows: dict[str, dict[str, Any]], as_json: bool) -> None:
    """Figures on stdout as JSON or on stderr as a table; the host, and why it may mislead, on stderr in either case."""
    harness = importlib.import_module("bench.harness")
    described = harness.host()
    for sentence in harness.warnings(described):
        click.echo(f"pinion: warning: {sentence}", err=True)
    if as_json:
        print_json({**found, "host": described})
    else:
        harness.table(title, rows)
