"""Random requests through riskd and its twin at once, with a simple matcher behind, comparing everything at every step.

Run as a program (``python -m riskd_stream SEED STEPS`` with ``tests`` on the path) it does that once: how the kernels are also
tried with bounds checked, and uncompiled.
"""

import random
import sys
from collections import Counter, deque
from typing import Any

import riskd_orders_twin as orders_twin
import riskd_rig as rig
from riskd.controls import put
from riskd.layout import BATCH
from riskd.positions import account_of, instrument_of
from riskd.profit import loss_of
from riskd_controls_twin import DAY_NS, TOTALS
from riskd_reference import LivelyMatcher, Reference
from shm.controls import UNLIMITED, Control, Kill, Scope, all_of
from shm.reasons import name_of
from shm.records import NO_INSTRUMENT, CommandKind, OrderFlag, OrderType, Side, TimeInForce

ACCOUNTS = [(50, 10**7, 12), (1000, 10**12, 1000, 2, 7), (2**62, 2**63 - 1, 30), (40, 10**6, 60, 0, 7), (0, 10**9, 10)]
WEIGHTS = [10, 10, 10, 10, 1]
INSTRUMENTS = [(1, 1, 1), (5, 10, 3), (25, 1, 1000), (2**40, 1, 2**20)]
BOUNDS = {
    Control.MAXIMUM_LONG: (0, 60, 500),
    Control.MAXIMUM_SHORT: (0, 60, 500),
    Control.MAXIMUM_GROSS: (10**6, 10**7, 10**8),
    Control.MAXIMUM_NET: (10**6, 10**7, 10**8),
    Control.MAXIMUM_DAILY_ORDERED: (10**6, 10**9),
    Control.MAXIMUM_DAILY_TRADED: (10**6, 10**9),
    Control.MAXIMUM_DAILY_LOSS: (0, 10**3, 10**6),
    Control.MESSAGES_PER_SECOND: (0, 3, 30),
    Control.MESSAGES_PER_MINUTE: (7, 100),
    Control.MAXIMUM_OPEN_ORDERS: (3, 20),
}
RULES = {
    Control.ALLOWED_SIDES: (all_of(Control.ALLOWED_SIDES), 1),
    Control.ALLOWED_TYPES: (all_of(Control.ALLOWED_TYPES), 0x5E),
    Control.ALLOWED_TIMES: (all_of(Control.ALLOWED_TIMES), 0x3E),
    Control.MINIMUM_QUANTITY: (0, 10),
    Control.MINIMUM_NOTIONAL: (0, 2000),
    Control.RISING_IDS: (0, 1),
}
"""Of accounts: what allows all, and what does not."""
SHARDS, GATEWAYS, SLOTS = 2, 2, rig.SLOTS


class Stream:
    """One seeded run."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.rig = rig.Rig(ACCOUNTS, INSTRUMENTS, shards=SHARDS, gateways=GATEWAYS, slots=SLOTS)
        self.twin = Reference(SHARDS, SLOTS, ACCOUNTS, INSTRUMENTS)
        self.matchers = [LivelyMatcher() for _ in range(SHARDS)]
        self.sent: list[deque[Any]] = [deque() for _ in range(GATEWAYS)]
        self.told: list[deque[Any]] = [deque() for _ in range(SHARDS)]
        self.waiting: list[deque[Any]] = [deque() for _ in range(SHARDS)]
        self.pending: list[deque[Any]] = [deque() for _ in range(SHARDS)]
        self.taken, self.now_ns = [0] * GATEWAYS, 1_000
        self.names = [1] * len(ACCOUNTS)
        self.clocked = [0] * SHARDS
        self.verdicts: Counter[str] = Counter()

    def step(self) -> None:
        """Some requests, a slice, some commands matched, some of their events told; everything compared."""
        for gateway in range(GATEWAYS):
            for _ in range(self.random.choice((0, 1, 5, 40))):
                self.send(gateway, self.request())
        if self.random.random() < 0.4:
            self.set_something()
        self.slice()
        for shard in range(SHARDS):
            self.match(shard, self.random.choice((0, 1, 10, 1000)))
            self.tell(shard, self.random.choice((0, 1, 20, 1000)))
        self.compare()

    def set_something(self) -> None:
        """An operator throws a switch, mostly back, or moves an account to another group."""
        draw = self.random
        if draw.random() < 0.4:
            return orders_twin.set_something(self, INSTRUMENTS)
        if draw.random() < 0.7:
            return self.set_a_limit()
        if draw.random() < 0.1:
            return self.put(Scope.ACCOUNT, draw.randrange(len(ACCOUNTS)), Control.GROUP, draw.randrange(3))
        on = [key for key, value in self.twin.controls.values.items() if key[2] == Control.KILL and value]
        if on and draw.random() < 0.7:
            return self.put(*draw.choice(on), 0)
        scope = draw.choice(list(Scope))
        number = {Scope.FIRM: 0, Scope.GROUP: draw.randint(1, 2)}.get(scope, draw.randrange(4))
        kill = Kill.REFUSING if scope is Scope.SESSION else draw.choice((Kill.REFUSING, Kill.REDUCING, Kill.REDUCING))
        return self.put(scope, number, Control.KILL, kill)

    def set_a_limit(self) -> None:
        """Of an account, group or the firm; mostly one that is set goes again."""
        draw, values = self.random, self.twin.controls.values
        if draw.random() < 0.2:
            control = draw.choice(list(RULES))
            value = RULES[control][draw.random() < 0.4]
            return self.put(Scope.ACCOUNT, draw.randrange(len(ACCOUNTS)), control, value)
        on = [key for key, value in values.items() if key[2] in BOUNDS and value != UNLIMITED]
        if on and draw.random() < 0.45 + 0.1 * len(on):
            return self.put(*draw.choice(on), UNLIMITED)
        scope = draw.choice((Scope.ACCOUNT, Scope.GROUP, Scope.FIRM))
        number = {Scope.FIRM: 0, Scope.GROUP: draw.randint(1, 2)}.get(scope, draw.randrange(len(ACCOUNTS)))
        control = draw.choice([each for each in BOUNDS if scope is not Scope.ACCOUNT or each != Control.MAXIMUM_OPEN_ORDERS])
        return self.put(scope, number, control, draw.choice(BOUNDS[control]))

    def put(self, scope: int, number: int, control: int, value: int) -> None:
        """In riskd and its twin."""
        put(self.rig.risk, scope, number, control, value)
        self.twin.controls.put(scope, number, control, value)

    def settle(self) -> None:
        """Cancel everything and let every message arrive."""
        for account in range(len(ACCOUNTS)):
            self.send(0, rig.mass_cancel(account, NO_INSTRUMENT))
        for _ in range(100):
            if not self.slice() and not any(self.told) and not any(self.waiting) and not any(self.pending):
                break
            for shard in range(SHARDS):
                self.match(shard, 1 << 30)
                self.tell(shard, 1 << 30)
        self.compare()

    def send(self, gateway: int, request: Any) -> None:
        """One request, to riskd and to its twin's queue."""
        request["session"] = self.random.randrange(8)
        self.rig.send(request, gateway=gateway)
        self.sent[gateway].append(request)

    def slice(self) -> int:
        """One slice of the kernel; the twin goes the same rounds, and their commands are the same bytes."""
        self.now_ns += self.random.choice((0, 1, 1000, -500, 10**8, 25 * 10**12))
        handled = self.rig.run(self.now_ns)
        now_ns = int(self.rig.risk["header"]["now_ns"])
        assert now_ns >= self.now_ns
        self.twin.controls.day = now_ns // DAY_NS
        self.tell_the_time(now_ns)
        while self.round(now_ns):
            pass
        return handled

    def tell_the_time(self, now_ns: int) -> None:
        """A CLOCK comes before all else in each shard that has orders to expire and had none for a second."""
        for shard in range(SHARDS):
            expiring = any(o.expires for o in self.twin.orders.values() if o.shard == shard)
            if expiring and now_ns - self.clocked[shard] >= 10**9:
                self.clocked[shard] = now_ns
                self.twin.sequences[shard] += 1
                (command,) = self.rig.written(shard, 1)
                found = [int(command[name]) for name in ("kind", "sequence", "time_ns")]
                assert found == [CommandKind.CLOCK, self.twin.sequences[shard], now_ns]
                self.waiting[shard].append(command)

    def round(self, now_ns: int) -> int:
        """The twin's: a batch of each shard's events, then a batch of each gateway's requests."""
        done = 0
        for shard, events in enumerate(self.rig_events()):
            for event in events:
                self.twin.event(shard, event)
            done += len(events)
        expected: list[list[Any]] = [[] for _ in range(SHARDS)]
        for gateway in range(GATEWAYS):
            for _ in range(min(BATCH, len(self.sent[gateway]))):
                self.taken[gateway] += 1
                for shard, command in self.twin.take(gateway, self.taken[gateway], self.sent[gateway].popleft(), now_ns):
                    expected[shard].append(command)
                done += 1
        for shard in range(SHARDS):
            written = self.rig.written(shard, len(expected[shard]))
            assert [c.tobytes() for c in written] == [c.tobytes() for c in expected[shard]], (written, expected[shard])
            self.waiting[shard].extend(written)
            self.verdicts.update(name_of(int(command["verdict"])) for command in written)
        return done

    def rig_events(self) -> list[list[Any]]:
        """What the kernel has been told since the twin was, at most a batch a shard."""
        return [[events.popleft() for _ in range(min(BATCH, len(events)))] for events in self.told]

    def match(self, shard: int, count: int) -> None:
        """Let the matcher handle some of its commands."""
        for _ in range(min(count, len(self.waiting[shard]))):
            self.pending[shard].extend(self.matchers[shard].handle(self.waiting[shard].popleft()))

    def tell(self, shard: int, count: int) -> None:
        """Publish some of the matcher's events."""
        for _ in range(min(count, len(self.pending[shard]), rig.room(self.rig.events[shard]))):
            event = self.pending[shard].popleft()
            self.rig.tell(shard, [event])
            self.told[shard].append(event)

    def request(self) -> Any:
        """Something a client may send: mostly sensible, now and then not."""
        draw, account = self.random.random(), self.random.choices(range(len(ACCOUNTS)), WEIGHTS)[0]
        if draw < 0.02:
            return self.spoiled(rig.new(account, 1, 10, 10, instrument=self.random.randrange(4)))
        if draw < 0.03:
            return self.mass_cancel(account)
        if draw < 0.6:
            return self.new(account)
        client_order_id = self.known(account)
        if draw < 0.7:
            return rig.cancel(account, client_order_id, instrument=self.random.choice((0, 1, -1)))
        price, quantity = self.terms(self.random.randrange(4))
        if draw < 0.8:
            return rig.reduce(account, client_order_id, self.random.choice((1, 10, 20, quantity)))
        if draw < 0.95:
            return rig.replace(account, client_order_id, price, quantity)
        return rig.replace(account, client_order_id, self.random.choice((0, price)), quantity, stop_price=self.offset(1))

    def mass_cancel(self, account: int) -> Any:
        """Of everything, or narrowed down."""
        instrument = self.random.choice((NO_INSTRUMENT, 0, 1, 2, 99))
        fields = {"flags": self.random.choice((0, 0, 1, 2, 4, 7)), "side": self.random.choice((0, 1, 1, 2))}
        tick = INSTRUMENTS[instrument % 4][0]
        prices = {"price": tick * self.random.randint(0, 105), "stop_price": tick * self.random.randint(90, 200)}
        if self.random.random() < 0.1:
            prices["stop_price"] += 1
        return rig.mass_cancel(account, instrument, **fields, **prices)

    def new(self, account: int) -> Any:
        """A new order, limit or market, whose id is mostly new too."""
        instrument, side = self.random.randrange(4), self.random.choice((Side.BUY, Side.SELL))
        self.names[account] += self.random.random() < 0.9
        price, quantity = self.terms(instrument)
        if self.random.random() < 0.2:
            instrument, side, price, quantity = (
                account % 4,
                Side.BUY,
                95 * INSTRUMENTS[account % 4][0],
                INSTRUMENTS[account % 4][1],
            )
        if self.random.random() < 0.4:
            return self.extended(account, instrument, side, price, quantity)
        market, ioc = self.random.random() < 0.1, self.random.random() < 0.2
        return rig.new(
            account,
            self.names[account],
            price,
            quantity,
            instrument=instrument,
            side=side,
            type=OrderType.MARKET if market else OrderType.LIMIT,
            time_in_force=TimeInForce.IOC if market or ioc else TimeInForce.GTC,
        )

    def extended(self, account: int, instrument: int, side: int, price: int, quantity: int) -> Any:
        """An order with any terms: which go together is not riskd's business."""
        draw, (tick, lot, _) = self.random, INSTRUMENTS[instrument]
        type_, time_in_force = draw.choice(list(OrderType)), draw.choice(list(TimeInForce))
        if type_ not in (OrderType.LIMIT, OrderType.STOP_LIMIT) and draw.random() < 0.7:
            price = 0
        fields = {"stop_price": self.offset(tick), "step": tick * draw.choice((0, 0, 1, 9))}
        fields |= {"display_quantity": lot * draw.randint(0, 9), "minimum_quantity": lot * draw.randint(0, 9)}
        fields |= {"linked_to": draw.choice((0, 0, 0, self.known(account))), "expiry_ns": draw.choice((0, 2**60))}
        fields |= {"self_trade_rule": draw.choice((0, 0, 3)), "self_trade_group": draw.choice((0, 0, 9))}
        fields["flags"] = draw.choice((0, 0, OrderFlag.POST_ONLY, OrderFlag.BASIS_POINTS, 127))
        if draw.random() < 0.05:
            wrong = {"stop_price": 7, "step": tick * draw.choice((-1, 65535, 65536)) + draw.choice((0, 0, 1))}
            wrong |= {"display_quantity": 7, "minimum_quantity": -7, "linked_to": 2**64 - 1}
            name = draw.choice(list(wrong))
            fields[name] = wrong[name]
        kind = {"side": side, "type": type_, "time_in_force": time_in_force, "instrument": instrument}
        return rig.extended(account, self.names[account], price, quantity, **kind, **fields)

    def offset(self, tick: int) -> int:
        """A price, a distance or an offset, in wire units."""
        return tick * self.random.choice((0, -3, 3, 50, 90, 100, 110))

    def known(self, account: int) -> int:
        """The id of an order that the account has, most of the time."""
        mine = [o.client_order_id for o in self.twin.orders.values() if o.account == account]
        return self.random.choice(mine) if mine and self.random.random() < 0.9 else max(1, self.names[account] - 3)

    def terms(self, instrument: int) -> tuple[int, int]:
        """Price and quantity in wire units, seldom off tick or lot, seldom huge."""
        tick, lot, _ = INSTRUMENTS[instrument]
        price, quantity = tick * self.random.randint(90, 110), lot * self.random.randint(1, 45)
        draw = self.random.random()
        if draw < 0.02:
            quantity = self.random.choice((0, -5, 7, lot * 2**20))
        elif draw < 0.04:
            price = self.random.choice((0, -5, 7, price * 2**15))
        return price, quantity

    def spoiled(self, request: Any) -> Any:
        """The request with one field that is wrong."""
        wrong = {"kind": (0, 9, 16), "account": (-1, 5, 2**31 - 1), "instrument": (-1, 4, 2**31 - 1), "side": (2, 255)}
        wrong |= {"type": (0, 11), "time_in_force": (0, 8), "client_order_id": (0,)}
        name = self.random.choice(list(wrong))
        request[name] = self.random.choice(wrong[name])
        return request

    def compare(self) -> None:
        """riskd and twin know the same; and what must always be so, is."""
        risk, twin = self.rig.risk, self.twin
        assert risk["header"]["fault"] == 0
        assert orders_of(risk) == {(o.shard, o.order_id): fields_of(o) for o in twin.orders.values()}
        assert positions_of(risk) == {
            key: (p.bought, p.sold, twin.open_lots(*key, 0), twin.open_lots(*key, 1), p.cost, p.realised, p.turnover)
            for key, p in twin.positions.items()
        }
        for account in range(len(ACCOUNTS)):
            mine = risk["accounts"][account]
            assert mine["open_orders"] == sum(o.account == account for o in twin.orders.values())
            assert [int(held) for held in mine["held"]] == [twin.held(account, side) for side in Side]
        for shard in range(SHARDS):
            free = risk["free"][shard][: risk["shards"][shard]["free"]]
            assert free.tolist() == twin.free[shard]
        self.compare_others()
        for account, permits in enumerate(risk["permits"][: len(ACCOUNTS)]):
            assert (permits["latched"] > permits["released"]) == (account in twin.controls.single.latched)
        check_sums(risk)

    def compare_others(self) -> None:
        """Group and firm are the sums of their members while they have a limit."""
        risk, controls = self.rig.risk, self.twin.controls
        bound = int(risk["header"]["account_bound"])
        for row, scope, number in ((bound, Scope.FIRM, 0), (bound + 1, Scope.GROUP, 1), (bound + 2, Scope.GROUP, 2)):
            if not any(controls.limit(scope, number, control) != UNLIMITED for control in TOTALS):
                continue
            members, account, limits = controls.members(scope, number), risk["accounts"][row], risk["limits"][row]
            assert account["open_orders"] == sum(o.account in members for o in self.twin.orders.values())
            assert [int(held) for held in account["held"]] == [sum(self.twin.held(a, side) for a in members) for side in Side]
            assert (limits["long_cost"], limits["short_cost"]) == controls.costs(members)
            today = limits["day"] == risk["header"]["day"]
            for name, moneys in (("ordered", controls.ordered), ("traded", controls.traded)):
                assert (limits[name] if today else 0) == controls.today(moneys, members), name
            assert loss_of(risk, row) == controls.loss(members)


def fields_of(order: Any) -> tuple[int, ...]:
    """What riskd also keeps of an order."""
    type_ = order.type | 128 * order.in_basis_points | 64 * order.expires
    return (order.account, order.client_order_id, order.instrument, order.side, order.price, order.quantity, order.leaves,
            order.working, order.held, type_, order.pending)  # fmt: skip


def orders_of(risk: Any) -> dict[tuple[int, int], tuple[int, ...]]:
    """The live orders in riskd's record, found by its table of ids."""
    found = {}
    for entry in risk["ids"][risk["ids"]["reference"] != 0]:
        reference = int(entry["reference"]) - 1
        order = risk["orders"][reference >> 24, reference & 0xFFFFFF]
        key = int(risk["positions"][order["position"]]["key"])
        assert (account_of(key), order["client_order_id"]) == (entry["account"], entry["client_order_id"])
        names = ("side", "price", "quantity", "leaves", "working", "held", "type", "pending")
        found[reference >> 24, int(order["order_id"])] = (
            account_of(key), int(order["client_order_id"]), instrument_of(key), *(int(order[name]) for name in names)
        )  # fmt: skip
    assert len(found) == (risk["orders"]["order_id"] != 0).sum()
    return found


def positions_of(risk: Any) -> dict[tuple[int, int], tuple[int, ...]]:
    """The positions in riskd's record."""
    used = risk["positions"][risk["positions"]["key"] != 0]
    assert len(used) == risk["header"]["positions"]
    used = used[account_of(used["key"]) < risk["header"]["account_bound"]]
    return {
        (account_of(int(p["key"])), instrument_of(int(p["key"]))): (
            int(p["bought"]), int(p["sold"]), int(p["open"][0]), int(p["open"][1]), int(p["cost"]), int(p["realised"]),
            int(p["turnover"]),
        )
        for p in used
    }  # fmt: skip


def check_sums(risk: Any) -> None:
    """Lots of an instrument sum to zero over all accounts, and so does the money: nothing is made, nothing is lost."""
    lots: dict[int, int] = {}
    money: dict[int, int] = {}
    for (_, instrument), (bought, sold, _, _, cost, realised, _) in positions_of(risk).items():
        assert cost >= 0
        lots[instrument] = lots.get(instrument, 0) + bought - sold
        paid = cost if bought > sold else -cost
        money[instrument] = money.get(instrument, 0) + realised - paid
    assert not any(lots.values())
    assert not any(money.values())


def check_drained(risk: Any) -> None:
    """Nothing works, so nothing is held."""
    assert not risk["orders"].view("u1").any()
    assert not risk["ids"].view("u1").any()
    assert not risk["accounts"]["held"].any()
    assert not risk["accounts"]["open_orders"].any()
    assert not risk["positions"]["open"].any()


def go(seed: int, steps: int) -> Stream:
    """A whole run, settled at the end."""
    stream = Stream(seed)
    for _ in range(steps):
        stream.step()
    stream.settle()
    check_drained(stream.rig.risk)
    return stream


if __name__ == "__main__":
    done = go(int(sys.argv[1]), int(sys.argv[2]))
    sys.stdout.write(f"{dict(done.verdicts)}\n")
