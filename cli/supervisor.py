"""Keep a cluster's processes running, as a service manager would: start again what dies, give up when that does not help."""

import signal
import socket
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Final

from cli.child import Change
from cli.cluster import Cluster
from cli.output import Failure

RESTART_BOUND: Final = 5
RESTART_WINDOW_S: Final = 60.0
"""A process that dies more often than ``RESTART_BOUND`` times within the window will not do better the next time."""
RESTART_DELAY_S: Final = 0.1
BAD_SETTINGS: Final = 2
"""The exit status of a process whose settings are wrong: starting it again cannot mend that."""


class Supervisor:
    """Runs ``cluster`` until a signal makes ``signals`` readable, whenever it comes (see ``caught_signals``).

    ``hear`` is called with every change, for the log.
    """

    def __init__(self, cluster: Cluster, signals: socket.socket, hear: Callable[[Change], None]) -> None:
        self._cluster = cluster
        self._signals = signals
        self._hear = hear
        self._deaths: dict[str, list[float]] = defaultdict(list)
        self._due: dict[str, float] = {}

    def start(self, deadline_s: float) -> bool:
        """Start everything; True when all are ready, False when a signal came first. Raises Failure when one cannot start."""
        self._cluster.start()
        end = time.monotonic() + deadline_s
        while not all(child.ready for child in self._cluster.children.values()):
            for change in self._poll(end - time.monotonic()):
                if change.what == "exit":
                    raise Failure(f"{change.name} ended before it was ready ({change.text})")
            if stopped(self._signals):
                return False
            if time.monotonic() > end:
                raise Failure(f"not ready within {deadline_s:g} s")
        return True

    def run(self) -> None:
        """Return when a signal came or when every process has ended by an operator's word.

        Raises:
            Failure: a process keeps dying.
        """
        while (self._cluster.running() or self._due) and not stopped(self._signals):
            self._start_due()
            for change in self._poll(self._until_due()):
                if change.what == "exit":
                    self._note_death(change)

    def stop(self) -> dict[str, int]:
        """Stop everything in order; exit statuses by process."""
        statuses = self._cluster.stop(hear=self._hear)
        assert not self._cluster.running()
        return statuses

    def _poll(self, timeout_s: float) -> list[Change]:
        changes = self._cluster.poll(max(0.0, timeout_s), also=self._signals.fileno())
        for change in changes:
            self._hear(change)
        return changes

    def _note_death(self, change: Change) -> None:
        name, status = change.name, self._cluster.children[change.name].status
        if status == 0:
            return  # it was told to stop, by its control socket
        if status == BAD_SETTINGS:
            raise Failure(f"{name} cannot use its settings any more; everything is stopped")
        now = time.monotonic()
        self._deaths[name] = [then for then in self._deaths[name] if now - then < RESTART_WINDOW_S] + [now]
        if len(self._deaths[name]) > RESTART_BOUND:
            raise Failure(
                f"{name} died {RESTART_BOUND + 1} times within {RESTART_WINDOW_S:g} s (the last time: {change.text}); "
                "everything is stopped"
            )
        self._due[name] = now + RESTART_DELAY_S

    def _until_due(self) -> float:
        return min(self._due.values(), default=time.monotonic() + 60.0) - time.monotonic()

    def _start_due(self) -> None:
        now = time.monotonic()
        for name in [name for name, due in self._due.items() if due <= now]:
            del self._due[name]
            self._cluster.start([name])
            self._hear(Change(name, "restart"))


@contextmanager
def caught_signals() -> Iterator[socket.socket]:
    """While it lasts, SIGINT and SIGTERM do nothing but make the socket readable, which wakes a poll that watches it.

    It must last from before the first process starts until after the last has stopped: a signal in a gap would be an
    interrupt in the middle of whatever happens there.
    """
    reader, writer = socket.socketpair()
    reader.setblocking(False)
    writer.setblocking(False)
    before = {number: signal.signal(number, _do_nothing) for number in (signal.SIGINT, signal.SIGTERM)}
    woken_before = signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)
    try:
        yield reader
    finally:
        signal.set_wakeup_fd(woken_before)
        for number, handler in before.items():
            signal.signal(number, handler)
        reader.close()
        writer.close()


def stopped(signals: socket.socket) -> bool:
    """Has a signal to stop come? It stays seen."""
    try:
        return bool(signals.recv(1, socket.MSG_PEEK))
    except BlockingIOError:
        return False


def _do_nothing(number: int, frame: FrameType | None) -> None:
    """A handler must be there, or the signal would end the process."""
