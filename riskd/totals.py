"""The rows of groups and the firm, added up anew from their members': when one gets its first limit, a member comes or goes,
and after a recovery. Cold."""

from typing import Any, Final

import numpy as np

from riskd.layout import MONEY_BOUND
from riskd.permissions import derive_all, is_said
from riskd.positions import account_of_key, claim, instrument_of_key, place
from riskd.profit import PROFIT_BOUND, begin_day, clamped
from riskd.state import Array
from riskd.usage import Check
from shm.controls import GROUP_BOUND, UNLIMITED
from shm.records import AccountFlag, Side

KEPT: Final = int(Check.GROUP) - 1
OTHERS: Final = int(Check.GROUP | Check.FIRM)
SECOND_NS, MINUTE_NS = 1_000_000_000, 60_000_000_000
PAIRS: Final = {
    Check.LOTS: ("maximum_long", "maximum_short"),
    Check.MONEY: ("maximum_gross", "maximum_net"),
    Check.DAILY: ("maximum_daily_ordered", "maximum_daily_traded"),
    Check.LOSS: ("maximum_daily_loss",),
    Check.RATE: ("messages_per_second", "messages_per_minute"),
}


def derive(risk: Any, row: int) -> None:
    """Out of a row's limits: which of them may bind, and how its buckets fill."""
    limits, account = risk["limits"][row], risk["accounts"][row]
    checks = sum(int(check) for check, names in PAIRS.items() if any(limits[name] != UNLIMITED for name in names))
    if row >= risk["header"]["account_bound"] and account["maximum_open_orders"] != UNLIMITED:
        checks |= Check.ORDERS
    minimum = limits["minimum_quantity"] or limits["minimum_notional"]
    if minimum or any(account[f"forbidden_{each}"] for each in ("sides", "types", "times")):
        checks |= Check.RULES
    if account["flags"] & AccountFlag.RISING_IDS:
        checks |= Check.RISING
    checks |= Check.CASH if account["flags"] & AccountFlag.CASH else 0
    checks |= Check.MARGIN if account["flags"] & AccountFlag.MARGIN else 0
    if row < risk["header"]["account_bound"] and is_said(risk["permits"][row]):
        checks |= Check.PERMITS
    account["checks"] = int(account["checks"]) & OTHERS | checks
    for word, window in (("second", SECOND_NS), ("minute", MINUTE_NS)):
        rate = int(limits[f"messages_per_{word}"])
        interval = 0 if rate == UNLIMITED else max(window // rate, 1) if rate else 1
        limits[f"{word}_interval_ns"] = interval
        limits[f"{word}_window_ns"] = window if rate == UNLIMITED else min(interval * rate, window)


def kept_beside(risk: Any, row: int) -> int:
    """Which row of a group or the firm is kept, if it is one: that and its limits decide what is beside its accounts."""
    return row if row >= risk["header"]["account_bound"] and risk["accounts"][row]["checks"] & KEPT else -1


def rebuild(risk: Any) -> None:
    """Every row that has a limit; and which accounts have such a row beside them."""
    derive_all(risk)
    header, accounts = risk["header"], risk["accounts"]
    bound, count = int(header["account_bound"]), int(header["accounts"])
    kept = accounts["checks"][bound : bound + GROUP_BOUND] & KEPT != 0
    groups = accounts["group"][:count]
    in_kept = (groups != 0) & kept[groups]
    mine = accounts["checks"][:count] & ~np.uint16(OTHERS)
    accounts["checks"][:count] = mine | np.where(in_kept, Check.GROUP, 0) | (Check.FIRM if kept[0] else 0)
    used = np.flatnonzero(risk["positions"]["key"])
    owners = account_of_key(risk["positions"]["key"][used])
    for number in np.flatnonzero(kept | (risk["limits"]["first"][bound : bound + GROUP_BOUND] != 0)):
        _clear(risk, bound + int(number), used[owners == bound + number])
        if not kept[number]:
            continue
        members = np.ones(count, bool) if number == 0 else groups == number
        _add_accounts(risk, bound + int(number), np.flatnonzero(members))
        _add_positions(risk, bound + int(number), used[(owners < count) & members[np.minimum(owners, max(count - 1, 0))]])


def _clear(risk: Any, row: int, positions: Array) -> None:
    for name in ("long_cost", "short_cost", "traded", "ordered", "day"):
        risk["limits"][row][name] = 0
    risk["accounts"][row]["open_orders"] = 0
    risk["accounts"][row]["held"] = 0
    for name in ("bought", "sold", "open", "cost", "realised", "turnover"):
        risk["positions"][name][positions] = 0
    for name in ("day", "base"):
        risk["links"][name][positions] = 0


def _add_accounts(risk: Any, row: int, members: Array) -> None:
    limits, total = risk["limits"], risk["limits"][row]
    risk["accounts"][row]["open_orders"] = risk["accounts"]["open_orders"][members].sum()
    for side in Side:
        risk["accounts"][row]["held"][side] = _sum(risk["accounts"]["held"][members, side])
    for name in ("long_cost", "short_cost"):
        total[name] = _sum(limits[name][members])
    if len(members):
        total["day"] = limits["day"][members].max()
        today = members[limits["day"][members] == total["day"]]
        for name in ("traded", "ordered"):
            total[name] = min(sum(limits[name][today].tolist()), MONEY_BOUND - 1)


def _add_positions(risk: Any, row: int, members: Array) -> None:
    """Member by member: lots, cash, and the worth at the beginning of the last day on which any of them traded."""
    positions, links = risk["positions"], risk["links"]
    last: dict[int, int] = {}
    for at in members:
        instrument = int(instrument_of_key(positions[at]["key"]))
        last[instrument] = max(last.get(instrument, 0), int(links[at]["day"]))
    for at in members:
        instrument = int(instrument_of_key(positions[at]["key"]))
        there = place(risk, row, instrument)
        if there < 0:
            continue
        claim(risk, there, row, instrument)
        total, mine, day = positions[there], positions[at], last[instrument]
        for name in ("bought", "sold"):
            total[name] += mine[name]
        total["open"] += mine["open"]
        net = mine["bought"] - mine["sold"]
        cash = int(mine["realised"]) - (int(mine["cost"]) if net > 0 else -int(mine["cost"]))
        total["realised"] = clamped(int(total["realised"]) + cash, PROFIT_BOUND)
        if day:
            begin_day(risk, at, day)
            links[there]["day"] = day
            links[there]["base"] = clamped(int(links[there]["base"]) + int(links[at]["base"]), 4 * PROFIT_BOUND)


def _sum(values: Array) -> int:
    """Python's numbers do not wrap."""
    return min(sum(values.tolist()), MONEY_BOUND)
