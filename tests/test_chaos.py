"""`pinion chaos`: real processes, killed, stopped and starved while clients trade; and that it can fail."""

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli import chaos_audit
from cli.chaos import chaos
from cli.chaos_plan import DATABASE, FULL, KILL, POWER, STOP, Shape, strikes_of
from cli.cluster import SHARED_MEMORY
from runtime.settings import Settings, load
from sources import ROOT
from waiting import wait_until


def settings(**others: str) -> Settings:
    """The defaults."""
    return load(None, {f"PINION_{name.upper()}": value for name, value in others.items()})


def run(*words: object) -> tuple[int, dict[str, Any], str]:
    """Exit status, what was told as JSON, and stderr."""
    done = CliRunner().invoke(chaos, [*map(str, words), "--json"])
    return done.exit_code, json.loads(done.stdout), done.stderr


def leftovers_of(pid: int) -> list[Path]:
    """Folders and shared memory of exchanges that a process started."""
    return [*Path(tempfile.gettempdir()).glob(f"pinion-{pid}-*"), *SHARED_MEMORY.glob(f"pinion-{pid}-*")]


@pytest.mark.parametrize("seed", [6, pytest.param(1, marks=pytest.mark.slow)], ids=["one shard", "two shards"])
def test_two_rounds_violate_nothing_and_leave_nothing(seed: int) -> None:
    """Counted as JSON, with the strikes said on stderr."""
    status, told, words = run("--seed", seed, "--rounds", 2, "--orders", 400)
    assert status == 0, words
    assert told["rounds"] == 2
    assert told["audits"] == 1
    assert told["violations"] == 0
    assert told["orders"] >= 800
    assert told["executions"] > 0
    assert told["kills"] + told["stops"] + told["full_disks"] > 0
    assert "round 2: " in words
    assert leftovers_of(os.getpid()) == []


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_twenty_rounds_violate_nothing() -> None:
    """Of the shape that most exchanges have."""
    status, told, words = run("--seed", 1, "--rounds", 20)
    assert status == 0, words
    assert (told["rounds"], told["audits"], told["violations"]) == (20, 2, 0)
    assert told["kills"] + told["stops"] > 20


@pytest.mark.slow
def test_a_violation_ends_it_with_1_and_keeps_the_data(monkeypatch: pytest.MonkeyPatch) -> None:
    """The folder is named, and holds journal, logs and what was in shared memory."""
    monkeypatch.setattr(chaos_audit, "violations", lambda books: ["reports: planted"])
    status, told, words = run("--seed", 6, "--rounds", 3, "--orders", 200, "--audit-every", 1)
    assert (status, told["rounds"], told["violations"], told["violated"]) == (1, 1, 1, ["reports: planted"])
    folder = Path(told["data"])
    assert str(folder) in words
    assert "reports: planted" in words
    try:
        assert list(folder.glob("data/journal/events.0/*.journal"))
        assert (folder / "riskd.log").read_text()
        assert list((folder / "shm").glob("*-events.0"))
    finally:
        shutil.rmtree(folder)
    assert leftovers_of(os.getpid()) == []


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_broken_off_it_leaves_nothing(number: int) -> None:
    """In the middle of a round, whoever may just be stopped or dead."""
    command = [sys.executable, "-m", "cli.main", "chaos", "--seed", "6", "--rounds", "1000"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        wait_until(lambda: list(Path(tempfile.gettempdir()).glob(f"pinion-{process.pid}-*/data/journal/events.0/*")), 180)
        process.send_signal(number)
        _, words = process.communicate(timeout=60)
    assert process.returncode in (1, 128 + number, -number), words
    assert leftovers_of(process.pid) == []


# What is drawn


def test_the_same_seed_draws_the_same_strikes() -> None:
    for number in range(1, 50):
        assert strikes_of(7, number, settings(), 1000) == strikes_of(7, number, settings(), 1000)
    assert strikes_of(7, 1, settings(), 1000) != strikes_of(8, 1, settings(), 1000)


def test_everything_befalls_everybody() -> None:
    """In a few hundred rounds: every kind, every process alone, several at once, all at once; later strikes in a recovery."""
    strikes = [strike for number in range(400) for strike in strikes_of(3, number, settings(matchers="2"), 1000)]
    assert {strike.what for strike in strikes} == {KILL, STOP, FULL, POWER}
    everybody = {"gateway.0", "riskd", "matcher.0", "matcher.1", "persister", DATABASE}
    killed = [set(strike.victims) for strike in strikes if strike.what == KILL]
    assert {next(iter(victims)) for victims in killed if len(victims) == 1} == everybody
    assert {len(victims) for victims in killed} == set(range(1, len(everybody) + 1))
    assert sum(strike.after_commands == 0 for strike in strikes) > 100
    assert all(str(strike.lasts_us) in str(strike) for strike in strikes)


def test_power_is_only_lost_where_that_may_lose_nothing() -> None:
    drawn = [strike.what for number in range(400) for strike in strikes_of(3, number, settings(durability="memory"), 1000)]
    assert POWER not in drawn
    assert FULL in drawn


def test_seeds_stand_for_different_exchanges() -> None:
    shapes = [Shape.of(seed) for seed in range(30)]
    assert {shape.matchers for shape in shapes} == {1, 2}
    assert {shape.durability for shape in shapes} == {"disk", "memory"}
    assert {bool(shape.rings) for shape in shapes} == {True, False}
