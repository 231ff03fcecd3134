"""The benchmarks of riskd, alone and before a matcher: with a progress bar, and as rows for a table."""

import importlib
from pathlib import Path
from typing import Any, Final

import click

from cli.bench_matcher import with_bar

TINY: Final = 3_000
Figures = tuple[dict[str, Any], dict[str, dict[str, Any]]]


def risk(flow: Path | None, orders: int, seed: int, tiny: bool) -> Figures:
    """What riskd adds to an order, by number of accounts; the figures and a table of them."""
    measured = importlib.import_module("bench.risk")
    records, rounds = _flow(flow, orders, seed, tiny), 1 if tiny else measured.ROUNDS
    found = with_bar("riskd", measured.steps(rounds), lambda told: measured.measure(records, rounds, told))
    rows = {f"riskd, {int(name):,} accounts": {"ns an order": each} for name, each in found["added_ns"].items()}
    return found, {**rows, "matcher": {"ns an order": found["ns_per_order"]}}


def pipeline(flow: Path | None, orders: int, seed: int, tiny: bool) -> Figures:
    """riskd and matcher, alone and together; the figures and a table of them."""
    measured = importlib.import_module("bench.pipeline")
    records, rounds = _flow(flow, orders, seed, tiny), 1 if tiny else measured.ROUNDS
    found = with_bar("riskd and matcher", rounds, lambda told: measured.measure(records, rounds, told))
    rows = {name: {"orders a second": found[f"{name}_per_s"]} for name in ("riskd", "matcher", "pipeline")}
    rows["pipeline"] |= {"of the slower": found["ratio"]}
    return found, rows


def _flow(path: Path | None, orders: int, seed: int, tiny: bool) -> Any:
    """The first ``orders`` of the file, or as many of our own."""
    count = min(orders, TINY) if tiny else orders
    if path is None:
        return importlib.import_module("bench.moves").generate(count, seed)
    try:
        return importlib.import_module("bench.matcher").read_flow(path)[:count]
    except ValueError as error:
        raise click.UsageError(str(error)) from error
