"""Kill switches: whether what an order is about is switched off. Only looked at while any switch is on.

A cancel, a mass cancel and a reduce never ask. A replace counts as new: whoever wants less cancels or reduces.
"""

from typing import Any, Final

from numba import njit

from riskd.positions import BUY
from shm.controls import Kill
from shm.reasons import Reason

PASSED: Final = Reason.NONE.value
SESSION_KILLED: Final = Reason.SESSION_KILLED.value
ACCOUNT_KILLED: Final = Reason.ACCOUNT_KILLED.value
GROUP_KILLED: Final = Reason.GROUP_KILLED.value
INSTRUMENT_KILLED: Final = Reason.INSTRUMENT_KILLED.value
FIRM_KILLED: Final = Reason.FIRM_KILLED.value
RELEASED: Final = Kill.RELEASED.value
REFUSING: Final = Kill.REFUSING.value


@njit(cache=True)
def verdict_of_switches(risk: Any, request: Any, instrument: int, position: int, quantity: int) -> int:
    """The first switch that refuses ``quantity`` lots; 0 lots are a replace. ``position`` may be an entry not yet in use."""
    header, account = risk["header"], risk["accounts"][request["account"]]
    if header["sessions"] != 0 and is_killed_session(risk, request["session"]):
        return SESSION_KILLED
    reduces = quantity > 0 and reduces_position(risk["positions"][position], request["side"], quantity)
    if _refuses(account["kill"], reduces):
        return ACCOUNT_KILLED
    if account["group"] != 0 and _refuses(risk["accounts"][header["account_bound"] + account["group"]]["kill"], reduces):
        return GROUP_KILLED
    if _refuses(risk["instruments"][instrument]["kill"], reduces):
        return INSTRUMENT_KILLED
    if _refuses(risk["accounts"][header["account_bound"]]["kill"], reduces):
        return FIRM_KILLED
    return PASSED


@njit(cache=True)
def is_killed_session(risk: Any, session: int) -> bool:
    """Is its switch on?"""
    for at in range(risk["header"]["sessions"]):
        if risk["sessions"][at] == session:
            return True
    return False


@njit(inline="always")
def _refuses(kill: int, reduces: bool) -> bool:
    return kill != RELEASED and (kill == REFUSING or not reduces)


@njit(cache=True)
def reduces_position(position: Any, side: int, quantity: int) -> bool:
    """Do all working orders of that side, with this one, come to no more than what is held the other way?"""
    net = position["bought"] - position["sold"]
    return position["open"][side] + quantity <= (-net if side == BUY else net)
