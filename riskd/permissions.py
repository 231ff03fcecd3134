"""What is said of an account beside its limits, in riskd's state: what it may trade, from where, and its latch. Cold."""

from typing import Any, Final

import numpy as np

from riskd.layout_of_orders import PAIR_BOUND
from riskd.permits import place_of_pair
from riskd.usage import Check
from runtime.faults import EnvironmentFault, FaultStatus
from shm.controls import PERMIT_BITS, UNLIMITED, Control, Permit
from shm.records import GATEWAY_BOUND

TABLES: Final = {
    Control.ALLOWED_INSTRUMENTS: ("permits", "restricted"),
    Control.ALLOWED_GATEWAYS: ("permits", "forbidden_gateways"),
    Control.MAXIMUM_REPEATS: ("permits", "maximum_repeats"),
    Control.REPEAT_WINDOW_MS: ("permits", "repeat_window_ms"),
    Control.REMEMBER_IDS: ("permits", "remembers"),
}
"""Where the values lie that are one number each."""
ALL_GATEWAYS: Final = (1 << GATEWAY_BOUND) - 1
MASKS: Final = {Control.ALLOWED_INSTRUMENTS: 1, Control.ALLOWED_GATEWAYS: ALL_GATEWAYS}
"""Of those that are kept the other way round, so that 0 forbids nothing: all that could be allowed."""
WINDOW_MS: Final = 1000
HIGHEST_WINDOW_MS: Final = 86_400_000
HIGHEST: Final = {**MASKS, Control.REPEAT_WINDOW_MS: HIGHEST_WINDOW_MS, Control.LATCH: 0, Control.REMEMBER_IDS: 1}


def allow_everything(risk: Any) -> None:
    """As long as nothing is said."""
    for name, value in (("maximum_repeats", UNLIMITED), ("repeat_window_ms", WINDOW_MS)):
        risk["permits"][name] = risk["chosen"][:, Control[name.upper()]] = value
    for control, mask in MASKS.items():
        risk["chosen"][:, control] = mask
    place_of_pair(risk, 0, 0)  # loads the kernel now, and not while clients wait for an operator's command


def is_said(permits: Any) -> Any:
    """Is anything said of the account, or of each of an array of them, or is it latched?"""
    some = (
        (permits["forbidden_gateways"] != 0)
        | (permits["restricted"] != 0)
        | (permits["named"] != 0)
        | (permits["remembers"] != 0)
    )
    return some | (permits["maximum_repeats"] != UNLIMITED) | (permits["latched"] > permits["released"])


def derive_all(risk: Any) -> None:
    """Which accounts have anything said of them: after a recovery."""
    count = int(risk["header"]["accounts"])
    checks = risk["accounts"]["checks"][:count] & ~np.uint16(Check.PERMITS)
    risk["accounts"]["checks"][:count] = checks | np.where(is_said(risk["permits"][:count]), Check.PERMITS, 0)


def release(risk: Any, account: int, count: int) -> None:
    """The first ``count`` times that the account was latched are over."""
    permits = risk["permits"][account]
    permits["released"] = max(permits["released"], count)


def permit_of(risk: Any, account: int, value: int) -> int:
    """What is in force of the instrument that ``value`` names, as such a value."""
    instrument = value >> PERMIT_BITS
    return instrument << PERMIT_BITS | int(risk["pairs"][place_of_pair(risk, account, instrument)]["permit"])


def set_permit(risk: Any, account: int, value: int, *, is_chosen: bool = False) -> None:
    """By name. Raises EnvironmentFault when there is no room for one more pair."""
    at = place_of_pair(risk, account, value >> PERMIT_BITS)
    pair = risk["pairs"][at]
    if pair["key"] == 0:
        if not has_room(risk):
            raise EnvironmentFault(
                f"more than {bound(risk)} pairs of account and instrument are named", FaultStatus.CONFIGURATION
            )
        pair["key"] = (account << 32 | value >> PERMIT_BITS) + 1
        risk["permits"][account]["named"] += 1
    pair["permit"] = value & 3
    if is_chosen:
        pair["chosen"] = value & 3


def bound(risk: Any) -> int:
    """How many pairs there may be."""
    return min(len(risk["pairs"]) // 2, PAIR_BOUND)


def has_room(risk: Any) -> bool:
    """For one more pair?"""
    return int(risk["permits"]["named"].sum()) < bound(risk)


def named(risk: Any, account: int) -> dict[int, tuple[int, int]]:
    """By instrument, of those named: the Permit in force and that of the settings."""
    if risk["permits"][account]["named"] == 0:
        return {}
    mine = risk["pairs"][(risk["pairs"]["key"] - 1) >> 32 == account]
    return {int(pair["key"] - 1) & 0xFFFFFFFF: (int(pair["permit"]), int(pair["chosen"])) for pair in mine}


def changed_permits(risk: Any, account: int, allowed: set[int]) -> list[int]:
    """The values that make the settings' permits, which allow these instruments by name, of those they had last."""
    chosen = {instrument: pair[1] for instrument, pair in named(risk, account).items()}
    new = [each for each in sorted(allowed) if chosen.get(each) != Permit.ALLOWED]
    gone = [each for each in sorted(chosen) if chosen[each] != Permit.UNSET and each not in allowed]
    return [each << PERMIT_BITS | Permit.ALLOWED for each in new] + [each << PERMIT_BITS | Permit.UNSET for each in gone]


def checked_permit(risk: Any, account: int, value: Any) -> int:
    """Raises ValueError with what is allowed."""
    count = int(risk["header"]["instruments"])
    good = isinstance(value, int) and not isinstance(value, bool) and 0 <= value >> PERMIT_BITS < count
    if not good or value & 3 not in list(Permit):
        words = f"an instrument's number from 0 to below {count}, times {1 << PERMIT_BITS}, and 0 to {int(max(Permit))}"
        raise ValueError(f"value = {value!r}: allowed of instrument is {words}")
    if risk["pairs"][place_of_pair(risk, account, value >> PERMIT_BITS)]["key"] == 0 and not has_room(risk):
        raise ValueError(f"{bound(risk)} pairs of account and instrument are named, and there is room for no more")
    return int(value)
