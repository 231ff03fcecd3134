"""The processes of one exchange, started and stopped together: for ``pinion up``, the demo, replays, tests and benches.

with temporary_cluster(matchers=2, instruments=[...], accounts=[...]) as cluster:      # started and ready
    endpoint = cluster.endpoint
# stopped, and its folder, sockets and shared memory are gone
"""

import os
import re
import select
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any, Final

from cli import toml
from cli.child import Change, Child
from cli.found import read_settings
from cli.output import Failure
from runtime.settings import Settings

READY_WITHIN_S: Final = 600.0
"""Bound on a start; long because a process may first have to compile its kernels."""
STOP_WITHIN_S: Final = 10.0
LOG_TAIL_LINES: Final = 15
SHARED_MEMORY: Final = Path("/dev/shm")


class Cluster:
    """The processes that ``settings`` names, each a child of this one. Not thread-safe; start it from the main thread, for
    children end with the thread that started them."""

    def __init__(self, settings: Settings, environ: Mapping[str, str], logs: Path | None = None) -> None:
        """``environ``: what children get. ``logs``: folder for a log file each; None hands the lines to ``poll``."""
        self.settings = settings
        self.children: dict[str, Child] = {}
        self._environ = environ
        self._logs = logs

    @property
    def names(self) -> tuple[str, ...]:
        """Every process, in the order in which they are stopped: each before those that read what it wrote."""
        return stopping_order(self.settings)

    @property
    def endpoint(self) -> str:
        """Where the first gateway listens."""
        return self.settings.endpoints(0)[0]

    def start(self, names: Iterable[str] | None = None) -> None:
        """Start ``names`` (default: all), without waiting for them."""
        self.settings.run.mkdir(mode=0o700, parents=True, exist_ok=True)
        for name in self.settings.processes() if names is None else names:
            assert name not in self.children or self.children[name].status is not None, f"{name} is running"
            log = self._logs / f"{name}.log" if self._logs else None
            self.children[name] = Child(name, self.settings.path, self._environ, self.settings.run, log)

    def poll(self, timeout_s: float, also: int | None = None) -> list[Change]:
        """What was heard of the children; waits up to ``timeout_s`` for the first of it, or for descriptor ``also``."""
        poller = select.poll()
        if also is not None:
            poller.register(also, select.POLLIN)
        for child in self.running():
            child.watch(poller)
        poller.poll(timeout_s * 1e3)
        return [change for child in self.running() for change in child.hear()]

    def wait_ready(self, deadline_s: float = READY_WITHIN_S) -> None:
        """Return when every started process has said that it is ready.

        Raises:
            Failure: one ended, or was not ready within ``deadline_s``; with the tail of its log.
        """
        end = time.monotonic() + deadline_s
        while waiting := [child.name for child in self.children.values() if not child.ready]:
            for change in self.poll(max(0.0, end - time.monotonic())):
                if change.what == "exit":
                    raise Failure(f"{change.name} ended before it was ready: {change.text}{self.log_tail(change.name)}")
            if time.monotonic() > end:
                tails = "".join(self.log_tail(name) for name in waiting)
                raise Failure(f"not ready within {deadline_s:g} s: {', '.join(waiting)}{tails}")

    def running(self) -> list[Child]:
        """The children that have not ended, as far as was heard."""
        return [child for child in self.children.values() if child.status is None]

    def stop(self, deadline_s: float = STOP_WITHIN_S, hear: Callable[[Change], None] = lambda change: None) -> dict[str, int]:
        """SIGTERM one process after the other, so that each drains what the one before it left; returns exit statuses.

        What does not end within ``deadline_s`` in all is killed, and shows as -9.
        """
        end = time.monotonic() + deadline_s
        for name in self.names:
            child = self.children.get(name)
            if child is not None and child.status is None:
                child.send(signal.SIGTERM)
                self._wait_end(child, end, hear)
        return {name: child.status for name, child in self.children.items() if child.status is not None}

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """End ``name`` by a signal, and wait until it is gone."""
        child = self.children[name]
        child.send(number)
        self._wait_end(child, time.monotonic() + STOP_WITHIN_S, lambda change: None)

    def restart(self, name: str) -> None:
        """Start ``name`` again after it ended, and wait until it is ready."""
        self.start([name])
        self.wait_ready()

    def logs(self) -> list[Path]:
        """The log files that there are."""
        return sorted(self._logs.glob("*.log")) if self._logs else []

    def log_tail(self, name: str) -> str:
        """The last lines of its log file, each behind a newline; empty where there is none."""
        path = self._logs / f"{name}.log" if self._logs else None
        if path is None or not path.exists():
            return ""
        lines = path.read_text(errors="replace").splitlines()[-LOG_TAIL_LINES:]
        return "".join(f"\n  {name} | {line}" for line in lines)

    def _wait_end(self, child: Child, end: float, hear: Callable[[Change], None]) -> None:
        while child.status is None:
            for change in self.poll(max(0.0, min(1.0, end - time.monotonic()))):
                hear(change)
            if child.status is None and time.monotonic() > end:
                child.send(signal.SIGKILL)


@contextmanager
def temporary_cluster(**settings: Any) -> Iterator[Cluster]:
    """A running exchange on a folder and under an instance name of its own; nothing of it is left afterwards.

    Args:
        settings: what differs from the defaults, as nested dicts in the settings file's own shape
            (``matchers=2, journal={"segment_bytes": 1 << 20}``).
    """
    folder = Path(tempfile.mkdtemp(prefix=f"pinion-{os.getpid()}-"))
    cluster = None
    with terminable():
        try:
            cluster = prepare(folder, settings)
            cluster.start()
            cluster.wait_ready()
            yield cluster
        finally:
            if cluster is not None:
                cluster.stop()
                remove_segments(cluster.settings.instance)
            shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def terminable() -> Iterator[None]:
    """While it lasts, SIGTERM ends this process as ctrl-C does: by an exception, so that what was begun is cleaned up."""

    def leave(number: int, frame: FrameType | None) -> None:
        raise SystemExit(128 + number)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def prepare(folder: Path, settings: dict[str, Any], logged: bool = True) -> Cluster:
    """A cluster, not yet started, that keeps everything inside ``folder``; settings in the environment do not reach it.

    ``logged``: children write their lines into ``folder`` themselves; else ``poll`` hands them out.
    """
    document = {"instance": folder.name.lower(), "data": str(folder / "data"), "run": str(folder / "run"), **settings}
    path = folder / "pinion.toml"
    path.touch(mode=0o600)
    path.write_text(toml.dumps(document))
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PINION_")}
    if "PINION_CACHE_DIR" in os.environ:
        environ["PINION_CACHE_DIR"] = os.environ["PINION_CACHE_DIR"]
    return Cluster(read_settings(path, None, environ), environ, logs=folder if logged else None)


def remove_segments(instance: str) -> None:
    """Take the instance's segments out of ``/dev/shm``. Only for a stopped exchange: the journal holds all that matters."""
    for path in segments(instance):
        with suppress(FileNotFoundError):
            path.unlink()


def segments(instance: str) -> list[Path]:
    """The files in ``/dev/shm`` that belong to ``instance``, and not to one whose name merely begins with it."""
    mine = re.compile(re.escape(instance) + r"-((orders|commands|events|durable)\.\d+|doorbells|counters\..+)")
    return sorted(path for path in SHARED_MEMORY.iterdir() if mine.fullmatch(path.name))


def stopping_order(settings: Settings) -> tuple[str, ...]:
    """Every process, in the order in which they are stopped: each before those that read what it wrote."""
    return tuple(sorted(settings.processes(), key=_place_in_path))


def _place_in_path(process: str) -> tuple[int, str]:
    """Where ``process`` stands on an order's path."""
    return ("gateway", "riskd", "matcher", "persister").index(process.partition(".")[0]), process
