"""Margin accounts: what positions and working orders ask for, against what there is, marked to the market. By currency.

Equity is the money that there is and what positions are worth at the mark: the last trade's price, or one that was given. What
is asked for are basis points of each instrument, of positions at the mark, rounded up. Working orders ask for the initial
margin of their money, and hold it with their fees (``needed`` in riskd/cash.py). Whatever passes the bound counts as the bound.
"""

from typing import Any, Final

from numba import njit

from riskd.layout import MONEY_BOUND
from riskd.money import product
from riskd.positions import instrument_of
from riskd.profit import PROFIT_BOUND, clamped

WHOLE: Final = 10_000
"""Basis points in one."""
TOO_LOW: Final = 16
"""The bit of ``warned``, and the offset of a warning, of an account that is below its maintenance margin."""


@njit(cache=True)
def margin_of(money: int, rate: int) -> Any:
    """So many basis points of ``money``, rounded up; MONEY_BOUND when that is more."""
    whole = product(money // WHOLE, rate)
    if whole < 0 or whole >= MONEY_BOUND - rate:
        return MONEY_BOUND
    return whole + (money % WHOLE * rate + WHOLE - 1) // WHOLE


@njit(cache=True)
def mark_of(risk: Any, instrument: int) -> Any:
    """The price, in ticks, that its positions are marked to; 0 while there is none."""
    given = risk["margins"][instrument]["mark"]
    return given if given > 0 else risk["instruments"][instrument]["last_price"]


@njit(cache=True)
def standing(risk: Any, account: int, asset: int, total: int) -> Any:
    """With ``total`` money of the currency ``asset``: equity, and what positions ask for, as initial and maintenance margin."""
    equity, initial, maintenance, at = clamped(total, PROFIT_BOUND), 0, 0, risk["limits"][account]["first"]
    while at != 0:
        position = risk["positions"][at - 1]
        instrument = instrument_of(position["key"])
        units, margins = risk["instruments"][instrument], risk["margins"][instrument]
        at = risk["links"][at - 1]["next"]
        net = position["bought"] - position["sold"]
        if net == 0 or units["money"] != asset:
            continue
        worth = product(product(abs(net), mark_of(risk, instrument)), units["tick_value"])
        worth = PROFIT_BOUND if worth < 0 else min(worth, PROFIT_BOUND)
        equity = clamped(equity + (worth if net > 0 else -worth), PROFIT_BOUND)
        initial = min(initial + min(margin_of(worth, margins["initial"]), PROFIT_BOUND), PROFIT_BOUND)
        maintenance = min(maintenance + min(margin_of(worth, margins["maintenance"]), PROFIT_BOUND), PROFIT_BOUND)
    return equity, initial, maintenance
