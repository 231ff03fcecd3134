"""The benchmarks of riskd do what they say: the same orders, events and commands in every run, and a flow of its kind."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

from bench import moves, risk
from bench.matcher import CANCEL, FLOW, IOC, MOVE, NEW
from cli.bench import bench
from riskd_stream import check_sums
from shm.records import EventKind

COUNT = 3_000


@pytest.fixture(scope="module")
def circuit() -> risk.Circuit:
    """Orders of a thousand accounts, run once."""
    return risk.Circuit(moves.generate(COUNT, 1), 1_000, risk.private_ring)


def commands_of(circuit: risk.Circuit) -> np.ndarray:
    """Every byte but the time of those that riskd made."""
    first = len(circuit.definitions.commands)
    found = circuit.rings.commands[0].record["slots"][first + 1 : circuit.last_command + 1].copy()
    found["time_ns"] = 0
    return found


def test_the_flow_is_of_its_kind() -> None:
    """Mostly orders that change their price, over about a thousand at rest; the same for the same seed."""
    flow = moves.generate(20_000, 7)
    assert flow.tobytes() == moves.generate(20_000, 7).tobytes()
    later = flow["kind"][5_000:]
    shares = {kind: np.count_nonzero(later == kind) / len(later) for kind in (MOVE, NEW, IOC, CANCEL)}
    for kind, wanted in ((MOVE, 0.82), (NEW, 0.09), (IOC, 0.03), (CANCEL, 0.06)):
        assert abs(shares[kind] - wanted) < 0.03, shares
    new = flow["id"][(flow["kind"] == NEW) | (flow["kind"] == IOC)]
    assert new.tolist() == list(range(1, len(new) + 1))


def test_every_run_is_the_first_run_again(circuit: risk.Circuit) -> None:
    """Command for command; riskd has read all events then, and its books are right. Hardly anything is refused."""
    first, state = commands_of(circuit), None
    for _ in range(2):
        circuit.rings.commands[0].record["slots"]["order_id"] = -1
        assert circuit.seconds() > 0
        assert commands_of(circuit).tobytes() == first.tobytes()
        check_sums(circuit.risks[0])
        header = circuit.risks[0]["positions"].tobytes()
        assert state in (None, header)
        state = header
    assert circuit.refused() < COUNT // 20
    assert len(np.unique(first["account"])) > 500


def test_riskd_reads_the_events_of_its_orders(circuit: risk.Circuit) -> None:
    """All kinds that such a flow makes, in portions between its orders, not all at the end."""
    events = circuit._told()
    kinds = {EventKind(int(kind)) for kind in np.unique(events["kind"])}
    assert kinds >= {EventKind.ACCEPTED, EventKind.TRADE, EventKind.CANCELLED, EventKind.REPLACED}
    assert len(circuit.marks) > COUNT // 1024
    assert circuit.marks[len(circuit.marks) // 2] < circuit.marks[-1]


@pytest.mark.parametrize("word", ["risk", "pipeline"])
def test_a_file_that_is_no_flow_is_refused(tmp_path, word: str) -> None:
    """With what it is held against."""
    path = tmp_path / "flow"
    path.write_bytes(b"x" * 33)
    found = CliRunner().invoke(bench, [word, "--flow", str(path)])
    assert found.exit_code == 2
    assert "33 bytes are no multiple of 32" in found.output


def test_a_flow_of_another_program_is_taken(tmp_path) -> None:
    """Its first orders, as many as are asked for."""
    path = tmp_path / "flow"
    flow = np.array([(NEW, k % 2, k, 100 + k % 3, 5) for k in range(1, 401)], FLOW)
    flow.tofile(path)
    found = CliRunner().invoke(bench, ["risk", "--flow", str(path), "--orders", "300", "--tiny", "--json"])
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert (told["orders"], told["refused"]) == (300, 0)
    assert told["added_ns"].keys() == {"1000", "1000000"}
