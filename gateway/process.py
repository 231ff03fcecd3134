"""The gateway as a process: builds state, socket, rings and sessions out of the settings, and works slice by slice."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from gateway.cycle import OUTCOMES, cycle
from gateway.history import History, Records, apply_events, rebuild, rejoin, resend
from gateway.inbound import COLD, FULL, REFUSED, session_of
from gateway.layout import NOBODY
from gateway.orders import find_orders
from gateway.outbound import whole_command
from gateway.resends import Resends
from gateway.session_log import SessionLog
from gateway.sessions import Credentials, Deployment, Sessions
from gateway.snapshot import go_on_from, known, parts, snapshots_of, state_of
from gateway.table import live_places
from gateway.wire import LINGER_MS, Wire
from pinion.codec import blank
from pinion.protocol import Kind
from runtime.agent import Agent
from runtime.context import Context
from runtime.faults import EnvironmentFault, FaultStatus
from runtime.settings import Settings
from shm.durable import COMMANDS_DURABLE, COMMANDS_WRITTEN, EVENTS_WRITTEN, STATE, Durable, JournalState
from shm.errors import CutLoose
from shm.histogram import percentile
from shm.journal import JournalDamaged, JournalReader, Stream, segments, stream_folder
from shm.patience import impatient
from shm.reasons import Reason
from shm.records import EVENT
from shm.ring import Ring

BEAT_NS = 20_000_000
TOLD_AFTER = "told_after_ns"
"""The histogram of the time from riskd's stamp on a command to the client's being told of its events."""


class Gateway(Agent):
    """Order entry. All state that the kernels need is one record; what Python alone needs is in ``Sessions``."""

    def __init__(self, context: Context) -> None:
        settings = context.settings
        self.name = context.process
        self.wakes = context.neighbours()
        self._context = context
        self._array = state_of(settings)
        self._state: Any = self._array[0]
        # A new ring must not hand out request numbers that the journal has from one before: numbers begin with the time.
        self._orders = context.create_ring(f"orders.{context.number}", base=time.time_ns() // 1000)
        self._durables = [context.attach_durable(shard) for shard in range(settings.matchers)]
        self._events = [context.attach_ring(f"events.{shard}") for shard in range(settings.matchers)]
        self._histories = [_history(settings, shard, *pair) for shard, pair in enumerate(self._pairs())]
        self._snapshots = snapshots_of(context, self._durables)
        self._resume()
        self._wire = Wire(settings.endpoints(context.number), settings.gateway.maximum_frame_bytes)
        self._state["socket"] = self._wire.handle
        resends = Resends(self._state, self._histories, lambda place, frame: self._sessions.tell(place, frame))
        deployment, log = _deployment(settings, context.number), SessionLog(context.logger)
        self._sessions = Sessions(self._state, deployment, self._wire.send, resends, log)
        place = context.counters.histogram(TOLD_AFTER)
        self._told_after: Any = context.counters.record["histograms"][place : place + 1]
        shared = (self._orders.array, self._events[0].array, self._durables[0].segment.array)
        self._arrays = (self._array, *shared, self._told_after)
        self._next_beat_ns = 0
        self._compile()
        context.logger.info("listening", endpoints=self._wire.endpoints)

    def do_work(self) -> int:
        """See ``Agent``. Messages taken in, events told, and cold work done."""
        taking = not self._context.draining
        handled, outcome = divmod(int(cycle(*self._arrays, self.patience, taking)), OUTCOMES)
        if outcome == COLD:
            self._sessions.take()
        elif outcome == REFUSED:
            self._sessions.refuse(int(self._state["reason"]))
        return handled + self._send_cold(taking and outcome != FULL)

    def _send_cold(self, reading: bool) -> int:
        """Heartbeats, lists and resends; how much was done, and at least 1 when frames wait after all and we are reading.

        To try to send is to let libzmq see what has come, whereupon its descriptor says no more of it: a process that
        parked then would sleep over a client's frame.
        """
        now_ns, sessions = time.monotonic_ns(), self._sessions
        beating, busy = now_ns >= self._next_beat_ns, sessions.busy
        if beating:
            sessions.beat(now_ns)
            self._state["refusing"] = self._why_refusing()
            self._next_beat_ns = now_ns + BEAT_NS
        done = sessions.work() if busy else 0
        return max(done, int(self._wire.readable)) if reading and (beating or busy) else done

    def _why_refusing(self) -> int:
        """Why no order may be taken in now: what nobody can write down, nobody would ever hear of."""
        stalled = any(durable.read(STATE) == JournalState.STALLED for durable in self._durables)
        return int(Reason.JOURNAL_STALLED) if stalled else 0

    def drained(self) -> bool:
        """riskd has read every order, and clients have been told of every event that there is."""
        told = all(int(self._state["shard"][shard]["told"]) == ring.published for shard, ring in enumerate(self._events))
        return told and self._orders.cursor(self._orders.reader("riskd")) == self._orders.published

    def sockets(self) -> list[int]:
        """The clients' socket wakes the process."""
        return [self._wire.descriptor]

    def status(self) -> dict[str, Any]:
        """Sessions, what was taken in and told, and how far behind the events the telling is."""
        state = self._state
        return {
            "endpoints": self._wire.endpoints,
            "sessions": len(live_places(state)),
            "drop_copies": int(np.count_nonzero((state["sessions"]["live"] == 1) & (state["sessions"]["copy"] != NOBODY))),
            "frames_in": int(state["frames_in"]),
            "orders_in": int(state["messages_in"]),
            "frames_out": int(state["frames_out"]),
            "reports_out": int(state["reports_out"]),
            "refused": self._sessions.refused,
            "fell_behind": int(state["fell_behind"]),
            "told_after_us": {f"p{percent:g}": percentile(self._told_after[0], percent) / 1e3 for percent in (50, 99, 99.9)},
            "told": state["shard"]["told"][: len(self._events)].tolist(),
            "published": [ring.published for ring in self._events],
        }

    def close(self) -> None:
        """Tell every client that the gateway goes; what is queued gets LINGER_MS to leave. Then the last snapshot."""
        self._sessions.end_all(Reason.SHUTTING_DOWN)
        self._wire.close(LINGER_MS)
        if self._context.settings.snapshots.at_stop:
            self._snapshots.write_last(parts(self._state), *known(self._state))

    def _compile(self) -> None:
        """Call every kernel once with nothing to do: compiled while clients trade, it would hold them all up."""
        nothing, name = np.zeros(0, EVENT), np.zeros(1, np.uint8)
        cycle(*self._arrays, impatient(), False)
        apply_events(self._state, 0, nothing)
        resend(self._state, 0, 0, nothing, 0)
        find_orders(self._state, 0, NOBODY, np.zeros(0, np.int64))
        session_of(self._state, name, len(name))

    def _pairs(self) -> Iterator[tuple[Ring, Durable]]:
        return zip(self._events, self._durables, strict=True)

    def _resume(self) -> None:
        """Go on where the life before left off: orders after the last published, events after the last told."""
        state = self._state
        found = self._snapshots.newest()
        if found is not None:
            go_on_from(found, state)
        state["sequence"] = state["published"] = self._orders.published
        state["origin"] = self._context.number
        state["wait_durable"] = self._context.settings.durability == "disk"
        for shard, (ring, durable) in enumerate(self._pairs()):
            after = int(state["shard"][shard]["told"])
            try:
                reader, told = self._position(shard, ring, durable, after)
            except (CutLoose, JournalDamaged) as error:
                raise EnvironmentFault(f"{self.name} cannot go on: {error}", FaultStatus.DAMAGED) from error
            place = state["shard"][shard]
            place["events"], place["durable"] = ring.address, durable.segment.address
            place["reader"], place["told"] = reader, told
            place["commands"] = self._whole_command(shard, told)
            what = f"the snapshot of event {after}" if found else "no snapshot"
            self._context.logger.info(f"recovered shard {shard} from {what}, {told - after} events after it")
        self._snapshots.let_go()

    def _position(self, shard: int, ring: Ring, durable: Durable, after: int) -> tuple[int, int]:
        """Our reader of the shard's ring and the last event told, the table of orders being as it was then. So far it is as
        after event ``after``."""
        history = self._histories[shard]
        try:
            reader = ring.reader(self.name)
        except CutLoose as error:
            self._context.logger.warning("catching up", reason=str(error))
            reader, told, command = rejoin(self._state, shard, history, ring, self.name, after)
            if self._state["wait_durable"]:
                self._context.wait_for(lambda: durable.read(COMMANDS_DURABLE) >= command or None, f"command {command} synced")
            return reader, told
        told = max(ring.cursor(reader), after)
        rebuild(self._state, shard, history, after, told)
        return reader, told

    def _whole_command(self, shard: int, told: int) -> int:
        """The last command all of whose events are among those up to ``told``."""
        records = next(self._histories[shard].after(told - 1, told), None) if told > 0 else None
        return 0 if records is None else int(whole_command(records[-1]))


def build(context: Context) -> Gateway:
    """The agent of process ``gateway.g``. Raises EnvironmentFault: a port in use, a neighbour that does not start …"""
    return Gateway(context)


def _deployment(settings: Settings, number: int) -> Deployment:
    return Deployment(
        gateway=number,
        shards=settings.matchers,
        heartbeat_s=settings.gateway.heartbeat_s,
        maximum_frame_bytes=settings.gateway.maximum_frame_bytes,
        accounts=[Credentials(account.name, account.api_key_sha256) for account in settings.accounts],
        drop_copies=[Credentials(each.name, each.api_key_sha256) for each in settings.drop_copies],
        instruments=_instruments(settings),
    )


def _instruments(settings: Settings) -> Records:
    """INSTRUMENT messages as they are sent."""
    records = blank(Kind.INSTRUMENT, len(settings.instruments))
    for number, instrument in enumerate(settings.instruments):
        record = records[number]
        record["instrument"], record["symbol"] = number, instrument.symbol.encode()
        record["currency"] = instrument.currency.encode()
        for name in ("tick_size", "lot_size", "price_decimals", "quantity_decimals"):
            record[name] = getattr(instrument, name)
    return records


def _history(settings: Settings, shard: int, ring: Ring, durable: Durable) -> History:
    """Events of a shard, from its ring and, as far as the persister says that they are written, from its journal."""
    folder = stream_folder(settings.data, Stream.EVENTS, shard)

    def open_journal(after: int) -> Iterator[Records]:
        return JournalReader(folder, EVENT, after).read(through=durable.read(EVENTS_WRITTEN))

    def begins() -> int:
        return next((first for first, _ in segments(folder)), 1)

    return History(ring, open_journal, lambda: durable.read(COMMANDS_WRITTEN), begins)
