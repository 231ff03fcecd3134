"""riskd's duty cycle, compiled: events first, then a batch of each gateway's orders, until the slice is used up.

The circle orders → commands → events → riskd cannot lock up: riskd waits for no room. Orders that do not fit stay in their
ring, and the next round reads events again, which lets the matchers go on, which makes room for commands.

A kernel takes arrays of one record rather than the records themselves: Numba unpacks an array in a tenth of the time. Rings
of one kind have one type, so one of each kind comes in to lend it, and ``wiring`` holds the addresses of all.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from riskd import ids, positions
from riskd.checks import PASSED
from riskd.events import apply
from riskd.layout import BATCH
from riskd.orders import SLOT_MASK
from riskd.take import CLOCK, has_room, number, take
from riskd.usage import set_time
from shm.atomics import prefetch, record_at
from shm.patience import NO_MORE, next_round, realtime_ns
from shm.records import COMMAND, NO_ACCOUNT, NO_INSTRUMENT, RISKD_ORIGIN
from shm.ring import publish, published, release

LOOK_AHEAD: Final = 16
"""Messages between fetching what one needs into cache and using it."""
CLOCK_INTERVAL_NS: Final = 1_000_000_000
"""Between two CLOCKs of a shard that has GTD orders: so late they may expire."""
_CLOCK: Final = np.zeros(1, COMMAND)
_CLOCK["kind"], _CLOCK["account"], _CLOCK["instrument"] = CLOCK, NO_ACCOUNT, NO_INSTRUMENT


@njit(cache=True)
def run(risks: Any, wirings: Any, orders: Any, commands: Any, events: Any, patiences: Any, now_ns: int, bound: int) -> int:
    """One slice at the time ``now_ns``: handle at least ``bound`` messages, if there are so many. Returns how many it was.
    A patient one (``shm.patience``) goes on looking, and reads the clock itself before every further round.

    ``risks``, ``wirings`` hold the state and the wiring; ``orders``, ``commands``, ``events`` a ring of each kind; each is an
    array of one record. Time does not go back: a clock that was set back stands still until it has caught up. After an
    event that cannot be true, the header's ``fault`` is its sequence, and nothing is handled any more.
    """
    risk, wiring = risks[0], wirings[0]
    set_time(risk, now_ns)
    handled, left = 0, patiences[0]["rounds"]
    if risk["header"]["fault"] == 0:
        handled += _tell_the_time(risk, wiring, commands[0])
    while handled < bound and risk["header"]["fault"] == 0:
        done = _read_all_events(risk, wiring, events[0])
        if risk["header"]["fault"] == 0:
            done += _take_all_orders(risk, wiring, orders[0], commands[0])
        handled += done
        left = next_round(patiences[0], done, left)
        if left == NO_MORE:
            break
        if left > 0:
            set_time(risk, realtime_ns(patiences[0]))
    return handled


@njit(cache=True)
def read_events(risks: Any, wirings: Any, events: Any) -> int:
    """A batch of each shard's events and no orders: for the time before trading. Returns how many."""
    return _read_all_events(risks[0], wirings[0], events[0])


@njit(cache=True)
def write(risks: Any, wirings: Any, commands: Any, shard: int, requests: Any, first: int, now_ns: int) -> int:
    """Number riskd's own ``requests`` from index ``first`` on, as far as there is room. Returns the index to go on from."""
    risk, wiring = risks[0], wirings[0]
    set_time(risk, now_ns)
    risk["draft"]["origin"], risk["draft"]["origin_sequence"] = RISKD_ORIGIN, 0
    last = min(requests.shape[0], first + BATCH)
    while first < last and has_room(risk, wiring, commands[0], shard):
        number(risk, wiring, commands[0], shard, requests[first], PASSED)
        first += 1
    publish_commands(risk, wiring, commands[0])
    return first


@njit(cache=True)
def _tell_the_time(risk: Any, wiring: Any, commands: Any) -> int:
    """A CLOCK for every shard that has orders to expire and had none for an interval. Returns how many."""
    done, now_ns = 0, risk["header"]["now_ns"]
    for shard in range(risk["header"]["shards"]):
        source = risk["shards"][shard]
        is_due = source["expiring"] > 0 and now_ns - source["clocked_ns"] >= CLOCK_INTERVAL_NS
        if is_due and has_room(risk, wiring, commands, shard):
            risk["draft"]["origin"], risk["draft"]["origin_sequence"] = RISKD_ORIGIN, 0
            number(risk, wiring, commands, shard, _CLOCK[0], PASSED)
            source["clocked_ns"] = now_ns
            done += 1
    if done > 0:
        publish_commands(risk, wiring, commands)
    return done


@njit(cache=True)
def _read_all_events(risk: Any, wiring: Any, events: Any) -> int:
    """At most a batch of each shard's events."""
    done = 0
    for shard in range(risk["header"]["shards"]):
        done += _read_events(risk, wiring, shard, record_at(wiring["events"][shard], events))
    return done


@njit(cache=True)
def _read_events(risk: Any, wiring: Any, shard: int, ring: Any) -> int:
    source, slots = risk["shards"][shard], ring["slots"]
    first = source["events_read"]
    last = min(published(ring), first + BATCH)
    for sequence in range(first + 1, last + 1):
        _fetch_for_event(risk, shard, slots[(sequence + LOOK_AHEAD) & (slots.shape[0] - 1)])
        if not apply(risk, shard, slots[sequence & (slots.shape[0] - 1)]):
            risk["header"]["fault"] = sequence
            return sequence - first
    if last > first:
        source["events_read"] = last
        release(ring, wiring["events_reader"][shard], last)
    return max(last - first, 0)


@njit(inline="always")
def _fetch_for_event(risk: Any, shard: int, event: Any) -> None:
    """Ask for the lines of both orders. What lies there may be an old message: asking for a wrong line changes nothing."""
    slots = risk["orders"][shard]
    prefetch(slots, event["order_id"] & SLOT_MASK)
    prefetch(slots, event["resting_order_id"] & SLOT_MASK)


@njit(cache=True)
def _take_all_orders(risk: Any, wiring: Any, orders: Any, commands: Any) -> int:
    """At most a batch of each gateway's orders."""
    done = 0
    for gateway in range(risk["header"]["gateways"]):
        done += _take_orders(risk, wiring, gateway, record_at(wiring["orders"][gateway], orders), commands)
    return done


@njit(cache=True)
def _take_orders(risk: Any, wiring: Any, gateway: int, ring: Any, commands: Any) -> int:
    """Number a batch, publish it, and only then let go of the orders: a crash in between loses none (see riskd/ahead.py)."""
    source, slots, draft = risk["gateways"][gateway], ring["slots"], risk["draft"]
    first = source["taken"]
    last = min(published(ring), first + BATCH)
    sequence = first
    draft["origin"] = gateway
    while sequence < last:
        _fetch_for_order(risk, slots[(sequence + LOOK_AHEAD) & (slots.shape[0] - 1)])
        draft["origin_sequence"] = sequence + 1
        if not take(risk, wiring, commands, slots[(sequence + 1) & (slots.shape[0] - 1)]):
            break
        sequence += 1
    if sequence > first:
        publish_commands(risk, wiring, commands)
        source["taken"] = sequence
        release(ring, wiring["orders_reader"][gateway], sequence)
    return sequence - first


@njit(inline="always")
def _fetch_for_order(risk: Any, request: Any) -> None:
    """Ask for the lines of the client's order id, the account, what it uses, and the position."""
    ids.fetch(risk, request["account"], request["client_order_id"])
    positions.fetch(risk, request["account"], request["instrument"])
    prefetch(risk["accounts"], request["account"])
    prefetch(risk["limits"], request["account"])


@njit(cache=True)
def publish_commands(risk: Any, wiring: Any, commands: Any) -> None:
    """Let the readers of every shard see what was numbered."""
    for shard in range(risk["header"]["shards"]):
        source = risk["shards"][shard]
        if source["sequence"] != source["published"]:
            publish(record_at(wiring["commands"][shard], commands), source["sequence"])
            source["published"] = source["sequence"]
