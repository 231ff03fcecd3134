"""``pinion warm``: compile every kernel into the cache, by trading a little on a throw-away exchange of the same bounds.

What Numba compiles depends on the layout of the records that a kernel is given, and so on the rings and pools of the settings.
An exchange that has traded, and has then come back to what it had, has compiled all of it, and nothing can be forgotten.
"""

import hashlib
import secrets
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click
from rich.console import Console

from cli import flow
from cli.book import ask_book
from cli.cluster import temporary_cluster
from cli.drive import Driver, drive
from cli.found import find_settings, settings_options
from cli.frames import Packed
from cli.output import console, json_option, print_json, progress
from cli.risk import ask as ask_riskd
from cli.snapshot import take
from runtime import kernels
from runtime.settings import Settings

if TYPE_CHECKING:
    from cli.cluster import Cluster

ORDERS: Final = 2_000
COMPILING_S: Final = 180.0
"""How long a first answer may take: the kernel behind it is being compiled."""


@click.command()
@settings_options
@json_option
def warm(config: Path | None, data: Path | None, as_json: bool) -> None:
    """Compile every kernel into the cache.

    For these settings: their rings and pools decide what is compiled. Takes about a minute the first time and none when nothing
    has changed. A service manager runs it before the processes, so that none of them compiles while clients wait.

    \b
    Example:
      pinion warm --config /etc/pinion/pinion.toml
    """
    settings = find_settings(config, data)
    compiled = warm_kernels(settings, console())
    folder = str(kernels.use_cache())
    if as_json:
        print_json({"folder": folder, "compiled": compiled})
    else:
        click.echo(f"{'compiled into' if compiled else 'already warm:'} {folder}", err=True)


def warm_kernels(settings: Settings, words: Console) -> bool:
    """See ``warm``, with a progress bar on ``words``; False when there was nothing to do."""
    mark = kernels.use_cache() / f"warm-{_shape(settings)}"
    if mark.exists():
        return False
    with progress(words) as bar:
        task = bar.add_task("compiling kernels", total=2 * len(settings.processes()) + ORDERS)
        _trade(settings, lambda done: bar.advance(task, done))
    mark.touch()
    return True


def _trade(settings: Settings, hear: Any) -> None:
    key = secrets.token_hex(16)
    funded = {"name": "funded", "api_key": secrets.token_hex(16), "funding": "cash"}
    with temporary_cluster(
        **same_bounds(settings),
        durability="memory",
        snapshots={"every_s": 0, "at_stop": False},  # or the start below would have nothing to replay, and compile nothing
        accounts=[{"name": "warm", "api_key": key, "unset_limits": "unlimited"}, funded],
        instruments=[{"symbol": f"WARM{each}"} for each in range(settings.matchers)],
    ) as cluster:
        hear(len(settings.processes()))
        _send(cluster, key, hear)
        cluster.stop()  # what recovers an exchange is compiled too: nobody wants to wait for that after a crash
        cluster.start()
        cluster.wait_ready()
        take(cluster.settings)  # and what makes snapshots
        hear(len(settings.processes()))


def _send(cluster: "Cluster", key: str, hear: Any) -> None:
    from pinion.client import Client

    orders = flow.generate(ORDERS, 1, cluster.settings.matchers, seed=1)
    orders["request_id"] = range(1, len(orders) + 1)
    with Client(cluster.endpoint, account="warm", api_key=key, timeout_s=COMPILING_S, heartbeat_s=COMPILING_S) as client:
        drive([Driver(client, Packed(orders, client.token))], hear, silence_s=COMPILING_S)
        client.orders()
        client.mass_cancel()
        for instrument in cluster.settings.instruments:
            ask_book(cluster.settings, instrument.symbol, 1)
        for question in ("accounts", "positions"):
            ask_riskd(cluster.settings, question, {})
        ask_riskd(cluster.settings, "fund", {"account": 1, "symbol": "WARM0", "amount": 1, "by": "warm"})


def same_bounds(settings: Settings) -> dict[str, Any]:
    """What of the settings decides how kernels are compiled."""
    return {
        "matchers": settings.matchers,
        "gateways": settings.gateways,
        "rings": asdict(settings.rings),
        "pools": asdict(settings.pools),
        "gateway": {name: getattr(settings.gateway, name) for name in ("maximum_sessions", "maximum_frame_bytes")},
    }


def _shape(settings: Settings) -> str:
    return hashlib.sha256(repr(same_bounds(settings)).encode()).hexdigest()[:16]
