"""riskd and its slow twin on seeded random streams; the table of ids against a dictionary; full rings."""

import os
import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from numba import njit

import riskd_rig as rig
import riskd_stream
from riskd import ids
from riskd.layout import Sizes
from riskd.money import product, share
from riskd.state import empty_state
from riskd_reference import SimpleMatcher
from shm.reasons import Reason, name_of
from shm.records import EVENT, NO_INSTRUMENT, EventKind, Side

ROOT = Path(__file__).resolve().parent.parent


@pytest.mark.parametrize("offset", range(8))
def test_kernel_and_twin_agree(seed: int, offset: int) -> None:
    """The same commands byte for byte, and after each step the same orders, holds, positions and free slots."""
    riskd_stream.go(1000 * seed + offset, 120)


def test_the_streams_have_it_all(seed: int) -> None:
    """What the streams are for is in them: every verdict that random requests can meet, and mostly none.

    Nobody has funds here: ``test_riskd_funds.py`` has streams of those who do.
    """
    verdicts: Counter[str] = Counter()
    for offset in range(4):
        verdicts += riskd_stream.go(1000 * seed + 500 + offset, 150).verdicts
    unlikely = {Reason.POSITION_OVERFLOW, Reason.NOTIONAL_OVERFLOW}
    of_funds = set(range(Reason.WORST_PRICE_UNKNOWN, Reason.ACCOUNT_LATCHED))
    asked = {reason for reason in Reason if 2000 < reason < 3000} - of_funds
    controls = {name_of(reason) for reason in asked if reason > Reason.UNKNOWN_COMMAND}
    possible = {name_of(reason) for reason in asked - unlikely}
    assert not possible - set(verdicts) - controls
    assert len(controls & set(verdicts)) > len(controls) / 2
    assert verdicts["none"] > verdicts.total() / 4


@pytest.mark.parametrize(("switch", "steps"), [("NUMBA_DISABLE_JIT", 40), ("NUMBA_BOUNDSCHECK", 120)])
def test_other_ways_of_running(seed: int, tmp_path: Path, switch: str, steps: int) -> None:
    """Uncompiled, and compiled with every index checked, the kernels do the same."""
    environ = {**os.environ, switch: "1", "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"}
    command = [sys.executable, "-W", "error::RuntimeWarning", "-m", "riskd_stream", str(seed), str(steps)]
    done = subprocess.run(command, env=environ, cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-3000:]


def test_full_rings_in_both_directions_do_not_stop_riskd() -> None:
    """Commands full, events full, orders full: events are read, and as soon as a command is, an order moves up."""
    made = rig.Rig([(2**40, 2**60, 10_000)], [(1, 1, 1)], shards=2, gateways=2, slots=512, capacity=256)
    for number in range(512):
        if number == 256:
            made.run()
        made.send(rig.new(0, number + 1, 10, 1))
    filler = np.zeros(256, EVENT)
    filler["kind"], filler["sequence"] = EventKind.ACCOUNT_DEFINED, np.arange(1, 257)
    made.tell(0, filler)
    assert (rig.room(made.orders[0]), rig.room(made.commands[0]), rig.room(made.events[0])) == (0, 0, 0)
    assert made.run() == 256
    assert (rig.room(made.orders[0]), rig.room(made.commands[0]), rig.room(made.events[0])) == (0, 0, 256)
    assert made.run() == 0
    assert len(made.written(0, 7)) == 7
    assert made.run() == 7
    assert (rig.room(made.orders[0]), rig.room(made.commands[0])) == (7, 0)


@pytest.mark.parametrize("offset", range(3))
def test_tiny_rings_and_stalls_lose_nothing(seed: int, offset: int) -> None:
    """Gateways push, matchers stop for lack of room, readers stall: all passes once and in order, and then it is quiet."""
    chance = random.Random(f"{seed}.{offset}")
    made = rig.Rig(
        [(100, 10**9, 400)] * 4,
        [(1, 1, 1)] * 3,
        shards=2,
        gateways=2,
        slots=512,
        capacity=256,
        readers=("matcher", "persister"),
    )
    loop = Loop(made, chance)
    for _ in range(400):
        loop.step()
    loop.settle(4)
    riskd_stream.check_drained(made.risk)
    riskd_stream.check_sums(made.risk)
    for gateway, sent in enumerate(loop.sent):
        for shard, commands in enumerate(loop.seen):
            mine = [int(c["origin_sequence"]) for c in commands if c["origin"] == gateway]
            assert mine == sorted(set(mine)), (gateway, shard)
        taken = Counter(int(c["origin_sequence"]) for commands in loop.seen for c in commands if c["origin"] == gateway)
        assert taken == {number + 1: 1 + (instrument == NO_INSTRUMENT) for number, instrument in enumerate(sent)}


class Loop:
    """The whole circle in one process, every part of it moving or stalling by chance."""

    def __init__(self, made: rig.Rig, chance: random.Random) -> None:
        self.made, self.chance = made, chance
        self.matchers = [SimpleMatcher() for _ in made.commands]
        self.told: list[list[object]] = [[] for _ in made.commands]
        self.seen: list[list[object]] = [[] for _ in made.commands]
        self.sent: list[list[int]] = [[] for _ in made.orders]

    def step(self) -> None:
        """Some parts do something."""
        for gateway, ring in enumerate(self.made.orders):
            if self.chance.random() < 0.7:
                for _ in range(min(rig.room(ring), self.chance.choice((1, 30, 256)))):
                    self.send(gateway)
        if self.chance.random() < 0.7:
            self.made.run()
        for shard in range(len(self.matchers)):
            if self.chance.random() < 0.5:
                self.match(shard, self.chance.choice((1, 50, 256)))
            if self.chance.random() < 0.5:
                self.persist(shard)

    def send(self, gateway: int) -> None:
        """A crossing order, or now and then a mass cancel."""
        account, number = self.chance.randrange(4), len(self.sent[gateway]) + 1
        if self.chance.random() < 0.01:
            request = rig.mass_cancel(account, NO_INSTRUMENT)
        else:
            side, instrument = self.chance.choice((Side.BUY, Side.SELL)), self.chance.randrange(3)
            price, quantity = self.chance.randint(95, 105), self.chance.randint(1, 50)
            request = rig.new(account, 2 * number + gateway, price, quantity, side=side, instrument=instrument)
        self.made.send(request, gateway=gateway)
        self.sent[gateway].append(int(request["instrument"]))

    def match(self, shard: int, bound: int) -> None:
        """As many commands as there is room for their events."""
        for _ in range(bound):
            room = rig.room(self.made.events[shard])
            self.made.tell(shard, self.told[shard][:room])
            del self.told[shard][:room]
            if self.told[shard]:
                return
            for command in self.made.written(shard, 1):
                self.seen[shard].append(command)
                self.told[shard] += self.matchers[shard].handle(command)

    def persist(self, shard: int) -> None:
        """The other gating reader catches up."""
        ring = self.made.commands[shard]
        ring.record["words"][32 + 16] = ring.published

    def settle(self, accounts: int) -> None:
        """Everything is cancelled and arrives; it must not take for ever."""
        for _ in range(1000):
            moved = self.made.run()
            for shard in range(len(self.matchers)):
                self.match(shard, 256)
                self.persist(shard)
            if not moved and accounts and rig.room(self.made.orders[0]):
                accounts -= 1
                self.made.send(rig.mass_cancel(accounts, NO_INSTRUMENT))
                self.sent[0].append(NO_INSTRUMENT)
            elif not moved and not accounts and not any(self.told) and not self.made.run():
                return
        raise AssertionError("the circle has locked up")


@njit
def churn(risk, operations, found):
    """Insert (1), remove (2) or find (0) each (account, id, reference) of ``operations``; what was found goes to ``found``."""
    for k in range(operations.shape[0]):
        kind, account, name, reference = operations[k]
        if kind == 1:
            ids.insert(risk, account, np.uint64(name), reference)
        elif kind == 2:
            ids.remove(risk, account, np.uint64(name), reference)
        else:
            found[k] = ids.find(risk, account, np.uint64(name))


def test_the_table_of_ids_is_a_dictionary(seed: int) -> None:
    """After any mixture of insertions and removals it finds what a dictionary finds, and, emptied, it is all zeros again."""
    risk = empty_state(Sizes(2, 2, 16, 8, rig.SLOTS), seed=seed)[0]
    chance, mine, wanted = random.Random(seed), {}, []
    operations = np.zeros((40_000, 4), np.int64)
    for k in range(len(operations)):
        key = (chance.randrange(4), chance.randrange(1, 60))
        if key in mine and chance.random() < 0.6:
            operations[k] = (2, *key, mine.pop(key))
        elif key not in mine and len(mine) < 64 and chance.random() < 0.6:
            mine[key] = k + 1
            operations[k] = (1, *key, k + 1)
        else:
            operations[k] = (0, *key, 0)
        wanted.append(mine.get(key, 0) if operations[k, 0] == 0 else 0)
    found = np.zeros(len(operations), np.int64)
    churn(risk, operations, found)
    assert found.tolist() == wanted
    churn(risk, np.array([(2, *key, reference) for key, reference in mine.items()]), found)
    assert not risk["ids"].view("u1").any()


def test_products_and_shares_are_exact(seed: int) -> None:
    """Or said not to fit. Sizes around the borders of 31, 32 and 62 bits."""
    chance = random.Random(seed)
    for _ in range(5000):
        a, b, c = (chance.getrandbits(chance.choice((3, 31, 32, 40, 62))) for _ in range(3))
        assert product(a, b) == (a * b if a * b < 2**63 else -1)
        part, parts = sorted((a, b))
        assert share(c, part, parts) == (c * part // parts if parts else 0)
    assert product(-1, 5) == -1
