"""The database's rows are those that plain loops over the journal give, on SQLite and on PostgreSQL, in batches of any size."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic import command
from alembic.config import Config

from journal_writing import EPOCH, write_records
from persister import schema
from persister.loader import Loader, UnfitDatabase
from persister.migrations.versions import r0003_books_of_account
from persister.positions import Position, after
from persister.schema import HEAD, revision_of, upgrade
from persister.sinks import open_engine, shown
from persister.tables import METADATA, PROGRESS
from postgres import Postgres, needs_postgres
from shm.journal import Stream
from shm.records import INSTRUMENT_COMMAND, EventKind, OrderType, TimeInForce
from trading_story import FEES, INSTRUMENTS, Rows, Story


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One PostgreSQL for the tests of this file."""
    made = Postgres()
    made.start()
    yield made
    made.close()


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=needs_postgres)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/rows.sqlite"
    made: str = request.getfixturevalue("server").url
    engine = sa.create_engine(made)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    engine.dispose()
    return made


@pytest.fixture
def connect(url: str) -> Iterator[Callable[[], sa.Connection]]:
    """Makes connections with the schema in place."""
    made = []

    def open_one() -> sa.Connection:
        engine = open_engine(url)
        connection = engine.connect()
        made.append((engine, connection))
        with connection.begin():
            upgrade(connection)
        return connection

    yield open_one
    for engine, connection in made:
        connection.close()
        engine.dispose()


def write(data: Path, story: Story, shard: int = 0, batch: int = 50) -> None:
    commands, events = story.arrays()
    write_records(data, Stream.COMMANDS, shard, commands, batch)
    write_records(data, Stream.EVENTS, shard, events, batch)


def rows(connection: sa.Connection, table: sa.Table) -> set[tuple[Any, ...]]:
    with connection.begin():
        found = [tuple(row) for row in connection.execute(sa.select(table))]
    assert len(set(found)) == len(found)
    return set(found)


def assert_same(connection: sa.Connection, wanted: Rows) -> None:
    for name, want in wanted.tables().items():
        assert rows(connection, METADATA.tables[name]) == want, name


def follow(loader: Loader, shard: int, through: int, bound: int) -> None:
    while loader.step(loader.feeds[shard], through, bound):
        pass


@pytest.mark.parametrize("bound", [1, 37, 100000])
def test_rows_equal_those_of_plain_loops(tmp_path: Path, connect: Callable[[], sa.Connection], bound: int, seed: int) -> None:
    """The bound cuts the stream anywhere, between the events of one command too."""
    story = Story(seed).grow(1500)
    commands, events = story.arrays()
    write(tmp_path, story, batch=50 if bound > 1 else 1)
    connection = connect()
    loader = Loader(connection, tmp_path, 1, EPOCH)
    follow(loader, 0, len(events), bound)
    assert_same(connection, Rows().add(0, commands, events))
    progress = {(0, "commands", len(commands), EPOCH), (0, "events", len(events), EPOCH)}
    assert rows(connection, PROGRESS) == progress


def test_another_loader_goes_on_where_the_rows_end(tmp_path: Path, connect: Callable[[], sa.Connection], seed: int) -> None:
    """Each knows from the database alone what is done, positions and instruments included."""
    story = Story(seed)
    connection = connect()
    for _ in range(6):
        before = len(story.commands), len(story.events)
        story.grow(150)
        commands, events = story.arrays()
        write_records(tmp_path, Stream.COMMANDS, 0, commands[before[0] if _ else 0 :], 20)
        write_records(tmp_path, Stream.EVENTS, 0, events[before[1] if _ else 0 :], 20)
        loader = Loader(connection, tmp_path, 1, EPOCH)
        follow(loader, 0, len(events) - 7, 64)
    loader = Loader(connection, tmp_path, 1, EPOCH)
    follow(loader, 0, len(events), 64)
    assert_same(connection, Rows().add(0, commands, events))


def test_shards_share_the_tables(tmp_path: Path, connect: Callable[[], sa.Connection], seed: int) -> None:
    """Each shard has its own order ids and sequences; accounts come in every shard, once in the table."""
    connection, wanted = connect(), Rows()
    stories = [Story(seed, shard, 2).grow(400) for shard in range(2)]
    for shard, story in enumerate(stories):
        write(tmp_path, story, shard)
        wanted.add(shard, *story.arrays())
    loader = Loader(connection, tmp_path, 2, EPOCH)
    for shard, story in enumerate(stories):
        follow(loader, shard, len(story.events), 100)
    assert_same(connection, wanted)
    assert {row[0] for row in rows(connection, METADATA.tables["accounts"])} == {0, 1, 2, 3}
    found = rows(connection, METADATA.tables["instruments"])
    assert {(row[0], row[3:6]) for row in found} == set(enumerate(INSTRUMENTS))
    assert {(row[0], row[8:]) for row in found} == set(enumerate(FEES))


def test_nothing_after_the_allowed_sequence_is_read(tmp_path: Path, connect: Callable[[], sa.Connection]) -> None:
    """A batch is the unit: what the persister allows ends with one."""
    story = Story(1).grow(200)
    write(tmp_path, story, batch=10)
    connection = connect()
    loader = Loader(connection, tmp_path, 1, EPOCH)
    follow(loader, 0, 100, 1000)
    assert loader.feeds[0].events_done == 100
    commands, events = story.arrays()
    assert_same(connection, Rows().add(0, commands, events[:100]))


def test_rows_of_another_data_folder_are_refused(tmp_path: Path, connect: Callable[[], sa.Connection]) -> None:
    story = Story(1).grow(20)
    write(tmp_path, story)
    connection = connect()
    follow(Loader(connection, tmp_path, 1, EPOCH), 0, len(story.events), 1000)
    with pytest.raises(UnfitDatabase, match=r"epoch 000000000000e70c, the data folder is ffffffffffffffff"):
        Loader(connection, tmp_path, 1, (1 << 64) - 1)
    with pytest.raises(UnfitDatabase, match="only 0 shards"):
        Loader(connection, tmp_path, 0, EPOCH)


def test_a_fee_that_no_column_holds_is_told(tmp_path: Path, connect: Callable[[], sa.Connection]) -> None:
    """By the number of its trade; nothing of the batch is written."""
    story = Story(1).grow(100)
    story.commands[0].view(INSTRUMENT_COMMAND)["maker_fee"] = 2**31 - 1
    trade = next(each for each in story.events if each["kind"] == EventKind.TRADE and each["instrument"] == 0)
    trade["quantity"], trade["flags"] = 2**48, 0
    write(tmp_path, story)
    connection = connect()
    loader = Loader(connection, tmp_path, 1, EPOCH)
    with pytest.raises(UnfitDatabase, match=f"the fee of trade {trade['sequence']} is beyond 64 bits"):
        follow(loader, 0, len(story.events), 1000)
    assert rows(connection, PROGRESS) == set()


def test_views_show_words_and_decimals(tmp_path: Path, connect: Callable[[], sa.Connection]) -> None:
    story = Story(1).grow(300)
    write(tmp_path, story)
    connection = connect()
    follow(Loader(connection, tmp_path, 1, EPOCH), 0, len(story.events), 1000)
    with connection.begin():
        found = connection.execute(
            sa.text(
                "SELECT v.account, v.symbol, v.side, v.type, v.status, v.price, v.quantity, o.price, o.quantity, o.account,"
                " o.instrument, v.created, v.time_in_force, o.type, o.time_in_force"
                " FROM orders_view v JOIN orders o ON v.shard = o.shard AND v.order_id = o.order_id"
                " WHERE o.status <> 4"
            )
        ).all()
        for view in r0003_books_of_account.VIEWS:
            assert connection.execute(sa.text(f"SELECT * FROM {view}")).all(), view
        balances = connection.execute(sa.text("SELECT account, currency, date, balance FROM balances_view")).all()
        moved = connection.execute(sa.text("SELECT account, currency, received - paid - fees FROM balances_view")).all()
    assert {row[4] for row in found} == {"open", "filled", "cancelled"}
    for row in found:
        account, symbol, side, kind, _, price, quantity, wire_price, wire_quantity, number, instrument, created = row[:12]
        assert (account, symbol) == (f"account{number}", f"SYM{instrument}")
        assert side in ("buy", "sell")
        assert (kind, row[12]) == (OrderType(row[-2]).name.lower(), TimeInForce(row[-1]).name.lower())
        assert (round(price * 100), round(quantity * 10)) == (wire_price, wire_quantity)
        assert str(created).startswith("2023-11-1")
    for account, currency in {row[:2] for row in balances}:
        last = max((str(row[2]), row[3]) for row in balances if row[:2] == (account, currency))
        assert last[1] == sum(row[2] for row in moved if row[:2] == (account, currency))


def test_the_view_of_orders_shows_their_terms(tmp_path: Path, connect: Callable[[], sa.Connection]) -> None:
    """A distance in basis points apart from stop prices; what an order does not have is nothing, not 1970."""
    story = Story(1).grow(400)
    write(tmp_path, story)
    connection = connect()
    follow(Loader(connection, tmp_path, 1, EPOCH), 0, len(story.events), 1000)
    columns = "stop_price, distance_basis_points, display_quantity, minimum_quantity, expiry, flags"
    own = "o.stop_price, o.display_quantity, o.minimum_quantity, o.expiry_ns"
    joined = "orders_view v JOIN orders o ON v.shard = o.shard AND v.order_id = o.order_id WHERE v.symbol IS NOT NULL"
    with connection.begin():
        found = connection.execute(sa.text(f"SELECT v.{columns.replace(', ', ', v.')}, {own} FROM {joined}")).all()
    for stop, distance, display, minimum, expiry, flags, wire_stop, wire_display, wire_minimum, expiry_ns in found:
        assert (stop is None, distance is None) == (bool(flags & 64), not flags & 64)
        assert (distance if stop is None else round(stop * 100)) == wire_stop
        assert (round(display * 10), round(minimum * 10)) == (wire_display, wire_minimum)
        assert str(expiry).startswith("2023-11-14") if expiry_ns else expiry is None
    assert {bool(row[5] & 64) for row in found} == {False, True}


def test_a_database_of_an_older_schema_is_filled_anew(tmp_path: Path, url: str) -> None:
    """Its rows cannot become the present ones: they go, and the journal has them all."""
    story = Story(1).grow(200)
    write(tmp_path, story)
    engine = open_engine(url)
    with engine.begin() as connection:
        configuration = Config()
        configuration.set_main_option("script_location", str(Path(schema.__file__).with_name("migrations")))
        configuration.attributes["connection"] = connection
        command.upgrade(configuration, "0002")
        for table, count in (("orders", 24), ("executions", 15), ("positions", 9)):
            values = ", ".join(["1"] * count)
            connection.exec_driver_sql(f"INSERT INTO {table} VALUES ({values})")
        connection.exec_driver_sql(f"INSERT INTO progress VALUES (0, 'events', 5, {EPOCH}), (0, 'commands', 5, {EPOCH})")
        assert upgrade(connection)
    with engine.connect() as connection:
        follow(Loader(connection, tmp_path, 1, EPOCH), 0, len(story.events), 1000)
        assert_same(connection, Rows().add(0, *story.arrays()))
    with engine.begin() as connection:
        configuration.attributes["connection"] = connection
        command.downgrade(configuration, "0001")
        assert connection.execute(sa.text("SELECT * FROM orders")).all() == []
        assert connection.execute(sa.text("SELECT * FROM executions_view")).all() == []
    engine.dispose()


def test_a_step_that_breaks_off_leaves_nothing(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process is killed in the middle of it, or the disk is full: the next attempt begins where this one did."""

    def fail() -> None:
        raise RuntimeError("in the middle")

    engine = open_engine(url)
    with monkeypatch.context() as patched:
        # Alembic loads the steps anew from their files: what they call is what can be made to fail.
        patched.setattr("alembic.op.create_index", lambda *_: fail())
        with pytest.raises(RuntimeError, match="in the middle"), engine.begin() as connection:
            upgrade(connection)
    with engine.connect() as connection:
        assert sa.inspect(connection).get_table_names() == []
    with engine.begin() as connection:
        assert upgrade(connection)
    engine.dispose()


def test_migrations_make_what_the_tables_say(connect: Callable[[], sa.Connection]) -> None:
    """Column by column and index by index; and the newest step is the one that ``persister.schema`` waits for."""
    connection = connect()
    with connection.begin():
        assert revision_of(connection) == HEAD
        assert not upgrade(connection)
        inspector = sa.inspect(connection)
        for table in METADATA.sorted_tables:
            columns = {column["name"]: column for column in inspector.get_columns(table.name)}
            assert list(columns) == [column.name for column in table.columns]
            for column in table.columns:
                assert type(columns[column.name]["type"]) is type(column.type.dialect_impl(connection.dialect)) or str(
                    columns[column.name]["type"]
                ) == str(column.type.compile(connection.dialect))
                assert columns[column.name]["nullable"] is column.nullable
            keys = inspector.get_pk_constraint(table.name)["constrained_columns"]
            assert keys == [column.name for column in table.primary_key.columns]
            assert {index["name"] for index in inspector.get_indexes(table.name)} == {index.name for index in table.indexes}


def test_schema_is_made_anywhere_and_undone(url: str, tmp_path: Path) -> None:
    """From a folder that holds nothing, without an alembic.ini; and back."""
    program = (
        "import sys, sqlalchemy as sa; from alembic import command; from alembic.config import Config;"
        "from persister import schema; engine = sa.create_engine(sys.argv[1]); connection = engine.connect();"
        "transaction = connection.begin(); print(schema.upgrade(connection)); configuration = Config();"
        "configuration.set_main_option('script_location', schema.__file__.replace('schema.py', 'migrations'));"
        "configuration.attributes['connection'] = connection; command.downgrade(configuration, 'base');"
        "print(sorted(sa.inspect(connection).get_table_names())); transaction.commit()"
    )
    root = str(Path(__file__).parent.parent)
    done = subprocess.run(
        [sys.executable, "-c", program, url],
        cwd=tmp_path,
        env={"PYTHONPATH": root, "PATH": "/usr/bin"},
        capture_output=True,
        text=True,
    )
    assert done.stdout.split("\n")[:2] == ["True", "['alembic_version']"], done.stderr


@pytest.mark.parametrize(
    ("fills", "wanted"),
    [
        ([], (0, 0, 0, 0, 0, 0, 0)),
        ([(10, 1000)], (10, 10, 0, 1000, 0, 1000, 0)),
        ([(10, 1000), (-4, 480)], (6, 10, 4, 1000, 480, 600, 80)),
        ([(-10, 1200), (4, 400)], (-6, 4, 10, 400, 1200, -720, 80)),
        ([(10, 1000), (-10, 900)], (0, 10, 10, 1000, 900, 0, -100)),
        ([(10, 1000), (-15, 1650)], (-5, 10, 15, 1000, 1650, -550, 100)),
        ([(10, 1000), (-10, 1100), (10, 2000)], (10, 20, 10, 3000, 1100, 2000, 100)),
        ([(3, 100), (-1, 50)], (2, 3, 1, 100, 50, 67, 17)),
        ([(1 << 62, 1 << 62), (-1, 5)], ((1 << 62) - 1, 1 << 62, 1, 1 << 62, 5, (1 << 62) - 1, 4)),
    ],
)
def test_positions_at_average_cost(fills: list[tuple[int, int]], wanted: tuple[int, ...]) -> None:
    """Quantity (below 0: sold) and money of each fill → net, the four sums, cost of what is open, realised."""
    held = Position()
    for quantity, money in fills:
        held = after(held, quantity, money)
    assert held == wanted


def test_a_password_is_not_shown() -> None:
    assert shown("postgresql+psycopg2://me:secret@host/db") == "postgresql+psycopg2://me:***@host/db"
