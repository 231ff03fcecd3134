"""From events to rows, a batch at a time and column by column: numpy in, columns out, no loop over events.

A batch gives new executions (one a trade), new orders (accepted or rejected in the batch, with what else the batch
did to them), changes of older orders, and what each account bought and sold. ``tests`` hold all of it against a loop
in plain Python.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from persister.tables import CANCELLED, FILLED, OPEN, REJECTED
from shm.records import CommandKind, EventKind, OrderFlag, Side

Array = np.ndarray[Any, np.dtype[Any]]
Columns = dict[str, Array]

SETTING_TERMS: Final = (EventKind.ACCEPTED, EventKind.REPLACED, EventKind.RESTATED)
"""Events whose price and quantity are the order's from then on."""
TOUCHING: Final = (*SETTING_TERMS, EventKind.TRADE, EventKind.CANCELLED, EventKind.TRIGGERED)


@dataclass
class Scales:
    """What turns ticks and lots into wire units and money, by instrument; and the names of the columns below."""

    tick_size: Array
    lot_size: Array
    tick_value: Array

    @classmethod
    def empty(cls) -> "Scales":
        """No instrument known."""
        return cls(*(np.zeros(0, np.int64) for _ in range(3)))

    def define(self, instrument: int, tick_size: int, lot_size: int, tick_value: int) -> None:
        """From now on ``instrument`` is known."""
        missing = max(0, instrument + 1 - len(self.tick_size))
        for name, value in (("tick_size", tick_size), ("lot_size", lot_size), ("tick_value", tick_value)):
            grown = np.concatenate([getattr(self, name), np.zeros(missing, np.int64)])
            grown[instrument] = value
            setattr(self, name, grown)


def _of_kind(events: Array, kind: EventKind) -> Array:
    return events[events["kind"] == kind]


def executions(events: Array, shard: int, scales: Scales) -> Columns:
    """A row for each trade."""
    trades = _of_kind(events, EventKind.TRADE)
    instrument = trades["instrument"]
    return {
        "shard": np.full(len(trades), shard),
        "event_sequence": trades["sequence"],
        "command_sequence": trades["command_sequence"],
        "instrument": instrument,
        "aggressor_side": trades["side"],
        "price": trades["price"] * scales.tick_size[instrument],
        "quantity": trades["quantity"] * scales.lot_size[instrument],
        "notional": trades["price"] * trades["quantity"] * scales.tick_value[instrument],
        "aggressor_order_id": trades["order_id"],
        "aggressor_client_order_id": trades["client_order_id"].view(np.int64),
        "aggressor_account": trades["account"],
        "resting_order_id": trades["resting_order_id"],
        "resting_client_order_id": trades["resting_client_order_id"].view(np.int64),
        "resting_account": trades["resting_account"],
        "time_ns": trades["time_ns"],
    }


def _entered_terms(commands: Array, ticks: Array, lots: Array) -> Columns:
    """What NEW ``commands`` say beyond price and quantity, given the wire units that a tick and a lot of each are worth."""
    is_price = commands["flags"] & OrderFlag.BASIS_POINTS == 0
    return {
        "stop_price": commands["stop_price"] * np.where(is_price, ticks, 1),
        "display_quantity": commands["display_quantity"] * lots,
        "minimum_quantity": commands["minimum_quantity"] * lots,
        **{name: commands[name] for name in ("expiry_ns", "flags", "self_trade_group", "self_trade_rule")},
    }


def rejected_orders(events: Array, commands: Array, shard: int, scales: Scales) -> Columns:
    """A row for each order that was refused. ``commands`` holds the commands of the events, one for each.

    What riskd refused carries prices and quantities as the client sent them, in wire units already.
    """
    chosen = (events["kind"] == EventKind.REJECTED) & (commands["kind"] == CommandKind.NEW)
    refused, asked = events[chosen], commands[chosen]
    zeros = np.zeros(len(refused), np.int64)
    known = (asked["verdict"] == 0) & (asked["instrument"] < len(scales.tick_size))
    ticks, lots = zeros + 1, zeros + 1
    ticks[known] = scales.tick_size[asked["instrument"][known]]
    lots[known] = scales.lot_size[asked["instrument"][known]]
    return {
        "shard": zeros + shard,
        "order_id": -asked["sequence"],
        "client_order_id": asked["client_order_id"].view(np.int64),
        "account": asked["account"],
        "instrument": asked["instrument"],
        "side": asked["side"],
        "type": asked["type"],
        "time_in_force": asked["time_in_force"],
        "price": asked["price"] * ticks,
        "quantity": asked["quantity"] * lots,
        "executed": zeros,
        "leaves": zeros,
        "status": zeros + REJECTED,
        "reason": refused["reason"],
        "created_ns": refused["time_ns"],
        "updated_ns": refused["time_ns"],
        "event_sequence": refused["sequence"],
        **_entered_terms(asked, ticks, lots),
    }


class Touches:
    """What a batch does to orders: every touch of every order, sorted by order and time; the last of each, the sums."""

    def __init__(self, events: Array, scales: Scales) -> None:
        about = events[np.isin(events["kind"], TOUCHING)]
        trades = _of_kind(events, EventKind.TRADE)
        lots = scales.lot_size
        self._order = np.concatenate([about["order_id"], trades["resting_order_id"]])
        self._event = np.concatenate([about, trades])
        leaves = np.concatenate([about["leaves"], trades["resting_leaves"]])
        self._sorted = np.lexsort((self._event["sequence"], self._order))
        self._order, self._event = self._order[self._sorted], self._event[self._sorted]
        self._leaves = leaves[self._sorted] * lots[self._event["instrument"]]
        self._starts = np.flatnonzero(np.diff(self._order, prepend=np.int64(-1)))
        self._lasts = np.append(self._starts[1:], len(self._order))[: len(self._starts)] - 1
        self._lots, self._ticks = lots, scales.tick_size

    def states(self) -> Columns:
        """One row an order touched: what it became, and how much was executed meanwhile."""
        last, kind = self._event[self._lasts], self._event["kind"]
        filled = np.where(kind == EventKind.TRADE, self._event["quantity"], 0) * self._lots[self._event["instrument"]]
        leaves = self._leaves[self._lasts]
        cancelled = last["kind"] == EventKind.CANCELLED
        status = np.where(cancelled, CANCELLED, np.where(leaves == 0, FILLED, OPEN))
        return {
            "order_id": self._order[self._lasts],
            "executed": np.add.reduceat(filled, self._starts) if len(filled) else filled,
            "leaves": leaves,
            "status": status,
            "reason": np.where(cancelled, last["reason"], 0),
            "updated_ns": last["time_ns"],
            "event_sequence": last["sequence"],
        }

    def terms(self) -> Columns:
        """Price and quantity of each order that was entered, replaced or restated, as the last such event says."""
        sets = np.flatnonzero(np.isin(self._event["kind"], SETTING_TERMS))
        order = self._order[sets]
        last = sets[np.flatnonzero(np.diff(order, append=np.int64(-1)))]
        event = self._event[last]
        return {
            "order_id": self._order[last],
            "price": event["price"] * self._ticks[event["instrument"]],
            "quantity": event["quantity"] * self._lots[event["instrument"]],
        }


def _rows_where(columns: Columns, chosen: Array) -> Columns:
    return {name: column[chosen] for name, column in columns.items()}


def order_rows(events: Array, commands: Array, shard: int, scales: Scales) -> tuple[Columns, Columns, Columns]:
    """New orders; new states of older orders; new terms of older orders. ``commands``: of each event the command."""
    touches = Touches(events, scales)
    states, terms = touches.states(), touches.terms()
    entered = np.flatnonzero(events["kind"] == EventKind.ACCEPTED)
    entered = entered[np.argsort(events["order_id"][entered], kind="stable")]
    accepted, instrument = events[entered], events["instrument"][entered]
    is_new = np.isin(states["order_id"], accepted["order_id"], assume_unique=True)
    set_new = np.isin(terms["order_id"], accepted["order_id"], assume_unique=True)
    fresh, fresh_terms = _rows_where(states, is_new), _rows_where(terms, set_new)
    assert np.array_equal(fresh["order_id"], accepted["order_id"]), "an order id was accepted twice"
    new = {
        "shard": np.full(len(accepted), shard),
        "order_id": accepted["order_id"],
        "client_order_id": accepted["client_order_id"].view(np.int64),
        **{name: accepted[name] for name in ("account", "instrument", "side", "type", "time_in_force")},
        **{name: fresh_terms[name] for name in ("price", "quantity")},
        **{name: fresh[name] for name in ("executed", "leaves", "status", "reason")},
        "created_ns": accepted["time_ns"],
        **{name: fresh[name] for name in ("updated_ns", "event_sequence")},
        **_entered_terms(commands[entered], scales.tick_size[instrument], scales.lot_size[instrument]),
    }
    return new, _rows_where(states, ~is_new), _rows_where(terms, ~set_new)


def position_sums(events: Array, scales: Scales) -> tuple[Array, Array]:
    """Keys (account, instrument) and what they bought and sold: quantity bought, sold, money bought, sold; one row a
    key."""
    trades = _of_kind(events, EventKind.TRADE)
    instrument = trades["instrument"].astype(np.int64)
    lots, money = trades["quantity"] * scales.lot_size[instrument], trades["price"] * trades["quantity"]
    money = money * scales.tick_value[instrument]
    buys = trades["side"] == Side.BUY
    keys, sums = [], []
    for accounts, bought in ((trades["account"], buys), (trades["resting_account"], ~buys)):
        keys.append(np.column_stack([accounts.astype(np.int64), instrument]))
        parts = (lots * bought, lots * ~bought, money * bought, money * ~bought)
        sums.append(np.column_stack(parts))
    all_keys, all_sums = np.concatenate(keys), np.concatenate(sums)
    unique, inverse = np.unique(all_keys, axis=0, return_inverse=True)
    totals = np.zeros((len(unique), 4), np.int64)
    np.add.at(totals, inverse.reshape(-1), all_sums)
    return unique, totals
