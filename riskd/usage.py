"""What an account, its group and the firm use of their limits: kept with every order, fill and end.

An account's own use is always kept, but for its lots, which lie in its positions. Group and firm are rows of the same tables,
with positions of their own that are the sums of their members'; they are kept while they have a limit at all. All of it is
a sum over orders, fills and commands of a day, so the order in which shards are replayed does not matter; ``rebuild`` in
riskd/totals.py adds the rows of groups and the firm up anew. A day begins at midnight UTC, by the commands' time.
"""

from enum import IntEnum
from typing import Any, Final

from numba import njit

from riskd.layout import MONEY_BOUND
from riskd.money import INT64_MAX
from riskd.positions import BUY, account_of, claim, instrument_of, place, trade
from riskd.profit import PROFIT_BOUND, begin_day, clamped

NS_PER_DAY: Final = 86_400_000_000_000


class Check(IntEnum):
    """Bits of ``checks`` of a row: which of its limits may bind at all."""

    LOTS = 1
    MONEY = 2
    DAILY = 4
    LOSS = 8
    RATE = 16
    ORDERS = 32
    """Of groups and the firm; an account's open orders are always counted against its limit."""
    GROUP = 64
    """Of accounts: its group's row is kept."""
    FIRM = 128
    """Of accounts: the firm's row is kept."""
    RULES = 256
    """Of accounts: not every kind and size of order is allowed."""
    RISING = 512
    """Of accounts: client order ids must rise."""
    PERMITS = 1 << 13
    """Of accounts: something is said in ``permits``, or the account is latched."""
    CASH = 1 << 14
    MARGIN = 1 << 15
    """Of accounts: they have funds (``riskd.cash``)."""


GROUP, OTHERS = Check.GROUP.value, Check.GROUP.value | Check.FIRM.value
NOT_KEPT: Final = -1


@njit(cache=True)
def set_time(risk: Any, time_ns: int) -> None:
    """Time for what comes; it never goes back."""
    header = risk["header"]
    header["now_ns"] = max(header["now_ns"], time_ns)
    if header["now_ns"] >= header["day_end_ns"]:
        header["day"] = header["now_ns"] // NS_PER_DAY
        header["day_begin_ns"] = header["day"] * NS_PER_DAY
        header["day_end_ns"] = header["day_begin_ns"] + NS_PER_DAY


@njit(inline="always")
def day_of(risk: Any, time_ns: int) -> Any:
    """The day of a command's time: nearly always the present one."""
    header = risk["header"]
    return header["day"] if header["day_begin_ns"] <= time_ns < header["day_end_ns"] else time_ns // NS_PER_DAY


@njit(inline="always")
def row_beside(risk: Any, account: int, which: int) -> Any:
    """The row of the account's group (``which`` 0) or of the firm (1); NOT_KEPT while it has no limit."""
    row = risk["accounts"][account]
    if row["checks"] & (GROUP << which) == 0:
        return NOT_KEPT
    return risk["header"]["account_bound"] + (row["group"] if which == 0 else 0)


@njit(cache=True)
def bucket_refuses(risk: Any, row: int, now_ns: int) -> int:
    """Take a message out of both buckets: 0. Out of none when one is empty: 1 for that of the second, 2 for that of the minute.

    A bucket is known by the time at which it will be full again.
    """
    limits = risk["limits"][row]
    second = max(limits["second_full_ns"], now_ns) + limits["second_interval_ns"]
    if second > now_ns + limits["second_window_ns"]:
        return 1
    minute = max(limits["minute_full_ns"], now_ns) + limits["minute_interval_ns"]
    if minute > now_ns + limits["minute_window_ns"]:
        return 2
    limits["second_full_ns"], limits["minute_full_ns"] = second, minute
    return 0


@njit(cache=True)
def count_orders(risk: Any, account: int, count: int) -> None:
    """So many more, or fewer, orders are open."""
    risk["accounts"][account]["open_orders"] += count
    if risk["accounts"][account]["checks"] & OTHERS != 0:
        for which in range(2):
            row = row_beside(risk, account, which)
            if row != NOT_KEPT:
                risk["accounts"][row]["open_orders"] += count


@njit(cache=True)
def count_ordered(risk: Any, account: int, money: int, time_ns: int) -> None:
    """An order, or what a replace makes of one, was for so much."""
    day = day_of(risk, time_ns)
    _add_ordered(risk["limits"][account], money, day)
    if risk["accounts"][account]["checks"] & OTHERS != 0:
        for which in range(2):
            row = row_beside(risk, account, which)
            if row != NOT_KEPT:
                _add_ordered(risk["limits"][row], money, day)


@njit(cache=True)
def hold_beside(risk: Any, account: int, instrument: int, side: int, lots: int, money: int) -> None:
    """Group and firm have so much more, or less, at work."""
    for which in range(2):
        row = row_beside(risk, account, which)
        if row == NOT_KEPT:
            continue
        risk["accounts"][row]["held"][side] += money
        at = place(risk, row, instrument)
        if at >= 0:
            claim(risk, at, row, instrument)
            risk["positions"][at]["open"][side] += lots


@njit(cache=True)
def fill(risk: Any, at: int, side: int, price: int, quantity: int, tick_value: int, day: int) -> bool:
    """A fill of the position at ``at``. False when a number would overflow."""
    position = risk["positions"][at]
    begin_day(risk, at, day)
    net, cost = position["bought"] - position["sold"], position["cost"]
    if not trade(position, side, price, quantity, tick_value):
        return False
    after = position["bought"] - position["sold"]
    longs = (position["cost"] if after > 0 else 0) - (cost if net > 0 else 0)
    shorts = (position["cost"] if after < 0 else 0) - (cost if net < 0 else 0)
    account, money = account_of(position["key"]), price * tick_value * quantity
    if not _add_fill(risk["limits"][account], longs, shorts, money, day):
        return False
    if risk["accounts"][account]["checks"] & OTHERS != 0:
        for which in range(2):
            row = row_beside(risk, account, which)
            if row != NOT_KEPT:
                _add_fill(risk["limits"][row], longs, shorts, money, day)
                _fill_beside(risk, row, instrument_of(position["key"]), side, quantity, money, day)
    return True


@njit(cache=True)
def _fill_beside(risk: Any, row: int, instrument: int, side: int, quantity: int, money: int, day: int) -> None:
    """The sum of positions has no cost of its own: in ``realised`` it has what its members got less what they paid."""
    at = place(risk, row, instrument)
    if at < 0:
        return
    claim(risk, at, row, instrument)
    begin_day(risk, at, day)
    position = risk["positions"][at]
    if side == BUY:
        position["bought"] += quantity
        position["realised"] = clamped(position["realised"] - money, PROFIT_BOUND)
    else:
        position["sold"] += quantity
        position["realised"] = clamped(position["realised"] + money, PROFIT_BOUND)


@njit(cache=True)
def _add_fill(limits: Any, longs: int, shorts: int, money: int, day: int) -> bool:
    if limits["long_cost"] > INT64_MAX - max(longs, 0) or limits["short_cost"] > INT64_MAX - max(shorts, 0):
        return False
    limits["long_cost"] += longs
    limits["short_cost"] += shorts
    if _is_counted(limits, day):
        limits["traded"] = min(limits["traded"] + min(money, MONEY_BOUND - 1), MONEY_BOUND - 1)
    return True


@njit(cache=True)
def _add_ordered(limits: Any, money: int, day: int) -> None:
    if _is_counted(limits, day):
        limits["ordered"] = min(limits["ordered"] + min(money, MONEY_BOUND - 1), MONEY_BOUND - 1)


@njit(inline="always")
def _is_counted(limits: Any, day: int) -> bool:
    """A new day begins at nothing; what comes late, for a day that is over, is not counted any more."""
    if day > limits["day"]:
        limits["day"], limits["traded"], limits["ordered"] = day, 0, 0
    return day == limits["day"]
