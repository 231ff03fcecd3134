"""From events to the rows of orders and their history, a batch at a time and column by column: numpy in, columns out, no loop
over events.

A batch gives new orders (accepted or rejected in the batch, with what else the batch did to them), changes of older orders,
and a row of history for each event and order that it touched. ``tests`` hold all of it against a loop in plain Python.
"""

from collections.abc import Callable
from typing import Any, Final

import numpy as np

from persister.placement import Array, Placement
from persister.scales import Scales
from persister.tables import CANCELLED, FILLED, OPEN, REJECTED
from shm.records import CommandKind, EventKind, OrderFlag

Columns = dict[str, Array]


class Picked:
    """Some records of an array, in an order: a column of them is read when it is asked for, the records are never copied
    whole (two cache lines each, of which a table wants a few fields)."""

    def __init__(self, records: Array, index: Array) -> None:
        self.records, self.index = records, index

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, name: str) -> Array:
        """A column."""
        return np.asarray(self.records[name][self.index])

    def where(self, chosen: Array) -> "Picked":
        """Some of them: a mask, or places."""
        return Picked(self.records, self.index[chosen])

    def view(self, dtype: Any) -> Array:
        """Copies of the records whole, as another dtype."""
        return self.records[self.index].view(dtype)


Commands = Callable[[Array], Picked]
"""Gives the commands that have these sequences."""

SETTING_TERMS: Final = (EventKind.ACCEPTED, EventKind.REPLACED, EventKind.RESTATED)
"""Events whose price and quantity are the order's from then on."""
TOUCHING: Final = (*SETTING_TERMS, EventKind.TRADE, EventKind.CANCELLED, EventKind.TRIGGERED)


def rows_where(columns: Columns, chosen: Array) -> Columns:
    """Some of the rows."""
    return {name: column[chosen] for name, column in columns.items()}


def _among(kinds: Array, wanted: tuple[EventKind, ...]) -> Array:
    """Which of ``kinds`` (u1) are wanted: a table of 256 is faster than a search."""
    table = np.zeros(256, bool)
    table[list(wanted)] = True
    return table[kinds]


def _entered_terms(commands: Picked, ticks: Array, lots: Array) -> Columns:
    """What NEW ``commands`` say beyond price and quantity, given the wire units that a tick and a lot of each are worth."""
    names = ("expiry_ns", "flags", "self_trade_group", "self_trade_rule")
    as_they_are = {name: commands[name] for name in names}
    is_price = as_they_are["flags"] & OrderFlag.BASIS_POINTS == 0
    return {
        "stop_price": commands["stop_price"] * np.where(is_price, ticks, 1),
        "display_quantity": commands["display_quantity"] * lots,
        "minimum_quantity": commands["minimum_quantity"] * lots,
        **as_they_are,
    }


def rejected_orders(events: Array, commands: Commands, shard: int, scales: Scales, placement: Placement) -> Columns:
    """A row for each order that was refused.

    What riskd refused carries prices and quantities as the client sent them, in wire units already.
    """
    chosen = np.flatnonzero(events["kind"] == EventKind.REJECTED)
    refused = Picked(events, chosen[events["flags"][chosen] == CommandKind.NEW])
    asked = commands(refused["command_sequence"])
    mine = placement.holds(asked["account"])
    refused, asked = refused.where(mine), asked.where(mine)
    zeros, instrument = np.zeros(len(refused), np.int64), asked["instrument"]
    known = (asked["verdict"] == 0) & (instrument < len(scales))
    ticks, lots = zeros + 1, zeros + 1
    ticks[known] = scales.tick_size[instrument[known]]
    lots[known] = scales.lot_size[instrument[known]]
    return {
        "shard": zeros + shard,
        "order_id": -asked["sequence"],
        "client_order_id": asked["client_order_id"].view(np.int64),
        **{name: asked[name] for name in ("account", "instrument", "side", "type", "time_in_force")},
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


def rejected_history(rejected: Columns) -> Columns:
    """The one row of history that a refused order has, from its row in ``orders``."""
    return {
        **{name: rejected[name] for name in ("shard", "order_id", "event_sequence")},
        "command_sequence": -rejected["order_id"],
        "account": rejected["account"],
        "kind": np.full(len(rejected["shard"]), EventKind.REJECTED),
        **{name: rejected[name] for name in ("price", "quantity", "leaves", "reason")},
        "time_ns": rejected["updated_ns"],
    }


class Touches:
    """What a batch does to orders: every touch of every order, sorted by order and time."""

    def __init__(self, events: Array, scales: Scales, placement: Placement) -> None:
        about = np.flatnonzero(_among(events["kind"], TOUCHING))
        rested = np.flatnonzero(events["kind"] == EventKind.TRADE)
        account = np.concatenate([events["account"][about], events["resting_account"][rested]])
        order = np.concatenate([events["order_id"][about], events["resting_order_id"][rested]])
        leaves = np.concatenate([events["leaves"][about], events["resting_leaves"][rested]])
        place = np.concatenate([about, rested])
        sequence = np.lexsort((place, order))
        sequence = sequence[placement.holds(account[sequence])]
        self.order, self.account = order[sequence], account[sequence]
        self.event = Picked(events, place[sequence])
        self.kind, instrument = self.event["kind"], self.event["instrument"]
        self.ticks, self.lots = scales.tick_size[instrument], scales.lot_size[instrument]
        self.leaves = leaves[sequence] * self.lots
        self.price, self.quantity = self.event["price"] * self.ticks, self.event["quantity"] * self.lots
        self._starts = np.flatnonzero(np.diff(self.order, prepend=np.int64(-1)))
        self._lasts = np.append(self._starts[1:], len(self.order))[: len(self._starts)] - 1

    def history(self, shard: int) -> Columns:
        """A row each."""
        event = self.event
        return {
            "shard": np.full(len(event), shard),
            "order_id": self.order,
            "event_sequence": event["sequence"],
            "command_sequence": event["command_sequence"],
            "account": self.account,
            "kind": self.kind,
            "price": self.price,
            "quantity": self.quantity,
            "leaves": self.leaves,
            "reason": event["reason"],
            "time_ns": event["time_ns"],
        }

    def states(self) -> Columns:
        """One row an order touched: what it became, and how much was executed meanwhile."""
        last = self.event.where(self._lasts)
        filled = np.where(self.kind == EventKind.TRADE, self.quantity, 0)
        leaves = self.leaves[self._lasts]
        cancelled = self.kind[self._lasts] == EventKind.CANCELLED
        status = np.where(cancelled, CANCELLED, np.where(leaves == 0, FILLED, OPEN))
        return {
            "order_id": self.order[self._lasts],
            "executed": np.add.reduceat(filled, self._starts) if len(filled) else filled,
            "leaves": leaves,
            "status": status,
            "reason": np.where(cancelled, last["reason"], 0),
            "updated_ns": last["time_ns"],
            "event_sequence": last["sequence"],
        }

    def terms(self) -> Columns:
        """Price and quantity of each order that was entered, replaced or restated, as the last such event says."""
        sets = np.flatnonzero(_among(self.kind, SETTING_TERMS))
        last = sets[np.flatnonzero(np.diff(self.order[sets], append=np.int64(-1)))]
        return {"order_id": self.order[last], "price": self.price[last], "quantity": self.quantity[last]}

    def entered(self) -> Array:
        """Where the orders entered in this batch were accepted, in the order of their ids."""
        return np.flatnonzero(self.kind == EventKind.ACCEPTED)


def order_rows(touches: Touches, commands: Commands, shard: int) -> tuple[Columns, Columns, Columns]:
    """New orders; new states of older orders; new terms of older orders."""
    states, terms = touches.states(), touches.terms()
    entered = touches.entered()
    accepted, order = touches.event.where(entered), touches.order[entered]
    is_new = np.isin(states["order_id"], order, assume_unique=True)
    set_new = np.isin(terms["order_id"], order, assume_unique=True)
    fresh, fresh_terms = rows_where(states, is_new), rows_where(terms, set_new)
    assert np.array_equal(fresh["order_id"], order), "an order id was accepted twice"
    asked = commands(accepted["command_sequence"])
    new = {
        "shard": np.full(len(accepted), shard),
        "order_id": order,
        "client_order_id": accepted["client_order_id"].view(np.int64),
        **{name: accepted[name] for name in ("account", "instrument", "side", "type", "time_in_force")},
        **{name: fresh_terms[name] for name in ("price", "quantity")},
        **{name: fresh[name] for name in ("executed", "leaves", "status", "reason")},
        "created_ns": accepted["time_ns"],
        **{name: fresh[name] for name in ("updated_ns", "event_sequence")},
        **_entered_terms(asked, touches.ticks[entered], touches.lots[entered]),
    }
    return new, rows_where(states, ~is_new), rows_where(terms, ~set_new)
