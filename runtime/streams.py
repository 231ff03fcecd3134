"""The wiring: which streams there are, who writes and who reads each. In the order in which an order meets them.

orders.g    gateway.g -> riskd
commands.k  riskd     -> matcher.k, persister
events.k    matcher.k -> riskd, persister, every gateway
durable.k   persister -> every gateway (not a ring)
"""

from typing import Any

import numpy as np

from runtime.settings import Settings
from shm.records import COMMAND, EVENT


def segment_name(settings: Settings, stream: str) -> str:
    """The name in ``/dev/shm`` of a stream or other segment of this engine."""
    return f"/{settings.instance}-{stream}"


def record_of(stream: str) -> "np.dtype[Any]":
    """What travels in a stream."""
    return {"orders": COMMAND, "commands": COMMAND, "events": EVENT}[stream.partition(".")[0]]


def capacity_of(settings: Settings, stream: str) -> int:
    """How many records its ring holds."""
    return int(getattr(settings.rings, stream.partition(".")[0]))


def writer_of(stream: str) -> str:
    """The process that writes a stream."""
    kind, _, number = stream.partition(".")
    return {"orders": f"gateway.{number}", "commands": "riskd", "events": f"matcher.{number}"}[kind]


def readers_of(settings: Settings, stream: str) -> tuple[str, ...]:
    """The processes that read a stream and hold its writer back."""
    kind, _, number = stream.partition(".")
    gateways = tuple(f"gateway.{g}" for g in range(settings.gateways))
    return {
        "orders": ("riskd",),
        "commands": (f"matcher.{number}", "persister"),
        "events": ("riskd", "persister", *gateways),
    }[kind]


def gating(settings: Settings, stream: str) -> tuple[str, ...]:
    """The names of the gating readers in a ring: a shard has one matcher, which is called just that."""
    return tuple("matcher" if name.startswith("matcher.") else name for name in readers_of(settings, stream))


def streams(settings: Settings) -> tuple[str, ...]:
    """All rings of the engine."""
    shards = range(settings.matchers)
    return (
        *(f"orders.{g}" for g in range(settings.gateways)),
        *(f"commands.{k}" for k in shards),
        *(f"events.{k}" for k in shards),
    )


def neighbours(settings: Settings, process: str) -> tuple[str, ...]:
    """Whom ``process`` may have to wake: readers of what it writes, and writers that wait for room in what it reads."""
    found: set[str] = set()
    for stream in streams(settings):
        readers, writer = readers_of(settings, stream), writer_of(stream)
        if writer == process:
            found |= set(readers)
        if process in readers:
            found.add(writer)
    if process == "persister":
        found |= {f"gateway.{g}" for g in range(settings.gateways)}
    return tuple(name for name in settings.processes() if name in found)
