"""The demo's flow as the matcher benchmark takes it: one instrument, one account."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from cli import flow
from shm.records import CommandKind, OrderType, TimeInForce

MARKET_TICKS: Final = 1_000
"""A market order, for a benchmark that knows limit orders only: this far through the book."""


def generate(count: int, seed: int) -> NDArray[np.void]:
    """``count`` orders of the benchmark's dtype; the same for the same arguments."""
    from bench.matcher import FLOW

    orders = flow.generate(count, 1, 1, seed)
    found = np.zeros(count, FLOW)
    found["kind"] = _kinds(orders)
    found["side"], found["id"], found["quantity"] = orders["side"], orders["client_order_id"], orders["quantity"]
    away = np.where(orders["side"] == 0, MARKET_TICKS, -MARKET_TICKS)
    market = orders["type"] == OrderType.MARKET
    found["price"] = np.where(market, flow.FIRST_MIDDLE_TICKS + away, orders["price"])
    return found


def _kinds(orders: NDArray[np.void]) -> NDArray[np.int32]:
    from bench.matcher import CANCEL, IOC, MOVE, NEW

    cancels, moves = orders["kind"] == CommandKind.CANCEL, orders["kind"] == CommandKind.REPLACE
    kinds: NDArray[np.int32] = np.select([cancels, moves, orders["time_in_force"] == TimeInForce.IOC], [CANCEL, MOVE, IOC], NEW)
    return kinds
