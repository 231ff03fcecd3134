"""Orders that an account repeats: too many of the same terms within a window latch it, until an operator releases it.

The same are instrument, side, type, price and quantity, in ticks and lots. Of each account the last few different orders of a
shard are known, each with when its window began and how many came since; one that is not among them takes the place of the
one whose window is the oldest. A window begins with its first order, and anew with the first after it is over; time is that of
the commands. Only orders that pass all other checks count, so a replay finds them all in the journal, and which one latched the
account by its verdict. How often it was latched, and how many of those times are released, are sums: in which order a replay
takes the shards does not matter.
"""

from typing import Any, Final

from numba import njit

from riskd.limits import warn
from shm.controls import UNLIMITED
from shm.reasons import Reason

PASSED: Final = Reason.NONE.value
ACCOUNT_LATCHED: Final = Reason.ACCOUNT_LATCHED.value
ORDER_REPEATED: Final = Reason.ORDER_REPEATED.value
NS_PER_MS: Final = 1_000_000
REPEATED: Final = 10
"""Its offset among the warnings (``riskd.nearly``)."""


@njit(inline="always")
def is_latched(risk: Any, account: int) -> bool:
    """Since an order was repeated too often, and not released?"""
    return risk["permits"][account]["latched"] > risk["permits"][account]["released"]


@njit(cache=True)
def verdict_of_repeats(risk: Any, order: Any, shard: int) -> int:
    """A new order that nothing else refuses: count it with those before it. The draft has its ticks and lots."""
    account, draft = order["account"], risk["draft"]
    if is_latched(risk, account):
        return ACCOUNT_LATCHED
    permits = risk["permits"][account]
    if permits["maximum_repeats"] == UNLIMITED:
        return PASSED
    kind = kind_of(order["instrument"], order["side"], order["type"])
    count = count_repeat(risk, account, shard, kind, draft["price"], draft["quantity"], risk["header"]["now_ns"])
    if count <= permits["maximum_repeats"]:
        return PASSED
    latch(risk, account, shard, kind, draft["price"], draft["quantity"])
    warn(risk, account, REPEATED, count, permits["maximum_repeats"])
    return ORDER_REPEATED


@njit(inline="always")
def kind_of(instrument: int, side: int, type_: int) -> int:
    """What a REPEAT has of them."""
    return instrument << 8 | side << 7 | type_


@njit(cache=True)
def count_repeat(risk: Any, account: int, shard: int, kind: int, price: int, quantity: int, now_ns: int) -> int:
    """One more of these terms. How many there were in its window, this one included."""
    entry = risk["repeats"][shard, account, _place(risk["repeats"][shard, account], kind, price, quantity)]
    if entry["kind"] != kind or entry["price"] != price or entry["quantity"] != quantity:
        entry["kind"], entry["price"], entry["quantity"], entry["begin_ns"], entry["count"] = kind, price, quantity, now_ns, 0
    if now_ns - entry["begin_ns"] >= risk["permits"][account]["repeat_window_ms"] * NS_PER_MS:
        entry["begin_ns"], entry["count"] = now_ns, 0
    entry["count"] = min(entry["count"] + 1, 0xFFFFFFFF)
    return entry["count"]


@njit(cache=True)
def latch(risk: Any, account: int, shard: int, kind: int, price: int, quantity: int) -> None:
    """The order is one too many. Once the account is released, such orders are counted from none on."""
    risk["permits"][account]["latched"] += 1
    entry = risk["repeats"][shard, account, _place(risk["repeats"][shard, account], kind, price, quantity)]
    if entry["kind"] == kind and entry["price"] == price and entry["quantity"] == quantity:
        entry["count"] = 0


@njit(cache=True)
def _place(entries: Any, kind: int, price: int, quantity: int) -> int:
    """The entry of these terms, or else that whose window is the oldest."""
    oldest = 0
    for at in range(entries.shape[0]):
        entry = entries[at]
        if entry["kind"] == kind and entry["price"] == price and entry["quantity"] == quantity:
            return at
        if entry["begin_ns"] < entries[oldest]["begin_ns"]:
            oldest = at
    return oldest
