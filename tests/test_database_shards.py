"""Several databases: each account's rows are in one, another one can be added, and together they hold what one would."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from conftest import Place
from database_world import Log
from journal_writing import EPOCH, write_records
from persister.databases import Databases
from persister.loader import OF_ACCOUNTS, Loader, UnfitDatabase
from persister.placement import Placement, database_of
from persister.schema import upgrade
from persister.sinks import open_engine
from persister.tables import METADATA, PROGRESS
from persister_rig import settings_of
from runtime.epoch import make_epoch
from shm.journal import Stream
from trading_story import ACCOUNTS, Rows, Story
from waiting import wait_until


@pytest.fixture
def fill(tmp_path: Path) -> Iterator[Callable[..., sa.Connection]]:
    """Follows the journal to its end into database ``part`` of ``parts``; its connection."""
    made: dict[int, tuple[sa.Engine, sa.Connection]] = {}

    def fill(story: Story, part: int, parts: int) -> sa.Connection:
        if part not in made:
            engine = open_engine(f"sqlite:///{tmp_path}/part{part}.sqlite")
            made[part] = engine, engine.connect()
        connection = made[part][1]
        with connection.begin():
            upgrade(connection)
        loader = Loader(connection, tmp_path, 1, EPOCH, Placement(part, parts))
        while loader.step(loader.feeds[0], len(story.events), 100):
            pass
        loader.close()
        return connection

    yield fill
    for engine, connection in made.values():
        connection.close()
        engine.dispose()


def write(data: Path, story: Story) -> None:
    for stream, made in zip(Stream, story.arrays(), strict=True):
        write_records(data, stream, 0, made, 50)


def rows(connection: sa.Connection, name: str) -> set[tuple[Any, ...]]:
    with connection.begin():
        return {tuple(row) for row in connection.execute(sa.select(METADATA.tables[name]))}


def assert_parts_hold(connections: list[sa.Connection], story: Story) -> None:
    """Rows of accounts once, in the right part; all others in every part."""
    for name, wanted in Rows().add(0, *story.arrays()).tables().items():
        table = METADATA.tables[name]
        found = [rows(connection, name) for connection in connections]
        if table not in OF_ACCOUNTS:
            assert all(part == wanted for part in found), name
            continue
        assert set().union(*found) == wanted, name
        assert sum(map(len, found)) == len(wanted), name
        place = list(table.columns).index(table.c.account)
        for number, part in enumerate(found):
            accounts = np.array([row[place] for row in part], np.int64)
            assert (database_of(accounts, len(connections)) == number).all(), name


def test_another_database_takes_accounts_and_none_moves_between_the_others() -> None:
    """Each part has about as many."""
    accounts = np.arange(20_000)
    before = np.zeros(len(accounts), np.int64)
    for databases in range(1, 9):
        placed = database_of(accounts, databases)
        moved = placed != before
        assert (placed[moved] == databases - 1).all()
        assert abs(np.bincount(placed) - len(accounts) / databases).max() < 0.05 * len(accounts)
        holders = np.array([Placement(part, databases).holds(accounts) for part in range(databases)])
        assert (holders.sum(axis=0) == 1).all() and (holders.argmax(axis=0) == placed).all()
        before = placed


@pytest.mark.parametrize("parts", [2, 3])
def test_databases_share_the_rows_by_account(tmp_path: Path, fill: Callable[..., sa.Connection], parts: int, seed: int) -> None:
    """Together they hold what plain loops over the journal give; each says for itself how far it has got."""
    story = Story(seed).grow(1500)
    write(tmp_path, story)
    connections = [fill(story, part, parts) for part in range(parts)]
    assert_parts_hold(connections, story)
    assert all(len(rows(connection, PROGRESS.name)) == 2 for connection in connections)
    assert len(set(database_of(np.arange(ACCOUNTS), parts).tolist())) > 1


def test_a_database_is_added_to_those_that_are_there(tmp_path: Path, fill: Callable[..., sa.Connection], seed: int) -> None:
    """Those forget the accounts that it takes and go on where they are; it begins at the beginning."""
    story = Story(seed).grow(600)
    write(tmp_path, story)
    for parts in (1, 2, 3, 4):
        connections = [fill(story, part, parts) for part in range(parts)]
        assert_parts_hold(connections, story)
        before = tuple(map(len, (story.commands, story.events)))
        story.grow(200)
        for stream, made, done in zip(Stream, story.arrays(), before, strict=True):
            write_records(tmp_path, stream, 0, made[done:], 20)


@pytest.mark.parametrize("asked", [(0, 2), (2, 3), (0, 1)])
def test_databases_are_not_taken_away_or_exchanged(
    tmp_path: Path, fill: Callable[..., sa.Connection], asked: tuple[int, int]
) -> None:
    """What a database holds decides; the message names what to do."""
    story = Story(1).grow(20)
    write(tmp_path, story)
    connection = fill(story, 1, 3)
    with pytest.raises(UnfitDatabase, match=r"number 2 of 3, .* as number . of .: new databases go to the end of the list"):
        Loader(connection, tmp_path, 1, EPOCH, Placement(*asked))


def test_nothing_is_handed_over_that_the_journal_no_longer_has(tmp_path: Path, fill: Callable[..., sa.Connection]) -> None:
    """A new database could not be filled: the rows stay where they are."""
    story = Story(1).grow(9000)
    write(tmp_path, story)
    connection = fill(story, 0, 1)
    before = rows(connection, "orders")
    first = min((tmp_path / "journal").rglob("*commands*/*"))
    first.unlink()
    with pytest.raises(UnfitDatabase, match="the journal no longer has what it began with"):
        Loader(connection, tmp_path, 1, EPOCH, Placement(0, 2))
    assert rows(connection, "orders") == before


def test_a_database_that_is_down_holds_no_other_back(place: Place, tmp_path: Path) -> None:
    """Each has a process and a pace of its own; the backlog is that of the last, and its trouble is what status says first."""
    urls = f"sqlite:///{tmp_path}/a.sqlite,sqlite:///{tmp_path}/nowhere/b.sqlite"
    settings = settings_of(place, databases=urls, database_retry_s=0.05)
    epoch, story, log = make_epoch(settings.data), Story(1).grow(200), Log()
    databases = Databases(settings, log)
    for stream, made in zip(Stream, story.arrays(), strict=True):
        write_records(settings.data, stream, 0, made, 50, epoch)
    databases.allow(0, len(story.commands), len(story.events))

    def tended(condition: Callable[[], bool]) -> Callable[[], bool]:
        return lambda: (databases.tend(), condition())[1]

    first, second = databases.children
    wait_until(tended(lambda: first.link.backlog(1) == 0 and second.link.failures > 1), 30, "the first, without the second")
    assert databases.backlog == len(story.events)
    assert databases.settled(0) == (0, 0) and first.link.events_done(0) == len(story.events)
    status = databases.status()
    assert (status["state"], [each["backlog"] for each in status["databases"]]) == ("trouble", [0, len(story.events)])
    (tmp_path / "nowhere").mkdir()
    wait_until(tended(lambda: databases.backlog == 0), 30, "the second")
    end = (len(story.commands), len(story.events))
    databases._settle_s, databases._settle_at_s = 0.01, 0.0
    wait_until(tended(lambda: databases.settled(0) == end), 5, "what was committed is so still")
    assert databases.finish(5)
