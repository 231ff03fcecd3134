"""Orders of every kind on whole exchanges, from the client to the database: what each of them is told, and what is left in the
end. With one shard and with two."""

import asyncio
import json
import sqlite3
from contextlib import closing

import pytest
from click.testing import CliRunner

from cli.order import order
from exchange import KEYS, answer, connect, running
from pinion import AsyncClient
from pinion.protocol import ReportKind
from pinion.reasons import Reason
from waiting import wait_until

pytestmark = pytest.mark.slow
ACCEPTED, REJECTED, TRADE, CANCELLED = ReportKind.ACCEPTED, ReportKind.REJECTED, ReportKind.TRADE, ReportKind.CANCELLED
REPLACED, TRIGGERED, RESTATED, DONE = ReportKind.REPLACED, ReportKind.TRIGGERED, ReportKind.RESTATED, ReportKind.DONE
NOTHING = Reason.NONE
SYMBOLS = pytest.mark.parametrize("symbol", ["ACME", "GEAR"])
"""One in each shard, if there are two."""


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


def told(reports):
    """Kind and reason of each report."""
    return [(report.kind, report.reason) for report in reports]


def entered(client, *words, **terms):
    """The id of an order that only rests, or waits."""
    number = client.submit(*words, **terms)
    assert told(answer(client, number)) == [(ACCEPTED, NOTHING)]
    return number


def heard(client, count):
    """The next reports, which the client has not asked for: kind, reason, and what is left of the order."""
    found = []
    for report in client.reports(timeout=10):
        found.append((report.kind, report.reason, int(report.leaves)))
        if len(found) == count:
            return found
    raise AssertionError(f"only {found}")


def working(client):
    """Client order id → price and leaves of the account's working orders."""
    return {each.client_order_id: (str(each.price), int(each.leaves)) for each in client.orders()}


def row(exchange, number, columns):
    """The order's row in the database."""
    path = exchange.settings.database.url.removeprefix("sqlite:///")
    with closing(sqlite3.connect(path)) as database:
        try:
            return database.execute(f"select {columns} from orders where client_order_id = {number}").fetchone()
        except sqlite3.OperationalError:
            return None  # the database's process has not made its tables yet


@SYMBOLS
def test_an_iceberg_shows_itself_part_by_part(exchange, alice, bob, symbol):
    """Each part goes behind what came to the price meanwhile; the end of bob's answer is told even when it is alice's part."""
    iceberg = entered(alice, symbol, "sell", 100, "100.00", display_quantity=20)
    other = entered(alice, symbol, "sell", 10, "100.00")
    taken = answer(bob, bob.submit(symbol, "buy", 20, "100.00"))
    assert told(taken) == [(ACCEPTED, NOTHING), (TRADE, NOTHING), (DONE, NOTHING)]
    assert heard(alice, 2) == [(TRADE, NOTHING, 80), (RESTATED, Reason.ICEBERG_REFILLED, 80)]
    taken = answer(bob, bob.submit(symbol, "buy", 30, "100.00"))
    assert [report.kind for report in taken] == [ACCEPTED, TRADE, TRADE, DONE]
    assert heard(alice, 3) == [(TRADE, NOTHING, 0), (TRADE, NOTHING, 60), (RESTATED, Reason.ICEBERG_REFILLED, 60)]
    assert working(alice) == {iceberg: ("100.00", 60)}
    wanted = (10000, 20, 1, 40, 60)
    columns = "price, display_quantity, flags, executed, leaves"
    wait_until(lambda: row(exchange, iceberg, columns) == wanted, timeout_s=60, what="the iceberg's row")
    assert other not in working(alice)


@SYMBOLS
def test_a_stop_is_triggered_by_a_trade_and_trades(exchange, alice, bob, symbol):
    """Alice's stop sells when bob's trade reaches its price; what it finds no buyer for is cancelled. A stop-limit rests."""
    stop = entered(alice, symbol, "sell", 30, stop_price="95.00")
    limited = entered(alice, symbol, "sell", 10, "94.00", stop_price="94.50")
    assert working(alice)[stop] == ("0.00", 30)
    entered(bob, symbol, "buy", 10, "95.00")
    entered(bob, symbol, "buy", 10, "94.50")
    reports = answer(alice, alice.submit(symbol, "sell", 10, "95.00"))
    assert told(reports)[:2] == [(ACCEPTED, NOTHING), (TRADE, NOTHING)]
    stopped = [report for report in reports if report.client_order_id == stop]
    assert told(stopped) == [(TRIGGERED, NOTHING), (TRADE, NOTHING), (CANCELLED, Reason.NO_LIQUIDITY)]
    assert (str(stopped[1].price), int(stopped[1].leaves), int(stopped[2].quantity)) == ("94.50", 20, 20)
    (triggered,) = [report for report in reports if report.client_order_id == limited]
    assert (triggered.kind, str(triggered.price)) == (TRIGGERED, "94.00")
    assert working(alice) == {limited: ("94.00", 10)}
    assert [kind for kind, _, _ in heard(bob, 2)] == [TRADE, TRADE]


@SYMBOLS
def test_a_trailing_stop_follows_and_can_be_replaced(alice, bob, symbol):
    """Its distance is what a replace changes; a trade then triggers it at once."""
    entered(bob, symbol, "buy", 10, "100.00")
    answer(alice, alice.submit(symbol, "sell", 10, "100.00"))
    trailing = entered(alice, symbol, "sell", 10, distance="5.00", step="0.10")
    replaced = answer(alice, alice.replace(symbol, trailing, 20, distance="2.00"))
    assert (told(replaced), int(replaced[0].quantity)) == ([(REPLACED, NOTHING)], 20)
    entered(bob, symbol, "buy", 10, "98.00")
    reports = answer(alice, alice.submit(symbol, "sell", 10, "98.00"))
    assert (TRIGGERED, NOTHING) in told(reports)
    assert working(alice) == {}


@SYMBOLS
def test_a_post_only_order_is_refused_or_slides(alice, bob, symbol):
    """Rather than take what rests; away from the market it rests like any other."""
    entered(bob, symbol, "sell", 10, "100.00")
    refused = answer(alice, alice.submit(symbol, "buy", 10, "100.00", post_only=True))
    assert told(refused) == [(REJECTED, Reason.POST_ONLY_WOULD_TRADE)]
    slid = alice.submit(symbol, "buy", 10, "100.00", post_only=True, slide=True)
    assert told(answer(alice, slid)) == [(ACCEPTED, NOTHING), (RESTATED, Reason.POST_ONLY_SLID)]
    tick = "99.95" if symbol == "ACME" else "99.99"
    resting = entered(alice, symbol, "buy", 10, "90.00", post_only=True)
    assert working(alice) == {slid: (tick, 10), resting: ("90.00", 10)}


@SYMBOLS
def test_fill_or_kill_and_minimum_quantity_trade_enough_or_not_at_all(alice, bob, symbol):
    """What rests is 20: 30 are killed, 20 are filled."""
    entered(bob, symbol, "sell", 20, "100.00")
    killed = answer(alice, alice.submit(symbol, "buy", 30, "100.00", time_in_force="fok"))
    assert told(killed) == [(ACCEPTED, NOTHING), (CANCELLED, Reason.FILL_OR_KILL)]
    small = answer(alice, alice.submit(symbol, "buy", 50, "100.00", minimum_quantity=30))
    assert told(small) == [(ACCEPTED, NOTHING), (CANCELLED, Reason.MINIMUM_QUANTITY)]
    filled = answer(alice, alice.submit(symbol, "buy", 20, "100.00", time_in_force="fok"))
    assert told(filled) == [(ACCEPTED, NOTHING), (TRADE, NOTHING)]
    assert heard(bob, 1) == [(TRADE, NOTHING, 0)]


@SYMBOLS
def test_one_of_a_pair_cancels_the_other(alice, bob, symbol):
    """Whichever trades first: here the one that takes a profit, so the one that stops a loss goes."""
    stop = entered(alice, symbol, "sell", 10, stop_price="90.00")
    profit = entered(alice, symbol, "sell", 10, "110.00", linked_to=stop)
    taken = answer(bob, bob.submit(symbol, "buy", 10, "110.00"))
    assert told(taken) == [(ACCEPTED, NOTHING), (TRADE, NOTHING), (DONE, NOTHING)]
    assert heard(alice, 2) == [(TRADE, NOTHING, 0), (CANCELLED, Reason.ONE_CANCELS_OTHER, 0)]
    assert working(alice) == {}
    unknown = answer(alice, alice.submit(symbol, "sell", 10, "110.00", linked_to=profit))
    assert told(unknown) == [(REJECTED, Reason.UNKNOWN_ORDER)]


@SYMBOLS
def test_an_order_is_reduced_in_its_place(alice, bob, symbol):
    """By less than all, it goes on, first in the queue; by all, it is cancelled."""
    first, second = (entered(alice, symbol, "sell", 50, "100.00") for _ in range(2))
    reduced = answer(alice, alice.reduce(symbol, first, 30))
    assert [(r.kind, int(r.quantity), int(r.leaves)) for r in reduced] == [(REPLACED, 20, 20)]
    taken = answer(bob, bob.submit(symbol, "buy", 20, "100.00"))
    assert [report.kind for report in taken] == [ACCEPTED, TRADE]
    assert working(alice) == {second: ("100.00", 50)}
    gone = answer(alice, alice.reduce(symbol, second, 50))
    assert told(gone[-1:]) == [(CANCELLED, Reason.CANCELLED_BY_CLIENT)]


def test_a_mass_cancel_is_narrowed_down(exchange, alice):
    """By side, by price, and by session: what another session of the account entered is left alone."""
    buys = [entered(alice, "ACME", "buy", 1, price) for price in ("90.00", "91.00", "92.00")]
    sell = entered(alice, "ACME", "sell", 1, "110.00")
    last = answer(alice, alice.mass_cancel("ACME", side="buy", lowest_price="91.00", highest_price="92.00"))[-1]
    assert (last.kind, int(last.quantity)) == (ReportKind.MASS_CANCELLED, 2)
    assert set(working(alice)) == {buys[0], sell}
    with connect(exchange) as other:
        theirs = entered(other, "ACME", "buy", 1, "80.00")
        answer(alice, alice.mass_cancel("ACME", this_session=True))
        assert set(working(alice)) == {theirs}


@SYMBOLS
def test_orders_of_one_account_are_kept_apart(alice, symbol):
    """By the rule that the order brings along."""
    resting = entered(alice, symbol, "sell", 30, "100.00")
    taken = answer(alice, alice.submit(symbol, "buy", 10, "100.00", self_trade_rule="decrement"))
    assert [(r.client_order_id == resting, r.kind, r.reason) for r in taken] == [
        (False, ACCEPTED, NOTHING),
        (True, RESTATED, Reason.SELF_TRADE_DECREMENTED),
        (False, CANCELLED, Reason.SELF_TRADE),
    ]
    assert working(alice) == {resting: ("100.00", 20)}


@SYMBOLS
def test_a_pegged_order_follows_the_market(alice, bob, symbol):
    """It is hidden, and told of every move; without anything to follow it waits without a price."""
    entered(bob, symbol, "buy", 10, "100.00")
    pegged = alice.submit(symbol, "buy", 10, type="pegged_bid", offset="-1.00")
    assert told(answer(alice, pegged)) == [(ACCEPTED, NOTHING), (RESTATED, Reason.PEG_MOVED)]
    assert working(alice) == {pegged: ("99.00", 10)}
    better = bob.submit(symbol, "buy", 10, "101.00")
    assert answer(bob, better)[-1].kind is DONE
    assert heard(alice, 1) == [(RESTATED, Reason.PEG_MOVED, 10)]
    assert working(alice) == {pegged: ("100.00", 10)}
    answer(bob, bob.mass_cancel())
    wait_until(lambda: working(alice) == {pegged: ("0.00", 10)}, what="the pegged order to be parked")


def test_the_command_line_speaks_of_all_of_it(exchange):
    """A stop with its partner, listed, moved, reduced, cancelled."""

    def pinion(word, *words):
        done = CliRunner().invoke(order, [word, "--config", str(exchange.settings.path), *words, "--json"])
        assert done.exit_code == 0, done.output
        return json.loads(done.stdout)

    (placed,) = pinion("place", "ACME", "sell", "20", "--stop-price", "80", "--id", "71")
    assert (placed["kind"], placed["type"]) == ("accepted", "stop")
    pinion("place", "ACME", "sell", "20", "--price", "120", "--linked-to", "71", "--display-quantity", "5", "--id", "72")
    (moved,) = pinion("replace", "71", "15", "--stop-price", "85")
    assert (moved["kind"], moved["leaves"]) == ("replaced", "15")
    assert pinion("reduce", "71", "5")[0]["leaves"] == "10"
    assert {each["client_order_id"]: each["type"] for each in pinion("list")} == {71: "stop", 72: "limit"}
    assert [each["reason"] for each in pinion("cancel", "71")][:2] == ["cancelled_by_client", "one_cancels_other"]
    assert pinion("list") == []


def test_the_asyncio_client_speaks_of_all_of_it(exchange):
    """The same words."""

    async def trade() -> list[tuple[ReportKind, Reason | int]]:
        async with AsyncClient(exchange.endpoint, account="alice", api_key=KEYS["alice"]) as client:
            number = await client.submit("ACME", "buy", 10, "50.00", display_quantity=5, post_only=True)
            await client.replace("ACME", number, 10, "51.00")
            await client.reduce("ACME", number, 4)
            await client.mass_cancel("ACME", side="buy", highest_price="51.00")
            found = []
            async for report in client.reports(timeout=10):
                found.append((report.kind, report.reason))
                if report.kind is ReportKind.MASS_CANCELLED:
                    return found
        return found

    assert asyncio.run(trade()) == [
        (ACCEPTED, NOTHING),
        (REPLACED, NOTHING),
        (REPLACED, NOTHING),
        (CANCELLED, Reason.CANCELLED_BY_MASS_CANCEL),
        (ReportKind.MASS_CANCELLED, NOTHING),
    ]
