"""The gateway's snapshot: its table of working orders, which it would else make anew out of every event there ever was."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from gateway.layout import ORDER, new_state, state_dtype
from runtime.context import Context
from runtime.rules import EVERY_ACCOUNT
from runtime.settings import Settings
from runtime.snapshots import Snapshots
from shm.durable import Durable
from shm.records import layout_hash
from shm.snapshot import Snapshot


def snapshots_of(context: Context, durables: Sequence[Durable]) -> Snapshots:
    """Those of this gateway: they fit another life of as many shards and slots."""
    settings = context.settings
    return Snapshots(context, layout_hash(ORDER), (settings.matchers, settings.pools.orders), durables)


def state_of(settings: Settings) -> Any:
    """A gateway's state, empty, as the settings ask for: an array of one record."""
    pools = settings.pools
    dtype = state_dtype(
        settings.gateway.maximum_sessions,
        pools.accounts,
        pools.instruments,
        settings.matchers,
        pools.orders,
        settings.gateway.maximum_frame_bytes,
    )
    state = new_state(dtype, settings.matchers)
    for number, instrument in enumerate(settings.instruments):
        state[0]["units"][number] = (instrument.tick_size, instrument.lot_size)
    names = {account.name: number for number, account in enumerate(settings.accounts)}
    for copy, each in enumerate(settings.drop_copies):
        seen = slice(None) if each.accounts == EVERY_ACCOUNT else [names[name] for name in each.accounts]
        state[0]["watched_by"][seen] |= 1 << copy
    return state


def known(state: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """By shard the last command all of whose events have been told, and the last event told."""
    shards = state["shard"][: state["shards"]]
    return tuple(int(each) for each in shards["commands"]), tuple(int(each) for each in shards["told"])


def go_on_from(snapshot: Snapshot, state: Any) -> None:
    """Make an empty table that of the snapshot."""
    snapshot.fill(parts(state))
    for shard in range(int(state["shards"])):
        place, used = state["shard"][shard], np.flatnonzero(state["orders"][shard]["order_id"])
        place["slots_used"] = used[-1] + 1 if used.size else 0
        place["told"] = snapshot.head.events[shard]


def parts(state: Any) -> list[Any]:
    """The table as an array of bytes."""
    return [state["orders"].reshape(-1).view(np.uint8)]
