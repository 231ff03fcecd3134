"""riskd in process: its state, its rings, and a hand on both ends of each."""

from typing import Any

import numpy as np

from riskd.kernel import run
from riskd.layout import LIMITED, Sizes
from riskd.state import as_array, empty_state, wire
from shm.controls import UNLIMITED
from shm.patience import impatient
from shm.records import COMMAND, EVENT, CommandKind, OrderFlag, OrderType, Side, TimeInForce
from shm.ring import Ring

SLICE = 4096
SLOTS, CAPACITY = 32, 1024
"""The same in most tests: Numba compiles once for each layout."""


class Rig:
    """``accounts`` are (maximum quantity, notional, open orders) and, if wanted, (self-trade rule, group); ``instruments`` are
    (tick size, lot size, tick value)."""

    def __init__(
        self,
        accounts: list[Any],
        instruments: list[Any],
        *,
        shards: int = 2,
        gateways: int = 2,
        slots: int = SLOTS,
        capacity: int = CAPACITY,
        readers: tuple[str, ...] = ("matcher",),
    ) -> None:
        self.sizes = Sizes(shards, gateways, 16, 8, slots)
        self.orders = [Ring.private(COMMAND, capacity, gating=("riskd",)) for _ in range(gateways)]
        self.commands = [Ring.private(COMMAND, capacity, gating=readers) for _ in range(shards)]
        self.events = [Ring.private(EVENT, capacity, gating=("riskd",)) for _ in range(shards)]
        self.risks = empty_state(self.sizes, seed=12345)
        self.risk = self.risks[0]
        self._define(accounts, instruments)
        self.connect()

    def connect(self) -> None:
        """Wire the state to the rings."""
        self.wirings = wire(self.orders, self.commands, self.events)
        self.arrays = [as_array(rings[0].record) for rings in (self.orders, self.commands, self.events)]

    def run(self, now_ns: int = 1, bound: int = SLICE) -> int:
        """One slice."""
        return int(run(self.risks, self.wirings, *self.arrays, impatient(), now_ns, bound))

    def send(self, *requests: Any, gateway: int = 0) -> None:
        """Put requests into a gateway's ring."""
        put(self.orders[gateway], requests)

    def tell(self, shard: int, events: Any) -> None:
        """Put events into a shard's ring."""
        put(self.events[shard], events)

    def written(self, shard: int, bound: int = 1 << 30) -> list[Any]:
        """The next commands of a shard, at most ``bound``; they are released."""
        return got(self.commands[shard], bound)

    def _define(self, accounts: list[Any], instruments: list[Any]) -> None:
        header = self.risk["header"]
        header["accounts"], header["instruments"] = len(accounts), len(instruments)
        for number, limits in enumerate(accounts):
            names = ("maximum_quantity", "maximum_notional", "maximum_open_orders", "self_trade_rule", "self_trade_group")
            for name, value in zip(names, limits, strict=False):
                self.risk["accounts"][number][name] = value
            for name in LIMITED:
                self.risk["limits"][number][name] = UNLIMITED
        for number, units in enumerate(instruments):
            for name, value in zip(("tick_size", "lot_size", "tick_value"), units, strict=True):
                self.risk["instruments"][number][name] = value


def put(ring: Ring, records: Any) -> None:
    """Write and publish; there must be room."""
    slots = ring.record["slots"]
    for record in records:
        sequence = ring.published + 1
        assert sequence - ring.cursor(0) <= ring.capacity, "the test's ring is full"
        slots[sequence & (ring.capacity - 1)] = record
        ring.record["words"][0] = sequence


def room(ring: Ring) -> int:
    """How many records may be put."""
    return ring.capacity - (ring.published - ring.cursor(0))


def got(ring: Ring, bound: int) -> list[Any]:
    """The next records for reader 0, released."""
    first = ring.cursor(0)
    last = min(ring.published, first + bound)
    ring.record["words"][32] = last
    return [ring.record["slots"][sequence & (ring.capacity - 1)].copy() for sequence in range(first + 1, last + 1)]


def request(kind: CommandKind, account: int, client_order_id: int = 0, **fields: int) -> Any:
    """What a gateway sends."""
    made = np.zeros(1, COMMAND)[0]
    made["kind"], made["account"], made["client_order_id"] = kind, account, client_order_id
    for name, value in fields.items():
        made[name] = value
    return made


def new(account: int, client_order_id: int, price: int, quantity: int, **fields: int) -> Any:
    """A NEW: to buy, limit, GTC, instrument 0, unless said otherwise."""
    given = {"side": Side.BUY, "type": OrderType.LIMIT, "time_in_force": TimeInForce.GTC, **fields}
    return request(CommandKind.NEW, account, client_order_id, price=price, quantity=quantity, **given)


def cancel(account: int, client_order_id: int, **fields: int) -> Any:
    """A CANCEL."""
    return request(CommandKind.CANCEL, account, client_order_id, **fields)


def extended(account: int, client_order_id: int, price: int, quantity: int, **fields: int) -> Any:
    """A NEW with EXTENDED among its flags, in which ``step`` (wire units) and ``linked_to`` lie where a gateway puts them."""
    fields["flags"] = fields.get("flags", 0) | OrderFlag.EXTENDED
    linked_to = fields.pop("linked_to", 0)
    fields["order_id"] = linked_to - (1 << 64) if linked_to >= 1 << 63 else linked_to
    fields["time_ns"] = fields.pop("step", 0)
    return new(account, client_order_id, price, quantity, **fields)


def replace(account: int, client_order_id: int, price: int, quantity: int, **fields: int) -> Any:
    """A REPLACE: new price, new total quantity."""
    return request(CommandKind.REPLACE, account, client_order_id, price=price, quantity=quantity, **fields)


def reduce(account: int, client_order_id: int, quantity: int) -> Any:
    """A REDUCE: so much less."""
    return request(CommandKind.REDUCE, account, client_order_id, quantity=quantity)


def mass_cancel(account: int, instrument: int, **fields: int) -> Any:
    """A MASS_CANCEL."""
    return request(CommandKind.MASS_CANCEL, account, instrument=instrument, **fields)
