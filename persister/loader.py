"""Follows the journal into the database: a bounded batch of one shard's events, its rows and how far they reach, one
commit. While the database is busy with a batch, the next one is read and its rows are made."""

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from sqlalchemy import Connection, delete, insert, select

from persister import definitions, ledger
from persister.ledger import Ledger
from persister.placement import Array, Placement
from persister.rows import Picked, Touches, order_rows, rejected_history, rejected_orders
from persister.scales import NUMBERS, Scales
from persister.sinks import Work, make_sink
from persister.tables import (
    ACCOUNT_HISTORY,
    ACCOUNTS,
    BALANCES,
    DAILY_PRICES,
    DAILY_PROFIT,
    EXECUTIONS,
    INSTRUMENT_HISTORY,
    INSTRUMENTS,
    ORDER_EVENTS,
    ORDERS,
    PLACEMENT,
    POSITIONS,
    PROGRESS,
    RISK_LOG,
)
from shm.journal import JournalReader, Stream, segments, stream_folder
from shm.journal_plain import walk_unchecked
from shm.records import COMMAND, EVENT

OF_ACCOUNTS: Final = (ORDERS, ORDER_EVENTS, EXECUTIONS, POSITIONS, DAILY_PROFIT, BALANCES)
"""Tables whose rows lie where their account does."""
DELETED_AT_ONCE: Final = 500


class UnfitDatabase(Exception):  # noqa: N818 - the state, as the operator reads it
    """The database does not go with this journal. The message says why; only an operator can mend it."""


class ShardFeed:
    """The journal of one shard from where the database is. ``*_done``: committed. ``events_taken``: given out.

    Checksums are left out: the persister checked every batch when it started, or wrote it since.
    """

    def __init__(self, data: Path, shard: int, commands: int, events: int) -> None:
        self.shard = shard
        self.commands_done, self.events_done = commands, events
        folders = [stream_folder(data, stream, shard) for stream in Stream]
        # The last command done may have more events than those done.
        self._commands = JournalReader(folders[0], COMMAND, max(0, commands - 1), walk_unchecked)
        self._events = JournalReader(folders[1], EVENT, events, walk_unchecked)
        self._window, self._rest = np.zeros(0, COMMAND), np.zeros(0, EVENT)

    @property
    def events_taken(self) -> int:
        """The last event given out, or done before."""
        return self._events.last_sequence - len(self._rest)

    def take(self, through: int, bound: int) -> Array:
        """The next events up to ``through``, at most ``bound`` of them."""
        taken, count = [self._rest], len(self._rest)
        if count < bound and self._events.last_sequence < through:
            for block in self._events.read(through):
                taken.append(block)
                count += len(block)
                if count >= bound:
                    break
        read = _joined(taken)
        events, self._rest = read[:bound], read[bound:]
        if len(events):
            self._read_commands(int(events["command_sequence"][0]), int(events["command_sequence"][-1]))
        return events

    def commands(self, sequences: Array) -> Picked:
        """Those of the events taken last that have these sequences."""
        return Picked(self._window, sequences - self._window["sequence"][:1])

    def _read_commands(self, first: int, last: int) -> None:
        window = self._window[np.searchsorted(self._window["sequence"], first) :]
        if self._commands.last_sequence < last:
            window = _joined([window, *self._commands.read(last)])
        self._window = window[np.searchsorted(window["sequence"], first) :]
        assert int(self._window["sequence"][0]) == first


def _joined(pieces: list[Array]) -> Array:
    """As words: field by field it takes four times as long."""
    return np.concatenate([piece.view(np.uint64) for piece in pieces]).view(pieces[0].dtype)


@dataclass
class Batch:
    """What one transaction writes, ready for the driver."""

    events: int
    commands_done: int
    events_done: int
    work: list[Work]


class Loader:
    """Knows what the database holds, and adds to it. After any failure close it and make another: the rows decide."""

    def __init__(self, connection: Connection, data: Path, shards: int, epoch: int, placement: Placement | None = None) -> None:
        """Raises UnfitDatabase for a database that another journal or another placement has filled."""
        self.placement = placement or Placement()
        self._connection, self._epoch = connection, epoch
        self._scales, self._ledger = Scales(), Ledger(self.placement)
        self._background = ThreadPoolExecutor(1, "rows")
        self._ahead: dict[int, Future[Batch | None]] = {}
        with connection.begin():
            progress = self._read_progress(shards)
            self.moved = self._settle(data, shards)
            self._read_scales()
            self._read_positions()
        self._sink = make_sink(connection)
        self.feeds = [ShardFeed(data, shard, *progress[shard]) for shard in range(shards)]

    def step(self, feed: ShardFeed, through: int, bound: int) -> int:
        """One transaction: the next events of a shard up to ``through``. How many; 0: there were none."""
        prepared = self._ahead.pop(feed.shard, None) or self._background.submit(self._prepare, feed, through, bound)
        batch = prepared.result()
        if batch is None:
            return 0
        if feed.events_taken < through:
            self._ahead[feed.shard] = self._background.submit(self._prepare, feed, through, bound)
        with self._connection.begin():
            for work in batch.work:
                self._sink.do(work)
            sequences = {"commands": batch.commands_done, "events": batch.events_done}
            self._sink.put_progress(feed.shard, _signed(self._epoch), sequences)
        feed.commands_done, feed.events_done = batch.commands_done, batch.events_done
        return batch.events

    def close(self) -> None:
        """Make no more rows ahead."""
        self._background.shutdown(cancel_futures=True)

    def _prepare(self, feed: ShardFeed, through: int, bound: int) -> Batch | None:
        """In the background: the rows of the next events. One batch after the other, for each builds on those before."""
        events = feed.take(through, bound)
        if len(events) == 0:
            return None
        try:
            work = [*self._define(events, feed), *self._orders(events, feed), *self._trades(events, feed)]
        except OverflowError as error:
            raise UnfitDatabase(f"shard {feed.shard}: {error}: its rows cannot be made") from error
        reached = (int(events["command_sequence"][-1]), int(events["sequence"][-1]))
        return Batch(len(events), *reached, [each for each in work if each is not None])

    def _define(self, events: Array, feed: ShardFeed) -> list[Work | None]:
        """Instruments and accounts. Accounts are defined in every shard: the first one's word counts."""
        instruments = definitions.instruments(events, feed.commands, self._scales)
        history = definitions.instrument_history(events, feed.commands, feed.shard, self._scales)
        accounts = definitions.accounts(events, feed.commands) if feed.shard == 0 else []
        last = {row["account"]: {name: row[name] for name in row if name in ACCOUNTS.columns} for row in accounts}
        return [
            self._sink.put(INSTRUMENTS, instruments),
            self._sink.put(INSTRUMENT_HISTORY, history),
            self._sink.put(ACCOUNTS, list(last.values())),
            self._sink.put(ACCOUNT_HISTORY, accounts),
            self._sink.put(RISK_LOG, definitions.risk_log(events, feed.commands, feed.shard)),
        ]

    def _orders(self, events: Array, feed: ShardFeed) -> list[Work | None]:
        touches = Touches(events, self._scales, self.placement)
        new, states, terms = order_rows(touches, feed.commands, feed.shard)
        rejected = rejected_orders(events, feed.commands, feed.shard, self._scales, self.placement)
        return [
            self._sink.insert(ORDERS, new),
            self._sink.insert(ORDERS, rejected),
            self._sink.update_orders(feed.shard, states),
            self._sink.update_orders(feed.shard, terms),
            self._sink.insert(ORDER_EVENTS, touches.history(feed.shard)),
            self._sink.insert(ORDER_EVENTS, rejected_history(rejected)),
        ]

    def _trades(self, events: Array, feed: ShardFeed) -> list[Work | None]:
        made = self._ledger.executions(events, feed.shard, self._scales)
        daily = ledger.daily_profit(made)
        return [
            self._sink.insert(EXECUTIONS, made),
            self._sink.merge(POSITIONS, ledger.positions(made)),
            self._sink.merge(DAILY_PROFIT, daily),
            self._sink.merge(BALANCES, ledger.balances(daily, self._scales)),
            self._sink.merge(DAILY_PRICES, ledger.daily_prices(events, self._scales)),
        ]

    def _read_scales(self) -> None:
        columns = [INSTRUMENTS.c[name] for name in ("instrument", "currency", *NUMBERS)]
        for row in self._connection.execute(select(*columns)):
            self._scales.define(row[0], row[1].encode(), **dict(zip(NUMBERS, row[2:], strict=True)))

    def _read_positions(self) -> None:
        columns = [POSITIONS.c[name] for name in ("account", "instrument", "net_quantity", "average_cost")]
        for row in self._connection.execute(select(*columns).where(POSITIONS.c.net_quantity != 0)):
            self._ledger.load(*row)

    def _read_progress(self, shards: int) -> list[tuple[int, int]]:
        """Commands and events done, by shard. Raises UnfitDatabase for another data folder's rows."""
        rows = self._connection.execute(select(PROGRESS)).all()
        found = {(row.shard, row.stream): int(row.sequence) for row in rows}
        for row in rows:
            if row.epoch != _signed(self._epoch):
                raise UnfitDatabase(
                    f"the database holds the rows of epoch {row.epoch & (1 << 64) - 1:016x}, the data folder is "
                    f"{self._epoch:016x}: give each data folder a database of its own"
                )
            if row.shard >= shards:
                raise UnfitDatabase(f"the database holds rows of shard {row.shard}, but there are only {shards} shards")
        return [(found.get((shard, "commands"), 0), found.get((shard, "events"), 0)) for shard in range(shards)]

    def _settle(self, data: Path, shards: int) -> int:
        """See that this database holds what it should. How many accounts were handed over to databases that are new.

        Raises UnfitDatabase where another place or fewer databases are asked for, or the journal no longer has it all.
        """
        wanted = (self.placement.part, self.placement.parts)
        found = self._connection.execute(select(PLACEMENT.c.part, PLACEMENT.c.parts)).one_or_none()
        before = tuple(found) if found is not None else None
        if before == wanted:
            return 0
        if before is not None and (before[0] != wanted[0] or before[1] > wanted[1]):
            raise UnfitDatabase(
                f"the database is number {before[0] + 1} of {before[1]}, the settings name it as number {wanted[0] + 1} of "
                f"{wanted[1]}: new databases go to the end of the list, none may be taken away; empty it to fill it anew"
            )
        moved = self._hand_over(data, shards) if before is not None else 0
        self._connection.execute(delete(PLACEMENT))
        self._connection.execute(insert(PLACEMENT).values(part=wanted[0], parts=wanted[1]))
        return moved

    def _hand_over(self, data: Path, shards: int) -> int:
        """Delete the rows of accounts that lie in another database from now on: that one reads them from the journal."""
        starts = [segments(stream_folder(data, stream, shard))[:1] for shard in range(shards) for stream in Stream]
        if any(start and start[0][0] > 1 for start in starts):
            raise UnfitDatabase("a new database cannot be filled: the journal no longer has what it began with")
        known = np.array([row[0] for row in self._connection.execute(select(ACCOUNTS.c.account))], np.int64)
        moved = known[~self.placement.holds(known)].tolist()
        for start in range(0, len(moved), DELETED_AT_ONCE):
            for table in OF_ACCOUNTS:
                these = moved[start : start + DELETED_AT_ONCE]
                self._connection.execute(delete(table).where(table.c.account.in_(these)))
        return len(moved)


def _signed(value: int) -> int:
    """A 64-bit number as databases hold it."""
    return value - (1 << 64) if value >= 1 << 63 else value
