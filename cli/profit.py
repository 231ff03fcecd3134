"""What each account holds and has gained, added up from its execution reports by the same rule as the database's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cli.story import sizes
from persister.positions import Position, position_of
from pinion.protocol import ReportKind, Side
from runtime.sections import Instrument


def positions(reports: NDArray[Any], instruments: Sequence[Instrument]) -> dict[tuple[int, int], Position]:
    """(account, instrument) -> its position, from the TRADE reports of all accounts."""
    trades = reports[reports["report"] == ReportKind.TRADE]
    number, buys = trades["instrument"], trades["side"] == Side.BUY
    ticks, lots = trades["price"] // sizes(instruments, "tick_size")[number], trades["quantity"]
    money = ticks * (lots // sizes(instruments, "lot_size")[number]) * sizes(instruments, "tick_value")[number]
    keys, place = np.unique(trades[["account", "instrument"]], return_inverse=True)
    sums = np.zeros((len(keys), 4), np.int64)
    np.add.at(sums, place.reshape(-1), np.column_stack((lots * buys, lots * ~buys, money * buys, money * ~buys)))
    return {key: position_of(*row) for key, row in zip(keys.tolist(), sums.tolist(), strict=True)}


def last_prices(reports: NDArray[Any]) -> dict[int, int]:
    """Instrument -> the price of its latest trade, in wire units."""
    trades = reports[reports["report"] == ReportKind.TRADE]
    trades = trades[trades["event_sequence"].argsort(kind="stable")]
    return dict(trades[["instrument", "price"]].tolist())


def unrealised(position: Position, instrument: Instrument, price: int) -> int:
    """What would be gained by closing it at ``price`` (wire units), in the smallest unit of the currency."""
    lots, ticks = position.net_quantity // instrument.lot_size, price // instrument.tick_size
    return lots * ticks * instrument.tick_value - position.average_cost
