"""The clients' socket: one ROUTER on every endpoint. The only place of this room where a socket is made; kernels use it too."""

import contextlib
import errno
import os
import socket as sockets
from collections.abc import Sequence
from pathlib import Path

import zmq

from gateway.outbound import BEHIND, GONE, SENT
from runtime.faults import EnvironmentFault, FaultStatus

FRAMES_WAITING_BOUND = 1000
"""Frames to or from one client that libzmq keeps, each way: what a slow client can cost. Past it the session is behind."""
LINGER_MS = 500
UNIX_PATH_BYTES = 107


class Wire:
    """Bound to its endpoints from the start until ``close``."""

    def __init__(self, endpoints: Sequence[str], maximum_frame_bytes: int) -> None:
        """Raises EnvironmentFault with the endpoint that cannot be bound and why."""
        assert endpoints, "a gateway without an endpoint has no clients"
        self._context = zmq.Context()
        self._socket = self._context.socket(zmq.ROUTER)
        self._socket.sndhwm = self._socket.rcvhwm = FRAMES_WAITING_BOUND
        self._socket.setsockopt(zmq.ROUTER_MANDATORY, 1)  # a frame that cannot go is told, not dropped
        self._socket.setsockopt(zmq.MAXMSGSIZE, 4 * maximum_frame_bytes)  # past it libzmq hangs up; below it, a REJECT
        self._socket.setsockopt(zmq.BACKLOG, 1024)
        self._socket.setsockopt(zmq.TCP_KEEPALIVE, 1)
        try:
            for endpoint in endpoints:
                self._bind(endpoint)
        except EnvironmentFault:
            self.close(0)
            raise

    @property
    def handle(self) -> int:
        """libzmq's own pointer to the socket, for kernels."""
        return int(self._socket.underlying)

    @property
    def descriptor(self) -> int:
        """Readable when something may have come: what a parked process waits on."""
        return int(self._socket.FD)

    @property
    def readable(self) -> bool:
        """Whether a frame waits. If not, ``descriptor`` becomes readable with the next one."""
        return bool(int(self._socket.getsockopt(zmq.EVENTS)) & zmq.POLLIN)

    @property
    def endpoints(self) -> list[str]:
        """Where the socket is bound, wildcards resolved."""
        return list(self._bound)

    def send(self, identity: bytes, frame: bytes) -> int:
        """One frame to one client: SENT, or BEHIND (its queue is full), or GONE."""
        try:
            self._socket.send_multipart([identity, frame], zmq.DONTWAIT)
        except zmq.Again:
            return BEHIND
        except zmq.ZMQError as error:
            if error.errno == errno.EHOSTUNREACH:
                return GONE
            raise
        return SENT

    def close(self, linger_ms: int = LINGER_MS) -> None:
        """Unbind; what is queued has ``linger_ms`` to get out."""
        self._socket.close(linger_ms)
        self._context.term()

    _bound: list[str]

    def _bind(self, endpoint: str) -> None:
        self._bound = [*getattr(self, "_bound", [])]
        if endpoint.startswith("ipc://"):
            _prepare_path(Path(endpoint.removeprefix("ipc://")))
        try:
            self._socket.bind(endpoint)
        except zmq.ZMQError as error:
            raise _fault(endpoint, error) from error
        self._bound.append(self._socket.getsockopt_string(zmq.LAST_ENDPOINT))


def _prepare_path(path: Path) -> None:
    """See that the path can be bound; libzmq would take it from another server that listens there, without a word."""
    if len(os.fsencode(path)) > UNIX_PATH_BYTES:
        raise EnvironmentFault(
            f"ipc://{path} is longer than the {UNIX_PATH_BYTES} bytes of a unix socket's address: set run to a shorter folder",
            FaultStatus.CONFIGURATION,
        )
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFault(f"{path.parent} cannot be made: {error.strerror}", FaultStatus.CANNOT_CREATE) from error
    with sockets.socket(sockets.AF_UNIX) as probe, contextlib.suppress(OSError):
        probe.connect(str(path))
        raise EnvironmentFault(f"ipc://{path} is in use: another process listens there", FaultStatus.BUSY)


def _fault(endpoint: str, error: zmq.ZMQError) -> EnvironmentFault:
    if error.errno == errno.EADDRINUSE:
        return EnvironmentFault(f"{endpoint} is in use: another process listens there", FaultStatus.BUSY)
    if error.errno in (errno.EACCES, errno.EPERM):
        return EnvironmentFault(f"{endpoint} may not be bound by this user", FaultStatus.NOT_PERMITTED)
    return EnvironmentFault(f"{endpoint} cannot be bound: {error.strerror}", FaultStatus.CONFIGURATION)
