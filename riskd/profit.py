"""What a row has gained or lost today, at the last prices: realised and unrealised, over the list of its positions.

A position that has traded today remembers what it was worth when the day began (``base``); any other can still say so. Worth
that passes the bound counts as the bound: an account that has lost so much has lost enough.
"""

from typing import Any, Final

from numba import njit

from riskd.money import product
from riskd.positions import instrument_of

PROFIT_BOUND: Final = 1 << 60


@njit(inline="always")
def clamped(value: int, bound: int) -> Any:
    """``value``, or the bound that it is beyond."""
    return min(max(value, -bound), bound)


@njit(cache=True)
def mark(risk: Any, instrument: int, price: int, day: int) -> None:
    """A trade at ``price``: the last of an earlier day is what this day begins with."""
    marks, units = risk["marks"][instrument], risk["instruments"][instrument]
    if marks["day"] < day:
        marks["close"], marks["day"] = units["last_price"], day
    units["last_price"] = price


@njit(cache=True)
def begin_day(risk: Any, at: int, day: int) -> None:
    """The position is about to trade: remember what it was worth when the day began."""
    link = risk["links"][at]
    if link["day"] < day:
        link["base"], link["day"] = _worth_at_open(risk, at, day), day


@njit(cache=True)
def loss_of(risk: Any, row: int) -> int:
    """What the row has lost today; below 0 what it has gained."""
    total, today, at = 0, risk["header"]["day"], risk["limits"][row]["first"]
    while at != 0:
        link = risk["links"][at - 1]
        base = link["base"] if link["day"] == today else _worth_at_open(risk, at - 1, today)
        units = risk["instruments"][instrument_of(risk["positions"][at - 1]["key"])]
        total = clamped(
            total + _worth(risk["positions"][at - 1], units["last_price"], units["tick_value"]) - base, PROFIT_BOUND
        )
        at = link["next"]
    return -total


@njit(cache=True)
def _worth_at_open(risk: Any, at: int, day: int) -> int:
    """Of a position that has not traded on ``day`` yet."""
    position = risk["positions"][at]
    instrument = instrument_of(position["key"])
    marks, units = risk["marks"][instrument], risk["instruments"][instrument]
    price = marks["close"] if marks["day"] == day else units["last_price"]
    return _worth(position, price, units["tick_value"])


@njit(cache=True)
def _worth(position: Any, price: int, tick_value: int) -> int:
    """Money got less money paid, and what is held at ``price``."""
    net = position["bought"] - position["sold"]
    cash = position["realised"] - (position["cost"] if net > 0 else -position["cost"])
    worth = product(product(abs(net), price), tick_value)
    worth = PROFIT_BOUND if worth < 0 else min(worth, PROFIT_BOUND)
    return clamped(cash, PROFIT_BOUND) + (worth if net > 0 else -worth)
