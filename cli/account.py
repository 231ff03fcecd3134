"""``pinion account``: what riskd knows of the accounts, and an operator's way to suspend one."""

from pathlib import Path
from typing import Any

import click

from cli.found import find_settings, settings_options
from cli.output import json_option, print_json
from cli.risk import ask, by_option, done, numbered, somebody, thing
from shm.controls import Kill


@click.group()
def account() -> None:
    """Look at accounts and what they hold, suspend them and let them go on.

    \b
    Example:
      pinion account show
      pinion account fund alice USD 1000000
      pinion account suspend alice
    """


@account.command()
@click.argument("name", required=False)
@settings_options
@json_option
def show(name: str | None, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Print every account, or one: open orders, and by side the money (smallest unit) that they hold.

    Of an account with funds also what it has of each currency, what of it its orders may cost, what is free, its fees.

    \b
    Example:
      pinion account show
      pinion account show alice --json
    """
    settings = find_settings(config, data)
    wanted = None if name is None else thing(settings, "account", name)["number"]
    found = [each for each in ask(settings, "accounts", {}) if wanted in (None, each["account"])]
    if as_json:
        print_json(found)
        return
    click.echo(f"{'account':16} {'switch':10} {'open orders':>12} {'held to buy':>20} {'held to sell':>20}")
    for each in found:
        held = f"{each['held_buy']:>20,} {each['held_sell']:>20,}"
        click.echo(f"{each['name']:16} {each['kill']:10} {each['open_orders']:>12,} {held}")
        for money in each["funds"]:
            numbers = "  ".join(f"{name} {value:,}" for name, value in money.items() if name != "currency")
            click.echo(f"  {money['currency']:8} {numbers}")


@account.command(context_settings={"ignore_unknown_options": True})
@click.argument("name")
@click.argument("asset", metavar="CURRENCY|SYMBOL")
@click.argument("amount", type=int)
@click.option("--lots", is_flag=True, help="Put in lots of the instrument SYMBOL instead of money.")
@by_option
@settings_options
@json_option
def fund(
    name: str, asset: str, amount: int, lots: bool, by: str | None, config: Path | None, data: Path | None, as_json: bool
) -> None:
    """Put money (its smallest unit) or, with --lots, an instrument into an account with funds; below 0 take it out.

    What orders hold and what there is not cannot be taken out.

    \b
    Example:
      pinion account fund alice USD 1000000
      pinion account fund alice USD -5000
      pinion account fund alice ACME 100 --lots
    """
    settings = find_settings(config, data)
    number = thing(settings, "account", name)["number"]
    asked = {"account": number, "symbol" if lots else "currency": asset, "amount": amount, "by": by or somebody()}
    told = numbered(settings, "fund", asked)
    if as_json:
        print_json({**asked, **told})
    else:
        click.echo(f"{name} has {told['after']:,} {'lots of ' if lots else ''}{asset}{', put in' if lots else ''}")


@account.command()
@click.argument("name")
@by_option
@settings_options
@json_option
def suspend(name: str, by: str | None, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Refuse an account's new orders, and leave those that work: its kill switch with --keep-orders.

    \b
    Example:
      pinion account suspend alice
    """
    _switch(name, {"value": int(Kill.REFUSING), "keep_orders": True}, by, config, data, as_json)


@account.command()
@click.argument("name")
@by_option
@settings_options
@json_option
def resume(name: str, by: str | None, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Lift an account's kill switch.

    \b
    Example:
      pinion account resume alice
    """
    _switch(name, {"value": int(Kill.RELEASED)}, by, config, data, as_json)


def _switch(name: str, wanted: dict[str, Any], by: str | None, config: Path | None, data: Path | None, as_json: bool) -> None:
    settings = find_settings(config, data)
    about = thing(settings, "account", name)
    done(settings, about, {**about, "control": "kill", **wanted, "by": by or somebody()}, as_json)
