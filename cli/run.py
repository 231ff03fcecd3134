"""``pinion run PROCESS``: one process, as a service manager starts it."""

import ctypes
import importlib
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final, NoReturn

import click

from cli.found import find_settings, settings_options
from runtime import lifecycle

if TYPE_CHECKING:
    from runtime.agent import Agent
    from runtime.context import Context

PR_SET_PDEATHSIG: Final = 1


@click.command()
@click.argument("process")
@settings_options
@click.option("--leash", type=int, hidden=True, help="End when this process, the parent, ends.")
def run(process: str, config: Path | None, data: Path | None, leash: int | None) -> None:
    """Run one process; what a service manager starts.

    PROCESS is gateway.N, riskd, matcher.N or persister. It speaks the service manager's protocol (ready, watchdog, stopping),
    serves its control socket, and ends with 0 when told to stop, 2 for wrong settings, 69 to 78 for a fault of the environment
    (a port in use, a disk that fails, shared memory of another layout …), 70 for a bug.

    \b
    Example:
      pinion run matcher.0 --config /etc/pinion/pinion.toml
    """
    if leash is not None:
        _end_with(leash)
    settings = find_settings(config, data)
    if process not in settings.processes():
        raise click.BadParameter(f"{process!r} is not one of {', '.join(settings.processes())}", param_hint="PROCESS")
    _leave(lifecycle.run_process(process, settings, _build))


def _build(context: "Context") -> "Agent":
    """The agent of the context's process. Each room is imported only by its own process."""
    agent: Agent = importlib.import_module(f"{context.room}.process").build(context)
    return agent


def _leave(status: int) -> NoReturn:
    """End at once. All is closed by now, and to take the interpreter and the compiler apart would take longer than to stop."""
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(status)


def _end_with(parent: int) -> None:
    """Have the kernel send SIGTERM when the thread that started this process ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
    if os.getppid() != parent:
        sys.exit(f"pinion: process {parent}, which started this one, is gone")
