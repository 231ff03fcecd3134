"""An exchange at rest, for the commands that look at its databases."""

import json
from pathlib import Path
from typing import Any

import click
import click.testing
import sqlalchemy as sa
from click.testing import CliRunner

from conftest import Place
from journal_writing import write_records
from persister import schema
from persister.loader import Loader
from persister.placement import Placement
from persister.sinks import open_engine
from persister.tables import METADATA
from runtime.epoch import make_epoch
from runtime.settings import load
from shm.journal import Stream
from trading_story import ACCOUNTS, CURRENCIES, INSTRUMENTS, Story


class Books:
    """An exchange at rest: settings, journal and databases, and the command line over them."""

    def __init__(self, place: Place, urls: list[str]) -> None:
        self.data, self.urls = place.data, urls
        self._file = place.root / "pinion.toml"
        self._file.write_text(f'data = "{place.data}"\nrun = "{place.run}"\ndatabases = {json.dumps(urls)}\n{market()}')
        self._file.chmod(0o600)
        self.urls = list(load(self._file, {}).database_urls)
        self.epoch = make_epoch(place.data)
        self.story = Story(1)
        self._written = [0, 0]

    def grow(self, count: int) -> None:
        """More trading, into the journal alone."""
        self.story.grow(count)
        for number, (stream, made) in enumerate(zip(Stream, self.story.arrays(), strict=True)):
            write_records(self.data, stream, 0, made[self._written[number] :], 50, self.epoch)
            self._written[number] = len(made)

    def follow(self) -> None:
        """The journal into the databases, to its end."""
        for part, url in enumerate(self.urls):
            engine = open_engine(url)
            with engine.connect() as connection:
                with connection.begin():
                    schema.upgrade(connection)
                loader = Loader(connection, self.data, 1, self.epoch, Placement(part, len(self.urls)))
                while loader.step(loader.feeds[0], len(self.story.events), 500):
                    pass
                loader.close()
            engine.dispose()

    def empty(self) -> None:
        """As after the loss of the machine that had them."""
        for url in self.urls:
            if url.startswith("sqlite"):
                for path in Path(url.removeprefix("sqlite:///")).parent.glob("*.sqlite*"):
                    path.unlink()
            else:
                make_empty(url)

    def rows(self, name: str) -> set[tuple[Any, ...]]:
        found: set[tuple[Any, ...]] = set()
        for url in self.urls:
            engine = sa.create_engine(url)
            with engine.connect() as connection:
                found |= {tuple(row) for row in connection.execute(sa.select(METADATA.tables[name]))}
            engine.dispose()
        return found

    def run(self, command: click.Command, *words: str, ends: int = 0) -> click.testing.Result:
        """Run a command with these settings; it must end so."""
        done = CliRunner().invoke(command, [*words, "--config", str(self._file)], prog_name="pinion")
        assert done.exit_code == ends, done.output
        return done


def make_empty(url: str) -> None:
    engine = sa.create_engine(url)
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP SCHEMA public CASCADE; CREATE SCHEMA public")
    engine.dispose()


def market() -> str:
    """The story's accounts and instruments, as settings."""
    lines = [f'[[accounts]]\nname = "account{each}"\napi_key = "key-of-account{each}"' for each in range(ACCOUNTS)]
    for number, (tick_size, lot_size, tick_value) in enumerate(INSTRUMENTS):
        lines += [f'[[instruments]]\nsymbol = "SYM{number}"\ncurrency = "{CURRENCIES[number]}"\nquantity_decimals = 1']
        lines += [f"tick_size = {tick_size}\nlot_size = {lot_size}\ntick_value = {tick_value}"]
    return "\n".join(lines)
