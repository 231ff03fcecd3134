"""The audit of `pinion chaos` finds what it is there to find: every kind of violation is planted in good books once."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from cli import chaos_audit, flow, profit, story
from cli.chaos_books import Books
from cli.chaos_rest import Ledger
from cli.chaos_trader import ANSWERED, OPEN, REFUSED, SENT, UNKNOWN
from matcher.commands import definitions
from matcher.engine import Engine
from persister.tables import REJECTED
from pinion.protocol import ReportKind
from runtime.sections import Instrument
from shm.records import CommandKind, EventKind, Side

ACCOUNTS, ORDERS = 3, 3000
INSTRUMENTS = [Instrument(symbol="ACME"), Instrument(symbol="GEAR")]


@pytest.fixture
def books(seed: int) -> Books:
    """A day's trading without any fault."""
    engine = Engine(len(INSTRUMENTS), ACCOUNTS, 10_000)
    events = [engine.run(definitions(len(INSTRUMENTS), ACCOUNTS))]
    commands = [engine.commands]
    asked = flow.generate(ORDERS, ACCOUNTS, len(INSTRUMENTS), seed)
    asked["request_id"] = asked["origin_sequence"] = np.arange(1, ORDERS + 1)
    asked["session"] = asked["account"] + 1
    events.append(engine.run(asked))
    commands.append(engine.commands)
    told = np.concatenate(events)
    made = Books(
        INSTRUMENTS,
        [np.concatenate(commands)],
        [told],
        [told.copy()],
        {account: chaos_audit.expected(told, 0, account, INSTRUMENTS) for account in range(ACCOUNTS)},
        {account: sent_by(asked[asked["account"] == account]) for account in range(ACCOUNTS)},
        story.of_events(told, 0, INSTRUMENTS),
        {},
        {"fees": 0, "balance_fees": 0},
    )
    made.positions = profit.positions(np.concatenate(list(made.told.values())), INSTRUMENTS)
    trades = told[told["kind"] == EventKind.TRADE]
    made.totals["executions"] = 2 * len(trades)
    made.totals["received"] = made.totals["paid"] = int((trades["price"] * trades["quantity"]).sum())
    return made


def sent_by(asked: Any) -> Any:
    """What a client notes of its requests."""
    sent = np.zeros(len(asked), SENT)
    sent["command"], sent["fate"], sent["whole"] = asked, ANSWERED, 1
    sent["order"], sent["session"] = np.arange(len(sent)), asked["session"]
    return sent


def found(books: Books) -> dict[str, list[str]]:
    """What the audit says, by check."""
    told: dict[str, list[str]] = {}
    for sentence in chaos_audit.violations(books):
        name, _, rest = sentence.partition(": ")
        told.setdefault(name, []).append(rest)
    return told


def place_of(books: Books, kind: EventKind) -> int:
    """Some event of that kind."""
    return int(np.flatnonzero(books.events[0]["kind"] == kind)[20])


def test_good_books_are_found_good(books: Books) -> None:
    """And there is something in them."""
    assert found(books) == {}
    assert books.totals["executions"] > 200
    assert {int(kind) for kind in books.events[0]["kind"]} >= {1, 2, 3, 4, 5}


def test_a_doubled_execution_of_the_journal_is_found(books: Books) -> None:
    """Once more behind itself, numbered as if it belonged there."""
    place = place_of(books, EventKind.TRADE)
    books.events[0] = np.insert(books.events[0], place, books.events[0][place])
    books.events[0]["sequence"] = np.arange(1, len(books.events[0]) + 1)
    told = found(books)
    assert told.keys() >= {"replay", "reports", "acknowledged", "stories", "conservation"}
    assert "executions: told" in told["acknowledged"][0]
    assert any("lots came in" in sentence for sentence in told["conservation"])


def test_an_execution_that_a_client_is_told_twice_is_found(books: Books) -> None:
    """Though journal and database are right."""
    mine = books.told[1]
    place = int(np.flatnonzero(mine["report"] == EventKind.TRADE)[5])
    books.told[1] = np.insert(mine, place, mine[place])
    assert found(books).keys() >= {"reports", "acknowledged", "stories"}


@pytest.mark.parametrize("where", ["journal", "database", "client"])
def test_a_lost_order_is_found(books: Books, where: str) -> None:
    """An acknowledged order that is not where it should be: its command never was, its row is missing, its report."""
    accepted = books.events[0][place_of(books, EventKind.ACCEPTED)]
    if where == "journal":
        number = int(accepted["command_sequence"])
        books.commands[0] = books.commands[0][books.commands[0]["sequence"] != number]
        books.events[0] = books.events[0][books.events[0]["command_sequence"] != number]
        expected = {"replay", "numbering", "requests", "reports", "acknowledged"}
    elif where == "database":
        books.rows = books.rows[books.rows["order_id"] != accepted["order_id"]]
        expected = {"acknowledged", "stories"}
    else:
        account = int(accepted["account"])
        books.told[account] = books.told[account][books.told[account]["event_sequence"] != accepted["sequence"]]
        expected = {"reports"}
    told = found(books)
    assert told.keys() >= expected
    if where != "client":
        assert "1 times in the journal, 0 in the database" in told["acknowledged"][0] or "0 times" in told["acknowledged"][0]


def test_an_order_that_is_there_twice_is_found(books: Books) -> None:
    """Its request was taken twice from the gateway's ring, under two numbers."""
    kinds, accounts = books.commands[0]["kind"], books.commands[0]["account"]
    again = books.commands[0][np.flatnonzero((kinds == CommandKind.NEW) & (accounts == 0))[7]]
    books.commands[0] = np.append(books.commands[0], again)
    books.commands[0]["sequence"] = np.arange(1, len(books.commands[0]) + 1)
    told = found(books)
    assert "taken twice" in told["numbering"][0]
    assert any("more than once" in sentence for sentence in told["requests"])


@pytest.mark.parametrize("where", ["journal", "database", "client", "position"])
def test_one_lot_that_is_missing_is_found(books: Books, where: str) -> None:
    """Of one trade, one order or one position."""
    trade = books.events[0][place_of(books, EventKind.TRADE)]
    if where == "journal":
        books.events[0]["quantity"][place_of(books, EventKind.TRADE)] -= 1
        wanted = {"replay", "reports", "stories", "conservation"}
    elif where == "database":
        books.rows["executed"][books.rows["order_id"] == trade["order_id"]] -= 1
        wanted = {"stories"}
    elif where == "client":
        mine = books.told[int(trade["account"])]
        mine["quantity"][(mine["event_sequence"] == trade["sequence"]) & (mine["liquidity"] == 2)] -= 1
        wanted = {"reports", "stories", "conservation"}
    else:
        key = (int(trade["account"]), int(trade["instrument"]))
        books.positions[key] = books.positions[key]._replace(net_quantity=books.positions[key].net_quantity - 1)
        wanted = {"stories", "conservation"}
    assert found(books).keys() == wanted


def test_money_that_is_missing_is_found(books: Books) -> None:
    """One unit of it."""
    books.totals["received"] -= 1
    books.totals["fees"] += 1
    assert [sentence.split(" ")[1] for sentence in found(books)["conservation"]] == ["received", "fees"]


@pytest.mark.parametrize("byte", [0, 17, 63, 99, 109, 113, 127])
def test_a_byte_that_differs_in_the_events_is_found(books: Books, byte: int) -> None:
    """Any byte of any event, by one bit; said with the event's number."""
    place = place_of(books, EventKind.CANCELLED)
    books.again[0].view(np.uint8).reshape(len(books.again[0]), -1)[place, byte] ^= 1
    (sentence,) = found(books)["replay"]
    assert sentence.startswith(f"shard 0 event {place + 1}: the journal / an uninterrupted run: ")


@pytest.mark.parametrize("fate", [REFUSED, UNKNOWN, OPEN])
def test_what_the_gateway_refused_must_not_be_in_the_journal(books: Books, fate: int) -> None:
    """What nothing was heard of may be."""
    books.sent[2]["fate"][40] = fate
    told = found(books)
    assert bool(told) == (fate == REFUSED)
    if told:
        assert told == {"requests": [f"request {books.sent[2]['command']['request_id'][40]} of account 2 was refused by the "
                                     "gateway, and is in the journal"]}  # fmt: skip


def test_what_was_answered_must_be_in_the_journal(books: Books) -> None:
    """Though no client could tell by its orders."""
    one = books.sent[0][:1].copy()
    one["command"]["request_id"] = 10**9
    books.sent[0] = np.append(books.sent[0], one)
    assert found(books) == {"requests": ["request 1000000000 of account 0 was answered, and is not in the journal"]}


@pytest.mark.parametrize("name", ["price", "quantity", "side", "instrument", "client_order_id", "request_id"])
def test_a_command_that_is_not_what_was_sent_is_found(books: Books, name: str) -> None:
    """Or that nobody sent at all."""
    place = int(np.flatnonzero((books.commands[0]["kind"] == CommandKind.NEW) & (books.commands[0]["account"] == 1))[9])
    value = books.commands[0][name][place]
    books.commands[0][name][place] = (
        10**8 if name == "request_id" else value ^ 1 if name in ("side", "instrument") else value + 1
    )
    told = found(books)["requests"][0]
    assert told.startswith(f"shard 0 command {place + 1}: ")
    assert ("never sent that" if name == "request_id" else f"its {name} is not what") in told


def test_a_done_for_somebody_else_is_found(books: Books) -> None:
    """It says that a request has been dealt with; whose, the event knows."""
    events = books.events[0]
    trade = events[place_of(books, EventKind.TRADE)]
    for account in range(ACCOUNTS):
        done = books.told[account][:1].copy()
        done["report"], done["event_sequence"] = ReportKind.DONE, trade["sequence"]
        for name in ("command_sequence", "session", "request_id"):
            done[name] = trade[name]
        books.told[account] = np.append(books.told[account], done)
    assert len(found(books)["dones"]) == ACCOUNTS - 1


def test_requests_of_a_session_that_changed_places_are_found(books: Books) -> None:
    """The journal has them in another order than they were sent in."""
    order = books.sent[1]["order"]
    order[50], order[51] = order[51], order[50]
    assert "it was sent before the one before it" in found(books)["requests"][0]


def test_time_that_runs_backwards_is_found(books: Books) -> None:
    books.commands[0]["time_ns"][500] -= 1
    assert found(books) == {"numbering": ["shard 0: time runs backwards at command 501"]}


def test_what_clients_know_adds_up_to_the_matchers_book(seed: int, books: Books) -> None:
    """From reports alone: levels, lots that may still trade, what was bought and sold."""
    engine = Engine(len(INSTRUMENTS), ACCOUNTS, 10_000)
    engine.run(books.commands[0])
    ledger = Ledger(INSTRUMENTS)
    for reports in books.told.values():
        ledger.apply(reports)
    for instrument in range(len(INSTRUMENTS)):
        book = engine.book(instrument, 1000)
        assert ledger.levels(instrument, Side.BUY) == [list(level) for level in book.bids] != []
        assert ledger.levels(instrument, Side.SELL) == [list(level) for level in book.asks] != []
    assert sum(ledger.bought.values()) == sum(ledger.sold.values()) > 0
    assert len(books.rows[books.rows["status"] == 1]) == len(ledger.orders)


def test_every_check_is_named_here(request: pytest.FixtureRequest) -> None:
    """A check that no test above plants anything for would be a formality."""
    text = request.path.read_text(encoding="utf-8")
    checks: tuple[Callable[..., Any], ...] = chaos_audit.CHECKS
    assert [check.__name__ for check in checks if f'"{check.__name__.strip("_")}"' not in text] == []
    assert REJECTED
