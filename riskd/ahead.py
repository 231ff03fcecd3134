"""Nothing is taken twice: what a crash left half done between publishing commands and letting go of the requests behind them.

riskd publishes the commands of a batch, ring by ring, and only then moves its cursor in the orders ring. Killed in between,
it finds on its next start commands of requests beyond that cursor: some, as another shard's may not have been published. So
recovery notes them one by one, a bit for each request and shard; there are never more than a batch.

The numbers of a ring that was lost with the machine's memory may be used again by the next. A gateway that numbers on from
above all it ever used (``base`` of its ring) leaves no doubt. One that does not is seen through where it can be: numbers that
go back mark a new life, and numbers too far beyond the cursor belong to an old one.
"""

from typing import Any

import numpy as np
from numba import njit

from riskd.layout import BATCH


@njit(cache=True)
def note(risk: Any, gateway: int, sequence: int, shard: int) -> None:
    """Recovery met request ``sequence`` of ``gateway`` as the next command from there of ``shard``."""
    source = risk["gateways"][gateway]
    if sequence <= source["last"]:
        forget(risk, gateway, shard)
    source["last"] = sequence
    distance = sequence - source["base"] - 1
    if 0 <= distance < BATCH:
        risk["ahead"][gateway, shard, distance >> 6] |= np.uint64(1) << np.uint64(distance & 63)
        source["ahead"] = max(source["ahead"], sequence)


@njit(cache=True)
def forget(risk: Any, gateway: int, shard: int) -> None:
    """What was noted is of an older ring's requests."""
    bits = risk["ahead"][gateway, shard]
    for word in range(bits.shape[0]):
        bits[word] = 0


def end_shard(risk: Any, gateway: int, shard: int, published: int) -> bool:
    """All commands of a shard are noted; ``published`` is the gateway's last request. False: it numbers them anew."""
    source = risk["gateways"][gateway]
    last, source["last"] = int(source["last"]), 0
    is_new = last > min(int(source["base"]) + BATCH, published)
    if is_new:
        forget(risk, gateway, shard)
    return not is_new


@njit(inline="always")
def may_be_taken(risk: Any, gateway: int, sequence: int) -> bool:
    """Is ``sequence`` among those that recovery may have noted? Nearly never: then the bits need no look."""
    return sequence <= risk["gateways"][gateway]["ahead"]


@njit(cache=True)
def is_taken(risk: Any, gateway: int, sequence: int, shard: int) -> bool:
    """Did the request become a command of ``shard`` before the crash?"""
    if not may_be_taken(risk, gateway, sequence):
        return False
    distance = sequence - risk["gateways"][gateway]["base"] - 1
    return risk["ahead"][gateway, shard, distance >> 6] >> np.uint64(distance & 63) & np.uint64(1) != np.uint64(0)


@njit(cache=True)
def is_taken_anywhere(risk: Any, gateway: int, sequence: int) -> bool:
    """Did the request become a command of any shard before the crash?"""
    found = False
    for shard in range(risk["header"]["shards"]):
        found |= is_taken(risk, gateway, sequence, shard)
    return found
