"""One exchange, its clients, and the rounds that it has to live through."""

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Any, Final

import numpy as np

from cli import chaos_audit, chaos_books, chaos_rest, flow, journal_look
from cli.chaos_keeper import Keeper
from cli.chaos_plan import Shape, Strike, settings_of, strikes_of
from cli.chaos_trader import Trader
from cli.cluster import SHARED_MEMORY, Cluster, prepare, remove_segments, segments, terminable
from cli.frames import Records, to_wire
from cli.output import Failure
from cli.trading import INSTRUMENTS
from runtime.streams import segment_name
from shm.durable import COMMANDS_WRITTEN, Durable
from shm.journal import JournalDamaged

KEYS: Final = {name: f"key-of-{name}" for name in ("alice", "bob", "carol", "dave")}
FEES: Final[tuple[dict[str, Any], ...]] = (
    {"maker_fee": -20, "taker_fee": 70},
    {},
    {"maker_fee": 1, "taker_fee": 3, "fee_basis": "per_lot"},
    {},
)
PLAIN: Final = tuple(range(len(INSTRUMENTS) - 1))
"""Instruments with nothing but limit and market orders; the last has all the other kinds."""
READY_WITHIN_S: Final = 120.0
QUIET_WITHIN_S: Final = 60.0
AGREED_WITHIN_S: Final = 30.0
STRUCK_WITHIN_S: Final = 5.0
"""A strike waits no longer for its commands."""
ENDED_WITHIN_S: Final = 10.0
Hear = Callable[[str], object]


class Arena:
    """See ``open_arena``."""

    def __init__(self, cluster: Cluster, folder: Path, seed: int, orders: int) -> None:
        self.folder, self.settings = folder, cluster.settings
        self.keeper = Keeper(cluster, folder)
        self.traders: list[Trader] = []
        self.ledger = chaos_rest.Ledger(cluster.settings.instruments)
        self.trades = 0
        self._cluster, self._seed, self._orders = cluster, seed, orders

    def start(self) -> None:
        """All processes, then the clients. Raises Failure."""
        self._cluster.start()
        if not self.keeper.wait_until(lambda: self.keeper.calm or bool(self.keeper.violations), READY_WITHIN_S):
            raise Failure(f"not ready within {READY_WITHIN_S:g} s")
        if self.keeper.violations:
            raise Failure(self.keeper.violations[0])
        for number, (name, key) in enumerate(KEYS.items()):
            self.traders.append(Trader(self._cluster.endpoint, name, key, INSTRUMENTS[-1]["symbol"], (self._seed, number)))
        for trader in self.traders:
            trader.start()

    def round(self, number: int, hear: Hear) -> list[str]:
        """Strike the exchange while its clients trade, let it recover, and see whether all agree; what is wrong if not."""
        strikes = strikes_of(self._seed, number, self.settings, self._orders)
        marks = [Durable.attach(segment_name(self.settings, f"durable.{k}")) for k in range(self.settings.matchers)]
        begin = _written(marks)
        for trader, requests in zip(self.traders, self._flows(number), strict=True):
            trader.trade(requests)
        for strike in strikes:
            hear(f"round {number}: {strike}")
            self._fall(strike, lambda after: _written(marks) - begin >= after)
        return self._recovered()

    def audit(self) -> list[str]:
        """Cancel all orders, then hold all books against one another; what is wrong."""
        if found := self._agreed(self._still_working):
            return found
        if found := chaos_rest.held(self.settings):
            return found
        try:
            books = chaos_books.gather(self.settings, self.traders)
        except (Failure, JournalDamaged, ValueError) as problem:
            return [f"the books cannot be read: {problem}"]
        self.trades = books.totals["executions"] // 2
        found = chaos_audit.violations(books)
        return found + journal_look.problems(journal_look.verify(self.settings, lambda done: None))

    def stop(self) -> list[str]:
        """Stop the exchange as an operator does; what is wrong with how the processes ended."""
        self._close_traders()
        statuses = self._cluster.stop()
        return [f"{name} ended with {status}" for name, status in statuses.items() if status != 0]

    @property
    def requests(self) -> int:
        """How many all clients have sent."""
        return sum(trader.requests for trader in self.traders)

    def close(self) -> None:
        """End whatever there still is, at once."""
        self.keeper.close()
        for child in self._cluster.running():
            child.send(signal.SIGKILL)
        until = time.monotonic() + ENDED_WITHIN_S
        while self._cluster.running() and time.monotonic() < until:
            self._cluster.poll(0.1)
        self._close_traders()

    def _close_traders(self) -> None:
        for trader in self.traders:
            trader.close()
        self.traders = []

    def _flows(self, number: int) -> list[Records]:
        """Each trader's part of a flow whose ids no other round has."""
        count = len(self.traders)
        orders = flow.generate(self._orders, count, len(INSTRUMENTS), self._seed * 1_000_003 + number)
        orders = to_wire(orders, self.settings.instruments)
        orders["client_order_id"] += np.uint64(number << 32)
        found = []
        for account in range(count):
            mine = orders[orders["account"] == account]
            mine["request_id"] = (number << 32) + np.arange(1, len(mine) + 1)
            found.append(mine)
        return found

    def _fall(self, strike: Strike, reached: Callable[[int], bool]) -> None:
        self.keeper.wait_until(lambda: reached(strike.after_commands), STRUCK_WITHIN_S)
        self.keeper.wait(strike.after_us / 1e6)
        self.keeper.strike(strike)

    def _recovered(self) -> list[str]:
        keeper = self.keeper
        if not keeper.wait_until(lambda: keeper.calm, READY_WITHIN_S):
            waiting = [name for name, child in self._cluster.children.items() if not child.ready]
            tails = "".join(map(keeper.tail, waiting))
            return [*keeper.violations, f"not ready within {READY_WITHIN_S:g} s: {', '.join(waiting)}{tails}"]
        at_rest = lambda: all(trader.quiet or trader.problem for trader in self.traders)  # noqa: E731
        is_quiet = keeper.wait_until(at_rest, QUIET_WITHIN_S)
        found = [f"{each.name} ended: {each.problem!r}" for each in self.traders if each.problem]
        found += keeper.violations
        if not is_quiet:
            owed = {each.name: each.unanswered[:5] for each in self.traders if each.unanswered}
            found.append(f"requests of living sessions have no answer after {QUIET_WITHIN_S:g} s: {owed}")
        return found or self._agreed(list)

    def _still_working(self) -> list[str]:
        """Asks for the end of all orders, again and again: a journal that was stalled just now may not be written yet."""
        if not self.ledger.orders:
            return []
        for trader in self.traders:
            trader.cancel_all().result(ENDED_WITHIN_S)
        return [f"{len(self.ledger.orders)} orders still work"]

    def _agreed(self, also: Callable[[], list[str]]) -> list[str]:
        """Nothing once all know the same, and ``also`` finds nothing; else, in the end, what they do not agree about."""
        found: list[str] = []

        def agree() -> bool:
            found[:] = chaos_rest.differences(self.settings, self.traders, self.ledger, PLAIN) or also()
            return not found

        self.keeper.wait_until(agree, AGREED_WITHIN_S)
        return [*self.keeper.violations, *found]


@contextmanager
def open_arena(seed: int, orders: int, keep: Callable[[], bool]) -> Iterator[Arena]:
    """A started exchange of the shape that ``seed`` stands for, on a folder of its own.

    Afterwards nothing of it is left, unless ``keep`` says so: then its folder stays, with what was in shared memory in ``shm``.
    """
    folder = Path(tempfile.mkdtemp(prefix=f"pinion-{os.getpid()}-"))
    document = settings_of(Shape.of(seed), _instruments(), KEYS)
    with terminable(), ExitStack() as stack:
        stack.callback(_clear, folder, folder.name.lower(), keep)
        cluster = prepare(folder, document, logged=False)
        arena = Arena(cluster, folder, seed, orders)
        stack.callback(arena.close)
        arena.start()
        yield arena


def _instruments() -> list[dict[str, Any]]:
    return [{**each, **fees} for each, fees in zip(INSTRUMENTS, FEES, strict=True)]


def _clear(folder: Path, instance: str, keep: Callable[[], bool]) -> None:
    if keep():
        (folder / SHARED_MEMORY.name).mkdir()
        for path in segments(instance):
            with suppress(OSError):
                shutil.copyfile(path, folder / SHARED_MEMORY.name / path.name)
    remove_segments(instance)
    if not keep():
        shutil.rmtree(folder, ignore_errors=True)


def _written(marks: Sequence[Durable]) -> int:
    return sum(mark.read(COMMANDS_WRITTEN) for mark in marks)
