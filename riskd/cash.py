"""Funds of cash and margin accounts: what an order may cost at the worst is held from the moment it is numbered.

An *asset* is a currency, or lots of an instrument that were put in from outside (``riskd.layout``). What is held for an order
is a function of the lots and the money that it counts for (``hold`` in riskd/orders.py), so whatever changes those, an entry, a
fill, a replace on its way, an end, changes this too; and all of it is a sum, so a replay need not know who read what when.

- A cash account's order to buy holds its money and the larger of both fees, with one unit a lot on top where fees are parts of
  the money, for each fill's fee is rounded up. Its order to sell holds lots: those at work to be sold are no longer free; and
  money only where a fee a lot is more than a lot can bring.
- A margin account's orders of both sides hold the initial margin of their money, and the same fees. What passes then depends on
  all that it has (riskd/margin.py); an order that can only reduce a position always does.
- A trade moves its money and both fees; fees go to the venue's account, which is the firm's row. An account without funds has
  none to move, and pays its fee elsewhere.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from riskd.layout import CURRENCIES, MONEY_BOUND
from riskd.margin import margin_of, standing
from riskd.money import INT64_MAX, product
from riskd.positions import BUY, key_of, mixed_key
from riskd.switches import reduces_position
from riskd.usage import Check
from shm.fees import PER_WHOLE
from shm.reasons import Reason
from shm.records import AccountFlag, EventFlag, FeeBasis, OrderType

PASSED: Final = Reason.NONE.value
WORST_PRICE_UNKNOWN: Final = Reason.WORST_PRICE_UNKNOWN.value
INSUFFICIENT_POSITION: Final = Reason.INSUFFICIENT_POSITION.value
INSUFFICIENT_FUNDS: Final = Reason.INSUFFICIENT_FUNDS.value
FUNDS_OVERFLOW: Final = Reason.FUNDS_OVERFLOW.value
BELOW_MAINTENANCE_MARGIN: Final = Reason.BELOW_MAINTENANCE_MARGIN.value
INSUFFICIENT_MARGIN: Final = Reason.INSUFFICIENT_MARGIN.value
MARGIN, FUNDED = Check.MARGIN.value, Check.CASH.value | Check.MARGIN.value
SHORT_SELLING: Final = AccountFlag.SHORT_SELLING.value
PER_LOT: Final = FeeBasis.PER_LOT.value
AUCTION: Final = EventFlag.AUCTION.value
LIMIT, MARKET, STOP_LIMIT = OrderType.LIMIT.value, OrderType.MARKET.value, OrderType.STOP_LIMIT.value
NO_FUNDS: Final = -1
TOO_MUCH: Final = INT64_MAX
"""Of a fee, or a hold: 64 bits do not hold it."""


@njit(cache=True)
def funds_at(risk: Any, account: int, asset: int, claims: bool) -> Any:
    """The index of the account's entry. If it has none, that of a new one; NO_FUNDS when the table is full, or without
    ``claims``."""
    funds, key = risk["funds"], key_of(account, asset)
    mask = funds.shape[0] - 1
    at = mixed_key(key) & mask
    for _ in range(funds.shape[0] // 2):
        if funds[at]["key"] == 0:
            if not claims:
                return NO_FUNDS
            funds[at]["key"] = key
        if funds[at]["key"] == key:
            return at
        at = (at + 1) & mask
    return NO_FUNDS


@njit(cache=True)
def fee_of(basis: int, rate: int, quantity: int, money: int) -> Any:
    """What ``shm.fees.fee`` says; TOO_MUCH when it, or what leads to it, passes 64 bits. A rebate is below 0."""
    size = abs(np.int64(rate))
    if basis == PER_LOT:
        found = product(size, quantity)
        return TOO_MUCH if found < 0 else found if rate > 0 else -found
    whole, rest = product(money // PER_WHOLE, size), money % PER_WHOLE * size
    if whole < 0 or whole > MONEY_BOUND:
        return TOO_MUCH
    return whole + (rest + PER_WHOLE - 1) // PER_WHOLE if rate > 0 else -(whole + rest // PER_WHOLE)


@njit(cache=True)
def needed(risk: Any, account: int, instrument: int, side: int, working: int, held: int) -> Any:
    """The money to hold for an order that counts for so many lots and so much money; TOO_MUCH for what no account can have."""
    fees = risk["fees"][instrument]
    basis, rate = fees["fee_basis"], max(int(fees["maker_fee"]), int(fees["taker_fee"]), 0)
    margin = risk["accounts"][account]["checks"] & MARGIN != 0
    if side != BUY and not margin:
        short = max(rate - risk["instruments"][instrument]["tick_value"], 0) if basis == PER_LOT else 0
        found = product(short, working)
        return TOO_MUCH if found < 0 or found > MONEY_BOUND else found
    fee = fee_of(basis, rate, working, held)
    if fee > MONEY_BOUND:
        return TOO_MUCH
    rounding = working if basis != PER_LOT and rate > 0 else 0
    if margin:
        held = margin_of(held, risk["margins"][instrument]["initial"])
    if held > MONEY_BOUND - fee or held + fee > MONEY_BOUND - rounding:
        return TOO_MUCH
    return held + fee + rounding


@njit(cache=True)
def hold_funds(risk: Any, account: int, instrument: int, order: Any, working: int, held: int) -> None:
    """The order counts for so much from now on, no longer for what it says itself."""
    at = funds_at(risk, account, risk["instruments"][instrument]["money"], True)
    if at != NO_FUNDS:
        before = needed(risk, account, instrument, order["side"], order["working"], order["held"])
        risk["funds"][at]["held"] += needed(risk, account, instrument, order["side"], working, held) - before


@njit(cache=True)
def verdict_of_funds(risk: Any, account: int, instrument: int, side: int, type_: int, working: int, held: int) -> int:
    """Has the account what the draft may cost it, if the order counts for ``working`` and ``held`` already (0: a new one)?"""
    draft, row = risk["draft"], risk["accounts"][account]
    at = funds_at(risk, account, risk["instruments"][instrument]["money"], True)
    if at == NO_FUNDS:
        return FUNDS_OVERFLOW
    if row["checks"] & MARGIN != 0:
        return _verdict_of_margin(risk, account, instrument, side, at, working, held)
    if side == BUY and not (draft["price"] > 0 and type_ in (LIMIT, MARKET, STOP_LIMIT)):
        return WORST_PRICE_UNKNOWN
    owns = side != BUY and row["flags"] & SHORT_SELLING == 0 and draft["more_lots"] > 0
    if owns and draft["more_lots"] > free_lots(risk, account, instrument, draft["position"]):
        return INSUFFICIENT_POSITION
    after = needed(risk, account, instrument, side, working + draft["more_lots"], held + draft["more_money"])
    more, funds = after - needed(risk, account, instrument, side, working, held), risk["funds"][at]
    if after == TOO_MUCH or (more > 0 and more > funds["total"] - funds["held"]):
        return INSUFFICIENT_FUNDS
    coming = draft["more_money"] if side != BUY else 0
    if coming > 0 and (funds["total"] >= MONEY_BOUND - coming or row["held"][side] >= MONEY_BOUND - coming - funds["total"]):
        return FUNDS_OVERFLOW
    return PASSED


@njit(cache=True)
def _verdict_of_margin(risk: Any, account: int, instrument: int, side: int, at: int, working: int, held: int) -> int:
    """What reduces passes; anything else asks for the initial margin of all that there is, and works, and of itself."""
    draft, funds = risk["draft"], risk["funds"][at]
    after = needed(risk, account, instrument, side, working + draft["more_lots"], held + draft["more_money"])
    more = after - needed(risk, account, instrument, side, working, held)
    if after == TOO_MUCH or abs(funds["total"]) >= MONEY_BOUND - max(draft["more_money"], 0):
        return FUNDS_OVERFLOW
    if (draft["more_lots"] <= 0 and more <= 0) or reduces_position(
        risk["positions"][draft["position"]], side, draft["more_lots"]
    ):
        return PASSED
    if draft["reckoned"] == 0:
        return WORST_PRICE_UNKNOWN
    equity, initial, maintenance = standing(risk, account, risk["instruments"][instrument]["money"], funds["total"])
    if equity < maintenance:
        return BELOW_MAINTENANCE_MARGIN
    return INSUFFICIENT_MARGIN if more > equity - initial - funds["held"] else PASSED


@njit(cache=True)
def free_lots(risk: Any, account: int, instrument: int, position: int) -> Any:
    """What was put in or bought, and is neither sold nor at work to be."""
    at, lots = funds_at(risk, account, CURRENCIES + instrument, False), risk["positions"][position]
    put_in = risk["funds"][at]["total"] if at != NO_FUNDS else 0
    return put_in + lots["bought"] - lots["sold"] - lots["open"][1 - BUY]


@njit(cache=True)
def settle(risk: Any, event: Any) -> bool:
    """Move the money of a trade, and its fees, as far as its accounts have funds. False when a number would overflow."""
    fees, money = risk["fees"][event["instrument"]], risk["instruments"][event["instrument"]]["tick_value"]
    money = product(product(event["price"], event["quantity"]), money)
    taker = fees["taker_fee"]
    maker = taker if event["flags"] & AUCTION != 0 else fees["maker_fee"]
    side = event["side"]
    return _pay(risk, event["account"], event, money if side != BUY else -money, taker) and _pay(
        risk, event["resting_account"], event, money if side == BUY else -money, maker
    )


@njit(cache=True)
def _pay(risk: Any, account: int, event: Any, change: int, rate: int) -> bool:
    """One side: it gets ``change``, and pays the venue its fee."""
    if risk["accounts"][account]["checks"] & FUNDED == 0:
        return True
    asset = risk["instruments"][event["instrument"]]["money"]
    at, venue = funds_at(risk, account, asset, True), funds_at(risk, risk["header"]["account_bound"], asset, True)
    fee = fee_of(risk["fees"][event["instrument"]]["fee_basis"], rate, event["quantity"], abs(change))
    if at == NO_FUNDS or venue == NO_FUNDS or abs(fee) >= MONEY_BOUND or abs(change) >= MONEY_BOUND:
        return False
    mine, theirs = risk["funds"][at], risk["funds"][venue]
    total = mine["total"] + change
    if abs(total) >= MONEY_BOUND or abs(total - fee) >= MONEY_BOUND or abs(theirs["total"] + fee) >= MONEY_BOUND:
        return False
    mine["total"] = total - fee
    mine["fees"] += fee
    theirs["total"] += fee
    return True
