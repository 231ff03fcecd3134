"""``pinion order`` without an exchange: what each option becomes on the wire, and what is refused before anything is sent."""

from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

import pytest
from click.testing import CliRunner, Result

import cli.order
from cli import order_terms
from pinion.codec import blank
from pinion.protocol import Kind, OrderType, ReportKind, SelfTradeRule, TimeInForce
from pinion.report import OrderStatus, report_of
from pinion.terms import OrderTerms


class Recorder:
    """Stands in for a client: keeps what it is asked for, and answers at once."""

    session = 9

    def __init__(self) -> None:
        self.asked: tuple[Any, ...] = ()
        self.answers = [ReportKind.ACCEPTED]

    def __getattr__(self, name: str) -> Any:
        def ask(*words: Any, **options: Any) -> int:
            self.asked = (name, *words, options)
            return 5

        return ask

    def orders(self) -> list[OrderStatus]:
        """One, of client order id 7."""
        number = Decimal(1)
        return [OrderStatus("ACME", 7, 1, 0, number, number, number, number, OrderType.LIMIT, TimeInForce.GTC, 0, 0)]  # type: ignore[arg-type]

    def reports(self, timeout: float) -> Iterator[Any]:
        """The answers to request 5."""
        for kind in self.answers:
            record = blank(Kind.EXECUTION_REPORT)[0]
            record["request_id"], record["session"], record["report"] = 5, self.session, kind
            record["last"] = kind == self.answers[-1]
            yield report_of(record, {})


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    """In place of a real one."""
    made = Recorder()

    @contextmanager
    def connected(**_: Any) -> Iterator[Recorder]:
        yield made

    monkeypatch.setattr(cli.order, "_client", connected)
    return made


def run(*words: str) -> Result:
    return CliRunner().invoke(cli.order.order, [*words])


PLACED = [
    (("--price", "99.5"), "99.5", None, {}),
    (("--price", "99.5", "--ioc"), "99.5", "ioc", {}),
    (("--price", "99.5", "-t", "fok"), "99.5", "fok", {}),
    (("--stop-price", "95"), None, None, {"stop_price": Decimal(95)}),
    (("--distance", "0.5", "--step", "0.05"), None, None, {"distance": Decimal("0.5"), "step": Decimal("0.05")}),
    (("--distance-basis-points", "50"), None, None, {"distance_basis_points": 50}),
    (("--type", "pegged_bid", "--offset", "-0.01"), None, None, {"type": "pegged_bid", "offset": Decimal("-0.01")}),
    (("--display-quantity", "10", "--hidden"), None, None, {"display_quantity": Decimal(10), "hidden": True}),
    (("--minimum-quantity", "5", "--all-or-none"), None, None, {"minimum_quantity": Decimal(5), "all_or_none": True}),
    (("--post-only", "--slide", "--reduce-only"), None, None, {"post_only": True, "slide": True, "reduce_only": True}),
    (("--linked-to", str(2**64 - 1)), None, None, {"linked_to": 2**64 - 1}),
    (("--self-trade-rule", "decrement", "--self-trade-group", "3"), None, None,
     {"self_trade_rule": "decrement", "self_trade_group": 3}),
    (("--expires", "1970-01-02T01:00:00.000001+01:00"), None, None, {"expiry_ns": 86_400_000_001_000}),
    (("--expires", "1970-01-02T00:00"), None, None, {"expiry_ns": 86_400_000_000_000}),
]  # fmt: skip


@pytest.mark.parametrize(("options", "price", "time_in_force", "terms"), PLACED, ids=lambda value: str(value)[:40])
def test_every_option_is_a_term(client: Recorder, options: Any, price: Any, time_in_force: Any, terms: dict[str, Any]) -> None:
    """By the name that the client has for it; what is not given is not said."""
    done = run("place", "ACME", "buy", "100", *options)
    assert done.exit_code == 0, done.output
    wanted_price = None if price is None else Decimal(price)
    wanted = {"time_in_force": time_in_force, "client_order_id": None, **terms}
    assert client.asked == ("submit", "ACME", "buy", Decimal(100), wanted_price, wanted)


def test_options_and_terms_have_the_same_words() -> None:
    """A term that the client learns must be an option too."""
    assert {*order_terms.NAMES, "type"} == OrderTerms.__annotations__.keys()
    assert tuple(type_.name.lower() for type_ in OrderType) == order_terms.TYPES
    assert tuple(time.name.lower() for time in TimeInForce) == order_terms.TIMES
    assert tuple(rule.name.lower() for rule in SelfTradeRule if rule) == order_terms.RULES


CHANGED = [
    (("replace", "7", "50", "100.5"), ("replace", "ACME", 7, Decimal(50), Decimal("100.5"), {})),
    (("replace", "7", "50", "--stop-price", "96"), ("replace", "ACME", 7, Decimal(50), None, {"stop_price": Decimal(96)})),
    (("reduce", "7", "20"), ("reduce", "ACME", 7, Decimal(20), {})),
    (("cancel", "7"), ("cancel", 7, {})),
    (("cancel", "--all"), ("mass_cancel", None, {"side": None, "lowest_price": None, "highest_price": None})),
    (
        ("cancel", "--all", "--symbol", "ACME", "--side", "sell", "--from-price", "1", "--to-price", "2"),
        ("mass_cancel", "ACME", {"side": "sell", "lowest_price": Decimal(1), "highest_price": Decimal(2)}),
    ),
]


@pytest.mark.parametrize(("words", "asked"), CHANGED, ids=lambda value: str(value)[:40])
def test_changes_and_cancels(client: Recorder, words: tuple[str, ...], asked: tuple[Any, ...]) -> None:
    """The instrument of an order that is changed is looked up: the client needs its tick and lot."""
    done = run(*words)
    assert done.exit_code == 0, done.output
    assert client.asked == asked


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("place", "ACME", "buy", "1", "--ioc", "-t", "day"), "give one of the two"),
        (("place", "ACME", "buy", "1", "--expires", "soon"), "is not a time such as"),
        (("place", "ACME", "buy", "1", "--stop-price", "cheap"), "'cheap' is not a number"),
        (("cancel", "7", "--all"), "give either a client order id or --all"),
        (("cancel", "7", "--side", "buy"), "narrow down --all"),
        (("cancel",), "give either a client order id or --all"),
    ],
)
def test_what_makes_no_sense_is_a_usage_error(client: Recorder, words: tuple[str, ...], said: str) -> None:
    """Nothing is sent."""
    done = run(*words)
    assert done.exit_code == 2, done.output
    assert said in done.output
    assert client.asked == ()


def test_an_order_that_is_not_there_cannot_be_reduced(client: Recorder) -> None:
    """Nor replaced: a sentence, and 1."""
    for words in (("reduce", "8", "1"), ("replace", "8", "1", "1")):
        done = run(*words)
        assert (done.exit_code, "no working order 8" in done.output) == (1, True)


def test_the_end_of_an_answer_is_waited_for_and_not_shown(client: Recorder) -> None:
    """DONE comes where the last event was another account's."""
    client.answers = [ReportKind.ACCEPTED, ReportKind.TRADE, ReportKind.DONE]
    done = run("place", "ACME", "buy", "1", "--price", "1")
    assert done.exit_code == 0, done.output
    assert [line.split()[0] for line in done.output.splitlines()] == ["ACCEPTED", "TRADE"]
