"""``pinion db``: the schema is brought up to date, a backup is read back, and a restored database goes on by the journal."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import click.testing
import pytest

from cli.db import db
from conftest import Place
from database_books import Books, make_empty
from persister import schema
from postgres import Postgres, binaries, needs_postgres
from trading_story import Rows


@pytest.fixture(scope="module")
def server() -> Iterator[Postgres]:
    """One PostgreSQL for the tests of this file."""
    made = Postgres()
    made.start()
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "two of sqlite", pytest.param("postgresql", marks=needs_postgres)])
def books(request: pytest.FixtureRequest, place: Place) -> Books:
    """With an empty journal."""
    if request.param == "postgresql":
        server: Postgres = request.getfixturevalue("server")
        make_empty(server.url)
        return Books(place, [server.url])
    names = ["a.sqlite", "b.sqlite"] if request.param.startswith("two") else ["a.sqlite"]
    return Books(place, [f"sqlite:///{{data}}/{name}" for name in names])


def test_a_restored_database_goes_on_by_the_journal(books: Books) -> None:
    """Backed up, traded on, lost, restored: in the end the rows are those of the journal, and none was read twice."""
    books.grow(300)
    books.follow()
    made = answer(books, "backup")["made"]
    assert [each["progress"]["0/events"] for each in made] == [len(books.story.events)] * len(books.urls)
    assert len({row[:2] for row in books.rows("orders")}) == sum(each["rows"]["orders"] for each in made)
    assert all(Path(each["path"]).stat().st_mode & 0o077 == 0 for each in made)
    books.grow(200)
    books.follow()
    books.empty()
    assert [each["part"] for each in answer(books, "restore")] == list(range(len(books.urls)))
    assert books.rows("executions") < Rows().add(0, *books.story.arrays()).tables()["executions"]
    books.follow()
    for name, wanted in Rows().add(0, *books.story.arrays()).tables().items():
        assert books.rows(name) == wanted, name


def test_old_backups_go_once_a_new_one_was_read_back(books: Books) -> None:
    """The newest of each database stay, each with its description; nothing half written is left."""
    books.grow(50)
    books.follow()
    folder = books.data / "backups"
    first = [Path(each["path"]) for each in answer(books, "backup")["made"]]
    for path in first:  # as if made long ago
        for each in (path, path.with_name(path.name + ".json")):
            each.rename(each.with_name(each.name.replace("-20", "-19", 1)))
    found = answer(books, "backup", "--keep", "1")
    assert len(found["deleted"]) == len(books.urls)
    names = {Path(each["path"]).name for each in found["made"]}
    assert {path.name for path in folder.iterdir()} == names | {f"{name}.json" for name in names}


def test_status_says_what_a_database_lacks(books: Books) -> None:
    """Of a database without tables, of one that is behind, of one at the journal's end."""
    books.grow(100)
    if books.urls[0].startswith("sqlite"):
        assert "there is no such file; the persister makes it" in run(books, "status", ends=1).stderr
    else:
        assert "is at schema none, not 0005: pinion db upgrade" in run(books, "status", ends=1).stderr
    before = answer(books, "upgrade")
    assert [(each["before"], each["after"]) for each in before] == [(None, schema.HEAD)] * len(books.urls)
    behind = answer(books, "status")
    assert [each["backlog"] for each in behind] == [len(books.story.events)] * len(books.urls)
    books.follow()
    done = answer(books, "status")
    assert [(each["backlog"], each["revision"], each["error"]) for each in done] == [(0, schema.HEAD, "")] * len(books.urls)
    assert all(each["bytes"] > 0 and each["events"] == {"0": len(books.story.events)} for each in done)
    assert f"{len(books.story.events):,}" in run(books, "status").stdout


def run(books: Books, *words: str, ends: int = 0) -> click.testing.Result:
    """``pinion db`` with these words."""
    is_server = not books.urls[0].startswith("sqlite") and words[0] in ("backup", "restore")
    return books.run(db, *words, *(["--binaries", str(binaries())] if is_server else []), ends=ends)


def answer(books: Books, *words: str) -> Any:
    """What it prints as JSON."""
    return json.loads(run(books, *words, "--json").stdout)


def test_a_database_that_is_away_keeps_no_other_from_being_saved(place: Place) -> None:
    """What could be saved is; the rest is named, and the command has failed."""
    books = Books(place, [f"sqlite:///{{data}}/{name}.sqlite" for name in "ab"])
    books.grow(50)
    books.follow()
    Path(books.urls[0].removeprefix("sqlite:///")).unlink()
    done = run(books, "backup", "--json", ends=1)
    assert "a.sqlite: there is no such file" in done.stderr
    assert [each["part"] for each in json.loads(done.stdout)["made"]] == [1]


@pytest.fixture
def sqlite_books(place: Place) -> Books:
    """With a backup."""
    made = Books(place, ["sqlite:///{data}/a.sqlite"])
    made.grow(50)
    made.follow()
    run(made, "backup")
    return made


def backup_of(books: Books) -> Path:
    return next((books.data / "backups").glob("*.gz"))


REFUSALS: dict[str, tuple[Callable[[Books], Any], str]] = {
    "a database that is not empty": (lambda books: None, "is not empty (it has account_history"),
    "a damaged file": (
        lambda books: (books.empty(), backup_of(books).write_bytes(backup_of(books).read_bytes()[:-1])),
        "is damaged: it is not the file that was written",
    ),
    "a file without description": (
        lambda books: (books.empty(), next((books.data / "backups").glob("*.json")).write_text("{")),
        "which says what is in it, is missing or damaged",
    ),
    "another data folder": (
        lambda books: (books.empty(), (books.data / "epoch").write_text(f"{7:016x}\n")),
        "is of data folder",
    ),
    "no backup": (lambda books: [each.unlink() for each in (books.data / "backups").iterdir()], "there is no backup in"),
}


@pytest.mark.parametrize(("spoil", "message"), REFUSALS.values(), ids=REFUSALS.keys())
def test_what_cannot_be_restored_is_told(sqlite_books: Books, spoil: Callable[[Books], Any], message: str) -> None:
    spoil(sqlite_books)
    done = run(sqlite_books, "restore", ends=1)
    assert message in done.stderr
    assert "Traceback" not in done.output


def test_a_backup_of_a_database_that_is_away_leaves_nothing(place: Place) -> None:
    """And an old one stays."""
    books = Books(place, ["sqlite:///{data}/a.sqlite"])
    assert "there is no such file" in run(books, "backup", ends=1).stderr
    assert list((books.data / "backups").iterdir()) == []


def test_a_password_is_on_no_command_line() -> None:
    """pg_dump gets it by its environment."""
    from cli.backup_postgres import _address, _environment

    url = "postgresql+psycopg2://me:se%40cret@host:5433/db?sslmode=require"
    assert _address(url) == "postgresql://me@host:5433/db?sslmode=require"
    assert _environment(url)["PGPASSWORD"] == "se@cret"
