"""What befalls the exchange in each round of ``pinion chaos``: all of it drawn from a seed and the round's number."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np

from runtime.settings import Settings

DATABASE: Final = "database"
"""The process that fills the database, which the persister starts and starts again."""
KILL, STOP, FULL, POWER = "kill", "stop", "full", "power"
KINDS: Final = {KILL: 0.55, STOP: 0.2, FULL: 0.2, POWER: 0.05}
"""How often each befalls the exchange. With the power goes all shared memory: only durability ``disk`` is made for that."""
STRIKES_SHARE: Final = (0.5, 0.3, 0.2)
"""Of rounds with one, two, three strikes."""
ONE_SHARE, SEVERAL_SHARE = 0.55, 0.3
"""Of strikes with one victim and with several; the others are of all at once."""
LONGEST_STOP_US: Final = 1_000_000
LONGEST_FULL_US: Final = 1_500_000
LONGEST_ABSENCE_US: Final = 400_000
"""Until what was killed is started again."""
LATEST_US: Final = 150_000
IN_RECOVERY_US: Final = 2_500_000
"""Later strikes fall this late after the one before: while processes start again, some of them."""
LEAST_FILE_BYTES: Final = 1 << 12


@dataclass(frozen=True)
class Strike:
    """One blow. It falls ``after_commands`` more are in the journal than at the strike before (or at the round's beginning),
    and then ``after_us`` later."""

    what: str
    victims: tuple[str, ...]
    after_commands: int
    after_us: int
    lasts_us: int
    """Of a stop, or of a full disk; of the others, until the victims are started again."""
    file_bytes: int = 0
    """With a full disk no file of the journal gets beyond this."""

    def __str__(self) -> str:
        """As the command prints it."""
        when = f"{self.after_us} us on"
        if self.after_commands:
            when = f"after {self.after_commands} commands and {self.after_us} us"
        how = {
            KILL: f"kill {', '.join(self.victims)}, started again {self.lasts_us} us later",
            STOP: f"stop {', '.join(self.victims)} for {self.lasts_us} us",
            POWER: f"kill all and empty shared memory, started again {self.lasts_us} us later",
            FULL: f"files end at {self.file_bytes} bytes for {self.lasts_us} us",
        }
        return f"{when}: {how[self.what]}"


@dataclass(frozen=True)
class Shape:
    """What kind of exchange a seed stands for."""

    matchers: int
    durability: str
    rings: dict[str, int] = field(default_factory=dict)
    """Small ones are full at every other moment."""

    @classmethod
    def of(cls, seed: int) -> "Shape":
        """One shard or two, ``disk`` or ``memory``, rings of the usual size or small ones."""
        rings = {"orders": 256, "commands": 1024, "events": 2048} if seed % 3 == 2 else {}
        return cls(1 + seed % 2, "memory" if seed % 5 == 4 else "disk", rings)


def strikes_of(seed: int, number: int, settings: Settings, commands: int) -> list[Strike]:
    """The strikes of round ``number``, in which about ``commands`` come into the journal. The same for the same arguments."""
    random = np.random.default_rng((seed, number))
    count = 1 + int(random.choice(len(STRIKES_SHARE), p=STRIKES_SHARE))
    return [_strike(random, settings, commands if each == 0 else 0) for each in range(count)]


def _strike(random: np.random.Generator, settings: Settings, commands: int) -> Strike:
    what = str(random.choice(list(KINDS), p=list(KINDS.values())))
    if what == POWER and settings.durability != "disk":
        what = KILL
    victims = _victims(random, (*settings.processes(), DATABASE))
    after_us = int(random.integers(LATEST_US if commands else IN_RECOVERY_US))
    longest_us = {STOP: LONGEST_STOP_US, FULL: LONGEST_FULL_US}
    lasts_us = int(random.integers(longest_us.get(what, LONGEST_ABSENCE_US)))
    file_bytes = int(random.integers(LEAST_FILE_BYTES, settings.journal.segment_bytes))
    after_commands = int(random.integers(commands)) if commands else 0
    if what == FULL:
        return Strike(what, ("persister",), after_commands, after_us, lasts_us, file_bytes)
    return Strike(what, settings.processes() if what == POWER else victims, after_commands, after_us, lasts_us)


def _victims(random: np.random.Generator, processes: Sequence[str]) -> tuple[str, ...]:
    draw = random.random()
    if draw < ONE_SHARE:
        return (str(random.choice(processes)),)
    if draw < ONE_SHARE + SEVERAL_SHARE:
        count = int(random.integers(2, len(processes)))
        return tuple(map(str, random.choice(processes, count, replace=False)))
    return tuple(processes)


def settings_of(shape: Shape, instruments: Sequence[dict[str, Any]], keys: dict[str, str]) -> dict[str, Any]:
    """A settings document: all that happens now and then happens often."""
    accounts = [
        {"name": name, "api_key": key, "unset_limits": "unlimited", "maximum_open_orders": 1_000_000}
        for name, key in keys.items()
    ]
    accounts[-1]["self_trade_rule"] = "cancel_oldest"
    return {
        "matchers": shape.matchers,
        "durability": shape.durability,
        "instruments": [dict(each) for each in instruments],
        "accounts": accounts,
        "rings": dict(shape.rings),
        "journal": {"segment_bytes": 1 << 17, "batch_bound": 512},
        "snapshots": {"every_s": 1, "keep": 2},
        "gateway": {"heartbeat_s": 1},
        "database": {"retry_s": 0.2, "batch_rows": 2000},
        "control": {"attach_s": 60},
    }
