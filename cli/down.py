"""``pinion down``: stop a running exchange from another terminal."""

import os
import select
import signal
from pathlib import Path
from typing import Final

import click

from cli.cluster import stopping_order
from cli.found import find_settings, settings_options
from cli.output import Failure, json_option, print_json
from cli.up import running_up
from runtime import control
from runtime.settings import Settings
from runtime.streams import segment_name
from shm.segment import owner_of

STOP_WITHIN_S: Final = 30.0


@click.command()
@settings_options
@json_option
def down(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Stop a running exchange, drained.

    A `pinion up` is told to stop; processes that a service manager or a hand started are stopped one after the other, in the
    order of an order's path. Ends with 0 when nothing runs any more, also when nothing ran.

    \b
    Example:
      pinion down --config exchange.toml
    """
    settings = find_settings(config, data)
    pid = running_up(settings)
    stopped = _stop_each(settings) if pid is None else _stop_up(settings, pid)
    if as_json:
        print_json({"stopped": stopped})
    else:
        click.echo(f"stopped: {', '.join(stopped) or 'nothing was running'}", err=True)


def _stop_up(settings: Settings, pid: int) -> list[str]:
    """Ask the ``pinion up`` to stop and wait until it is gone."""
    handle = os.pidfd_open(pid)
    try:
        signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not _ends(handle, STOP_WITHIN_S):
            raise Failure(f"process {pid} (pinion up) has not ended within {STOP_WITHIN_S:g} s")
    finally:
        os.close(handle)
    return list(stopping_order(settings))


def _stop_each(settings: Settings) -> list[str]:
    """Ask each process that runs, and wait for its end before the next; the names of those."""
    stopped = []
    for name in stopping_order(settings):
        pid = pid_of(settings, name)
        if pid is not None:
            _stop_one(settings, name, pid)
            stopped.append(name)
    return stopped


def _stop_one(settings: Settings, name: str, pid: int) -> None:
    """By its control socket, which works for whoever may use it; by a signal where it does not answer."""
    handle = os.pidfd_open(pid)
    try:
        try:
            control.ask(settings, name, "stop")
        except control.NoAnswer:
            signal.pidfd_send_signal(handle, signal.SIGTERM)
        if not _ends(handle, STOP_WITHIN_S):
            raise Failure(f"{name} (process {pid}) has not ended within {STOP_WITHIN_S:g} s")
    finally:
        os.close(handle)


def pid_of(settings: Settings, name: str) -> int | None:
    """The process that runs as ``name``: the one that writes its counters. None: it does not run."""
    return owner_of(segment_name(settings, f"counters.{name}"))


def _ends(handle: int, within_s: float) -> bool:
    """Does the process behind the pidfd end in time?"""
    poller = select.poll()
    poller.register(handle, select.POLLIN)
    return bool(poller.poll(within_s * 1e3))
