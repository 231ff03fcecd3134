"""The ``pinion`` command: which file answers which word.

Only click is imported until a command is named, so that ``pinion --help`` and shell completion answer at once; and Numba's
cache is set up before any room that holds kernels can be imported.
"""

import importlib
import sys
from typing import Final

import click

COMMANDS: Final = {
    "up": "Run the whole exchange in the foreground.",
    "down": "Stop a running exchange, drained.",
    "status": "Show what every process is doing.",
    "run": "Run one process; what a service manager starts.",
    "order": "Place, change, cancel and list orders.",
    "drop-copy": "Print what happens to the orders of chosen accounts, as it happens or from any event on.",
    "instrument": "Look at an instrument's state and rules, and set them.",
    "account": "Look at accounts and what they hold, suspend them and let them go on.",
    "risk": "Look at riskd's limits and kill switches, set them, and read who did.",
    "snapshot": "Write a snapshot of every process, from which the next start goes on.",
    "book": "Print an instrument's order book.",
    "journal": "Look into the journal, check it, write it out, replay it, and cut it.",
    "db": "Look after the database: schema, progress, backups.",
    "report": "Print profit, trades, win rate and fees BY account, instrument, day, or any of them together.",
    "replay": "Drive a file of commands through an exchange and check it.",
    "verify": "Hold the matcher to a second one, written for reading, on random streams.",
    "chaos": "Kill an exchange that trades, again and again, and check that nothing is lost, doubled or different.",
    "demo": "Start an exchange, trade on it, check its books, leave nothing behind.",
    "warm": "Compile every kernel into the cache.",
    "config": "Write a sample of the settings, or check a file.",
    "bench": "Measure the rings, the matcher, riskd, the whole path and the database.",
}
"""Word -> its line in ``pinion --help``. The command itself is ``cli/<word>.py``'s function of that name, with _ for -."""


class LazyGroup(click.Group):
    """A group that imports a command's file when the command is named, not before."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        _prepare()
        word = cmd_name.replace("-", "_")
        command = getattr(importlib.import_module(f"cli.{word}"), word)
        assert isinstance(command, click.Command)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _prepare() -> None:
    """Name Numba's cache folder after the kernels' sources; it must be in the environment when Numba is first imported."""
    from runtime import faults, kernels

    try:
        kernels.use_cache()
    except faults.EnvironmentFault as fault:
        click.echo(f"pinion: {fault}", err=True)
        sys.exit(fault.status)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="pinion", prog_name="pinion")
def cli() -> None:
    """Pinion, an exchange in a box.

    \b
    Example:
      pinion demo                 # trade 200,000 orders and check the books
      pinion up                   # run an exchange here; ctrl-C stops it
      pinion order place ACME buy 10 --price 100.50
    """


def main() -> None:
    """Entry point of the ``pinion`` script. Ends with 0, with 1 when the purpose failed, with 2 on wrong usage or settings."""
    if not __debug__:
        click.echo("pinion: does not run under python -O: its assertions are what stops a bug before it moves money", err=True)
        sys.exit(2)
    cli(prog_name="pinion")


if __name__ == "__main__":
    main()
