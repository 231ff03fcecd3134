"""Price collars: how far an order's own price may be from the instrument's reference price. Only asked where there is a collar.

The reference is the last trade that riskd has read of, or a price that is given; without either nothing new passes, whatever
its type. What an order without a price of its own trades at is the book's to say: then only the reference must be there. A
trailing stop-limit order's price is a distance, and is none of its own.
"""

from typing import Any, Final

from numba import njit

from riskd.money import product
from riskd.reckoning import TRAILING_STOP_LIMIT
from shm.controls import UNLIMITED, Reference
from shm.reasons import Reason

PASSED: Final = Reason.NONE.value
REFERENCE_PRICE_MISSING: Final = Reason.REFERENCE_PRICE_MISSING.value
PRICE_AWAY_FROM_REFERENCE: Final = Reason.PRICE_AWAY_FROM_REFERENCE.value
LAST: Final = Reference.LAST.value
WHOLE: Final = 10_000
"""Basis points."""


@njit(cache=True)
def verdict_of_collar(risk: Any, instrument: int, type_: int, price: int) -> int:
    """May an order of that type have that price (ticks)? The instrument has a collar."""
    units, collar = risk["instruments"][instrument], risk["collars"][instrument]
    reference = collar["price"] // units["tick_size"]
    if units["collar"] == LAST and units["last_price"] != 0:
        reference = units["last_price"]
    if reference == 0:
        return REFERENCE_PRICE_MISSING
    if price == 0 or type_ == TRAILING_STOP_LIMIT:
        return PASSED
    away = abs(price - reference)
    if away > collar["ticks"]:
        return PRICE_AWAY_FROM_REFERENCE
    width = product(reference, collar["basis_points"]) if collar["basis_points"] != UNLIMITED else -1
    return PRICE_AWAY_FROM_REFERENCE if width >= 0 and away > width // WHOLE else PASSED
