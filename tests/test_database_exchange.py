"""A whole exchange over several databases: what riskd holds, the clients were told and the databases say is the same."""

import sqlalchemy as sa

import exchange
from cli import trading
from cli.analytics import Question, report
from cli.cluster import temporary_cluster
from persister.tables import BALANCES, EXECUTIONS, POSITIONS
from pinion.protocol import ReportKind
from runtime import control
from waiting import wait_until

ORDERS = 4000
FEES = {"fee_basis": "basis_points", "maker_fee": -1_000, "taker_fee": 25_000}


def rows(urls, query):
    """Of all databases."""
    found = []
    for url in urls:
        engine = sa.create_engine(url)
        with engine.connect() as connection:
            found += [tuple(row) for row in connection.execute(query)]
        engine.dispose()
    return found


def test_riskd_the_clients_and_three_databases_tell_the_same(seed):
    """Position by position, profit included; fees, balances and executions add up to one another."""
    document, keys = trading.settings()
    document["instruments"] = [each | FEES for each in document["instruments"]]
    urls = [f"sqlite:///{{data}}/{name}.sqlite" for name in "abc"]
    exchange.warm(matchers=2)
    with temporary_cluster(**document, databases=urls, matchers=2, durability="memory") as cluster:
        told = trading.trade(cluster, keys, ORDERS, seed, lambda done: None)
        settings = cluster.settings
        held = control.ask(settings, "riskd", "positions", 30)
        names = ("account", "instrument", "net_quantity", "average_cost", "realised_profit", "fees")
        positions = rows(settings.database_urls, sa.select(*(POSITIONS.c[name] for name in names)))
        executions = rows(settings.database_urls, sa.select(EXECUTIONS.c.fee, EXECUTIONS.c.notional, EXECUTIONS.c.side))
        balances = rows(settings.database_urls, sa.select(BALANCES.c.received, BALANCES.c.paid, BALANCES.c.fees))
        reported = report(settings.database_urls, Question(("account",)))
        lots = {number: each.lot_size for number, each in enumerate(settings.instruments)}
    assert told["agree"], told["differences"]
    wanted = {
        (
            *(each["account"], each["instrument"], each["net"] * lots[each["instrument"]]),
            *(each["cost"] if each["net"] > 0 else -each["cost"], each["realised"]),
        )
        for each in held
        if each["turnover"]
    }
    assert {row[:5] for row in positions} == wanted and len(positions) == len(wanted) > 10
    assert sum(row[5] for row in positions) == sum(row[0] for row in executions) == sum(row[2] for row in balances) > 0
    assert sum(row[0] for row in balances) == sum(row[1] for row in balances) == sum(row[1] for row in executions) // 2
    assert [(row["account"], row["realised_profit"], row["unrealised_profit"]) for row in reported] == [
        (each["account"], each["realised"], each["unrealised"]) for each in told["accounts"]
    ]


def test_trading_goes_on_without_the_database():
    """Nobody answers at its address: orders are matched, journaled and told; status names the trouble and the backlog."""
    url = "postgresql+psycopg2://pinion@/none?host=/nowhere"
    with exchange.running(database={"url": url, "retry_s": 0.05}, durability="disk") as cluster:
        with exchange.connect(cluster) as alice, exchange.connect(cluster, "bob") as bob:
            assert exchange.answer(alice, alice.submit("ACME", "sell", 30, "100.05"))[-1].kind is ReportKind.ACCEPTED
            assert exchange.answer(bob, bob.submit("ACME", "buy", 20, "100.05"))[-1].kind is ReportKind.TRADE
        ask = lambda: control.ask(cluster.settings, "persister", "status", 10)["database"]  # noqa: E731
        database = wait_until(lambda: (found := ask())["state"] == "trouble" and found, 30, "trouble")
        assert "/nowhere" in database["text"] and database["backlog"] >= 3
