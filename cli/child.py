"""One process of the exchange as a child of this one: how it is started, heard and ended.

It is started as a service manager would start it: ``pinion run NAME`` with ``NOTIFY_SOCKET`` in its environment, in a process
group of its own (so that a ctrl-C at the terminal reaches only its parent, which stops the processes in order), and on a
leash: it ends when its parent dies.
"""

import os
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

ROOT: Final = Path(__file__).resolve().parent.parent
"""The folder that the rooms lie in; given to children, so that they run the same code as their parent."""
NOTICE_BYTES: Final = 4096


@dataclass(frozen=True)
class Change:
    """Something heard of a child. ``what``: ``line`` (of its log), ``ready``, ``stopping`` or ``exit``."""

    name: str
    what: str
    text: str = ""


class Child:
    """A started process. ``ready`` once it said so; ``status`` is its exit status (negative: a signal), None while it runs."""

    def __init__(self, name: str, config: Path | None, environ: Mapping[str, str], folder: Path, log: Path | None) -> None:
        """``folder``: where its notify socket goes. ``log``: the file that takes its output; None hands it out as changes."""
        self.name = name
        self.ready = False
        self.stopping = False
        self.status: int | None = None
        self.started_s = time.monotonic()
        self._notices = _bind(folder / f"{name}.notify")
        self._process = _start(name, config, {**environ, "NOTIFY_SOCKET": str(folder / f"{name}.notify")}, log)
        self._pidfd = os.pidfd_open(self._process.pid)
        self._output = self._process.stdout
        self._partial = b""

    @property
    def pid(self) -> int:
        """Its process id, also after its end."""
        return self._process.pid

    def watch(self, poller: "select.poll") -> dict[int, "Child"]:
        """Register everything that this child can be heard on; returns the descriptors."""
        descriptors = [self._notices.fileno(), self._pidfd]
        if self._output is not None:
            descriptors.append(self._output.fileno())
        for descriptor in descriptors:
            poller.register(descriptor, select.POLLIN)
        return dict.fromkeys(descriptors, self)

    def hear(self) -> Iterator[Change]:
        """All that happened since the last call, in order; the end comes last."""
        yield from self._lines()
        yield from self._read_notices()
        if self.status is None and self._process.poll() is not None:
            yield from self._read_notices()
            yield from self._lines()
            self._end()
            yield Change(self.name, "exit", describe(self._process.returncode))

    def send(self, number: signal.Signals) -> None:
        """Send it a signal; one that has ended gets none."""
        if self.status is None:
            self._process.send_signal(number)

    def _end(self) -> None:
        self.status, self.ready = self._process.returncode, False
        os.close(self._pidfd)
        path = self._notices.getsockname()
        self._notices.close()
        os.unlink(path)
        if self._output is not None:
            self._output.close()
            self._output = None

    def _read_notices(self) -> Iterator[Change]:
        while True:
            try:
                notice = self._notices.recv(NOTICE_BYTES).decode()
            except BlockingIOError:
                return
            for line in notice.splitlines():
                if line == "READY=1" and not self.ready:
                    self.ready = True
                    yield Change(self.name, "ready")
                elif line == "STOPPING=1" and not self.stopping:
                    self.stopping = True
                    yield Change(self.name, "stopping")

    def _lines(self) -> Iterator[Change]:
        if self._output is None:
            return
        *lines, self._partial = (self._partial + _read_all(self._output)).split(b"\n")
        for line in lines:
            yield Change(self.name, "line", line.decode(errors="replace"))


def describe(status: int) -> str:
    """An exit status in words."""
    return f"killed by {signal.Signals(-status).name}" if status < 0 else f"exit status {status}"


def _start(name: str, config: Path | None, environment: dict[str, str], log: Path | None) -> subprocess.Popen[bytes]:
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environment.get("PYTHONPATH", "")]))
    command = [sys.executable, "-P", "-m", "cli.main", "run", name, "--leash", str(os.getpid())]
    command += [] if config is None else ["--config", str(config)]
    if log is None:
        process = _spawn(command, environment, subprocess.PIPE)
        assert process.stdout is not None
        os.set_blocking(process.stdout.fileno(), False)
        return process
    with log.open("ab") as output:
        return _spawn(command, environment, output)


def _spawn(command: list[str], environment: dict[str, str], output: "int | IO[bytes]") -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        process_group=0,
    )


def _bind(path: Path) -> socket.socket:
    path.unlink(missing_ok=True)
    notices = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    notices.bind(str(path))
    return notices


def _read_all(stream: IO[bytes]) -> bytes:
    """What the non-blocking ``stream`` holds now."""
    pieces = []
    while piece := _read_some(stream):
        pieces.append(piece)
    return b"".join(pieces)


def _read_some(stream: IO[bytes]) -> bytes:
    try:
        return os.read(stream.fileno(), 1 << 16)
    except BlockingIOError:
        return b""
