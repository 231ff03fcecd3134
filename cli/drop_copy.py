"""``pinion drop-copy``: what happens to the orders of others, as lines."""

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from cli.found import find_settings, settings_options
from cli.order import as_dict, find_key
from cli.output import Failure, json_option, print_json

if TYPE_CHECKING:
    from pinion.report import Report
    from runtime.settings import Settings


@click.command()
@click.option("--name", help="Drop copy; default: the first of the settings.")
@click.option("--api-key", envvar="PINION_API_KEY", help="Its key; default: the settings file's.")
@click.option("--endpoint", envvar="PINION_ENDPOINT", help="Gateway; default: the first of the settings.")
@click.option(
    "--after",
    type=click.IntRange(0),
    multiple=True,
    metavar="EVENT",
    help="Begin behind this event, 0: with the first; once, or once for each shard. Default: with what happens now.",
)
@click.option("--timeout", type=click.FloatRange(0, min_open=True), help="End when nothing came for so many seconds.")
@settings_options
@json_option
def drop_copy(
    name: str | None,
    api_key: str | None,
    endpoint: str | None,
    after: tuple[int, ...],
    timeout: float | None,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Print what happens to the orders of chosen accounts, as it happens or from any event on.

    A line a report: its shard and event, the account, and what happened; with --json an object a line. Goes on, without a gap
    or a repetition, when the exchange was away. Who notes the last event of each shard goes on from it in another life. A
    trade between two of the accounts is two lines of one event.

    \b
    Example:
      pinion drop-copy --after 0 --timeout 1
      pinion drop-copy --name surveillance --after 1048576 --json
    """
    from pinion.drop_copy import DropCopy
    from pinion.errors import PinionError

    settings = find_settings(config, data)
    name = name or _first(settings)
    key = api_key or find_key(settings, name, "drop_copies")
    begin = None if not after else after[0] if len(after) == 1 else after
    try:
        with suppress(KeyboardInterrupt), DropCopy(_at(settings, endpoint), name=name, api_key=key, after=begin) as copy:
            for report in copy.reports(timeout):
                _print(report, settings, as_json)
    except (PinionError, ValueError) as error:
        raise Failure(str(error)) from error


def _first(settings: "Settings") -> str:
    if not settings.drop_copies:
        raise click.UsageError("the settings have no drop_copies: give --name and --api-key")
    return settings.drop_copies[0].name


def _at(settings: "Settings", endpoint: str | None) -> str:
    return endpoint or settings.endpoints(0)[0]


def _print(report: "Report", settings: "Settings", as_json: bool) -> None:
    """The account by its name where the settings at hand have it."""
    known = 0 <= report.account < len(settings.accounts)
    account: Any = settings.accounts[report.account].name if known else report.account
    if as_json:
        print_json(as_dict(report) | {"account_name": account if known else None})
    else:
        click.echo(f"{report.shard}:{report.event_sequence} {account} {report}")
