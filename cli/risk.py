"""``pinion risk``: riskd's limits and kill switches: look at them, set them, and read who did."""

import getpass
import socket
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, TypeVar

import click

from cli.book import ANSWER_WITHIN_S, instrument_number
from cli.found import find_settings, settings_options
from cli.output import Failure, json_option, print_json
from cli.risk_log import read_log
from cli.risk_words import value_of, word
from runtime import control
from runtime.settings import Settings
from shm.controls import PERMIT_BITS, RISK_COMMAND, Control, Kill, Scope

SCOPES: Final = tuple(scope.name.lower() for scope in Scope)
CONTROLS: Final = tuple(each.name.lower() for each in Control if each not in (Control.KILL, Control.FUNDS, Control.LOTS))
DONE_WITHIN_S: Final = 10.0
LOOK_EVERY_S: Final = 0.02
Command = TypeVar("Command", bound=Callable[..., Any])


def by_option(command: Command) -> Command:
    """``--by WHO``, given to the command as ``by``."""
    words = "Who asks, for the log; default: this user at this machine."
    return click.option("--by", help=words)(command)


def thing_arguments(command: Command) -> Command:
    """``SCOPE [NAME]``, given to the command as ``scope`` and ``name``."""
    command = click.argument("name", required=False)(command)
    return click.argument("scope", type=click.Choice(SCOPES))(command)


@click.group()
def risk() -> None:
    """Look at riskd's limits and kill switches, set them, and read who did.

    What is set is a numbered command in the journal: it outlives any restart, and a value set here stands until it is set
    again, reset, or changed in the settings. docs/risk.md has every control.

    \b
    Example:
      pinion risk show account alice
      pinion risk kill account alice
    """


@risk.command()
@thing_arguments
@settings_options
@json_option
def show(scope: str, name: str | None, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Print the controls of an account, group, instrument, session or the firm: what is in force, and what the settings say.

    \b
    Example:
      pinion risk show account alice
      pinion risk show firm --json
    """
    settings = find_settings(config, data)
    found = ask(settings, "risk", thing(settings, scope, name))
    if as_json:
        print_json(found)
        return
    for row in found:
        live = row.get("settings", row["value"]) != row["value"]
        click.echo(f"{row['control']:24} {word(row['control'], row['value'], settings)}" + ("  (set live)" if live else ""))


@risk.command("set")
@click.argument("scope", type=click.Choice(SCOPES))
@click.argument("words", nargs=-1, required=True)
@by_option
@settings_options
@json_option
def set_command(
    scope: str, words: tuple[str, ...], by: str | None, config: Path | None, data: Path | None, as_json: bool
) -> None:
    """Set a control: [NAME] CONTROL VALUE, the value counted as in the settings, or "unlimited", or "settings".

    "settings" goes back to what the settings said at the last start. The control group has a group's name, or "none";
    allowed_sides, allowed_types, allowed_times and allowed_gateways some words with commas between them, or "all", or
    "none"; allowed_instruments "all" or "none", and instrument one by name that is allowed or refused all the same, or unset.

    \b
    Example:
      pinion risk set account alice maximum_quantity 500
      pinion risk set account alice maximum_notional settings
      pinion risk set account alice group desk
      pinion risk set account alice allowed_types limit,market
      pinion risk set account alice instrument ACME=refused
      pinion risk set instrument ACME collar_reference last
      pinion risk set instrument ACME collar_basis_points 500
    """
    settings = find_settings(config, data)
    if len(words) != (2 if scope == "firm" else 3):
        raise click.UsageError("give " + ("" if scope == "firm" else "NAME ") + "CONTROL VALUE")
    about = thing(settings, scope, None if scope == "firm" else words[0])
    if words[-2] in ("kill", "latch"):
        raise click.UsageError(f"a {words[-2]} is no limit: it is set by pinion risk kill and pinion risk release")
    asked = {**about, "control": words[-2], "value": value_of(words[-2], words[-1], settings), "by": by or somebody()}
    done(settings, about, asked, as_json)


@risk.command()
@thing_arguments
@click.option("--reducing", is_flag=True, help="Go on taking orders that can only reduce a position.")
@click.option("--keep-orders", is_flag=True, help="Leave working orders as they are.")
@by_option
@settings_options
@json_option
def kill(
    scope: str,
    name: str | None,
    reducing: bool,
    keep_orders: bool,
    by: str | None,
    config: Path | None,
    data: Path | None,
    as_json: bool,
) -> None:
    """Refuse new orders of an account, group, instrument, session or the firm, and cancel those that work.

    Cancels go on. Only release lifts it: a restart does not.

    \b
    Example:
      pinion risk kill account alice
      pinion risk kill instrument ACME --reducing
      pinion risk kill firm
    """
    settings = find_settings(config, data)
    about = thing(settings, scope, name)
    value = int(Kill.REDUCING if reducing else Kill.REFUSING)
    asked = {**about, "control": "kill", "value": value, "keep_orders": keep_orders, "by": by or somebody()}
    done(settings, about, asked, as_json)


@risk.command()
@thing_arguments
@by_option
@settings_options
@json_option
def release(scope: str, name: str | None, by: str | None, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Lift a kill switch, and the latch of an account that has repeated an order too often.

    \b
    Example:
      pinion risk release account alice
    """
    settings = find_settings(config, data)
    about = thing(settings, scope, name)
    on = {row["control"] for row in ask(settings, "risk", about) if row["control"] in ("kill", "latch") and row["value"]}
    for each in [each for each in ("latch", "kill") if each in on] or ["kill"]:
        done(settings, about, {**about, "control": each, "value": 0, "by": by or somebody()}, as_json)


@risk.command()
@click.option("--last", type=click.IntRange(1, 100_000), default=50, show_default=True, help="So many, the newest.")
@settings_options
@json_option
def log(last: int, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Print who set which control of what, when, from what to what: from the database, oldest first.

    \b
    Example:
      pinion risk log
      pinion risk log --last 1000 --json
    """
    settings = find_settings(config, data)
    rows = [_logged(settings, row) for row in read_log(settings.database_urls[0], last)]
    if as_json:
        print_json(rows)
        return
    for row in rows:
        values = [word(row["control"], row[name], settings) for name in ("before", "after")]
        control = f"{row['control']} {row['asset']}".strip()
        click.echo(f"{row['time']}  {row['who']:24} {row['scope']} {row['name']}: {control} {' -> '.join(values)}")


def thing(settings: Settings, scope: str, name: str | None) -> dict[str, Any]:
    """``{"scope", "number"}`` of what is named. Raises UsageError with what there is."""
    if (scope == "firm") != (name is None):
        raise click.UsageError("firm takes no NAME, and all others need one")
    if name is None:
        return {"scope": scope, "number": 0}
    if scope == "instrument":
        return {"scope": scope, "number": instrument_number(settings, name)}
    if scope == "session":
        if not name.isdigit():
            raise click.UsageError(f"NAME {name}: allowed is a session's number, as reports and logs have it")
        return {"scope": scope, "number": int(name)}
    return {"scope": scope, "number": _place(settings, scope, name) + (scope == "group")}


def ask(settings: Settings, command: str, arguments: dict[str, Any]) -> Any:
    """What riskd answers. Raises Failure."""
    try:
        return control.ask(settings, "riskd", command, ANSWER_WITHIN_S, arguments)
    except (control.NoAnswer, control.RequestRefused) as error:
        raise Failure(str(error)) from error


def done(settings: Settings, about: dict[str, Any], asked: dict[str, Any], as_json: bool) -> None:
    """Ask riskd, wait until it is numbered, and print what is in force then."""
    told = numbered(settings, "risk-set", asked)
    found = _in_force(settings, about, asked)
    if as_json:
        print_json({**about, **found, **told})
    else:
        click.echo(f"{asked['control']} is {word(found['control'], found['value'], settings)}")


def numbered(settings: Settings, command: str, asked: dict[str, Any]) -> dict[str, Any]:
    """What riskd answers, once the command that it made of it is numbered. Raises Failure."""
    told: dict[str, Any] = ask(settings, command, asked)
    until = time.monotonic() + DONE_WITHIN_S
    while ask(settings, "status", {})["shards"][told["shard"]]["commands"] < told["command_sequence"]:
        if time.monotonic() > until:
            raise Failure(f"it is in force, but not numbered within {DONE_WITHIN_S:g} s: matcher or persister is away")
        time.sleep(LOOK_EVERY_S)
    return told


def _in_force(settings: Settings, about: dict[str, Any], asked: dict[str, Any]) -> dict[str, Any]:
    """The control's row; of instruments that of the one named, which has none once it is unset."""
    rows: list[dict[str, Any]] = [row for row in ask(settings, "risk", about) if row["control"] == asked["control"]]
    if asked["control"] == "instrument":
        instrument = asked["value"] >> PERMIT_BITS
        rows = [row for row in rows if row["value"] >> PERMIT_BITS == instrument]
    return rows[0] if rows else {"control": asked["control"], "value": asked["value"]}


def _place(settings: Settings, scope: str, name: str) -> int:
    known = [item.name for item in (settings.accounts if scope == "account" else settings.groups)]
    if name not in known:
        raise click.UsageError(f"{scope} {name}: the settings have {', '.join(known) or 'none'}")
    return known.index(name)


def somebody() -> str:
    """Who asks, when they do not say: as much of user and machine as the log has room for."""
    return f"{getpass.getuser()}@{socket.gethostname()}".encode()[: RISK_COMMAND["who"].itemsize].decode(errors="ignore")


def _logged(settings: Settings, row: dict[str, Any]) -> dict[str, Any]:
    """A row of the log in words, as far as the settings have them."""
    scope, number = Scope(row["scope"]), row["number"]
    known: dict[Scope, list[str]] = {
        Scope.ACCOUNT: [item.name for item in settings.accounts],
        Scope.GROUP: ["none", *(item.name for item in settings.groups)],
        Scope.INSTRUMENT: [item.symbol for item in settings.instruments],
    }
    names = known.get(scope, [])
    when = datetime.fromtimestamp(row["time_ns"] // 1_000_000_000, UTC)
    return {
        "time": f"{when:%Y-%m-%d %H:%M:%S}.{row['time_ns'] // 1000 % 1_000_000:06}",
        "who": row["who"],
        "scope": scope.name.lower(),
        "name": names[number] if number < len(names) else str(number),
        "control": Control(row["control"]).name.lower(),
        "asset": row["currency"] or next(iter(known[Scope.INSTRUMENT][row["instrument"] : row["instrument"] + 1]), ""),
        "before": row["value_before"],
        "after": row["value_after"],
        "command_sequence": row["command_sequence"],
    }
