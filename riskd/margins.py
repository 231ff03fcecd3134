"""Margins of instruments, as controls set them, and accounts below theirs. Cold; riskd/margin.py has the arithmetic."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from riskd.cash import FUNDED, MARGIN, NO_FUNDS, free_lots, funds_at, needed
from riskd.chosen import MARGINS
from riskd.layout import CURRENCIES, WARNINGS
from riskd.limits import warn
from riskd.margin import TOO_LOW, standing
from riskd.positions import account_of_key, instrument_of_key, place
from runtime.sections import Instrument
from shm.controls import Control
from shm.records import shard_of


def load_kernels(risk: Any) -> None:
    """Those that Python asks about funds and margins, now and not while clients wait. Changes nothing."""
    funds_at(risk, 0, 0, False)
    needed(risk, 0, 0, 0, 0, 0)
    standing(risk, 0, 0, 0)
    free_lots(risk, 0, 0, place(risk, 0, 0))
    count = int(risk["header"]["warnings"])
    kept = risk["warnings"][count % WARNINGS].copy()
    warn(risk, 0, 0, 0, 0)
    risk["header"]["warnings"], risk["warnings"][count % WARNINGS] = count, kept


def set_margin(risk: Any, instrument: int, control: int, value: int) -> None:
    """From now on. What orders hold is what they would hold by it."""
    held = {at: -money for at, money in _held(risk, instrument)}
    risk["margins"][instrument][MARGINS[Control(control)][0]] = value
    for at, money in _held(risk, instrument):
        risk["funds"][at]["held"] += held[at] + money
        held[at] = 0


def _held(risk: Any, instrument: int) -> list[tuple[int, int]]:
    """By entry of the table of funds: what the instrument's orders of margin accounts hold."""
    header, found = risk["header"], dict[int, int]()
    if not (risk["accounts"]["checks"][: header["accounts"]] & MARGIN).any():
        return []
    orders = risk["orders"][shard_of(instrument, int(header["shards"]))]
    orders = orders[orders["order_id"] != 0]
    keys = risk["positions"]["key"][orders["position"]]
    for order, key in zip(orders, keys, strict=True):
        account = int(account_of_key(int(key)))
        if instrument_of_key(int(key)) == instrument and risk["accounts"][account]["checks"] & MARGIN:
            at = int(funds_at(risk, account, int(risk["instruments"][instrument]["money"]), True))
            terms = int(order["side"]), int(order["working"]), int(order["held"])
            found[at] = found.get(at, 0) + int(needed(risk, account, instrument, *terms))
    return list(found.items())


def margin_settings(instrument: Instrument) -> dict[Control, int]:
    """As riskd counts them."""
    return {Control.INITIAL_MARGIN: instrument.initial_margin, Control.MAINTENANCE_MARGIN: instrument.maintenance_margin}


def margin_accounts(risk: Any) -> list[int]:
    """The numbers of those there are."""
    return [int(each) for each in np.flatnonzero(risk["accounts"]["checks"][: risk["header"]["accounts"]] & MARGIN)]


def note_low(risk: Any, accounts: list[int]) -> None:
    """Note a warning of each of the margin accounts that has come to be below its maintenance margin."""
    for account in accounts:
        low = next((each for each in standings(risk, account) if each[1] < each[3]), None)
        limits = risk["limits"][account]
        if (low is not None) != bool(int(limits["warned"]) >> TOO_LOW & 1):
            limits["warned"] ^= np.uint32(1 << TOO_LOW)
            if low is not None:
                warn(risk, account, TOO_LOW, low[1], low[3])


def standings(risk: Any, account: int) -> Iterator[tuple[int, int, int, int, int]]:
    """Of each currency: its number, equity, initial and maintenance margin of positions, and what orders hold."""
    if not risk["accounts"][account]["checks"] & FUNDED:
        return
    for asset in range(CURRENCIES):
        at = funds_at(risk, account, asset, False)
        if at != NO_FUNDS:
            total, held = int(risk["funds"][at]["total"]), int(risk["funds"][at]["held"])
            equity, initial, maintenance = (int(each) for each in standing(risk, account, asset, total))
            yield asset, equity, initial, maintenance, held
