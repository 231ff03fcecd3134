"""``pinion snapshot``: have every process of a running exchange write its state, from which the next start goes on."""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from cli.found import find_settings, settings_options
from cli.output import Failure, json_option, print_json, progress
from runtime import control
from runtime.settings import Settings

BEGUN_WITHIN_S: Final = 15.0
"""Until the persister has begun: what it is making just then comes first, and may take longer."""
LOOK_EVERY_S: Final = 0.02
ANSWER_WITHIN_S: Final = 10.0


@click.command()
@settings_options
@json_option
def snapshot(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Write a snapshot of every process, from which the next start goes on.

    A snapshot is a command in the journal. What matchers, riskd and gateways are behind it is made out of the journal, by
    processes of their own: those that trade go on, and have nothing to do with it. Ends with 0 when all are whole and on disk.

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
        numbers, events = (", ".join(map(str, each[what])) for what in ("commands", "events"))
        click.echo(f"{name}: {each['bytes']:,} bytes, commands up to {numbers}; events up to {events}")


def take(settings: Settings) -> dict[str, dict[str, Any]]:
    """Take one of every process; what each is of. Raises Failure when one cannot be taken or does not get whole."""
    numbers = _ask(settings, "riskd", "snapshot")["commands"]
    names = [name for name in settings.processes() if name != "persister"]
    with progress() as bar:
        task = bar.add_task("snapshots", total=len(names))
        made = _await(settings, numbers, lambda done: bar.update(task, completed=done))
    if made["without"]:
        raise Failure(f"no snapshot of {', '.join(made['without'])}: not running, or behind with what it has to tell")
    return {name: made["newest"][name] for name in names}


def _await(settings: Settings, numbers: list[int], hear: Callable[[int], None]) -> dict[str, Any]:
    """What the persister says of snapshots once all behind the commands ``numbers`` are made."""
    until = time.monotonic() + BEGUN_WITHIN_S
    while True:
        found: dict[str, Any] = _ask(settings, "persister", "status")["snapshots"]
        if _reaches(found["done"], numbers):
            return found
        hear(sum(_is_of(each["commands"], name, numbers) for name, each in found["newest"].items()))
        if found["making"]:
            until = time.monotonic() + BEGUN_WITHIN_S
        if found["failed"] and _reaches(found["failed"], numbers):
            raise Failure(f"{found['problem']}: the persister's log says more")
        if time.monotonic() > until:
            raise Failure(f"the persister has not begun within {BEGUN_WITHIN_S:g} s: its log says why")
        time.sleep(LOOK_EVERY_S)


def _is_of(commands: list[int], name: str, numbers: list[int]) -> bool:
    kind, _, shard = name.partition(".")
    return _reaches(commands, [numbers[int(shard)]] if kind == "matcher" else numbers)


def _reaches(commands: list[int], numbers: list[int]) -> bool:
    return all(map(int.__ge__, commands, numbers))


def _ask(settings: Settings, process: str, command: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = control.ask(settings, process, command, ANSWER_WITHIN_S)
    except (control.NoAnswer, control.RequestRefused) as error:
        raise Failure(str(error)) from error
    return found
