"""A recorded day against reports: the client's book after every row, and every execution, without any process."""

from pathlib import Path

import numpy as np
import pytest

from cli.lobster import LINE, moves, read_book, read_flow, to_commands
from cli.replaying import without_zeros
from cli.rows import RowCheck, sweeps, swept
from cli.shadow import ClientBook
from matcher.commands import definitions
from matcher.engine import Engine
from runtime.sections import Instrument
from shm.records import EventKind, Side
from told import reports_of

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
GOOG = ("goog10.cmd.xz", "GOOG_2012-06-21_34200000_57600000_orderbook_10.csv.xz", 147_916, 7_759)
MSFT = ("msft5.cmd.xz", "MSFT_2012-06-21_orderbook_5.first20k.csv.xz", 20_000, 1_454)
CENT = [Instrument(symbol="DAY", tick_size=100, price_decimals=4)]


def reports_from_engine(lines):
    """What an engine makes of a flow, as reports."""
    engine = Engine(orders=4096)
    engine.run(definitions(1, 1))
    commands = without_zeros(to_commands(swept(lines, sweeps(lines))))
    return reports_of(engine.run(commands), CENT)


def check(lines, published):
    lines = lines[moves(lines)]
    return RowCheck(lines, sweeps(lines), published).run(reports_from_engine(lines))


def recording(*names):
    paths = [DATA / name for name in names]
    if not all(path.exists() for path in paths):
        pytest.skip(f"{DATA} is not there: the recordings are not ours to ship")
    return read_flow(paths[0]), read_book(paths[1])


@pytest.mark.parametrize(("flow", "book", "rows", "fills"), [pytest.param(*GOOG, id="GOOG"), pytest.param(*MSFT, id="MSFT")])
def test_a_real_day_is_equal_in_every_row_and_fill(flow, book, rows, fills):
    """147,916 rows of ten levels, rebuilt from reports alone."""
    found = check(*recording(flow, book))
    assert (found.rows, found.rows_equal) == (rows, rows), found.wrong
    assert (found.fills, found.fills_exact) == (fills, fills), found.wrong


def test_a_dropped_order_is_noticed():
    """The comparison tells right from wrong."""
    lines, published = recording(*MSFT[:2])
    dropped = np.flatnonzero(lines["command"] == b"N")[100]
    found = check(np.delete(lines, dropped), published)
    assert found.rows_equal < found.rows
    assert found.wrong


FLOW = np.array(
    [
        (1, b"S", -1, 11, 10_100, 5, b"id", 0),
        (1, b"S", -1, 12, 10_200, 7, b"id", 0),
        (2, b"I", 1, 0, 10_100, 5, b"11", 1),
        (3, b"I", 1, 0, 10_200, 3, b"12", 1),
        (4, b"H", 1, 0, 0, 1, b"", 2),
        (5, b"R", -1, 12, 10_200, 1, b"", 3),
        (6, b"C", -1, 12, 10_200, 3, b"", 4),
    ],
    LINE,
)
BOOKS = np.array(
    [
        [[101, 5, 0, 0], [102, 7, 0, 0]],
        [[102, 7, 0, 0], [0, 0, 0, 0]],
        [[102, 4, 0, 0], [0, 0, 0, 0]],
        [[102, 4, 0, 0], [0, 0, 0, 0]],
        [[102, 3, 0, 0], [0, 0, 0, 0]],
        [[0, 0, 0, 0], [0, 0, 0, 0]],
    ]
)


def test_a_sweep_is_one_order_and_still_compared_row_by_row():
    """Two consecutive ``I`` of one time and side are sent as one, and the book between its two fills is a row of its own."""
    lines = FLOW[moves(FLOW)]
    assert len(sweeps(lines)) == len(lines) - 1
    assert swept(lines, sweeps(lines))["price"].tolist() == [10_100, 10_200, 10_200, 10_200, 10_200]
    found = check(FLOW, BOOKS)
    assert (found.rows_equal, found.fills_exact, found.wrong) == (6, 2, [])


@pytest.mark.parametrize("row", range(6))
def test_a_row_that_differs_is_named(row):
    """Each row alone: one share too many is one row too few."""
    published = BOOKS.copy()
    published[row, 0, 1] += 1
    found = check(FLOW, published)
    assert (found.rows_equal, len(found.wrong)) == (5, 1)
    assert found.wrong[0].startswith(f"row {row + 1}: ")


def test_a_fill_on_another_order_is_named():
    """Last in, first out would be seen."""
    other = FLOW.copy()
    other["reference"][2] = b"12"
    found = check(other, BOOKS)
    assert (found.fills, found.fills_exact) == (2, 1)
    assert found.wrong == ["row 2: 5 should fill on 12; 5 filled on 11"]


def test_a_client_book_follows_what_the_exchange_changes():
    """An order that is restated stands elsewhere, or waits without a price; one that is triggered comes in."""
    book = ClientBook()
    book.apply(EventKind.ACCEPTED, 1, Side.BUY, 100, 5, rests=True)
    book.apply(EventKind.RESTATED, 1, Side.BUY, 101, 4, rests=True)
    assert book.levels(Side.BUY, 9) == ([101], [4])
    book.apply(EventKind.RESTATED, 1, Side.BUY, 0, 4, rests=True)
    assert book.levels(Side.BUY, 9) == ([], [])
    book.apply(EventKind.TRIGGERED, 2, Side.SELL, 103, 7, rests=True)
    book.apply(EventKind.TRIGGERED, 3, Side.SELL, 0, 7, rests=False)
    assert book.levels(Side.SELL, 9) == ([103], [7])
