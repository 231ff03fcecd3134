"""What a test left behind: processes that it started and shared memory that it made, told from everybody else's."""

import contextlib
import os
import signal
from pathlib import Path

SHARED_MEMORY = Path("/dev/shm")
MARK = "PYTEST_RUN_OF_PINION"
"""An environment variable that every descendant of this run inherits, however it was started."""
RUN = f"{os.getpid()}-{Path('/proc/self/stat').read_text().split()[21]}"


def mark() -> None:
    """Mark this process and all that it starts from now on."""
    os.environ[MARK] = RUN


def processes() -> dict[int, str]:
    """The command lines of live processes that carry the mark, this one excepted."""
    word, found = f"{MARK}={RUN}".encode(), {}
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit() and int(folder.name) != os.getpid():
            with contextlib.suppress(OSError):
                if word in (folder / "environ").read_bytes().split(b"\0"):
                    found[int(folder.name)] = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode().strip()
    return found


def kill(pids: dict[int, str]) -> None:
    """End what is left, so that one failure stays one."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def segments() -> set[str]:
    """Names in /dev/shm that this process made or that carry its number, as the fixtures name them."""
    words = (f"t{os.getpid()}x", f"-{os.getpid()}-")
    return {name for name in os.listdir(SHARED_MEMORY) if any(word in name for word in words)}


def remove_segments(names: set[str]) -> None:
    """Take the names out of /dev/shm; whoever has one mapped keeps it."""
    for name in names:
        (SHARED_MEMORY / name).unlink(missing_ok=True)
