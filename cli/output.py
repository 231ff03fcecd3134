"""What every command says and how: data on stdout, words for people on stderr, an exit status with one meaning each.

0: done. 1: the purpose of the command failed (an order refused, a replay that differs, a process that is down). 2: wrong
usage or wrong settings. ``pinion run`` alone adds the statuses of ``runtime.faults`` for a service manager.
"""

import json
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

PURPOSE_FAILED: Final = 1
USAGE: Final = 2
Command = TypeVar("Command", bound=Callable[..., Any])


class Failure(click.ClickException):
    """The purpose of the command failed; the message is one sentence for a person."""

    exit_code = PURPOSE_FAILED

    def show(self, file: Any = None) -> None:
        """Print the sentence on stderr."""
        click.echo(f"pinion: {self.format_message()}", err=True)


class BadSettings(Failure):
    """The settings are wrong; the message names every key that is."""

    exit_code = USAGE


def json_option(command: Command) -> Command:
    """``--json``, given to the command as ``as_json``."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON on stdout.")(command)


def print_json(data: object) -> None:
    """One JSON document on stdout, on one line, so that line-based tools can read it."""
    sys.stdout.write(json.dumps(data, separators=(", ", ": ")) + "\n")
    sys.stdout.flush()


def console() -> "Console":
    """Where words and tables for people go: stderr, so that stdout stays data."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


def progress(shown_on: "Console | None" = None) -> "Progress":
    """A progress bar on stderr with a rate; prints nothing where stderr is not a terminal but the last state."""
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=shown_on or console())
