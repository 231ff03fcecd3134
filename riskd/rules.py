"""Which kinds of orders, and how small, an account may send at all. Only looked at where not everything is allowed."""

from typing import Any, Final

from numba import njit

from riskd.usage import Check
from shm.reasons import Reason

RULES, RISING = Check.RULES.value, Check.RISING.value
PASSED: Final = Reason.NONE.value
SIDE_NOT_ALLOWED: Final = Reason.SIDE_NOT_ALLOWED.value
TYPE_NOT_ALLOWED: Final = Reason.TYPE_NOT_ALLOWED.value
TIME_IN_FORCE_NOT_ALLOWED: Final = Reason.TIME_IN_FORCE_NOT_ALLOWED.value
QUANTITY_BELOW_MINIMUM: Final = Reason.QUANTITY_BELOW_MINIMUM.value
NOTIONAL_BELOW_MINIMUM: Final = Reason.NOTIONAL_BELOW_MINIMUM.value


@njit(cache=True)
def verdict_of_rules(risk: Any, order: Any) -> int:
    """May the account send such a new order? Its side, type and time in force are known ones."""
    account = risk["accounts"][order["account"]]
    if account["forbidden_sides"] >> order["side"] & 1 != 0:
        return SIDE_NOT_ALLOWED
    if account["forbidden_types"] >> order["type"] & 1 != 0:
        return TYPE_NOT_ALLOWED
    if account["forbidden_times"] >> order["time_in_force"] & 1 != 0:
        return TIME_IN_FORCE_NOT_ALLOWED
    return verdict_of_minimum(risk, order["account"])


@njit(cache=True)
def verdict_of_minimum(risk: Any, account: int) -> int:
    """Are the draft's lots and money enough for an order?"""
    limits, draft = risk["limits"][account], risk["draft"]
    if draft["quantity"] < limits["minimum_quantity"]:
        return QUANTITY_BELOW_MINIMUM
    return NOTIONAL_BELOW_MINIMUM if draft["money"] < limits["minimum_notional"] else PASSED
