"""SQLite's own backup, of a database in use, compressed by gzip."""

import gzip
import shutil
import sqlite3
import tempfile
from contextlib import closing
from pathlib import Path
from typing import Final

import sqlalchemy

from cli.backup import PIECE_BYTES, Contents, Told, contents_of, describe
from cli.db_status import connected, sqlite_path
from cli.output import Failure

PAGES_AT_ONCE: Final = 2048
LEVEL: Final = 4
"""Of gzip: half the time of the default for a twentieth more bytes."""


class SqliteArchiver:
    """See ``cli.backup.Archiver``."""

    suffix = ".sqlite.gz"

    def save(self, url: str, path: Path, told: Told) -> Contents:
        """One read transaction for all of it, so that the persister, who goes on writing, never makes it begin again."""
        with tempfile.TemporaryDirectory(dir=path.parent) as folder, connected(url) as connection, connection.begin():
            connection.exec_driver_sql("BEGIN")
            contents = describe(connection)
            source, whole = connection.connection.driver_connection, Path(folder, "whole")
            assert isinstance(source, sqlite3.Connection)
            with closing(sqlite3.connect(whole)) as copy:
                copied = lambda status, left, total: told("copied", total - left, total)  # noqa: E731
                source.backup(copy, pages=PAGES_AT_ONCE, progress=copied)
                copy.execute("PRAGMA journal_mode = DELETE")
            with whole.open("rb") as raw, gzip.open(path, "wb", LEVEL) as packed:
                done, total = 0, whole.stat().st_size
                while piece := raw.read(PIECE_BYTES):
                    packed.write(piece)
                    done += len(piece)
                    told("compressed", done, total)
        return contents

    def read_back(self, path: Path, told: Told) -> tuple[dict[str, int], dict[str, int]]:
        """Unpacked, checked by SQLite itself, every table counted."""
        with tempfile.TemporaryDirectory(dir=path.parent) as folder:
            whole = Path(folder, "whole")
            _unpack(path, whole, told)
            engine = sqlalchemy.create_engine(f"sqlite:///{whole}")
            with engine.connect() as connection:
                told("checked", 0, 1)
                verdict = connection.exec_driver_sql("PRAGMA integrity_check").scalar()
                if verdict != "ok":
                    raise Failure(f"{path} cannot be read back: {verdict}")
                found = contents_of(connection)
                told("checked", 1, 1)
            engine.dispose()
            return found

    def load(self, path: Path, url: str, told: Told) -> None:
        """Unpacked beside its place, then put there whole."""
        target = sqlite_path(url)
        assert target is not None
        target.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = target.with_name(f"{target.name}.partial")
        try:
            _unpack(path, draft, told)
            for left in ("-wal", "-shm"):
                target.with_name(target.name + left).unlink(missing_ok=True)
            draft.rename(target)
        except OSError as error:
            raise Failure(f"{target} cannot be written: {error.strerror or error}") from error
        finally:
            draft.unlink(missing_ok=True)


def _unpack(path: Path, whole: Path, told: Told) -> None:
    total = path.stat().st_size
    try:
        with path.open("rb") as packed, gzip.open(packed) as source, whole.open("wb") as target:
            while piece := source.read(PIECE_BYTES):
                target.write(piece)
                told("unpacked", packed.tell(), total)
    except (EOFError, gzip.BadGzipFile) as error:
        raise Failure(f"{path} is damaged: {error}") from error
    shutil.copymode(path, whole)
