"""The options of ``pinion order place`` and ``replace`` for all that an order may say, and what the client calls them."""

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, Final, TypeVar, cast

import click

if TYPE_CHECKING:
    from pinion.terms import OrderTerms

Command = TypeVar("Command", bound=Callable[..., Any])

TYPES: Final = ("limit", "market", "market_to_limit", "stop", "stop_limit", "trailing_stop", "trailing_stop_limit",
                "pegged_bid", "pegged_ask", "pegged_middle")  # fmt: skip
TIMES: Final = ("gtc", "ioc", "day", "gtd", "fok", "at_open", "at_close")
RULES: Final = ("cancel_newest", "cancel_oldest", "cancel_both", "decrement")
FLAGS: Final = ("post_only", "slide", "hidden", "all_or_none", "reduce_only")
NAMES: Final = ("stop_price", "distance", "distance_basis_points", "offset", "expiry_ns", "step", "display_quantity",
                "minimum_quantity", *FLAGS, "linked_to", "self_trade_rule", "self_trade_group")  # fmt: skip
IDENTITY: Final = click.IntRange(1, 2**64 - 1)


def number(text: str) -> Decimal:
    """A number kept exactly as it was written: no float comes near money. Raises BadParameter."""
    try:
        found = Decimal(text)
    except InvalidOperation:
        raise click.BadParameter(f"{text!r} is not a number") from None
    if not found.is_finite():
        raise click.BadParameter(f"{text!r} is not a finite number")
    return found


def moment(text: str) -> int:
    """A time as ISO 8601 has it (UTC unless it says otherwise), in nanoseconds since 1970. Raises BadParameter."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise click.BadParameter(f"{text!r} is not a time such as 2030-01-31T17:30 or 2030-01-31T17:30:00+01:00") from None
    since = (found if found.tzinfo else found.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return ((since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds) * 1_000


_STOPS: Final = (
    click.option("--stop-price", type=number, help="A trade at or beyond it triggers the order."),
    click.option("--distance", type=number, help="Trailing: how far the stop price stays behind the market."),
    click.option("--distance-basis-points", type=click.IntRange(1), help="The same, in hundredths of a percent."),
    click.option("--offset", type=number, help="Pegged: distance from what it follows; may be negative."),
)
_OTHERS: Final = (
    click.option("--type", "type_", type=click.Choice(TYPES), help="Default: what the other options make of it."),
    click.option("--time-in-force", "-t", type=click.Choice(TIMES), help="Default: gtc; of a market order ioc."),
    click.option("--ioc", is_flag=True, help="The same as --time-in-force ioc."),
    click.option("--expires", "expiry_ns", type=moment, help="A time: good till then."),
    click.option("--step", type=number, help="Trailing: the least move of the stop price."),
    click.option("--display-quantity", type=number, help="Iceberg: what others see of it."),
    click.option("--minimum-quantity", type=number, help="Nothing, if not so much trades at once."),
    click.option("--post-only", is_flag=True, help="Refuse it if it would trade at once."),
    click.option("--slide", is_flag=True, help="With --post-only: go one tick off instead."),
    click.option("--hidden", is_flag=True, help="Nobody sees it."),
    click.option("--all-or-none", is_flag=True, help="It trades whole or not at all, now or later."),
    click.option("--reduce-only", is_flag=True, help="It only brings the position nearer to 0."),
    click.option("--linked-to", type=IDENTITY, help="One cancels other: the other's client order id."),
    click.option("--self-trade-rule", type=click.Choice(RULES), help="Default: the account's."),
    click.option("--self-trade-group", type=click.IntRange(1, 2**31 - 1), help="Default: the account's."),
)


def stop_options(command: Command) -> Command:
    """Where a stop, trailing or pegged order waits."""
    for option in reversed(_STOPS):
        command = option(command)
    return command


def term_options(command: Command) -> Command:
    """All that an order may say."""
    for option in reversed(_OTHERS):
        command = option(command)
    return stop_options(command)


def given(options: dict[str, Any]) -> "OrderTerms":
    """The options that were given, by the names that the client has for them; takes them out of ``options``."""
    found = {name: options.pop(name, None) for name in NAMES}
    found["type"] = options.pop("type_", None)
    return cast("OrderTerms", {name: value for name, value in found.items() if value is not None and value is not False})
