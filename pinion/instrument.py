"""An instrument as a client sees it: from what people write to integers on the wire and back, exactly."""

from dataclasses import dataclass
from decimal import Context, Decimal, InvalidOperation

import numpy as np

from pinion.errors import OffTick

Number = Decimal | str | int
"""How a person gives a price or a quantity. A float is refused: it has already lost what was meant."""

INT64_MAX = (1 << 63) - 1
_EXACT = Context(prec=60)
"""Whatever precision the program around us has set for its own sums must not round a price."""


@dataclass(frozen=True, slots=True)
class Instrument:
    """``tick_size`` and ``lot_size`` are wire integers: counts of 10**-price_decimals and 10**-quantity_decimals."""

    symbol: str
    instrument: int
    currency: str
    tick_size: int
    lot_size: int
    price_decimals: int
    quantity_decimals: int

    @classmethod
    def of(cls, record: np.void) -> "Instrument":
        """From an INSTRUMENT message."""
        return cls(
            record["symbol"].decode(),
            int(record["instrument"]),
            record["currency"].decode(),
            int(record["tick_size"]),
            int(record["lot_size"]),
            int(record["price_decimals"]),
            int(record["quantity_decimals"]),
        )

    def price_to_wire(self, price: Number) -> int:
        """The wire integer of ``price`` in the quote currency; OffTick when it is not a multiple of the tick."""
        return _to_wire(price, self.price_decimals, self.tick_size, f"{self.symbol}: price", "tick")

    def quantity_to_wire(self, quantity: Number) -> int:
        """The wire integer of ``quantity``; OffTick when it is not a multiple of the lot."""
        return _to_wire(quantity, self.quantity_decimals, self.lot_size, f"{self.symbol}: quantity", "lot")

    def price_of(self, wire: int) -> Decimal:
        """The price that a wire integer means."""
        return Decimal(wire).scaleb(-self.price_decimals, _EXACT)

    def quantity_of(self, wire: int) -> Decimal:
        """The quantity that a wire integer means."""
        return Decimal(wire).scaleb(-self.quantity_decimals, _EXACT)


def _to_wire(number: Number, decimals: int, step: int, what: str, unit: str) -> int:
    exact = _exact(number, what).scaleb(decimals, _EXACT)
    wire = int(exact)
    if wire != exact or wire % step != 0:
        raise OffTick(f"{what} {number} is not a multiple of the {unit}, {Decimal(step).scaleb(-decimals)}")
    if abs(wire) > INT64_MAX:
        raise OffTick(f"{what} {number} does not fit 64 bits of {Decimal(1).scaleb(-decimals)}")
    return wire


def _exact(number: Number, what: str) -> Decimal:
    if isinstance(number, bool) or not isinstance(number, Decimal | str | int):
        raise TypeError(f"{what} must be a Decimal, a str or an int, not {type(number).__name__}: a float is not exact")
    try:
        exact = Decimal(number)
    except InvalidOperation:
        raise ValueError(f"{what} {number!r} is not a number") from None
    if not exact.is_finite() or abs(exact.adjusted()) > 40 or len(exact.as_tuple().digits) > 25:
        raise OffTick(f"{what} {number} is out of range")
    return exact
