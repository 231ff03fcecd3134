"""Which room may import which: ``cli → gateway, riskd, matcher, persister → runtime → shm``, and ``gateway → pinion``."""

import graphlib
import sys

import pytest

from sources import PROCESSES, ROOMS, Import, imports, sources

OF_A_PROCESS = {"runtime", "shm"}
ROOMS_OF = {
    "shm": set(),
    "runtime": {"shm"},
    "pinion": set(),
    "gateway": OF_A_PROCESS | {"pinion"},
    "riskd": OF_A_PROCESS,
    "matcher": OF_A_PROCESS,
    "persister": OF_A_PROCESS,
    "cli": OF_A_PROCESS | {"pinion", "bench", *PROCESSES},
    "bench": OF_A_PROCESS | {"pinion", "cli", *PROCESSES},
}
"""The rooms that each room may import, besides itself."""

KERNELS = {"numpy", "numba"}
PACKAGES_OF = {
    "shm": KERNELS | {"llvmlite", "posix_ipc"},
    "runtime": KERNELS | {"llvmlite", "structlog", "zmq"},
    "pinion": {"numpy", "zmq"},
    "gateway": KERNELS | {"llvmlite", "zmq"},
    "riskd": KERNELS,
    "matcher": KERNELS,
    "persister": KERNELS | {"alembic", "psycopg2", "sqlalchemy"},
    "cli": {"click", "numpy", "pyarrow", "rich", "sqlalchemy"},
    "bench": KERNELS | {"matplotlib", "psycopg2", "rich", "sqlalchemy", "zmq"},
}
"""The packages from outside that each room may import, besides the standard library."""


def imports_of(room: str) -> list[Import]:
    """All imports of a room."""
    return [found for source in sources(room) for found in imports(source)]


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_rooms_below_it(room: str) -> None:
    """An arrow that runs the wrong way is named: file, line and both ends."""
    allowed = ROOMS_OF[room] | {room}
    wrong = [str(found) for found in imports_of(room) if found.top in {*ROOMS, "tests"} - allowed]
    assert not wrong, f"{room} may import {', '.join(sorted(allowed - {room})) or 'no other room'}; not:\n" + "\n".join(wrong)


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_imports_only_the_packages_it_needs(room: str) -> None:
    """A client needs pyzmq and numpy alone, the matcher numpy and numba alone; a new dependency must be meant."""
    known = set(sys.stdlib_module_names) | {*ROOMS, "tests"} | PACKAGES_OF[room]
    wrong = [str(found) for found in imports_of(room) if found.top not in known and not found.module.startswith(".")]
    assert not wrong, f"{room} may import {', '.join(sorted(PACKAGES_OF[room]))}; not:\n" + "\n".join(wrong)


def test_only_the_benchmark_command_loads_the_benchmarks() -> None:
    """``cli`` reaches ``bench`` from inside a function: no other command pays for it, and a wheel could do without."""
    wrong = [str(found) for found in imports_of("cli") if found.top == "bench" and found.at_load]
    assert not wrong, "\n".join(wrong)


def test_imports_are_flat() -> None:
    """``from shm.ring import Ring``: no import is relative, so that every line says where it reaches."""
    wrong = [str(found) for found in (f for room in ROOMS for f in imports_of(room)) if found.module.startswith(".")]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("room", ROOMS)
def test_no_module_imports_itself_in_a_circle(room: str) -> None:
    """Within a room the modules have an order too."""
    graph: dict[str, set[str]] = {}
    for found in imports_of(room):
        if found.top == room and found.at_load and found.module != found.by.module:
            graph.setdefault(found.by.module, set()).add(found.module)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        pytest.fail(" → ".join(reversed(error.args[1])))
