"""Numbers a stream's commands for the twin alone, by what it tells: sequences, slots, and orders by account and name."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from shm.reasons import Reason
from shm.records import SLOT_BITS, SLOT_BOUND, CommandKind, EventKind, OrderFlag


@dataclass
class Numbering:
    """Slots and names of the orders that live. ``free`` are the slots not in use."""

    free: list[int]
    names: dict[tuple[int, int], int] = field(default_factory=dict)
    sequence: int = 0

    def number(self, command: dict[str, Any]) -> dict[str, Any]:
        """The command with sequence, order id, linked slot, and a verdict where these cannot be given."""
        self.sequence += 1
        command = command | {"sequence": self.sequence}
        name = (command["account"], command["client_order_id"])
        if command["verdict"]:
            return command
        if command["kind"] == CommandKind.NEW:
            return self._number_new(command, name)
        if command["kind"] in (CommandKind.CANCEL, CommandKind.REPLACE, CommandKind.REDUCE):
            known = name in self.names
            return command | {"order_id": self.names[name]} if known else command | {"verdict": Reason.UNKNOWN_ORDER}
        return command

    def _number_new(self, command: dict[str, Any], name: tuple[int, int]) -> dict[str, Any]:
        if name in self.names:
            return command | {"verdict": Reason.DUPLICATE_CLIENT_ORDER_ID}
        if not self.free:
            return command | {"verdict": Reason.ORDER_POOL_FULL}
        if command["flags"] & OrderFlag.EXTENDED and command["order_id"]:
            other = self.names.get((command["account"], command["order_id"]), SLOT_BOUND - 1)
            command = command | {"linked": other % SLOT_BOUND + 1}
        self.names[name] = self.sequence << SLOT_BITS | self.free.pop()
        return command | {"order_id": self.names[name]}

    def absorb(self, events: Iterable[dict[str, Any]]) -> None:
        """Orders that ended free their slots and names."""
        for event in events:
            kind = event["kind"]
            if kind == EventKind.TRADE and not event["leaves"]:
                self._forget(event["account"], event["client_order_id"], event["order_id"])
            if kind == EventKind.TRADE and not event["resting_leaves"]:
                self._forget(event["resting_account"], event["resting_client_order_id"], event["resting_order_id"])
            if kind == EventKind.CANCELLED or (kind == EventKind.REJECTED and event["flags"] == CommandKind.NEW):
                self._forget(event["account"], event["client_order_id"], event["order_id"])

    def _forget(self, account: int, client_order_id: int, order_id: int) -> None:
        if order_id and self.names.get((account, client_order_id)) == order_id:
            del self.names[account, client_order_id]
            self.free.append(order_id % SLOT_BOUND)
