"""What riskd asks of a single order beside the limits, as its slow twin knows it; and a hand that sets it at random."""

from fractions import Fraction
from typing import Any

from shm.controls import UNLIMITED, Control, Reference, Scope
from shm.reasons import Reason
from shm.records import OrderType

COLLARS = {
    Control.COLLAR_REFERENCE: (Reference.NONE, Reference.LAST, Reference.GIVEN),
    Control.COLLAR_PRICE: (0, 95, 100),
    Control.COLLAR_TICKS: (UNLIMITED, 0, 5, 8),
    Control.COLLAR_BASIS_POINTS: (UNLIMITED, 400, 900, 2**62),
}
"""The price is in ticks here."""


def verdict(controls: Any, r: Any, instrument: int, type_: int) -> Reason:
    """The first thing wrong with a new order, or with a replace of one of that type."""
    return collar(controls, r, instrument, type_)


def collar(controls: Any, r: Any, instrument: int, type_: int) -> Reason:
    """Is the price near enough to one that is known?"""
    values = [controls.values.get((Scope.INSTRUMENT, instrument, control)) for control in COLLARS]
    if not values[0]:
        return Reason.NONE
    tick = controls.twin.instruments[instrument][0]
    reference = Fraction(values[1] or 0)
    if values[0] == Reference.LAST and controls.twin.last_price[instrument]:
        reference = Fraction(controls.twin.last_price[instrument] * tick)
    if not reference:
        return Reason.REFERENCE_PRICE_MISSING
    away, price = abs(int(r["price"]) - reference), int(r["price"])
    ticks, basis_points = (UNLIMITED if value is None else value for value in values[2:])
    near = away <= ticks * tick and (basis_points == UNLIMITED or away // tick <= reference * basis_points / 10_000 // tick)
    has_price = price and type_ != OrderType.TRAILING_STOP_LIMIT
    return Reason.PRICE_AWAY_FROM_REFERENCE if has_price and not near else Reason.NONE


def set_something(stream: Any, instruments: list[Any]) -> None:
    """One control of one thing."""
    draw = stream.random
    on = [key for key, value in stream.twin.controls.values.items() if key[2] == Control.COLLAR_REFERENCE and value]
    if on and draw.random() < 0.5:
        stream.put(*draw.choice(on), Reference.NONE)
        return
    instrument, control = draw.randrange(len(instruments)), draw.choice(list(COLLARS))
    value = draw.choice(COLLARS[control])
    stream.put(
        Scope.INSTRUMENT, instrument, control, value * (instruments[instrument][0] if control == Control.COLLAR_PRICE else 1)
    )
