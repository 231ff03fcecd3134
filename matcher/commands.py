"""Making commands by hand, in ticks and lots: for notebooks, tests and benchmarks. Sequence 0: the engine numbers them."""

from typing import Any

import numpy as np

from shm.records import (
    COMMAND,
    NO_ACCOUNT,
    NO_INSTRUMENT,
    RISKD_ORIGIN,
    RULES_COMMAND,
    CommandKind,
    InstrumentState,
    OrderFlag,
    OrderType,
    Side,
    TimeInForce,
)


def new(
    account: int,
    client_order_id: int,
    side: Side,
    price: int,
    quantity: int,
    *,
    instrument: int = 0,
    type: OrderType = OrderType.LIMIT,  # noqa: A002 - the field's name
    time_in_force: TimeInForce = TimeInForce.GTC,
) -> Any:
    """One NEW, as an array of one COMMAND."""
    order = _command(CommandKind.NEW, account, instrument, client_order_id)
    order["side"], order["price"], order["quantity"] = side, price, quantity
    order["type"], order["time_in_force"] = type, time_in_force
    return order


def extended(order: Any, *, linked_to: int = 0, **terms: int) -> Any:
    """``order``, an array of one NEW, with more of COMMAND's fields set, and the flag that says so.

    ``linked_to`` is the client order id of the order that it is paired with. Example:
    ``extended(new(0, 1, Side.BUY, 100, 50), display_quantity=10)``.
    """
    terms["flags"] = terms.get("flags", 0) | OrderFlag.EXTENDED
    for name, value in terms.items():
        order[name] = value
    order["order_id"] = linked_to
    return order


def reduce(account: int, client_order_id: int, quantity: int, *, instrument: int = 0) -> Any:
    """One REDUCE of the order that ``client_order_id`` names, by ``quantity`` lots."""
    order = _command(CommandKind.REDUCE, account, instrument, client_order_id)
    order["quantity"] = quantity
    return order


def set_state(instrument: int, state: InstrumentState) -> Any:
    """One STATE."""
    made = _command(CommandKind.STATE, NO_ACCOUNT, instrument, 0)
    made["type"] = state
    return made


def set_rules(instrument: int, **rules: int) -> Any:
    """One RULES: the fields of RULES_COMMAND, what is not named is 0."""
    made = _command(CommandKind.RULES, NO_ACCOUNT, instrument, 0)
    for name, value in rules.items():
        made.view(RULES_COMMAND)[name] = value
    return made


def clock(time_ns: int) -> Any:
    """One CLOCK at ``time_ns``."""
    made = _command(CommandKind.CLOCK, NO_ACCOUNT, NO_INSTRUMENT, 0)
    made["time_ns"] = time_ns
    return made


def cancel(account: int, client_order_id: int, *, instrument: int = 0) -> Any:
    """One CANCEL of the order that ``client_order_id`` names."""
    return _command(CommandKind.CANCEL, account, instrument, client_order_id)


def replace(account: int, client_order_id: int, price: int, quantity: int, *, instrument: int = 0) -> Any:
    """One REPLACE: the new price and the new total quantity, what is executed included."""
    order = _command(CommandKind.REPLACE, account, instrument, client_order_id)
    order["price"], order["quantity"] = price, quantity
    return order


def mass_cancel(account: int, instrument: int = NO_INSTRUMENT) -> Any:
    """One MASS_CANCEL of the account's orders, in one instrument or in all."""
    return _command(CommandKind.MASS_CANCEL, account, instrument, 0)


def definitions(instruments: int, accounts: int) -> Any:
    """INSTRUMENT 0 to ``instruments - 1`` and ACCOUNT 0 to ``accounts - 1``: what a stream begins with."""
    made = np.zeros(instruments + accounts, COMMAND)
    made["origin"] = RISKD_ORIGIN
    made["kind"][:instruments], made["kind"][instruments:] = CommandKind.INSTRUMENT, CommandKind.ACCOUNT
    made["instrument"][:instruments] = np.arange(instruments)
    made["account"][instruments:] = np.arange(accounts)
    return made


def _command(kind: CommandKind, account: int, instrument: int, client_order_id: int) -> Any:
    made = np.zeros(1, COMMAND)
    made["kind"], made["account"], made["instrument"] = kind, account, instrument
    made["client_order_id"] = client_order_id
    return made
