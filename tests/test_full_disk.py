"""A whole exchange whose disk is full: trading stops with a word to clients and operators, and goes on by itself."""

import json
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from click.testing import CliRunner

from cli.cluster import Cluster
from cli.status import status
from exchange import answer, connect, running
from pinion import Refused
from pinion.client import Client
from pinion.reasons import Reason
from pinion.report import Report
from shm.journal import Stream, stream_folder
from waiting import wait_until

pytestmark = pytest.mark.slow
FULL_AT_BYTES = 1 << 16


@contextmanager
def full(cluster: Cluster) -> Iterator[None]:
    """Inside, the persister can write nothing beyond the first 64 KiB of a file: its journal, that is, and not its log."""
    pid = cluster.children["persister"].pid
    before = resource.prlimit(pid, resource.RLIMIT_FSIZE)
    resource.prlimit(pid, resource.RLIMIT_FSIZE, (FULL_AT_BYTES, before[1]))
    try:
        yield
    finally:
        resource.prlimit(pid, resource.RLIMIT_FSIZE, before)


def state(cluster: Cluster) -> dict[str, object]:
    """The persister, as `pinion status` shows it."""
    shown = CliRunner().invoke(status, ["--json", "--config", str(cluster.settings.path)])
    found = json.loads(shown.stdout)["processes"]
    (persister,) = [each for each in found if each["process"] == "persister"]
    return {**persister, "exit_code": shown.exit_code}


def reports_of(client: Client, request: int) -> list[Report]:
    """What is heard of one request within a second, until its last report."""
    found = []
    for report in client.reports(timeout=1):
        if report.request_id == request:
            found.append(report)
            if report.last:
                break
    return found


@pytest.mark.parametrize("durability", ["disk", "memory"])
def test_a_full_disk_stops_trading_until_there_is_room(durability: str) -> None:
    """No process ends, nothing told is lost, and what was on its way is told when it can be."""
    with running(durability=durability, snapshots={"every_s": 0, "at_stop": False}) as cluster, connect(cluster) as alice:
        for _ in range(600):
            answer(alice, alice.submit("ACME", "sell", 1, "100.00"))
        last = {name: child.pid for name, child in cluster.children.items()}
        folder = stream_folder(cluster.settings.data, Stream.COMMANDS, 0)
        assert next(folder.glob("*.journal")).stat().st_size > FULL_AT_BYTES
        with full(cluster):
            on_its_way = alice.submit("ACME", "sell", 1, "100.00")
            if durability == "disk":
                assert reports_of(alice, on_its_way) == []
            wait_until(lambda: state(cluster)["state"] == "stalled", 10, "the journal to stall")
            told = state(cluster)
            assert (told["exit_code"], told["detail"]["problem"]) == (1, "File too large")
            refused = wait_until(lambda: refusal(alice), 10, "a refusal")
            assert refused == Reason.JOURNAL_STALLED
        wait_until(lambda: state(cluster)["state"] == "working", 10, "the journal to be written again")
        wait_until(lambda: takes(alice), 10, "an order to be taken")
        assert {name: child.pid for name, child in cluster.children.items()} == last
        before = len(alice.orders())
        assert before >= 602
        for name in ("gateway.0", "riskd", "matcher.0", "persister"):
            cluster.kill(name)
            cluster.restart(name)
        with connect(cluster) as again:
            assert len(again.orders()) == before


def refusal(client: Client) -> int:
    """Why an order is refused now; 0 if it is not, or nothing is heard of it."""
    try:
        reports_of(client, client.submit("ACME", "sell", 1, "100.00"))
    except Refused as refused:
        return refused.reason
    return 0


def takes(client: Client) -> bool:
    """Is an order taken?"""
    return refusal(client) == 0
