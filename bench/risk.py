"""What riskd adds to an order: its kernel between real rings, with the events that it reads for those orders.

Goal: nanoseconds of one core per order of everything that riskd does for it: taken from the ring of orders, checked,
held, numbered, written to the ring of commands, and followed through its events. Not measured: what is not riskd's (gateway,
matcher, journal), and waiting.

The matcher's events are made beforehand, in a first run of the two by turns, and told again in the same portions: so riskd
does just what it did there, order for order and slot for slot.
"""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, Final, NamedTuple

import numpy as np

from bench.matcher import measure_flow, to_commands
from matcher.engine import Engine
from riskd.controls import changes
from riskd.definitions import define, missing
from riskd.process import Rings, Riskd, sizes_of
from riskd.state import empty_state
from runtime.sections import Account, Instrument, PoolSettings
from runtime.settings import Settings
from shm.records import COMMAND, EVENT, NO_INSTRUMENT, CommandKind
from shm.ring import Ring
from shm.ring_layout import FIRST_READER, GATE, PUBLISHED

ACCOUNTS: Final = (1_000, 1_000_000)
ORDERS_BOUND: Final = 1 << 20
"""Orders of a flow: the rings hold them all. Kernels are compiled for each capacity, so it is one."""
EVENTS_BOUND: Final = 1 << 21
POOL: Final = 1 << 18
LEVELS: Final = 1 << 18
ROUNDS: Final = 5
LIMITS: Final = {"maximum": 10**15, "messages": 10**9}
"""By how the names of an account's limits begin: those of amounts, and those of rates, a second or a minute."""
SCATTER: Final = 2654435761
MakeRing = Callable[[np.dtype[Any], int, Sequence[str], int], Ring]


class Definitions(NamedTuple):
    """What a matcher is told before it is told orders: numbered commands; and the last event that they make."""

    commands: Any
    last_event: int


class Circuit:
    """riskd as its process is, between three rings, ready to run the same orders again and again."""

    def __init__(self, flow: Any, accounts: int, make: MakeRing) -> None:
        assert len(flow) <= ORDERS_BOUND, "the rings hold every order"
        pools = PoolSettings(accounts=1 << (accounts - 1).bit_length(), instruments=1, orders=POOL, levels=LEVELS)
        self.orders, self.risks = len(flow), empty_state(sizes_of(Settings(pools=pools)), seed=1)
        commands = _define(self.risks[0], accounts)
        engine = Engine(1, accounts, POOL, LEVELS)
        engine.run(commands)
        self.definitions = Definitions(commands, int(engine.state["event_sequence"]))
        self._stand_behind_definitions()
        self.saved = self.risks.copy()
        self.rings = Rings(
            [make(COMMAND, ORDERS_BOUND, ("riskd",), 0)],
            [make(COMMAND, ORDERS_BOUND, ("matcher",), len(commands))],
            [make(EVENT, EVENTS_BOUND, ("riskd",), self.definitions.last_event)],
        )
        self.rings.orders[0].record["slots"][1 : self.orders + 1] = requests_of(flow, accounts)
        self.riskd = Riskd(self.risks, self.rings, [])
        self.marks: list[int] = []
        self._first_run(engine)
        self._events = self._told().copy()

    @property
    def last_command(self) -> int:
        """The number of the last order's command."""
        return len(self.definitions.commands) + self.orders

    def begin(self) -> None:
        """Everything as before the first order, which all lie in their ring; every page of riskd's state was just touched."""
        np.copyto(self.risks, self.saved)
        self.rewind()

    def rewind(self) -> None:
        """The rings' cursors as before the first order."""
        first, last_event = len(self.definitions.commands), self.definitions.last_event
        for ring, base, there in (
            (self.rings.orders[0], 0, self.orders),
            (self.rings.commands[0], first, first),
            (self.rings.events[0], last_event, last_event),
        ):
            words = ring.record["words"]
            words[PUBLISHED], words[GATE], words[FIRST_READER] = there, base, base

    def restore(self) -> None:
        """The events of the first run again, where another run has written its own."""
        slots = self.rings.events[0].record["slots"]
        slots[self._events["sequence"] & (len(slots) - 1)] = self._events

    def seconds(self) -> float:
        """How long riskd takes for all orders and their events, alone."""
        self.begin()
        words = self.rings.events[0].record["words"]
        started = time.perf_counter()
        for mark in self.marks:
            self.riskd.do_work()
            words[PUBLISHED] = mark
        taken = time.perf_counter() - started
        self.check()
        return taken

    def check(self) -> None:
        """All orders are numbered, and all that came of them is read."""
        shard = self.risks[0]["shards"][0]
        assert shard["sequence"] == self.last_command and shard["events_read"] == self.marks[-1], "riskd has not done all"

    def refused(self) -> int:
        """How many of the orders riskd refused."""
        slots = self.rings.commands[0].record["slots"]
        numbers = np.arange(len(self.definitions.commands) + 1, self.last_command + 1) & (len(slots) - 1)
        return int(np.count_nonzero(slots["verdict"][numbers]))

    def _told(self) -> Any:
        slots = self.rings.events[0].record["slots"]
        return slots[np.arange(self.definitions.last_event + 1, self.marks[-1] + 1) & (len(slots) - 1)]

    def _stand_behind_definitions(self) -> None:
        shard = self.risks[0]["shards"][0]
        shard["sequence"] = shard["published"] = len(self.definitions.commands)
        shard["events_read"] = self.definitions.last_event

    def _first_run(self, engine: Engine) -> None:
        """riskd and a matcher by turns; ``marks`` keeps how many events there were after each turn."""
        self.rewind()
        commands, events, shard = self.rings.commands[0], self.rings.events[0], self.risks[0]["shards"][0]
        handled = commands.published
        while shard["sequence"] < self.last_command or shard["events_read"] < events.published:
            self.riskd.do_work()
            numbers = np.arange(handled + 1, commands.published + 1) & (commands.capacity - 1)
            made, handled = engine.run(commands.record["slots"][numbers]), commands.published
            if len(made):
                last = int(made["sequence"][-1])
                assert last - self.definitions.last_event <= events.capacity, "more events than their ring holds"
                events.record["slots"][made["sequence"] & (events.capacity - 1)] = made
                events.record["words"][PUBLISHED] = last
            self.marks.append(events.published)


def measure(flow: Any, rounds: int = ROUNDS, told: Callable[[], None] = lambda: None) -> dict[str, Any]:
    """Medians of ``rounds``: ``added_ns`` by number of accounts, and ``ns_per_order`` of the bare matcher; ``steps(rounds)``
    calls of ``told``."""
    runs: dict[str, list[float]] = {}
    refused = 0
    for accounts in ACCOUNTS:
        circuit = Circuit(flow, accounts, private_ring)
        refused = circuit.refused()
        runs[str(accounts)] = []
        circuit.seconds()
        for _ in range(rounds):
            runs[str(accounts)].append(round(circuit.seconds() / circuit.orders * 1e9, 1))
            told()
        del circuit
    matcher = measure_flow(flow, runs=rounds + 1)
    told()
    return {
        "orders": len(flow),
        "refused": refused,
        "added_ns": {name: round(statistics.median(each), 1) for name, each in runs.items()},
        "ns_per_order": matcher.ns_per_order,
        "runs_added_ns": runs,
        "runs_ns_per_order": matcher.runs_ns_per_order,
    }


def steps(rounds: int = ROUNDS) -> int:
    """How often ``measure`` tells that it has got on."""
    return len(ACCOUNTS) * rounds + 1


def requests_of(flow: Any, accounts: int) -> Any:
    """The flow as gateways send it: each order is of an account that its id scatters over them all."""
    requests = to_commands(flow)
    requests["account"] = flow["id"].astype(np.int64) * SCATTER % accounts
    requests["instrument"] = np.where(requests["kind"] == CommandKind.NEW, 0, NO_INSTRUMENT)
    requests["origin_sequence"] = np.arange(1, len(flow) + 1)
    return requests


def limited_account(name: str) -> Account:
    """An account with every limit that there is, none of which is ever met: all have to be checked."""
    names = [each.name for each in fields(Account)]
    limits: dict[str, Any] = {each: LIMITS[kind] for each in names if (kind := each.partition("_")[0]) in LIMITS}
    return Account(name=name, **limits)


def set_limits(risk: Any, accounts: tuple[Account, ...]) -> None:
    """Let riskd know the limits of accounts that are defined, as its first start would, but without numbering that."""
    for command in changes(risk, Settings(accounts=accounts)):
        define(risk, 0, command[0])


def private_ring(record: np.dtype[Any], capacity: int, gating: Sequence[str], base: int) -> Ring:
    """A ring in this process's own memory."""
    return Ring.private(record, capacity, gating=gating, base=base)


def _define(risk: Any, accounts: int) -> Any:
    """Let riskd know one instrument and so many accounts, all alike; the commands that tell a matcher so."""
    first = missing(risk, 0, (Instrument(symbol="BENCH"),), (limited_account("trader"),))
    for command in first:
        define(risk, 0, command)
    set_limits(risk, (limited_account("trader"),))
    rows = {len(risk["accounts"]), len(risk["names"])}
    for table in (name for name in risk.dtype.names if risk[name].ndim > 0 and len(risk[name]) in rows):
        risk[table][:accounts] = risk[table][0]  # of a table that is not by account, an empty row
    risk["header"]["accounts"] = risk["shards"][0]["accounts"] = accounts
    commands = np.concatenate([first[:1], np.repeat(first[1:], accounts)])
    commands["account"][1:] = np.arange(accounts)
    commands["sequence"] = np.arange(1, len(commands) + 1)
    return commands
