"""``pinion instrument``: an instrument's state and rules, as its matcher has them, and an operator's way to set them."""

import time
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click

from cli.book import ANSWER_WITHIN_S, instrument_number
from cli.found import find_settings, settings_options
from cli.order_terms import number
from cli.output import Failure, json_option, print_json
from runtime import control
from runtime.sections import Instrument
from runtime.settings import Settings
from shm.records import InstrumentState, Policy, shard_of

STATES: Final = tuple(state.name.lower() for state in InstrumentState)
POLICIES: Final = tuple(policy.name.lower() for policy in Policy)
PRICES: Final = ("reference_price", "static_low", "static_high", "dynamic_collar")
DONE_WITHIN_S: Final = 10.0
LOOK_EVERY_S: Final = 0.02


@click.group()
def instrument() -> None:
    """Look at an instrument's state and rules, and set them.

    What is set is a command in the journal, like an order: it outlives any restart.

    \b
    Example:
      pinion instrument show ACME
      pinion instrument state ACME halted
    """


@instrument.command()
@click.argument("symbol")
@settings_options
@json_option
def show(symbol: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Print an instrument's state and rules.

    In JSON prices and the quantity are in the instrument's own smallest decimals, 0 where there is none.

    \b
    Example:
      pinion instrument show ACME
      pinion instrument show ACME --json | jq .state
    """
    settings = find_settings(config, data)
    _print(settings, symbol, as_json, _in_force(settings, instrument_number(settings, symbol)))


@instrument.command()
@click.argument("symbol")
@click.argument("state", type=click.Choice(STATES))
@settings_options
@json_option
def state(symbol: str, state: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Bring an instrument into a state: halt it, begin an auction, let it trade.

    Entering continuous, and closed from an auction, uncrosses the book. docs/matching.md says what each state takes.

    \b
    Example:
      pinion instrument state ACME halted
      pinion instrument state ACME opening_auction
      pinion instrument state ACME continuous --json
    """
    _to_state(symbol, state, config, data, as_json)


@instrument.command()
@click.argument("symbol")
@settings_options
@json_option
def halt(symbol: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Stop an instrument's trading: orders at rest stay and can be cancelled. The state halted.

    \b
    Example:
      pinion instrument halt ACME
    """
    _to_state(symbol, "halted", config, data, as_json)


@instrument.command()
@click.argument("symbol")
@settings_options
@json_option
def resume(symbol: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Let an instrument trade: what crosses trades at one price first. The state continuous.

    \b
    Example:
      pinion instrument resume ACME
    """
    _to_state(symbol, "continuous", config, data, as_json)


@instrument.command()
@click.argument("symbol")
@click.option("--reference-price", type=number, help="Stands for the last price until the first trade.")
@click.option("--static-low", type=number, help="No order below it.")
@click.option("--static-high", type=number, help="No order above it.")
@click.option("--dynamic-collar", type=number, help="A trade further than this from the last price pauses trading instead.")
@click.option("--policy", type=click.Choice(POLICIES), default=POLICIES[0], show_default=True, help="Who of one price trades.")
@click.option("--minimum-allocation", type=number, help="Pro-rata: shares below it are nothing.")
@click.option("--top-order-priority", is_flag=True, help="Pro-rata: the first order of a price trades before the others.")
@settings_options
@json_option
def rules(symbol: str, config: Path | None, data: Path | None, as_json: bool, **given: Any) -> None:
    """Set an instrument's rules, all of them at once: what is not given is off.

    Orders at rest are left as they are. A policy changes only while the instrument has no orders.

    \b
    Example:
      pinion instrument rules ACME --reference-price 100 --static-low 80 --static-high 120 --dynamic-collar 2.50
      pinion instrument rules ACME --policy pro_rata --minimum-allocation 10 --top-order-priority
      pinion instrument rules ACME                 # no rules
    """
    settings = find_settings(config, data)
    units = settings.instruments[instrument_number(settings, symbol)]
    wanted: dict[str, Any] = {name: _wire(name, given[name], units.price_decimals) for name in PRICES}
    wanted["minimum_allocation"] = _wire("minimum_allocation", given["minimum_allocation"], units.quantity_decimals)
    wanted |= {"policy": given["policy"], "top_order_priority": given["top_order_priority"]}
    found = _set(settings, "rules", {"symbol": symbol, **wanted})
    kept = [f"{name} = {found[name]}" for name in wanted if found[name] != wanted[name]]
    if kept:
        raise Failure(f"the matcher did not take the rules: {', '.join(kept)}; the policy changes only without orders")
    _print(settings, symbol, as_json, found)


def _wire(name: str, value: Decimal | None, decimals: int) -> int:
    """What a person writes, in 10**-decimals; None is 0."""
    wire = (value or Decimal(0)).scaleb(decimals)
    if wire != int(wire):
        raise click.BadParameter(f"{value} has more than {decimals} decimals", param_hint=f"--{name.replace('_', '-')}")
    return int(wire)


def _to_state(symbol: str, state: str, config: Path | None, data: Path | None, as_json: bool) -> None:
    settings = find_settings(config, data)
    instrument_number(settings, symbol)
    _print(settings, symbol, as_json, _set(settings, "state", {"symbol": symbol, "state": state}))


def _set(settings: Settings, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    """Ask riskd, and wait until the matcher has done it. What is in force then."""
    told = _ask(settings, "riskd", command, arguments)
    until = time.monotonic() + DONE_WITHIN_S
    while (found := _in_force(settings, told["instrument"]))["command_sequence"] < told["command_sequence"]:
        if time.monotonic() > until:
            what = f"command {told['command_sequence']} of shard {told['shard']}"
            raise Failure(f"{what} is numbered, but its matcher has not come to it within {DONE_WITHIN_S:g} s")
        time.sleep(LOOK_EVERY_S)
    return found


def _in_force(settings: Settings, number: int) -> dict[str, Any]:
    """What the matcher says of an instrument, in wire units."""
    found = _ask(settings, f"matcher.{shard_of(number, settings.matchers)}", "instrument", {"instrument": number})
    units = settings.instruments[number]
    for name in PRICES:
        found[name] *= units.tick_size
    found["minimum_allocation"] *= units.lot_size
    return {"symbol": units.symbol, **found}


def _ask(settings: Settings, process: str, command: str, arguments: dict[str, Any]) -> dict[str, Any]:
    try:
        found: dict[str, Any] = control.ask(settings, process, command, ANSWER_WITHIN_S, arguments)
    except (control.NoAnswer, control.RequestRefused) as error:
        raise Failure(str(error)) from error
    return found


def _print(settings: Settings, symbol: str, as_json: bool, found: dict[str, Any]) -> None:
    if as_json:
        print_json(found)
        return
    units = settings.instruments[instrument_number(settings, symbol)]
    click.echo(f"{symbol} is {found['state']}")
    for name, value in _words(found, units).items():
        click.echo(f"  {name:20} {value}")


def _words(found: dict[str, Any], units: Instrument) -> dict[str, Any]:
    """The rules as people read them; those that are off are left out."""
    words: dict[str, Any] = {name: Decimal(found[name]).scaleb(-units.price_decimals) for name in PRICES if found[name]}
    words["policy"] = found["policy"]
    if found["minimum_allocation"]:
        words["minimum_allocation"] = Decimal(found["minimum_allocation"]).scaleb(-units.quantity_decimals)
    if found["top_order_priority"]:
        words["top_order_priority"] = "yes"
    return words
