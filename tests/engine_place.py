"""Where one test's engine lives: what the fixture ``place`` gives."""

import os
from dataclasses import dataclass
from pathlib import Path

import leftovers


@dataclass(frozen=True)
class Place:
    """Where one test's engine lives. Paths are short: the address of a unix socket has 107 bytes."""

    instance: str
    root: Path

    @property
    def data(self) -> Path:
        """Journal and database."""
        return self.root / "data"

    @property
    def run(self) -> Path:
        """Sockets."""
        return self.root / "run"

    @property
    def environ(self) -> dict[str, str]:
        """An environment in which every ``pinion`` command means this engine."""
        own = {"PINION_INSTANCE": self.instance, "PINION_DATA": str(self.data), "PINION_RUN": str(self.run)}
        return {**os.environ, **own}

    def segments(self) -> set[str]:
        """The names in /dev/shm that belong to this engine."""
        return {name for name in leftovers.segments() if name.startswith(self.instance + "-")}
