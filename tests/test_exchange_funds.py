"""Cash accounts on a whole exchange: trading spends what was put in, a killed riskd knows it still, and the database agrees."""

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from cli.account import account
from cli.risk import risk
from exchange import INSTRUMENTS, KEYS, LIMITS, answer, connect, pinion, running
from persister.tables import BALANCES, EXECUTIONS, RISK_LOG
from pinion.protocol import ReportKind
from pinion.reasons import Reason
from runtime import control
from shm.controls import Control
from waiting import wait_until

pytestmark = pytest.mark.slow
REJECTED, TRADE = ReportKind.REJECTED, ReportKind.TRADE
FEES = {"maker_fee": 2_500, "taker_fee": 10_000}
"""A quarter of a percent, and one."""


@pytest.fixture
def exchange():
    """Of two matchers; alice has money, bob what she may buy."""
    accounts = [{"name": name, "api_key": key, **LIMITS, "funding": "cash"} for name, key in KEYS.items()]
    accounts[0]["funds"], accounts[1]["lots"] = {"USD": 1_000_000}, {"ACME": 100, "GEAR": 10}
    with running(matchers=2, accounts=accounts, instruments=[each | FEES for each in INSTRUMENTS]) as cluster:
        yield cluster


def outcome(client, *order):
    """Kind and reason of the last report of a new order."""
    last = answer(client, client.submit(*order))[-1]
    return last.kind, last.reason


def funds(exchange, name):
    """Total and held."""
    ((total, held),) = [(each["total"], each["held"]) for each in pinion(exchange, account, "show", name)[0]["funds"]]
    return total, held


def test_money_is_held_spent_kept_and_told_alike(exchange):
    """Two instruments in two shards draw on one purse."""
    with connect(exchange) as alice, connect(exchange, "bob") as bob:
        assert outcome(bob, "ACME", "sell", 101, "50.00") == (REJECTED, Reason.INSUFFICIENT_POSITION)
        assert outcome(bob, "ACME", "sell", 100, "50.00")[0] is ReportKind.ACCEPTED
        assert outcome(bob, "GEAR", "sell", 100, "20.00")[0] is ReportKind.ACCEPTED
        assert outcome(alice, "ACME", "buy", 200, "60.00") == (REJECTED, Reason.INSUFFICIENT_FUNDS)
        assert outcome(alice, "ACME", "buy", 120, "60.00")[0] is TRADE
        assert funds(exchange, "alice") == (1_000_000 - 505_000, 120_000 + 1_200 + 20)
        assert outcome(alice, "GEAR", "buy", 100, "21.00")[0] is TRADE
        exchange.kill("riskd")
        exchange.restart("riskd")
        exchange.wait_ready()
        assert funds(exchange, "alice") == (495_000 - 202_000, 121_220)
        assert funds(exchange, "bob") == (500_000 - 1_250 + 200_000 - 500, 0)
        found = pinion(exchange, account, "fund", "bob", "USD", "-98250", "--by", "joe")
        assert (found["before"], found["after"]) == (698_250, 600_000)
        pinion(exchange, account, "fund", "bob", "ACME", "5", "--lots", "--by", "joe")
        assert outcome(bob, "ACME", "sell", 5, "60.00")[0] is TRADE
    asked = ["account", "fund", "alice", "USD", "-1000000"]
    refused = CliRunner().invoke(account, [*asked[1:], "--config", str(exchange.settings.path)])
    assert refused.exit_code == 1 and "allowed is to take out what is free" in refused.output
    check_books(exchange)


def check_books(exchange):
    """Fees, totals and the trail are the same in riskd and the database; all of it is what was put in."""
    wait_until(lambda: len(pinion(exchange, risk, "log")) == 5, 30)
    log = [(row["who"], row["name"], row["control"], row["asset"], row["after"]) for row in pinion(exchange, risk, "log")]
    assert log[-2:] == [("joe", "bob", "funds", "USD", 600_000), ("joe", "bob", "lots", "ACME", 5 + 100)]
    engine = sa.create_engine(exchange.settings.database_urls[0])
    put_in = sa.select(RISK_LOG.c.number, RISK_LOG.c.value_after - RISK_LOG.c.value_before)
    moved = sa.select(BALANCES.c.account, BALANCES.c.received - BALANCES.c.paid - BALANCES.c.fees)
    fees = sa.select(sa.func.sum(EXECUTIONS.c.fee))

    def totals():
        """By account, once the database has the last trade."""
        with engine.connect() as connection:
            rows = [*connection.execute(put_in.where(RISK_LOG.c.control == Control.FUNDS)), *connection.execute(moved)]
            return {number: sum(each[1] for each in rows if each[0] == number) for number in (0, 1)}, connection.scalar(fees)

    held = {number: funds(exchange, name)[0] for number, name in enumerate(KEYS)}
    venue = control.ask(exchange.settings, "riskd", "status", 10)["venue"]["USD"]
    wait_until(lambda: totals() == (held, venue), 30)
    assert sum(held.values()) + venue == 1_000_000 - 98_250
    engine.dispose()
