"""What an operator does to risk on a whole exchange: limits and kill switches, and the trail that they leave."""

import json

import pytest
from click.testing import CliRunner

from cli.account import account
from cli.risk import risk
from exchange import answer, connect, running
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


def pinion(exchange, command, *words):
    """The JSON that it answers."""
    done = CliRunner().invoke(command, [*words, "--config", str(exchange.settings.path), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)


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
