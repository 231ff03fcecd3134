"""Says when a kernel is compiled in trading time: clients wait for it, and `pinion warm` should have done it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog
from numba.core import event

EVENT: Final = "numba:compile"
WORDS: Final = "compiled a kernel while clients waited"
"""What the log then says."""


class _Compiling(event.Listener):  # type: ignore[misc]  # Numba has no types
    """Logs what is compiled, with all that it called and that had to be compiled with it as one."""

    def __init__(self, logger: structlog.stdlib.BoundLogger) -> None:
        self._logger = logger
        self._depth = 0
        self._began_s = 0.0

    def on_start(self, happened: Any) -> None:
        if self._depth == 0:
            self._began_s = time.monotonic()
        self._depth += 1

    def on_end(self, happened: Any) -> None:
        self._depth -= 1
        if self._depth == 0:
            kernel = happened.data["dispatcher"].py_func
            seconds = round(time.monotonic() - self._began_s, 3)
            self._logger.warning(WORDS, kernel=f"{kernel.__module__}.{kernel.__qualname__}", seconds=seconds)


@contextmanager
def told_of_compiling(logger: structlog.stdlib.BoundLogger) -> Iterator[None]:
    """While it lasts, each kernel that is compiled, and not found in the cache, is a warning in the log."""
    with event.install_listener(EVENT, _Compiling(logger)):
        yield
