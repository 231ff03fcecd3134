"""Rings the process's own doorbell when a socket has something, while the process is parked and only then.

A parked process sleeps on a futex, which a socket cannot ring. So a helper thread waits for the sockets. Each is armed for one
report just before the process sleeps and disarmed after: while the process works, the thread stays out of its way.
"""

import contextlib
import os
import select
import threading
from collections.abc import Callable, Sequence


class Watcher:
    """Waits for ``descriptors`` and calls ``wake``, in a thread of its own; without descriptors there is no thread."""

    def __init__(self, wake: Callable[[], None], descriptors: Sequence[int]) -> None:
        self._wake, self._descriptors = wake, tuple(descriptors)
        self._epoll = select.epoll()
        self._end = os.eventfd(0, os.EFD_CLOEXEC)
        self._epoll.register(self._end, select.EPOLLIN)
        for descriptor in self._descriptors:
            self._epoll.register(descriptor, 0)
        self._thread = threading.Thread(target=self._run, name="watcher", daemon=True)
        if self._descriptors:
            self._thread.start()

    def arm(self) -> None:
        """Report the next sign of life, or at once if there is one already."""
        for descriptor in self._descriptors:
            self._epoll.modify(descriptor, select.EPOLLIN | select.EPOLLET | select.EPOLLONESHOT)

    def disarm(self) -> None:
        """Report nothing."""
        for descriptor in self._descriptors:
            self._epoll.modify(descriptor, 0)

    def close(self) -> None:
        """End the thread."""
        if self._thread.is_alive():
            os.eventfd_write(self._end, 1)
            self._thread.join()
        with contextlib.suppress(OSError):
            self._epoll.close()
            os.close(self._end)

    def _run(self) -> None:
        while not any(descriptor == self._end for descriptor, _ in self._epoll.poll()):
            self._wake()
