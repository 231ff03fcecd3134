"""What an operator does to risk on a whole exchange: limits and kill switches, and the trail that they leave."""

import pytest
from click.testing import CliRunner

from cli.account import account
from cli.risk import risk
from exchange import answer, connect, pinion, running
from pinion.protocol import ReportKind
from pinion.reasons import Reason
from waiting import wait_until

pytestmark = pytest.mark.slow
ACCEPTED, REJECTED, CANCELLED = ReportKind.ACCEPTED, ReportKind.REJECTED, ReportKind.CANCELLED


@pytest.fixture
def exchange():
    """Of two matchers."""
    with running(matchers=2) as cluster:
        yield cluster


def outcome(client, *order):
    """Kind and reason of the first report of a new order."""
    first = answer(client, client.submit(*order))[0]
    return first.kind, first.reason


def test_limits_and_kills_are_in_force_at_once_survive_a_kill_of_riskd_and_are_logged(exchange):
    """Orders in both shards are cancelled, and their owner hears of it; the log has who and from what to what."""
    with connect(exchange) as alice:
        found = pinion(exchange, risk, "set", "account", "alice", "maximum_quantity", "50", "--by", "joe")
        assert (found["value"], found["settings"]) == (50, 1_000_000)
        assert outcome(alice, "ACME", "sell", 51, "100.00") == (REJECTED, Reason.QUANTITY_ABOVE_MAXIMUM)
        assert outcome(alice, "ACME", "sell", 50, "100.00") == (ACCEPTED, Reason.NONE)
        assert outcome(alice, "GEAR", "sell", 50, "100.00") == (ACCEPTED, Reason.NONE)
        pinion(exchange, risk, "kill", "account", "alice", "--by", "joe")
        gone = [report for report in alice.reports(timeout=10) if report.kind == CANCELLED][:2]
        assert {report.reason for report in gone} == {Reason.CANCELLED_BY_MASS_CANCEL}
        assert outcome(alice, "ACME", "sell", 10, "100.00") == (REJECTED, Reason.ACCOUNT_KILLED)
        exchange.kill("riskd")
        exchange.restart("riskd")
        exchange.wait_ready()
        assert pinion(exchange, account, "show", "alice")[0]["kill"] == "refusing"
        assert outcome(alice, "ACME", "sell", 10, "100.00") == (REJECTED, Reason.ACCOUNT_KILLED)
        pinion(exchange, account, "resume", "alice", "--by", "ann")
        assert outcome(alice, "ACME", "sell", 10, "100.00") == (ACCEPTED, Reason.NONE)
    wait_until(lambda: len(pinion(exchange, risk, "log")) == 3, 30)
    rows = [(row["who"], row["name"], row["control"], row["before"], row["after"]) for row in pinion(exchange, risk, "log")]
    assert rows == [
        ("joe", "alice", "maximum_quantity", 1_000_000, 50),
        ("joe", "alice", "kill", 0, 1),
        ("ann", "alice", "kill", 1, 0),
    ]


def test_a_latch_a_permit_and_a_collar_on_a_whole_exchange(exchange):
    """Set by the command line, told to the client, released by name, and all of it in the log, in words."""
    with connect(exchange) as alice:
        pinion(exchange, risk, "set", "account", "alice", "maximum_repeats", "2", "--by", "joe")
        pinion(exchange, risk, "set", "account", "alice", "repeat_window_ms", "86400000", "--by", "joe")
        same = ("ACME", "buy", 10, "99.00")
        assert [outcome(alice, *same) for _ in range(3)] == [(ACCEPTED, Reason.NONE)] * 2 + [(REJECTED, Reason.ORDER_REPEATED)]
        assert outcome(alice, "GEAR", "buy", 10, "98.00") == (REJECTED, Reason.ACCOUNT_LATCHED)
        assert pinion(exchange, risk, "release", "account", "alice", "--by", "ann")["value"] == 0
        assert outcome(alice, *same) == (ACCEPTED, Reason.NONE)
        refused = pinion(exchange, risk, "set", "account", "alice", "instrument", "GEAR=refused", "--by", "ann")
        assert refused["symbol"] == "GEAR"
        assert outcome(alice, "GEAR", "buy", 10, "98.00") == (REJECTED, Reason.INSTRUMENT_NOT_ALLOWED)
        pinion(exchange, risk, "set", "instrument", "ACME", "collar_reference", "given", "--by", "ann")
        assert outcome(alice, "ACME", "buy", 10, "97.00") == (REJECTED, Reason.REFERENCE_PRICE_MISSING)
    shown = CliRunner().invoke(risk, ["show", "account", "alice", "--config", str(exchange.settings.path)])
    assert "GEAR=refused  (set live)" in shown.output
    words = ["log", "--config", str(exchange.settings.path)]
    wait_until(lambda: CliRunner().invoke(risk, words).stdout.count("\n") == 5, 60)
    rows = [(row["who"], row["name"], row["control"]) for row in pinion(exchange, risk, "log")]
    names = ["maximum_repeats", "repeat_window_ms", "latch", "instrument", "collar_reference"]
    assert [control for _, _, control in rows] == names
    told = CliRunner().invoke(risk, words)
    assert "latch latched -> released" in told.output
    assert "instrument GEAR=unset -> GEAR=refused" in told.output
