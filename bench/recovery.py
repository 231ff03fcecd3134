"""How fast a journal is replayed, beside the bare engine over the same commands.

Goals: the share of the engine's own speed that is left when its commands come out of the journal's files: read, checked
against their checksums, one after the other. ``replay_ratio`` is bare time over replay time; half is what is asked for. Not a
goal: a disk's speed. The files are in memory, as they are for a process that starts again.

Bare is as in ``bench.matcher``: commands in memory, events into a ring that nobody holds back.
"""

import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from matcher.layout import Bounds
from matcher.recovery import Replay, touch
from matcher.state import clear, empty_state, wire
from shm.journal import JournalReader
from shm.records import COMMAND, EVENT
from shm.ring import Ring
from shm.ring_layout import READERS, UNPUBLISHED_BOUND

EVENTS_CAPACITY: Final = 1 << 16
FOR_EVER: Final = (1 << 62) - 1
Hear = Callable[[int], None]


def measure(folder: Path, bounds: Bounds, rounds: int = 3, hear: Hear = lambda done: None) -> dict[str, Any]:
    """Replay the commands in ``folder`` ``rounds`` times, each beside a bare run; ``hear`` is told of commands done."""
    state = empty_state(bounds)
    touch(state, bounds)
    held = list(JournalReader(folder, COMMAND))
    commands = sum(map(len, held))
    bare, replayed, ends = [], [], set()
    for _ in range(rounds):
        bare.append(_run(state, bounds, held, 0))
        ends.add(_end_of(state))
        hear(commands)
        replayed.append(_run(state, bounds, JournalReader(folder, COMMAND), FOR_EVER))
        ends.add(_end_of(state))
        hear(commands)
    assert len(ends) == 1, f"a replay ends elsewhere than the engine does: {ends}"
    return {
        "commands": commands,
        "bare_ns_per_command": round(statistics.median(bare) / commands * 1e9, 1),
        "replay_ns_per_command": round(statistics.median(replayed) / commands * 1e9, 1),
        "replay_ratio": round(statistics.median(bare) / statistics.median(replayed), 3),
        "runs_s": {"bare": [round(each, 3) for each in bare], "replay": [round(each, 3) for each in replayed]},
    }


def _run(state: Any, bounds: Bounds, source: JournalReader | list[Any], suppress_through: int) -> float:
    """Seconds from an empty state to the end of a journal, or of arrays of commands."""
    clear(state, bounds)
    commands, events = Ring.private(COMMAND, 2 * UNPUBLISHED_BOUND, gating=("matcher",)), Ring.private(EVENT, EVENTS_CAPACITY)
    events.record["words"][READERS] = 0
    wire(state, commands, events)
    state["suppress_through"], state["hook"] = suppress_through, 0
    replay = Replay(state, commands, events)
    started = time.perf_counter()
    assert replay.feed_journal(source) if isinstance(source, JournalReader) else replay.feed(source)
    return time.perf_counter() - started


def _end_of(state: Any) -> tuple[int, ...]:
    return tuple(int(state[name]) for name in ("command_sequence", "event_sequence", "trades", "volume", "resting"))
