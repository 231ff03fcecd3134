"""Positions at average cost, from four sums an account and instrument: bought and sold quantity, bought and sold money.

What was bought and sold again (the smaller of both quantities) is closed, at the average of all that was bought and
of all that was sold; the rest is open. So a position depends on sums alone, never on the order of trades: it can be
added up by anybody. Integers throughout: the share of the larger side that is closed is rounded down, and the open
part has the rest, so that ``realised_profit + (what the open part would bring) - (what it cost)`` is the money that
moved, exactly.
"""

from typing import NamedTuple


class Position(NamedTuple):
    """Quantities in wire units, money in the smallest unit of the currency."""

    net_quantity: int
    bought_quantity: int
    sold_quantity: int
    bought_notional: int
    sold_notional: int
    average_cost: int
    """The money that the open quantity cost; for a short, that it brought, negative."""
    realised_profit: int


def position_of(bought_quantity: int, sold_quantity: int, bought_notional: int, sold_notional: int) -> Position:
    """The position that four sums make. Python's integers: the products do not overflow."""
    closed = min(bought_quantity, sold_quantity)
    closed_cost = bought_notional * closed // bought_quantity if bought_quantity else 0
    closed_income = sold_notional * closed // sold_quantity if sold_quantity else 0
    open_cost = (bought_notional - closed_cost) - (sold_notional - closed_income)
    return Position(
        bought_quantity - sold_quantity,
        bought_quantity,
        sold_quantity,
        bought_notional,
        sold_notional,
        open_cost,
        closed_income - closed_cost,
    )
