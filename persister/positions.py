"""Positions at average cost, fill by fill: the one rule by which the books of record say what was gained.

What a fill closes takes its share of the cost with it, rounded down; what is left over opens at the fill's price. It is
riskd's rule, so that both say the same; and what an account has gained no longer changes with what it opens later. Integers
throughout: ``realised_profit`` + what the open part would bring - ``average_cost`` is the money that moved, exactly.
"""

from typing import NamedTuple


class Position(NamedTuple):
    """Quantities in wire units, money in the smallest unit of the currency."""

    net_quantity: int = 0
    bought_quantity: int = 0
    sold_quantity: int = 0
    bought_notional: int = 0
    sold_notional: int = 0
    average_cost: int = 0
    """The money that the open quantity cost; for a short, that it brought, negative."""
    realised_profit: int = 0


def fill(net: int, cost: int, quantity: int, money: int) -> tuple[int, int, int]:
    """A fill of ``quantity`` (below 0: sold) for ``money`` (never below 0): the new net and cost, and what it realised.

    Python's integers: the products do not overflow.
    """
    if quantity > 0:
        if net >= 0:
            return net + quantity, cost + money, 0
        closing = quantity if quantity < -net else -net
        released, worth = -cost * closing // -net, money * closing // quantity
        return net + quantity, cost + released + (money - worth), released - worth
    if net <= 0:
        return net + quantity, cost - money, 0
    closing = -quantity if -quantity < net else net
    released, worth = cost * closing // net, money * closing // -quantity
    return net + quantity, cost - released - (money - worth), worth - released


def after(position: Position, quantity: int, money: int) -> Position:
    """The position after such a fill."""
    net, cost, gained = fill(position.net_quantity, position.average_cost, quantity, money)
    bought, paid = max(quantity, 0), money if quantity > 0 else 0
    return Position(
        net,
        position.bought_quantity + bought,
        position.sold_quantity + bought - quantity,
        position.bought_notional + paid,
        position.sold_notional + money - paid,
        cost,
        position.realised_profit + gained,
    )
