"""Recorded order flow in LOBSTER's shape: order by order what came, and the book after each message.

Two kinds of file, plain or ``.xz``. A *flow* (``.cmd``) has one command a line, several to a row of the book:
``row,cmd,side,id,price,quantity,ref,time_ns``, side 1 for a buy and -1 for a sell. ``S`` an order that was there before, ``N``
and ``V`` a new one, ``I`` an immediate-or-cancel of the aggressor's side, ``R``, ``C`` and ``E`` less of one that rests, in its
place, ``X`` its cancel, ``H`` nothing. A *book* has ask price, ask size, bid price, bid size by level, best first; a level that
is not there is ±9999999999 and 0.
"""

import lzma
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from shm.records import COMMAND, CommandKind, OrderType, Side, TimeInForce

LINE: Final = np.dtype(
    [
        ("row", "<i8"),
        ("command", "S1"),
        ("side", "<i8"),
        ("id", "<i8"),
        ("price", "<i8"),
        ("quantity", "<i8"),
        ("reference", "S16"),
        ("time_ns", "<i8"),
    ]
)
BUYS: Final = 1
ENTERS, CUTS = b"SNVI", b"RCE"
ABSENT: Final = 9_999_999_999
TICK: Final = 100
"""Prices are dollars times 10,000; a tick is a cent."""
AGGRESSOR_IDS: Final = 1 << 62
"""An ``I`` has no id of its own: it is given this and its line."""


def read_flow(path: Path) -> NDArray[np.void]:
    """The lines of a flow, as LINE. Raises ValueError for one that is none."""
    with _open(path) as lines:
        return np.loadtxt(lines, LINE, delimiter=",", ndmin=1)


def read_book(path: Path) -> NDArray[np.int64]:
    """The book after each message: rows x levels x (ask price, ask size, bid price, bid size), prices in ticks, 0 for none."""
    with _open(path) as lines:
        flat = np.loadtxt(lines, np.int64, delimiter=",", ndmin=2)
    book = flat.reshape(len(flat), -1, 4)
    prices = book[:, :, ::2]
    prices[np.abs(prices) == ABSENT] = 0
    prices //= TICK
    return book


def to_commands(lines: NDArray[np.void], account: int = 0, instrument: int = 0) -> NDArray[np.void]:
    """One unnumbered COMMAND for every line but ``H`` (see ``moves``), in ticks and shares.

    A cut becomes a REPLACE of the same price with a lower total, which is what keeps an order's place; so totals are kept here.
    """
    lines = lines[moves(lines)]
    commands = np.zeros(len(lines), COMMAND)
    enters = np.isin(lines["command"], _letters(ENTERS))
    aggressors = lines["command"] == b"I"
    commands["account"], commands["instrument"], commands["time_ns"] = account, instrument, lines["time_ns"]
    commands["kind"] = np.select([enters, lines["command"] == b"X"], [CommandKind.NEW, CommandKind.CANCEL], CommandKind.REPLACE)
    commands["client_order_id"] = np.where(aggressors, AGGRESSOR_IDS + np.arange(len(lines)), lines["id"])
    commands["side"] = np.where(enters & (lines["side"] != BUYS), Side.SELL, Side.BUY)
    commands["price"] = np.where(lines["command"] == b"X", 0, lines["price"] // TICK)
    commands["type"] = np.where(enters, OrderType.LIMIT, 0)
    commands["time_in_force"] = np.where(aggressors, TimeInForce.IOC, np.where(enters, TimeInForce.GTC, 0))
    commands["quantity"] = _totals(lines)
    return commands


def moves(lines: NDArray[np.void]) -> NDArray[np.bool_]:
    """Which lines are commands: all but ``H``."""
    found: NDArray[np.bool_] = lines["command"] != b"H"
    return found


def _totals(lines: NDArray[np.void]) -> list[int]:
    """The quantity that each line's command asks for: of a cut, what the order's total comes down to."""
    total: dict[int, int] = {}
    asked = []
    for letter, number, quantity in zip(*(lines[name].tolist() for name in ("command", "id", "quantity")), strict=True):
        if letter in CUTS:
            total[number] -= quantity
        elif letter in ENTERS:
            total[number] = quantity
        asked.append(0 if letter == b"X" else total[number])
    return asked


def _letters(letters: bytes) -> list[bytes]:
    return [bytes([letter]) for letter in letters]


def _open(path: Path) -> Any:
    return lzma.open(path, "rt") if path.suffix == ".xz" else path.open()
