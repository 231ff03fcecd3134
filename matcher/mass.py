"""MASS_CANCEL and CLOCK: one command that takes off many orders."""

from typing import Any

from matcher.accounts import rests_at
from matcher.emit import plain, rejected
from matcher.ending import take_off
from matcher.expiry import forget_expiry, next_expiry
from matcher.layout import BLOCK_ORDERS, OWN_ORDERS
from matcher.settle import settle
from matcher.states import has_book
from matcher.walk import CANCELLED_BY_MASS_CANCEL, FITS_COMMAND, fits, sweep_away
from matcher.watch import touch
from shm.atomics import int64
from shm.inner import inner
from shm.reasons import Reason
from shm.records import NO_ACCOUNT, NO_INSTRUMENT, EventKind

MASS_CANCELLED, CLOCK = int64(EventKind.MASS_CANCELLED), int64(EventKind.CLOCK)
ACCOUNT_NOT_DEFINED, INSTRUMENT_NOT_DEFINED = int64(Reason.ACCOUNT_NOT_DEFINED), int64(Reason.INSTRUMENT_NOT_DEFINED)
EXPIRED = int64(Reason.EXPIRED)


@inner
def mass_cancel(state: Any, command: Any) -> None:
    """Cancel the orders that fit: an account's, oldest first, or, with account -1, all of an instrument."""
    account, instrument = int64(command["account"]), int64(command["instrument"])
    if account == NO_ACCOUNT:
        if not has_book(state, instrument):
            rejected(state, command, INSTRUMENT_NOT_DEFINED)
            return
        touch(state, instrument)
        count = sweep_away(state, command, instrument, FITS_COMMAND)
    elif account < 0 or account >= state["account_bound"] or not state["accounts"][account]["defined"]:
        rejected(state, command, ACCOUNT_NOT_DEFINED)
        return
    else:
        count = _cancel_of_account(state, command, account)
    settle(state, command)
    plain(state, command, MASS_CANCELLED, count)


@inner
def _cancel_of_account(state: Any, command: Any, account: int) -> int:
    """Those noted with the account, then through its blocks. Where a partner went too, any block may be gone: then again."""
    owner, count, index = state["accounts"][account], 0, 0
    for index in range(min(int64(owner["filled"]), OWN_ORDERS)):
        if rests_at(state, account, index) and _is_meant(state, command, int64(owner["orders"][index])):
            slot = int64(owner["orders"][index])
            touch(state, int64(state["orders"][slot]["instrument"]))
            count += 1
            take_off(state, command, slot, CANCELLED_BY_MASS_CANCEL)
    block = int64(owner["first"])
    while block:
        page = state["blocks"][block]
        following = int64(page["following"])
        index = 0
        while index < BLOCK_ORDERS:
            if int64(state["blocks_live"][block]) >> index & 1 and _is_meant(state, command, int64(page["orders"][index])):
                slot, alone = int64(page["orders"][index]), int64(state["blocks_live"][block]) == 1 << index
                touch(state, int64(state["orders"][slot]["instrument"]))
                count += 1
                if take_off(state, command, slot, CANCELLED_BY_MASS_CANCEL):
                    following = int64(state["accounts"][account]["first"])
                    break
                if alone:
                    break
            index += 1
        block = following
    return count


@inner
def _is_meant(state: Any, command: Any, slot: int) -> bool:
    instrument = command["instrument"]
    if instrument != NO_INSTRUMENT and instrument != state["orders"][slot]["instrument"]:
        return False
    return fits(state, command, slot)


@inner
def tick(state: Any, command: Any) -> None:
    """CLOCK: orders whose time is over end."""
    slot = next_expiry(state)
    while slot >= 0 and state["extras"][slot]["expiry_ns"] <= command["time_ns"]:
        touch(state, int64(state["orders"][slot]["instrument"]))
        forget_expiry(state, slot)
        take_off(state, command, slot, EXPIRED)
        slot = next_expiry(state)
    settle(state, command)
    plain(state, command, CLOCK, 0)
