"""sd_notify: tells the service manager that the process is ready, alive, stopping. Nothing happens without a manager."""

import contextlib
import os
import socket
from collections.abc import Mapping
from typing import Self


class Notifier:
    """Sends datagrams to ``NOTIFY_SOCKET``. A manager that went away is no reason to stop."""

    def __init__(self, address: str, watchdog_us: int = 0) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._interval_ns = watchdog_us * 1000 // 3
        self._due_ns = 0
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) if address else None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str] = os.environ) -> Self:
        """As systemd passes it: ``NOTIFY_SOCKET``, and ``WATCHDOG_USEC`` if meant for this process."""
        meant = environ.get("WATCHDOG_PID", str(os.getpid())) == str(os.getpid())
        return cls(environ.get("NOTIFY_SOCKET", ""), int(environ.get("WATCHDOG_USEC", "0")) if meant else 0)

    def send(self, message: str) -> None:
        """``message`` is lines of KEY=VALUE, such as READY=1."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.sendto(message.encode(), self._address)

    def close(self) -> None:
        """Nothing is sent from here on."""
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def watchdog(self, now_ns: int) -> None:
        """Say that the process is alive, three times per period that the manager allows."""
        if self._interval_ns and now_ns >= self._due_ns:
            self._due_ns = now_ns + self._interval_ns
            self.send("WATCHDOG=1")
