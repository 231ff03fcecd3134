"""``python -m persister.database_process``: the process between journal and database, a child of the persister.

Apart from the persister so that nothing that a database does (waiting, failing, using memory) is felt by trading. It
must not import Numba. It may be killed at any instant: rows and progress are committed together, and it goes on from
what is committed.
"""

import argparse
import contextlib
import ctypes
import os
import select
import signal
import sys
from contextlib import closing
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine
from sqlalchemy import select as select_rows
from sqlalchemy.exc import SQLAlchemyError

from persister.database_child import URL_VARIABLE
from persister.database_link import DatabaseLink, DatabaseState
from persister.loader import Loader, UnfitDatabase
from persister.placement import Placement
from persister.schema import upgrade
from persister.sinks import open_engine, shown
from runtime.epoch import read_epoch
from shm.journal import JournalDamaged

_PR_SET_PDEATHSIG: Final = 1
IDLE_WAIT_S_MIN: Final = 0.005
IDLE_WAIT_S_MAX: Final = 0.08
"""Between looks for more of the journal, twice as long each time there is none: what the first row may be late by."""
NICENESS: Final = 5
"""Below the engine's processes where they share a processor."""


class Follower:
    """Follows until told to stop or orphaned; whatever fails is tried again."""

    def __init__(self, options: argparse.Namespace, url: str) -> None:
        self._options, self._url = options, url
        self._link = DatabaseLink(options.link)
        self._engine: Engine | None = None
        self._ends = select.poll()
        self._server = -1
        self._is_cut_off = False
        with contextlib.suppress(ProcessLookupError):
            self._ends.register(os.pidfd_open(options.parent), select.POLLIN)

    def run(self) -> None:
        """Until stopped. A failure costs a wait, and is said once, however often it happens."""
        while True:
            try:
                self._follow()
            except UnfitDatabase as unfit:
                self._trouble(DatabaseState.UNFIT, str(unfit))
            except JournalDamaged as damage:
                self._trouble(DatabaseState.UNFIT, str(damage))
            except (SQLAlchemyError, OSError) as error:
                self._trouble(DatabaseState.TROUBLE, _sentence(error))
            else:
                return
            finally:
                self._let_go()
            if self._link.stop or self._orphaned(self._options.retry_s):
                return

    def _follow(self) -> None:
        """Connect and commit batch after batch; returns when told to stop."""
        options = self._options
        epoch = read_epoch(options.data)
        assert epoch is not None, "the persister makes it before it starts this process"
        self._engine = self._engine or open_engine(self._url)
        with self._engine.connect() as connection:
            with connection.begin():
                upgrade(connection)
            placement = Placement(options.part, options.parts)
            with closing(Loader(connection, options.data, options.shards, epoch, placement)) as loader:
                self._watch(connection)
                self._follow_by(loader, connection)

    def _follow_by(self, loader: Loader, connection: Connection) -> None:
        link = self._link
        self._report(loader)
        wait_s = 0.0
        while not self._orphaned(wait_s):
            if self._is_cut_off:  # and may have lost what it said was committed
                with connection.begin():
                    connection.execute(select_rows(1))
            did = self._round(loader)
            if link.state is not DatabaseState.FOLLOWING:  # not before: a database may connect and still be locked
                moved = f"; handed over {loader.moved} accounts to databases that are new" if loader.moved else ""
                link.say(DatabaseState.FOLLOWING, shown(self._url) + moved)
            if link.stop and not did:
                return
            wait_s = 0.0 if did else min(max(2 * wait_s, IDLE_WAIT_S_MIN), IDLE_WAIT_S_MAX)

    def _round(self, loader: Loader) -> int:
        """A transaction of each shard. How many events."""
        total = 0
        for feed in loader.feeds:
            through = self._link.events_through(feed.shard)
            if through > feed.events_done:
                did = loader.step(feed, through, self._options.batch_rows)
                self._link.done(feed.shard, feed.commands_done, feed.events_done)
                self._link.committed(did)
                total += did
        return total

    def _report(self, loader: Loader) -> None:
        for feed in loader.feeds:
            self._link.done(feed.shard, feed.commands_done, feed.events_done)
            through = self._link.commands_through(feed.shard)
            if feed.commands_done > through:
                raise UnfitDatabase(
                    f"the database holds shard {feed.shard} up to command {feed.commands_done}, but the journal ends with "
                    f"{through}: the machine stopped under a durability that does not survive this; empty the database"
                )

    def _trouble(self, state: DatabaseState, text: str) -> None:
        self._link.failed()
        if (state, text) != (self._link.state, self._link.text):
            self._link.say(state, text)

    def _watch(self, connection: Connection) -> None:
        """Notice the end of the server's connection also while there is nothing to ask."""
        driver: Any = connection.connection.driver_connection
        if hasattr(driver, "fileno"):
            self._server = driver.fileno()
            self._ends.register(self._server, select.POLLIN)

    def _let_go(self) -> None:
        if self._server >= 0:
            self._ends.unregister(self._server)
        self._server, self._is_cut_off = -1, False
        if self._engine is not None:
            self._engine.dispose()

    def _orphaned(self, timeout_s: float) -> bool:
        """Wait so long for the persister's death, or the server's; was it the persister's?"""
        heard = {descriptor for descriptor, _ in self._ends.poll(timeout_s * 1000)}
        self._is_cut_off = self._server in heard
        return bool(heard - {self._server}) or os.getppid() != self._options.parent


def main(arguments: list[str]) -> int:
    """Run as the persister started us."""
    parser = argparse.ArgumentParser(prog="persister.database_process", description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--shards", type=int, required=True)
    parser.add_argument("--link", type=int, required=True, help="descriptor of the memory shared with the persister")
    parser.add_argument("--part", type=int, default=0, help="which of the databases this one is, from 0")
    parser.add_argument("--parts", type=int, default=1, help="over how many databases the accounts are spread")
    parser.add_argument("--parent", type=int, required=True, help="the persister's process id")
    parser.add_argument("--batch-rows", type=int, required=True)
    parser.add_argument("--retry-s", type=float, required=True)
    parser.add_argument("--avoid-cores", default="", help="processors that belong to the engine: 1,2,3")
    options = parser.parse_args(arguments)
    _settle({int(core) for core in options.avoid_cores.split(",") if core})
    Follower(options, os.environ[URL_VARIABLE]).run()
    return 0


def _settle(avoided: set[int]) -> None:
    """Die with the persister, leave signals to it, and take none of the processors or priorities that it may have."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    with contextlib.suppress(OSError):
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    with contextlib.suppress(OSError):
        os.nice(NICENESS)
    everywhere = set(range(os.cpu_count() or 1))
    with contextlib.suppress(OSError):
        os.sched_setaffinity(0, (everywhere - avoided) or everywhere)


def _sentence(error: Exception) -> str:
    """The first line of what the driver says."""
    return str(getattr(error, "orig", None) or error).strip().partition("\n")[0]


if __name__ == "__main__":
    STATUS = main(sys.argv[1:])
    # Everything is committed and closed. Taking the interpreter apart would cost the stopping engine 0.4 s more.
    os._exit(STATUS)
