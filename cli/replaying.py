"""Drive a recorded day through an exchange, and compare what came of it with the recording and with the books of record."""

import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cli import agree
from cli.book import ask_book, instrument_number
from cli.cluster import temporary_cluster
from cli.drive import Driver, drive, settle
from cli.frames import Packed, to_wire
from cli.lobster import TICK, moves, to_commands
from cli.output import Failure
from cli.rows import RowCheck, fresh_ids, sweeps, swept
from cli.warm import same_bounds
from pinion.client import Client
from runtime.settings import Settings
from shm.records import CommandKind

ACCOUNT: Final = "replay"
Hear = Callable[[str, int], object]
"""Progress: what (``orders`` or ``rows``), and how many more of it are done."""


@dataclass(frozen=True)
class Desk:
    """Who replays, and where."""

    settings: Settings
    account: str
    api_key: str
    symbol: str
    own: bool = False
    """The exchange is a throw-away one: all that was ever told on it is this replay's."""


@contextmanager
def own_exchange(like: Settings, symbol: str) -> Iterator[Desk]:
    """A throw-away exchange with the shards and bounds of ``like``, one account and as many instruments as shards."""
    key = secrets.token_hex(16)
    traded = {"symbol": symbol, "price_decimals": 4, "tick_size": TICK}
    others = [{"symbol": f"OTHER{number}"} for number in range(1, like.matchers)]
    with temporary_cluster(
        **same_bounds(like),
        durability="memory",
        instruments=[*[{**each, "currency": "XXX"} for each in others], traded],
        accounts=[{"name": ACCOUNT, "api_key": key, "unset_limits": "unlimited", "maximum_open_orders": like.pools.orders}],
    ) as cluster:
        yield Desk(cluster.settings, ACCOUNT, key, symbol, own=True)


def replay(desk: Desk, lines: NDArray[Any], published: NDArray[np.int64] | None, hear: Hear) -> dict[str, Any]:
    """Send the flow, check it, and return the result for ``pinion replay``.

    Raises:
        Failure: the instrument does not fit the recording, its book is not empty, or the exchange falls silent.
    """
    settings = desk.settings
    number = instrument_number(settings, desk.symbol)
    _check_fit(desk, number)
    lines = fresh_ids(lines[moves(lines)])
    starts = sweeps(lines)
    commands = to_wire(without_zeros(to_commands(swept(lines, starts), instrument=number)), settings.instruments)
    with Client(settings.endpoints(0)[0], account=desk.account, api_key=desk.api_key, heartbeat_s=60) as client:
        first = time.time_ns()
        commands["request_id"] = np.arange(first, first + len(commands))
        driver = Driver(client, Packed(commands, client.token), first=first)
        elapsed_s = drive([driver], lambda done: hear("orders", done))
        settle([driver])
    reports = driver.reports
    result = {"orders": len(commands), "seconds": round(elapsed_s, 3), "orders_per_s": round(len(commands) / elapsed_s)}
    if published is not None:
        result |= _against_rows(desk, lines, starts, published, reports, hear)
    result["refused"] = len(driver.refusals)
    result |= agree.compare(settings, reports, since=None if desk.own else _first_commands(reports)).as_dict()
    return result | ({"engine_equal": agree.engine_repeats(settings)} if desk.own else {})


def count_orders(lines: NDArray[Any]) -> int:
    """How many requests a flow is sent as."""
    return len(sweeps(lines[moves(lines)]))


def without_zeros(commands: NDArray[Any]) -> NDArray[Any]:
    """``commands``, in which an order that is cut down to nothing is cancelled: no client may ask for a total of 0."""
    gone = (commands["kind"] == CommandKind.REPLACE) & (commands["quantity"] == 0)
    commands["kind"][gone], commands["price"][gone] = CommandKind.CANCEL, 0
    return commands


def is_good(result: dict[str, Any]) -> bool:
    """Was everything equal that was compared?"""
    rows = result.get("rows_equal") == result.get("rows") and result.get("fills_exact") == result.get("fills")
    return bool(
        rows
        and result["agree"]
        and result.get("book_equal", True)
        and result.get("engine_equal", True)
        and not result["refused"]
    )


def _against_rows(
    desk: Desk,
    lines: NDArray[Any],
    starts: NDArray[np.intp],
    published: NDArray[np.int64],
    reports: NDArray[Any],
    hear: Hear,
) -> dict[str, Any]:
    check = RowCheck(lines, starts, published)
    found = check.run(reports, lambda rows: hear("rows", rows))
    return {
        "rows": found.rows,
        "rows_equal": found.rows_equal,
        "fills": found.fills,
        "fills_exact": found.fills_exact,
        "wrong": found.wrong,
        "book_equal": np.array_equal(matchers_book(desk, published.shape[1]), published[-1]),
    }


def matchers_book(desk: Desk, depth: int) -> NDArray[np.int64]:
    """The matcher's own book as the recording writes one: levels x (ask, size, bid, size), prices in ticks."""
    book = ask_book(desk.settings, desk.symbol, depth)
    found = np.zeros((depth, 4), np.int64)
    for place, side in ((0, "asks"), (2, "bids")):
        for rank, (price, quantity, _) in enumerate(book[side]):
            found[rank, place : place + 2] = price // TICK, quantity
    return found


def _check_fit(desk: Desk, number: int) -> None:
    instrument = desk.settings.instruments[number]
    if (instrument.price_decimals, instrument.tick_size, instrument.quantity_decimals, instrument.lot_size) != (4, TICK, 0, 1):
        raise Failure(
            f"{desk.symbol} does not fit the recording, which needs price_decimals = 4, tick_size = {TICK}, "
            "quantity_decimals = 0 and lot_size = 1"
        )
    book = ask_book(desk.settings, desk.symbol, 1)
    if book["bids"] or book["asks"]:
        raise Failure(f"the book of {desk.symbol} is not empty: a replay needs it to itself")


def _first_commands(reports: NDArray[Any]) -> dict[int, int]:
    """Shard -> the first command that was reported."""
    shards = np.unique(reports["shard"]).tolist()
    return {shard: int(reports["command_sequence"][reports["shard"] == shard].min()) for shard in shards}
