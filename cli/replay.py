"""``pinion replay FILE``: a recorded day through the whole path, checked against the recording."""

from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.down import pid_of
from cli.found import find_settings, settings_options
from cli.lobster import read_book, read_flow
from cli.order import find_key
from cli.output import Failure, console, json_option, print_json, progress

if TYPE_CHECKING:
    from rich.console import Console

    from cli.replaying import Desk
    from runtime.settings import Settings

FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command()
@click.argument("file", type=FILE)
@click.option("--book", type=FILE, help="The book after each row, to compare with.")
@click.option("--symbol", help="Instrument; default: the letters that FILE's name begins with.")
@click.option("--account", "-a", help="Account, where the exchange runs already; default: its first.")
@click.option("--api-key", envvar="PINION_API_KEY", help="Its key; default: the settings file's.")
@settings_options
@json_option
def replay(file: Path, book: Path | None, as_json: bool, **where: Any) -> None:
    """Drive a file of commands through an exchange and check it.

    FILE holds commands in LOBSTER's units (`row,cmd,side,id,price,quantity,ref,time_ns`); it and the book may end in .xz. The
    exchange of the settings is used if it runs, else one of its own on a temporary folder. Compared are: the book after every
    row, every execution with the order that it should fall on, the matcher's book with the last row, and what client, journal
    and database tell of every order. Ends with 1 when anything differs.

    \b
    Example:
      pinion replay goog10.cmd.xz --book orderbook_10.csv.xz --json
    """
    from cli import replaying

    words = console()
    try:
        with words.status("reading"):
            lines, published = read_flow(file), read_book(book) if book else None
    except ValueError as error:
        raise Failure(f"cannot read the recording: {error}") from error
    with ExitStack() as stack:
        desk = _desk(stack, words, file, **where)
        bar = stack.enter_context(progress(words))
        totals = {"orders": replaying.count_orders(lines), "rows": 0 if published is None else len(published)}
        tasks = {what: bar.add_task(what, total=total) for what, total in totals.items()}
        found = replaying.replay(desk, lines, published, lambda what, done: bar.advance(tasks[what], done))
    if as_json:
        print_json(found)
    else:
        _print_lines(found)
    if not replaying.is_good(found):
        raise Failure("; ".join([*found.get("wrong", [])[:1], *found["differences"][:1]]) or "something differs")


def _desk(
    stack: ExitStack,
    words: "Console",
    file: Path,
    symbol: str | None,
    account: str | None,
    api_key: str | None,
    config: Path | None,
    data: Path | None,
) -> "Desk":
    """The exchange that runs, or one that is started for this."""
    from cli import replaying
    from cli.warm import warm_kernels

    settings = find_settings(config, data)
    symbol = symbol or _letters(file)
    if not _runs(settings):
        warm_kernels(settings, words)
        return stack.enter_context(replaying.own_exchange(settings, symbol))
    account = account or (settings.accounts[0].name if settings.accounts else "")
    return replaying.Desk(settings, account, api_key or find_key(settings, account), symbol)


def _runs(settings: "Settings") -> bool:
    return any(pid_of(settings, name) is not None for name in settings.processes())


def _letters(file: Path) -> str:
    """``goog10.cmd.xz`` -> ``GOOG``."""
    letters = "".join(each if each.isalpha() else " " for each in file.name).split()
    return letters[0].upper()[:16] if letters else "REPLAY"


def _print_lines(found: dict[str, Any]) -> None:
    for key, value in found.items():
        click.echo(f"{key:>16}  {value:,}" if type(value) is int else f"{key:>16}  {value}")
