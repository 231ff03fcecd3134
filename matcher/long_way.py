"""Whatever a command is about that ``matcher/match.py`` does not do itself, from its checks to its last event."""

from typing import Any

from numba import void

from matcher.apart import HAND_OVER, LONG_WAY, apart
from matcher.change import cancel_special, enter_special, go_on, reduce_special, replace_special
from matcher.emit import plain, rejected
from matcher.layout import TRACKED
from matcher.mass import mass_cancel, tick
from matcher.settle import finish
from matcher.states import define_instrument, set_rules, set_state
from shm.atomics import int64
from shm.inner import inner
from shm.reasons import Reason
from shm.records import SLOT_BOUND, AccountFlag, CommandKind, EventKind

NEW, CANCEL, REPLACE = int64(CommandKind.NEW), int64(CommandKind.CANCEL), int64(CommandKind.REPLACE)
REDUCE, MASS_CANCEL = int64(CommandKind.REDUCE), int64(CommandKind.MASS_CANCEL)
INSTRUMENT, ACCOUNT = int64(CommandKind.INSTRUMENT), int64(CommandKind.ACCOUNT)
SNAPSHOT, CLOCK = int64(CommandKind.SNAPSHOT), int64(CommandKind.CLOCK)
STATE, RULES, RISK = int64(CommandKind.STATE), int64(CommandKind.RULES), int64(CommandKind.RISK)
ACCOUNT_DEFINED, TRACK_POSITION = int64(EventKind.ACCOUNT_DEFINED), int64(AccountFlag.TRACK_POSITION)
ORDER_NOT_LIVE, QUANTITY_NOT_POSITIVE = int64(Reason.ORDER_NOT_LIVE), int64(Reason.QUANTITY_NOT_POSITIVE)
UNKNOWN_COMMAND, ACCOUNT_BEYOND_BOUND = int64(Reason.UNKNOWN_COMMAND), int64(Reason.ACCOUNT_BEYOND_BOUND)
SLOT_MASK = SLOT_BOUND - 1

assert (SNAPSHOT, CLOCK, RISK) == (
    EventKind.SNAPSHOT_TAKEN,
    EventKind.CLOCK,
    EventKind.RISK_SET,
)  # their events bear the command's number


@apart(LONG_WAY, 0, void)
def take_long_way(state: Any, command: Any) -> None:
    """Handle the command. A CANCEL or REPLACE names an order that is live."""
    kind, slot = command["kind"], int64(command["order_id"]) & SLOT_MASK
    if kind == NEW:
        enter_special(state, command)
    elif kind == CANCEL:
        cancel_special(state, command, slot)
    elif kind == REPLACE:
        replace_special(state, command, slot)
    elif kind == REDUCE:
        _reduce(state, command, slot)
    else:
        _handle_rare(state, command)
    finish(state, command)


@apart(HAND_OVER, 0, void)
def hand_over(state: Any, command: Any) -> None:
    """The command's plain order was trading and met one that is not: it goes on from here. It stands nowhere."""
    go_on(state, command, int64(command["order_id"]) & SLOT_MASK)
    finish(state, command)


@inner
def _reduce(state: Any, command: Any, slot: int) -> None:
    order_id = command["order_id"]
    if order_id <= 0 or slot >= state["order_bound"] or state["orders"][slot]["order_id"] != order_id:
        rejected(state, command, ORDER_NOT_LIVE)
    elif command["quantity"] <= 0:
        rejected(state, command, QUANTITY_NOT_POSITIVE)
    else:
        reduce_special(state, command, slot)


@inner
def _handle_rare(state: Any, command: Any) -> None:
    kind = command["kind"]
    if kind == MASS_CANCEL:
        mass_cancel(state, command)
    elif kind == INSTRUMENT:
        define_instrument(state, command)
    elif kind == ACCOUNT:
        define_account(state, command)
    elif kind in (SNAPSHOT, RISK):
        plain(state, command, int64(kind), 0)
    elif kind == CLOCK:
        tick(state, command)
    elif kind == STATE:
        set_state(state, command)
    elif kind == RULES:
        set_rules(state, command)
    else:
        rejected(state, command, UNKNOWN_COMMAND)


@inner
def define_account(state: Any, command: Any) -> None:
    """From now on the account may have orders; a second definition changes limits, which are riskd's."""
    account = command["account"]
    if account < 0 or account >= state["account_bound"]:
        rejected(state, command, ACCOUNT_BEYOND_BOUND)
        return
    state["accounts"][account]["defined"] = TRACKED if command["flags"] & TRACK_POSITION else 1
    plain(state, command, ACCOUNT_DEFINED, 0)
