"""`pinion replay` through a whole exchange: tiny recordings in every run, the real days where they lie."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import exchange
from cli.lobster import ABSENT
from cli.replay import replay
from test_replay_rows import BOOKS, DATA, FLOW, GOOG, MSFT

DAY = {"symbol": "DAY", "price_decimals": 4, "tick_size": 100}


def run(*words):
    return CliRunner().invoke(replay, [*map(str, words), "--json"])


def write(folder, flow, books):
    """A recording as files."""
    lines = [",".join(each.decode() if isinstance(each, bytes) else str(each) for each in line) for line in flow.tolist()]
    (folder / "day.cmd").write_text("\n".join(lines) + "\n")
    book = books.copy()
    book[:, :, ::2] = np.where(book[:, :, ::2] == 0, ABSENT, book[:, :, ::2] * 100)
    rows = [",".join(map(str, row)) for row in book.reshape(len(book), -1).tolist()]
    (folder / "book.csv").write_text("\n".join(rows) + "\n")
    return folder / "day.cmd", folder / "book.csv"


@pytest.fixture(autouse=True)
def no_settings(place, monkeypatch):
    monkeypatch.chdir(place.root)
    monkeypatch.setenv("XDG_STATE_HOME", str(place.root))
    exchange.warm()


@pytest.mark.parametrize("matchers", ["1", "2"])
def test_a_small_recording_is_equal_everywhere(matchers, place, monkeypatch):
    """On an exchange of its own, of which nothing is left; an engine by itself makes the same events of its commands."""
    monkeypatch.setenv("PINION_MATCHERS", matchers)
    flow, book = write(place.root, FLOW, BOOKS)
    found = run(flow, "--book", book)
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert {
        key: told[key]
        for key in ("orders", "rows", "rows_equal", "fills", "fills_exact", "agree", "book_equal", "engine_equal")
    } == {
        "orders": 5,
        "rows": 6,
        "rows_equal": 6,
        "fills": 2,
        "fills_exact": 2,
        "agree": True,
        "book_equal": True,
        "engine_equal": True,
    }


def test_a_row_that_differs_ends_with_1(place):
    books = BOOKS.copy()
    books[2, 0, 1] += 1
    flow, book = write(place.root, FLOW, books)
    found = run(flow, "--book", book)
    assert found.exit_code == 1
    assert json.loads(found.stdout)["rows_equal"] == 5
    assert "row 3" in found.stderr


def test_an_exchange_that_runs_is_used(place):
    """With a past, and other clients: only what the replay did is compared."""
    flow, book = write(place.root, FLOW, BOOKS)
    with exchange.running(instruments=[*exchange.INSTRUMENTS, {**DAY, "currency": "USX"}]) as cluster:
        with exchange.connect(cluster, "bob") as bob:
            exchange.answer(bob, bob.submit("ACME", "buy", 1, "1.00"))
        config = ("--config", cluster.settings.path)
        found = run(flow, "--book", book, *config)
        assert found.exit_code == 0, found.output
        assert json.loads(found.stdout)["rows_equal"] == 6
        assert "does not fit the recording" in run(flow, "--symbol", "ACME", *config).stderr
        with exchange.connect(cluster, "bob") as bob:
            exchange.answer(bob, bob.submit("DAY", "buy", 1, "1.00"))
        assert "is not empty" in run(flow, *config).stderr


@pytest.mark.slow
@pytest.mark.parametrize(("flow", "book", "rows", "fills"), [pytest.param(*GOOG, id="GOOG"), pytest.param(*MSFT, id="MSFT")])
def test_a_real_day_is_equal_everywhere(flow, book, rows, fills):
    """Every row, every fill, and three tellings of every order."""
    if not (DATA / flow).exists():
        pytest.skip(f"{DATA} is not there: the recordings are not ours to ship")
    found = run(DATA / flow, "--book", DATA / book)
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert (told["rows"], told["rows_equal"], told["fills"], told["fills_exact"]) == (rows, rows, fills, fills)
    assert told["agree"]
    assert told["book_equal"]
    assert len(set(told["orders_told"].values())) == 1
