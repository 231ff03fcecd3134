"""The matcher benchmarks that take long: with a progress bar, and as rows for a table."""

import importlib
from collections.abc import Callable
from typing import Any

from cli.output import console, progress


def scale(tiny: bool) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """An order in a large market and in a small one; the figures and a table of them."""
    measured = importlib.import_module("bench.scale")
    size = {"large": measured.TINY, "operations": 2_000, "rounds": 2} if tiny else {}
    steps = measured.steps(size.get("rounds", measured.ROUNDS))
    found = with_bar("a large market", steps, lambda told: measured.measure(**size, told=told))
    rows = {name: {"ns an order": found[f"ns_per_order_{name}"]} for name in ("small", "large")}
    rows["large"] |= {
        "times as much": found["ratio"],
        "bytes a resting order": found["bytes_per_resting_order"],
        "bytes an empty instrument": found["bytes_per_empty_instrument"],
    }
    return found, rows


def shapes(tiny: bool) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """Nanoseconds for each thing touched, by shape and size; the figures and a table of them."""
    measured = importlib.import_module("bench.shapes")
    size = {"sizes": measured.TINY, "runs": 2} if tiny else {}
    steps = len(measured.SHAPES) * len(size.get("sizes", measured.SIZES))
    found = with_bar("shapes of a book", steps, lambda told: measured.measure(**size, told=told))
    return found, {name.replace("_", " "): each for name, each in found.items()}


def with_bar(words: str, steps: int, measure: Callable[[Callable[[], None]], dict[str, Any]]) -> dict[str, Any]:
    """What ``measure`` finds; it is given what moves the bar a step on."""
    with progress(console()) as bar:
        task = bar.add_task(words, total=steps)
        return measure(lambda: bar.advance(task))
