"""What each account holds and has gained, added up from its execution reports by the same rule as the database's."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from cli.story import sizes
from persister.positions import Position, after
from pinion.protocol import Liquidity, ReportKind, Side
from runtime.sections import Instrument


def positions(reports: NDArray[Any], instruments: Sequence[Instrument]) -> dict[tuple[int, int], Position]:
    """(account, instrument) -> its position, from the TRADE reports of all accounts."""
    trades = reports[reports["report"] == ReportKind.TRADE]
    # As the books take them: in the order of events, and of one trade the aggressor's side first.
    trades = trades[np.lexsort((trades["liquidity"] == Liquidity.MAKER, trades["event_sequence"], trades["shard"]))]
    number, buys = trades["instrument"], trades["side"] == Side.BUY
    ticks, lots = trades["price"] // sizes(instruments, "tick_size")[number], trades["quantity"]
    money = ticks * (lots // sizes(instruments, "lot_size")[number]) * sizes(instruments, "tick_value")[number]
    held: dict[tuple[int, int], Position] = {}
    keys = zip(trades["account"].tolist(), number.tolist(), strict=True)
    for key, quantity, worth in zip(keys, np.where(buys, lots, -lots).tolist(), money.tolist(), strict=True):
        held[key] = after(held.get(key, Position()), quantity, worth)
    return held


def last_prices(reports: NDArray[Any]) -> dict[int, int]:
    """Instrument -> the price of its latest trade, in wire units."""
    trades = reports[reports["report"] == ReportKind.TRADE]
    trades = trades[trades["event_sequence"].argsort(kind="stable")]
    return dict(trades[["instrument", "price"]].tolist())


def unrealised(position: Position, instrument: Instrument, price: int) -> int:
    """What would be gained by closing it at ``price`` (wire units), in the smallest unit of the currency."""
    lots, ticks = position.net_quantity // instrument.lot_size, price // instrument.tick_size
    return lots * ticks * instrument.tick_value - position.average_cost
