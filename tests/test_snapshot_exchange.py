"""Snapshots on whole exchanges: taken while they trade and when they stop, started from, fallen back from."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from cli.cluster import Cluster, remove_segments
from cli.snapshot import snapshot as command
from cli.snapshot import take
from exchange import answer, connect, running
from runtime import control
from shm.journal import Stream, segments, stream_folder
from shm.snapshot import SUFFIX, read_head, snapshot_folder, snapshots
from waiting import wait_until

pytestmark = pytest.mark.slow
PROCESSES = ("matcher.0", "matcher.1", "riskd", "gateway.0")
ENGINE = ("persister", "matcher.0", "matcher.1", "riskd", "gateway.0")


@pytest.fixture
def exchange():
    """Two shards, durability disk, snapshots only when they are asked for or it is stopped."""
    with running(matchers=2, durability="disk", snapshots={"every_s": 0}) as cluster:
        yield cluster


def files(exchange: Cluster, process: str) -> list[Path]:
    return snapshots(snapshot_folder(exchange.settings.data, process))


def snapshot(exchange: Cluster) -> list[int]:
    """Take one of every process, as an operator does. The commands that it was."""
    done = CliRunner().invoke(command, ["--json", "--config", str(exchange.settings.path)])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found) == set(PROCESSES)
    assert [found[f"matcher.{k}"]["commands"][0] for k in range(2)] == found["riskd"]["commands"]
    for name in PROCESSES:
        head = read_head(files(exchange, name)[0])
        assert list(head.commands[: len(found[name]["commands"])]) == found[name]["commands"]
    return list(found["riskd"]["commands"])


def trade(exchange: Cluster, first: int = 1) -> None:
    """Some trades and orders that stay, in both shards."""
    with connect(exchange) as alice, connect(exchange, "bob") as bob:
        for symbol in ("ACME", "GEAR"):
            for k in range(first, first + 5):
                answer(alice, alice.submit(symbol, "sell", 20, f"{100 + k}.00"))
            answer(bob, bob.submit(symbol, "buy", 30, "120.00"))


def kill(exchange: Cluster) -> None:
    for name in reversed(ENGINE):
        exchange.kill(name)


def start(exchange: Cluster) -> None:
    exchange.start(ENGINE)
    exchange.wait_ready()


def known(exchange: Cluster) -> dict[str, Any]:
    """What clients and operators see."""
    with connect(exchange) as alice:
        orders = sorted(map(repr, alice.orders()))
    books = [control.ask(exchange.settings, f"matcher.{k}", "book", 30, {"instrument": k}) for k in range(2)]
    for book in books:
        del book["command_sequence"]
    return {"orders": orders, "books": books, "positions": control.ask(exchange.settings, "riskd", "positions", 30)}


def told(exchange: Cluster, name: str) -> list[str]:
    """How the process said that it recovered, each time that it started."""
    lines = (exchange.settings.data.parent / f"{name}.log").read_text().splitlines()
    return [line for line in lines if "recovered" in line]


@pytest.mark.parametrize("is_lost", [False, True], ids=["killed", "memory lost"])
def test_a_start_goes_on_from_the_snapshot(exchange: Cluster, is_lost: bool) -> None:
    """Killed after it, with or without what was in shared memory: all that was known is known, and trading goes on."""
    trade(exchange)
    taken = snapshot(exchange)
    trade(exchange, 10)
    before = known(exchange)
    kill(exchange)
    if is_lost:
        remove_segments(exchange.settings.instance)
    start(exchange)
    assert known(exchange) == before
    for shard, number in enumerate(taken):
        assert f"recovered from the snapshot of command {number}, " in told(exchange, f"matcher.{shard}")[-1]
        assert f"recovered shard {shard} from the snapshot of command {number}, " in "".join(told(exchange, "riskd")[-2:])
        assert f"recovered shard {shard} from the snapshot of event " in "".join(told(exchange, "gateway.0")[-2:])
    trade(exchange, 20)
    assert known(exchange) != before


def test_a_damaged_newest_snapshot_falls_back(exchange: Cluster) -> None:
    """To the one before; without any, to the journal. What is damaged is put aside and said."""
    trade(exchange)
    first = snapshot(exchange)
    trade(exchange, 10)
    snapshot(exchange)
    trade(exchange, 20)
    before = known(exchange)
    kill(exchange)
    for name in PROCESSES:
        newest = files(exchange, name)[0]
        raw = bytearray(newest.read_bytes())
        raw[len(raw) // 2] ^= 1
        newest.write_bytes(raw)
    start(exchange)
    assert known(exchange) == before
    assert f"recovered from the snapshot of command {first[0]}, " in told(exchange, "matcher.0")[-1]
    assert list(snapshot_folder(exchange.settings.data, "riskd").glob(f"*{SUFFIX}.damaged"))
    kill(exchange)
    for name in PROCESSES:
        for path in files(exchange, name):
            path.write_bytes(path.read_bytes()[:-1])
    start(exchange)
    assert known(exchange) == before
    assert "recovered from no snapshot" in told(exchange, "matcher.0")[-1]


def test_a_clean_stop_leaves_a_snapshot_of_everything(exchange: Cluster) -> None:
    """The next start replays next to nothing; nothing happened since means no new one. (The gateway stops before the others'
    snapshot is a command, whose events it then has still to see.)"""
    trade(exchange)
    before = known(exchange)
    assert set(exchange.stop().values()) == {0}
    remove_segments(exchange.settings.instance)
    made = {name: len(files(exchange, name)) for name in PROCESSES}
    assert set(made.values()) == {1}
    last = {name: read_head(files(exchange, name)[0]) for name in PROCESSES}
    start(exchange)
    assert known(exchange) == before
    assert f"snapshot of command {last['matcher.0'].commands[0]}, 0 commands" in told(exchange, "matcher.0")[-1]
    assert set(exchange.stop().values()) == {0}
    assert {name: len(files(exchange, name)) for name in PROCESSES} == {**made, "gateway.0": 2}
    remove_segments(exchange.settings.instance)
    start(exchange)


def test_only_so_many_are_kept_and_the_oldest_will_do(exchange: Cluster, tmp_path: Path) -> None:
    """Three of each process; a start from the oldest replays more and ends where the others do."""
    for k in range(5):
        trade(exchange, 1 + 5 * k)
        snapshot(exchange)
    assert {len(files(exchange, name)) for name in PROCESSES} == {3}
    before = known(exchange)
    kill(exchange)
    for name in PROCESSES:
        for path in files(exchange, name)[:2]:
            shutil.move(path, tmp_path / f"{name}-{path.name}")
    start(exchange)
    assert known(exchange) == before


def test_old_files_of_the_journal_are_deleted() -> None:
    """Once snapshots and the database are beyond them; a start needs them no more."""
    settings = {"journal": {"segment_bytes": 1 << 16, "batch_bound": 256, "old_segments": "delete"}}
    with running(durability="disk", snapshots={"every_s": 0, "keep": 1}, database={"settle_s": 0.05}, **settings) as own:
        folder = stream_folder(own.settings.data, Stream.EVENTS, 0)
        with connect(own) as alice:
            for _ in range(3):
                for _ in range(100):
                    answer(alice, alice.submit("ACME", "sell", 20, "100.00"))
                    answer(alice, alice.mass_cancel())
                take(own.settings)
            wait_until(lambda: segments(folder)[0][0] > 1, 20, "the first file to be deleted")
            before = sorted(map(repr, alice.orders()))
        for name in ("gateway.0", "riskd", "matcher.0", "persister"):
            own.kill(name)
        remove_segments(own.settings.instance)
        own.start()
        own.wait_ready()
        with connect(own) as alice:
            assert sorted(map(repr, alice.orders())) == before
            answer(alice, alice.submit("ACME", "sell", 20, "100.00"))
            assert len(alice.orders()) == 1
