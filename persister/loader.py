"""Follows the journal into the database: a bounded batch of one shard's events, its rows and how far they reach, one
commit."""

from pathlib import Path
from typing import Any, Final

import numpy as np
from sqlalchemy import Connection, select

from persister.positions import Position, position_of
from persister.rows import Array, Scales, executions, order_rows, position_sums, rejected_orders
from persister.sinks import make_sink
from persister.tables import ACCOUNTS, EXECUTIONS, INSTRUMENTS, ORDERS, POSITIONS, PROGRESS
from shm.journal import JournalReader, Stream, stream_folder
from shm.journal_plain import walk_unchecked
from shm.records import ACCOUNT_COMMAND, COMMAND, EVENT, INSTRUMENT_COMMAND, EventKind

_SUMS: Final = ("bought_quantity", "sold_quantity", "bought_notional", "sold_notional")
_INSTRUMENT_FIELDS: Final = ("tick_size", "lot_size", "tick_value", "price_decimals", "quantity_decimals")
_ACCOUNT_FIELDS: Final = ("maximum_quantity", "maximum_notional", "maximum_open_orders")


class UnfitDatabase(Exception):  # noqa: N818 - the state, as the operator reads it
    """The database does not go with this journal. The message says why; only an operator can mend it."""


class ShardFeed:
    """The journal of one shard from where the database is.

    Checksums are left out: the persister checked every batch when it started, or wrote it since.
    """

    def __init__(self, data: Path, shard: int, commands: int, events: int) -> None:
        self.shard = shard
        self.commands_done, self.events_done = commands, events
        folders = [stream_folder(data, stream, shard) for stream in Stream]
        # The last command done may have more events than those done.
        self._commands = JournalReader(folders[0], COMMAND, max(0, commands - 1), walk_unchecked)
        self._events = JournalReader(folders[1], EVENT, events, walk_unchecked)
        self._window = np.zeros(0, COMMAND)

    def take(self, through: int, bound: int) -> Array:
        """The next events up to ``through``: about ``bound`` of them, more by a block of the reader at most."""
        taken, count = [np.zeros(0, EVENT)], 0
        if self._events.last_sequence < through:
            for block in self._events.read(through):
                taken.append(block)
                count += len(block)
                if count >= bound:
                    break
        return np.concatenate(taken)

    def commands_of(self, events: Array) -> Array:
        """For each of ``events`` the command that it comes from."""
        first, last = int(events["command_sequence"][0]), int(events["command_sequence"][-1])
        pieces = [self._window]
        if self._commands.last_sequence < last:
            pieces += self._commands.read(last)
        window = np.concatenate(pieces)
        self._window = window[np.searchsorted(window["sequence"], first) :]
        assert int(self._window["sequence"][0]) == first
        return self._window[events["command_sequence"] - first]


class Loader:
    """Knows what the database holds, and adds to it. After any failure throw it away and make another: the rows
    decide."""

    def __init__(self, connection: Connection, data: Path, shards: int, epoch: int) -> None:
        self._connection, self._epoch = connection, epoch
        self._sink = make_sink(connection)
        self._scales = Scales.empty()
        with connection.begin():
            self._read_scales()
            self._positions = self._read_positions()
            progress = self._read_progress(shards)
        self.feeds = [ShardFeed(data, shard, *progress[shard]) for shard in range(shards)]

    def step(self, feed: ShardFeed, through: int, bound: int) -> int:
        """One transaction: the next events of a shard up to ``through``. How many; 0: there were none."""
        events = feed.take(through, bound)
        if len(events) == 0:
            return 0
        commands = feed.commands_of(events)
        reached = (int(events["command_sequence"][-1]), int(events["sequence"][-1]))
        with self._connection.begin():
            self._define(events, commands)
            self._write_orders(events, commands, feed.shard)
            self._write_positions(events)
            sequences = {"commands": reached[0], "events": reached[1]}
            self._sink.put_progress(feed.shard, _signed(self._epoch), sequences)
        feed.commands_done, feed.events_done = reached
        return len(events)

    def _define(self, events: Array, commands: Array) -> None:
        """Instruments and accounts, where an event says that the command for one took effect."""
        instruments = commands[events["kind"] == EventKind.INSTRUMENT_DEFINED].view(INSTRUMENT_COMMAND)
        accounts = commands[events["kind"] == EventKind.ACCOUNT_DEFINED].view(ACCOUNT_COMMAND)
        for row in instruments:
            self._scales.define(*(int(row[name]) for name in ("instrument", "tick_size", "lot_size", "tick_value")))
        texts, numbers = ("symbol", "currency"), _INSTRUMENT_FIELDS
        self._sink.define(INSTRUMENTS, [_row(row, "instrument", texts, numbers) for row in instruments])
        self._sink.define(ACCOUNTS, [_row(row, "account", ("name",), _ACCOUNT_FIELDS) for row in accounts])

    def _write_orders(self, events: Array, commands: Array, shard: int) -> None:
        new, states, terms = order_rows(events, commands, shard, self._scales)
        self._sink.insert(ORDERS, new)
        self._sink.insert(ORDERS, rejected_orders(events, commands, shard, self._scales))
        self._sink.update_orders(shard, states, terms)
        self._sink.insert(EXECUTIONS, executions(events, shard, self._scales))

    def _write_positions(self, events: Array) -> None:
        keys, sums = position_sums(events, self._scales)
        changed: dict[tuple[int, int], Position] = {}
        for (account, instrument), added in zip(keys.tolist(), sums.tolist(), strict=True):
            before = self._positions.get((account, instrument), (0, 0, 0, 0))
            total = (before[0] + added[0], before[1] + added[1], before[2] + added[2], before[3] + added[3])
            self._positions[account, instrument] = total
            changed[account, instrument] = position_of(*total)
        self._sink.put_positions(changed)

    def _read_scales(self) -> None:
        columns = [INSTRUMENTS.c[name] for name in ("instrument", "tick_size", "lot_size", "tick_value")]
        for row in self._connection.execute(select(*columns)):
            self._scales.define(*row)

    def _read_positions(self) -> dict[tuple[int, int], tuple[int, int, int, int]]:
        columns = [POSITIONS.c[name] for name in ("account", "instrument", *_SUMS)]
        return {(row[0], row[1]): (row[2], row[3], row[4], row[5]) for row in self._connection.execute(select(*columns))}

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


def _signed(value: int) -> int:
    """A 64-bit number as databases hold it."""
    return value - (1 << 64) if value >= 1 << 63 else value


def _row(record: Any, key: str, texts: tuple[str, ...], numbers: tuple[str, ...]) -> dict[str, Any]:
    strings = {name: bytes(record[name]).rstrip(b"\0").decode(errors="replace") for name in texts}
    return {key: int(record[key]), **strings, **{name: int(record[name]) for name in numbers}}
