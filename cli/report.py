"""``pinion report``: profit, trades and fees, from the databases."""

import csv
import sys
from datetime import datetime
from pathlib import Path
from typing import Any, Final

import click

from cli.analytics import DIMENSIONS, Question
from cli.analytics import report as ask
from cli.found import find_settings, settings_options
from cli.output import console, json_option, print_json
from runtime.settings import Settings

FORMATS: Final = ("table", "csv", "json")
WIDTH: Final = 200
"""Of a table that no terminal shows."""
DATE: Final = click.DateTime(["%Y-%m-%d"])


@click.command()
@click.argument("by", nargs=-1, type=click.Choice(DIMENSIONS))
@click.option("--account", help="Of this account alone.")
@click.option("--symbol", help="Of this instrument alone.")
@click.option("--from", "first", type=DATE, help="The first day (UTC), as 2026-01-31.")
@click.option("--to", "last", type=DATE, help="The last day (UTC).")
@click.option("--format", "shape", type=click.Choice(FORMATS), default=FORMATS[0], show_default=True)
@settings_options
@json_option
def report(
    by: tuple[str, ...],
    account: str | None,
    symbol: str | None,
    first: datetime | None,
    last: datetime | None,
    shape: str,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Print profit, trades, win rate and fees BY account, instrument, day, or any of them together.

    Realised profit is at average cost, before fees; unrealised is of what is held at the end of the last day asked about, at
    the last price by then. Net is what the days asked about have brought: realised, the change of unrealised, less fees.
    An execution wins if it realises a profit. Money is in the smallest unit of its currency; currencies are never added up.

    \b
    Example:
      pinion report account
      pinion report account instrument --from 2026-01-01 --to 2026-01-31 --format csv
      pinion report day --account alice --json | jq '.[].net_profit'
    """
    settings = find_settings(config, data)
    question = Question(_once(by), account, symbol, first and first.date(), last and last.date())
    _check(settings, question)
    with console().status("asking"):
        rows = ask(settings.database_urls, question)
    if as_json or shape == "json":
        print_json(rows)
    elif shape == "csv":
        _print_csv(rows)
    else:
        _print_table(rows)


def _once(by: tuple[str, ...]) -> tuple[str, ...]:
    if len(set(by)) < len(by):
        raise click.UsageError(f"BY {' '.join(by)}: allowed is each of {', '.join(DIMENSIONS)} once")
    return by


def _check(settings: Settings, question: Question) -> None:
    """Raise UsageError for an account, an instrument or days that there cannot be."""
    for option, given, known in (
        ("--account", question.account, [each.name for each in settings.accounts]),
        ("--symbol", question.symbol, [each.symbol for each in settings.instruments]),
    ):
        if given is not None and given not in known:
            raise click.UsageError(f"{option} {given}: the settings have {', '.join(known) or 'none'}")
    if question.first and question.last and question.first > question.last:
        raise click.UsageError(f"--from {question.first} is after --to {question.last}")


def _print_csv(rows: list[dict[str, Any]]) -> None:
    if rows:
        writer = csv.DictWriter(sys.stdout, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)


def _print_table(rows: list[dict[str, Any]]) -> None:
    from rich import box
    from rich.console import Console
    from rich.table import Column, Table

    if not rows:
        click.echo("pinion: nobody has traded what was asked about", err=True)
        return
    words = (*DIMENSIONS, "currency")
    columns = [
        Column(name.replace("_", " "), no_wrap=name in words, justify="left" if name in words else "right") for name in rows[0]
    ]
    table = Table(*columns, box=box.SIMPLE_HEAD, pad_edge=False)
    for row in rows:
        table.add_row(*map(_shown, row.values()))
    Console(width=None if sys.stdout.isatty() else WIDTH).print(table)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:.1%}"
    return f"{value:,}" if isinstance(value, int) else str(value)
