"""A real day through the engine: every level of every row, and every execution against the very order it was against."""

from pathlib import Path

import numpy as np
import pytest

from cli.lobster import moves, read_book, read_flow, to_commands
from matcher.commands import definitions
from matcher.engine import Engine
from shm.records import EventKind

DATA = Path(__file__).resolve().parent.parent.parent / "shared" / "data"
GOOG = ("goog10.cmd.xz", "GOOG_2012-06-21_34200000_57600000_orderbook_10.csv.xz", 147_916, 7_759)
MSFT = ("msft5.cmd.xz", "MSFT_2012-06-21_orderbook_5.first20k.csv.xz", 20_000, 1_454)
DAYS = [pytest.param(*GOOG, id="GOOG"), pytest.param(*MSFT, id="MSFT")]


def found(name):
    path = DATA / name
    if not path.exists():
        pytest.skip(f"{path} is not there: LOBSTER's sample data may not be shipped")
    return path


def engine():
    subject = Engine(orders=4096)
    subject.run(definitions(1, 1))
    return subject


@pytest.mark.parametrize(("flow", "book", "rows", "executions"), DAYS)
def test_every_level_of_every_row_is_equal(flow, book, rows, executions):
    lines, wanted, subject = read_flow(found(flow)), read_book(found(book)), engine()
    commands, row_of = to_commands(lines), lines["row"][moves(lines)]
    depth = wanted.shape[1]
    assert len(wanted) == rows
    state = np.zeros((depth, 4), np.int64)
    wrong, ends = [], np.searchsorted(row_of, np.arange(1, rows + 1), side="right")
    for row, (start, end) in enumerate(zip(np.r_[0, ends[:-1]], ends, strict=True)):
        if end > start:
            subject.run(commands[start:end])
            state = published_book(subject, depth)
        if not np.array_equal(state, wanted[row]):
            wrong.append(row + 1)
    assert not wrong, f"{len(wrong)} rows of {rows} differ, the first is {wrong[0]}"
    subject.validate()


def published_book(subject, depth):
    levels = np.zeros((depth, 4), np.int64)
    book = subject.book(0, depth)
    for at, side in ((0, book.asks), (2, book.bids)):
        for k, level in enumerate(side):
            levels[k, at : at + 2] = level.price, level.quantity
    return levels


@pytest.mark.parametrize(("flow", "book", "rows", "executions"), DAYS)
def test_every_execution_fills_exactly_on_the_order_that_it_did(flow, book, rows, executions):
    lines, subject = read_flow(found(flow)), engine()
    lines = lines[moves(lines)]
    events = subject.run(to_commands(lines))
    trades = events[events["kind"] == EventKind.TRADE]
    aggressors = lines[lines["command"] == b"I"]
    assert len(aggressors) == len(trades) == executions
    assert (trades["resting_client_order_id"] == aggressors["reference"].astype(np.int64)).all()
    assert (trades["quantity"] == aggressors["quantity"]).all()
    assert (trades["price"] * 100 == aggressors["price"]).all()
    assert not (events["kind"] == EventKind.REJECTED).any()


@pytest.mark.parametrize(("flow", "book", "rows", "executions"), DAYS)
def test_a_sweep_sent_as_one_order_gives_the_same_fills(flow, book, rows, executions):
    lines = read_flow(found(flow))
    lines = lines[moves(lines)]
    apart, together = engine().run(to_commands(lines)), engine().run(to_commands(swept(lines)))
    names = ["price", "quantity", "resting_client_order_id", "resting_leaves"]
    one, other = (events[events["kind"] == EventKind.TRADE][names] for events in (apart, together))
    assert one.tolist() == other.tolist()


def swept(lines):
    """Consecutive ``I`` of one time and side as one order: the sum of the quantities at the worst of the prices."""
    same = (lines["command"][1:] == b"I") & (lines["command"][:-1] == b"I")
    same &= (lines["time_ns"][1:] == lines["time_ns"][:-1]) & (lines["side"][1:] == lines["side"][:-1])
    starts = np.flatnonzero(np.r_[True, ~same])
    merged = lines[starts].copy()
    merged["quantity"] = np.add.reduceat(lines["quantity"], starts)
    worst_buy, worst_sell = np.maximum.reduceat(lines["price"], starts), np.minimum.reduceat(lines["price"], starts)
    merged["price"] = np.where(merged["side"] == 1, worst_buy, worst_sell)
    return merged
