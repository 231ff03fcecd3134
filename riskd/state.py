"""Memory for riskd's state, and the wiring to its rings."""

import mmap
from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from riskd.layout import LIMITED, WIRING, Sizes, risk_dtype
from riskd.permissions import allow_everything
from shm.controls import MARGIN, UNLIMITED, WARN_PERCENT, Control
from shm.ring import Ring

HUGE_BYTES: Final = 1 << 21

Array = np.ndarray[Any, np.dtype[Any]]


def empty_state(sizes: Sizes, seed: int = 0) -> Array:
    """A riskd that knows nothing: an array of one record, every slot free.

    ``seed`` (below 2**64) scatters the clients' order ids; whoever knows it can choose ids that collide.
    """
    risks = _allocate(risk_dtype(sizes))
    header = risks[0]["header"]
    header["seed"], header["shards"], header["gateways"] = seed, sizes.shards, sizes.gateways
    header["account_bound"], header["warn_percent"] = sizes.accounts, WARN_PERCENT
    for name in LIMITED:
        risks["limits"][name][0, sizes.accounts :] = UNLIMITED
    risks["accounts"]["maximum_open_orders"][0, sizes.accounts :] = UNLIMITED
    risks["chosen"][0, sizes.accounts :] = UNLIMITED
    risks["chosen"][0, sizes.accounts, Control.WARN_PERCENT] = WARN_PERCENT
    for name in ("ticks", "basis_points"):
        risks["collars"][name] = UNLIMITED
    risks["collars"]["chosen"][..., 2:] = UNLIMITED
    for name in ("initial", "maintenance", "chosen_initial", "chosen_maintenance"):
        risks["margins"][name] = MARGIN
    allow_everything(risks[0])
    free_all_unused(risks[0])
    return risks


def free_all_unused(risk: Any) -> None:
    """Make the stacks of free slots anew: all slots without an order, the lowest on top."""
    for shard in range(risk["header"]["shards"]):
        unused = np.flatnonzero(risk["orders"][shard]["order_id"] == 0)[::-1]
        risk["free"][shard][: unused.size] = unused
        risk["shards"][shard]["free"] = unused.size


def wire(orders: Sequence[Ring], commands: Sequence[Ring], events: Sequence[Ring], name: str = "riskd") -> Array:
    """Where the rings lie and which reader riskd is in each: an array of one ``WIRING``. The rings must outlive it.

    Raises KeyError, CutLoose when ``name`` is not, or no longer, a gating reader.
    """
    wirings = np.zeros(1, WIRING)
    wiring = wirings[0]
    for kind, rings in (("orders", orders), ("commands", commands), ("events", events)):
        wiring[kind][: len(rings)] = [ring.address for ring in rings]
    wiring["orders_reader"][: len(orders)] = [ring.reader(name) for ring in orders]
    wiring["events_reader"][: len(events)] = [ring.reader(name) for ring in events]
    return wirings


def as_array(record: Any) -> Array:
    """The array of one that ``record`` is the element of: what kernels take (see ``riskd.kernel``)."""
    assert record.base.shape == (1,)
    return record.base


def _allocate(dtype: np.dtype[Any]) -> Array:
    """One zeroed record on pages of its own, huge ones where the machine has them; it lives as long as it is referred to."""
    memory = mmap.mmap(-1, dtype.itemsize + HUGE_BYTES, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
    memory.madvise(mmap.MADV_HUGEPAGE)
    address = np.frombuffer(memory, np.uint8).ctypes.data
    return np.frombuffer(memory, dtype, 1, -address % HUGE_BYTES)
