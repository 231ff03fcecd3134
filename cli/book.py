"""``pinion book SYMBOL``: an order book as its matcher has it."""

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

import click

from cli.found import find_settings, settings_options
from cli.output import Failure, json_option, print_json
from runtime import control
from runtime.sections import Instrument
from runtime.settings import Settings
from shm.records import shard_of

ANSWER_WITHIN_S: Final = 30.0
"""Long, for the kernel that reads a book may first have to be compiled."""


@click.command()
@click.argument("symbol")
@click.option("--depth", type=click.IntRange(1, 1000), default=10, show_default=True, help="Levels a side.")
@settings_options
@json_option
def book(symbol: str, depth: int, config: Path | None, data: Path | None, as_json: bool) -> None:
    """Print an instrument's order book.

    The matcher is asked itself, so this is the book as it stands, not as some reader has followed it. In JSON a level is
    [price, quantity, orders], price and quantity in the instrument's own smallest decimals, best first.

    \b
    Example:
      pinion book ACME --depth 5
      pinion book ACME --json | jq .bids[0]
    """
    settings = find_settings(config, data)
    found = ask_book(settings, symbol, depth)
    if as_json:
        print_json(found)
    else:
        print_table(found, settings.instruments[instrument_number(settings, symbol)])


def ask_book(settings: Settings, symbol: str, depth: int) -> dict[str, Any]:
    """The ``depth`` best levels: ``{"symbol", "bids": [[price, quantity, orders], …], "asks": …}`` in wire units.

    Raises:
        BadParameter: no such instrument. Failure: its matcher does not answer.
    """
    number = instrument_number(settings, symbol)
    shard = shard_of(number, settings.matchers)
    try:
        asked = {"instrument": number, "depth": depth}
        found = control.ask(settings, f"matcher.{shard}", "book", ANSWER_WITHIN_S, asked)
    except (control.NoAnswer, control.RequestRefused) as error:
        raise Failure(str(error)) from error
    return in_wire_units(found, settings.instruments[number])


def in_wire_units(found: Mapping[str, Any], instrument: Instrument) -> dict[str, Any]:
    """A matcher's answer, which counts ticks and lots, as clients count."""
    levels = {
        side: [[price * instrument.tick_size, lots * instrument.lot_size, orders] for price, lots, orders in found[side]]
        for side in ("bids", "asks")
    }
    return {"symbol": instrument.symbol, **levels}


def instrument_number(settings: Settings, symbol: str) -> int:
    """The instrument's number. Raises BadParameter, which names what there is."""
    symbols = [each.symbol for each in settings.instruments]
    if symbol not in symbols:
        known = ", ".join(symbols) or "none"
        raise click.BadParameter(f"no instrument {symbol!r}; there are: {known}", param_hint="SYMBOL")
    return symbols.index(symbol)


def print_table(found: Mapping[str, Any], instrument: Instrument) -> None:
    """A book in wire units as a table for people, on stdout."""
    from rich.console import Console
    from rich.table import Table

    table = Table(title=instrument.symbol, title_style="bold")
    for heading in ("orders", "bid quantity", "bid", "ask", "ask quantity", "orders"):
        table.add_column(heading, justify="right")
    bids, asks = found["bids"], found["asks"]
    for rank in range(max(len(bids), len(asks))):
        bid = _cells(bids[rank], instrument)[::-1] if rank < len(bids) else ("", "", "")
        ask = _cells(asks[rank], instrument) if rank < len(asks) else ("", "", "")
        table.add_row(*bid, *ask)
    Console().print(table)


def _cells(level: list[int], instrument: Instrument) -> tuple[str, str, str]:
    price, quantity, orders = level
    return (
        str(Decimal(price).scaleb(-instrument.price_decimals)),
        str(Decimal(quantity).scaleb(-instrument.quantity_decimals)),
        str(orders),
    )
