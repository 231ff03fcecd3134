"""``pinion up``: the whole exchange in the foreground, for a laptop, a container or a first look."""

import fcntl
import os
import socket
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import click
from rich.text import Text

from cli.child import Change
from cli.cluster import READY_WITHIN_S, Cluster, remove_segments
from cli.config import write_sample
from cli.found import FILE_NAME, find_file, home, read_settings, settings_options, with_data
from cli.output import Failure, console
from cli.supervisor import Supervisor, caught_signals
from cli.warm import warm_kernels
from runtime.settings import Settings

COLOURS = {"gateway": "cyan", "riskd": "yellow", "matcher": "green", "persister": "magenta"}
PID_FILE = "up.pid"


@click.command()
@settings_options
def up(config: Path | None, data: Path | None) -> None:
    """Run the whole exchange in the foreground.

    All processes run as children of this one: what dies is started again, ctrl-C (or SIGTERM, or `pinion down` elsewhere)
    stops all of them, drained. Without a settings file a sample is written and used.

    \b
    Example:
      pinion up
      pinion up --config exchange.toml
      pinion up --data /tmp/first-look
    """
    settings = read_settings(config or find_file(data) or _first_sample(data), data)
    words = console()
    with _only_one(settings):
        warm_kernels(settings, words)
        cluster = Cluster(settings, _environment(data, words.is_terminal))
        with caught_signals() as signals:
            try:
                _supervise(cluster, signals)
            finally:
                cluster.stop()
    words.print("stopped")


def _supervise(cluster: Cluster, signals: socket.socket) -> None:
    supervisor = Supervisor(cluster, signals, _Log().hear)
    if supervisor.start(READY_WITHIN_S):
        click.echo(f"ready: {' '.join(_endpoints(cluster.settings))}")
        sys.stdout.flush()
        supervisor.run()
    unclean = {name: status for name, status in supervisor.stop().items() if status != 0}
    if unclean:
        raise Failure(f"not stopped cleanly (exit status of each): {unclean}; shared memory is kept for the next start")
    remove_segments(cluster.settings.instance)


def _first_sample(data: Path | None) -> Path:
    """A settings file to begin with, in the data folder; says so."""
    path = data / FILE_NAME if data else home()
    write_sample(path)
    click.echo(f"pinion: wrote sample settings to {path}", err=True)
    return path


def _environment(data: Path | None, terminal: bool) -> dict[str, str]:
    """What children get: logs for people where a person watches, though they write into a pipe."""
    environ = with_data(os.environ, data)
    environ.pop("NOTIFY_SOCKET", None)
    environ.pop("WATCHDOG_USEC", None)
    if terminal:
        environ.setdefault("PINION_LOG_FORMAT", "console")
    return environ


def _endpoints(settings: Settings) -> list[str]:
    return [endpoint for g in range(settings.gateways) for endpoint in settings.endpoints(g)]


@contextmanager
def _only_one(settings: Settings) -> Iterator[None]:
    """Hold ``up.pid`` in the run folder, by which ``pinion down`` finds this process.

    Raises:
        Failure: another ``pinion up`` holds it.
    """
    settings.run.mkdir(parents=True, exist_ok=True)
    with (settings.run / PID_FILE).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise Failure(f"already running here, as process {file.read().strip()}: {settings.run}") from None
        file.truncate(0)
        file.write(str(os.getpid()))
        file.flush()
        try:
            yield
        finally:
            (settings.run / PID_FILE).unlink(missing_ok=True)


def running_up(settings: Settings) -> int | None:
    """The process id of the ``pinion up`` that runs these settings, or None."""
    try:
        with (settings.run / PID_FILE).open("r") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(file.read())
    except FileNotFoundError:
        pass
    return None


class _Log:
    """Prints what children say, each line behind its process's name."""

    def __init__(self) -> None:
        self._console = console()

    def hear(self, change: Change) -> None:
        style = COLOURS[change.name.partition(".")[0]]
        line = Text(f"{change.name:<10} ", style=style)
        if change.what == "line":
            line.append_text(Text.from_ansi(change.text))
        else:
            line.append(f"{change.what} {change.text}".rstrip(), style="bold red" if change.what == "exit" else "bold")
        self._console.print(line, soft_wrap=True)
