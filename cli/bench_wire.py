"""The wire benchmark's exchange: all processes, on a folder of their own, with durability ``memory``."""

import os
import secrets
import socket
from typing import Any

from cli.cluster import temporary_cluster


def measure(tiny: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    """Figures by transport (``ipc``, ``tcp``), and the latencies behind them by transport and name."""
    from bench.wire import TINY, Desk, Size, run

    key = secrets.token_hex(16)
    found: dict[str, Any] = {}
    latencies: dict[str, Any] = {}
    placed = placement(sorted(os.sched_getaffinity(0)))
    placed["gateway"] |= {"tcp": f"tcp://127.0.0.1:{free_port()}", "heartbeat_s": 60.0}
    with temporary_cluster(
        durability="memory",
        **placed,
        instruments=[{"symbol": "BENCH"}],
        accounts=[{"name": "bench", "api_key": key, "unset_limits": "unlimited", "maximum_open_orders": 1_000_000}],
    ) as cluster:
        for endpoint in cluster.settings.endpoints(0):
            name = endpoint.partition(":")[0]
            found[name], measured = run(endpoint, Desk("bench", key), TINY if tiny else Size())
            latencies |= {f"{name}: {each}": values for each, values in measured.items()}
    return found, latencies


def placement(cores: list[int]) -> dict[str, dict[str, Any]]:
    """Where each process runs and how it idles, on a machine with these cores.

    With a core for each and two to spare: pinned and spinning. With fewer, the three that an order passes share the last core,
    where a hop is a switch of 1.5 us and not a wake-up on another core of 20 to 100, and the rest is left to clients.
    """
    path = ("gateway", "riskd", "matcher")
    if len(cores) >= len(path) + 3:
        own = {name: {"idle": "spin", "cores": [core]} for name, core in zip(path, cores[-len(path) :], strict=True)}
        return {**own, "persister": {"idle": "yield", "cores": [cores[-len(path) - 1]]}}
    shared = {name: {"idle": "yield", "cores": [cores[-1]]} for name in path}
    return {**shared, "persister": {"idle": "yield", "cores": [cores[0]]}}


def free_port() -> int:
    """A TCP port on loopback that is free now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
