"""The process ``matcher.k``: the kernel between its two rings, and an answer to whoever asks for a book."""

import ctypes
from collections.abc import Mapping
from typing import Any, Final

from matcher.kernel import run_patiently
from matcher.layout import STATE, Bounds
from matcher.recovery import Replay, catch_up, go_on_from, touch
from matcher.state import empty_states, used, wire
from matcher.view import read_book
from runtime import placement
from runtime.agent import Agent, Command
from runtime.context import Context
from runtime.faults import EnvironmentFault, FaultStatus, StopRequested
from runtime.settings import Settings
from runtime.snapshots import Snapshots
from shm.durable import COMMANDS_WRITTEN, EVENTS_WRITTEN, Durable
from shm.journal import JournalDamaged, JournalReader, Stream, stream_folder
from shm.records import COMMAND, CommandKind, InstrumentState, Policy, RulesFlag, layout_hash, shard_of
from shm.ring import Ring, release

HOOK: Final = ctypes.CFUNCTYPE(ctypes.c_int64)
SLICE: Final = 4096
DEPTH_BOUND: Final = 1000
RULES: Final = ("reference_price", "static_low", "static_high", "dynamic_collar", "minimum_allocation")
"""In ticks, the last in lots."""


def build(context: Context) -> Agent:
    """Own ``events.k``, take up the newest snapshot, replay the journal after it, and stand where the ring goes on.

    A new ring of events begins where the journal of events ends; a ring left by an earlier life goes on. Either way events that
    it has published are made again, and not told again.
    """
    shard = context.number
    durable = context.attach_durable(shard)
    events = context.create_ring(f"events.{shard}", base=durable.read(EVENTS_WRITTEN))
    commands = context.attach_ring(f"commands.{shard}")
    agent = Matcher(context, durable, commands, events)
    try:
        agent.recover()
    except JournalDamaged as damage:
        raise EnvironmentFault(f"{context.process} cannot go on: {damage}", FaultStatus.DAMAGED) from damage
    return agent


class Matcher(Agent):
    """Commands in, events out."""

    def __init__(self, context: Context, durable: Durable, commands: Ring, events: Ring) -> None:
        self.name, self.wakes = context.process, context.neighbours()
        self._context, self._durable, self._commands, self._events = context, durable, commands, events
        self._shard, self._shards = context.number, context.settings.matchers
        self._states = empty_states(bounds_for(context.settings))
        self.state: Any = self._states[0]
        if context.own.huge_pages:
            for part in used(self.state, bounds_for(context.settings)):
                placement.advise(part, context.logger)
        touch(self.state, bounds_for(context.settings))
        wire(self.state, commands, events)
        self._hook = HOOK(lambda: int(context.relax()))
        self.state["hook"] = ctypes.cast(self._hook, ctypes.c_void_p).value
        self.state["reader"] = commands.reader("matcher")
        self.state["suppress_through"] = events.published
        self.snapshots = Snapshots(context, layout_hash(STATE), bounds_for(context.settings), [durable])

    def recover(self) -> None:
        """Be again what an earlier life was. Raises StopRequested, JournalDamaged, and EnvironmentFault when the journal stays
        behind."""
        found = self.snapshots.newest()
        if found is not None:
            go_on_from(found, self.state, used(self.state, bounds_for(self._context.settings)))
        after = int(self.state["command_sequence"])
        folder = stream_folder(self._context.settings.data, Stream.COMMANDS, self._shard)
        journal = JournalReader(folder, COMMAND, after)
        replay = Replay(self.state, self._commands, self._events)
        reader = int(self.state["reader"])
        if not catch_up(replay, journal, self._commands.cursor(reader), lambda: self._await(folder)):
            raise StopRequested
        self.snapshots.let_go()
        release(self._commands.record, reader, int(self.state["command_sequence"]))
        what = f"the snapshot of command {after}" if found else "no snapshot"
        replayed, ahead = (
            int(self.state["command_sequence"]) - after,
            self._commands.published - int(self.state["command_sequence"]),
        )
        self._context.logger.info(
            f"recovered from {what}, {replayed} commands of the journal after it and {ahead} that only the ring holds",
            **self.status(),
        )

    def do_work(self) -> int:
        """One slice."""
        return max(int(run_patiently(self._states, self.patience, SLICE)), 0)

    def drained(self) -> bool:
        """Is every command handled? After an abort nothing more can be: the next life does it from the journal."""
        return bool(self.state["aborted"]) or self._commands.published == self.state["command_sequence"]

    def close(self) -> None:
        """Write a snapshot, if riskd ended with one; the context lets go of the rings."""
        sequence = int(self.state["command_sequence"])
        if self._context.settings.snapshots.at_stop and not self.state["aborted"] and self._is_snapshot(sequence):
            self.snapshots.write_last(
                used(self.state, bounds_for(self._context.settings)), (sequence,), (int(self.state["event_sequence"]),)
            )

    def status(self) -> dict[str, Any]:
        """Counts since the journal began."""
        names = ("command_sequence", "event_sequence", "trades", "volume", "resting", "level_count")
        return {name: int(self.state[name]) for name in names}

    def commands(self) -> dict[str, Command]:
        """``book``: ``{"instrument": id, "depth": levels a side}``; ``instrument``: its state and rules."""
        return {"book": self._book, "instrument": self._rules}

    def _book(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        instrument = self._instrument(arguments)
        depth = arguments.get("depth", 10)
        if not isinstance(depth, int) or not 1 <= depth <= DEPTH_BOUND:
            raise ValueError(f"depth must be 1 to {DEPTH_BOUND}, not {depth!r}")
        book = read_book(self.state, instrument, depth)
        told = {"instrument": instrument, "command_sequence": int(self.state["command_sequence"])}
        return {**told, "bids": [list(level) for level in book.bids], "asks": [list(level) for level in book.asks]}

    def _rules(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        instrument = self._instrument(arguments)
        rules, state = self.state["rules"][instrument], InstrumentState(int(self.state["instruments"][instrument]["state"]))
        return {
            "instrument": instrument,
            "command_sequence": int(self.state["command_sequence"]),
            "state": state.name.lower(),
            **{name: int(rules[name]) for name in RULES},
            "policy": Policy(int(rules["policy"])).name.lower(),
            "top_order_priority": bool(rules["flags"] & RulesFlag.TOP_ORDER_PRIORITY),
        }

    def _instrument(self, arguments: Mapping[str, Any]) -> int:
        known = [each.symbol for each in self._context.settings.instruments]
        instrument = known.index(arguments["symbol"]) if arguments.get("symbol") in known else arguments.get("instrument")
        if not isinstance(instrument, int) or not 0 <= instrument < self.state["instrument_bound"]:
            raise ValueError(f"no such instrument: {arguments.get('symbol', instrument)!r}")
        if shard_of(instrument, self._shards) != self._shard or not self.state["instruments"][instrument]["defined"]:
            raise ValueError(f"instrument {instrument} has no book in shard {self._shard}")
        return instrument

    def _is_snapshot(self, sequence: int) -> bool:
        """Is this command a SNAPSHOT, and the last there is? Then everybody stops, and not this process alone."""
        command = self._commands.record["slots"][sequence & (self._commands.capacity - 1)]
        is_last = command["sequence"] == sequence == self._commands.published
        return bool(is_last and command["kind"] == CommandKind.SNAPSHOT)

    def _await(self, folder: Any) -> bool:
        """Wait until the journal has grown; it is written by a live persister, or this gives up."""
        wanted = int(self.state["command_sequence"]) + 1
        look = lambda: self._durable.read(COMMANDS_WRITTEN) >= wanted or None  # noqa: E731
        return bool(self._context.wait_for(look, f"the persister to write command {wanted} into {folder}"))


def bounds_for(settings: Settings) -> Bounds:
    """The bounds of the state that the settings ask for."""
    pools = settings.pools
    return Bounds(pools.instruments, pools.accounts, pools.orders, pools.levels)
