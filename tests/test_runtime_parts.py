"""The small parts of the runtime: epoch, kernel cache, log, placement, notifications, requests."""

import io
import json
import os
import shutil
import socket
import subprocess
import sys

import numpy as np
import pytest
import structlog

from runtime import kernels, logs, placement
from runtime.control import parse_request
from runtime.epoch import make_epoch, read_epoch
from runtime.faults import EnvironmentFault, FaultStatus, StopRequested
from runtime.lifecycle import guard
from runtime.notify import Notifier
from runtime.settings import SettingsError, load

pytestmark = pytest.mark.timeout(60)


# ---------------------------------------------------------------------------------------------- epoch


def test_epoch_is_made_once_and_kept(tmp_path):
    """Whoever comes second finds the first one's; the folder is its owner's alone."""
    data = tmp_path / "a" / "data"
    assert read_epoch(data) is None
    epoch = make_epoch(data)
    assert 0 < epoch < 2**63
    assert make_epoch(data) == read_epoch(data) == epoch
    assert [path.name for path in data.iterdir()] == ["epoch"]
    assert data.stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize("text", ["", "xyz", "12", "0" * 16, "1" * 17, "é"])
def test_damaged_epoch_stops_the_start(tmp_path, text):
    """Another id would disown everything in shared memory: say so instead of making one."""
    (tmp_path / "epoch").write_text(text)
    with pytest.raises(EnvironmentFault, match="epoch is damaged: it should hold 16 hex digits") as damaged:
        make_epoch(tmp_path)
    assert damaged.value.status == FaultStatus.DAMAGED


def test_data_folder_that_cannot_be_made_is_a_fault(tmp_path):
    """A file is in its place."""
    (tmp_path / "data").write_text("")
    with pytest.raises(EnvironmentFault) as fault:
        make_epoch(tmp_path / "data" / "deeper")
    assert fault.value.status in (FaultStatus.CANNOT_CREATE, FaultStatus.NOT_PERMITTED)


# ---------------------------------------------------------------------------------------------- kernels


@pytest.fixture
def tree(tmp_path):
    """A small copy of the rooms that hold kernels."""
    for room in kernels.ROOMS:
        (tmp_path / room).mkdir()
        (tmp_path / room / "kernel.py").write_text("from shm.inner import inner\nfrom shm import sizes\n")
    (tmp_path / "shm" / "inner.py").write_text("from numba import njit\n")
    (tmp_path / "shm" / "sizes.py").write_text("from shm.deeper import SIZE\n")
    (tmp_path / "shm" / "deeper.py").write_text("SIZE = 1\n")
    (tmp_path / "shm" / "cold.py").write_text("NAME = 1\n")
    return tmp_path


SEEN_BY_KERNELS = [*(f"{room}/kernel.py" for room in kernels.ROOMS), "shm/inner.py", "shm/sizes.py", "shm/deeper.py"]


@pytest.mark.parametrize("path", SEEN_BY_KERNELS)
def test_fingerprint_changes_with_any_kernel_source(tree, path):
    """An edit in a called file, or in a constant that is imported by way of another, would otherwise go unnoticed by Numba."""
    before = kernels.fingerprint(tree)
    assert kernels.fingerprint(tree) == before
    (tree / path).write_text((tree / path).read_text() + "SIZE = 2\n")
    assert kernels.fingerprint(tree) != before


def test_fingerprint_changes_with_the_place(tree, tmp_path_factory):
    """Numba files what it compiled by the source's path: a second installation must not believe the first one's marks."""
    copy = shutil.copytree(tree, tmp_path_factory.mktemp("another") / "copy")
    assert kernels.fingerprint(copy) != kernels.fingerprint(tree)


def test_fingerprint_stays_when_no_kernel_can_see_the_edit(tree):
    """Another text in a file that no kernel imports costs nobody a compilation."""
    before = kernels.fingerprint(tree)
    (tree / "shm" / "cold.py").write_text("NAME = 2\n")
    assert kernels.fingerprint(tree) == before


def test_fingerprint_changes_with_compiler_and_processor(tree, monkeypatch):
    """Machine code of one is not the other's."""
    before = kernels.fingerprint(tree)
    monkeypatch.setattr(kernels, "processor", lambda: "another")
    elsewhere = kernels.fingerprint(tree)
    monkeypatch.setattr(kernels, "version", lambda _: "9.9")
    assert len({before, elsewhere, kernels.fingerprint(tree)}) == 3


def _cache_of(environ):
    """What ``use_cache`` chooses in a fresh interpreter, and whether that interpreter has imported Numba by then."""
    code = "import sys; from runtime.kernels import use_cache; print(use_cache(), 'numba' in sys.modules)"
    environ = {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path), **environ}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True)
    return done.stdout.split() if done.returncode == 0 else done.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"PINION_CACHE_DIR": "T/own", "HOME": "T/home"}, "T/own/kernels-"),
        ({"CACHE_DIRECTORY": "T/service", "HOME": "T/home"}, "T/service/kernels-"),
        ({"XDG_CACHE_HOME": "T/xdg", "HOME": "T/home"}, "T/xdg/pinion/kernels-"),
        ({"HOME": "T/home"}, "T/home/.cache/pinion/kernels-"),
        ({"HOME": "/proc/nowhere", "TMPDIR": "T"}, f"T/pinion-{os.getuid()}/kernels-"),
        ({"NUMBA_CACHE_DIR": "T/users", "HOME": "T/home"}, "T/users"),
    ],
)
def test_cache_folder_is_the_first_that_can_be_written(tmp_path, environ, expected):
    """The user's word, the service manager's, the user's cache, the temporary folder; Numba not imported on the way."""
    environ = {key: value.replace("T", str(tmp_path), 1) if value[0] == "T" else value for key, value in environ.items()}
    folder, imported = _cache_of(environ)
    assert folder.startswith(expected.replace("T", str(tmp_path), 1))
    assert imported == "False"


def test_cache_folder_that_cannot_be_written_is_told_with_the_way_out():
    """A service user without a home."""
    message = _cache_of({"PINION_CACHE_DIR": "/proc/nowhere"})
    assert "no folder for compiled kernels can be written: /proc/nowhere (" in message
    assert message.endswith("set PINION_CACHE_DIR to one that can")


def test_cache_folder_of_somebody_else_is_refused(tmp_path):
    """Who may write there could run code as this user."""
    tmp_path.chmod(0o777)
    assert kernels.why_not_writable(tmp_path) == "others may write to it"
    tmp_path.chmod(0o700)
    assert kernels.why_not_writable(tmp_path) == ""
    if os.getuid() == 0:
        os.chown(tmp_path, 12345, -1)
        assert kernels.why_not_writable(tmp_path) == "belongs to user 12345"


# ---------------------------------------------------------------------------------------------- log


@pytest.fixture
def log():
    """A log into memory; the level is as before afterwards."""
    before, stream = logs.level(), io.StringIO()
    yield stream
    logs.set_level(before)
    structlog.reset_defaults()


def test_log_for_machines_is_one_json_object_a_line_with_what_is_bound(log):
    """Process, account and order; an exception as a structure."""
    logs.configure("auto", "info", log)
    logger = structlog.get_logger().bind(process="riskd")
    with logs.bound(account="alice", order=7):
        logger.info("cancelled", reason="client")
    try:
        raise ValueError("x")
    except ValueError:
        logger.exception("went wrong")
    first, second = (json.loads(line) for line in log.getvalue().splitlines())
    assert {key: first[key] for key in first if key != "time"} == {
        "process": "riskd", "account": "alice", "order": 7, "event": "cancelled", "reason": "client", "level": "info"
    }  # fmt: skip
    assert first["time"].endswith("Z")
    assert second["exception"][0]["exc_type"] == "ValueError"
    assert "account" not in second


def test_a_fault_about_one_order_is_logged_with_its_ids(log):
    """As fields of their own: the sentence alone is not found by a search for the order."""
    logs.configure("json", "info", log)

    def fail():
        raise EnvironmentFault("no such order", FaultStatus.DAMAGED, order_id=7, account=1)

    assert guard("riskd", fail) == 72
    line = json.loads(log.getvalue())
    assert (line["event"], line["order_id"], line["account"], line["fault"]) == ("no such order", 7, 1, "damaged")


def test_log_for_people_is_readable(log):
    """The event and what is bound, no JSON."""
    logs.configure("console", "info", log)
    structlog.get_logger().warning("disk is slow", wait_ms=12)
    assert "disk is slow" in log.getvalue()
    assert "wait_ms" in log.getvalue()
    assert not log.getvalue().startswith("{")


def test_level_changes_live_for_loggers_that_exist(log):
    """That is what the control request is for."""
    logs.configure("json", "warning", log)
    logger = structlog.get_logger()
    logger.info("unheard")
    logs.set_level("debug")
    logger.debug("heard")
    assert [json.loads(line)["event"] for line in log.getvalue().splitlines()] == ["heard"]
    with pytest.raises(ValueError, match="log level 'loud': allowed is one of debug, info, warning, error"):
        logs.set_level("loud")
    assert logs.level() == "debug"


# ---------------------------------------------------------------------------------------------- placement


class Recorder:
    """A logger that keeps its warnings."""

    def __init__(self):
        self.warnings = []

    def warning(self, text):
        self.warnings.append(text)


def _placed(code, *privileges):
    """Run ``code`` in a process of its own, with all capabilities dropped if there are any to drop; what it prints."""
    environ = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    done = subprocess.run([*privileges, sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_process_is_pinned_as_the_settings_say():
    """Including the threads that it starts later."""
    core = max(os.sched_getaffinity(0))
    code = (
        "import os\nfrom runtime import placement\nfrom runtime.settings import load\n"
        f"placement.apply(load(None, {{'PINION_RISKD_CORES': '{core}', 'HOME': '/'}}), 'riskd', None)\n"
        "print(sorted(os.sched_getaffinity(0)))"
    )
    assert _placed(code) == f"[{core}]"


def test_core_that_the_system_withholds_is_a_fault_that_names_those_it_gives(monkeypatch):
    """A container may see eight and be given two."""

    def refuse(*_):
        raise OSError(22, "Invalid argument")

    monkeypatch.setattr(os, "sched_setaffinity", refuse)
    with pytest.raises(EnvironmentFault, match=r"cores = \[7\]: .*; it may use 0") as fault:
        placement.pin((7,))
    assert fault.value.status == FaultStatus.NOT_PERMITTED


def test_privileges_that_are_lacking_are_a_warning_and_the_process_runs():
    """Real-time scheduling and locked memory, as an ordinary user."""
    code = (
        "from runtime.placement import lock_memory, schedule_fifo\nimport resource\n"
        "resource.setrlimit(resource.RLIMIT_MEMLOCK, (0, 0))\nprint(schedule_fifo(50)); print(lock_memory())"
    )
    drop = ["setpriv", "--bounding-set", "-all", "--inh-caps", "-all"] if os.getuid() == 0 else []
    if drop and shutil.which("setpriv") is None:
        pytest.skip("root without setpriv cannot give up its privileges")
    fifo, memory = _placed(code, *drop).splitlines()
    assert fifo.startswith('scheduler = "fifo" with priority 50 is not permitted (Operation not permitted)')
    assert memory.startswith("memory_lock is not permitted (")


def test_warning_of_placement_reaches_the_log(monkeypatch):
    """One line each."""
    monkeypatch.setattr(placement, "schedule_fifo", lambda priority: f"no fifo {priority}")
    monkeypatch.setattr(placement, "lock_memory", lambda: "")
    settings = load(None, {"PINION_RISKD_SCHEDULER": "fifo", "PINION_RISKD_MEMORY_LOCK": "true", "HOME": "/"})
    logger = Recorder()
    placement.apply(settings, "riskd", logger)
    assert logger.warnings == ["no fifo 50"]


def test_huge_pages_are_asked_for_whole_pages_only():
    """A record that begins in the middle of a page is advised from the next one on; a tiny one not at all."""
    memory = np.zeros(4 << 20, np.uint8)
    assert placement.advise_huge_pages(memory.ctypes.data + 64, memory.size - 64) in ("", _no_huge_pages())
    assert placement.advise_huge_pages(memory.ctypes.data + 64, 100) == ""


def _no_huge_pages():
    return "huge pages are not to be had (Invalid argument): running on small ones"


# ---------------------------------------------------------------------------------------------- notifications


def test_watchdog_is_told_three_times_a_period(tmp_path):
    """By the clock that the runner reads anyway."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(str(tmp_path / "notify"))
        manager.setblocking(False)
        notifier = Notifier(str(tmp_path / "notify"), watchdog_us=3000)
        for now_ns in range(1, 3_000_001, 100_000):
            notifier.watchdog(now_ns)
        told = [manager.recv(100) for _ in range(3)]
        assert told == [b"WATCHDOG=1"] * 3
        with pytest.raises(BlockingIOError):
            manager.recv(100)
        notifier.close()


@pytest.mark.parametrize(
    "environ",
    [{}, {"NOTIFY_SOCKET": "/nowhere/notify"}, {"NOTIFY_SOCKET": "/nowhere", "WATCHDOG_USEC": "1", "WATCHDOG_PID": "1"}],
)
def test_no_manager_no_fuss(environ):
    """Neither its absence nor a period meant for another process does anything."""
    notifier = Notifier.from_environment(environ)
    notifier.send("READY=1")
    notifier.watchdog(1)
    notifier.close()
    notifier.send("READY=1")


# ---------------------------------------------------------------------------------------------- requests, endings


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (b"", "the request is not JSON"),
        (b"\xff\xfe", "the request is not JSON"),
        (b"[]", 'the request names no command; allowed is a JSON object {"command": "...", "arguments": {...}}'),
        (b'{"command": 1}', "the request names no command"),
        (b'{"command": "status", "arguments": []}', "the request's arguments are not an object"),
        (b"x" * 70000, "the request has 70000 bytes; allowed are 65536"),
    ],
)
def test_malformed_request_is_told_what_a_request_looks_like(request_, message):
    """Whatever arrives on the socket, the answer is a sentence."""
    with pytest.raises(ValueError) as refused:
        parse_request(request_)
    assert message in str(refused.value)


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (None, 0),
        (StopRequested(), 0),
        (SettingsError(["a", "b"]), 2),
        (EnvironmentFault("no"), 71),
        (EnvironmentFault("no", FaultStatus.BUSY), 75),
        (AssertionError("bug"), 70),
        (ZeroDivisionError(), 70),
    ],
)
def test_every_way_to_end_has_its_status(log, error, status):
    """And one line of log a problem."""
    logs.configure("json", "info", log)

    def work():
        if error is not None:
            raise error

    assert guard("riskd", work) == status
    lines = log.getvalue().splitlines()
    assert len(lines) == (0 if error is None else len(getattr(error, "problems", [1])))
    assert all(json.loads(line)["process"] == "riskd" for line in lines)


def test_statuses_are_different_and_within_sysexits():
    """64 to 78, none of them 70, which is a bug."""
    values = [int(status) for status in FaultStatus]
    assert len(values) == len(set(values))
    assert all(69 <= value <= 78 and value != 70 for value in values)
