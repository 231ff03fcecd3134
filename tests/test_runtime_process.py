"""What real processes do: start, say that they are ready, answer, stop as asked, and end with a status that says why."""

import json
import os
import signal
import socket
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from runtime.control import NoAnswer, RequestRefused, ask
from runtime.settings import load
from shm.counters import Counters
from shm.segment import unlink

pytestmark = pytest.mark.timeout(90)

SCRIPT = Path(__file__).with_name("runtime_process.py")
START_S = 60
"""Kernels may have to be compiled first."""


class Engine:
    """Processes on a data folder of their own; what they leave is removed at the end."""

    def __init__(self, folder, instance):
        self.folder, self.processes = folder, []
        self.notify = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.notify.settimeout(START_S)
        self.notify_path = str(folder / "notify")
        self.notify.bind(self.notify_path)
        self.environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PINION_")},
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            "PINION_INSTANCE": instance,
            "PINION_DATA": str(folder / "data"),
            "PINION_CONTROL_ATTACH_S": "0.2",
            "NOTIFY_SOCKET": self.notify_path,
        }

    @property
    def settings(self):
        return load(None, self.environ)

    def start(self, process, *arguments, python=(), **environ):
        """Start it and return at once."""
        started = subprocess.Popen(
            [sys.executable, *python, str(SCRIPT), process, *arguments],
            env={**self.environ, **environ},
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.processes.append(started)
        return started

    def start_ready(self, process, *arguments, **environ):
        """Start it and return when it says that it is ready."""
        started = self.start(process, *arguments, **environ)
        self.notified("READY=1")
        return started

    def notified(self, word):
        """Wait for a notification that holds ``word``; it."""
        while True:
            message = self.notify.recv(4096).decode()
            if word in message.splitlines():
                return message

    def ask(self, process, command, **arguments):
        return ask(self.settings, process, command, 10, arguments)

    def end(self):
        for process in self.processes:
            if process.poll() is None:
                process.kill()
            process.communicate()
        self.notify.close()
        for name in os.listdir("/dev/shm"):
            if name.startswith(self.environ["PINION_INSTANCE"] + "-"):
                unlink("/" + name)


@pytest.fixture
def engine(tmp_path):
    """See ``Engine``."""
    engine = Engine(tmp_path, f"t{os.getpid()}xp")
    yield engine
    engine.end()


def _ended(process, timeout_s=10):
    """Its exit status and its log."""
    _, log = process.communicate(timeout=timeout_s)
    return process.returncode, [json.loads(line) for line in log.splitlines() if line.startswith("{")]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stop_signal_ends_a_process_cleanly_within_two_seconds(engine, number):
    """READY, then the signal: STOPPING, agent closed, socket removed, status 0."""
    process = engine.start_ready("persister")
    asked = time.monotonic()
    process.send_signal(number)
    engine.notified("STOPPING=1")
    status, log = _ended(process)
    assert time.monotonic() - asked < 2
    assert status == 0
    assert [line["event"] for line in log] == ["ready", "stopped", "closed"]
    assert (log[1]["reason"], log[1]["drained"], log[1]["process"]) == (signal.Signals(number).name, True, "persister")
    assert not engine.settings.control_path("persister").exists()


def test_process_that_cannot_drain_stops_all_the_same(engine):
    """What is left is in the journal and in the rings; the manager's patience is not."""
    process = engine.start_ready("persister", "never-drained", PINION_CONTROL_DRAIN_S="0.3")
    asked = time.monotonic()
    process.terminate()
    status, log = _ended(process)
    assert status == 0
    assert 0.3 < time.monotonic() - asked < 2
    assert [line["drained"] for line in log if line["event"] == "stopped"] == [False]


def test_control_socket_answers_and_belongs_to_this_user_alone(engine):
    """Status, counters, log level, drain, the agent's own commands; folder 0700, socket 0600."""
    process = engine.start_ready("persister")
    path = engine.settings.control_path("persister")
    assert [stat.S_IMODE(item.stat().st_mode) for item in (path, path.parent)] == [0o600, 0o700]
    status = engine.ask("persister", "status")
    assert (status["process"], status["state"], status["mood"]) == ("persister", "working", "obedient")
    assert engine.ask("persister", "counters")["counters"]["heartbeat_ns"] > 0
    assert engine.ask("persister", "log-level") == {"before": "info", "level": "info"}
    assert engine.ask("persister", "log-level", level="warning") == {"before": "info", "level": "warning"}
    assert engine.ask("persister", "do", what="work") is None
    assert engine.ask("persister", "drain") == {"state": "draining"}
    assert engine.ask("persister", "status")["state"] == "draining"
    assert engine.ask("persister", "stop") == {"state": "stopping"}
    status, log = _ended(process)
    assert status == 0
    assert "stopped" not in [line["event"] for line in log]  # level warning, set live


@pytest.mark.parametrize(
    ("command", "arguments", "message"),
    [
        ("stats", {}, "unknown command 'stats': did you mean 'status'? allowed are counters, do, drain, log-level, status"),
        ("log-level", {"level": "loud"}, "log level 'loud': allowed is one of debug, info, warning, error"),
        ("do", {"what": 1}, "what = 1: allowed is one of hang"),
    ],
)
def test_bad_request_is_refused_with_what_is_allowed_and_costs_nothing(engine, command, arguments, message):
    """The process goes on."""
    engine.start_ready("persister")
    with pytest.raises(RequestRefused) as refused:
        engine.ask("persister", command, **arguments)
    assert message in str(refused.value)
    assert engine.ask("persister", "status")["state"] == "working"


def test_asking_a_process_that_is_not_there_says_so_at_once(engine):
    """Never started; killed, its socket left over; hanging."""
    with pytest.raises(NoAnswer, match=r"persister is not running: there is no control socket at .*persister.control"):
        engine.ask("persister", "status")
    process = engine.start_ready("persister")
    engine.ask("persister", "do", what="hang")
    with pytest.raises(NoAnswer, match=r"persister did not answer 'status' within 0.2 s"):
        ask(engine.settings, "persister", "status", 0.2)
    process.kill()
    process.wait()
    with pytest.raises(NoAnswer, match="persister is not running: its control socket is left over"):
        engine.ask("persister", "status")


def test_parked_process_is_woken_by_its_control_socket(engine):
    """Ten times faster than the bound of its sleep, which would otherwise be the time of an answer."""
    engine.start_ready("persister", PINION_PERSISTER_IDLE="park")
    times = []
    for _ in range(21):
        asked = time.monotonic()
        engine.ask("persister", "status")
        times.append(time.monotonic() - asked)
    assert sorted(times)[10] < 0.025


def test_watchdog_is_fed_while_working_and_not_while_hanging(engine):
    """The manager is told three times a period; a hang tells it nothing."""
    process = engine.start_ready("persister", WATCHDOG_USEC="300000")
    for _ in range(3):
        engine.notified("WATCHDOG=1")
    engine.ask("persister", "do", what="hang")
    engine.notify.settimeout(0.4)
    with pytest.raises(TimeoutError):  # one or two were on their way
        engine.notified("never sent")
    process.stdin.write("x")
    process.stdin.flush()
    engine.notify.settimeout(START_S)
    engine.notified("WATCHDOG=1")


def test_notifications_go_to_an_abstract_socket_too(engine):
    """As managers in containers pass it: @name."""
    name = f"pinion-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abstract:
        abstract.bind("\0" + name)
        abstract.settimeout(START_S)
        engine.start("persister", NOTIFY_SOCKET="@" + name)
        assert abstract.recv(4096) == b"STATUS=persister is starting"
        assert abstract.recv(4096).startswith(b"READY=1\n")


def test_second_of_one_process_is_refused_and_told_who_is_first(engine):
    """Status 75; the first goes on, its control socket untouched."""
    first = engine.start_ready("persister")
    status, log = _ended(engine.start("persister"), START_S)
    assert status == 75
    assert f"is written by process {first.pid}" in log[-1]["event"]
    assert engine.ask("persister", "status")["state"] == "working"


@pytest.mark.parametrize(("order", "status", "text"), [("fault", 74, "the disk has left"), ("bug", 70, "a bug")])
def test_fault_and_bug_each_have_their_status(engine, order, status, text):
    """A fault is one sentence; a bug leaves its traceback in the log. Neither closes the agent: it is as if killed."""
    process = engine.start_ready("persister")
    engine.ask("persister", "do", what=order)
    ended, log = _ended(process)
    assert ended == status
    assert log[-1]["event"].startswith(text)
    assert ("exception" in log[-1]) == (order == "bug")
    assert "closed" not in [line["event"] for line in log]
    errors = Counters.attach(f"/{engine.environ['PINION_INSTANCE']}-counters.persister").errors()
    assert [error["count"] for error in errors] == [1]


def test_process_without_the_persister_says_what_it_waited_for(engine):
    """Status 69 after the bound of the settings."""
    status, log = _ended(engine.start("riskd"), START_S)
    assert status == 69
    assert log[-1]["event"].startswith("waited 0.2 s in vain for") and "/epoch" in log[-1]["event"]


def test_process_that_is_still_waiting_for_a_neighbour_can_be_stopped(engine):
    """It has nothing to drain."""
    process = engine.start("riskd", PINION_CONTROL_ATTACH_S="80")
    engine.notified("STATUS=riskd is starting")
    process.terminate()
    status, log = _ended(process)
    assert (status, log[-1]["event"]) == (0, "stopped while starting")


def test_bad_settings_end_with_status_2_and_every_problem(engine):
    """Before anything else has happened."""
    status, log = _ended(engine.start("persister", PINION_MATCHERS="0", PINION_DURABILITY="x"), START_S)
    assert status == 2
    assert [line["event"].partition(" = ")[0] for line in log] == [
        "matchers (from PINION_MATCHERS)",
        "durability (from PINION_DURABILITY)",
    ]
    status, log = _ended(engine.start("matcher.7"), START_S)
    assert status == 2
    assert "'matcher.7': allowed is one of persister, matcher.0, riskd, gateway.0" in log[0]["event"]


def test_optimised_python_is_refused(engine):
    """Assertions are part of the program."""
    status, log = _ended(engine.start("persister", python=["-O"]), START_S)
    assert status == 2
    assert "does not run under python -O" in log[0]["event"]


def test_four_idle_processes_cost_next_to_nothing(engine):
    """With `auto`: under 3% of one core and under 500 MB together."""
    names = ("persister", "matcher.0", "riskd", "gateway.0")
    processes = [engine.start_ready(name, WATCHDOG_USEC="600000") for name in names]
    _fed(engine, 20)
    began, used = time.monotonic(), sum(map(_cpu_s, processes))
    _fed(engine, 60)
    share = (sum(map(_cpu_s, processes)) - used) / (time.monotonic() - began)
    print(f"{share:.2%} of a core, {sum(map(_pss_bytes, processes)) / 1e6:.0f} MB")
    assert share < 0.03
    assert sum(map(_pss_bytes, processes)) < 500e6


def _fed(engine, times):
    """Wait for so many words to the watchdog: each process says one every 0.2 s."""
    for _ in range(times):
        engine.notified("WATCHDOG=1")


def _cpu_s(process):
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _pss_bytes(process):
    lines = Path(f"/proc/{process.pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
