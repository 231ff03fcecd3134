"""``pinion snapshot``: have every process of a running exchange write its state, from which the next start goes on."""

import time
from pathlib import Path
from typing import Any, Final

import click

from cli.found import find_settings, settings_options
from cli.output import Failure, json_option, print_json, progress
from runtime import control
from runtime.settings import Settings

WHOLE_WITHIN_S: Final = 90.0
"""A child waits a minute at most for the journal to be on disk."""
LOOK_EVERY_S: Final = 0.02
ANSWER_WITHIN_S: Final = 10.0


@click.command()
@settings_options
@json_option
def snapshot(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Write a snapshot of every process, from which the next start goes on.

    A snapshot is a command in the journal: matchers and riskd write their state as it is at just that command, each in a child
    process while trading goes on. Ends with 0 when all are whole and on disk. `pause_us`: how long each process was held up.

    \b
    Example:
      pinion snapshot
      pinion snapshot --json | jq .riskd.bytes
    """
    settings = find_settings(config, data)
    found = take(settings)
    if as_json:
        print_json(found)
        return
    for name, each in found.items():
        numbers = ", ".join(map(str, each["commands"]))
        click.echo(f"{name}: {each['bytes']:,} bytes, commands up to {numbers}; held up for {each['pause_us']} µs")


def take(settings: Settings) -> dict[str, dict[str, Any]]:
    """Take one of every process; what each says of its own. Raises Failure when one cannot be taken or does not get whole."""
    numbers = _ask(settings, "riskd", "snapshot")["commands"]
    gateways = [name for name in settings.processes() if name.startswith("gateway")]
    wanted: dict[str, Any] = {"riskd": ("commands", numbers)}
    wanted |= {f"matcher.{shard}": ("commands", [number]) for shard, number in enumerate(numbers)}
    wanted |= {name: ("events", _ask(settings, name, "snapshot")["events"]) for name in gateways}
    until, found = time.monotonic() + WHOLE_WITHIN_S, {}
    with progress() as bar:
        task = bar.add_task("snapshots", total=len(wanted))
        for name, (what, known) in wanted.items():
            found[name] = _await(settings, name, what, known, until)
            bar.advance(task)
    return found


def _await(settings: Settings, name: str, what: str, known: list[int], until: float) -> dict[str, Any]:
    """What the process says of its newest snapshot, once that knows as much as it should."""
    while True:
        newest: dict[str, Any] = _ask(settings, name, "status")["snapshot"]
        reached = newest.get(what, [])
        if not newest["writing"] and reached and all(map(int.__ge__, reached, known)):
            return newest
        if time.monotonic() > until or (not newest["writing"] and time.monotonic() > until - WHOLE_WITHIN_S + ANSWER_WITHIN_S):
            raise Failure(f"the snapshot of {name} did not get whole: its log says why")
        time.sleep(LOOK_EVERY_S)


def _ask(settings: Settings, process: str, command: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = control.ask(settings, process, command, ANSWER_WITHIN_S)
    except (control.NoAnswer, control.RequestRefused) as error:
        raise Failure(str(error)) from error
    return found
