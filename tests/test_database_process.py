"""The database's process: killed, locked out, cut off; in the end its rows are those of the journal."""

import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from conftest import Place
from database_world import World
from persister.database_link import DatabaseState
from postgres import Postgres, needs_postgres


@pytest.fixture
def world(place: Place) -> Iterator[Callable[..., World]]:
    made: list[World] = []

    def make(**sections: Any) -> World:
        made.append(World(place, **sections))
        return made[-1]

    yield make
    for each in made:
        each.child.finish(0.1)


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    made = Postgres()
    made.start()
    yield made
    made.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgres)])
def url(request: pytest.FixtureRequest) -> str:
    """Of an empty database; empty for the settings' own SQLite."""
    if request.param == "sqlite":
        return ""
    server: Postgres = request.getfixturevalue("server")
    engine = sa.create_engine(server.url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    engine.dispose()
    return server.url


def test_rows_follow_the_journal(world: Callable[..., World], url: str) -> None:
    """As it grows, with nothing to warn of; said once that it does."""
    one = world(url=url)
    for _ in range(5):
        one.grow(100)
        one.wait_for_end()
    assert one.child.finish(5)
    one.assert_rows_are_the_journals()
    assert one.log.texts("info") == ["database follows"]
    assert one.log.texts("error") == one.log.texts("warning") == []


@pytest.mark.slow
def test_kills_at_any_instant_leave_the_journals_rows(world: Callable[..., World], url: str, seed: int) -> None:
    """Each life is cut off somewhere: while starting, between and within transactions."""
    draw = np.random.default_rng(seed)
    one = world(url=url, database_batch_rows=100)
    one.grow(4000)
    for _ in range(12):
        reached = one.child.link.events_done(0) + int(draw.integers(0, 900))
        one.wait_for(lambda goal=reached: one.pid and one.child.link.events_done(0) >= min(goal, 4500), "some progress")
        os.kill(one.pid, signal.SIGKILL)
        one.wait_for(lambda starts=one.child.starts: one.child.starts > starts, "another start")
        one.child._backoff_s = 0.01
        one.grow(30)
    one.wait_for_end()
    assert one.child.finish(5)
    one.assert_rows_are_the_journals()
    assert len(one.log.texts("warning")) == 12


def test_a_locked_database_is_caught_up_with(world: Callable[..., World], place: Place) -> None:
    """Another program holds SQLite's lock: said once, however long it lasts; nothing is lost."""
    one = world()
    one.grow(100)
    one.wait_for_end()
    other = sqlite3.connect(place.data / "pinion.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    one.grow(200)
    one.wait_for(lambda: one.child.link.failures >= 2, "two failures")
    one.wait_for_state(DatabaseState.TROUBLE)
    assert one.child.link.backlog(1) > 0
    other.execute("ROLLBACK")
    other.close()
    one.wait_for_end()
    assert one.child.finish(5)
    one.assert_rows_are_the_journals()
    assert len(one.log.texts("error")) == 1
    assert one.log.texts("info") == ["database follows", "database is back"]
    assert [fields["problem"] for level, _, fields in one.log.lines if level == "error"] == ["database is locked"]


@needs_postgres
def test_a_server_that_stops_and_starts_is_caught_up_with(world: Callable[..., World]) -> None:
    server = Postgres()
    try:
        one = world(url=server.url)
        one.grow(100)
        one.wait_for_state(DatabaseState.TROUBLE)
        server.start()
        one.wait_for_end()
        server.stop()
        before = one.child.link.failures
        one.grow(200)
        one.wait_for(lambda: one.child.link.failures >= before + 5, "failures")
        one.wait_for_state(DatabaseState.TROUBLE)
        server.start()
        one.wait_for_end()
        assert one.child.finish(5)
        one.assert_rows_are_the_journals()
        assert one.log.texts("info").count("database is back") == 2
        assert one.child.starts == 1
    finally:
        server.close()


def test_a_database_of_another_data_folder_is_left_alone(world: Callable[..., World], place: Place, tmp_path: Path) -> None:
    """Said once, with what to do; trading goes on."""
    url = f"sqlite:///{tmp_path}/shared.sqlite"
    first = world(url=url)
    first.grow(50)
    first.wait_for_end()
    first.child.finish(5)
    second = world(url=url, data=tmp_path / "another")
    second.grow(50)
    second.wait_for_state(DatabaseState.UNFIT)
    second.wait_for(lambda: second.child.link.failures >= 3, "some attempts")
    assert len(second.log.texts("error")) == 1
    assert "give each data folder a database of its own" in second.child.status()["text"]
    first.assert_rows_are_the_journals()


def test_a_database_ahead_of_the_journal_is_left_alone(world: Callable[..., World], place: Place) -> None:
    """The journal lost its end (a machine lost under ``memory``): rows of commands that never were must not be built upon."""
    one = world()
    one.grow(100)
    one.wait_for_end()
    one.child.finish(5)
    again = world()
    again.child.link.allow(0, 5, 5)
    again.wait_for_state(DatabaseState.UNFIT)
    assert "but the journal ends with 5" in again.child.status()["text"]


def test_the_process_is_small_and_keeps_secrets(world: Callable[..., World]) -> None:
    """No compiler in it, and no URL where everybody can read it."""
    one = world()
    one.grow(300)
    one.wait_for_end()
    proc = Path("/proc") / str(one.pid)
    assert "llvmlite" not in (proc / "maps").read_text()
    assert b"sqlite" not in (proc / "cmdline").read_bytes()
    rollup = (proc / "smaps_rollup").read_text()
    pss_kb = next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:"))
    assert pss_kb < 100_000


def test_it_keeps_off_the_engines_processors(world: Callable[..., World]) -> None:
    """Where there are others; and it is not in the way of what shares its own."""
    one = world(matcher_cores=0)
    one.wait_for(lambda: one.child.link.generation > 0, "a sign of life")
    everywhere = set(range(os.cpu_count() or 1))
    assert os.sched_getaffinity(one.pid) == ((everywhere - {0}) or everywhere)
    assert os.getpriority(os.PRIO_PROCESS, one.pid) == 5
