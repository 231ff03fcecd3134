"""What became of every order, told by the client's reports, the journal's events and the database's rows in the same words, so
that they can be laid side by side. Quantities in wire units, money in the smallest unit of the currency.
"""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from persister.tables import CANCELLED, FILLED, OPEN, REJECTED
from pinion.protocol import Kind, ReportKind
from runtime.sections import Instrument
from shm.records import CommandKind, EventKind

_WORDS: Final = [
    ("shard", "<i8"),
    ("order_id", "<i8"),
    ("account", "<i8"),
    ("client_order_id", "<u8"),
    ("instrument", "<i8"),
    ("side", "<i8"),
    ("status", "<i8"),
    ("trades", "<i8"),
    ("executed", "<i8"),
    ("value", "<i8"),
    ("leaves", "<i8"),
]
STORY: Final = np.dtype(_WORDS)
"""One order. ``value`` is the money of its trades. A refused one has minus its command's sequence for an order id, as in the
database, and beside account and client order id nothing else: what was sent may be nonsense."""

TOLD: Final = np.dtype([*_WORDS, ("sequence", "<i8"), ("kind", "<i8"), ("price", "<i8")])
"""One event about one order. ``trades``, ``executed`` and ``value`` are this event's part; price in wire units."""

ABOUT_ORDERS: Final = tuple(EventKind[word] for word in ("ACCEPTED", "TRADE", "CANCELLED", "REPLACED", "TRIGGERED", "RESTATED"))


def of_reports(reports: NDArray[Any], instruments: Sequence[Instrument]) -> NDArray[Any]:
    """The stories (dtype ``STORY``, sorted by shard and order id) that all accounts' execution reports tell."""
    about = reports[np.isin(reports["report"], ABOUT_ORDERS)]
    told = _copied(about, "report")
    told["shard"], told["sequence"] = about["shard"], about["event_sequence"]
    refused = reports[(reports["report"] == ReportKind.REJECTED) & (reports["message"] == Kind.NEW_ORDER)]
    return _sorted(summed_up(told, instruments), _refused(refused, refused["shard"]))


def of_events(events: NDArray[Any], shard: int, instruments: Sequence[Instrument]) -> NDArray[Any]:
    """The stories that the events of one shard's journal tell."""
    about = events[np.isin(events["kind"], ABOUT_ORDERS)]
    trades = events[events["kind"] == EventKind.TRADE]
    taker, maker = _copied(about, "kind"), _copied(trades, "kind")
    taker["sequence"], maker["sequence"] = about["sequence"], trades["sequence"]
    for name in ("order_id", "account", "client_order_id", "leaves"):
        maker[name] = trades[f"resting_{name}"]
    maker["side"] = 1 - trades["side"]
    told = np.concatenate((taker, maker))
    told["shard"] = shard
    told["price"] *= sizes(instruments, "tick_size")[told["instrument"]]
    for name in ("executed", "leaves"):
        told[name] *= sizes(instruments, "lot_size")[told["instrument"]]
    refused = events[(events["kind"] == EventKind.REJECTED) & (events["flags"] == CommandKind.NEW)]
    return _sorted(summed_up(told, instruments), _refused(refused, np.full(len(refused), shard)))


def summed_up(told: NDArray[Any], instruments: Sequence[Instrument]) -> NDArray[Any]:
    """One row an order out of all that was told (dtype ``TOLD``), which is put into order of time here."""
    if not len(told):
        return np.zeros(0, STORY)
    told = told[np.lexsort((told["sequence"], told["order_id"], told["shard"]))]
    ticks = told["price"] // sizes(instruments, "tick_size")[told["instrument"]]
    lots = told["executed"] // sizes(instruments, "lot_size")[told["instrument"]]
    told["value"] = ticks * lots * sizes(instruments, "tick_value")[told["instrument"]]
    begins = (np.diff(told["order_id"]) != 0) | (np.diff(told["shard"]) != 0)
    first = np.flatnonzero(np.concatenate(([True], begins)))
    last = told[np.append(first[1:], len(told)) - 1]
    stories = np.zeros(len(first), STORY)
    for name in STORY.names or ():
        stories[name] = told[name][first]
    for name in ("trades", "executed", "value"):
        stories[name] = np.add.reduceat(told[name], first)
    stories["leaves"] = last["leaves"]
    stories["status"] = np.where(last["kind"] == EventKind.CANCELLED, CANCELLED, np.where(last["leaves"] == 0, FILLED, OPEN))
    return stories


def sizes(instruments: Sequence[Instrument], name: str) -> NDArray[np.int64]:
    """``tick_size``, ``lot_size`` or ``tick_value`` of each instrument."""
    return np.array([getattr(each, name) for each in instruments], np.int64)


def differences(ours: NDArray[Any], theirs: NDArray[Any], bound: int = 20) -> list[str]:
    """Where two tellings (``STORY``, sorted) differ, one sentence an order, at most ``bound``; empty when they agree."""
    if len(ours) == len(theirs) and np.array_equal(ours, theirs):
        return []
    mine, other = _by_order(ours), _by_order(theirs)
    wrong = (key for key in sorted(mine.keys() | other.keys()) if mine.get(key) != other.get(key))
    return [_difference(key, mine.get(key), other.get(key)) for key, _ in zip(wrong, range(bound), strict=False)]


def _copied(events: NDArray[Any], kind: str) -> NDArray[Any]:
    """What reports and events call by the same name; ``kind`` is what they call the kind."""
    told = np.zeros(len(events), TOLD)
    for name in ("order_id", "account", "client_order_id", "instrument", "side", "leaves", "price"):
        told[name] = events[name]
    told["kind"] = events[kind]
    told["trades"] = told["kind"] == EventKind.TRADE
    told["executed"] = np.where(told["trades"], events["quantity"], 0)
    return told


def _refused(events: NDArray[Any], shard: NDArray[Any]) -> NDArray[Any]:
    stories = np.zeros(len(events), STORY)
    stories["shard"], stories["order_id"] = shard, -events["command_sequence"]
    stories["account"], stories["client_order_id"] = events["account"], events["client_order_id"]
    stories["status"] = REJECTED
    return stories


def _sorted(*parts: NDArray[Any]) -> NDArray[Any]:
    return np.sort(np.concatenate(parts), order=["shard", "order_id"])


def _by_order(stories: NDArray[Any]) -> dict[tuple[int, int], tuple[Any, ...]]:
    return {(row[0], row[1]): row for row in stories.tolist()}


def _difference(key: tuple[int, int], mine: tuple[Any, ...] | None, other: tuple[Any, ...] | None) -> str:
    where = f"shard {key[0]} order {key[1]}"
    if mine is None or other is None:
        return f"{where}: told by the {'second' if mine is None else 'first'} only"
    pairs = [f"{name} {a} / {b}" for name, a, b in zip(STORY.names or (), mine, other, strict=True) if a != b]
    return f"{where}: {', '.join(pairs)}"
