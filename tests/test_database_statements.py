"""What is asked of a database: the list in docs/scaling.md is whole, and nothing on it is idle."""

import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from bench.postgres import FOR_TESTS
from journal_writing import EPOCH, write_records
from persister.loader import OF_ACCOUNTS, Loader
from persister.placement import Placement
from persister.schema import upgrade
from persister.sinks import open_engine
from persister.tables import METADATA
from postgres import Postgres, needs_postgres
from shm.journal import Stream
from sources import ROOT
from trading_story import Story

SCALING = ROOT / "docs" / "scaling.md"


def listed() -> list[str]:
    """Every statement that the page names."""
    blocks = re.findall(r"^```sql\n(.*?)^```", SCALING.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.splitlines()]


def pattern(statement: str) -> str:
    """``…`` stands for anything."""
    return ".*".join(re.escape(part) for part in statement.split("…"))


def sent_to(server: Postgres) -> list[str]:
    """Each statement in the server's log, on one line."""
    log = (server.folder / "log").read_text()
    found = re.findall(r"^LOG:  statement: (.*(?:\n\t.*)*)", log, flags=re.MULTILINE)
    return [" ".join(each.split()) for each in found]


@needs_postgres
def test_a_cluster_needs_the_statements_that_are_listed_and_no_others(tmp_path: Path) -> None:
    """From an empty server to the journal's end, and on with another database beside it."""
    story = Story(1).grow(600)
    for stream, made in zip(Stream, story.arrays(), strict=True):
        write_records(tmp_path, stream, 0, made, 50)
    server = Postgres((*FOR_TESTS, "log_statement=all", "log_line_prefix="))
    try:
        server.start()
        engine = open_engine(server.url)
        with engine.connect() as connection:
            with connection.begin():
                upgrade(connection)
            for parts in (1, 2):
                loader = Loader(connection, tmp_path, 1, EPOCH, Placement(0, parts))
                while loader.step(loader.feeds[0], len(story.events), 200):
                    pass
                loader.close()
            connection.execute(sa.text("SELECT 1"))
            connection.rollback()
        engine.dispose()
        sent = sent_to(server)
    finally:
        server.close()
    allowed = listed()
    assert len(sent) > 100
    assert [each for each in sent if not any(re.fullmatch(pattern(line), each, re.IGNORECASE) for line in allowed)] == []
    assert [line for line in allowed if not any(re.fullmatch(pattern(line), each, re.IGNORECASE) for each in sent)] == []


@pytest.mark.parametrize("table", OF_ACCOUNTS, ids=lambda table: table.name)
def test_the_keys_that_a_cluster_may_distribute_by_are_listed(table: sa.Table) -> None:
    """As the tables have them; and every table is either an account's or in every database."""
    keys = ", ".join(f"`{column.name}`" for column in table.primary_key.columns)
    assert f"| `{table.name}` | {keys} |" in SCALING.read_text(encoding="utf-8")
    assert all((each in OF_ACCOUNTS) or each.name in SHARED for each in METADATA.sorted_tables)


SHARED = {
    "instruments",
    "instrument_history",
    "accounts",
    "account_history",
    "risk_log",
    "daily_prices",
    "progress",
    "placement",
}
