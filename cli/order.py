"""``pinion order``: place, change, cancel and list orders from the shell, as a client of the gateway."""

import hashlib
import tomllib
from collections.abc import Callable
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

from cli.found import find_settings, settings_options
from cli.order_terms import IDENTITY, given, number, stop_options, term_options
from cli.output import Failure, json_option, print_json

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pinion.client import Client
    from pinion.report import OrderStatus, Report
    from pinion.terms import StopTerms
    from runtime.settings import Settings

Command = TypeVar("Command", bound=Callable[..., Any])
ANSWER_WITHIN_S: Final = 30.0


def client_options(command: Command) -> Command:
    """Who asks, and where."""
    options = (
        click.option("--account", "-a", envvar="PINION_ACCOUNT", help="Account; default: the first of the settings."),
        click.option("--api-key", envvar="PINION_API_KEY", help="Its key; default: the settings file's."),
        click.option("--endpoint", envvar="PINION_ENDPOINT", help="Gateway; default: the first of the settings."),
        settings_options,
        json_option,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def order() -> None:
    """Place, change, cancel and list orders.

    Each ends with 0 when the exchange did it, and with 1 when it refused.

    \b
    Example:
      pinion order place ACME buy 100 --price 100.50
    """


@order.command(context_settings={"ignore_unknown_options": True})
@click.argument("symbol")
@click.argument("side", type=click.Choice(["buy", "sell"], case_sensitive=False))
@click.argument("quantity", type=number)
@click.option("--price", type=number, help="Limit price; without it a market order, unless other options say otherwise.")
@click.option("--id", "client_order_id", type=IDENTITY, help="Client order id; default: a fresh one.")
@term_options
@client_options
def place(
    symbol: str,
    side: str,
    quantity: Decimal,
    price: Decimal | None,
    client_order_id: int | None,
    time_in_force: str | None,
    ioc: bool,
    **options: Any,
) -> None:
    """Place an order and print what became of it.

    What kind of order it is follows from the options: with a stop price a stop order, with a stop price and a price a
    stop-limit order, with a distance a trailing one. Other kinds are named by --type. docs/matching.md says what goes together.

    \b
    Example:
      pinion order place ACME buy 100 --price 100.50
      pinion order place ACME sell 100 --price 100.50 --ioc --account bob
      pinion order place ACME sell 5000 --price 101 --display-quantity 100
      pinion order place ACME sell 100 --stop-price 95 --id 7
      pinion order place ACME sell 100 --price 105 --linked-to 7
      pinion order place ACME buy 100 --price 99 --post-only --slide --expires 2030-01-31T17:30
      pinion order place ACME sell 100 --distance-basis-points 50 --step 0.05
      pinion order place ACME buy 100 --type pegged_bid --offset -0.01 --price 100
    """
    if ioc and time_in_force not in (None, "ioc"):
        raise click.UsageError("--ioc is --time-in-force ioc: give one of the two")
    terms = given(options)
    with _client(**options) as client:
        wanted = "ioc" if ioc else time_in_force
        identity = client.submit(symbol, side, quantity, price, time_in_force=wanted, client_order_id=client_order_id, **terms)
        _print_reports(_answer(client, identity), options["as_json"])


@order.command()
@click.argument("client_order_id", type=click.IntRange(0, 2**64 - 1), required=False)
@click.option("--all", "everything", is_flag=True, help="Cancel every order of the account (of --symbol, if given).")
@click.option("--symbol", help="With --all: only in this instrument.")
@click.option("--side", type=click.Choice(["buy", "sell"], case_sensitive=False), help="With --all: only of this side.")
@click.option("--from-price", type=number, help="With --all and --symbol: only from this price on.")
@click.option("--to-price", type=number, help="With --all and --symbol: only up to this price.")
@client_options
def cancel(
    client_order_id: int | None,
    everything: bool,
    symbol: str | None,
    side: str | None,
    from_price: Decimal | None,
    to_price: Decimal | None,
    **who: Any,
) -> None:
    """Cancel one order, or all, or all that fit.

    \b
    Example:
      pinion order cancel 1732100000000000000
      pinion order cancel --all --symbol ACME
      pinion order cancel --all --symbol ACME --side sell --from-price 101
    """
    if everything == (client_order_id is not None):
        raise click.UsageError("give either a client order id or --all")
    if client_order_id is not None and any(each is not None for each in (symbol, side, from_price, to_price)):
        raise click.UsageError("--symbol, --side and prices narrow down --all: a client order id names one order")
    with _client(**who) as client:
        if client_order_id is not None:
            request = client.cancel(client_order_id)
        else:
            request = client.mass_cancel(symbol, side=side, lowest_price=from_price, highest_price=to_price)
        _print_reports(_answer(client, request), who["as_json"])


@order.command(context_settings={"ignore_unknown_options": True})
@click.argument("client_order_id", type=IDENTITY)
@click.argument("quantity", type=number)
@click.argument("price", type=number, required=False)
@stop_options
@client_options
def replace(client_order_id: int, quantity: Decimal, price: Decimal | None, **options: Any) -> None:
    """Give an order a new total quantity (what is executed counts) and a new price.

    Its place in the queue is kept when only the quantity goes down. A stop, trailing or pegged order gets a new stop price,
    distance or offset too, and no price if it has none.

    \b
    Example:
      pinion order replace 1732100000000000000 50 100.50
      pinion order replace 7 100 --stop-price 96
    """
    terms = given(options)
    with _client(**options) as client:
        symbol = _symbol_of(client, client_order_id)
        request = client.replace(symbol, client_order_id, quantity, price, **cast("StopTerms", terms))
        _print_reports(_answer(client, request), options["as_json"])


@order.command()
@click.argument("client_order_id", type=IDENTITY)
@click.argument("quantity", type=number)
@client_options
def reduce(client_order_id: int, quantity: Decimal, **who: Any) -> None:
    """Take a quantity off an order, which keeps its place in the queue.

    \b
    Example:
      pinion order reduce 1732100000000000000 20
    """
    with _client(**who) as client:
        symbol = _symbol_of(client, client_order_id)
        _print_reports(_answer(client, client.reduce(symbol, client_order_id, quantity)), who["as_json"])


@order.command("list")
@client_options
def list_command(**who: Any) -> None:
    """List the account's working orders.

    \b
    Example:
      pinion order list --account bob --json
    """
    with _client(**who) as client:
        orders = client.orders()
    if who["as_json"]:
        print_json([as_dict(each) for each in orders])
    else:
        _print_orders(orders)


@contextmanager
def _client(
    account: str | None, api_key: str | None, endpoint: str | None, config: Path | None, data: Path | None, as_json: bool
) -> "Iterator[Client]":
    """A client that is logged on; what it is refused ends the command with a sentence."""
    from pinion.client import Client
    from pinion.errors import PinionError

    del as_json
    settings = find_settings(config, data)
    account = account or _first_account(settings)
    key = api_key or find_key(settings, account)
    try:
        with Client(endpoint or settings.endpoints(0)[0], account=account, api_key=key) as client:
            yield client
    except (PinionError, ValueError) as error:
        raise Failure(str(error)) from error


def _symbol_of(client: "Client", client_order_id: int) -> str:
    """The instrument of a working order of the account. Raises Failure when there is no such order."""
    for each in client.orders():
        if each.client_order_id == client_order_id:
            return each.symbol
    raise Failure(f"the account has no working order {client_order_id}")


def _first_account(settings: "Settings") -> str:
    if not settings.accounts:
        raise click.UsageError("the settings have no accounts: give --account and --api-key")
    return settings.accounts[0].name


def find_key(settings: "Settings", name: str, rows: str = "accounts") -> str:
    """The key of an account, or drop copy, where the settings file holds it in clear; the settings keep only its hash.

    Raises:
        UsageError: it does not.
    """
    table = tomllib.loads(settings.path.read_text()) if settings.path else {}
    for row in table.get(rows, []):
        if row.get("name") == name and "api_key" in row:
            assert hashlib.sha256(row["api_key"].encode()).hexdigest()
            return str(row["api_key"])
    whose = {"accounts": "account", "drop_copies": "drop copy"}[rows]
    raise click.UsageError(f"the settings hold no API key of {whose} {name!r}: give --api-key or PINION_API_KEY")


def _answer(client: "Client", request: int) -> "list[Report]":
    """All reports of one request, up to its last."""
    found = []
    for report in client.reports(timeout=ANSWER_WITHIN_S):
        if report.request_id == request and report.session == client.session:
            found.append(report)
            if report.last:
                return found
    raise Failure(f"no answer within {ANSWER_WITHIN_S:g} s: the request may or may not have been done")


def _print_reports(reports: "list[Report]", as_json: bool) -> None:
    """What became of a request. Raises Failure when it was refused. DONE, which only ends an answer, is not worth a line."""
    from pinion.protocol import ReportKind
    from pinion.reasons import name_of

    reports = [each for each in reports if each.kind is not ReportKind.DONE]
    for report in reports if not as_json else ():
        click.echo(str(report))
    if as_json:
        print_json([as_dict(each) for each in reports])
    if reports and reports[-1].kind is ReportKind.REJECTED:
        raise Failure(f"refused: {name_of(reports[-1].reason)}")


def _print_orders(orders: "list[OrderStatus]") -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table("order", "symbol", "side", "type", "price", "quantity", "leaves")
    for each in orders:
        numbers = (str(each.price), str(each.quantity), str(each.leaves))
        table.add_row(str(each.client_order_id), each.symbol, each.side.name.lower(), each.type.name.lower(), *numbers)
    Console().print(table)


def as_dict(found: "Report | OrderStatus") -> dict[str, Any]:
    """For JSON: enums as lower-case words, prices and quantities as the exact decimal text."""
    from dataclasses import asdict
    from enum import Enum

    plain: dict[str, Any] = {}
    for name, value in asdict(found).items():
        plain[name] = value.name.lower() if isinstance(value, Enum) else str(value) if isinstance(value, Decimal) else value
    return plain
