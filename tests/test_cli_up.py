"""`pinion up` as a process: ready, watched over, stopped; and what it says when it cannot be."""

import os
import signal
import socket
import subprocess
import sys
from contextlib import contextmanager

import click
import pytest
from click.testing import CliRunner

import cli.up
import exchange
from cli import toml
from cli.cluster import segments
from cli.down import pid_of
from cli.found import read_settings
from cli.supervisor import RESTART_BOUND
from runtime import control
from sources import ROOT
from waiting import wait_until

STOP_WITHIN_S = 30
"""For a machine that does other things too. What an idle one needs is measured elsewhere."""


@pytest.fixture
def file(place):
    """Settings of an exchange at this test's place."""
    path = place.root / "exchange.toml"
    folders = {"instance": place.instance, "data": str(place.data), "run": str(place.run)}
    path.touch(mode=0o600)
    path.write_text(toml.dumps(exchange.settings(**folders)))
    return path


def pinion(*words, **options):
    command = [sys.executable, "-m", "cli.main", *map(str, words)]
    return subprocess.Popen(command, cwd=ROOT, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **options)


@contextmanager
def up(file):
    """A `pinion up` that is ready, ended hard if the test has not ended it."""
    exchange.warm()
    with pinion("up", "--config", file) as process:
        try:
            assert process.stdout.readline().startswith("ready: ipc://")
            yield process
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.communicate(timeout=STOP_WITHIN_S)


def ended(process, timeout_s=STOP_WITHIN_S):
    """Its exit status and what it wrote for people."""
    _, words = process.communicate(timeout=timeout_s)
    return process.returncode, words


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_everything_in_order_and_leaves_nothing(file, place, number):
    with up(file) as process:
        assert segments(place.instance)
        process.send_signal(number)
        status, words = ended(process)
    assert status == 0, words
    stops = [line.split()[0] for line in words.splitlines() if line.endswith("exit exit status 0")]
    assert stops == ["gateway.0", "riskd", "matcher.0", "persister"], words
    assert segments(place.instance) == []
    assert not [*place.run.glob("*.control"), *place.run.glob("*.pid"), *place.run.glob("*.notify")]


def test_a_signal_that_comes_as_it_says_ready_stops_it_too(file, place, monkeypatch):
    """No moment between starting and stopping is one where ctrl-C would tear something apart."""
    exchange.warm()
    says = click.echo

    def interrupted(words, **options):
        says(words, **options)
        signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(click, "echo", interrupted)
    result = CliRunner().invoke(cli.up.up, ["--config", str(file)], standalone_mode=False)
    assert result.exception is None
    assert "ready: ipc://" in result.stdout
    assert segments(place.instance) == []


def test_down_stops_it(file):
    """From another terminal, by the pid file."""
    with up(file) as process:
        with pinion("down", "--config", file) as down:
            status, words = ended(down)
        assert status == 0, words
        assert process.wait(STOP_WITHIN_S) == 0


def test_there_is_only_one(file):
    """A second one says where the first is, and does it no harm."""
    with up(file) as first:
        with pinion("up", "--config", file) as second:
            status, words = ended(second)
        assert status == 1
        assert f"already running here, as process {first.pid}" in words


@pytest.mark.parametrize("name", ["gateway.0", "riskd", "matcher.0", "persister"])
def test_a_process_that_dies_is_started_again(file, name):
    settings = read_settings(file, None, {})
    with up(file):
        before = pid_of(settings, name)
        os.kill(before, signal.SIGKILL)
        another(settings, name, before)
        wait_until(lambda: works(settings, name), timeout_s=60, what=f"{name} works")


def works(settings, name):
    try:
        return control.ask(settings, name, "status")["state"] == "working"
    except control.NoAnswer:
        return False


def test_a_process_that_keeps_dying_ends_everything(file):
    settings = read_settings(file, None, {})
    with up(file) as process:
        gone = None
        for _ in range(RESTART_BOUND + 1):
            gone = another(settings, "riskd", gone)
            os.kill(gone, signal.SIGKILL)
        status, words = ended(process, 30)
    assert status == 1
    assert f"riskd died {RESTART_BOUND + 1} times" in words


def another(settings, name, before):
    """The process that runs as ``name`` once that is another than ``before``."""

    def found():
        pid = pid_of(settings, name)
        return None if pid == before else pid

    return wait_until(found, timeout_s=30, what=f"{name} is back")


def test_children_do_not_outlive_a_parent_that_is_killed(file):
    settings = read_settings(file, None, {})
    with up(file) as process:
        process.kill()
        process.communicate(timeout=STOP_WITHIN_S)
    wait_until(lambda: all(pid_of(settings, name) is None for name in settings.processes()), timeout_s=STOP_WITHIN_S)


def test_a_port_in_use_is_named(file):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        file.write_text(file.read_text() + f'\n[gateway]\ntcp = "tcp://127.0.0.1:{port}"\n')
        exchange.warm()
        with pinion("up", "--config", file) as process:
            status, words = ended(process, 60)
    assert status == 1
    assert "gateway.0 ended before it was ready (exit status 75)" in words
    assert f"127.0.0.1:{port}" in words


def test_without_settings_it_writes_a_sample_and_uses_it(place):
    environ = {**os.environ, "PINION_INSTANCE": place.instance, "PINION_RUN": str(place.run)}
    exchange.warm()
    with pinion("up", "--data", place.data, env=environ) as process:
        assert process.stdout.readline().startswith("ready: ")
        assert (place.data / "pinion.toml").stat().st_mode & 0o777 == 0o600
        process.send_signal(signal.SIGTERM)
        status, words = ended(process)
    assert status == 0, words
