"""A persister among neighbours that the test plays: it writes both rings and looks at what comes of it."""

import os
import sys
from collections.abc import Mapping
from typing import Any

import numpy as np

from conftest import Place
from persister.process import Persister, build
from runtime.context import Context
from runtime.settings import Settings, load
from shm.journal import JournalReader, Stream, stream_folder
from shm.records import COMMAND, EVENT
from shm.ring import Ring, publish


def settings_of(place: Place, **sections: Any) -> Settings:
    """Settings of the test's engine: ``journal_batch_bound=10`` sets what PINION_JOURNAL_BATCH_BOUND does."""
    given = {f"PINION_{key.upper()}": str(value) for key, value in sections.items()}
    own = {name: value for name, value in place.environ.items() if name.startswith("PINION_")}
    return load(None, {**own, "PINION_RINGS_COMMANDS": "1024", "PINION_RINGS_EVENTS": "1024", **given})


class Rig:
    """Rings, and a persister in this process if ``start`` is called."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.context = Context(settings, "persister")
        self.neighbour = Context(settings, "riskd")
        assert self.context.epoch
        self.rings = {name: self._ring(name) for name in ("commands.0", "events.0")}
        self.agent: Persister | None = None

    def start(self) -> Persister:
        self.agent = build(self.context)
        return self.agent

    def write(self, stream: str, records: np.ndarray) -> None:
        """Into the ring as its writer does. The test sees to it that there is room."""
        ring = self.rings[stream]
        assert int(records["sequence"][0]) == ring.published + 1
        ring.record["slots"][records["sequence"] & (ring.capacity - 1)] = records
        publish(ring.record, int(records["sequence"][-1]))

    def room(self, stream: str) -> int:
        ring = self.rings[stream]
        cursors = [ring.cursor(ring.readers().index("persister"))]
        return ring.capacity - (ring.published - min(cursors))

    def work(self) -> None:
        """Until nothing is left to do."""
        assert self.agent is not None
        while self.agent.do_work():
            pass

    def journal(self, stream: Stream) -> np.ndarray:
        return read_journal(self.settings, stream)

    def stop(self) -> None:
        if self.agent is not None:
            self.agent.close()
        self.close()

    def close(self) -> None:
        self.agent = None
        self.context.close()
        self.context.counters.segment.close()
        for ring in self.rings.values():
            ring.close()

    def _ring(self, name: str) -> Ring:
        return self.neighbour.create_ring(name)


def read_journal(settings: Settings, stream: Stream, shard: int = 0) -> np.ndarray:
    """All records of a stream."""
    dtype = COMMAND if stream is Stream.COMMANDS else EVENT
    blocks = list(JournalReader(stream_folder(settings.data, stream, shard), dtype))
    return np.concatenate(blocks) if blocks else np.zeros(0, dtype)


def environment_of(place: Place, settings: Mapping[str, str]) -> dict[str, str]:
    """What a persister's own process needs to be given to be of the same engine."""
    path = os.pathsep.join(each for each in sys.path if each)
    return {**place.environ, "PYTHONPATH": path, "PINION_RINGS_COMMANDS": "1024", "PINION_RINGS_EVENTS": "1024", **settings}
