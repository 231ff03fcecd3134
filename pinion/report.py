"""Reports and orders as objects with human prices; made from the integer arrays, which a fast client reads as they are."""

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import TypeVar

import numpy as np

from pinion.instrument import Instrument
from pinion.protocol import Kind, Liquidity, OrderType, ReportKind, Side, TimeInForce
from pinion.reasons import Reason, name_of


@dataclass(frozen=True, slots=True)
class Report:
    """One thing that happened to one order of the account. ``docs/protocol.md`` says what each kind carries.

    ``price`` and ``quantity`` are the execution's in a TRADE, the order's in ACCEPTED, REPLACED, TRIGGERED and RESTATED, what
    was asked for in REJECTED, and what was taken off in CANCELLED. ``side`` is this order's own. DONE is about no order: it
    ends the answer to the request ``request_id``.
    """

    kind: ReportKind
    symbol: str
    client_order_id: int
    order_id: int
    account: int
    """Number of the account whose order it is."""
    request_id: int
    side: Side | int
    price: Decimal
    quantity: Decimal
    leaves: Decimal
    reason: Reason | int
    liquidity: Liquidity
    type: OrderType | int
    time_in_force: TimeInForce | int
    time_ns: int
    shard: int
    event_sequence: int
    command_sequence: int
    session: int
    message: int
    last: bool
    auction: bool
    """Whether it is a TRADE of an auction."""

    @property
    def is_last_of_order(self) -> bool:
        """Whether the order is gone for good after this."""
        if self.kind in (ReportKind.TRADE, ReportKind.CANCELLED):
            return self.leaves == 0
        return self.kind is ReportKind.REJECTED and self.message == Kind.NEW_ORDER

    def __str__(self) -> str:
        if self.kind is ReportKind.DONE:
            return f"DONE request {self.request_id}"
        words = [self.kind.name, self.symbol, f"order {self.client_order_id}"]
        if self.kind is not ReportKind.MASS_CANCELLED:
            words.append(f"{_name(self.side)} {self.quantity} @ {self.price}, {self.leaves} left")
        if self.reason:
            words.append(f"({name_of(self.reason)})")
        return " ".join(words)


@dataclass(frozen=True, slots=True)
class OrderStatus:
    """A working order of the account, as the gateway knew it when it was asked."""

    symbol: str
    client_order_id: int
    order_id: int
    side: Side
    price: Decimal
    quantity: Decimal
    leaves: Decimal
    cumulative: Decimal
    type: OrderType
    time_in_force: TimeInForce
    time_ns: int
    shard: int


E = TypeVar("E", Side, OrderType, TimeInForce, Reason)

UNKNOWN = Instrument("", -1, "", 1, 1, 0, 0)
"""Stands in for an instrument that the exchange does not have, in the rejection of an order that named it."""


def report_of(record: np.void, instruments: Mapping[int, Instrument]) -> Report:
    """The report that an EXECUTION_REPORT message carries."""
    instrument = instruments.get(int(record["instrument"]), UNKNOWN)
    kind = ReportKind(int(record["report"]))
    counts = kind is ReportKind.MASS_CANCELLED
    return Report(
        kind=kind,
        symbol=instrument.symbol,
        client_order_id=int(record["client_order_id"]),
        order_id=int(record["order_id"]),
        account=int(record["account"]),
        request_id=int(record["request_id"]),
        side=_known(Side, record["side"]),
        price=instrument.price_of(int(record["price"])),
        quantity=Decimal(int(record["quantity"])) if counts else instrument.quantity_of(int(record["quantity"])),
        leaves=instrument.quantity_of(int(record["leaves"])),
        reason=_known(Reason, record["reason"]),
        liquidity=Liquidity(int(record["liquidity"])),
        type=_known(OrderType, record["type"]),
        time_in_force=_known(TimeInForce, record["time_in_force"]),
        time_ns=int(record["time_ns"]),
        shard=int(record["shard"]),
        event_sequence=int(record["event_sequence"]),
        command_sequence=int(record["command_sequence"]),
        session=int(record["session"]),
        message=int(record["message"]),
        last=bool(record["last"]),
        auction=bool(record["auction"]),
    )


def status_of(record: np.void, instruments: Mapping[int, Instrument]) -> OrderStatus:
    """The order that an ORDER_STATUS message describes."""
    instrument = instruments[int(record["instrument"])]
    return OrderStatus(
        symbol=instrument.symbol,
        client_order_id=int(record["client_order_id"]),
        order_id=int(record["order_id"]),
        side=Side(int(record["side"])),
        price=instrument.price_of(int(record["price"])),
        quantity=instrument.quantity_of(int(record["quantity"])),
        leaves=instrument.quantity_of(int(record["leaves"])),
        cumulative=instrument.quantity_of(int(record["cumulative"])),
        type=OrderType(int(record["type"])),
        time_in_force=TimeInForce(int(record["time_in_force"])),
        time_ns=int(record["time_ns"]),
        shard=int(record["shard"]),
    )


def _known(enum: type[E], value: int) -> E | int:
    """The enum's member, or the bare number when it is not one: a rejection carries what was sent, sense or nonsense."""
    try:
        return enum(int(value))
    except ValueError:
        return int(value)


def _name(side: Side | int) -> str:
    return side.name.lower() if isinstance(side, Side) else f"side {side}"
