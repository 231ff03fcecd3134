"""``pinion status``: what every process is doing, read from outside: control sockets, counters, rings."""

import sys
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

import click

from cli.down import pid_of
from cli.found import find_settings, settings_options
from cli.output import PURPOSE_FAILED, json_option, print_json
from runtime import control, streams
from runtime.settings import Settings
from shm.counters import Counters
from shm.errors import SegmentError

RATE_OVER_S: Final = 0.25
UP: Final = ("working", "draining")


@dataclass
class ProcessStatus:
    """One line of the table. ``state`` is the process's own word; ``down`` or ``silent`` where it gives none."""

    process: str
    state: str = "down"
    pid: int | None = None
    uptime_s: float = 0.0
    messages: int = 0
    rate: float = 0.0
    """Messages a second, lately."""
    errors: int = 0
    detail: dict[str, Any] = field(default_factory=dict)
    """What else the process says about itself."""
    note: str = ""


@dataclass
class RingStatus:
    """One ring: ``backlog`` is what its slowest gating reader, ``slowest``, has still to read; ``fill`` that over capacity."""

    stream: str
    published: int
    backlog: int
    slowest: str
    fill: float


@click.command()
@settings_options
@json_option
def status(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Show what every process is doing.

    Ends with 1 when a process is not up.

    \b
    Example:
      pinion status
      pinion status --json | jq '.processes[] | select(.state != "working")'
    """
    settings = find_settings(config, data)
    processes = read_processes(settings)
    rings = read_rings(settings)
    if as_json:
        print_json({"processes": [asdict(each) for each in processes], "rings": [asdict(each) for each in rings]})
    else:
        _print_tables(processes, rings)
    if any(each.state not in UP for each in processes):
        sys.exit(PURPOSE_FAILED)


def read_processes(settings: Settings) -> list[ProcessStatus]:
    """Every process of the settings, running or not, in the order in which they start."""
    names = settings.processes()
    before, at = {name: _messages(settings, name) for name in names}, time.monotonic()
    if any(before.values()):
        time.sleep(RATE_OVER_S)
    found = [_read_process(settings, name) for name in names]
    elapsed_s = time.monotonic() - at
    for each in found:
        each.messages = _messages(settings, each.process)
        each.rate = max(0, each.messages - before[each.process]) / elapsed_s if each.state in UP else 0.0
    return found


def _read_process(settings: Settings, name: str) -> ProcessStatus:
    found = ProcessStatus(name, pid=pid_of(settings, name))
    try:
        answer = control.ask(settings, name, "status")
        found.errors = sum(error["count"] for error in control.ask(settings, name, "counters")["errors"])
    except control.NoAnswer as error:
        found.state, found.note = "down" if found.pid is None else "silent", str(error)
        return found
    found.state, found.uptime_s = answer.pop("state"), round(answer.pop("uptime_s"), 3)
    found.detail = {key: value for key, value in answer.items() if key not in ("process", "messages")}
    return found


def read_rings(settings: Settings) -> list[RingStatus]:
    """Every ring that is there."""
    return [found for stream in streams.streams(settings) if (found := _read_ring(settings, stream)) is not None]


def _read_ring(settings: Settings, stream: str) -> RingStatus | None:
    from shm.ring import Ring

    capacity = streams.capacity_of(settings, stream)
    try:
        ring = Ring.attach(streams.segment_name(settings, stream), streams.record_of(stream), capacity)
    except SegmentError:
        return None
    cursors = {name: ring.cursor(index) for index, name in enumerate(ring.readers())}
    published = ring.published
    ring.close()
    slowest = min(cursors, key=lambda name: cursors[name], default="")
    backlog = max(0, published - cursors[slowest]) if slowest else 0
    return RingStatus(stream, published, backlog, slowest, round(backlog / capacity, 4))


def _messages(settings: Settings, name: str) -> int:
    try:
        counters = Counters.attach(streams.segment_name(settings, f"counters.{name}"))
    except SegmentError:
        return 0
    messages = counters.as_dict().get("messages", 0)
    counters.segment.close()
    return messages


def _print_tables(processes: list[ProcessStatus], rings: list[RingStatus]) -> None:
    from rich.console import Console
    from rich.table import Table

    shown = Console()
    table = Table("process", "state", *(_right(each) for each in ("pid", "uptime s", "messages", "a second", "errors")))
    for each in processes:
        colour = "green" if each.state in UP else "bold red"
        numbers = (f"{each.uptime_s:,.0f}", f"{each.messages:,}", f"{each.rate:,.0f}", f"{each.errors:,}")
        table.add_row(each.process, f"[{colour}]{each.state}[/]", str(each.pid or "-"), *numbers)
    shown.print(table)
    table = Table("ring", *(_right(each) for each in ("published", "backlog", "fill")), "slowest reader")
    for ring in rings:
        table.add_row(ring.stream, f"{ring.published:,}", f"{ring.backlog:,}", f"{ring.fill:.1%}", ring.slowest)
    shown.print(table)
    for each in processes:
        if each.note:
            click.echo(f"pinion: {each.note}", err=True)


def _right(heading: str) -> Any:
    from rich.table import Column

    return Column(heading, justify="right")
