"""The cache of compiled kernels. Must be chosen before Numba is imported, so nothing here imports it.

Numba notices an edit in the file of a cached function, but not one in a function that it calls or a constant that it imports:
then old machine code runs over new layouts. So the folder is named by a hash of all kernel sources and of whatever they import,
of where they lie (by which Numba files what it compiled), of the versions that compile them and of the processor: anything that
changed gives a new, empty folder. Files that no kernel can see are left out, or every edit of a table's name would cost a
minute and a half of compiling.
"""

import hashlib
import os
import re
import sys
import tempfile
from collections.abc import Iterable, Mapping, MutableMapping
from importlib.metadata import version
from pathlib import Path
from typing import Final

from runtime.faults import EnvironmentFault, FaultStatus

ROOMS: Final = ("shm", "matcher", "riskd", "gateway", "persister")
"""The rooms that hold kernels."""
ROOT: Final = Path(__file__).resolve().parent.parent
COMPILERS: Final = ("numba", "llvmlite", "numpy")
_KERNEL: Final = re.compile(r"^\s*(?:from|import) (?:numba|shm\.inner)\b", re.MULTILINE)
_IMPORT: Final = re.compile(r"^\s*(?:from|import) ([a-z_0-9.]+)(?: import ([\w, ]+))?", re.MULTILINE)


def use_cache(environ: MutableMapping[str, str] = os.environ) -> Path:
    """Set ``NUMBA_CACHE_DIR``, unless the user has, and return it. Call this first thing, before any import of Numba.

    ``PINION_CACHE_DIR`` if given, else ``$CACHE_DIRECTORY`` (systemd's), ``$XDG_CACHE_HOME/pinion`` or ``~/.cache/pinion`` and
    a folder of this user's in the temporary folder are tried in turn. Raises EnvironmentFault when none can be written.
    """
    if environ.get("NUMBA_CACHE_DIR"):
        return Path(environ["NUMBA_CACHE_DIR"])
    assert "numba" not in sys.modules, "Numba was imported before its cache was chosen"
    folder = _first_writable(list(_candidates(environ))) / f"kernels-{fingerprint()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    environ["NUMBA_CACHE_DIR"] = str(folder)
    return folder


def fingerprint(root: Path = ROOT) -> str:
    """16 hex digits that change with any kernel source, where it lies, compiler version or processor."""
    digest = hashlib.sha256(f"{root.resolve()}\0".encode())
    for path in sources(root):
        digest.update(f"{path.relative_to(root)}\0".encode())
        digest.update(path.read_bytes())
    for part in (*(f"{name} {version(name)}" for name in COMPILERS), sys.version, processor()):
        digest.update(f"{part}\0".encode())
    return digest.hexdigest()[:16]


def sources(root: Path = ROOT) -> list[Path]:
    """The Python files that hold kernels, and all that they import from the same tree, however far off."""
    texts = {path: path.read_text(encoding="utf-8") for room in ROOMS for path in (root / room).glob("**/*.py")}
    waiting = [path for path, text in texts.items() if _KERNEL.search(text)]
    found = set(waiting)
    while waiting:
        path = waiting.pop()
        text = texts.get(path) or path.read_text(encoding="utf-8")
        names = {f"{module}{each}" for module, names in _IMPORT.findall(text) for each in _modules(names)}
        imported = {root.joinpath(*name.split(".")).with_suffix(".py") for name in names}
        fresh = {each for each in imported - found if each.is_file()}
        found |= fresh
        waiting += fresh
    return sorted(found)


def _modules(names: str) -> list[str]:
    """What may follow a module's name for a file: nothing, or one of the ``names`` that are imported from a room."""
    return ["", *(f".{name.split()[0]}" for name in names.split(",") if name.strip())]


def processor() -> str:
    """The processor's model and abilities: code compiled for one may not run on another."""
    wanted = ("model name", "flags", "Features", "CPU part")
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    first = {line.partition(":")[0].strip(): line for line in reversed(lines)}
    return "\n".join(first[key] for key in wanted if key in first) or os.uname().machine


def _candidates(environ: Mapping[str, str]) -> Iterable[Path]:
    if environ.get("PINION_CACHE_DIR"):
        yield Path(environ["PINION_CACHE_DIR"])
        return
    if environ.get("CACHE_DIRECTORY"):
        yield Path(environ["CACHE_DIRECTORY"].partition(":")[0])
    if environ.get("XDG_CACHE_HOME"):
        yield Path(environ["XDG_CACHE_HOME"], "pinion")
    elif environ.get("HOME"):
        yield Path(environ["HOME"], ".cache", "pinion")
    yield Path(tempfile.gettempdir(), f"pinion-{os.getuid()}")


def _first_writable(folders: list[Path]) -> Path:
    reasons = []
    for folder in folders:
        reason = why_not_writable(folder)
        if not reason:
            return folder
        reasons.append(f"{folder} ({reason})")
    raise EnvironmentFault(
        f"no folder for compiled kernels can be written: {', '.join(reasons)}; set PINION_CACHE_DIR to one that can",
        FaultStatus.CANNOT_CREATE,
    )


def why_not_writable(folder: Path) -> str:
    """Why compiled code must not be kept in ``folder``; empty if it may. Makes the folder.

    One that belongs to somebody else, or that others may write, is refused: who can write there can run code as this user.
    """
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            pass
    except OSError as error:
        return error.strerror or str(error)
    status = folder.stat()
    if status.st_uid != os.getuid():
        return f"belongs to user {status.st_uid}"
    return "others may write to it" if status.st_mode & 0o002 else ""
