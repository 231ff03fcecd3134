"""The gateway's snapshot: its table of working orders, which it would else make anew out of every event there ever was."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gateway.layout import ORDER
from runtime.context import Context
from runtime.snapshots import Snapshots
from shm.durable import Durable
from shm.records import layout_hash
from shm.snapshot import Snapshot


def snapshots_of(context: Context, durables: Sequence[Durable]) -> Snapshots:
    """Those of this gateway: they fit another life of as many shards and slots."""
    settings = context.settings
    return Snapshots(context, layout_hash(ORDER), (settings.matchers, settings.pools.orders), durables)


def known(state: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """By shard the last command all of whose events have been told, and the last event told."""
    shards = state["shard"][: state["shards"]]
    return tuple(int(each) for each in shards["commands"]), tuple(int(each) for each in shards["told"])


def take(snapshots: Snapshots, state: Any) -> None:
    """Have one written, unless nothing has been told since the last."""
    snapshots.postpone()
    commands, events = known(state)
    if not snapshots.knows(events, "events"):
        snapshots.take(_parts(state), commands, events)


def go_on_from(snapshot: Snapshot, state: Any) -> None:
    """Make an empty table that of the snapshot."""
    snapshot.fill(_parts(state))
    for shard in range(int(state["shards"])):
        place, used = state["shard"][shard], np.flatnonzero(state["orders"][shard]["order_id"])
        place["slots_used"] = used[-1] + 1 if used.size else 0
        place["told"] = snapshot.head.events[shard]


def _parts(state: Any) -> list[Any]:
    return [state["orders"].reshape(-1).view(np.uint8)]
