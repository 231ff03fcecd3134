"""From trades to what they mean for accounts: executions, positions, profit and balances, and the day's prices.

Column by column, but for one loop: a position at average cost depends on the one before it, fill by fill.
"""

from typing import Final

import numpy as np

from persister.placement import Array, Placement
from persister.positions import fill
from persister.rows import Columns, rows_where
from persister.scales import Scales
from persister.tables import AUCTION, MAKER, NS_PER_DAY, TAKER
from shm.records import EventFlag, EventKind, Side

ACCOUNT_BITS: Final = 32


class Ledger:
    """Knows what is open, of the accounts placed here: all that a fill's outcome depends on."""

    def __init__(self, placement: Placement) -> None:
        self.placement = placement
        self._open: dict[int, tuple[int, int, int]] = {}

    def load(self, account: int, instrument: int, net_quantity: int, average_cost: int) -> None:
        """As the database has it."""
        self._open[instrument << ACCOUNT_BITS | account] = (net_quantity, average_cost, 0)

    def executions(self, events: Array, shard: int, scales: Scales) -> Columns:
        """Both sides of each trade, as far as their accounts are placed here; the aggressor's first, as riskd takes them.

        To be asked once for each trade, in order: what is open changes. Raises OverflowError for a fee beyond 64 bits.
        """
        trades = _trades(events)
        columns = _sides(trades, shard, scales)
        mine = self.placement.holds(columns["account"])
        if not mine.all():
            columns = rows_where(columns, mine)
        signed = np.where(columns["side"] == Side.BUY, columns["quantity"], -columns["quantity"])
        keys = columns["instrument"].astype(np.int64) << ACCOUNT_BITS | columns["account"]
        columns |= self._filled(keys, signed, columns["notional"])
        return columns

    def _filled(self, keys: Array, quantities: Array, moneys: Array) -> Columns:
        """The loop: some 1 µs a fill. What is flat is kept too: it will hardly be the last time."""
        opened, flat, found = self._open, (0, 0, 0), list[int]()
        for key, quantity, money in zip(keys.tolist(), quantities.tolist(), moneys.tolist(), strict=True):
            net, cost, _ = opened.get(key, flat)
            opened[key] = after = fill(net, cost, quantity, money)
            found += after
        made = np.array(found, np.int64).reshape(-1, 3)
        return {name: made[:, place] for place, name in enumerate(("net_quantity", "average_cost", "realised_profit"))}


def _trades(events: Array) -> Array:
    words = events.view(np.uint64).reshape(len(events), -1)  # records are taken as words: field by field is slow
    return words[events["kind"] == EventKind.TRADE].reshape(-1).view(events.dtype)


def _both(aggressors: Array, resting: Array) -> Array:
    """Alternating, so that both sides of a trade stand together."""
    return np.stack([aggressors, resting], axis=1).reshape(-1)


def _sides(trades: Array, shard: int, scales: Scales) -> Columns:
    """Two rows a trade, without what depends on the accounts' positions."""
    instrument, auction = trades["instrument"], trades["flags"] & EventFlag.AUCTION != 0
    makers, takers = scales.fees(trades)
    names = ("account", "order_id", "client_order_id")
    taker, maker = ({name: trades[prefix + name] for name in names} for prefix in ("", "resting_"))
    same = {
        "shard": np.full(len(trades), shard),
        "event_sequence": trades["sequence"],
        "command_sequence": trades["command_sequence"],
        "instrument": instrument,
        "price": trades["price"] * scales.tick_size[instrument],
        "quantity": trades["quantity"] * scales.lot_size[instrument],
        "notional": scales.money(trades),
        "time_ns": trades["time_ns"],
    }
    return {
        **{name: np.repeat(column, 2) for name, column in same.items()},
        "side": _both(trades["side"], 1 - trades["side"]),
        "account": _both(taker["account"], maker["account"]),
        "order_id": _both(taker["order_id"], maker["order_id"]),
        "client_order_id": _both(taker["client_order_id"], maker["client_order_id"]).view(np.int64),
        "liquidity": _both(np.where(auction, AUCTION, TAKER), np.where(auction, AUCTION, MAKER)),
        "fee": _both(takers, makers),
        "contra_account": _both(maker["account"], taker["account"]),
        "contra_order_id": _both(maker["order_id"], taker["order_id"]),
    }


class Groups:
    """Rows that have the same key, in the order in which they came."""

    def __init__(self, **keys: Array) -> None:
        """``keys``: column name → values, the most significant first."""
        columns = list(keys.values())
        self._order = np.lexsort(columns[::-1])
        changes = np.zeros(len(self._order), bool)
        changes[:1] = True
        for column in columns:
            arranged = column[self._order]
            changes[1:] |= arranged[1:] != arranged[:-1]
        self._starts = np.flatnonzero(changes)
        self._lasts = np.append(self._starts[1:], len(self._order))[: len(self._starts)] - 1
        self.keys = {name: column[self._order][self._starts] for name, column in keys.items()}

    def sum(self, column: Array) -> Array:
        """Of each group."""
        return self._reduced(np.add, column.astype(np.int64))

    def highest(self, column: Array) -> Array:
        """Of each group."""
        return self._reduced(np.maximum, column)

    def lowest(self, column: Array) -> Array:
        """Of each group."""
        return self._reduced(np.minimum, column)

    def first(self, column: Array) -> Array:
        """Of each group."""
        return column[self._order[self._starts]]

    def last(self, column: Array) -> Array:
        """Of each group."""
        return column[self._order[self._lasts]]

    def _reduced(self, how: np.ufunc, column: Array) -> Array:
        return np.asarray(how.reduceat(column[self._order], self._starts)) if len(self._starts) else column[:0]


def _bought_and_sold(made: Columns) -> Columns:
    buys = made["side"] == Side.BUY
    return {
        "bought_quantity": made["quantity"] * buys,
        "sold_quantity": made["quantity"] * ~buys,
        "bought_notional": made["notional"] * buys,
        "sold_notional": made["notional"] * ~buys,
    }


def positions(made: Columns) -> Columns:
    """What ``made`` (executions) adds to each position, and what each became."""
    groups = Groups(account=made["account"], instrument=made["instrument"])
    return {
        **groups.keys,
        **{name: groups.sum(column) for name, column in _bought_and_sold(made).items()},
        "realised_profit": groups.sum(made["realised_profit"]),
        "fees": groups.sum(made["fee"]),
        **{name: groups.last(made[name]) for name in ("net_quantity", "average_cost", "event_sequence")},
        "updated_ns": groups.last(made["time_ns"]),
    }


def daily_profit(made: Columns) -> Columns:
    """What ``made`` (executions) adds to each account's day with each instrument."""
    groups = Groups(account=made["account"], instrument=made["instrument"], day=made["time_ns"] // NS_PER_DAY)
    return {
        **groups.keys,
        "trades": groups.sum(np.ones(len(made["side"]), np.int64)),
        "wins": groups.sum(made["realised_profit"] > 0),
        "losses": groups.sum(made["realised_profit"] < 0),
        **{name: groups.sum(column) for name, column in _bought_and_sold(made).items()},
        "realised_profit": groups.sum(made["realised_profit"]),
        "fees": groups.sum(made["fee"]),
        **{name: groups.last(made[name]) for name in ("net_quantity", "average_cost")},
    }


def balances(daily: Columns, scales: Scales) -> Columns:
    """What rows of ``daily_profit`` add to the money that each account moved in each currency and day."""
    groups = Groups(account=daily["account"], currency=scales.currency[daily["instrument"]], day=daily["day"])
    return {
        **groups.keys,
        "received": groups.sum(daily["sold_notional"]),
        "paid": groups.sum(daily["bought_notional"]),
        "fees": groups.sum(daily["fees"]),
    }


def daily_prices(events: Array, scales: Scales) -> Columns:
    """What each instrument traded at, a day: of all trades, whoever made them."""
    trades = _trades(events)
    groups = Groups(instrument=trades["instrument"], day=trades["time_ns"] // NS_PER_DAY)
    price = trades["price"] * scales.tick_size[trades["instrument"]]
    return {
        **groups.keys,
        "first_price": groups.first(price),
        "high_price": groups.highest(price),
        "low_price": groups.lowest(price),
        "last_price": groups.last(price),
        "trades": groups.sum(np.ones(len(trades), np.int64)),
        "quantity": groups.sum(trades["quantity"] * scales.lot_size[trades["instrument"]]),
        "notional": groups.sum(scales.money(trades)),
    }
