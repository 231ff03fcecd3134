"""A real systemd in namespaces of its own, over this machine's files: for the tests of the units."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from sources import ROOT
from waiting import wait_until

BOOT = ROOT.parent / "shared" / "tools" / "boot-systemd"
"""Boots the guest, runs commands in it, stops it. Lies beside the checkout on machines that have it."""
UNITS = ROOT / "systemd"
PREFIX = Path("/opt/pinion")
"""Where the units expect the installed programs."""


def why_not() -> str:
    """Why no guest can be booted here; empty when one can."""
    if not BOOT.exists():
        return "needs ../shared/tools/boot-systemd"
    if os.geteuid() != 0:
        return "needs root, to make namespaces"
    programs = ("unshare", "nsenter", "systemctl", "systemd-sysusers")
    missing = [name for name in programs if shutil.which(name) is None]
    return f"needs {', '.join(missing)}" if missing else ""


class Guest:
    """One booted systemd. ``folder`` is its own; ``binds`` are folders of the host and where it sees them."""

    def __init__(self, folder: Path, units: Path, binds: Sequence[tuple[Path, Path]]) -> None:
        self._environ = {**os.environ, "W": str(folder)}
        words = [f"{source}:{target}" for source, target in binds]
        booted = self._tool("start", str(units), *words)
        if booted.stdout.split()[1:] not in (["running"], ["degraded"]):
            self.stop()
            raise AssertionError(f"no guest: {booted.stdout}{booted.stderr}{(folder / 'log').read_text()}")

    def run(self, *words: str, given: str = "", check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a program inside, with ``given`` as its input; a failure fails the test with what it said."""
        done = self._tool("sh", *words, given=given)
        assert not check or done.returncode == 0, f"{' '.join(words)}: {done.returncode}\n{done.stdout}{done.stderr}"
        return done

    def write(self, path: str, text: str) -> None:
        """Make a file inside."""
        self.run("mkdir", "-p", str(Path(path).parent))
        self.run("tee", path, given=text)

    def property(self, unit: str, name: str) -> str:
        """A property of a unit, as ``systemctl show`` prints it."""
        return self.run("systemctl", "show", "--property", name, "--value", unit).stdout.strip()

    def is_active(self, unit: str) -> bool:
        """Started, and ready where it says so itself."""
        return self.property(unit, "ActiveState") == "active"

    def wait_active(self, unit: str, timeout_s: float = 120.0) -> None:
        """Until the unit is active; fails with its log, at once when systemd has given it up."""
        state = wait_until(lambda: self._settled(unit), timeout_s, what=f"{unit} started or failed")
        assert state == "active", f"{unit} is {state}:\n{self.log(unit)}"

    def _settled(self, unit: str) -> str:
        """The unit's state, if it will not change by itself."""
        state = self.property(unit, "ActiveState")
        return state if state in ("active", "failed", "inactive") else ""

    def log(self, unit: str, lines: int = 30) -> str:
        """The end of what a unit has said."""
        return self.run("journalctl", "--no-pager", "--output=cat", f"--lines={lines}", f"--unit={unit}", check=False).stdout

    def stop(self) -> None:
        """Power off; everything inside is gone."""
        self._tool("stop")

    def _tool(self, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
        command = ["bash", str(BOOT), *words]
        return subprocess.run(command, env=self._environ, input=given, capture_output=True, text=True, timeout=200)


def units_for_this_machine(folder: Path, cache: Path) -> Path:
    """The repository's units, with a drop-in where this machine differs from one that is set up by the book.

    Python or the checkout may lie where only root may look: then the units run as root. And a machine may have one core.
    """
    shutil.copytree(UNITS, folder)
    lines = ["[Service]", "Environment=PYTHONDONTWRITEBYTECODE=1"]
    if not everybody_may_read(Path(sys.prefix), Path(sys.base_prefix), ROOT):
        # Without the right to, not even root reads what belongs to another user.
        lines += ["User=root", "Group=root", "CapabilityBoundingSet=CAP_DAC_OVERRIDE"]
        lines += [f"Environment=NUMBA_CACHE_DIR={cache}", f"ReadWritePaths={cache}"]
    programs = (ROOT, Path(sys.prefix), Path(sys.base_prefix))
    if any(path.is_relative_to(home) for path in programs for home in HOMES):
        lines.append("ProtectHome=no")
    if any(path.is_relative_to(scratch) for path in programs for scratch in SCRATCH):
        lines.append("PrivateTmp=no")
    if os.cpu_count() == 1:
        lines.append("CPUAffinity=0")
    (folder / "pinion-.service.d" / "this-machine.conf").write_text("\n".join(lines) + "\n")
    return folder


HOMES = (Path("/" + "root"), Path("/" + "home"))
SCRATCH = (Path("/tmp"), Path("/var/tmp"))


def everybody_may_read(*folders: Path) -> bool:
    """Whether a user of no special rights can get into all of them."""
    return all(path.stat().st_mode & 0o001 for folder in folders for path in (folder, *folder.parents))
