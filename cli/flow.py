"""The orders of the demo: seeded, of several accounts and instruments, with prices that wander so that trades happen.

A flow is one array, in the order in which it is sent: prices in ticks, quantities in lots, ``client_order_id`` the order that
the request is about. Half of it are new orders around a middle price that takes a random walk, one in twelve of them
aggressive; most of the rest cancel an order that the same account placed a while ago, which may be executed by then, as in
life: such a cancel is refused. A few change price or quantity.
"""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from shm.records import COMMAND, CommandKind, OrderType, Side, TimeInForce

NEW_SHARE: Final = 0.52
REPLACE_SHARE: Final = 0.04
AGGRESSIVE_SHARE: Final = 0.08
FIRST_MIDDLE_TICKS: Final = 10_000
LEAST_MIDDLE_TICKS: Final = 2_000
SPREAD_TICKS: Final = 12
"""New orders lie up to about this far from the middle, each on its own side of it; aggressive ones go as far across."""
LARGEST_LOTS: Final = 100
MEAN_LIFE_ORDERS: Final = 40
"""A cancel names, on average, the order that its account placed this many of its new orders ago."""


def generate(count: int, accounts: int, instruments: int, seed: int) -> NDArray[np.void]:
    """``count`` requests, as commands without sequence, time and order id; the same for the same arguments."""
    assert count >= 0 and accounts > 0 and instruments > 0
    random = np.random.default_rng(seed)
    flow = np.zeros(count, COMMAND)
    flow["account"] = random.integers(0, accounts, count)
    flow["kind"] = _kinds(random, count)
    flow["quantity"] = random.integers(1, LARGEST_LOTS + 1, count)
    _place(flow, random, instruments)
    for account in range(accounts):
        _aim(flow, np.flatnonzero(flow["account"] == account), random)
    return flow


def _kinds(random: np.random.Generator, count: int) -> NDArray[np.uint8]:
    draw = random.random(count)
    kinds = np.full(count, CommandKind.CANCEL, np.uint8)
    kinds[draw < NEW_SHARE + REPLACE_SHARE] = CommandKind.REPLACE
    kinds[draw < NEW_SHARE] = CommandKind.NEW
    return kinds


def _place(flow: NDArray[np.void], random: np.random.Generator, instruments: int) -> None:
    """Instrument, side, price, type and time in force, as if every request were a new order."""
    count = len(flow)
    flow["instrument"] = random.integers(0, instruments, count)
    flow["side"] = random.integers(0, 2, count)
    flow["type"], flow["time_in_force"] = OrderType.LIMIT, TimeInForce.GTC
    buys = flow["side"] == Side.BUY
    away = np.abs(random.normal(0, SPREAD_TICKS, count)).astype(np.int64) + 1
    aggressive = random.random(count) < AGGRESSIVE_SHARE
    away[aggressive] = -SPREAD_TICKS
    flow["price"] = _middles(flow["instrument"], random) - np.where(buys, away, -away)
    flow["time_in_force"][aggressive] = TimeInForce.IOC
    market = aggressive & (random.random(count) < 0.25)
    flow["type"][market], flow["price"][market] = OrderType.MARKET, 0


def _middles(instrument: NDArray[np.int32], random: np.random.Generator) -> NDArray[np.int64]:
    """Each instrument's middle price at each request, ticks: a walk of one tick, one request in eight."""
    count = len(instrument)
    step = random.integers(-1, 2, count) * (random.random(count) < 0.125)
    middle = np.zeros(count, np.int64)
    for number in np.unique(instrument):
        mine = instrument == number
        first = FIRST_MIDDLE_TICKS * (int(number) + 1)
        middle[mine] = np.maximum(first + np.cumsum(step[mine]), LEAST_MIDDLE_TICKS)
    return middle


def _aim(flow: NDArray[np.void], mine: NDArray[np.intp], random: np.random.Generator) -> None:
    """Number the new orders of one account (its requests are ``mine``), and aim its cancels and changes at resting ones."""
    if not len(mine):
        return
    _make_first_rest(flow, mine[0])
    fresh = flow["kind"][mine] == CommandKind.NEW
    flow["client_order_id"][mine] = np.cumsum(fresh)
    target = _targets(flow, mine, random.geometric(1 / MEAN_LIFE_ORDERS, len(mine)))
    aimed = mine[~fresh]
    for name in ("client_order_id", "instrument", "side", "price", "quantity"):
        flow[name][aimed] = flow[name][target]
    flow["type"][aimed], flow["time_in_force"][aimed] = OrderType.LIMIT, TimeInForce.GTC
    _change(flow, aimed, random)


def _targets(flow: NDArray[np.void], mine: NDArray[np.intp], ago: NDArray[np.int64]) -> list[int]:
    """For each cancel and replace, the request that placed its order: about ``ago`` resting orders back, none cancelled twice.

    A cancel that finds nothing left to cancel becomes a replace of the account's first order.
    """
    resting: list[int] = []
    found = []
    kinds, rests = flow["kind"][mine].tolist(), (flow["time_in_force"][mine] == TimeInForce.GTC).tolist()
    for request, kind, rest, back in zip(mine.tolist(), kinds, rests, ago.tolist(), strict=True):
        if kind == CommandKind.NEW:
            if rest:
                resting.append(request)
        elif not resting:
            flow["kind"][request] = CommandKind.REPLACE
            found.append(int(mine[0]))
        else:
            place = max(0, len(resting) - back)
            found.append(resting.pop(place) if kind == CommandKind.CANCEL else resting[place])
    return found


def _make_first_rest(flow: NDArray[np.void], first: np.intp) -> None:
    """An account's first request is a new order that rests, so that there is one to aim at."""
    flow["kind"][first], flow["type"][first], flow["time_in_force"][first] = CommandKind.NEW, OrderType.LIMIT, TimeInForce.GTC
    if flow["price"][first] == 0:
        flow["price"][first] = FIRST_MIDDLE_TICKS * (int(flow["instrument"][first]) + 1)


def _change(flow: NDArray[np.void], aimed: NDArray[np.intp], random: np.random.Generator) -> None:
    """A replace moves its order by up to two ticks and gives it a new quantity; a cancel carries neither."""
    shift = random.integers(-2, 3, len(aimed))
    lots = random.integers(1, LARGEST_LOTS + 1, len(aimed))
    replaces = flow["kind"][aimed] == CommandKind.REPLACE
    flow["price"][aimed] = np.where(replaces, flow["price"][aimed] + shift, 0)
    flow["quantity"][aimed] = np.where(replaces, lots, 0)
