"""Whole exchanges: an order from a socket to the disk, and what every command says of it. With one shard and with two."""

import json
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from click.testing import CliRunner

from cli.book import book
from cli.down import down
from cli.order import order
from cli.status import status
from exchange import KEYS, answer, connect, running
from pinion.errors import LogonRefused
from pinion.protocol import ReportKind
from pinion.reasons import Reason
from runtime.compiling import WORDS
from shm.journal import JournalReader, Stream, stream_folder
from shm.records import COMMAND, EVENT, EventKind
from waiting import wait_until


@pytest.fixture(scope="module", params=[1, 2], ids=["one matcher", "two matchers"])
def exchange(request):
    """One for all tests below: each leaves the books empty."""
    with running(matchers=request.param) as cluster:
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
        answer(client, client.mass_cancel())


def pinion(exchange, command, *arguments):
    return CliRunner().invoke(command, [*map(str, arguments), "--config", str(exchange.settings.path)])


def pinion_order(exchange, word, *arguments):
    return CliRunner().invoke(order, [word, "--config", str(exchange.settings.path), *map(str, arguments)])


def journal(exchange, stream, shard):
    dtype = COMMAND if stream is Stream.COMMANDS else EVENT
    parts = list(JournalReader(stream_folder(exchange.settings.data, stream, shard), dtype))
    return np.concatenate([np.zeros(0, dtype), *parts])


@pytest.mark.parametrize("symbol", ["ACME", "GEAR"])
def test_an_order_travels_from_the_socket_to_the_disk(exchange, alice, bob, symbol):
    """Told to both sides, in the journal, in the database."""
    resting = alice.submit(symbol, "sell", 30, "100.05")
    assert answer(alice, resting)[-1].kind is ReportKind.ACCEPTED
    taking = bob.submit(symbol, "buy", 20, "100.10")
    taken = answer(bob, taking)
    assert [report.kind for report in taken] == [ReportKind.ACCEPTED, ReportKind.TRADE]
    assert (str(taken[1].price), str(taken[1].quantity)) == ("100.05", "20")
    made = next(alice.reports(timeout=60))
    assert (made.client_order_id, str(made.leaves)) == (resting, "10")

    wanted = [(resting, 1, 10_005, 20), (taking, 2, 10_005, 20)]
    wait_until(lambda: executions(exchange, taking) == wanted, timeout_s=60, what="the execution to reach the database")
    shard = exchange.settings.matchers - 1 if symbol == "GEAR" else 0
    events = journal(exchange, Stream.EVENTS, shard)
    assert (events[events["kind"] == EventKind.TRADE]["client_order_id"] == taking).any()
    commands = journal(exchange, Stream.COMMANDS, shard)
    assert {resting, taking} <= set(commands["client_order_id"].tolist())


def executions(exchange, taking):
    path = exchange.settings.database.url.removeprefix("sqlite:///")
    columns = "side.client_order_id, side.liquidity, side.price, side.quantity"
    same = "using (shard, event_sequence) where taker.liquidity = 2"
    with closing(sqlite3.connect(path)) as database:
        try:
            query = f"select {columns} from executions side join executions taker {same} and taker.client_order_id = {taking}"
            return database.execute(f"{query} order by side.liquidity").fetchall()
        except sqlite3.OperationalError:
            return []  # the database's process has not made its tables yet


def test_the_command_line_places_changes_lists_and_cancels(exchange):
    placed = pinion_order(exchange, "place", "ACME", "buy", 100, "--price", "99.95", "--id", 41, "--json")
    assert placed.exit_code == 0, placed.output
    assert [each["kind"] for each in json.loads(placed.stdout)] == ["accepted"]
    found = pinion(exchange, book, "ACME", "--json")
    assert json.loads(found.stdout) == {"symbol": "ACME", "bids": [[9995, 100, 1]], "asks": []}
    changed = pinion_order(exchange, "replace", 41, 60, "99.90")
    assert changed.exit_code == 0, changed.output
    listed = json.loads(pinion_order(exchange, "list", "--json").stdout)
    assert [(each["client_order_id"], each["price"], each["leaves"]) for each in listed] == [(41, "99.90", "60")]
    assert pinion_order(exchange, "cancel", 41).exit_code == 0
    assert json.loads(pinion(exchange, book, "ACME", "--json").stdout)["bids"] == []


def test_an_account_sees_and_cancels_its_own_orders_alone(exchange, alice, bob):
    number = alice.submit("ACME", "buy", 1, "50.00")
    answer(alice, number)
    assert [each.client_order_id for each in alice.orders()] == [number]
    assert bob.orders() == []
    assert answer(bob, bob.cancel(number))[-1].reason == Reason.UNKNOWN_ORDER
    assert [each.client_order_id for each in alice.orders()] == [number]


REFUSED = [
    pytest.param(("ACME", "buy", 1, "0.00"), {}, Reason.PRICE_NOT_POSITIVE, id="no price"),
    pytest.param(("ACME", "buy", -5, "10.00"), {}, Reason.QUANTITY_NOT_POSITIVE, id="negative quantity"),
    pytest.param(("ACME", "buy", 1_000_001, "10.00"), {}, Reason.QUANTITY_ABOVE_MAXIMUM, id="quantity above the maximum"),
    pytest.param(("ACME", "buy", 900_000, "10000000.00"), {}, Reason.NOTIONAL_ABOVE_MAXIMUM, id="notional above the maximum"),
    pytest.param(("ACME", "buy", 900_000, "90000000000000000.00"), {}, Reason.NOTIONAL_OVERFLOW, id="notional overflows"),
]


@pytest.mark.parametrize(("words", "options", "reason"), REFUSED)
def test_an_order_that_may_not_reach_the_book_is_refused_with_its_reason(alice, words, options, reason):
    """It is numbered all the same, and in the journal."""
    report = answer(alice, alice.submit(*words, **options))[-1]
    assert (report.kind, report.reason) == (ReportKind.REJECTED, reason)
    assert report.command_sequence > 0


BAD_ON_THE_LINE = [
    pytest.param(("place", "NONE", "buy", 1, "--price", "10.00"), "no instrument 'NONE'", id="unknown instrument"),
    pytest.param(("place", "ACME", "buy", 1, "--price", "10.01"), "not a multiple of the tick", id="price off tick"),
    pytest.param(("place", "GEAR", "buy", 15, "--price", "10.00"), "not a multiple of the lot", id="quantity off lot"),
    pytest.param(("place", "ACME", "buy", -5, "--price", "10.00"), "quantity_not_positive", id="negative quantity"),
    pytest.param(("place", "ACME", "buy", 900_000, "--price", "90000000000000000"), "notional_overflow", id="overflow"),
    pytest.param(("cancel", 424_242), "unknown_order", id="unknown order"),
    pytest.param(("replace", 424_242, 1, 1), "no working order 424242", id="replace of nothing"),
    pytest.param(("list", "--api-key", "not-the-key-of-alice"), "bad_credentials", id="wrong key"),
    pytest.param(("list", "--account", "carol", "--api-key", "key-of-carol"), "bad_credentials", id="unknown account"),
]


@pytest.mark.parametrize(("words", "said"), BAD_ON_THE_LINE)
def test_what_the_exchange_refuses_ends_the_command_with_1_and_a_sentence(exchange, words, said):
    found = pinion_order(exchange, *words)
    assert found.exit_code == 1, found.output
    assert said in found.output


def test_a_wrong_key_is_refused_at_logon(exchange):
    from pinion.client import Client

    with pytest.raises(LogonRefused):
        Client(exchange.endpoint, account="alice", api_key=KEYS["bob"])


def test_status_shows_every_process_and_ring(exchange):
    found = pinion(exchange, status, "--json")
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert {each["process"] for each in told["processes"]} == set(exchange.names)
    assert all(each["pid"] == exchange.children[each["process"]].pid for each in told["processes"])
    assert {each["stream"].partition(".")[0] for each in told["rings"]} == {"orders", "commands", "events"}
    assert pinion(exchange, status).exit_code == 0


def test_the_journal_is_the_truth(exchange, alice, bob):
    """Whatever both accounts were told since the beginning is what journal and database say."""
    first = alice.submit("ACME", "sell", 5, "10.00")
    reports = [report for client, request in ((alice, first),) for report in answer(client, request)]
    taken = answer(bob, bob.submit("ACME", "buy", 9, "10.00"))
    assert [report.kind.name for report in reports + taken] == ["ACCEPTED", "ACCEPTED", "TRADE"]
    wait_until(lambda: journal(exchange, Stream.EVENTS, 0)["sequence"][-1] >= taken[-1].event_sequence)


def test_down_stops_what_was_not_started_by_up():
    """Each process by its control socket, in the order of an order's path; a second time there is nothing to stop."""
    with running() as cluster:
        found = pinion(cluster, down, "--json")
        assert found.exit_code == 0, found.output
        assert json.loads(found.stdout) == {"stopped": ["gateway.0", "riskd", "matcher.0", "persister"]}
        cluster.poll(5)
        assert json.loads(pinion(cluster, down, "--json").stdout) == {"stopped": []}
        assert pinion(cluster, status).exit_code == 1


def test_no_kernel_was_compiled_while_clients_waited(exchange):
    """``pinion warm`` had reached all that the tests above did. The last of this file: it looks back."""
    lines = [line for log in exchange.logs() for line in log.read_text().splitlines()]
    assert [line for line in lines if WORDS in line] == []
