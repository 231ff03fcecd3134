"""``pinion demo``: an exchange from nothing to nothing, with a day's trading in between."""

from contextlib import ExitStack
from decimal import Decimal
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from cli.cluster import temporary_cluster
from cli.found import defaults
from cli.output import Failure, console, json_option, print_json, progress
from cli.trading import INSTRUMENTS, settings, trade
from cli.warm import warm_kernels
from runtime.sections import Instrument


@click.command()
@click.option("--orders", type=click.IntRange(1, 50_000_000), default=200_000, show_default=True, help="Requests to send.")
@click.option("--seed", type=int, default=1, show_default=True, help="The same seed sends the same orders.")
@json_option
def demo(orders: int, seed: int, as_json: bool) -> None:
    """Start an exchange, trade on it, check its books, leave nothing behind.

    Five accounts trade four instruments through the gateway of an exchange on a temporary folder, with SQLite. Afterwards what
    the clients were told, the journal and the database are compared order by order; ends with 1 when they differ.

    \b
    Example:
      pinion demo
      pinion demo --orders 20000 --seed 7 --json
    """
    words = console()
    document, keys = settings()
    warm_kernels(defaults(), words)
    with ExitStack() as stack:
        with words.status("starting four processes"):
            cluster = stack.enter_context(temporary_cluster(**document))
        with progress(words) as bar:
            task = bar.add_task("orders", total=orders)
            found = trade(cluster, keys, orders, seed, lambda done: bar.advance(task, done))
    _show(found, cluster.settings.instruments, as_json, words)
    if not found["agree"]:
        raise Failure(f"client, journal and database differ: {found['differences'][0]}")


def _show(found: dict[str, Any], instruments: tuple[Instrument, ...], as_json: bool, words: Console) -> None:
    if as_json:
        print_json(found)
        return
    words.print(f"{found['orders']:,} orders, {found['orders_per_s']:,} a second; {found['trades']:,} trades")
    for reason, count in found["refused"].items():
        words.print(f"  {count:,} refused: {reason}", style="dim")
    words.print(_latencies(found))
    words.print(_books(found, instruments))
    words.print(_accounts(found))
    same = "tell the same story of" if found["agree"] else "DIFFER about"
    orders, executions = found["orders_told"]["journal"], found["executions_told"]["journal"]
    words.print(f"client, journal and database {same} {orders:,} orders and {executions:,} executions")


def _latencies(found: dict[str, Any]) -> Table:
    table = Table(title="latency, µs", title_justify="left")
    table.add_column("")
    names = list(found["latency_us"]["under_load"])
    for name in names:
        table.add_column(name, justify="right")
    for kind, figures in found["latency_us"].items():
        table.add_row(kind.replace("_", " "), *(f"{figures[name]:,.0f}" for name in names if figures))
    return table


def _books(found: dict[str, Any], instruments: tuple[Instrument, ...]) -> Table:
    table = Table(title="top of the books", title_justify="left")
    for heading in ("symbol", "bid quantity", "bid", "ask", "ask quantity"):
        table.add_column(heading, justify="left" if heading == "symbol" else "right")
    for book, instrument in zip(found["books"], instruments, strict=True):
        bid, ask = (_level(book[side], instrument) for side in ("bids", "asks"))
        table.add_row(book["symbol"], bid[1], bid[0], ask[0], ask[1])
    return table


def _level(levels: list[list[int]], instrument: Instrument) -> tuple[str, str]:
    if not levels:
        return "", ""
    return str(Decimal(levels[0][0]).scaleb(-instrument.price_decimals)), f"{levels[0][1]:,}"


def _accounts(found: dict[str, Any]) -> Table:
    table = Table(title="positions; profit, USD", title_justify="left")
    symbols = [each["symbol"] for each in INSTRUMENTS]
    table.add_column("account")
    for heading in (*symbols, "realised", "unrealised"):
        table.add_column(heading, justify="right")
    for each in found["accounts"]:
        held = (f"{each['positions'].get(symbol, 0):,}" for symbol in symbols)
        table.add_row(each["account"], *held, *(f"{Decimal(each[name]).scaleb(-2):,}" for name in ("realised", "unrealised")))
    return table
