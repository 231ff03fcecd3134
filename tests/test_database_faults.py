"""What befalls a PostgreSQL server and the process that fills it: in the end the rows are those of the journal."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from conftest import Place
from database_world import World
from persister import database_child
from persister.database_link import DatabaseState
from postgres import Postgres, needs_postgres

pytestmark = needs_postgres


@pytest.fixture
def server() -> Iterator[Postgres]:
    """A server of the test's own, which it may mistreat."""
    made = Postgres()
    made.start()
    yield made
    made.close()


@pytest.fixture
def world(place: Place, server: Postgres) -> Iterator[Callable[..., World]]:
    """A journal, and the process that follows it into the server."""
    made: list[World] = []

    def make(**sections: Any) -> World:
        made.append(World(place, server.url, **sections))
        return made[-1]

    yield make
    for each in made:
        each.child.finish(0.1)


@contextmanager
def session(server: Postgres) -> Iterator[sa.Connection]:
    """Somebody else's connection, in a transaction; gone afterwards."""
    engine = sa.create_engine(server.url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def count(server: Postgres, table: str) -> int:
    with session(server) as other:
        return int(other.exec_driver_sql(f"SELECT count(*) FROM {table}").scalar_one())


def waits_for_a_lock(server: Postgres) -> bool:
    with session(server) as other:
        query = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'pinion' AND wait_event_type = 'Lock'"
        return bool(other.exec_driver_sql(query).scalar_one())


@pytest.mark.parametrize("table", ["orders", "executions", "progress"])
def test_a_locked_table_is_waited_for(world: Callable[..., World], server: Postgres, table: str) -> None:
    """Said once, with the server's own words; the backlog grows meanwhile, and nothing else waits."""
    one = world()
    one.grow(100)
    one.wait_for_end()
    with session(server) as other:
        other.exec_driver_sql(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        one.grow(200)
        one.wait_for_state(DatabaseState.TROUBLE)
        before = one.child.link.backlog(1)
        one.grow(100)
        one.wait_for(lambda: one.child.link.failures >= 2, "two failures")
        assert one.child.link.backlog(1) > before > 0
    one.wait_for_end()
    assert one.child.finish(5)
    one.assert_rows_are_the_journals()
    problems = [fields["problem"] for level, _, fields in one.log.lines if level == "error"]
    assert problems == ["canceling statement due to lock timeout"]


def test_a_process_killed_within_a_transaction_leaves_nothing_of_it(world: Callable[..., World], server: Postgres) -> None:
    """The rows were written, the commit was to come."""
    one = world()
    one.grow(100)
    one.wait_for_end()
    before = count(server, "order_events")
    with session(server) as other:
        other.exec_driver_sql("LOCK TABLE progress IN ACCESS EXCLUSIVE MODE")
        one.grow(200)
        one.wait_for(lambda: waits_for_a_lock(server), "the end of the transaction")
        os.kill(one.pid, signal.SIGKILL)
        one.wait_for(lambda: one.child.starts == 2, "another process")
        assert count(server, "order_events") == before
    one.wait_for_end()
    assert one.child.finish(5)
    one.assert_rows_are_the_journals()


def test_a_server_that_crashes_is_caught_up_with(world: Callable[..., World], server: Postgres, seed: int) -> None:
    """It loses commits that it had not yet written; progress is lost with the rows, and the journal has both."""
    draw = np.random.default_rng(seed)
    one = world(database_batch_rows=50)
    for _ in range(3):
        one.grow(500)
        goal = one.child.link.events_done(0) + int(draw.integers(1, 400))
        one.wait_for(lambda goal=goal: one.child.link.events_done(0) >= goal, "some progress")
        server.stop(signal.SIGQUIT)
        one.wait_for_state(DatabaseState.TROUBLE)
        server.start()
    one.wait_for_end()
    assert one.child.finish(5)
    one.assert_rows_are_the_journals()
    assert one.child.starts == 1


def test_commits_that_an_idle_server_lost_are_made_again(world: Callable[..., World], server: Postgres) -> None:
    """It crashes when all is done and nothing more comes: that is noticed, and what it forgot is read again."""
    one = world()
    one.grow(300)
    one.wait_for_end()
    server.stop(signal.SIGQUIT)
    one.wait_for_state(DatabaseState.TROUBLE)
    server.start()
    one.wait_for_state(DatabaseState.FOLLOWING)
    one.wait_for_end()
    one.assert_rows_are_the_journals()


def test_connections_that_are_cut_are_made_again(world: Callable[..., World], server: Postgres) -> None:
    """At any instant, many times."""
    one = world(database_batch_rows=50)
    with session(server) as other:
        other = other.execution_options(isolation_level="AUTOCOMMIT")
        for _ in range(10):
            one.grow(100)
            goal = one.child.link.events_done(0) + 30
            one.wait_for(lambda goal=goal: one.child.link.events_done(0) >= goal, "some progress")
            other.exec_driver_sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'pinion'")
    one.wait_for_end()
    assert one.child.finish(5)
    one.assert_rows_are_the_journals()


def test_a_slow_server_holds_nothing_up(world: Callable[..., World], server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every transaction takes a tenth of a second: the persister goes on at once, and says how the database catches up."""
    monkeypatch.setattr(database_child, "PROGRESS_INTERVAL_S", 0.05)
    one = world(database_batch_rows=40)
    one.grow(30)
    one.wait_for_end()
    with session(server) as other, other.begin():
        body = "BEGIN PERFORM pg_sleep(0.1); RETURN NULL; END"
        other.exec_driver_sql(f"CREATE FUNCTION doze() RETURNS trigger LANGUAGE plpgsql AS '{body}'")
        other.exec_driver_sql("CREATE TRIGGER slow AFTER INSERT ON order_events FOR EACH STATEMENT EXECUTE FUNCTION doze()")
    one.grow(800)
    longest_s = 0.0

    def done() -> bool:
        nonlocal longest_s
        started_s = time.thread_time()
        one.child.tend()
        longest_s = max(longest_s, time.thread_time() - started_s)
        return one.child.link.backlog(1) == 0

    one.wait_for(done, "the end of the journal")
    assert longest_s < 0.05
    assert one.child.finish(5)
    one.assert_rows_are_the_journals()
    said = [fields for _, text, fields in one.log.lines if text == "database catches up"]
    assert len(said) >= 3 and said[0].keys() == {"backlog", "percent", "events_per_s", "seconds_left"}
    assert [each["percent"] for each in said] == sorted(each["percent"] for each in said)
    assert one.log.texts("info")[-1] == "database has caught up"
    assert one.log.texts("error") == []
