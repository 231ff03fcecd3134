"""A market of a given size, numbered as riskd would number it: definitions, the orders at rest, and the orders that are timed.

Instruments and accounts are drawn by a Pareto law: a few have most of the orders, most have one or two. Whatever the size, the
timed orders are the same mix: 42% new, 8% IOC, 41% cancel, 9% move, while as many orders stay at rest as there were.
"""

from typing import Any, Final, NamedTuple

import numpy as np
from numba import njit

from bench.matcher import EVENTS_CAPACITY, ring
from matcher.commands import definitions
from matcher.kernel import run
from matcher.layout import Bounds
from matcher.numbering import absorb, empty_numbering, number
from matcher.slots import command_at
from matcher.state import empty_state, wire
from shm.atomics import record_at
from shm.records import COMMAND, EVENT, SLOT_BOUND, CommandKind, OrderType, TimeInForce
from shm.ring import publish
from shm.ring_layout import UNPUBLISHED_BOUND

DRAW: Final = np.dtype(
    [
        ("kind", "<f8"),
        ("pick", "<i8"),
        ("price", "<i8"),
        ("moved", "<i8"),
        ("quantity", "<i8"),
        ("instrument", "<i4"),
        ("account", "<i4"),
        ("side", "u1"),
        ("pad", "u1", (7,)),
    ]
)
"""What chance decided about one order: ``kind`` in [0, 1), ``price`` if it is new, ``moved`` by how many ticks it is if not."""
PARETO: Final = 1.16
"""The exponent at which a fifth of the instruments has four fifths of the orders."""
SPREAD_TICKS, FARTHEST_TICKS, ACROSS_TICKS = 20, 5_000, 20

NEW, CANCEL, REPLACE = int(CommandKind.NEW), int(CommandKind.CANCEL), int(CommandKind.REPLACE)
LIMIT, GTC, IOC = int(OrderType.LIMIT), int(TimeInForce.GTC), int(TimeInForce.IOC)
NEW_SHARE, IOC_SHARE, CANCEL_SHARE = 0.425, 0.075, 0.41
SLOT_MASK = SLOT_BOUND - 1


class Market(NamedTuple):
    """How large a market is."""

    instruments: int
    accounts: int
    resting: int

    def bounds(self) -> Bounds:
        """Pools that hold it, and a tenth more orders than are at rest."""
        orders = self.resting + self.resting // 10 + 64
        return Bounds(self.instruments, self.accounts, orders, orders)


class Laid(NamedTuple):
    """A market's numbered commands, in a ring that holds them all: up to ``defined``, up to ``standing``, up to ``last``."""

    commands: Any
    instruments: int
    defined: int
    standing: int
    last: int


def lay(market: Market, operations: int, seed: int = 1) -> Laid:
    """Make and number the commands, by running them: a cancel names an order that is at rest when its turn comes."""
    bounds = market.bounds()
    first = definitions(market.instruments, market.accounts)
    room = len(first) + 2 * market.resting + operations
    commands = ring(COMMAND, max(2 * UNPUBLISHED_BOUND, 1 << room.bit_length()))
    state, events, numbering = empty_state(bounds), ring(EVENT, EVENTS_CAPACITY), empty_numbering(bounds.orders)
    wire(state, commands, events)
    commands.record["slots"][1 : len(first) + 1] = first
    admit(state, numbering, len(first))
    alive, count = np.zeros(2 * market.resting + operations, np.int64), 0
    draws = draw(market, 2 * market.resting, seed)
    standing, count = grow(state, numbering, draws, alive, count, market.resting, True)
    draws = draw(market, operations, seed + 1)
    last, count = grow(state, numbering, draws, alive, count, market.resting, False)
    return Laid(commands, market.instruments, len(first), int(standing), int(last))


def draw(market: Market, count: int, seed: int) -> Any:
    """``count`` draws; the same for the same arguments."""
    random = np.random.default_rng(seed)
    drawn = np.zeros(count, DRAW)
    drawn["kind"], drawn["pick"] = random.random(count), random.integers(0, 1 << 62, count)
    drawn["instrument"], drawn["account"] = (_by_pareto(random, bound, count) for bound in market[:2])
    drawn["side"], drawn["quantity"] = random.integers(0, 2, count), random.integers(1, 100, count)
    away = np.abs(random.standard_cauchy(count) * SPREAD_TICKS).astype(np.int64) % FARTHEST_TICKS + 1
    across = random.random(count) < 0.05
    away[across] = -2
    immediate = (drawn["kind"] >= NEW_SHARE) & (drawn["kind"] < NEW_SHARE + IOC_SHARE)
    drawn["moved"], away[immediate] = away, -ACROSS_TICKS
    drawn["price"] = _middles(drawn["instrument"]) + np.where(drawn["side"] == 0, -away, away)
    return drawn


def _by_pareto(random: np.random.Generator, bound: int, count: int) -> Any:
    """``count`` of the numbers below ``bound``; which of them are drawn often does not depend on the seed."""
    weights = np.cumsum(np.random.default_rng(bound).pareto(PARETO, bound) + 1)
    return np.searchsorted(weights, random.random(count) * weights[-1], side="right")


def _middles(instrument: Any) -> Any:
    """Every instrument has a middle price of its own, from ten thousand to a million ticks."""
    return 10_000 + instrument.astype(np.int64) * 7_919 % 990_000


@njit(cache=True)
def admit(state: Any, numbering: Any, count: int) -> None:
    """Number and handle the next ``count`` commands, which lie in their slots."""
    commands = record_at(state["commands_words"], state["ring_like"][0])
    for _ in range(count):
        sequence = numbering["sequence"] + 1
        number(numbering, command_at(state, sequence))
        publish(commands, sequence)
        run(state, 1)
        absorb(numbering, state)


@njit(cache=True)
def grow(state: Any, numbering: Any, draws: Any, alive: Any, count: int, resting: int, fill: bool) -> Any:
    """Make a command of each draw, number and handle it; with ``fill`` new ones alone, until ``resting`` orders are at rest.

    ``alive`` holds the sequences of orders that may be at rest, ``count`` of them. The last sequence and the new count.
    """
    for k in range(draws.shape[0]):
        if fill and state["resting"] >= resting:
            break
        sequence = numbering["sequence"] + 1
        command, drawn = command_at(state, sequence), draws[k]
        target = np.int64(0)
        if not fill and state["resting"] >= resting * 0.9 and drawn["kind"] >= NEW_SHARE + IOC_SHARE:
            target, count = _take(state, alive, count, drawn)
        if target == 0:
            _make_new(command, drawn, sequence, fill)
        else:
            _make_change(command, command_at(state, target), drawn)
        admit(state, numbering, 1)
        if (target == 0 and command["time_in_force"] == GTC) or command["kind"] == REPLACE:
            alive[count] = target if target else sequence
            count += 1
    return numbering["sequence"], count


@njit(cache=True)
def _take(state: Any, alive: Any, count: int, drawn: Any) -> Any:
    """Take out of ``alive`` one that is at rest: its sequence, or 0 when there is none, and how many are left."""
    pick = drawn["pick"]
    while count > 0:
        index = pick % count
        found = alive[index]
        count -= 1
        alive[index] = alive[count]
        order_id = command_at(state, found)["order_id"]
        if state["orders"][order_id & SLOT_MASK]["order_id"] == order_id:
            return found, count
        pick = pick // 3 + 1
    return np.int64(0), count


@njit(cache=True)
def _make_new(command: Any, drawn: Any, sequence: int, fill: bool) -> None:
    command["kind"], command["type"], command["time_in_force"] = NEW, LIMIT, GTC
    if not fill and drawn["kind"] >= NEW_SHARE and drawn["kind"] < NEW_SHARE + IOC_SHARE:
        command["time_in_force"] = IOC
    command["client_order_id"], command["account"] = sequence, drawn["account"]
    command["instrument"], command["side"] = drawn["instrument"], drawn["side"]
    command["price"], command["quantity"] = max(drawn["price"], 1), drawn["quantity"]


@njit(cache=True)
def _make_change(command: Any, order: Any, drawn: Any) -> None:
    """A cancel of ``order``, as it was entered, or a move of it to where a new order on its side might be."""
    command["client_order_id"], command["account"] = order["client_order_id"], order["account"]
    command["instrument"] = order["instrument"]
    if drawn["kind"] < NEW_SHARE + IOC_SHARE + CANCEL_SHARE:
        command["kind"] = CANCEL
        return
    away = drawn["moved"] if order["side"] else -drawn["moved"]
    command["kind"], command["quantity"], command["side"] = REPLACE, order["quantity"], order["side"]
    command["price"] = max(10_000 + np.int64(order["instrument"]) * 7_919 % 990_000 + away, 1)
