"""A floor to try the twin on: orders by number, what is told in words."""

from typing import Any

from reference.twin import Twin
from shm.reasons import name_of
from shm.records import (
    COMMAND,
    SLOT_BITS,
    AccountFlag,
    CommandKind,
    EventKind,
    InstrumentState,
    OrderFlag,
    OrderType,
    Side,
    TimeInForce,
)

NOTHING = dict.fromkeys((name for name in COMMAND.names or () if name != "pad"), 0)


class Floor:
    """One instrument and three accounts, which have their positions tracked. Every command gives what it told, in words."""

    def __init__(self, orders: int = 100, levels: int = 100) -> None:
        self.twin = Twin(1, 3, orders, levels)
        self.sequence = 0
        self.send(CommandKind.INSTRUMENT)
        for account in range(3):
            self.send(CommandKind.ACCOUNT, account=account, flags=AccountFlag.TRACK_POSITION)

    def send(self, kind: int, **fields: int) -> str:
        """One command; the book is looked over after it."""
        self.sequence += 1
        self.twin.events = []
        self.twin.handle(NOTHING | {"kind": kind, "sequence": self.sequence, "time_ns": self.sequence} | fields)
        self.twin.validate()
        return ", ".join(in_words(event) for event in self.twin.events)

    def new(self, number: int, side: Side, price: int, quantity: int, **fields: int) -> str:
        """One NEW of the client order id and slot ``number``; EXTENDED if anything but the time in force is said."""
        terms: dict[str, int] = {"type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, "flags": 0, "account": number % 2}
        terms |= fields
        plain = terms["type"] <= OrderType.MARKET and terms["time_in_force"] <= TimeInForce.DAY and not terms["flags"]
        if not plain or set(fields) - {"type", "time_in_force", "account", "flags"}:
            terms["flags"] |= OrderFlag.EXTENDED
        terms |= {"order_id": self.order_id(number), "client_order_id": number, "side": side}
        return self.send(CommandKind.NEW, **terms, price=price, quantity=quantity)

    def cancel(self, number: int) -> str:
        """One CANCEL."""
        return self.send(CommandKind.CANCEL, order_id=self.order_id(number), client_order_id=number)

    def replace(self, number: int, price: int, quantity: int, **fields: int) -> str:
        """One REPLACE."""
        return self.send(CommandKind.REPLACE, order_id=self.order_id(number), price=price, quantity=quantity, **fields)

    def reduce(self, number: int, lots: int) -> str:
        """One REDUCE."""
        return self.send(CommandKind.REDUCE, order_id=self.order_id(number), quantity=lots)

    def state(self, state: InstrumentState) -> str:
        """One STATE."""
        return self.send(CommandKind.STATE, type=state)

    def rules(self, **fields: int) -> str:
        """One RULES, its fields by their own names."""
        places = {"reference_price": "price", "dynamic_collar": "stop_price", "static_low": "quantity", "policy": "type"}
        places |= {"static_high": "display_quantity", "minimum_allocation": "minimum_quantity", "flags": "flags"}
        return self.send(CommandKind.RULES, **{places[name]: value for name, value in fields.items()})

    @staticmethod
    def order_id(number: int) -> int:
        """The order id of the order ``number``."""
        return 1 << SLOT_BITS | number


def in_words(event: dict[str, Any]) -> str:
    """An event as ``kind order numbers reason``: price×lots, leaves with the lots not shown, what the kind has."""
    said = {"client_order_id": 0, "price": 0, "quantity": 0, "leaves": 0, "resting_leaves": 0, "reason": 0} | event
    kind, name = EventKind(event["kind"]), EventKind(event["kind"]).name.lower()
    order, price, lots, leaves = said["client_order_id"], said["price"], said["quantity"], said["leaves"]
    if kind == EventKind.TRADE:
        return f"trade {order}-{said['resting_client_order_id']} {price}x{lots}"
    if kind in (EventKind.INDICATIVE, EventKind.UNCROSSED):
        return f"{name} {price}x{lots} {Side(said['side']).name.lower()} {leaves}"
    if kind == EventKind.CANCELLED:
        return f"cancelled {order} {price}x{lots} {name_of(said['reason'])}"
    if kind == EventKind.STATE_CHANGED:
        return InstrumentState(event["type"]).name.lower()
    if kind == EventKind.MASS_CANCELLED:
        return f"mass_cancelled {lots}"
    if kind in (EventKind.ACCEPTED, EventKind.REPLACED, EventKind.TRIGGERED, EventKind.RESTATED):
        hidden = f" hidden {said['resting_leaves']}" if said["resting_leaves"] else ""
        why = f" {name_of(said['reason'])}" if said["reason"] else ""
        return f"{name} {order} {price}x{leaves}{hidden}{why}"
    return f"{name} {name_of(said['reason'])}" if said["reason"] else name
