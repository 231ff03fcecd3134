"""What an account may trade, and through which gateways: asked only where something is said of it."""

from typing import Any, Final

import numpy as np
from numba import njit

from riskd.ids import mixed
from riskd.positions import key_of
from shm.controls import Permit
from shm.reasons import Reason

PASSED: Final = Reason.NONE.value
GATEWAY_NOT_ALLOWED: Final = Reason.GATEWAY_NOT_ALLOWED.value
INSTRUMENT_NOT_ALLOWED: Final = Reason.INSTRUMENT_NOT_ALLOWED.value
UNSET, REFUSED = Permit.UNSET.value, Permit.REFUSED.value


@njit(cache=True)
def verdict_of_permits(risk: Any, account: int, instrument: int) -> int:
    """May the account send a new order or a replace through the draft's gateway, and in this instrument?"""
    permits = risk["permits"][account]
    if permits["forbidden_gateways"] >> risk["draft"]["origin"] & 1 != 0:
        return GATEWAY_NOT_ALLOWED
    if permits["restricted"] == 0 and permits["named"] == 0:
        return PASSED
    permit = risk["pairs"][place_of_pair(risk, account, instrument)]["permit"]
    if permit == REFUSED or (permit == UNSET and permits["restricted"] != 0):
        return INSTRUMENT_NOT_ALLOWED
    return PASSED


@njit(cache=True)
def place_of_pair(risk: Any, account: int, instrument: int) -> int:
    """The index of the pair's entry, or of the empty one that it would lie in. At least half of the table is empty."""
    pairs, key = risk["pairs"], key_of(account, instrument)
    at = np.int64(mixed(np.uint64(key))) & (pairs.shape[0] - 1)
    while pairs[at]["key"] != key and pairs[at]["key"] != 0:
        at = (at + 1) & (pairs.shape[0] - 1)
    return at
