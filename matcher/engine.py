"""The matcher without a process: the same kernel over rings in this process's own memory.

engine = Engine(instruments=1, accounts=2, orders=10_000)
engine.run(definitions(1, 2))
events = engine.run(np.concatenate([new(0, 1, Side.BUY, 100, 5), new(1, 1, Side.SELL, 100, 3)]))
engine.book(0, depth=5)
"""

import ctypes
import weakref
from typing import Any, Final, Self

import numpy as np
from numba import njit

from matcher.audit import check, explain, first_flaw
from matcher.head import WIRING
from matcher.kernel import ABORTED, run
from matcher.layout import Bounds
from matcher.numbering import absorb, empty_numbering, number, used_numbering
from matcher.slots import command_address, events_words
from matcher.state import bounds_of, empty_state, from_bytes, to_bytes, wire
from matcher.view import Book, read_book
from shm.atomics import address_of, copy_bytes, record_at
from shm.records import COMMAND, EVENT, RECORD_BYTES
from shm.ring import Ring, publish, published, release
from shm.ring_layout import FIRST_READER

HOOK: Final = ctypes.CFUNCTYPE(ctypes.c_int64)
COMMANDS_CAPACITY: Final = 4096
EVENTS_CAPACITY: Final = 8192
VALIDATED_AT_ONCE: Final = 64


class Engine:
    """Order books and what matches in them. Give it commands, it gives events; nothing else goes in or out."""

    def __init__(
        self,
        instruments: int = 1,
        accounts: int = 1,
        orders: int = 65_536,
        levels: int | None = None,
        *,
        commands_capacity: int = COMMANDS_CAPACITY,
        events_capacity: int = EVENTS_CAPACITY,
    ) -> None:
        """Bounds of each kind; ``levels`` defaults to ``orders``. Raises ValueError naming every bound that cannot be."""
        self.bounds = Bounds(instruments, accounts, orders, orders if levels is None else levels)
        self.state = empty_state(self.bounds)
        self.numbering = empty_numbering(orders)
        self._capacities = (commands_capacity, events_capacity)
        self._open_rings()

    def _open_rings(self) -> None:
        commands_capacity, events_capacity = self._capacities
        done, told = int(self.state["command_sequence"]), int(self.state["event_sequence"])
        self._commands = Ring.private(COMMAND, commands_capacity, gating=("matcher",), base=done)
        self._events = Ring.private(EVENT, events_capacity, gating=("engine",), base=told)
        wire(self.state, self._commands, self._events)
        own = weakref.ref(self)  # or the engine, and all that it has reserved, would wait for the garbage collector
        self._hook = HOOK(lambda: own()._drain())  # type: ignore[union-attr]
        self.state["hook"] = ctypes.cast(self._hook, ctypes.c_void_p).value
        self._where = np.full(1, -1, np.int64)
        self._taken: list[Any] = []
        self._handled: list[Any] = []

    def run(self, commands: Any, *, validate: bool = False) -> Any:
        """Handle ``commands``, an array of COMMAND, and return their events, an array of EVENT.

        Commands whose sequence is 0 are numbered first (``matcher/numbering.py``); the others are taken as they are and must
        go on where the engine stopped. One run is all of one kind or all of the other, and so is the life of an engine:
        raises ValueError otherwise. With ``validate`` everything is walked after each command, and the first that leaves
        something as it must not be raises AssertionError.
        """
        self._taken, self._handled = [], []
        if len(commands) == 0:
            return np.zeros(0, EVENT)
        if not (commands["sequence"] == 0).any():
            self._run_numbered(commands, validate)
        elif commands["sequence"].any() or self.numbering["sequence"] != self.state["command_sequence"]:
            raise ValueError("an engine takes commands that are numbered, or commands that are not: never both")
        elif validate:
            self._run_unnumbered_validated(commands)
        else:
            self._run_unnumbered(commands)
        return np.concatenate(self._taken)

    @property
    def commands(self) -> Any:
        """The commands of the last run as they were numbered: another engine may be given them as they are."""
        return np.concatenate(self._handled) if self._handled else np.zeros(0, COMMAND)

    def book(self, instrument: int = 0, depth: int = 10) -> Book:
        """The best ``depth`` levels of both sides. Raises IndexError when there is no such instrument."""
        if not 0 <= instrument < self.bounds.instruments:
            raise IndexError(f"there are instruments 0 to {self.bounds.instruments - 1}, not {instrument}")
        return read_book(self.state, instrument, depth)

    def validate(self) -> None:
        """Walk everything. Raises AssertionError saying what is not as it must be."""
        check(self.state)

    def snapshot(self) -> bytes:
        """All there is, as bytes, for ``restore``. The same history gives the same bytes."""
        wiring, self.state["room_through"] = {name: self.state[name].copy() for name in WIRING}, 0
        for name in WIRING:
            self.state[name] = 0
        taken = to_bytes(self.state, self.bounds)
        for name, value in wiring.items():
            self.state[name] = value
        return taken + b"".join(part.tobytes() for part in used_numbering(self.numbering))

    @classmethod
    def restore(
        cls, snapshot: bytes, *, commands_capacity: int = COMMANDS_CAPACITY, events_capacity: int = EVENTS_CAPACITY
    ) -> Self:
        """An engine that goes on from a snapshot. Raises ValueError when it is damaged or of another layout."""
        engine = cls(*bounds_of(snapshot), commands_capacity=commands_capacity, events_capacity=events_capacity)
        parts = used_numbering(engine.numbering)
        at = len(snapshot) - sum(part.nbytes for part in parts)
        from_bytes(snapshot[:at], engine.state)
        for part in parts:
            part[:] = np.frombuffer(snapshot, np.uint8, part.nbytes, at)
            at += part.nbytes
        engine._open_rings()
        return engine

    def _run_numbered(self, commands: Any, validate: bool) -> None:
        first = int(self.state["command_sequence"]) + 1
        if not np.array_equal(commands["sequence"], np.arange(first, first + len(commands))):
            raise ValueError(f"the commands must be numbered {first}, {first + 1}, ... as they come")
        if self.numbering["sequence"] + 1 == first and first > 1:
            raise ValueError("an engine takes commands that are numbered, or commands that are not: never both")
        for start in range(0, len(commands), self._commands.capacity):
            self._put(commands[start : start + self._commands.capacity])
            while self._commands.published > self.state["command_sequence"]:
                if validate:
                    self._refuse_flaw(run_validated(self.state, self._where))
                else:
                    self._checked(run(self.state, 4096))
                self._drain()

    def _put(self, commands: Any) -> None:
        slots = self._commands.record["slots"]
        slots[commands["sequence"] & (len(slots) - 1)] = commands
        publish(self._commands.record, int(commands["sequence"][-1]))
        self._handled.append(commands)

    def _run_unnumbered(self, commands: Any) -> None:
        numbered = np.ascontiguousarray(commands).copy()
        done = 0
        while done < len(numbered):
            done = self._checked(feed(self.state, self.numbering, numbered, done))
            self._drain()
        self._handled.append(numbered)

    def _run_unnumbered_validated(self, commands: Any) -> None:
        numbered = np.ascontiguousarray(commands).copy()
        for start in range(0, len(numbered), VALIDATED_AT_ONCE):
            piece = numbered[start : start + VALIDATED_AT_ONCE]
            self._refuse_flaw(feed_validated(self.state, self.numbering, piece, self._where))
            self._drain()
        self._handled.append(numbered)

    def _refuse_flaw(self, flaw: int) -> None:
        assert flaw == 0, f"after command {self.state['command_sequence']}: {explain(flaw, self._where)}"

    def _checked(self, handled: int) -> int:
        assert handled != ABORTED, "the hook never says stop"
        return handled

    def _drain(self) -> int:
        """Move what is published out of the events ring. It is also the hook of a kernel that finds the ring full."""
        absorb(self.numbering, self.state)
        done, last = self._events.cursor(0), self._events.published
        if last > done:
            numbers = np.arange(done + 1, last + 1)
            self._taken.append(self._events.record["slots"][numbers & (self._events.capacity - 1)])
            release(self._events.record, 0, last)
        return 0


@njit(cache=True)
def feed(state: Any, numbering: Any, source: Any, first: int) -> int:
    """Number and handle ``source[first:]`` one by one, until done or the events should be drained; where to go on."""
    commands, events = record_at(state["commands_words"], state["ring_like"][0]), events_words(state)
    room = (state["events_mask"] + 1) // 2
    for k in range(first, source.shape[0]):
        number(numbering, source[k])
        sequence = numbering["sequence"]
        copy_bytes(command_address(state, sequence), address_of(source, k), RECORD_BYTES)
        publish(commands, sequence)
        if run(state, 1) == ABORTED:
            return ABORTED
        absorb(numbering, state)
        if published(events) - events["words"][FIRST_READER] > room:
            return k + 1
    return source.shape[0]


@njit(cache=True)
def feed_validated(state: Any, numbering: Any, source: Any, where: Any) -> int:
    """``feed`` all of ``source`` and walk everything after each command; the first flaw (see ``first_flaw``), or 0."""
    for k in range(source.shape[0]):
        feed(state, numbering, source[k : k + 1], 0)
        flaw = first_flaw(state, where)
        if flaw:
            return flaw
    return 0


@njit(cache=True)
def run_validated(state: Any, where: Any) -> int:
    """``run`` all commands at hand and walk everything after each; the first flaw (see ``first_flaw``), or 0."""
    while run(state, 1) == 1:
        flaw = first_flaw(state, where)
        if flaw:
            return flaw
    return 0
