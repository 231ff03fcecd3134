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
FRAME: Final = 16
FRAME_EVERY_S: Final = 0.001
"""Between frames of so many orders while silences are measured: trading that leaves the machine some room."""
FRAMES: Final = 500
"""At a time; then the persister is asked whether the snapshot is whole."""
TRADED_BETWEEN: Final = 100_000
"""Orders between two snapshots, as fast as they go: what the next one has to take in."""
LEVELS: Final = 1000
DATABASE_WITHIN_S: Final = 600.0
WHOLE_WITHIN_S: Final = 120.0
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
        accounts=[{"name": "bench", "api_key": key, "unset_limits": "unlimited", "maximum_open_orders": 10_000_000}],
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
    """What trading notices of snapshots with so many orders at rest: for how long riskd, which numbers them, does nothing else,
    and the longest silence that a client hears while it trades on, beside that without a snapshot."""
    room = 1 << resting.bit_length()
    with (
        _exchange(orders=room) as (cluster, key),
        Client(cluster.endpoint, account="bench", api_key=key, timeout_s=60.0, heartbeat_s=60.0) as client,
    ):
        for turn, done in enumerate(range(0, resting, CHUNK)):
            _send(client, _bids(min(CHUNK, resting - done)), turn, hear)
        desk = _Desk(cluster, client)
        found = [desk.snapshot(desk.rest)]  # the first one takes in everything, the next ones what came since
        for turn in range(PAUSES):
            _send(client, _pairs(min(TRADED_BETWEEN, resting)), 1000 + turn, hear)
            found.append(desk.snapshot(desk.trade))
        at_rest = control.ask(cluster.settings, "matcher.0", "status", 10)["resting"]
    runs = found[1:]
    return {
        "resting": at_rest,
        "pause_ms": max(each["pause_us"] for each in found) / 1000,
        "silence_ms": max(max(each["silences_ms"]) for each in runs),
        "silence_without_ms": max(max(each["silences_without_ms"]) for each in runs),
        "runs_pause_us": [each["pause_us"] for each in found],
        "runs_silence_ms": [each["silences_ms"] for each in runs],
        "runs_silence_without_ms": [each["silences_without_ms"] for each in runs],
        "snapshot_s": [each["seconds"] for each in found],
        "snapshot_bytes": found[-1]["bytes"],
    }


class _Desk:
    """A client that trades steadily, and an operator who takes snapshots."""

    def __init__(self, cluster: Cluster, client: Client) -> None:
        self._settings, self._client = cluster.settings, client
        self._turn = 2000

    def snapshot(self, trade: Callable[[], float]) -> dict[str, Any]:
        """Have one made; ``trade`` as often as it takes, and as often once more when it is whole: what came of it."""
        began = time.monotonic()
        numbers = control.ask(self._settings, "riskd", "snapshot", 10)["commands"]
        pause_us = control.ask(self._settings, "riskd", "status", 10)["snapshot"]["pause_us"]
        during = [trade()]
        while (found := self._made())["done"] != numbers:
            if time.monotonic() - began > WHOLE_WITHIN_S or found["failed"]:
                raise Failure(f"the snapshot did not get whole within {WHOLE_WITHIN_S:g} s {found['problem']}")
            during.append(trade())
        taken = round(time.monotonic() - began, 3)
        sizes = {name: each["bytes"] for name, each in found["newest"].items()}
        without = [trade() for _ in during]
        return {"pause_us": pause_us, "seconds": taken, "bytes": sizes, "silences_ms": during, "silences_without_ms": without}

    def rest(self) -> float:
        """Do nothing for a while, and hear nothing."""
        time.sleep(FRAMES * FRAME_EVERY_S)
        return 0.0

    def trade(self) -> float:
        """Send FRAMES frames, one each FRAME_EVERY_S; the longest time between two answers, in ms."""
        sent = _pairs(FRAMES * FRAME)
        self._turn += 1
        sent["client_order_id"] += np.uint64(self._turn) << np.uint64(32)
        packed = Packed(sent, self._client.token)
        began = heard = time.monotonic()
        answered, longest = 0, 0.0
        for number in range(FRAMES + 1):
            due = began + number * FRAME_EVERY_S if number < FRAMES else heard + WHOLE_WITHIN_S
            while (left := due - time.monotonic()) > 0 and answered < len(packed):
                reports = self._client.receive(left)
                if len(reports):
                    now = time.monotonic()
                    answered, longest, heard = answered + int((reports["last"] == 1).sum()), max(longest, now - heard), now
            if number < FRAMES:
                self._client.submit_packed(packed.frame(number * FRAME, (number + 1) * FRAME))
        if answered < len(packed):
            raise Failure(f"{len(packed) - answered} orders have no answer within {WHOLE_WITHIN_S:g} s")
        return round(longest * 1000, 3)

    def _made(self) -> dict[str, Any]:
        return dict(control.ask(self._settings, "persister", "status", 10)["snapshots"])


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
