"""The demo's day: several accounts trade on a throw-away exchange; what it gave, as plain data."""

import secrets
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cli import agree, flow, profit
from cli.book import ask_book
from cli.cluster import Cluster
from cli.drive import Driver, drive, settle
from cli.frames import Packed, Records, to_wire
from pinion.client import Client
from pinion.protocol import Liquidity, ReportKind
from pinion.reasons import name_of
from runtime.settings import Settings

ACCOUNTS: Final = ("alice", "bob", "carol", "dave", "erin")
INSTRUMENTS: Final[tuple[dict[str, Any], ...]] = (
    {"symbol": "ACME", "price_decimals": 2, "tick_size": 1},
    {"symbol": "COGS", "price_decimals": 4, "tick_size": 100, "tick_value": 1},
    {"symbol": "GEAR", "price_decimals": 2, "tick_size": 5},
    {"symbol": "SHAFT", "price_decimals": 2, "tick_size": 1, "lot_size": 10},
)
WINDOW_MESSAGES: Final = 256
"""Unanswered requests an account while all send as fast as they can."""
ALONE_SHARE: Final = 100
ALONE_BOUND: Final = 1_000
"""One request in so many, at most so many, is sent at the end alone, with nothing else on its way."""
OPEN_ORDERS: Final = 1_000_000
PERCENTILES: Final = (50, 90, 99, 99.9)


def settings() -> tuple[dict[str, Any], dict[str, str]]:
    """The settings of the demo's exchange, in all else the defaults, and each account's key."""
    keys = {name: secrets.token_hex(16) for name in ACCOUNTS}
    accounts = [
        {"name": name, "api_key": key, "unset_limits": "unlimited", "maximum_open_orders": OPEN_ORDERS}
        for name, key in keys.items()
    ]
    return {"instruments": list(INSTRUMENTS), "accounts": accounts}, keys


def trade(cluster: Cluster, keys: dict[str, str], orders: int, seed: int, hear: Callable[[int], object]) -> dict[str, Any]:
    """Send ``orders`` requests of all accounts, check the books of record, and return the result for ``pinion demo``."""
    commands = to_wire(flow.generate(orders, len(ACCOUNTS), len(INSTRUMENTS), seed), cluster.settings.instruments)
    alone = min(orders // ALONE_SHARE, ALONE_BOUND)
    with ExitStack() as stack:
        clients = [
            stack.enter_context(Client(cluster.endpoint, account=name, api_key=key, heartbeat_s=60))
            for name, key in keys.items()
        ]
        together = _drivers(clients, commands[: orders - alone], WINDOW_MESSAGES)
        elapsed_s = drive(together, hear)
        single = _drivers(clients, commands[orders - alone :], window=1)
        for driver in single:
            drive([driver], hear)
        drivers = together + single
        settle(drivers)
        reports = np.concatenate([driver.reports for driver in drivers])
        told = agree.compare(cluster.settings, reports)
    return {
        "orders": orders,
        "seconds": round(elapsed_s, 3),
        "orders_per_s": round((orders - alone) / elapsed_s),
        "latency_us": {"under_load": percentiles_us(together), "alone": percentiles_us(single)},
        "trades": int((reports["liquidity"] == Liquidity.TAKER).sum()),
        "refused": _refusals(reports, drivers),
        "books": [ask_book(cluster.settings, each["symbol"], 1) for each in INSTRUMENTS],
        "accounts": list(_accounts(reports, cluster.settings)),
        **told.as_dict(),
    }


def percentiles_us(drivers: list[Driver]) -> dict[str, float]:
    """Microseconds from sending a request to the last report of what it did."""
    taken = np.concatenate([driver.answered_ns - driver.sent_ns for driver in drivers]) / 1e3
    if not len(taken):
        return {}
    cuts = np.percentile(taken, PERCENTILES)
    return {f"p{percent:g}": round(float(cut), 1) for percent, cut in zip(PERCENTILES, cuts, strict=True)}


def _drivers(clients: list[Client], commands: Records, window: int) -> list[Driver]:
    """One for each account's part of ``commands``."""
    found = []
    for number, client in enumerate(clients):
        mine = commands[commands["account"] == number]
        first = time.time_ns()
        mine["request_id"] = np.arange(first, first + len(mine))
        frame = min(window, 32)
        found.append(Driver(client, Packed(mine, client.token), window, frame, first))
    return found


def _refusals(reports: NDArray[Any], drivers: list[Driver]) -> dict[str, int]:
    """Reason -> how many requests were refused for it."""
    refused = Counter(reports["reason"][reports["report"] == ReportKind.REJECTED].tolist())
    refused.update(refusal.reason for driver in drivers for refusal in driver.refusals)
    return {name_of(code): count for code, count in refused.most_common()}


def _accounts(reports: NDArray[Any], settings: Settings) -> Iterator[dict[str, Any]]:
    """Each account: quantity by symbol, and profit in the currency's smallest unit, marked at the last trades."""
    positions, marks = profit.positions(reports, settings.instruments), profit.last_prices(reports)
    for number, account in enumerate(settings.accounts):
        mine = {instrument: held for (owner, instrument), held in positions.items() if owner == number}
        yield {
            "account": account.name,
            "positions": {settings.instruments[each].symbol: mine[each].net_quantity for each in sorted(mine)},
            "realised": sum(held.realised_profit for held in mine.values()),
            "unrealised": sum(profit.unrealised(held, settings.instruments[each], marks[each]) for each, held in mine.items()),
        }
