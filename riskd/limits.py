"""Limits of an account, its group and the firm: would this order take any of them past what it may?

The three are rows of one table (``riskd.layout``) and are asked the same questions, the account first. Only a row whose
``checks`` say so is looked at, and of it only what they name. What works already counts as if it would trade, so no burst
passes a limit that its own orders exhaust; a replace is asked only about what it adds.
"""

from typing import Any, Final

from numba import njit

from riskd.layout import MONEY_BOUND
from riskd.positions import BUY, place
from riskd.profit import loss_of
from riskd.switches import reduces_position
from riskd.usage import Check, bucket_refuses
from shm.reasons import Reason
from shm.records import Side

PASSED: Final = Reason.NONE.value
SELL: Final = Side.SELL.value
ACCOUNT_CODES: Final = Reason.MESSAGES_PER_SECOND_ABOVE_LIMIT.value
GROUP_CODES: Final = Reason.GROUP_MESSAGES_PER_SECOND_ABOVE_LIMIT.value
FIRM_CODES: Final = Reason.FIRM_MESSAGES_PER_SECOND_ABOVE_LIMIT.value
"""The first code of each row; the others follow in the order of the offsets below."""
PER_SECOND, PER_MINUTE, LONG, SHORT, GROSS, NET, ORDERED, TRADED, LOSS, OPEN_ORDERS = range(10)
CHECK_LOTS, CHECK_MONEY, CHECK_DAILY = Check.LOTS.value, Check.MONEY.value, Check.DAILY.value
CHECK_LOSS, CHECK_RATE, CHECK_ORDERS = Check.LOSS.value, Check.RATE.value, Check.ORDERS.value
CHECK_GROUP, CHECK_FIRM, OWN = Check.GROUP.value, Check.FIRM.value, Check.GROUP.value - 1
NO_POSITION: Final = -1


@njit(cache=True)
def count_message(risk: Any, account: int) -> None:
    """An order or a replace has come: take it out of the buckets. The draft remembers whether one of them refuses it."""
    risk["draft"]["throttle"] = PASSED
    checks = risk["accounts"][account]["checks"]
    if checks & (CHECK_RATE | CHECK_GROUP | CHECK_FIRM) != 0:
        risk["draft"]["throttle"] = throttled(risk, account, checks, risk["header"]["now_ns"])


@njit(cache=True)
def throttled(risk: Any, account: int, checks: int, now_ns: int) -> int:
    """The code of the first bucket that is empty; 0 when the message has been taken out of all."""
    firm = risk["header"]["account_bound"]
    offset = bucket_refuses(risk, account, now_ns) if checks & CHECK_RATE != 0 else 0
    if offset != 0:
        return ACCOUNT_CODES + offset - 1
    group = firm + risk["accounts"][account]["group"]
    if checks & CHECK_GROUP != 0 and risk["accounts"][group]["checks"] & CHECK_RATE != 0:
        offset = bucket_refuses(risk, group, now_ns)
        if offset != 0:
            return GROUP_CODES + offset - 1
    if checks & CHECK_FIRM != 0 and risk["accounts"][firm]["checks"] & CHECK_RATE != 0:
        offset = bucket_refuses(risk, firm, now_ns)
        if offset != 0:
            return FIRM_CODES + offset - 1
    return PASSED


@njit(cache=True)
def verdict_of_limits(risk: Any, account: int, instrument: int, position: int, side: int, orders: int) -> int:
    """The first limit that ``orders`` (0 for a replace) more orders break, with the draft's ``more_*`` and ``money``."""
    checks, firm = risk["accounts"][account]["checks"], risk["header"]["account_bound"]
    verdict = _of_row(risk, account, checks & OWN, position, side, 0, ACCOUNT_CODES)
    if verdict == PASSED and checks & CHECK_GROUP != 0:
        row = firm + risk["accounts"][account]["group"]
        verdict = _of_row(risk, row, risk["accounts"][row]["checks"], place(risk, row, instrument), side, orders, GROUP_CODES)
    if verdict == PASSED and checks & CHECK_FIRM != 0:
        row_checks = risk["accounts"][firm]["checks"]
        verdict = _of_row(risk, firm, row_checks, place(risk, firm, instrument), side, orders, FIRM_CODES)
    return verdict


@njit(cache=True)
def others_have_room(risk: Any, account: int, instrument: int, side: int) -> bool:
    """Can group and firm, as far as they are counted, take the draft's lots and money, and nothing overflow?"""
    checks, firm = risk["accounts"][account]["checks"], risk["header"]["account_bound"]
    if checks & CHECK_GROUP != 0 and not _has_room(risk, firm + risk["accounts"][account]["group"], instrument, side):
        return False
    return checks & CHECK_FIRM == 0 or _has_room(risk, firm, instrument, side)


@njit(cache=True)
def _has_room(risk: Any, row: int, instrument: int, side: int) -> bool:
    at, draft = place(risk, row, instrument), risk["draft"]
    if at == NO_POSITION or risk["accounts"][row]["held"][side] > MONEY_BOUND - draft["more_money"]:
        return False
    position = risk["positions"][at]
    done = position["bought"] if side == BUY else position["sold"]
    return done + position["open"][side] <= MONEY_BOUND - draft["more_lots"]


@njit(cache=True)
def _of_row(risk: Any, row: int, checks: int, position: int, side: int, orders: int, codes: int) -> int:
    draft = risk["draft"]
    if checks & CHECK_RATE != 0 and codes <= draft["throttle"] <= codes + PER_MINUTE:
        return draft["throttle"]
    if checks & CHECK_LOTS != 0 and draft["more_lots"] > 0:
        offset = _lots(risk, row, risk["positions"][position], side, draft["more_lots"])
        if offset != 0:
            return codes + offset
    if checks & CHECK_MONEY != 0 and draft["more_money"] > 0:
        offset = _money(risk, row, side, draft["more_money"])
        if offset != 0:
            return codes + offset
    if checks & CHECK_DAILY != 0:
        offset = _daily(risk, row, draft["money"], draft["more_money"])
        if offset != 0:
            return codes + offset
    lost = checks & CHECK_LOSS != 0 and _has_lost(risk, row)
    if lost and not reduces_position(risk["positions"][position], side, draft["more_lots"]):
        return codes + LOSS
    if checks & CHECK_ORDERS != 0 and orders > 0:
        limit, used = risk["accounts"][row]["maximum_open_orders"], risk["accounts"][row]["open_orders"] + orders
        if _passes(risk, row, OPEN_ORDERS, used, limit):
            return codes + OPEN_ORDERS
    return PASSED


@njit(cache=True)
def _lots(risk: Any, row: int, position: Any, side: int, more: int) -> int:
    net, limits = position["bought"] - position["sold"], risk["limits"][row]
    if side == BUY:
        used = net + position["open"][BUY] + more
        return LONG if _passes(risk, row, LONG, used, limits["maximum_long"]) else 0
    used = position["open"][SELL] - net + more
    return SHORT if _passes(risk, row, SHORT, used, limits["maximum_short"]) else 0


@njit(cache=True)
def _money(risk: Any, row: int, side: int, more: int) -> int:
    """Positions count at what they cost, working orders at what they hold."""
    limits, held = risk["limits"][row], risk["accounts"][row]["held"]
    long_cost, short_cost = limits["long_cost"], limits["short_cost"]
    gross = money_sum(money_sum(long_cost, short_cost), money_sum(money_sum(held[BUY], held[SELL]), more))
    if _passes(risk, row, GROSS, gross, limits["maximum_gross"]):
        return GROSS
    net = long_cost - short_cost if side == BUY else short_cost - long_cost
    return NET if _passes(risk, row, NET, net + money_sum(held[side], more), limits["maximum_net"]) else 0


@njit(cache=True)
def _daily(risk: Any, row: int, money: int, more: int) -> int:
    """What works may trade today; so may this."""
    limits, held = risk["limits"][row], risk["accounts"][row]["held"]
    today = limits["day"] == risk["header"]["day"]
    ordered, traded = (limits["ordered"], limits["traded"]) if today else (0, 0)
    if _passes(risk, row, ORDERED, money_sum(ordered, money), limits["maximum_daily_ordered"]):
        return ORDERED
    traded = money_sum(money_sum(traded, more), money_sum(held[BUY], held[SELL]))
    return TRADED if _passes(risk, row, TRADED, traded, limits["maximum_daily_traded"]) else 0


@njit(cache=True)
def _has_lost(risk: Any, row: int) -> bool:
    """As much as it may, or more; 0 blocks."""
    limit = risk["limits"][row]["maximum_daily_loss"]
    return limit == 0 or _passes(risk, row, LOSS, loss_of(risk, row), limit - 1)


@njit(inline="always")
def money_sum(a: int, b: int) -> int:
    """Of two that are not negative, held at the bound: a limit is below it, or never binds."""
    return min(min(a, MONEY_BOUND - 1) + min(b, MONEY_BOUND - 1), MONEY_BOUND - 1)


@njit(cache=True)
def _passes(risk: Any, row: int, offset: int, used: int, limit: int) -> bool:
    """Is ``used`` above the limit? If it is now above the part of it that warns, that is noted (``riskd.nearly``)."""
    if used > limit:
        return True
    warned, percent = risk["limits"][row]["warned"], risk["header"]["warn_percent"]
    shift = 8 if limit >> 55 != 0 else 0
    is_near = (used >> shift) * 100 > (limit >> shift) * percent
    if is_near != (warned >> offset & 1 != 0):
        risk["limits"][row]["warned"] = warned ^ (1 << offset)
        if is_near:
            warn(risk, row, offset, used, limit)
    return False


@njit(cache=True)
def warn(risk: Any, row: int, offset: int, used: int, limit: int) -> None:
    """Note a warning, for the log (``riskd.nearly``)."""
    header = risk["header"]
    warning = risk["warnings"][header["warnings"] & (risk["warnings"].shape[0] - 1)]
    warning["row"], warning["offset"], warning["used"], warning["limit"] = row, offset, used, limit
    header["warnings"] += 1
