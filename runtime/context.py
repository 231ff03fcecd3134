"""What a process has at hand: settings, log, counters, doorbells, its segments, and whether it was asked to stop."""

import time
from collections.abc import Callable
from functools import cached_property
from typing import Any, Final, TypeVar

import structlog

from runtime.epoch import make_epoch, read_epoch
from runtime.faults import EnvironmentFault, FaultStatus, StopRequested, of_segment
from runtime.sections import ProcessSettings
from runtime.settings import Settings
from runtime.streams import capacity_of, gating, neighbours, record_of, segment_name
from shm.counters import Counters
from shm.doorbell import Doorbells, bell_of
from shm.durable import STATE, Durable, JournalState
from shm.errors import SegmentError
from shm.ring import Ring
from shm.segment import owner_of

Found = TypeVar("Found")
LOOK_AGAIN_S: Final = 0.002


class Context:
    """One process's surroundings. Everything is made at first use, in whatever order the agent's ``build`` asks for it."""

    def __init__(self, settings: Settings, process: str) -> None:
        assert process in settings.processes(), process
        self.settings = settings
        self.process = process
        self.room, _, number = process.partition(".")
        self.number = int(number or 0)
        """k of ``matcher.k``, g of ``gateway.g``."""
        self.logger: Any = structlog.get_logger().bind(process=process)
        self.draining = False
        """Take in nothing new, but go on (the control request ``drain``, and always while stopping)."""
        self._stop_reason = ""
        self._rings: list[Ring] = []
        self.on_relax: Callable[[], None] = lambda: None
        """What the runner wants done while an agent waits inside a slice."""

    # ------------------------------------------------------------------------------------ stopping

    def request_stop(self, reason: str) -> None:
        """Ask the process to drain and end; ``reason`` goes to the log. Safe in a signal handler."""
        self._stop_reason = self._stop_reason or reason
        self.draining = True

    def stop_requested(self) -> bool:
        """Was it asked to?"""
        return bool(self._stop_reason)

    @property
    def stop_reason(self) -> str:
        """The first reason given; empty while none was."""
        return self._stop_reason

    def relax(self) -> bool:
        """To be called again and again by an agent that waits inside ``do_work`` (say for room in a ring).

        Wakes neighbours, keeps heartbeat and watchdog going. True: stop waiting, the process is to end.
        """
        self.on_relax()
        return self.stop_requested()

    # ------------------------------------------------------------------------------------ own

    @property
    def own(self) -> ProcessSettings:
        """The section of the settings that this process runs by."""
        return self.settings.of(self.process)

    @cached_property
    def epoch(self) -> int:
        """The data folder's id. The persister makes it; all others wait until it has."""
        if self.room == "persister":
            return make_epoch(self.settings.data)
        return self.wait_for(lambda: read_epoch(self.settings.data), f"{self.settings.data}/epoch (the persister makes it)")

    @cached_property
    def counters(self) -> Counters:
        """This process's counters; being their writer also proves that the process runs once."""
        return self._segment(lambda: Counters.create(self.segment_name(f"counters.{self.process}"), self.epoch))

    @cached_property
    def doorbells(self) -> Doorbells:
        """Everybody's doorbells."""
        return self._segment(lambda: Doorbells.open(self.segment_name("doorbells"), self.epoch))

    @property
    def bell(self) -> int:
        """The number of this process's doorbell."""
        return bell_of(self.process)

    def neighbours(self) -> tuple[str, ...]:
        """Whom this process may have to wake, by the wiring: what an agent's ``wakes`` usually is."""
        return neighbours(self.settings, self.process)

    # ------------------------------------------------------------------------------------ segments

    def segment_name(self, stream: str) -> str:
        """The name in ``/dev/shm`` of a stream or other segment of this engine."""
        return segment_name(self.settings, stream)

    def create_ring(self, stream: str, base: int = 0) -> Ring:
        """Become the writer of a stream (``commands.0``); ``base`` and what a dead writer left: see ``Ring.create``."""
        settings, name, record = self.settings, self.segment_name(stream), record_of(stream)
        capacity, readers = capacity_of(settings, stream), gating(settings, stream)
        return self._ring(
            lambda: Ring.create(name, record, capacity, epoch=self.epoch, gating=readers, base=base),
        )

    def attach_ring(self, stream: str) -> Ring:
        """Map a stream that a neighbour writes, waiting for it at most ``control.attach_s``."""
        name, record, capacity = self.segment_name(stream), record_of(stream), capacity_of(self.settings, stream)
        timeout_s = self.settings.control.attach_s
        return self._ring(
            lambda: Ring.attach(name, record, capacity, epoch=self.epoch, timeout_s=timeout_s, stop=self.stop_requested),
        )

    def create_durable(self, shard: int, commands: int, events: int) -> Durable:
        """Persister: say how far the shard's journal reaches."""
        name = self.segment_name(f"durable.{shard}")
        return self._segment(lambda: Durable.create(name, self.epoch, commands, events))

    def attach_durable(self, shard: int) -> Durable:
        """Wait until a live persister has recovered the shard's journal, then map its word on how far it reaches."""
        name, timeout_s = self.segment_name(f"durable.{shard}"), self.settings.control.attach_s
        durable = self._segment(
            lambda: Durable.attach(name, self.epoch, timeout_s=timeout_s, stop=self.stop_requested),
        )
        self.wait_for(lambda: _is_kept(name, durable) or None, f"the persister to write {name}")
        return durable

    def wait_for(self, look: Callable[[], Found | None], what: str, timeout_s: float | None = None) -> Found:
        """What ``look`` finds, asked every 2 ms. For starting up only.

        Raises StopRequested, or EnvironmentFault naming ``what`` after ``timeout_s`` (None: ``control.attach_s``).
        """
        bound_s = self.settings.control.attach_s if timeout_s is None else timeout_s
        deadline = time.monotonic() + bound_s
        while (found := look()) is None:
            if self.stop_requested():
                raise StopRequested
            if time.monotonic() >= deadline:
                raise EnvironmentFault(f"waited {bound_s:g} s in vain for {what}", FaultStatus.UNAVAILABLE)
            time.sleep(LOOK_AGAIN_S)
        return found

    def close(self) -> None:
        """Let go of every ring that was made or attached here, and of the counters."""
        for ring in self._rings:
            ring.close()
        self._rings.clear()

    def _ring(self, make: Callable[[], Ring]) -> Ring:
        ring = self._segment(make)
        self._rings.append(ring)
        return ring

    def _segment(self, make: Callable[[], Found]) -> Found:
        try:
            return make()
        except SegmentError as error:
            if self.stop_requested():
                raise StopRequested from error
            raise of_segment(error) from error


def _is_kept(name: str, durable: Durable) -> bool:
    """Does a live persister write it (its lock says so), with the journal recovered?"""
    state = JournalState(durable.read(STATE))
    return state in (JournalState.WRITING, JournalState.STALLED) and owner_of(name) is not None
