"""The control socket: how an operator asks a running process, and the process answers between two slices of work.

``ipc://{run}/{process}.control``, a ROUTER, mode 0600. A request and a reply are one JSON object each:

    {"command": "log-level", "arguments": {"level": "debug"}}
    {"ok": true, "result": {...}}        {"ok": false, "error": "one sentence"}
"""

import contextlib
import errno
import json
import os
import socket
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import zmq

from runtime import logs
from runtime.agent import Agent, Command
from runtime.context import Context
from runtime.faults import EnvironmentFault, FaultStatus
from runtime.reading import nearest
from runtime.settings import Settings

REQUEST_BYTES_BOUND: Final = 65536
ANSWERS_BOUND: Final = 16
"""Requests answered between two slices."""


class NoAnswer(Exception):  # noqa: N818 - it is a state of affairs
    """The process is not there or did not answer; the message says which, and where it was looked for."""


class RequestRefused(Exception):  # noqa: N818
    """The process answered that it cannot do this; the message is its own."""


class ControlServer:
    """The socket of one process, served by its runner."""

    def __init__(self, context: Context, agent: Agent, status: Callable[[], dict[str, Any]]) -> None:
        self._context = context
        self._commands: dict[str, Command] = {
            "status": lambda _: status(),
            "counters": lambda _: {
                "counters": context.counters.as_dict(),
                "histograms": context.counters.histograms(),
                "errors": context.counters.errors(),
            },
            "log-level": self._log_level,
            "drain": self._drain,
            "stop": self._stop,
            **agent.commands(),
        }
        self._sockets = zmq.Context(io_threads=1)
        self._router = _bound(self._sockets, context.settings.control_path(context.process))

    def descriptors(self) -> tuple[int, ...]:
        """Readable when someone asks."""
        return (int(self._router.FD),)

    def is_asked(self) -> bool:
        """Is there a request? Looking also re-arms the descriptor, which reports edges only."""
        return bool(int(self._router.getsockopt(zmq.EVENTS)) & zmq.POLLIN)

    def answer(self) -> None:
        """Answer what has been asked."""
        for _ in range(ANSWERS_BOUND):
            try:
                client, *_, request = self._router.recv_multipart(zmq.NOBLOCK)
            except zmq.Again:
                return
            reply = json.dumps(self._reply(request), default=str).encode()
            with contextlib.suppress(zmq.ZMQError):  # it has gone, or reads nothing: its own affair
                self._router.send_multipart([client, b"", reply], zmq.NOBLOCK)

    def close(self) -> None:
        """Send what is on its way and remove the socket's file."""
        self._router.close(linger=200)
        self._sockets.term()
        with contextlib.suppress(OSError):
            self._context.settings.control_path(self._context.process).unlink()

    def _reply(self, request: bytes) -> dict[str, Any]:
        try:
            command, arguments = parse_request(request)
            if command not in self._commands:
                raise ValueError(_unknown(command, self._commands))
            return {"ok": True, "result": self._commands[command](arguments)}
        except ValueError as error:
            return {"ok": False, "error": str(error)}

    def _log_level(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        before = logs.level()
        logs.set_level(arguments.get("level", before))
        return {"before": before, "level": logs.level()}

    def _drain(self, _: Mapping[str, Any]) -> dict[str, Any]:
        self._context.draining = True
        return {"state": "draining"}

    def _stop(self, _: Mapping[str, Any]) -> dict[str, Any]:
        self._context.request_stop("control request")
        return {"state": "stopping"}


def parse_request(request: bytes) -> tuple[str, Mapping[str, Any]]:
    """Command and arguments of a request. ``ValueError`` says what a request must look like."""
    shape = 'allowed is a JSON object {"command": "...", "arguments": {...}}'
    if len(request) > REQUEST_BYTES_BOUND:
        raise ValueError(f"the request has {len(request)} bytes; allowed are {REQUEST_BYTES_BOUND}")
    try:
        message = json.loads(request)
    except ValueError as error:
        raise ValueError(f"the request is not JSON ({error}); {shape}") from None
    if not isinstance(message, dict) or not isinstance(message.get("command"), str):
        raise ValueError(f"the request names no command; {shape}")
    arguments = message.get("arguments", {})
    if not isinstance(arguments, dict):
        raise ValueError(f"the request's arguments are not an object; {shape}")
    return message["command"], arguments


def ask(
    settings: Settings, process: str, command: str, timeout_s: float = 2.0, arguments: Mapping[str, Any] | None = None
) -> Any:
    """What ``process`` answers to ``command``. Raises NoAnswer, RequestRefused; both say in a sentence what is wrong."""
    path = settings.control_path(process)
    _check_listening(process, path)
    request = json.dumps({"command": command, "arguments": dict(arguments or {})}).encode()
    with zmq.Context(io_threads=1) as sockets, sockets.socket(zmq.DEALER) as dealer:
        dealer.linger = 0
        dealer.connect(f"ipc://{path}")
        dealer.send_multipart([b"", request])
        if not dealer.poll(int(timeout_s * 1000)):
            raise NoAnswer(f"{process} did not answer {command!r} within {timeout_s:g} s ({path}): it hangs or is starting")
        reply = json.loads(dealer.recv_multipart()[-1])
    if not reply["ok"]:
        raise RequestRefused(f"{process}: {reply['error']}")
    return reply["result"]


def _check_listening(process: str, path: Path) -> None:
    """ZeroMQ would wait in silence for a process that is not there; the socket itself knows at once."""
    reasons = {
        errno.ENOENT: "there is no control socket",
        errno.ECONNREFUSED: "its control socket is left over",
        errno.EACCES: "this user may not use its control socket",
    }
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        try:
            probe.connect(str(path))
        except OSError as error:
            reason = reasons.get(error.errno or 0, error.strerror)
            running = "cannot be asked" if error.errno == errno.EACCES else "is not running"
            raise NoAnswer(f"{process} {running}: {reason} at {path}") from None


def _bound(sockets: "zmq.Context[zmq.Socket[bytes]]", path: Path) -> "zmq.Socket[bytes]":
    """A ROUTER that only this user can reach."""
    router = sockets.socket(zmq.ROUTER)
    router.setsockopt(zmq.MAXMSGSIZE, REQUEST_BYTES_BOUND)
    umask = os.umask(0o177)
    try:
        _make_folder(path.parent)
        router.bind(f"ipc://{path}")
    except (OSError, zmq.ZMQError) as error:
        sockets.destroy(linger=0)
        fault = FaultStatus.CANNOT_CREATE
        raise EnvironmentFault(f"the control socket {path} cannot be made: {error.strerror}", fault) from error
    finally:
        os.umask(umask)
    return router


def _make_folder(folder: Path) -> None:
    """With the mode meant, whatever the umask."""
    if not folder.is_dir():
        _make_folder(folder.parent)
        with contextlib.suppress(FileExistsError):
            folder.mkdir()
        folder.chmod(0o700)


def _unknown(command: str, known: Mapping[str, Command]) -> str:
    guess = nearest(command, known)
    hint = f"did you mean {guess!r}? " if guess else ""
    return f"unknown command {command!r}: {hint}allowed are {', '.join(sorted(known))}"
