"""Backups of databases: a compressed file each, and beside it a line of JSON that says what is in it.

A backup counts once it was read back: every table has as many rows as the database had at that instant. Its file is
written under another name until then.
"""

import hashlib
import json
import os
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, Protocol

import sqlalchemy

from cli.db_status import connected, progress_of, require_schema, shown, sqlite_path
from cli.output import Failure
from persister import schema
from persister.tables import METADATA, PROGRESS
from runtime.epoch import read_epoch
from runtime.settings import Settings

Told = Callable[[str, int, int], None]
"""Is told of each step how much of how much is done."""
PIECE_BYTES: Final = 1 << 20
DESCRIPTION: Final = ".json"


@dataclass(frozen=True)
class Contents:
    """What a database held at an instant."""

    revision: str
    epoch: str
    rows: dict[str, int]
    progress: dict[str, int]


@dataclass(frozen=True)
class Backup:
    """A backup that was read back. ``part``: of which of the settings' databases."""

    path: Path
    part: int
    parts: int
    made: str
    sha256: str
    revision: str
    epoch: str
    rows: dict[str, int]
    progress: dict[str, int]

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {**asdict(self), "path": str(self.path), "bytes": self.path.stat().st_size}


class Archiver(Protocol):
    """How databases of one kind are saved. Every method raises Failure."""

    suffix: str

    def save(self, url: str, path: Path, told: Told) -> Contents:
        """Write the database into ``path``; what it held."""

    def read_back(self, path: Path, told: Told) -> tuple[dict[str, int], dict[str, int]]:
        """The rows of each table in ``path``, counted, and its progress."""

    def load(self, path: Path, url: str, told: Told) -> None:
        """Fill the empty database from ``path``."""


def make(settings: Settings, part: int, folder: Path, binaries: Path | None, told: Told) -> Backup:
    """Save database ``part`` into ``folder`` and read it back. Raises Failure."""
    url = settings.database_urls[part]
    archiver = _archiver(url, binaries)
    made = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    path = folder / f"{settings.instance}-{part}-{made}{archiver.suffix}"
    draft = path.with_name(f"{path.name}.partial")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft.touch(mode=0o600)
        contents = archiver.save(url, draft, _labelled(told, part))
        rows, progress = archiver.read_back(draft, _labelled(told, part))
        _compare(path, contents, rows, progress)
        return _keep(draft, path, part, len(settings.database_urls), made, contents)
    except OSError as error:
        raise Failure(f"the backup {path} cannot be written: {error.strerror}") from error
    finally:
        draft.unlink(missing_ok=True)


def delete_old(folder: Path, instance: str, part: int, keep: int) -> list[Path]:
    """Delete all but the newest ``keep`` of a database; what was deleted."""
    old = _of_part(folder, instance, part)[:-keep]
    for each in old:
        each.with_name(each.name + DESCRIPTION).unlink()
        each.unlink()
    return old


def chosen(files: Iterable[Path], folder: Path, settings: Settings) -> list[Backup]:
    """The backups in ``files``, or the newest of each database in ``folder``. Raises Failure for any that will not do."""
    paths = list(files)
    for part in () if paths else range(len(settings.database_urls)):
        paths += _of_part(folder, settings.instance, part)[-1:]
    if not paths:
        raise Failure(f"there is no backup in {folder}: pinion db backup makes one, --from names another folder")
    found = [_described(path) for path in paths]
    for each in found:
        _check_fits(each, settings)
    if len({each.part for each in found}) < len(found):
        raise Failure("two of the backups are of the same database; allowed is one of each")
    return found


def restore(backup: Backup, settings: Settings, binaries: Path | None, told: Told) -> None:
    """Fill the settings' database from ``backup``, and count its rows. Raises Failure."""
    url, labelled = settings.database_urls[backup.part], _labelled(told, backup.part)
    _check_empty(url)
    if _sha256(backup.path, labelled) != backup.sha256:
        raise Failure(f"{backup.path} is damaged: it is not the file that was written (sha256)")
    _archiver(url, binaries).load(backup.path, url, labelled)
    with connected(url) as connection, connection.begin():
        _compare(backup.path, backup, *contents_of(connection)[:2])


def contents_of(connection: sqlalchemy.Connection) -> tuple[dict[str, int], dict[str, int]]:
    """The rows of each table, counted, and the progress."""
    counted = {
        table.name: int(connection.execute(sqlalchemy.select(sqlalchemy.func.count()).select_from(table)).scalar_one())
        for table in METADATA.sorted_tables
    }
    return counted, progress_of(connection)


def describe(connection: sqlalchemy.Connection) -> Contents:
    """What the database holds in this transaction. Raises Failure unless its schema is this version's."""
    require_schema(connection)
    epoch = connection.execute(sqlalchemy.select(PROGRESS.c.epoch)).scalars().first() or 0
    rows, progress = contents_of(connection)
    return Contents(schema.HEAD, f"{int(epoch) & (1 << 64) - 1:016x}", rows, progress)


def _archiver(url: str, binaries: Path | None) -> Archiver:
    if sqlite_path(url) is not None:
        from cli.backup_sqlite import SqliteArchiver

        return SqliteArchiver()
    from cli.backup_postgres import PostgresArchiver

    return PostgresArchiver(binaries)


def _labelled(told: Told, part: int) -> Told:
    return lambda step, done, total: told(f"database {part}: {step}", done, total)


def _compare(path: Path, wanted: Contents | Backup, rows: dict[str, int], progress: dict[str, int]) -> None:
    wrong = [f"{name}: {rows.get(name)} rows, not {count}" for name, count in wanted.rows.items() if rows.get(name) != count]
    if progress != wanted.progress:
        wrong.append(f"progress: {progress}, not {wanted.progress}")
    if wrong:
        raise Failure(f"{path} does not hold what the database held: {'; '.join(wrong)}")


def _keep(draft: Path, path: Path, part: int, parts: int, made: str, contents: Contents) -> Backup:
    """From now on it is a backup: synced, and described first."""
    kept = {**asdict(contents), "part": part, "parts": parts, "made": made, "sha256": _sha256(draft, lambda *_: None)}
    description = path.with_name(path.name + DESCRIPTION)
    description.write_text(json.dumps(kept) + "\n")
    for each in (draft, description, path.parent):
        descriptor = os.open(each, os.O_RDONLY)
        os.fsync(descriptor)
        os.close(descriptor)
    draft.rename(path)
    return Backup(path=path, **kept)


def _of_part(folder: Path, instance: str, part: int) -> list[Path]:
    """Whole backups, the oldest first: their names sort by time."""
    found = folder.glob(f"{instance}-{part}-*{DESCRIPTION}")
    return sorted(path for path in (each.with_name(each.name.removesuffix(DESCRIPTION)) for each in found) if path.exists())


def _described(path: Path) -> Backup:
    description = path.with_name(path.name + DESCRIPTION)
    try:
        return Backup(path=path, **json.loads(description.read_text()))
    except (OSError, ValueError, TypeError) as error:
        raise Failure(f"{path}: {description.name}, which says what is in it, is missing or damaged") from error


def _check_fits(backup: Backup, settings: Settings) -> None:
    epoch, parts = read_epoch(settings.data), len(settings.database_urls)
    if epoch is not None and backup.epoch != f"{epoch:016x}":
        raise Failure(f"{backup.path} is of data folder {backup.epoch}; {settings.data} is {epoch:016x}")
    if backup.parts > parts or backup.part >= parts:
        raise Failure(f"{backup.path} is of database {backup.part + 1} of {backup.parts}; the settings have {parts}")


def _check_empty(url: str) -> None:
    path = sqlite_path(url)
    if path is not None and not path.exists():
        return
    with connected(url) as connection:
        tables = sqlalchemy.inspect(connection).get_table_names()
    if tables:
        raise Failure(f"{shown(url)} is not empty (it has {', '.join(sorted(tables)[:3])}, …): name an empty one, or empty it")


def _sha256(path: Path, told: Told) -> str:
    digest, done, total = hashlib.sha256(), 0, path.stat().st_size
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            done += len(piece)
            told("checksum", done, total)
    return digest.hexdigest()
