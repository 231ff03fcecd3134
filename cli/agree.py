"""Do the client, the journal and the database tell the same story? Order by order, after an exchange has come to rest."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cli import database_story, profit, story
from cli.output import Failure
from matcher.engine import Engine
from persister.positions import Position
from runtime import control
from runtime.settings import Settings
from shm.journal import JournalReader, Stream, stream_folder
from shm.records import COMMAND, EVENT, SHARD_BOUND, SLOT_BITS

REST_WITHIN_S: Final = 60.0
NEVER: Final = 1 << 62
LOOK_AGAIN_S: Final = 0.02


@dataclass
class Agreement:
    """``agree`` when there are no ``differences``; the counts are of orders and executions, by who tells."""

    orders: dict[str, int] = field(default_factory=dict)
    executions: dict[str, int] = field(default_factory=dict)
    differences: list[str] = field(default_factory=list)

    @property
    def agree(self) -> bool:
        """Do all three tell the same?"""
        return not self.differences

    def as_dict(self) -> dict[str, Any]:
        """As the commands print it."""
        return {
            "agree": self.agree,
            "orders_told": self.orders,
            "executions_told": self.executions,
            "differences": self.differences,
        }


def compare(settings: Settings, reports: NDArray[Any], since: dict[int, int] | None = None) -> Agreement:
    """Lay the three side by side. ``reports`` are all that all accounts were told since the journal began.

    With ``since`` (shard -> command sequence) only orders from that command on, of accounts that were told anything, are
    compared, and no positions: for an exchange that has a past, or other clients.
    """
    wait_for_rest(settings, reports)
    rows, positions = database_story.read(*settings.database_urls)
    tellings = {
        "client": story.of_reports(reports, settings.instruments),
        "journal": of_journal(settings),
        "database": rows,
    }
    if since is not None:
        told_to = np.unique(reports["account"])
        tellings = {name: _since(stories, since, told_to) for name, stories in tellings.items()}
    found = Agreement()
    for name, stories in tellings.items():
        found.orders[name] = len(stories)
        found.executions[name] = int(stories["trades"].sum()) // 2
    for name in ("client", "database"):
        wrong = story.differences(tellings[name], tellings["journal"])
        found.differences += [f"{name} / journal: {sentence}" for sentence in wrong]
    if since is None:
        found.differences += _position_differences(profit.positions(reports, settings.instruments), positions)
    return found


def engine_repeats(settings: Settings) -> bool:
    """Does an engine, given the journal's commands and nothing else, make the journal's events, byte for byte?"""
    pools = settings.pools
    for shard in range(settings.matchers):
        commands = journal(settings, Stream.COMMANDS, COMMAND, shard)
        engine = Engine(pools.instruments, pools.accounts, pools.orders, pools.levels)
        if engine.run(commands).tobytes() != journal(settings, Stream.EVENTS, EVENT, shard).tobytes():
            return False
    return True


def journal(settings: Settings, stream: Stream, dtype: np.dtype[Any], shard: int) -> NDArray[Any]:
    """All records of a stream of a shard."""
    parts = list(JournalReader(stream_folder(settings.data, stream, shard), dtype))
    return np.concatenate([np.zeros(0, dtype), *parts])


def of_journal(settings: Settings) -> NDArray[Any]:
    """The stories that the journal's events tell, of all shards."""
    shards = []
    for shard in range(settings.matchers):
        events = journal(settings, Stream.EVENTS, EVENT, shard)
        shards.append(story.of_events(events, shard, settings.instruments))
    return np.concatenate(shards)


def _since(stories: NDArray[Any], since: dict[int, int], accounts: NDArray[Any]) -> NDArray[Any]:
    """An order id begins with the sequence of the order's command; that of a refused one is minus that sequence."""
    command = np.where(stories["order_id"] < 0, -stories["order_id"], stories["order_id"] >> SLOT_BITS)
    first = np.array([since.get(shard, NEVER) for shard in range(SHARD_BOUND)], np.int64)
    return stories[(command >= first[stories["shard"]]) & np.isin(stories["account"], accounts)]


def _position_differences(ours: dict[tuple[int, int], Position], theirs: dict[tuple[int, int], Position]) -> list[str]:
    """An account that never traded may have a row of zeros, or none."""
    keys = sorted(ours.keys() | theirs.keys())
    flat = Position()
    pairs = [(key, ours.get(key, flat), theirs.get(key, flat)) for key in keys]
    return [f"account {key[0]} instrument {key[1]}: client {a} / database {b}" for key, a, b in pairs if a != b]


def wait_for_rest(settings: Settings, reports: NDArray[Any]) -> None:
    """Return when journal and database have reached the last event that was reported in each shard.

    Raises:
        Failure: not within a minute, or the persister does not answer.
    """
    reached = {str(shard): _last_told(reports, shard) for shard in range(settings.matchers)}

    def rests() -> bool:
        status = control.ask(settings, "persister", "status")
        behind = [shard for shard, last in reached.items() if status["journal"][shard]["events"] < last]
        return not behind and status["database"]["backlog"] == 0

    try:
        _wait_until(rests)
    except (control.NoAnswer, control.RequestRefused) as error:
        raise Failure(str(error)) from error


def _last_told(reports: NDArray[Any], shard: int) -> int:
    sequences = reports["event_sequence"][reports["shard"] == shard]
    return int(sequences.max()) if len(sequences) else 0


def _wait_until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + REST_WITHIN_S
    while not condition():
        if time.monotonic() > end:
            raise Failure(f"journal or database have not caught up within {REST_WITHIN_S:g} s")
        time.sleep(LOOK_AGAIN_S)
