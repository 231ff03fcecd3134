"""``pinion report``: what the databases answer is what plain loops over the journal add up to."""

import csv
import io
import itertools
import json
from collections import defaultdict
from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest

from cli.analytics import DIMENSIONS
from cli.report import report
from conftest import Place
from database_books import Books, make_empty
from postgres import Postgres, needs_postgres
from trading_story import CURRENCIES, INSTRUMENTS, Rows

BY = [by for count in range(4) for by in itertools.permutations(DIMENSIONS, count) if count != 3 or by == DIMENSIONS]


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One PostgreSQL for the tests of this file."""
    made = Postgres()
    made.start()
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "three of sqlite", pytest.param("postgresql", marks=needs_postgres)])
def books(request: pytest.FixtureRequest, place: Place) -> Books:
    """Four days of trading."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("server")
        make_empty(server.url)
        urls = [server.url]
    else:
        urls = [f"sqlite:///{{data}}/{name}.sqlite" for name in ("abc" if request.param.startswith("three") else "a")]
    made = Books(place, urls)
    made.grow(3000)
    made.follow()
    return made


class Told:
    """The same figures, from the twin's rows."""

    def __init__(self, books: Books) -> None:
        tables = Rows().add(0, *books.story.arrays()).tables()
        self._days = {row[:3]: row[3:] for row in tables["daily_profit"]}
        self._last_price = {row[:2]: row[5] for row in tables["daily_prices"]}
        self.days = sorted({day for _, day in self._last_price})

    def held(self, account: int, instrument: int, day: int) -> tuple[int, int]:
        """Net quantity, and what it would gain, at the end of a day."""
        changes = [key for key in self._days if key[:2] == (account, instrument) and key[2] <= day]
        if not changes:
            return 0, 0
        net, cost = self._days[max(changes)][-2:]
        price = self._last_price[max(key for key in self._last_price if key[0] == instrument and key[1] <= day)]
        tick, lot, value = INSTRUMENTS[instrument]
        return net, net // lot * (price // tick) * value - cost

    def rows(self, by: tuple[str, ...], first: int, last: int) -> list[dict[str, Any]]:
        """One after the other: every account, instrument and day."""
        found: dict[tuple[Any, ...], list[int]] = defaultdict(lambda: [0] * 8)
        days = [day for day in self.days if first <= day <= last]
        for account, instrument in {key[:2] for key in self._days}:
            for before, day in zip([first - 1, *days], days, strict=False):
                mine = self._days.get((account, instrument, day))
                net, gain = self.held(account, instrument, day)
                at_end = "day" in by or day == days[-1]
                if mine is None and not (net and at_end) and gain == self.held(account, instrument, before)[1]:
                    continue
                values = {"account": f"account{account}", "instrument": f"SYM{instrument}", "day": day}
                row = found[(*(values[name] for name in by), CURRENCIES[instrument])]
                trades, wins, losses, _, _, paid, got, realised, fees, _, _ = mine or (0,) * 11
                change = gain - self.held(account, instrument, before)[1]
                added = (trades, wins, losses, paid + got, realised, gain * at_end, change, fees)
                row[:] = [known + more for known, more in zip(row, added, strict=True)]
        return [self._named(by, key, found[key]) for key in sorted(found)]

    def _named(self, by: tuple[str, ...], key: tuple[Any, ...], row: list[int]) -> dict[str, Any]:
        named = dict(zip((*by, "currency"), key, strict=True))
        if "day" in named:
            named["day"] = str(date(1970, 1, 1) + timedelta(days=named["day"]))
        trades, wins, losses, turnover, realised, unrealised, change, fees = row
        rate = round(wins / (wins + losses), 4) if wins + losses else None
        named |= {"trades": trades, "wins": wins, "losses": losses, "win_rate": rate, "turnover": turnover}
        profit = {"realised_profit": realised, "unrealised_profit": unrealised, "unrealised_change": change}
        return named | profit | {"fees": fees, "net_profit": realised + change - fees}


def answer(books: Books, *words: str) -> Any:
    return json.loads(books.run(report, *words, "--json").stdout)


def test_every_question_is_answered_as_plain_loops_do(books: Books) -> None:
    """By each dimension and by all together; of all days, and of some in the middle."""
    told = Told(books)
    assert len(told.days) >= 4
    for by in BY:
        assert answer(books, *by) == told.rows(by, told.days[0], told.days[-1]), by
        first, last = told.days[1], told.days[2]
        dates = [str(date(1970, 1, 1) + timedelta(days=day)) for day in (first, last)]
        assert answer(books, *by, "--from", dates[0], "--to", dates[1]) == told.rows(by, first, last), by


def test_days_add_up(books: Books) -> None:
    """What each day has brought is, all together, what all days have."""
    whole = {row["currency"]: row["net_profit"] for row in answer(books)}
    by_day: dict[str, int] = defaultdict(int)
    for row in answer(books, "day"):
        by_day[row["currency"]] += row["net_profit"]
    assert by_day == whole


def test_one_account_and_one_instrument_are_asked_about(books: Books) -> None:
    """The rows are those of the whole report."""
    every = answer(books, "account", "instrument")
    found = answer(books, "account", "instrument", "--account", "account2", "--symbol", "SYM1")
    assert found == [row for row in every if (row["account"], row["instrument"]) == ("account2", "SYM1")] and found


def test_csv_and_table_hold_what_json_holds(books: Books) -> None:
    """A line each."""
    rows = answer(books, "account")
    shown = list(csv.DictReader(io.StringIO(books.run(report, "account", "--format", "csv").stdout)))
    assert shown == [{name: "" if value is None else str(value) for name, value in row.items()} for row in rows]
    table = books.run(report, "account").stdout
    assert all(f"account{each}" in table for each in range(4))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--account", "nobody"), "--account nobody: the settings have account0, account1"),
        (("--symbol", "NONE"), "--symbol NONE: the settings have SYM0, SYM1, SYM2"),
        (("--from", "2026-01-02", "--to", "2026-01-01"), "--from 2026-01-02 is after --to 2026-01-01"),
        (("day", "day"), "allowed is each of account, instrument, day once"),
        (("week",), "'week' is not one of 'account', 'instrument', 'day'"),
    ],
)
def test_a_question_that_makes_no_sense_is_told(place: Place, words: tuple[str, ...], message: str) -> None:
    books = Books(place, ["sqlite:///{data}/a.sqlite"])
    assert message in books.run(report, *words, ends=2).stderr


def test_a_database_of_another_schema_is_told(place: Place) -> None:
    """With the command that mends it."""
    books = Books(place, ["sqlite:///{data}/a.sqlite"])
    (place.data / "a.sqlite").touch()
    assert "is at schema none, not 0005: pinion db upgrade" in books.run(report, ends=1).stderr


def test_nobody_has_traded_yet(place: Place) -> None:
    """No rows, in any shape."""
    books = Books(place, ["sqlite:///{data}/a.sqlite"])
    books.grow(0)
    books.follow()
    assert answer(books, "day") == []
    assert books.run(report, "--format", "csv").stdout == ""
    assert "nobody has traded" in books.run(report).stderr
