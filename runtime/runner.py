"""The duty cycle of every process: slices of work, idling, and between them what must not be forgotten.

Per slice the loop adds one clock reading to the agent's own time. About once a millisecond, or whenever it wakes from parking,
it does its duties: heartbeat, watchdog, control socket, stop requests. Signals are seen between slices, as Python does.
"""

import time
from contextlib import closing
from typing import Any, Final

from runtime.agent import Agent
from runtime.compiling import told_of_compiling
from runtime.context import Context
from runtime.control import ControlServer
from runtime.idle import PARK_BOUND_S, STRATEGIES, yielding
from runtime.notify import Notifier
from runtime.watcher import Watcher
from shm.doorbell import LINE, PARKED, bell_of, fence_stores
from shm.patience import patient

DUTY_INTERVAL_NS: Final = 1_000_000


def run(agent: Agent, context: Context) -> None:
    """Work until asked to stop, then drain within ``control.drain_s`` and close. Whatever the agent raises goes through."""
    with closing(Notifier.from_environment()) as notifier:
        Runner(agent, context, notifier).run()


class Runner:
    """Owns an agent's loop. One a process."""

    def __init__(self, agent: Agent, context: Context, notifier: Notifier) -> None:
        self._agent, self._context = agent, context
        self._notifier = notifier
        self._bells, self._bell = context.doorbells, context.bell
        self._flags = memoryview(self._bells.words)
        """For single reads, twice as fast as numpy's indexing."""
        self._rung = tuple((bell, bell * LINE + PARKED) for bell in map(bell_of, agent.wakes))
        self._idle = STRATEGIES[context.own.idle]
        if context.own.idle != "park":
            agent.patience = patient(self._bells, [bell for bell, _ in self._rung], context.own.idle != "spin")
        self._control = ControlServer(context, agent, self.status)
        self._watcher = Watcher(self.wake, (*self._control.descriptors(), *agent.sockets()))
        self._started_ns = time.monotonic_ns()
        self._worked = self._parked = 0
        counters = context.counters
        self._places = {name: counters.index(name) for name in ("heartbeat_ns", "messages", "parked", "started_ns")}
        counters.set(self._places["started_ns"], self._started_ns)
        context.on_relax = self._relax

    def run(self) -> None:
        """See ``run``."""
        context, logger = self._context, self._context.logger
        try:
            self._rehearse()
            self._notifier.send(f"READY=1\nSTATUS={self._agent.name} is working")
            logger.info("ready", idle=context.own.idle, epoch=f"{context.epoch:016x}")
            with told_of_compiling(logger):
                self._work()
                self._notifier.send("STOPPING=1\nSTATUS=draining")
                drained = self._drain()
            logger.info("stopped", reason=context.stop_reason, drained=drained, messages=self._worked)
        finally:
            self._watcher.close()
            self._control.close()
        self._agent.close()
        context.close()

    def status(self) -> dict[str, Any]:
        """What the control request ``status`` answers."""
        context = self._context
        return {
            "process": context.process,
            "state": self._state(),
            "uptime_s": (time.monotonic_ns() - self._started_ns) / 1e9,
            "epoch": f"{context.epoch:016x}",
            "idle": context.own.idle,
            "messages": self._worked,
            **self._agent.status(),
        }

    def wake(self) -> None:
        """Make the process look again if it is parked. From any thread."""
        self._bells.ring(self._bell)

    def _rehearse(self) -> None:
        """One slice, and one turn of the bell, so that no order has to wait until a kernel is loaded or compiled."""
        did = self._agent.do_work()
        if did:
            self._did(did)
        self._bells.announce(self._bell)
        self._bells.ring(self._bell)
        self._bells.leave(self._bell)
        fence_stores()

    def _state(self) -> str:
        if self._context.stop_requested():
            return "stopping"
        return "draining" if self._context.draining else "working"

    def _work(self) -> None:
        agent, do_work, idle, clock, stop_requested = (
            self._agent,
            self._agent.do_work,
            self._idle,
            time.monotonic_ns,
            self._context.stop_requested,
        )
        due, worked_ns = 0, clock()
        while True:
            did = do_work()
            now_ns = clock()
            if did:
                self._did(did)
                if agent.linger_s > 0.0:
                    time.sleep(agent.linger_s)
                worked_ns = now_ns
            elif idle(now_ns - worked_ns) and self._park():
                worked_ns = clock()
            if now_ns >= due:
                self._duties()
                if stop_requested():
                    return
                due = clock() + DUTY_INTERVAL_NS

    def _did(self, did: int) -> None:
        """Count, and wake the neighbours that sleep: they read what was written, or wait for the room that was made."""
        self._worked += did
        self._ring()

    def _ring(self) -> None:
        """The fence keeps the look at the flags from overtaking what the slice wrote, or a wake-up could be lost."""
        fence_stores()
        flags = self._flags
        for bell, flag in self._rung:
            if flags[flag]:
                self._bells.ring(bell)

    def _park(self) -> bool:
        """Sleep until rung or for ``PARK_BOUND_S``, unless there is work after all. True: there was."""
        announced = self._bells.announce(self._bell)
        did = self._agent.do_work()
        if did or self._control.is_asked():
            self._bells.leave(self._bell)
            if did:
                self._did(did)
            return True
        self._watcher.arm()
        self._bells.wait(self._bell, announced, PARK_BOUND_S)
        self._watcher.disarm()
        self._parked += 1
        return False

    def _duties(self) -> None:
        self._beat()
        if self._control.is_asked():
            self._control.answer()

    def _beat(self) -> None:
        now_ns = time.monotonic_ns()
        counters, places = self._context.counters, self._places
        counters.set(places["heartbeat_ns"], now_ns)
        counters.set(places["messages"], self._worked)
        counters.set(places["parked"], self._parked)
        self._notifier.watchdog(now_ns)

    def _relax(self) -> None:
        """The agent waits inside a slice, for a neighbour who may be asleep."""
        self._ring()
        self._beat()

    def _drain(self) -> bool:
        """Work on until the agent has passed on all that it took in, at most ``control.drain_s``. Did it manage?"""
        deadline_ns = time.monotonic_ns() + int(self._context.settings.control.drain_s * 1e9)
        while not self._agent.drained():
            if time.monotonic_ns() >= deadline_ns:
                return False
            did = self._agent.do_work()
            if did:
                self._did(did)
            else:
                yielding(0)
            self._duties()
        return True
