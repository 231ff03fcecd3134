"""What all tests share: a place of their own, a seed that is told, and a look at what was left behind."""

import itertools
import os
import secrets
import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import leftovers
from engine_place import Place
from runtime import kernels
from waiting import wait_until

SEED_VARIABLE = "PINION_TEST_SEED"
DEFAULT_SEED = 1
# Taken out of the environment: an engine that a test starts would warn of a variable that sets nothing.
_CHOSEN_SEED = os.environ.pop(SEED_VARIABLE, str(DEFAULT_SEED))
SEED = secrets.randbits(32) if _CHOSEN_SEED == "random" else int(_CHOSEN_SEED)
_numbers = itertools.count(1)


def pytest_configure() -> None:
    """Before any test module is imported, and so before Numba is: its cache must know of every edit to a kernel."""
    leftovers.mark()
    kernels.use_cache()


def pytest_report_header() -> str:
    """The first lines of every run say how to have the same again."""
    return f"seed: {SEED} ({SEED_VARIABLE}=NUMBER has it again, {SEED_VARIABLE}=random draws one)"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Iterator[None]:
    """A failure of a test that uses the seed is reported with it; one beside a running exchange with the end of its logs."""
    report = yield
    if report.failed and "seed" in getattr(item, "fixturenames", ()):
        report.sections.append(("seed", f"{SEED_VARIABLE}={SEED}"))
    if report.failed and (exchange := sys.modules.get("exchange")):
        report.sections += exchange.told_by_logs()
    return report


@pytest.fixture
def seed() -> int:
    """The seed of the test's random choices: the same in every run unless the environment says otherwise."""
    return SEED


@pytest.fixture
def instance() -> Iterator[str]:
    """A name for one engine that no other test has; its shared memory is gone afterwards."""
    name = f"t{os.getpid()}x{next(_numbers)}"
    yield name
    leftovers.remove_segments({each for each in leftovers.segments() if each.startswith(name + "-")})


@pytest.fixture
def place(instance: str) -> Iterator[Place]:
    """Folders and a name for one engine; gone afterwards, with its shared memory."""
    root = Path(tempfile.mkdtemp(prefix="pinion-", dir="/tmp"))
    made = Place(instance, root)
    made.data.mkdir()
    made.run.mkdir()
    yield made
    shutil.rmtree(root)


@pytest.fixture(autouse=True)
def nothing_is_left_behind() -> Iterator[None]:
    """Every test ends what it started: a process or a piece of shared memory that outlives it fails it."""
    segments, processes = leftovers.segments(), leftovers.processes()
    yield
    try:
        wait_until(lambda: leftovers.processes().keys() <= processes.keys(), timeout_s=3, what="all processes ended")
    except AssertionError:  # pytest.fail below says which
        left = {pid: line for pid, line in leftovers.processes().items() if pid not in processes}
        leftovers.kill(left)
        pytest.fail(f"processes left behind: {left}")
    left_segments = leftovers.segments() - segments
    leftovers.remove_segments(left_segments)
    assert not left_segments, f"shared memory left behind: {sorted(left_segments)}"


@pytest.fixture
def scene() -> Any:
    """A scene of a few orders (``matching_scenes.Scene``); the matcher is loaded for those who want one."""
    from matching_scenes import Scene

    return Scene()
