"""riskd's snapshot: what of its state goes into one, and how an empty state becomes that of one.

It is taken right after a SNAPSHOT command was numbered in every shard, with nothing between: so it knows all commands up to
those. It says too how far it had read each shard's events, for the state is a function of both.
"""

from typing import Any

import numpy as np

from riskd.layout import Sizes
from riskd.state import Array
from shm.records import COMMAND, NO_ACCOUNT, NO_INSTRUMENT, CommandKind
from shm.snapshot import Snapshot


def snapshot_command() -> Array:
    """An array of one SNAPSHOT."""
    made = np.zeros(1, COMMAND)
    made["kind"], made["account"], made["instrument"] = CommandKind.SNAPSHOT, NO_ACCOUNT, NO_INSTRUMENT
    return made


def parts(risks: Array) -> list[Array]:
    """The state as arrays of bytes. The stacks of free slots are left out: recovery stacks them anew."""
    fields, whole = risks.dtype.fields, risks.view(np.uint8)
    assert fields is not None
    dtype, begin = fields["free"][:2]
    return [whole[:begin], whole[begin + dtype.itemsize :]]


def known(risk: Any) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The last command numbered, and the last event read, of every shard."""
    shards = risk["shards"][: risk["header"]["shards"]]
    return tuple(int(each) for each in shards["sequence"]), tuple(int(each) for each in shards["events_read"])


def bounds_of(sizes: Sizes) -> tuple[int, ...]:
    """What a snapshot of these sizes is told from others by. Gateways may come and go."""
    return sizes.shards, sizes.accounts, sizes.instruments, sizes.orders, sizes.position_entries


def go_on_from(snapshot: Snapshot, risks: Array) -> None:
    """Make an empty state that of the snapshot. What is about this life's rings of orders stays as it is: nothing known."""
    risk = risks[0]
    gateways, known_gateways = risk["gateways"].copy(), int(risk["header"]["gateways"])
    for part in parts(risks):
        part[:] = 0
    snapshot.fill(parts(risks))
    risk["gateways"], risk["header"]["gateways"] = gateways, known_gateways
    risk["ahead"][:] = 0
