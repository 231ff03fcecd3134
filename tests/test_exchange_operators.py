"""What an operator does on whole exchanges: halts, auctions, rules; and orders that expire by themselves."""

import json
import time

import pytest
from click.testing import CliRunner

from cli.instrument import instrument
from exchange import answer, connect, running
from pinion.protocol import ReportKind
from pinion.reasons import Reason
from shm.journal import JournalReader, Stream, stream_folder
from shm.records import COMMAND, CommandKind
from waiting import wait_until

pytestmark = pytest.mark.slow
ACCEPTED, REJECTED, TRADE, CANCELLED = ReportKind.ACCEPTED, ReportKind.REJECTED, ReportKind.TRADE, ReportKind.CANCELLED
SYMBOLS = pytest.mark.parametrize("symbol", ["ACME", "GEAR"])
"""One in each shard."""


@pytest.fixture(scope="module")
def exchange():
    """One for all tests below, of two matchers."""
    with running(matchers=2) as cluster:
        yield cluster


@pytest.fixture
def alice(exchange):
    with connect(exchange) as client:
        yield client
        answer(client, client.mass_cancel())


@pytest.fixture
def bob(exchange):
    with connect(exchange, "bob") as client:
        yield client


def run(exchange, word, *words):
    """What the command line did."""
    return CliRunner().invoke(instrument, [word, *words, "--config", str(exchange.settings.path)])


def pinion(exchange, *words):
    """The JSON that it answers."""
    done = run(exchange, *words, "--json")
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


def told(reports):
    """Kind and reason of each report."""
    return [(report.kind, report.reason) for report in reports]


def clocks(exchange):
    """How many CLOCKs each shard's journal has."""
    folders = [stream_folder(exchange.settings.data, Stream.COMMANDS, shard) for shard in range(2)]
    kinds = [[kind for batch in JournalReader(folder, COMMAND).read() for kind in batch["kind"]] for folder in folders]
    return [each.count(CommandKind.CLOCK) for each in kinds]


@SYMBOLS
def test_a_halted_instrument_takes_no_order_until_it_is_resumed(exchange, alice, bob, symbol):
    """Orders at rest stay, and can be cancelled."""
    resting = []
    for price in ("100.00", "101.00"):
        resting.append(alice.submit(symbol, "sell", 10, price))
        assert told(answer(alice, resting[-1])) == [(ACCEPTED, Reason.NONE)]
    assert pinion(exchange, "halt", symbol)["state"] == "halted"
    assert told(answer(bob, bob.submit(symbol, "buy", 10, "100.00"))) == [(REJECTED, Reason.NOT_IN_THIS_STATE)]
    assert told(answer(alice, alice.cancel(resting[1]))) == [(CANCELLED, Reason.CANCELLED_BY_CLIENT)]
    assert pinion(exchange, "resume", symbol)["state"] == "continuous"
    assert [kind for kind, _ in told(answer(bob, bob.submit(symbol, "buy", 10, "100.00")))][:2] == [ACCEPTED, TRADE]


@SYMBOLS
def test_an_opening_auction_uncrosses(exchange, alice, bob, symbol):
    """Orders that cross collect, and trade at one price when the instrument opens."""
    pinion(exchange, "state", symbol, "opening_auction")
    for client, side, price in ((alice, "sell", "99.00"), (bob, "buy", "101.00"), (alice, "sell", "100.00")):
        assert told(answer(client, client.submit(symbol, side, 10, price)))[0] == (ACCEPTED, Reason.NONE)
    pinion(exchange, "state", symbol, "continuous")
    trade = next(bob.reports(timeout=10))
    assert (trade.kind, int(trade.quantity), int(trade.leaves), trade.auction) == (TRADE, 10, 0, True)
    assert len(alice.orders()) == 1


@pytest.fixture
def own_exchange():
    """One whose processes may be killed."""
    with running() as cluster:
        yield cluster


def test_rules_are_set_shown_and_survive_a_restart(own_exchange):
    """In the units that people write; off is what is not given; the policy cannot change while orders rest."""
    exchange = own_exchange
    words = ("--reference-price", "100", "--static-low", "90", "--static-high", "110.50", "--dynamic-collar", "2.5")
    rules = pinion(exchange, "rules", "GEAR", *words, "--minimum-allocation", "20")
    names = ("reference_price", "static_low", "static_high", "dynamic_collar", "minimum_allocation", "policy")
    assert [rules[name] for name in names] == [10000, 9000, 11050, 250, 20, "price_time"]
    with connect(exchange) as alice:
        assert told(answer(alice, alice.submit("GEAR", "buy", 10, "89.00"))) == [(REJECTED, Reason.PRICE_OUTSIDE_COLLAR)]
        answer(alice, alice.submit("GEAR", "buy", 10, "91.00"))
    refused = run(exchange, "rules", "GEAR", "--policy", "pro_rata")
    assert (refused.exit_code, "policy = price_time" in refused.output) == (1, True), refused.output
    for name in ("riskd", "matcher.0"):
        exchange.kill(name)
        exchange.restart(name)
    shown = pinion(exchange, "show", "GEAR")
    assert {name: shown[name] for name in names} == {name: rules[name] for name in names}
    assert "110.50" in run(exchange, "show", "GEAR").output
    assert pinion(exchange, "rules", "GEAR")["static_low"] == 0


def test_an_operator_is_told_what_is_wrong(exchange):
    """Status 1 and a sentence, or 2 for what is wrong at first sight."""
    off_tick = run(exchange, "rules", "ACME", "--static-low", "90.01")
    assert (off_tick.exit_code, "static_low = 9001: allowed is a multiple of 5" in off_tick.output) == (1, True)
    decimals = run(exchange, "rules", "ACME", "--static-low", "90.001")
    assert (decimals.exit_code, "more than 2 decimals" in decimals.output) == (2, True)
    for words in (("state", "ACME", "shut"), ("state", "NONE", "halted"), ("show", "NONE")):
        assert run(exchange, *words).exit_code == 2


def test_a_dated_order_expires(exchange, alice):
    """A second late at most, plus what a busy machine takes; a shard without such orders is told no time."""
    before = clocks(exchange)
    expiry_ns = time.time_ns() + 1_500_000_000
    number = alice.submit("ACME", "buy", 10, "50.00", expiry_ns=expiry_ns)
    assert told(answer(alice, number)) == [(ACCEPTED, Reason.NONE)]
    expired = next(alice.reports(timeout=20))
    assert (expired.kind, expired.reason, expired.client_order_id) == (CANCELLED, Reason.EXPIRED, number)
    assert expiry_ns <= expired.time_ns
    wait_until(lambda: clocks(exchange)[0] > before[0], what="the journal to have a CLOCK")
    assert clocks(exchange)[1] == before[1]
