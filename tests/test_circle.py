"""The loop orders → commands → events → riskd under full rings in every combination: no deadlock, ever."""

import itertools
import random
from collections import Counter

import pytest

import riskd_rig as rig
import riskd_stream
from circle import (
    ACCOUNTS,
    CAPACITY,
    COMMANDS,
    COMMANDS_WRITER,
    EVENTS,
    EVENTS_WRITER,
    GATEWAY,
    INSTRUMENTS,
    MATCHER,
    ORDERS,
    PARTS,
    RISKD,
    Circle,
    free,
    is_sorted,
    numbers,
)
from shm.records import NO_INSTRUMENT, Side
from shm.ring import Ring

ORDERS_EACH = 3_000
KINDS = (ORDERS, COMMANDS, EVENTS)
COMBINATIONS = [frozenset(each) for count in range(4) for each in itertools.combinations(KINDS, count)]
ROUNDS_BOUND = 20_000
"""Of a circle that gets everything round: some hundred."""


class Feeder:
    """Orders that trade, by both gateways; now and then a mass cancel, which goes to every shard."""

    def __init__(self, circle: Circle, chance: random.Random) -> None:
        self.circle, self.chance = circle, chance
        self.sent: list[list[int]] = [[], []]
        """By gateway, the instrument of each order."""

    @property
    def count(self) -> int:
        return sum(map(len, self.sent))

    def feed(self, shard: int | None = None) -> bool:
        """One order for ``shard``, None: for any, or for all; False when the gateway whose turn it is has no room."""
        gateway = self.count % 2
        if not free(self.circle.orders[gateway]):
            return False
        chance, shards = self.chance, len(self.circle.commands)
        account, number = chance.randrange(ACCOUNTS), 2 * len(self.sent[gateway]) + gateway + 1
        if shard is None and chance.random() < 0.02:
            request = rig.mass_cancel(account, NO_INSTRUMENT)
        else:
            shard = chance.randrange(shards) if shard is None else shard
            instrument = chance.randrange(INSTRUMENTS // shards) * shards + shard
            price, quantity = chance.randint(95, 105), chance.randint(1, 50)
            side = chance.choice((Side.BUY, Side.SELL))
            request = rig.new(account, number, price, quantity, side=side, instrument=instrument)
        self.circle.send(request, gateway)
        self.sent[gateway].append(int(request["instrument"]))
        return True


@pytest.mark.parametrize("slow", ["persister", "others"])
@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("wanted", COMBINATIONS, ids=lambda kinds: "+".join(sorted(kinds)) or "none")
def test_any_rings_full_at_once_do_not_lock_up(seed: int, wanted: frozenset[str], shards: int, slow: str) -> None:
    """Again and again exactly the rings of ``wanted`` are filled to the last slot, in all shards, since the persister is slow
    or others are; then all goes on in random order, and everything that was sent gets round, once and in order."""
    with Circle(shards) as circle:
        feeder = Feeder(circle, random.Random(f"{seed}.{sorted(wanted)}.{shards}.{slow}"))
        settle(circle, feeder.chance)
        while feeder.count < ORDERS_EACH:
            fill(circle, feeder, wanted, slow)
            assert circle.full() == wanted
            circle.held.clear()
            settle(circle, feeder.chance)
        check(circle, feeder)


@pytest.mark.parametrize("shards", [1, 2])
@pytest.mark.parametrize("offset", range(3))
def test_parts_that_stall_by_chance_do_not_lock_up(seed: int, shards: int, offset: int) -> None:
    """Orders come as fast as there is room, each part now moves and now sleeps; whatever is full then, all gets round."""
    with Circle(shards) as circle:
        chance = random.Random(f"{seed}.{shards}.{offset}")
        feeder, found = Feeder(circle, chance), Counter[frozenset[str]]()
        while feeder.count < 2 * ORDERS_EACH:
            circle.held = {name for name in PARTS if chance.random() < 0.4}
            for _ in range(chance.choice((1, 30, CAPACITY))):
                feeder.feed()
            circle.move()
            found[frozenset(circle.full())] += 1
        circle.held.clear()
        settle(circle, chance)
        check(circle, feeder)
        assert len(found) >= 3, found


def fill(circle: Circle, feeder: Feeder, wanted: frozenset[str], slow: str) -> None:
    """Fill the rings of ``wanted`` by holding one of those who read them, the last of the circle first."""
    if EVENTS in wanted:
        circle.held.add(EVENTS_WRITER if slow == "persister" else GATEWAY)
        _feed_until_full(circle, feeder, circle.events)
    if COMMANDS in wanted:
        circle.held.add(COMMANDS_WRITER if slow == "persister" else MATCHER)
        _feed_until_full(circle, feeder, circle.commands)
    if ORDERS in wanted:
        circle.held |= set() if COMMANDS in wanted else {RISKD}
        while feeder.feed():
            circle.move()
    if not wanted:
        for _ in range(CAPACITY):
            feeder.feed()
            circle.move()


def _feed_until_full(circle: Circle, feeder: Feeder, rings: list[Ring]) -> None:
    """A few orders at a time, and everybody who is not held does what is to be done."""
    while waiting := [shard for shard, ring in enumerate(rings) if free(ring)]:
        assert feeder.feed(waiting[0]), "orders are full before what lies behind them"
        while circle.move():
            pass


def settle(circle: Circle, chance: random.Random) -> None:
    """Until all has gone round. A round in which nobody can do anything, and something is left to do, is a deadlock."""
    for _ in range(ROUNDS_BOUND):
        moved = circle.move(chance.sample(PARTS, len(PARTS)))
        if circle.is_quiet() and not moved:
            return
        assert moved, f"locked up, full are {circle.full() or 'none'}"
    raise AssertionError(f"not round after {ROUNDS_BOUND} rounds")


def check(circle: Circle, feeder: Feeder) -> None:
    """Each order became one command, those for all instruments one a shard, in order; and, all cancelled, nothing is held."""
    for gateway, sent in enumerate(feeder.sent):
        shards = numbers(circle, gateway)
        assert all(is_sorted(each) for each in shards)
        wanted = {k + 1: len(shards) if instrument == NO_INSTRUMENT else 1 for k, instrument in enumerate(sent)}
        assert Counter(itertools.chain(*shards)) == wanted
    for account in range(ACCOUNTS):
        circle.send(rig.mass_cancel(account, NO_INSTRUMENT), 0)
    settle(circle, feeder.chance)
    riskd_stream.check_drained(circle.riskd.risk)
    riskd_stream.check_sums(circle.riskd.risk)
