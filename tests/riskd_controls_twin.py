"""What operators set, as riskd's slow twin knows it: dictionaries, and every sum added up anew each time it is asked for."""

from typing import Any

from shm.controls import Control, Kill, Scope
from shm.reasons import Reason
from shm.records import Side

FIRM = (Scope.FIRM, 0)


class Controls:
    """Values by (scope, number, control). ``twin`` is the ``riskd_reference.Reference`` that has the orders and positions."""

    def __init__(self, twin: Any) -> None:
        self.twin = twin
        self.values: dict[tuple[int, int, int], int] = {}

    def put(self, scope: int, number: int, control: int, value: int) -> None:
        """From now on."""
        self.values[scope, number, control] = value

    def get(self, scope: int, number: int, control: int) -> int:
        """0 where nothing was set."""
        return self.values.get((scope, number, control), 0)

    def verdict(self, r: Any, instrument: int, quantity: int) -> Reason:
        """The first control that refuses a request of ``quantity`` lots; 0 for a replace."""
        return self.switches(r, instrument, quantity)

    def switches(self, r: Any, instrument: int, quantity: int) -> Reason:
        """Kill switches: session, account, group, instrument, firm."""
        account = int(r["account"])
        group = self.get(Scope.ACCOUNT, account, Control.GROUP)
        asked = (
            (Reason.SESSION_KILLED, Scope.SESSION, int(r["session"])),
            (Reason.ACCOUNT_KILLED, Scope.ACCOUNT, account),
            (Reason.GROUP_KILLED, Scope.GROUP, group),
            (Reason.INSTRUMENT_KILLED, Scope.INSTRUMENT, instrument),
            (Reason.FIRM_KILLED, *FIRM),
        )
        for reason, scope, number in asked:
            kill = self.get(scope, number, Control.KILL) if scope is not Scope.GROUP or number else 0
            if kill == Kill.REFUSING or (kill == Kill.REDUCING and not self.reduces(account, instrument, r["side"], quantity)):
                return reason
        return Reason.NONE

    def reduces(self, account: int, instrument: int, side: int, quantity: int) -> bool:
        """Would the position not pass zero if all that works on that side traded, this order too?"""
        position = self.twin.positions.get((account, instrument))
        if position is None or not quantity:
            return False
        net = position.bought - position.sold
        open_lots = self.twin.open_lots(account, instrument, int(side)) + quantity
        return bool(open_lots <= (-net if side == Side.BUY else net))
