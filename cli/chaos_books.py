"""All that anybody wrote down of an exchange's life: what clients sent and were told, the journal, the database."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import sqlalchemy
from numpy.typing import NDArray

from cli import agree, database_story
from cli.chaos_trader import Trader
from matcher.engine import Engine
from persister.positions import Position
from persister.tables import BALANCES, EXECUTIONS, ORDER_EVENTS
from runtime.sections import Instrument
from runtime.settings import Settings
from shm.journal import Stream
from shm.records import COMMAND, EVENT

WHOLE_WITHIN_S: Final = 20.0
LOOK_AGAIN_S: Final = 0.1


@dataclass
class Books:
    """``commands``, ``events``, ``again`` by shard; ``told`` and ``sent`` by account. ``again``: the events that an engine
    makes of the commands, without any interruption."""

    instruments: Sequence[Instrument]
    commands: list[NDArray[Any]]
    events: list[NDArray[Any]]
    again: list[NDArray[Any]]
    told: dict[int, NDArray[Any]]
    sent: dict[int, NDArray[Any]]
    rows: NDArray[Any]
    """The database's orders, as stories (``cli.story``)."""
    positions: dict[tuple[int, int], Position]
    totals: dict[str, int]


def gather(settings: Settings, traders: Sequence[Trader]) -> Books:
    """Read everything, the exchange being at rest.

    Raises Failure when journal or database do not catch up with what was told, JournalDamaged.
    """
    told = {trader.account: trader.reports()[0] for trader in traders}
    agree.wait_for_rest(settings, np.concatenate(list(told.values())))
    shards = [_shard(settings, shard) for shard in range(settings.matchers)]
    rows, positions = database_story.read(*settings.database_urls)
    commands, events, again = (list(each) for each in zip(*shards, strict=True))
    return Books(
        settings.instruments,
        commands,
        events,
        again,
        told,
        {trader.account: trader.sent() for trader in traders},
        rows,
        positions,
        totals(*settings.database_urls),
    )


def _shard(settings: Settings, shard: int) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Commands, events as they were told, and events made again. What riskd says to itself meanwhile (that it is time for a
    snapshot) may come between two readings: so the events are read until those of these commands are there."""
    pools = settings.pools
    commands = agree.journal(settings, Stream.COMMANDS, COMMAND, shard)
    again = Engine(pools.instruments, pools.accounts, pools.orders, pools.levels).run(commands)
    until = time.monotonic() + WHOLE_WITHIN_S
    while True:
        events = agree.journal(settings, Stream.EVENTS, EVENT, shard)
        events = events[: int(np.searchsorted(events["command_sequence"], len(commands), "right"))]
        if len(events) >= len(again) or time.monotonic() > until:
            return commands, events, again
        time.sleep(LOOK_AGAIN_S)


def totals(*urls: str) -> dict[str, int]:
    """Sums over all accounts and databases: executions and events by name, lots and money by side, fees."""
    found: dict[str, int] = {}
    queries = {
        "executions": sqlalchemy.select(sqlalchemy.func.count()).select_from(EXECUTIONS),
        "order_events": sqlalchemy.select(sqlalchemy.func.count()).select_from(ORDER_EVENTS),
        "fees": sqlalchemy.select(sqlalchemy.func.sum(EXECUTIONS.c.fee)),
        "balance_fees": sqlalchemy.select(sqlalchemy.func.sum(BALANCES.c.fees)),
        "received": sqlalchemy.select(sqlalchemy.func.sum(BALANCES.c.received)),
        "paid": sqlalchemy.select(sqlalchemy.func.sum(BALANCES.c.paid)),
    }
    for url in urls:
        engine = sqlalchemy.create_engine(url)
        try:
            with engine.connect() as connection:
                for name, query in queries.items():
                    found[name] = found.get(name, 0) + int(connection.execute(query).scalar_one() or 0)
        finally:
            engine.dispose()
    return found
