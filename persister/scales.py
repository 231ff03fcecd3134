"""What turns ticks and lots into wire units, money and fees, by instrument."""

from typing import Any, Final

import numpy as np

from persister.placement import Array
from shm.fees import fees_of
from shm.records import FeeBasis

NUMBERS: Final = ("tick_size", "lot_size", "tick_value", "fee_basis", "maker_fee", "taker_fee")


class Scales:
    """Knows instruments; those that it does not know have zeros. Each attribute has a place an instrument."""

    def __init__(self) -> None:
        self.currency: Array = np.zeros(0, "S8")
        for name in NUMBERS:
            setattr(self, name, np.zeros(0, np.int64))
        self.tick_size: Array
        self.lot_size: Array
        self.tick_value: Array
        self.fee_basis: Array
        self.maker_fee: Array
        self.taker_fee: Array

    def __len__(self) -> int:
        return len(self.tick_size)

    def define(self, instrument: int, currency: bytes, **numbers: int) -> None:
        """From now on ``instrument`` is known; ``numbers`` are NUMBERS."""
        missing = max(0, instrument + 1 - len(self))
        for name, value in (("currency", currency), *((name, numbers[name]) for name in NUMBERS)):
            before = getattr(self, name)
            grown = np.concatenate([before, np.zeros(missing, before.dtype)])
            grown[instrument] = value
            setattr(self, name, grown)

    def money(self, trades: Array) -> Array:
        """What each TRADE event is worth."""
        return trades["price"] * trades["quantity"] * self.tick_value[trades["instrument"]]

    def fees(self, trades: Array) -> tuple[Array, Array]:
        """Of TRADE events: the fees of their resting orders, and of the others. Raises OverflowError naming a trade."""
        found = np.zeros((2, len(trades)), np.int64)
        instrument = trades["instrument"]
        for basis in FeeBasis:
            chosen = self.fee_basis[instrument] == basis
            if chosen.any():
                rates: list[Any] = [getattr(self, name)[instrument[chosen]] for name in ("maker_fee", "taker_fee")]
                tick_value: Any = self.tick_value[instrument[chosen]]
                found[:, chosen] = fees_of(trades[chosen], tick_value, basis, *rates)
        return found[0], found[1]
