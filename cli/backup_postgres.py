"""PostgreSQL's own pg_dump and pg_restore, in its compressed archive format."""

import glob
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final

from sqlalchemy.engine import URL, make_url

from cli.backup import Contents, Told, describe
from cli.db_status import connected
from cli.output import Failure

_COPY: Final = re.compile(rb"^COPY (?:public\.)?(\w+) \((.*)\) FROM stdin;")
TABLE_STEPS: Final = re.compile(r"(?:dumping contents of|processing data for) table")


class PostgresArchiver:
    """See ``cli.backup.Archiver``."""

    suffix = ".pgdump"

    def __init__(self, binaries: Path | None) -> None:
        self._binaries = binaries

    def save(self, url: str, path: Path, told: Told) -> Contents:
        """Rows are counted in the very snapshot that pg_dump dumps, whatever the persister writes meanwhile."""
        with connected(url) as connection:
            connection = connection.execution_options(isolation_level="REPEATABLE READ")
            with connection.begin():
                contents = describe(connection)
                snapshot = connection.exec_driver_sql("SELECT pg_export_snapshot()").scalar()
                options = ["--format=custom", f"--snapshot={snapshot}", f"--file={path}", *_WITHOUT_OWNERS, "--verbose"]
                self._run("pg_dump", [*options, f"--dbname={_address(url)}"], url, "dumped", len(contents.rows), told)
        return contents

    def read_back(self, path: Path, told: Told) -> tuple[dict[str, int], dict[str, int]]:
        """The whole archive as SQL text, every row counted."""
        rows: dict[str, int] = {}
        progress: dict[str, int] = {}
        with self._started("pg_restore", ["--file=-", str(path)], "") as text:
            table, columns, done = "", b"", 0
            for line in text:
                if not table:
                    if found := _COPY.match(line):
                        table, columns = found[1].decode(), found[2]
                        rows[table] = 0
                elif line == b"\\.\n":
                    table, done = "", done + 1
                    told("read back", done, done)
                else:
                    rows[table] += 1
                    if table == "progress":
                        row = dict(zip(columns.decode().split(", "), line.decode().rstrip("\n").split("\t"), strict=True))
                        progress[f"{row['shard']}/{row['stream']}"] = int(row["sequence"])
        return rows, dict(sorted(progress.items()))

    def load(self, path: Path, url: str, told: Told) -> None:
        """All of it or nothing."""
        options = ["--single-transaction", "--exit-on-error", *_WITHOUT_OWNERS, "--verbose", f"--dbname={_address(url)}"]
        self._run("pg_restore", [*options, str(path)], url, "restored", 1, told)

    def _run(self, program: str, words: list[str], url: str, step: str, tables: int, told: Told) -> None:
        """Run it, counting the tables that it speaks of."""
        done, last = 0, ""
        with subprocess.Popen(
            [self._find(program), *words], stderr=subprocess.PIPE, env=_environment(url), text=True, errors="replace"
        ) as running:
            assert running.stderr is not None
            for line in running.stderr:
                last = line.strip() if "error:" in line or not last else last
                if TABLE_STEPS.search(line):
                    done += 1
                    told(step, done, max(tables, done))
        if running.returncode:
            raise Failure(f"{last or program + ' failed'}{_HINT if 'version mismatch' in last else ''}")

    @contextmanager
    def _started(self, program: str, words: list[str], url: str) -> Iterator[IO[bytes]]:
        """Its output, line by line."""
        with (
            tempfile.TemporaryFile() as errors,
            subprocess.Popen(
                [self._find(program), *words], stdout=subprocess.PIPE, stderr=errors, env=_environment(url)
            ) as running,
        ):
            assert running.stdout is not None
            yield running.stdout
            if running.wait():
                errors.seek(0)
                raise Failure(errors.read().decode(errors="replace").strip().partition("\n")[0])

    def _find(self, program: str) -> str:
        folders = [str(self._binaries)] if self._binaries else _folders()
        found = next((path for folder in folders if (path := shutil.which(program, path=folder))), None)
        if found is None:
            raise Failure(f"there is no {program} in {', '.join(folders)}: install PostgreSQL's client (postgresql-client)")
        return found


_WITHOUT_OWNERS: Final = ("--no-owner", "--no-privileges")
_HINT: Final = "; --binaries names the folder of a pg_dump that is as new as the server"


def _folders() -> list[str]:
    """Debian's, the newest version first, and those of PATH."""
    debian = glob.glob("/usr/lib/postgresql/*/bin")
    by_version = sorted(debian, key=lambda path: int(re.sub(r"\D", "", path) or 0), reverse=True)
    return [*by_version, *os.get_exec_path()]


def _address(url: str) -> str:
    """For libpq, without the password: arguments are there for all to read."""
    parsed = make_url(url)
    bare = URL.create("postgresql", parsed.username, None, parsed.host, parsed.port, parsed.database, parsed.query)
    return bare.render_as_string(hide_password=False)


def _environment(url: str) -> dict[str, str]:
    password = make_url(url).password if url else None
    return {**os.environ, **({"PGPASSWORD": str(password)} if password else {})}
