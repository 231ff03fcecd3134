"""What the settings said last of a control, which a live value may differ from. Cold."""

from typing import Any, Final

from shm.controls import Control, Scope

COLLARS: Final = {
    Control.COLLAR_REFERENCE: ("instruments", "collar"),
    Control.COLLAR_PRICE: ("collars", "price"),
    Control.COLLAR_TICKS: ("collars", "ticks"),
    Control.COLLAR_BASIS_POINTS: ("collars", "basis_points"),
}
"""Where an instrument's controls lie, beside its kill switch."""
MARGINS: Final = {
    Control.INITIAL_MARGIN: ("initial", "chosen_initial"),
    Control.MAINTENANCE_MARGIN: ("maintenance", "chosen_maintenance"),
    Control.MARK_PRICE: ("mark", "chosen_mark"),
}
"""Where such a control's value lies in an instrument's record of margins, and what the settings say of it."""


def row_of(risk: Any, scope: int, number: int) -> int:
    """Where an account, group or the firm lies among the records of accounts."""
    if scope == Scope.ACCOUNT:
        return number
    return int(risk["header"]["account_bound"]) + (number if scope == Scope.GROUP else 0)


def chosen(risk: Any, scope: int, number: int, control: int) -> int:
    """What the settings said last."""
    row, at = _where(risk, scope, number, control)
    return int(row[at])


def set_chosen(risk: Any, scope: int, number: int, control: int, value: int) -> None:
    """The settings say this."""
    row, at = _where(risk, scope, number, control)
    row[at] = value


def _where(risk: Any, scope: int, number: int, control: int) -> tuple[Any, int | str]:
    if control in MARGINS:
        return risk["margins"][number], MARGINS[Control(control)][1]
    if scope == Scope.INSTRUMENT:
        return risk["collars"][number]["chosen"], control - Control.COLLAR_REFERENCE
    return risk["chosen"][row_of(risk, scope, number)], control
