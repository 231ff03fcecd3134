"""The circle orders → commands → events → riskd in one process: riskd's and the matchers' own kernels between real rings, every
part of it moved, or held, by hand."""

import ctypes
import threading
from collections.abc import Callable
from typing import Any

import numpy as np

from bench.risk import limited_account, set_limits
from matcher.kernel import ABORTED, run_patiently
from matcher.layout import Bounds
from matcher.state import empty_states
from matcher.state import wire as wire_matcher
from riskd.definitions import missing
from riskd.layout import Sizes
from riskd.process import Rings, Riskd
from riskd.state import empty_state
from riskd_rig import put, room
from runtime.sections import Instrument
from shm.patience import impatient
from shm.records import COMMAND, EVENT
from shm.ring import Ring

CAPACITY, SLOTS = 256, 512
"""The least that a ring may have; the same as in other tests, for Numba compiles once for each."""
ACCOUNTS, INSTRUMENTS = 4, 4
ORDERS, COMMANDS, EVENTS = "orders", "commands", "events"
PARTS = RISKD, MATCHER, COMMANDS_WRITER, EVENTS_WRITER, GATEWAY = (
    "riskd",
    "matcher",
    "persister, commands",
    "persister, events",
    "gateway",
)
HOOK = ctypes.CFUNCTYPE(ctypes.c_int64)
WITHIN_S = 60.0


class Circle:
    """One gateway's orders, riskd, a matcher a shard, and who reads beside them: the persister, and the gateway the events.

    ``held`` names the ``PARTS`` that do not move.
    """

    def __init__(self, shards: int) -> None:
        self.orders = [Ring.private(COMMAND, CAPACITY, gating=("riskd",)) for _ in range(2)]
        self.commands = [Ring.private(COMMAND, CAPACITY, gating=("matcher", "persister")) for _ in range(shards)]
        self.events = [Ring.private(EVENT, CAPACITY, gating=("riskd", "persister", "gateway")) for _ in range(shards)]
        risks = empty_state(Sizes(shards, 2, 16, 8, SLOTS), seed=12345)
        instruments = tuple(Instrument(symbol=f"I{k}") for k in range(INSTRUMENTS))
        accounts = tuple(limited_account(f"a{k}") for k in range(ACCOUNTS))
        definitions = [missing(risks[0], shard, instruments, accounts) for shard in range(shards)]
        self.riskd = Riskd(risks, Rings(self.orders, self.commands, self.events), definitions)
        set_limits(risks[0], accounts)
        self.matchers = [Matcher(commands, events) for commands, events in zip(self.commands, self.events, strict=True)]
        self.seen: list[list[Any]] = [[] for _ in range(shards)]
        """Commands that the persister has read, by shard: (gateway, number in its ring)."""
        self.held: set[str] = set()

    def __enter__(self) -> "Circle":
        return self

    def __exit__(self, *_: object) -> None:
        for matcher in self.matchers:
            matcher.end()

    def send(self, request: Any, gateway: int) -> None:
        """There must be room."""
        put(self.orders[gateway], [request])

    def parts(self) -> dict[str, Callable[[], int]]:
        """What may move now. Each does what it finds, and returns how much that was."""
        moves = (self.riskd.do_work, self._match, self._write_commands, self._write_events, self._tell)
        return {name: move for name, move in zip(PARTS, moves, strict=True) if name not in self.held}

    def move(self, order: list[str] | None = None) -> int:
        """Each part that is not held, once; how much they did."""
        parts = self.parts()
        return sum(parts[name]() for name in (order or list(parts)) if name in parts)

    def full(self) -> set[str]:
        """The kinds of ring of which every one is full."""
        kinds = {ORDERS: self.orders, COMMANDS: self.commands, EVENTS: self.events}
        return {name for name, rings in kinds.items() if not any(free(ring) for ring in rings)}

    def is_quiet(self) -> bool:
        """Has everything that was sent gone all the way round?"""
        readers = ((ring, reader) for ring in (*self.orders, *self.commands, *self.events) for reader in range(3))
        return all(ring.cursor(k) == ring.published for ring, k in readers if k < len(ring.readers()))

    def _match(self) -> int:
        return sum(matcher.move() for matcher in self.matchers)

    def _write_commands(self) -> int:
        done = 0
        for shard, ring in enumerate(self.commands):
            for command in read(ring, ring.reader("persister")):
                self.seen[shard].append((int(command["origin"]), int(command["origin_sequence"])))
                done += 1
        return done

    def _write_events(self) -> int:
        return sum(len(read(ring, ring.reader("persister"))) for ring in self.events)

    def _tell(self) -> int:
        return sum(len(read(ring, ring.reader("gateway"))) for ring in self.events)


class Matcher:
    """A matcher's kernel in a thread of its own, which runs when it is told to and waits in the kernel's hook while it finds
    the ring of events full: never both it and whoever moves it at once."""

    def __init__(self, commands: Ring, events: Ring) -> None:
        self._commands, self._events = commands, events
        self._states = empty_states(Bounds(instruments=8, accounts=16, orders=SLOTS, levels=SLOTS))
        self._state = self._states[0]
        wire_matcher(self._state, commands, events)
        self._state["reader"] = commands.reader("matcher")
        self._hook = HOOK(self._wait_for_room)
        self._state["hook"] = ctypes.cast(self._hook, ctypes.c_void_p).value
        self._turn, self._back, self._ending = threading.Semaphore(0), threading.Semaphore(0), False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def move(self) -> int:
        """One slice, or as much of it as there is room for its events; how much it did."""
        before = int(self._state["command_sequence"]) + self._events.published
        self._turn.release()
        assert self._back.acquire(timeout=WITHIN_S), "the matcher does not come back"
        return int(self._state["command_sequence"]) + self._events.published - before

    def end(self) -> None:
        """Have the kernel stop where it is."""
        self._ending = True
        self._turn.release()
        self._thread.join(WITHIN_S)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        patience = impatient()
        self._turn.acquire()
        while not self._ending:
            if run_patiently(self._states, patience, 64) == ABORTED:
                return
            self._back.release()
            self._turn.acquire()

    def _wait_for_room(self) -> int:
        self._back.release()
        self._turn.acquire()
        return int(self._ending)


def free(ring: Ring) -> int:
    """How many records may be written before the slowest reader moves."""
    readers = len(ring.readers())
    return room(ring) if readers == 1 else ring.capacity - (ring.published - min(ring.cursor(k) for k in range(readers)))


def read(ring: Ring, reader: int) -> list[Any]:
    """What a reader finds; it is released."""
    first, last = ring.cursor(reader), ring.published
    found = [ring.record["slots"][k & (ring.capacity - 1)].copy() for k in range(first + 1, last + 1)]
    ring.record["words"][32 + 16 * reader] = last
    return found


def numbers(circle: Circle, gateway: int) -> list[list[int]]:
    """By shard, the numbers in the gateway's ring of the orders that became commands."""
    return [[number for origin, number in seen if origin == gateway] for seen in circle.seen]


def is_sorted(values: list[int]) -> bool:
    """Each more than the one before."""
    return bool((np.diff(values) > 0).all())
