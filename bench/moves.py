"""A flow of the kind of the limit program's ``moves``: orders that change their price, most of it, over a thousand at rest.

82% reprice, 9% new, 3% IOC, 6% cancel. Prices lie far and near of a middle that stays, on each order's own side; an IOC takes
what is near. A matcher goes along, so that nearly all that is asked for is asked of orders that are still there.
"""

from typing import Any, Final

import numpy as np

from bench.matcher import CANCEL, FLOW, IOC, MOVE, NEW, to_commands
from matcher.commands import definitions
from matcher.engine import Engine
from shm.records import EventKind, Side

STANDING: Final = 1_000
MIDDLE_TICKS: Final = 1 << 17
SPREAD_TICKS: Final = 120.0
FARTHEST_TICKS: Final = 1 << 16
IOC_ACROSS_TICKS: Final = 20
NEW_ACROSS: Final = 0.05
"""So many of the new orders cross the middle, by two ticks."""
LARGEST_LOTS: Final = 99
PIECE: Final = 500
"""Requests drawn at once: those that name an order which another of the same piece has ended are refused."""


def generate(count: int, seed: int) -> Any:
    """``count`` orders, as ``FLOW``; the same for the same arguments."""
    random, engine = np.random.default_rng(seed), Engine(1, 1, orders=1 << 16)
    engine.run(definitions(1, 1))
    flow, book = np.zeros(count, FLOW), _Known(count)
    for start in range(0, count, PIECE):
        piece = flow[start : start + PIECE]
        _draw(piece, random, book)
        commands = to_commands(piece)
        commands["quantity"] = np.where(piece["kind"] == CANCEL, 0, book.quantity[piece["id"]])
        book.follow(engine.run(commands))
    return flow


class _Known:
    """The orders there are: side and quantity by id, and which are at rest."""

    def __init__(self, count: int) -> None:
        self.side, self.quantity = np.zeros(count + 1, np.int32), np.zeros(count + 1, np.int64)
        self.alive = np.zeros(count + 1, np.bool_)
        self.next = 1

    def follow(self, events: Any) -> None:
        """What has come to rest, and what has gone."""
        kind = events["kind"]
        self.alive[events["client_order_id"][kind == EventKind.ACCEPTED]] = True
        trades = events[kind == EventKind.TRADE]
        self.alive[trades["client_order_id"][trades["leaves"] == 0]] = False
        self.alive[trades["resting_client_order_id"][trades["resting_leaves"] == 0]] = False
        self.alive[events["client_order_id"][kind == EventKind.CANCELLED]] = False


def _draw(piece: Any, random: np.random.Generator, book: _Known) -> None:
    count, there = len(piece), np.flatnonzero(book.alive)
    kinds = np.array([MOVE, NEW, IOC, CANCEL])[random.choice(4, count, p=(0.82, 0.09, 0.03, 0.06))]
    if len(there) < STANDING:
        kinds[(kinds == CANCEL) | (len(there) < STANDING // 2)] = NEW
    piece["kind"] = kinds
    is_new = (kinds == NEW) | (kinds == IOC)
    fresh = np.arange(book.next, book.next + int(is_new.sum()))
    book.next += len(fresh)
    book.side[fresh], book.quantity[fresh] = random.integers(0, 2, len(fresh)), random.integers(1, LARGEST_LOTS + 1, len(fresh))
    piece["id"][is_new] = fresh
    if not is_new.all():
        piece["id"][~is_new] = random.choice(there, count - len(fresh))
    piece["side"], piece["quantity"] = book.side[piece["id"]], book.quantity[piece["id"]]
    away = (np.abs(random.standard_cauchy(count)) * SPREAD_TICKS).astype(np.int64) % FARTHEST_TICKS + 1
    away[(kinds == NEW) & (random.random(count) < NEW_ACROSS)] = -2
    away[kinds == IOC] = -IOC_ACROSS_TICKS
    piece["price"] = np.where(piece["side"] == Side.BUY, MIDDLE_TICKS - away, MIDDLE_TICKS + away)
