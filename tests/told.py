"""What the gateway would report of an engine's events, for tests of what clients do with reports. Wire units from ticks."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from pinion.protocol import EXECUTION_REPORT, Kind, Liquidity
from runtime.sections import Instrument
from shm.records import CommandKind, EventFlag, EventKind

MESSAGES = {
    CommandKind.NEW: Kind.NEW_ORDER,
    CommandKind.CANCEL: Kind.CANCEL,
    CommandKind.REPLACE: Kind.REPLACE,
    CommandKind.MASS_CANCEL: Kind.MASS_CANCEL,
}


def reports_of(events: Any, instruments: Sequence[Instrument], shard: int = 0) -> Any:
    """EXECUTION_REPORT of each event about an order; of a trade first the taker's, then the maker's."""
    events = events[events["kind"] <= EventKind.MASS_CANCELLED]
    trades = events["kind"] == EventKind.TRADE
    source = np.repeat(events, 1 + trades)
    maker = (
        np.concatenate([[False, True] if each else [False] for each in trades.tolist()]) if len(events) else np.zeros(0, bool)
    )
    reports = np.zeros(len(source), EXECUTION_REPORT)
    same = ("command_sequence", "time_ns", "order_id", "client_order_id", "request_id", "account", "instrument", "session")
    for name in (*same, "reason", "side", "type", "time_in_force", "price", "quantity", "leaves"):
        reports[name] = source[name]
    reports["event_sequence"], reports["report"], reports["shard"] = source["sequence"], source["kind"], shard
    reports["last"] = source["flags"] & EventFlag.LAST
    reports["liquidity"] = np.where(np.repeat(trades, 1 + trades), np.where(maker, Liquidity.MAKER, Liquidity.TAKER), 0)
    for name in ("order_id", "account", "client_order_id", "leaves"):
        reports[name][maker] = source[f"resting_{name}"][maker]
    reports["side"][maker] = 1 - source["side"][maker]
    refused = source["kind"] == EventKind.REJECTED
    reports["message"][refused] = [MESSAGES[CommandKind(kind)] for kind in source["flags"][refused].tolist()]
    ticks = np.array([each.tick_size for each in instruments])[reports["instrument"]]
    lots = np.array([each.lot_size for each in instruments])[reports["instrument"]]
    reports["price"] *= ticks
    reports["quantity"] *= lots
    reports["leaves"] *= lots
    return reports
