"""What each account has in each instrument: a table of positions, and what a fill does to one."""

from typing import Any

import numpy as np
from numba import njit

from riskd.ids import mixed
from riskd.layout import MONEY_BOUND
from riskd.money import INT64_MAX, product, share
from shm.atomics import prefetch
from shm.inner import plain
from shm.records import Side

BUY, SELL = Side.BUY.value, Side.SELL.value


@njit(inline="always")
def key_of(account: int, instrument: int) -> Any:
    """The key of a position; never 0, which marks an unused entry."""
    return (np.int64(account) << 32 | np.int64(instrument)) + 1


@njit(inline="always")
def account_of(key: int) -> int:
    """The account of a position's key."""
    return (key - 1) >> 32


@njit(inline="always")
def instrument_of(key: int) -> int:
    """The instrument of a position's key."""
    return (key - 1) & 0xFFFFFFFF


account_of_key, instrument_of_key = plain(account_of), plain(instrument_of)
"""The same for Python."""


@njit(inline="always")
def mixed_key(key: int) -> Any:
    """Where a key's search begins, before it is cut to the size of a table."""
    return np.int64(mixed(np.uint64(key)))


@njit(inline="always")
def _home_of(risk: Any, key: int) -> Any:
    return mixed_key(key) & (risk["positions"].shape[0] - 1)


@njit(inline="always")
def fetch(risk: Any, account: int, instrument: int) -> None:
    """Ask for the cache line that a lookup will need."""
    prefetch(risk["positions"], _home_of(risk, key_of(account, instrument)))


@njit(cache=True)
def place(risk: Any, account: int, instrument: int) -> int:
    """The index of the position, or of the empty entry that ``claim`` makes it of; -1 when the table is full."""
    positions, key = risk["positions"], key_of(account, instrument)
    at = _home_of(risk, key)
    while positions[at]["key"] != key:
        if positions[at]["key"] == 0:
            return -1 if 2 * risk["header"]["positions"] >= positions.shape[0] else at
        at = (at + 1) & (positions.shape[0] - 1)
    return at


@njit(inline="always")
def claim(risk: Any, at: int, account: int, instrument: int) -> None:
    """See that the entry that ``place`` found is that position, and on the list of its row."""
    if risk["positions"][at]["key"] == 0:
        risk["header"]["positions"] += 1
        risk["positions"][at]["key"] = key_of(account, instrument)
        risk["links"][at]["next"] = risk["limits"][account]["first"]
        risk["limits"][account]["first"] = at + 1


@njit(cache=True)
def has_room(position: Any, side: int, quantity: int, money: int) -> bool:
    """Could an order of ``quantity`` lots for ``money`` be filled, with all that works already, and nothing overflow?"""
    done = position["bought"] if side == BUY else position["sold"]
    return done + position["open"][side] <= MONEY_BOUND - quantity and position["turnover"] <= MONEY_BOUND - money


@njit(cache=True)
def trade(position: Any, side: int, price: int, quantity: int, tick_value: int) -> bool:
    """A fill: lots and money at average cost. Returns False, having done nothing, when money would overflow.

    What closes part of a position takes its share of the cost with it, rounded down; what is left over opens at ``price``.
    """
    value = product(price, tick_value)
    money = product(value, quantity)
    if money < 0 or position["turnover"] > INT64_MAX - money:
        return False
    net = position["bought"] - position["sold"]
    against = -net if side == BUY else net
    closing = min(quantity, max(against, 0))
    released = share(position["cost"], closing, against) if closing > 0 else 0
    position["realised"] += released - value * closing if side == BUY else value * closing - released
    position["cost"] += value * (quantity - closing) - released
    position["turnover"] += money
    if side == BUY:
        position["bought"] += quantity
    else:
        position["sold"] += quantity
    return True
