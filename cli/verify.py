"""``pinion verify``: the matcher against a second, slow matcher, on random streams of commands."""

import importlib
import sys
import time
from pathlib import Path
from typing import Any, Final

import click

from cli.output import Failure, console, json_option, print_json, progress

TESTS: Final = Path(__file__).resolve().parent.parent / "tests"
"""Where the second matcher and the streams lie in a checkout; a wheel has neither."""


@click.command()
@click.option("--seed", type=click.IntRange(0), default=1, show_default=True, help="The same seed makes the same streams.")
@click.option("--commands", type=click.IntRange(1), default=100_000, show_default=True, help="In streams of 2,000 each.")
@json_option
def verify(seed: int, commands: int, as_json: bool) -> None:
    """Hold the matcher to a second one, written for reading, on random streams.

    Every stream goes through the compiled matcher and through the one in tests/reference. Their events must be the same, byte
    for byte; the book is walked after every command; and of every order, what came in is filled, cancelled or still there. The
    first stream that fails is made as short as can be and printed, with a program that has it again; ends with 1 then.

    \b
    Example:
      pinion verify --seed 7 --commands 1000000
    """
    check = _load("stream_check")
    found: dict[str, Any] = {"seed": seed, "commands": 0, "streams": 0, "events": 0, "failures": 0}
    words = console()
    with words.status("compiling the matcher, if it is not in the cache"):
        tiny = check.one_stream(0, 1)
        check.verify(tiny.commands, tiny.bounds)
    start, failed = time.monotonic(), None
    with progress(words) as bar:
        task = bar.add_task("commands", total=commands)
        for stream in check.streams(seed, commands):
            outcome = check.verify(stream.commands, stream.bounds)
            found["streams"] += 1
            found["commands"] += len(stream.commands)
            found["events"] += outcome.events
            bar.advance(task, len(stream.commands))
            if outcome.wrong:
                failed, found["failures"] = stream, 1
                break
    found["commands_per_s"] = round(found["commands"] / (time.monotonic() - start))
    if failed is not None:
        found["failure"] = {"stream": failed.seed, "wrong": outcome.wrong, "program": _explain(failed)}
    _show(found, as_json)
    if failed is not None:
        raise Failure(f"stream {failed.seed} of seed {seed}: {outcome.wrong}")


def _load(name: str) -> Any:
    """A module from beside the tests, which nothing that is installed may need."""
    if not (TESTS / "reference").is_dir():
        raise Failure("pinion verify needs the source checkout: the second matcher is in its folder tests/reference")
    if str(TESTS) not in sys.path:
        sys.path.append(str(TESTS))
    return importlib.import_module(name)


def _explain(failed: Any) -> str:
    """Print the shortest stream that fails; the program that has it again."""
    words = console()
    with words.status("making it shorter") as status:
        hear = lambda length: status.update(f"making it shorter: {length:,} commands")  # noqa: E731
        shortest = _load("stream_shrink").shrink(failed.commands, failed.bounds, hear)
    report = _load("stream_report")
    click.echo(report.table(shortest, failed.bounds), err=True)
    return str(report.program(shortest, failed.bounds))


def _show(found: dict[str, Any], as_json: bool) -> None:
    if as_json:
        print_json(found)
        return
    if "failure" in found:
        click.echo(found["failure"]["program"], err=True)
    counts = f"{found['commands']:,} commands in {found['streams']:,} streams, {found['events']:,} events"
    click.echo(f"{counts}, {found['failures']} failures; {found['commands_per_s']:,} commands a second", err=True)
