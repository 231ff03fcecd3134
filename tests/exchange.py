"""Whole exchanges for tests: small ones, started once a module, and what a trader does on them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from click import Command
from click.testing import CliRunner

from cli.cluster import Cluster, temporary_cluster
from cli.found import read_settings
from cli.output import console
from cli.warm import warm_kernels
from pinion.client import Client

KEYS = {"alice": "key-of-alice", "bob": "key-of-bob"}
INSTRUMENTS = [
    {"symbol": "ACME", "price_decimals": 2, "tick_size": 5},
    {"symbol": "GEAR", "price_decimals": 2, "tick_size": 1, "lot_size": 10, "tick_value": 10},
]
LIMITS = {
    "unset_limits": "unlimited",
    "maximum_quantity": 1_000_000,
    "maximum_notional": 10**12,
    "maximum_open_orders": 100_000,
}
LINES_TOLD = 20
HEARTBEAT_S = 30.0
_live: list[Cluster] = []


def settings(**others: Any) -> dict[str, Any]:
    """Two accounts and two instruments; ``others`` as in a settings file."""
    accounts = [{"name": name, "api_key": key, **LIMITS} for name, key in KEYS.items()]
    return {"durability": "memory", "instruments": INSTRUMENTS, "accounts": accounts, **others}


@contextmanager
def running(**others: Any) -> Iterator[Cluster]:
    """An exchange that is ready, its kernels compiled, and gone without a trace afterwards."""
    document = settings(**others)
    warm(matchers=document.get("matchers", 1))
    with temporary_cluster(**document) as cluster:
        _live.append(cluster)
        try:
            yield cluster
        finally:
            _live.remove(cluster)


def told_by_logs() -> list[tuple[str, str]]:
    """What the processes of all living exchanges said last, each below a heading: for the report of a test that failed."""
    return [
        (f"log of {log.stem}", "".join(log.read_text().splitlines(keepends=True)[-LINES_TOLD:]))
        for cluster in _live
        for log in cluster.logs()
    ]


def warm(**others: Any) -> None:
    """Compile what such an exchange needs, once for all tests: no process then compiles while a test's deadline runs."""
    environ = {f"PINION_{name.upper()}": str(value) for name, value in others.items()}
    warm_kernels(read_settings(None, None, environ), console())


def connect(cluster: Cluster, account: str = "alice", **options: Any) -> Client:
    """A client of the first gateway, which lives through silences that a busy machine may make."""
    return Client(cluster.endpoint, account=account, api_key=KEYS[account], **{"heartbeat_s": HEARTBEAT_S, **options})


def answer(client: Client, request: int, timeout_s: float = 60) -> list[Any]:
    """All reports of one request, up to its last."""
    found = []
    for report in client.reports(timeout=timeout_s):
        if report.request_id == request and report.session == client.session:
            found.append(report)
            if report.last:
                return found
    raise AssertionError(f"no last report of request {request}, only {found}")


def pinion(cluster: Cluster, command: Command, *words: str) -> Any:
    """The JSON that a command of the exchange's operator answers."""
    done = CliRunner().invoke(command, [*words, "--config", str(cluster.settings.path), "--json"])
    assert done.exit_code == 0, done.output
    return json.loads(done.stdout)
