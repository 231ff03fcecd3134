"""The units under ``systemd/``: sound by systemd's own judgement, and brought up, killed, hung and stopped by a real one."""

import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

import guest
from guest import PREFIX, UNITS, Guest, units_for_this_machine
from sources import ROOT
from waiting import wait_until

needs_analyze = pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="needs systemd-analyze")
needs_guest = pytest.mark.skipif(bool(guest.why_not()), reason=guest.why_not() or "has all it needs")

PROCESSES = ("pinion-gateway@0.service", "pinion-riskd.service", "pinion-matcher@0.service", "pinion-persister.service")
SERVICES = sorted(path.name for path in UNITS.glob("*.service"))
EXPOSURE = {"pinion-backup.service": 20, "pinion-gateway@.service": 20, "pinion-persister.service": 20}
"""Ten times the figure of ``systemd-analyze security``; 10 where not said. These speak to networks."""

SETTINGS = """
data = "/var/lib/pinion"
run = "/run/pinion"
[pools]
orders = 1024
levels = 1024
[journal]
segment_bytes = 1048576
[[instruments]]
symbol = "ACME"
[[accounts]]
name = "alice"
api_key = "change-me-alice"
"""


# As text


@needs_analyze
def test_systemd_has_nothing_to_say_against_the_units(tmp_path: Path) -> None:
    """``systemd-analyze verify`` prints nothing (its exit status is 0 whatever it finds)."""
    units = tmp_path / "units"
    shutil.copytree(UNITS, units)
    for path in units.glob("*.service"):  # it also looks whether the program is there, and none is installed here
        path.write_text(path.read_text().replace(f"{PREFIX}/bin/pinion", "/bin/true"))
    names = [str(path) for pattern in ("*.service", "*.target", "*.timer") for path in units.glob(pattern)]
    done = subprocess.run(["systemd-analyze", "verify", "--man=no", *names], capture_output=True, text=True)
    assert (done.returncode, done.stdout + done.stderr) == (0, "")


@needs_analyze
@pytest.mark.parametrize("service", SERVICES)
def test_units_are_hardened(service: str) -> None:
    """The exposure stays below the bound; what is left open has its reason in the unit."""
    words = ["systemd-analyze", "security", "--offline=true", f"--threshold={EXPOSURE.get(service, 10)}", str(UNITS / service)]
    done = subprocess.run(words, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout.splitlines()[-1]


@pytest.mark.parametrize("service", SERVICES)
def test_units_start_the_installed_program(service: str) -> None:
    """Absolute paths, no ``env``, no shell, one settings file."""
    commands = re.findall(r"^Exec\w+=(.*)$", (UNITS / service).read_text(), flags=re.MULTILINE)
    assert commands
    for command in commands:
        assert command == "/bin/true" or re.fullmatch(
            rf"{PREFIX}/bin/pinion (warm|down|db backup|run [\w.%]+) --config /etc/pinion/pinion\.toml", command
        )


# Under a real systemd


@pytest.fixture(scope="module")
def booted() -> Iterator[Guest]:
    """A guest in which Pinion is installed and set up as docs/operations.md says, and not started."""
    from runtime import kernels

    with TemporaryDirectory(prefix="pinion-") as temporary:
        folder, cache = Path(temporary), kernels.use_cache()
        cache.mkdir(parents=True, exist_ok=True)
        units = units_for_this_machine(folder / "units", cache)
        prefix = Path(sys.prefix)
        binds = [(prefix, PREFIX), (prefix, prefix), (ROOT, ROOT), (cache, cache)]
        machine = Guest(folder / "guest", units, binds)
        try:
            machine.run("systemd-sysusers", str(UNITS / "pinion.sysusers.conf"))
            machine.write("/etc/pinion/pinion.toml", SETTINGS)
            machine.run("systemd-tmpfiles", "--create", str(UNITS / "pinion.tmpfiles.conf"))
            yield machine
        finally:
            machine.stop()


@pytest.fixture
def exchange(booted: Guest) -> Guest:
    """The guest with the target started and every process ready."""
    started = booted.run("systemctl", "start", "pinion.target", check=False)
    logs = "".join(booted.log(unit) for unit in PROCESSES) if started.returncode else ""
    assert started.returncode == 0, started.stderr + logs
    for unit in PROCESSES:
        booted.wait_active(unit)
    return booted


@needs_guest
@pytest.mark.slow
def test_the_target_brings_up_all_four(exchange: Guest) -> None:
    """Started means ready: recovered, attached to its neighbours, working; each as one process and where it is pinned."""
    for unit in PROCESSES:
        assert exchange.property(unit, "SubState") == "running"
        assert exchange.property(unit, "Type") == "notify"
        assert exchange.property(unit, "StatusText")
        pid = exchange.property(unit, "MainPID")
        allowed = exchange.run("grep", "Cpus_allowed_list", f"/proc/{pid}/status").stdout.split()[-1]
        assert allowed == exchange.property(unit, "CPUAffinity")
    assert exchange.property("pinion.target", "ActiveState") == "active"


@needs_guest
@pytest.mark.slow
@pytest.mark.parametrize("unit", PROCESSES)
def test_a_killed_process_is_started_again(exchange: Guest, unit: str) -> None:
    """SIGKILL: another process is ready soon, and its neighbours went on all the time."""
    before = {each: exchange.property(each, "MainPID") for each in PROCESSES}
    exchange.run("kill", "-KILL", before[unit])
    wait_until(lambda: exchange.property(unit, "MainPID") not in ("0", before[unit]), what=f"{unit} started again")
    exchange.wait_active(unit)
    after = {each: exchange.property(each, "MainPID") for each in PROCESSES}
    assert [each for each in PROCESSES if before[each] != after[each]] == [unit]


@needs_guest
@pytest.mark.slow
def test_a_hung_process_is_ended_by_the_watchdog_and_started_again(exchange: Guest) -> None:
    """SIGSTOP: nothing is heard for WatchdogSec, the process is ended and another one is ready."""
    unit = "pinion-matcher@0.service"
    before = exchange.property(unit, "MainPID")
    exchange.run("kill", "-STOP", before)
    wait_until(lambda: exchange.property(unit, "MainPID") not in ("0", before), timeout_s=30, what="the watchdog acted")
    exchange.wait_active(unit)
    assert "watchdog" in exchange.log(unit).lower()


@needs_guest
@pytest.mark.slow
def test_the_target_stops_clean_within_two_seconds(exchange: Guest) -> None:
    """Drained, in the order of an order's path, each with exit status 0, and nothing runs any more."""
    started_s = time.monotonic()
    exchange.run("systemctl", "stop", "pinion.target")
    wait_until(lambda: all(exchange.property(unit, "ActiveState") == "inactive" for unit in PROCESSES), what="all stopped")
    elapsed_s = time.monotonic() - started_s
    for unit in PROCESSES:
        assert exchange.property(unit, "Result") == "success", exchange.log(unit)
        assert exchange.property(unit, "ExecMainStatus") == "0"
    ended = [int(exchange.property(unit, "ExecMainExitTimestampMonotonic")) for unit in PROCESSES]
    assert ended == sorted(ended), "gateway, riskd, matcher, persister"
    # Programs that share their cores with others get so much less done in the time.
    crowd = max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))
    assert elapsed_s < 2 * crowd, f"took {elapsed_s:.2f} s"
