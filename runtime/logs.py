"""The log: JSON lines for machines, coloured ones for a terminal, on stderr. Never from a hot loop.

with logs.bound(account="alice", session=7): logger.info("logged on")
"""

import contextlib
import logging
import sys
from collections.abc import MutableMapping
from typing import Any, Final, TextIO

import structlog

LEVELS: Final = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
    "critical": logging.CRITICAL,
}
_SETTABLE: Final = ("debug", "info", "warning", "error")
_current: dict[str, str] = {"level": "info"}


def configure(format: str = "auto", level: str = "info", stream: TextIO | None = None) -> None:  # noqa: A002
    """Log from now on in ``format`` (auto, json, console) to ``stream`` (stderr)."""
    assert format in ("auto", "json", "console")
    stream = stream or sys.stderr
    set_level(level)
    for_people = format == "console" or (format == "auto" and stream.isatty())
    structlog.configure(
        processors=[
            _drop_below_level,
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            *(_for_people(stream) if for_people else _for_machines()),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
        logger_factory=structlog.WriteLoggerFactory(_Steadfast(stream)),  # type: ignore[arg-type]
        cache_logger_on_first_use=False,
    )


class _Steadfast:
    """A stream whose disk may be full: lines are then lost, and the process that writes them is not."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream

    def write(self, text: str) -> None:
        with contextlib.suppress(OSError):
            self._stream.write(text)

    def flush(self) -> None:
        with contextlib.suppress(OSError):
            self._stream.flush()


def set_level(level: object) -> None:
    """Change the level of every logger, now. ``ValueError`` names what is allowed."""
    if level not in _SETTABLE:
        raise ValueError(f"log level {level!r}: allowed is one of {', '.join(_SETTABLE)}")
    _current["level"] = str(level)


def level() -> str:
    """The level now."""
    return _current["level"]


def _drop_below_level(_: Any, method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """First of all processors, so that what is not wanted costs next to nothing."""
    name = {"warn": "warning", "exception": "error", "msg": "info"}.get(method, method)
    if LEVELS.get(name, logging.INFO) < LEVELS[_current["level"]]:
        raise structlog.DropEvent
    return event


def _for_machines() -> list[Any]:
    return [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer(default=str)]


def _for_people(stream: TextIO) -> list[Any]:
    plain = structlog.dev.plain_traceback
    return [structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=plain, pad_event_to=32)]


def bound(**values: Any) -> Any:
    """A context in which every line of the log carries ``values``, such as ``account`` and ``session``."""
    return structlog.contextvars.bound_contextvars(**values)
