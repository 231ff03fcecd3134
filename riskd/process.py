"""riskd as a process: recover, define what is new in the settings, then number orders, and what operators ask for, until told
to stop. It decides when snapshots are taken, too, for a snapshot is a command."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, NamedTuple

import numpy as np

from riskd import report, snapshot
from riskd.ahead import end_shard
from riskd.controls import asked, cancels, changes, shown, thing
from riskd.definitions import check_agreement, define, missing
from riskd.funds import fund_asked, fund_changes
from riskd.kernel import read_events, run, write
from riskd.layout import Sizes
from riskd.margins import load_kernels, margin_accounts, note_low
from riskd.nearly import sentences
from riskd.recovery import events_made_again, recorded_commands, recorded_event, recorded_events, recover_shard
from riskd.requests import rules_command, state_command
from riskd.state import Array, as_array, empty_state, free_all_unused, wire
from riskd.totals import rebuild
from runtime import placement
from runtime.agent import Agent, Command
from runtime.context import Context
from runtime.faults import EnvironmentFault, FaultStatus
from runtime.settings import Settings
from runtime.snapshots import Snapshots
from shm.controls import FUND_COMMAND
from shm.durable import COMMANDS_WRITTEN, EVENTS_WRITTEN, Durable
from shm.errors import CutLoose
from shm.journal import JournalDamaged
from shm.records import layout_hash, shard_of
from shm.ring import Ring, release, slowest
from shm.ring_layout import SNAPSHOT_MARK

SLICE: Final = 1024
"""Messages a slice, about a tenth of a millisecond: the age that a command's time may have."""
LOOK_EVERY_NS: Final = 1_000_000_000
"""Between two looks at the margins of accounts that must have some: so late operators may hear that one is too low."""
POSITIONS_BOUND: Final = 1 << 16
"""Pairs of account and instrument that have ever traded, unless there are more accounts than a quarter of it."""


class Rings(NamedTuple):
    """All rings that riskd reads or writes, in the order in which an order meets them."""

    orders: Sequence[Ring]
    commands: Sequence[Ring]
    events: Sequence[Ring]


class SnapshotPlan(NamedTuple):
    """When snapshots are numbered: each ``every_s`` seconds (0: never), and once all is drained if ``is_last`` says so. The
    last one is written into ``snapshots``; of these the start has ``found`` one behind so many commands of each shard."""

    snapshots: Snapshots | None = None
    every_s: float = 0.0
    is_last: Callable[[], bool] = lambda: False
    found: tuple[int, ...] = ()


class Riskd(Agent):
    """The agent. ``definitions`` are written, each shard's, before the first order is taken; what operators ask for before the
    next one is."""

    name = "riskd"

    def __init__(
        self,
        risks: Array,
        rings: Rings,
        definitions: Sequence[Array],
        wakes: tuple[str, ...] = (),
        plan: SnapshotPlan | None = None,
    ) -> None:
        """Without a ``plan`` snapshots are numbered only when somebody asks for one."""
        self.risks, self.risk, self.rings, self.wakes = risks, risks[0], rings, wakes
        self._plan = plan or SnapshotPlan()
        self._snapshot_at = self._plan.found
        """The last SNAPSHOT numbered in each shard; at first, that of the snapshot that this life began with."""
        self._every_ns, self._due_ns = int(self._plan.every_s * 1e9), 0
        self._postpone()
        self._pause_us = 0
        self.warn: Callable[..., None] = lambda sentence, **about: None
        """Hears of limits that are nearly used up."""
        self._warned = int(self.risk["header"]["warnings"])
        self.wirings = wire(rings.orders, rings.commands, rings.events)
        self._arrays = tuple(as_array(kind[0].record) for kind in (rings.orders, rings.commands, rings.events))
        # Load the kernels that number a SNAPSHOT, now and not while clients wait.
        self._has_room(0, 0)
        load_kernels(self.risk)
        write(risks, self.wirings, self._arrays[1], 0, snapshot.snapshot_command()[:0], 0, 0)
        self._own = {shard: commands for shard, commands in enumerate(definitions) if len(commands)}
        """By shard, what riskd itself has to say and not yet numbered."""
        for shard, commands in self._own.items():
            for command in commands:
                define(self.risk, shard, command)

        self._watched, self._look_ns = margin_accounts(self.risk), 0

    def follow(self, settings: Settings) -> None:
        """Number what the settings say otherwise than at the last start. The accounts are defined."""
        for command in changes(self.risk, settings):
            self._queue(0, command)
        for command in fund_changes(self.risk, settings):
            self._queue(0, command)

    def do_work(self) -> int:
        """A slice of events and orders; while there is something of riskd's own to say, of that and events."""
        if self._own:
            return self._write_own()
        if self._every_ns and time.monotonic_ns() >= self._due_ns:
            self._snapshot_by_timer()
        if self._watched and time.monotonic_ns() >= self._look_ns:
            self._look_ns = time.monotonic_ns() + LOOK_EVERY_NS
            note_low(self.risk, self._watched)
        handled = run(self.risks, self.wirings, *self._arrays, self.patience, time.time_ns(), SLICE)
        if self.risk["header"]["warnings"] != self._warned:
            self._tell_warnings()
        assert self.risk["header"]["fault"] == 0, f"event {self.risk['header']['fault']} contradicts riskd's state"
        return int(handled)

    def drained(self) -> bool:
        """Has every order that a gateway passed on become a command? Then the last command is a snapshot's."""
        taken = self.risk["gateways"]["taken"]
        done = not self._own and all(ring.published == taken[g] for g, ring in enumerate(self.rings.orders))
        if done and self._plan.is_last() and self._is_new():
            self._take_snapshot(is_last=True)
        return done

    def status(self) -> dict[str, Any]:
        """Sequences, working orders, what is held; the last snapshot numbered, and how long that took."""
        asked = {"commands": list(self._snapshot_at), "pause_us": self._pause_us}
        return {**report.summary(self.risk), "snapshot": asked}

    def commands(self) -> dict[str, Command]:
        """``accounts``, and ``positions`` with ``{"account": NUMBER}`` or of all; ``state``, ``rules``: riskd/requests.py;
        ``risk``, ``risk-set``: riskd/controls.py; ``fund``: riskd/funds.py; ``snapshot``: of riskd and all matchers, now."""
        return {
            "accounts": lambda _: report.accounts(self.risk),
            "positions": self._positions,
            "state": lambda arguments: self._say(state_command(self.risk, arguments)),
            "rules": lambda arguments: self._say(rules_command(self.risk, arguments)),
            "risk": lambda arguments: shown(self.risk, arguments),
            "risk-set": self._set,
            "fund": self._fund,
            "snapshot": lambda _: self._snapshot_now(),
        }

    def close(self) -> None:
        """The context lets go of the rings; the state is this process's own. If it ended with a SNAPSHOT, it is written."""
        if self._plan.snapshots is not None and self._plan.is_last() and not self._is_new():
            self._plan.snapshots.write_last(snapshot.parts(self.risks), *snapshot.known(self.risk))
        self._arrays, self.wirings = (), self.wirings[:0]

    def _say(self, command: Array) -> dict[str, int]:
        """Have the command numbered next in its shard, ahead of all orders; there is room for it, or they would have to wait.

        Which number it will have. Raises ValueError when there is no room.
        """
        instrument = int(command["instrument"][0])
        shard = shard_of(instrument, len(self.rings.commands))
        waiting = np.concatenate([self._own.get(shard, command[:0]), command])
        sequence = int(self.risk["shards"][shard]["sequence"]) + len(waiting)
        if not self._has_room(shard, sequence):
            raise ValueError(f"shard {shard} takes no more commands until matcher and persister have read some: try again")
        self._own[shard] = waiting
        return {"instrument": instrument, "shard": shard, "command_sequence": sequence}

    def _tell_warnings(self) -> None:
        for sentence, about in sentences(self.risk, self._warned):
            self.warn(sentence, **about)
        self._warned = int(self.risk["header"]["warnings"])

    def _set(self, arguments: Mapping[str, Any]) -> dict[str, int]:
        """Set one control. It is in force for all orders that are not numbered yet; what it is to cancel is numbered before it.

        Nothing of this needs room: it waits, reading events meanwhile, and orders wait behind it.
        """
        keep = arguments.get("keep_orders", False)
        if not isinstance(keep, bool):
            raise ValueError(f"keep_orders = {keep!r}: allowed is true or false")
        command = asked(self.risk, {name: value for name, value in arguments.items() if name != "keep_orders"})
        if arguments["control"] == "kill" and arguments["value"] and not keep:
            for shard, wanted in cancels(self.risk, *thing(self.risk, arguments)).items():
                self._own[shard] = np.concatenate([self._own.get(shard, wanted[:0]), wanted])
        sequence = self._queue(0, command)
        return {"shard": 0, "command_sequence": sequence}

    def _fund(self, arguments: Mapping[str, Any]) -> dict[str, int]:
        """Put something into an account, for all orders that are not numbered yet."""
        command = fund_asked(self.risk, arguments)
        before, after = (int(command.view(FUND_COMMAND)[0][name]) for name in ("before", "value"))
        return {"before": before, "after": after, "shard": 0, "command_sequence": self._queue(0, command)}

    def _queue(self, shard: int, command: Array) -> int:
        """Take a RISK command in, to be numbered as soon as there is room. Which number it will have."""
        define(self.risk, shard, command[0])
        self._own[shard] = np.concatenate([self._own.get(shard, command[:0]), command])
        return int(self.risk["shards"][shard]["sequence"]) + len(self._own[shard])

    def _write_own(self) -> int:
        """The first shard's come last: what is set there stands behind what it cancels elsewhere."""
        _, commands, events = self._arrays
        handled = read_events(self.risks, self.wirings, events)
        for shard, wanted in sorted(self._own.items(), reverse=True):
            if shard == 0 and len(self._own) > 1:
                continue
            done = write(self.risks, self.wirings, commands, shard, wanted, 0, time.time_ns())
            self._own[shard] = wanted[done:]
            handled += done
            if done == len(wanted):
                del self._own[shard]
        return int(handled)

    def _has_room(self, shard: int, sequence: int) -> bool:
        ring = self.rings.commands[shard]
        return sequence - slowest(ring.record, sequence) <= ring.capacity

    def _snapshot_now(self) -> dict[str, Any]:
        """The numbers of its commands. Raises ValueError when none can be taken now."""
        if not self._take_snapshot():
            raise ValueError("the shards take no more commands until matcher and persister have read some: try again")
        return {"commands": list(self._snapshot_at)}

    def _snapshot_by_timer(self) -> None:
        """Without room for it the snapshot is left to the next interval: trading goes first."""
        self._postpone()
        if self._is_new():
            self._take_snapshot()

    def _postpone(self) -> None:
        self._due_ns = time.monotonic_ns() + self._every_ns

    def _is_new(self) -> bool:
        """Has anything happened since the last snapshot, but for the events of its own commands?"""
        return self._snapshot_at != snapshot.known(self.risk)[0]

    def _take_snapshot(self, is_last: bool = False) -> bool:
        """Number a SNAPSHOT in every shard, all of them or none. False: there is no room.

        The first shard's number is marked last: who finds it marked finds those of the others too. The last of all is not
        marked: each process writes its own.
        """
        started_ns = time.monotonic_ns()
        sequences = [int(each) + 1 for each in snapshot.known(self.risk)[0]]
        if self._own or not all(self._has_room(shard, sequence) for shard, sequence in enumerate(sequences)):
            return False
        for shard, sequence in reversed(list(enumerate(sequences))):
            done = write(self.risks, self.wirings, self._arrays[1], shard, snapshot.snapshot_command(), 0, time.time_ns())
            assert done == 1 and self.rings.commands[shard].published == sequence
            if not is_last:
                self.rings.commands[shard].record["words"][SNAPSHOT_MARK] = sequence
        self._snapshot_at = tuple(sequences)
        self._postpone()
        self._pause_us = (time.monotonic_ns() - started_ns) // 1000
        return True

    def _positions(self, arguments: Mapping[str, Any]) -> list[dict[str, Any]]:
        account = arguments.get("account")
        if account is not None and not (isinstance(account, int) and 0 <= account < self.risk["header"]["accounts"]):
            raise ValueError(f"account = {account!r}: allowed is a number below {self.risk['header']['accounts']}")
        return report.positions(self.risk, account)


def build(context: Context) -> Riskd:
    """Make the commands rings, wait for the neighbours' segments, recover, compare with the settings.

    Raises EnvironmentFault when a neighbour does not come, the journal is damaged or the settings contradict it.
    """
    settings = context.settings
    durables = [context.attach_durable(shard) for shard in range(settings.matchers)]
    commands = [
        context.create_ring(f"commands.{shard}", base=durable.read(COMMANDS_WRITTEN)) for shard, durable in enumerate(durables)
    ]
    events = [context.attach_ring(f"events.{shard}") for shard in range(settings.matchers)]
    orders = [context.attach_ring(f"orders.{gateway}") for gateway in range(settings.gateways)]
    rings = Rings(orders, commands, events)
    sizes = sizes_of(settings)
    risks = empty_state(sizes, seed=context.epoch)
    if context.own.huge_pages:
        placement.advise(risks, context.logger)
    snapshots = Snapshots(context, layout_hash(risks.dtype), snapshot.bounds_of(sizes), durables)
    try:
        found = recover(context, risks, rings, durables, snapshots)
    except (JournalDamaged, CutLoose) as error:
        raise EnvironmentFault(f"riskd cannot go on: {error}", FaultStatus.DAMAGED) from error
    rebuild(risks[0])
    check_agreement(risks[0], settings.instruments, settings.accounts)
    new = [missing(risks[0], shard, settings.instruments, settings.accounts) for shard in range(settings.matchers)]
    plan = SnapshotPlan(snapshots, settings.snapshots.every_s, lambda: _is_last(context), found)
    riskd = Riskd(risks, rings, new, context.neighbours(), plan)
    riskd.follow(settings)
    riskd.warn = context.logger.warning
    return riskd


def _is_last(context: Context) -> bool:
    return context.settings.snapshots.at_stop and context.stop_requested()


def sizes_of(settings: Settings) -> Sizes:
    """The bounds of the state that the settings ask for."""
    pools = settings.pools
    positions = min(pools.accounts * pools.instruments, max(POSITIONS_BOUND, 4 * pools.accounts))
    return Sizes(settings.matchers, settings.gateways, pools.accounts, pools.instruments, pools.orders, positions)


def recover(
    context: Context, risks: Array, rings: Rings, durables: Sequence[Durable], snapshots: Snapshots | None = None
) -> tuple[int, ...]:
    """Bring an empty state to where riskd stood, ready to go on in the rings; the commands that the snapshot knew, if any.

    Raises JournalDamaged, CutLoose, and EnvironmentFault when the journal contradicts the settings or does not get far enough.
    """
    found = None if snapshots is None else snapshots.newest()
    if found is not None:
        snapshot.go_on_from(found, risks)
    for gateway, ring in enumerate(rings.orders):
        state = risks[0]["gateways"][gateway]
        state["base"] = state["taken"] = ring.cursor(ring.reader("riskd"))
    for shard, durable in enumerate(durables):
        _recover_shard(context, risks, shard, rings, durable)
    free_all_unused(risks[0])
    if snapshots is not None:
        snapshots.let_go()
    return () if found is None else found.head.commands[: len(durables)]


def _recover_shard(context: Context, risks: Array, shard: int, rings: Rings, durable: Durable) -> None:
    """Replay; then let go of the events that the journal had, and read the ring from there.

    When the machine's memory was lost, nobody trades before riskd knows again all that clients may have been told: say, the end
    of an order whose id they use once more.
    """
    ring, state, data = rings.events[shard], risks[0]["shards"][shard], context.settings.data
    reader = ring.reader("riskd")
    read = ring.cursor(reader)
    through = context.wait_for(lambda: _events_written(durable, read), f"event {read} of shard {shard} in the journal")
    after = int(state["sequence"]), int(state["events_read"])
    commands = recorded_commands(data, shard, rings.commands[shard], durable.read(COMMANDS_WRITTEN), after[0])
    events = recorded_events(data, shard, max(through, after[1]), after[1])
    later, is_lost = events_made_again(context, shard, ring), rings.commands[shard].segment.fresh
    known = recorded_event(data, shard, after[1])
    recover_shard(risks, shard, commands, events, later, to_the_last=is_lost, known=known)
    for gateway, orders in enumerate(rings.orders):
        if not end_shard(risks[0], gateway, shard, orders.published):
            context.logger.info("the gateway numbers its orders anew", gateway=gateway, shard=shard)
    assert state["sequence"] == rings.commands[shard].published
    state["published"] = state["sequence"]
    state["events_read"] = max(int(state["events_read"]), read)
    release(ring.record, reader, int(state["events_read"]))
    what = f"the snapshot of command {after[0]}" if after[0] else "no snapshot"
    context.logger.info(
        f"recovered shard {shard} from {what}, {int(state['sequence']) - after[0]} commands and "
        f"{int(state['events_read']) - after[1]} events after it",
        shard=shard,
        commands=int(state["sequence"]),
        events=int(state["events_read"]),
    )


def _events_written(durable: Durable, read: int) -> int | None:
    written = durable.read(EVENTS_WRITTEN)
    return written if written >= read else None
