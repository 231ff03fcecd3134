"""A recorded day against what a client was told: the book after every row, and every execution.

The book is the client's own (``cli.shadow``), built from reports alone; the recording says how many shares stood at each of the
best prices after each of its rows, and on which order each execution fell.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import groupby
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cli.lobster import TICK
from cli.shadow import ClientBook
from pinion.protocol import Liquidity, ReportKind, Side, TimeInForce

FIELDS: Final = ["command_sequence", "report", "order_id", "client_order_id", "side", "price", "quantity", "leaves"]
ENTERING: Final = (b"S", b"N", b"V")
ID_BITS: Final = 44
"""The recordings' ids are below 2**44."""
WRONG_BOUND: Final = 20
HEAR_EVERY_ROWS: Final = 1000


@dataclass
class Checked:
    """What was compared and what was equal; ``wrong`` holds a sentence for each of the first differences."""

    rows: int = 0
    rows_equal: int = 0
    fills: int = 0
    fills_exact: int = 0
    wrong: list[str] = field(default_factory=list)

    def note(self, sentence: str) -> None:
        """Keep a difference, if it is among the first."""
        if len(self.wrong) < WRONG_BOUND:
            self.wrong.append(sentence)


def sweeps(lines: NDArray[Any]) -> NDArray[np.intp]:
    """Where each order of ``lines`` begins: consecutive ``I`` of one time and side are one aggressor that swept."""
    again = (lines["command"][1:] == b"I") & (lines["command"][:-1] == b"I")
    again &= (lines["time_ns"][1:] == lines["time_ns"][:-1]) & (lines["side"][1:] == lines["side"][:-1])
    return np.flatnonzero(np.concatenate(([True], ~again)))


def swept(lines: NDArray[Any], starts: NDArray[np.intp]) -> NDArray[Any]:
    """One line an order: a sweep has the sum of the quantities and the worst of the prices."""
    merged = lines[starts].copy()
    merged["quantity"] = np.add.reduceat(lines["quantity"], starts)
    highest, lowest = np.maximum.reduceat(lines["price"], starts), np.minimum.reduceat(lines["price"], starts)
    merged["price"] = np.where(merged["side"] == 1, highest, lowest)
    return merged


def fresh_ids(lines: NDArray[Any]) -> NDArray[Any]:
    """``lines``, in which an id that comes again after its order is gone is another one in each of its lives.

    An exchange takes an id again only once it knows that the order is gone, and a replay does not wait to hear that.
    """
    fresh, lives = lines.copy(), dict[int, int]()
    letters, numbers, references = (lines[name].tolist() for name in ("command", "id", "reference"))
    for place, letter in enumerate(letters):
        if letter in ENTERING:
            lives[numbers[place]] = lives.get(numbers[place], -1) + 1
        if letter == b"I":
            references[place] = str(_alias(int(references[place]), lives)).encode()
        numbers[place] = _alias(numbers[place], lives)
    fresh["id"], fresh["reference"] = numbers, references
    return fresh


def _alias(number: int, lives: dict[int, int]) -> int:
    return number + (lives.get(number, 0) << ID_BITS)


class RowCheck:
    """Walks through a day: ``lines`` (but ``H``), where its orders start, the published book, the reports of one account."""

    def __init__(self, lines: NDArray[Any], starts: NDArray[np.intp], published: NDArray[np.int64]) -> None:
        self.found = Checked(rows=len(published))
        self.book = ClientBook()
        self._published, self._depth = published.reshape(len(published), -1), published.shape[1]
        self._lines = lines[["row", "command", "quantity", "reference", "id"]].tolist()
        self._bounds = [*starts.tolist(), len(lines)]
        self._row = 0
        """Rows compared so far."""

    def run(self, reports: NDArray[Any], hear: Callable[[int], object] = lambda rows: None) -> Checked:
        """Compare everything. ``reports``: in order, and of every order since the book was empty."""
        rests = (reports["time_in_force"] == TimeInForce.GTC).tolist()
        maker = (reports["liquidity"] == Liquidity.MAKER).tolist()
        told = zip(reports[FIELDS].tolist(), rests, maker, strict=True)
        commands = (list(group) for _, group in groupby(told, key=lambda each: each[0][0]))
        heard = 0
        for first, last, of_command in zip(self._bounds[:-1], self._bounds[1:], commands, strict=False):
            self._command(first, last, of_command)
            if self._row - heard >= HEAR_EVERY_ROWS:
                hear(self._row - heard)
                heard = self._row
        self._compare_up_to(len(self._published))
        hear(self._row - heard)
        return self.found

    def _command(self, first: int, last: int, told: list[Any]) -> None:
        """Take in what one order or request did; lines ``first`` to ``last`` are what the recording says of it."""
        if self._lines[first][1] == b"I":
            self._aggressor(first, last, told)
            return
        self._take(told)
        if any(report[1] == ReportKind.REJECTED for report, _, _ in told):
            self.found.note(f"row {self._lines[first][0]}: {self._lines[first][1].decode()} was refused")
        self._end_line(last)

    def _aggressor(self, first: int, last: int, told: list[Any]) -> None:
        """Each line should be one fill, on the very order that the line names."""
        fills = list(_fills(told))
        self.found.fills += last - first
        for line in range(first, last):
            row, _, quantity, reference, _ = self._lines[line]
            fill = fills[line - first] if line - first < len(fills) else []
            made = next(((report[3], report[6]) for report, _, maker in fill if maker), (0, 0))
            if made == (int(reference), quantity):
                self.found.fills_exact += 1
            else:
                self.found.note(f"row {row}: {quantity} should fill on {int(reference)}; {made[1]} filled on {made[0]}")
            self._take(fill)
            if line + 1 == last:
                self._take([each for more in fills[last - first :] for each in more])
            self._end_line(line + 1)

    def _take(self, told: list[Any]) -> None:
        for (_, kind, order_id, _, side, price, _, leaves), rests, _ in told:
            self.book.apply(kind, order_id, side, price // TICK, leaves, rests)

    def _end_line(self, line: int) -> None:
        """The lines before ``line`` are done: compare every row that is complete by now."""
        self._compare_up_to(self._lines[line][0] - 1 if line < len(self._lines) else len(self._published))

    def _compare_up_to(self, row: int) -> None:
        """Rows count from 1. Rows between two commands (``H``) show the same book."""
        if row <= self._row:
            return
        told = self.levels()
        for number in range(self._row, row):
            levels = self._published[number].tolist()
            if levels == told:
                self.found.rows_equal += 1
            else:
                self.found.note(f"row {number + 1}: the book is {told} and should be {levels}")
        self._row = row

    def levels(self) -> list[int]:
        """The client's book as the recording writes one: ask, size, bid, size of each level, best first."""
        found = [0] * (4 * self._depth)
        for place, side in ((0, Side.SELL), (2, Side.BUY)):
            prices, quantities = self.book.levels(side, self._depth)
            found[place : 4 * len(prices) : 4] = prices
            found[place + 1 : 4 * len(prices) : 4] = quantities
        return found


def _fills(told: list[Any]) -> Iterator[list[Any]]:
    """The reports of each fill of one order: the taker's, then the maker's."""
    trades = [each for each in told if each[0][1] == ReportKind.TRADE]
    yield from (trades[place : place + 2] for place in range(0, len(trades), 2))
