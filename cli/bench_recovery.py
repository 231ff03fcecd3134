"""The recovery benchmark's exchange: filled, snapshotted, stopped, and started again; and one with many orders at rest."""

import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np

from cli import flow
from cli.bench_wire import placement
from cli.cluster import Cluster, remove_segments, temporary_cluster
from cli.drive import Driver, drive
from cli.frames import Packed
from cli.output import Failure, console, progress
from matcher.layout import Bounds
from pinion.client import Client
from runtime import control
from shm.journal import Stream, stream_folder
from shm.records import COMMAND, CommandKind, OrderType, Side, TimeInForce

CHUNK: Final = 250_000
STARTS: Final = 3
PAUSES: Final = 3
TRADED_BETWEEN: Final = 200_000
"""Orders while the child of a snapshot writes, and after it: what makes memory fall apart."""
LEVELS: Final = 1000
DATABASE_WITHIN_S: Final = 600.0
WHOLE_WITHIN_S: Final = 60.0
Hear = Callable[[int], Any]


def measure(commands: int, resting: int) -> dict[str, Any]:
    """Figures of a start with ``commands`` behind a snapshot, of a replay of them, and of snapshots with ``resting`` orders."""
    from bench.recovery import measure as replay

    rounds = 3
    with progress(console()) as bar:
        steps = {
            "orders sent": commands,
            "rows in the database": 1,
            "starts": STARTS,
            "commands replayed": 2 * rounds * commands,
            "orders at rest, and snapshots": resting + PAUSES * min(TRADED_BETWEEN, resting),
        }
        tasks = {name: bar.add_task(name, total=total) for name, total in steps.items()}
        hear = {name: _advance(bar, task) for name, task in tasks.items()}
        with _exchange() as (cluster, key):
            _fill(cluster, key, commands, hear["orders sent"])
            _await_database(cluster)
            hear["rows in the database"](1)
            started = _starts(cluster, hear["starts"])
            folder, pools = stream_folder(cluster.settings.data, Stream.COMMANDS, 0), cluster.settings.pools
            cluster.stop()
            bounds = Bounds(pools.instruments, pools.accounts, pools.orders, pools.levels)
            replayed = replay(folder, bounds, rounds, hear["commands replayed"])
        paused = _pauses(resting, hear["orders at rest, and snapshots"])
    return {**replayed, **started, **paused}


def _advance(bar: Any, task: Any) -> Hear:
    return lambda done: bar.advance(task, done)


@contextmanager
def _exchange(**pools: int) -> Iterator[tuple[Cluster, str]]:
    """An exchange of one instrument and one account, and the account's key."""
    key = secrets.token_hex(16)
    with temporary_cluster(
        durability="memory",
        **placement(sorted(os.sched_getaffinity(0))),
        instruments=[{"symbol": "BENCH"}],
        accounts=[{"name": "bench", "api_key": key, "maximum_open_orders": 10_000_000, "maximum_quantity": 10**9}],
        snapshots={"every_s": 0},
        pools=pools,
    ) as cluster:
        yield cluster, key


def _fill(cluster: Cluster, key: str, count: int, hear: Hear) -> None:
    """Send ``count`` requests: the same flow again and again, each time under other ids, what rests then cancelled."""
    chunk = flow.generate(min(CHUNK, count), 1, 1, seed=1)
    with Client(cluster.endpoint, account="bench", api_key=key, timeout_s=60.0, heartbeat_s=60.0) as client:
        for turn, done in enumerate(range(0, count, len(chunk))):
            _send(client, chunk[: count - done], turn, hear)
            if done + len(chunk) < count:
                _cancel_all(client)


def _cancel_all(client: Client) -> None:
    """Of what rests nothing does afterwards, and no report of it is left to come."""
    request, until = client.mass_cancel(), time.monotonic() + WHOLE_WITHIN_S
    while time.monotonic() < until:
        reports = client.receive(1.0)
        if ((reports["request_id"] == request) & (reports["last"] == 1)).any():
            return
    raise Failure(f"no end of a mass cancel within {WHOLE_WITHIN_S:g} s")


def _send(client: Client, commands: Any, turn: int, hear: Hear) -> None:
    sent = commands.copy()
    sent["client_order_id"] += np.uint64(turn) << np.uint64(32)
    sent["request_id"] = np.arange(1, len(sent) + 1)
    drive([Driver(client, Packed(sent, client.token))], hear, silence_s=60.0)


def _await_database(cluster: Cluster) -> None:
    """Else it would go on filling its tables while starts are timed."""
    until = time.monotonic() + DATABASE_WITHIN_S
    while control.ask(cluster.settings, "persister", "status", 10)["database"]["backlog"] and time.monotonic() < until:
        time.sleep(0.1)


def _starts(cluster: Cluster, hear: Hear) -> dict[str, Any]:
    """Seconds from nothing in memory to all processes being ready; behind them the snapshot of a clean stop."""
    whole, empty = [], []
    for _ in range(STARTS):
        cluster.stop()
        remove_segments(cluster.settings.instance)
        whole.append(_timed_start(cluster))
        hear(1)
    cluster.stop()
    remove_segments(cluster.settings.instance)
    with _put_aside(cluster.settings.data):
        empty.append(_timed_start(cluster))
        cluster.stop()
        remove_segments(cluster.settings.instance)
    return {"ready_s": round(sorted(whole)[len(whole) // 2], 3), "ready_runs_s": whole, "ready_empty_s": empty[0]}


def _timed_start(cluster: Cluster) -> float:
    started = time.perf_counter()
    cluster.start()
    cluster.wait_ready()
    return round(time.perf_counter() - started, 3)


@contextmanager
def _put_aside(data: Path) -> Iterator[None]:
    """Inside, the data folder is not there: what a start takes that has nothing to recover."""
    aside = data.with_name("aside")
    data.rename(aside)
    try:
        yield
    finally:
        shutil.rmtree(data, ignore_errors=True)
        aside.rename(data)


def _pauses(resting: int, hear: Hear) -> dict[str, Any]:
    """For how long snapshots hold up each process with so many orders at rest, one after the other, trading in between."""
    room = 1 << resting.bit_length()
    with (
        _exchange(orders=room) as (cluster, key),
        Client(cluster.endpoint, account="bench", api_key=key, timeout_s=60.0, heartbeat_s=60.0) as client,
    ):
        for turn, done in enumerate(range(0, resting, CHUNK)):
            _send(client, _bids(min(CHUNK, resting - done)), turn, hear)
        found = []
        for turn in range(PAUSES):
            control.ask(cluster.settings, "riskd", "snapshot", 10)
            _send(client, _pairs(min(TRADED_BETWEEN, resting)), 1000 + turn, hear)
            found.append({name: _whole(cluster, name) for name in ("matcher.0", "riskd")})
        at_rest = control.ask(cluster.settings, "matcher.0", "status", 10)["resting"]
    figures: dict[str, Any] = {"resting": at_rest}
    for key, unit in (("pause_us", "pause_ms"), ("pause_cpu_us", "pause_cpu_ms")):
        each = {name: [turn[name][key] for turn in found] for name in found[0]}
        figures |= {unit: max(max(runs) for runs in each.values()) / 1000, f"runs_{key}": each}
    return {**figures, "snapshot_bytes": {name: each["bytes"] for name, each in found[-1].items()}}


def _whole(cluster: Cluster, name: str) -> dict[str, Any]:
    """What a process says of its newest snapshot, once it is whole."""
    until = time.monotonic() + WHOLE_WITHIN_S
    while (found := control.ask(cluster.settings, name, "status", 10)["snapshot"])["writing"]:
        if time.monotonic() > until:
            raise Failure(f"the snapshot of {name} did not get whole within {WHOLE_WITHIN_S:g} s")
        time.sleep(0.01)
    return dict(found)


def _bids(count: int) -> Any:
    """Orders that rest, at many prices."""
    made = np.zeros(count, COMMAND)
    made["kind"], made["type"], made["time_in_force"] = CommandKind.NEW, OrderType.LIMIT, TimeInForce.GTC
    made["side"], made["quantity"] = Side.BUY, 1
    made["client_order_id"] = np.arange(1, count + 1)
    made["price"] = 10_000 + np.random.default_rng(count).integers(0, LEVELS, count)
    return made


def _pairs(count: int) -> Any:
    """An order and its cancel, again and again, at prices all over the book."""
    made = _bids(count)
    made["client_order_id"] = np.arange(count) // 2 + 1
    made["kind"][1::2] = CommandKind.CANCEL
    return made
