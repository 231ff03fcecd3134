"""riskd killed at any instant: what it makes of commands and events on record, and that nothing is lost or taken twice."""

import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import riskd_rig as rig
import riskd_stream
from riskd.ahead import end_shard
from riskd.cash import needed
from riskd.controls import risk_command
from riskd.definitions import LIMITS, account_command, define, instrument_command
from riskd.funds import assets, currency_number, fund_command
from riskd.layout import CURRENCIES
from riskd.profit import loss_of
from riskd.recovery import events_made_again, recover_shard
from riskd.state import empty_state, free_all_unused
from riskd.totals import derive, rebuild
from riskd.usage import NS_PER_DAY, set_time
from riskd_reference import LivelyMatcher, SimpleMatcher
from runtime.faults import EnvironmentFault, FaultStatus
from runtime.sections import Account, Instrument
from shm.controls import PERMIT_BITS, Control, Permit, Reference, Scope
from shm.records import COMMAND, EVENT, NO_INSTRUMENT, RISKD_ORIGIN, CommandKind, OrderType, Side, TimeInForce
from shm.ring import Ring
from shm.ring_layout import FIRST_READER, PUBLISHED

ACCOUNTS = [Account(name=f"a{k}", unset_limits="unlimited", maximum_quantity=100, maximum_open_orders=12) for k in range(2)]
ACCOUNTS += [replace(ACCOUNTS[0], name="a2", self_trade_rule="decrement", self_trade_group=3)]
ACCOUNTS += [replace(ACCOUNTS[0], name="a3", track_position=True)]
ACCOUNTS[1], ACCOUNTS[3] = replace(ACCOUNTS[1], funding="cash"), replace(ACCOUNTS[3], funding="margin")
KINDS = (OrderType.LIMIT, OrderType.STOP_LIMIT, OrderType.PEGGED_BID)
"""Those with a limit: what others hold depends on which trade riskd had read last."""
SET = (
    (Scope.ACCOUNT, 0, Control.GROUP, 1),
    (Scope.GROUP, 1, Control.MAXIMUM_GROSS, 10**15),
    (Scope.ACCOUNT, 2, Control.GROUP, 1),
    (Scope.FIRM, 0, Control.MAXIMUM_LONG, 10**9),
    (Scope.INSTRUMENT, 1, Control.COLLAR_REFERENCE, Reference.GIVEN),
    (Scope.INSTRUMENT, 1, Control.COLLAR_PRICE, 100),
    (Scope.INSTRUMENT, 1, Control.INITIAL_MARGIN, 2500),
    (Scope.ACCOUNT, 1, Control.INSTRUMENT, 3 << PERMIT_BITS | Permit.REFUSED),
    (Scope.ACCOUNT, 2, Control.MAXIMUM_REPEATS, 10**6),
    (Scope.ACCOUNT, 1, Control.REMEMBER_IDS, 1),
)
"""Group and firm have limits that never bind, so what they use is kept; so is what account 2 repeats, and account 1's ids.
There is a collar that never binds, and account 1 may not trade one instrument."""
INSTRUMENTS = [Instrument(symbol=f"I{k}", tick_value=1 + k, maker_fee=-90, taker_fee=20_000 + k) for k in range(4)]


class Life:
    """riskd, two matchers and their records. It can be killed and come back."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        limits = [tuple(a.limit(name) for name in LIMITS[1:]) for a in ACCOUNTS]
        self.made = rig.Rig(limits, [(i.tick_size, i.lot_size, i.tick_value) for i in INSTRUMENTS])
        self.matchers: list[SimpleMatcher] = [LivelyMatcher() for _ in range(2)]
        self.commands: list[list[Any]] = [[], []]
        self.events: list[list[Any]] = [[], []]
        self.handled, self.names = [0, 0], [0, 0, 0, 0]
        self.now_ns = NS_PER_DAY - 20 * 10**9
        self.define()

    def define(self) -> None:
        """The definitions that a journal begins with; shard 0 has instruments 0 and 2."""
        for shard in range(2):
            made = [instrument_command(k, INSTRUMENTS[k]) for k in (shard, shard + 2)]
            made += [account_command(k, account) for k, account in enumerate(ACCOUNTS)]
            made += [risk_command(self.made.risk, *each, b"test") for each in SET if shard == 0]
            made += list(self.funds()) if shard == 0 else []
            whole = np.concatenate(made)
            whole["origin"], whole["sequence"] = RISKD_ORIGIN, np.arange(1, len(whole) + 1)
            rig.put(self.made.commands[shard], whole)
            for command in whole:
                define(self.made.risk, shard, command)
            derive(self.made.risk, 1)
            derive(self.made.risk, 3)
            state = self.made.risk["shards"][shard]
            state["sequence"] = state["published"] = len(whole)
            self.record(shard)

    def funds(self) -> Iterator[Any]:
        """Money, and lots of an instrument of each shard, for the accounts that must have them."""
        usd = currency_number(self.made.risk, b"USD")
        for account, asset in ((1, usd), (1, CURRENCIES), (1, CURRENCIES + 1), (3, usd)):
            yield fund_command(self.made.risk, account, asset, 20_000, b"test")

    def send(self) -> None:
        """Requests of all kinds to both gateways."""
        for gateway in range(2):
            for _ in range(self.chance.choice((0, 3, 30))):
                self.made.send(self.request(), gateway=gateway)

    def request(self) -> Any:
        """New orders that cross, cancels, replaces, mass cancels."""
        draw, account = self.chance.random(), self.chance.randrange(4)
        if draw < 0.05:
            return rig.mass_cancel(account, NO_INSTRUMENT)
        name = max(1, self.names[account] - self.chance.randrange(8))
        if draw < 0.2:
            return rig.cancel(account, name)
        price, quantity = self.chance.randint(95, 105), self.chance.randint(1, 50)
        if draw < 0.25:
            return rig.reduce(account, name, quantity)
        if draw < 0.35:
            return rig.replace(account, name, price, quantity)
        self.names[account] += self.chance.random() < 0.95  # now and then an id is used again, in another shard
        side, instrument = self.chance.choice((Side.BUY, Side.SELL)), self.chance.randrange(4)
        kind = {"side": side, "instrument": instrument}
        if draw < 0.6:
            kind |= {"type": self.chance.choice(KINDS), "stop_price": 100, "display_quantity": 1}
            if draw < 0.45:
                kind |= {"time_in_force": TimeInForce.GTD, "expiry_ns": self.now_ns + self.chance.randrange(10**10)}
            return rig.extended(
                account, self.names[account] + 1, price, quantity, linked_to=self.chance.choice((0, name)), **kind
            )
        return rig.new(account, self.names[account] + 1, price, quantity, **kind)

    def live(self) -> None:
        """Some time later: a slice, some matching, some events told."""
        self.now_ns += self.chance.randrange(10**9)
        self.made.run(self.now_ns)
        for shard in range(2):
            self.record(shard)
            self.match(shard, self.chance.choice((0, 5, 100)))
            self.tell(shard, self.chance.choice((0, 5, 100)))

    def record(self, shard: int) -> None:
        """The journal has what is published."""
        self.commands[shard] += self.made.written(shard)

    def match(self, shard: int, bound: int) -> None:
        """Some of the recorded commands are handled, and their events recorded."""
        for command in self.commands[shard][self.handled[shard] :][:bound]:
            self.events[shard] += self.matchers[shard].handle(command)
            self.handled[shard] += 1

    def tell(self, shard: int, bound: int) -> None:
        """Some of the recorded events are published to riskd."""
        self.made.tell(shard, self.events[shard][self.made.events[shard].published :][:bound])

    def kill_between_publishing(self) -> None:
        """A slice is cut short: what it published of some shard is not seen, and the requests were not let go of."""
        before = [ring.published for ring in self.made.commands]
        cursors = [ring.cursor(0) for ring in self.made.orders]
        self.made.run(bound=1)
        lost = self.chance.randrange(2)
        self.made.commands[lost].record["words"][PUBLISHED] = before[lost]
        for ring, cursor in zip(self.made.orders, cursors, strict=True):
            ring.record["words"][FIRST_READER] = max(cursor, ring.cursor(0) - 128)
        for shard in range(2):
            self.record(shard)

    def come_back(self, beyond: int = 0, begin: Any = None) -> Any:
        """A new state out of the records: all commands, and the events that riskd had read, or ``beyond`` more. ``begin``: a
        state that knows the first of them."""
        self.made.risks = empty_state(self.made.sizes, seed=99) if begin is None else begin
        risk = self.made.risk = self.made.risks[0]
        for gateway, ring in enumerate(self.made.orders):
            state = risk["gateways"][gateway]
            state["base"] = state["taken"] = ring.cursor(0)
        for shard, ring in enumerate(self.made.events):
            through = min(ring.cursor(0) + beyond, ring.published)
            known = risk["shards"][shard]
            recover_shard(
                self.made.risks,
                shard,
                in_pieces(self.commands[shard][int(known["sequence"]) :], COMMAND, self.chance),
                in_pieces(self.events[shard][int(known["events_read"]) : through], EVENT, self.chance),
            )
            for gateway, orders in enumerate(self.made.orders):
                assert end_shard(risk, gateway, shard, orders.published)
            ring.record["words"][FIRST_READER] = risk["shards"][shard]["events_read"] = through
        rebuild(risk)
        set_time(risk, self.now_ns)
        free_all_unused(risk)
        self.made.connect()
        return risk

    def arrive(self) -> None:
        """All that was sent is taken, matched and told."""
        for _ in range(50):
            self.made.run()
            for shard in range(2):
                self.record(shard)
                self.match(shard, 1 << 30)
                self.tell(shard, rig.room(self.made.events[shard]))

    def lose_power(self, synced: float) -> Any:
        """The journal has all commands and that part of the events. A new state, and rings that matchers fill by and by."""
        self.made.risks = empty_state(self.made.sizes, seed=99)
        risk = self.made.risk = self.made.risks[0]
        for gateway, ring in enumerate(self.made.orders):
            risk["gateways"][gateway]["base"] = risk["gateways"][gateway]["taken"] = ring.cursor(0)
        for shard in range(2):
            base = int(len(self.events[shard]) * synced)
            ring = self.made.events[shard] = Ring.private(EVENT, rig.CAPACITY, gating=("riskd",), base=base)
            recover_shard(
                self.made.risks,
                shard,
                in_pieces(self.commands[shard], COMMAND, self.chance),
                in_pieces(self.events[shard][:base], EVENT, self.chance),
                events_made_again(Waiting(self, shard), shard, ring),  # type: ignore[arg-type]
                to_the_last=True,
            )
            for gateway, orders in enumerate(self.made.orders):
                assert end_shard(risk, gateway, shard, orders.published)
            assert ring.cursor(0) == ring.published == risk["shards"][shard]["events_read"]
            risk["shards"][shard]["published"] = risk["shards"][shard]["sequence"]
        rebuild(risk)
        set_time(risk, self.now_ns)
        free_all_unused(risk)
        self.made.connect()
        return risk

    def settle(self) -> None:
        """When all that was sent is taken, cancel all, and let every message arrive."""
        self.made.run()
        for account in range(4):
            self.made.send(rig.mass_cancel(account, NO_INSTRUMENT))
        self.arrive()


class Waiting:
    """Stands in for a Context: whenever riskd waits, the matcher makes some more events again, as far as its ring has room."""

    def __init__(self, life: Life, shard: int) -> None:
        self.life, self.shard = life, shard

    def wait_for(self, look: Callable[[], int | None], what: str) -> int:
        """What ``look`` finds in the end."""
        while (found := look()) is None:
            room = rig.room(self.life.made.events[self.shard])
            before = self.life.made.events[self.shard].published
            self.life.tell(self.shard, min(room, self.life.chance.choice((1, 20, 1000))))
            assert self.life.made.events[self.shard].published > before, f"in vain: {what}"
        return found


def in_pieces(records: list[Any], dtype: Any, chance: random.Random) -> Iterator[Any]:
    """The records as arrays of any length, as a journal gives them."""
    whole = np.array(records, dtype) if records else np.zeros(0, dtype)
    while len(whole):
        length = chance.choice((1, 7, 1000))
        yield whole[:length]
        whole = whole[length:]


def essence(risk: Any) -> dict[str, Any]:
    """What must be the same after recovery: all but free stacks, and what is held while a replace is on its way."""
    orders = riskd_stream.orders_of(risk)
    return {
        "orders": {key: fields if not fields[-1] else (*fields[:-4], *fields[-2:]) for key, fields in orders.items()},
        "positions": {key: fields[:2] + fields[4:] for key, fields in riskd_stream.positions_of(risk).items()},
        "open orders": risk["accounts"]["open_orders"].tolist(),
        "accounts": risk["accounts"][[*LIMITS[1:], "flags", "self_trade_rule", "self_trade_group"]].tolist(),
        "instruments": risk["instruments"][["tick_size", "lot_size", "tick_value", "last_price", "collar"]].tolist(),
        "collars": risk["collars"].tobytes(),
        "permits": [risk[name].tobytes() for name in ("permits", "pairs", "repeats", "remembered")],
        "use": risk["limits"][["day", "long_cost", "short_cost", "ordered", "traded"]].tolist(),
        "lost": [loss_of(risk, row) for row in (*range(4), 16, 17)],
        "funds": {key: (int(each["total"]), int(each["fees"])) for key, each in assets(risk).items()},
        "shards": risk["shards"][["sequence", "published", "events_read", "free", "expiring", "clocked_ns"]].tolist(),
    }


def check_holds(risk: Any) -> None:
    """Accounts and positions hold what their orders hold."""
    held: Counter[tuple[int, int]] = Counter()
    open_lots: Counter[tuple[int, int, int]] = Counter()
    mine = riskd_stream.orders_of(risk).values()
    for account, _, instrument, side, *_, working, money, _, _ in mine:
        held[account, side] += money
        open_lots[account, instrument, side] += working
    for account in range(4):
        assert risk["accounts"][account]["held"].tolist() == [held[account, 0], held[account, 1]]
    for account in (1, 3):
        funds = [needed(risk, account, each[2], each[3], each[7], each[8]) for each in mine if each[0] == account]
        assert assets(risk)[account, 0]["held"] == sum(funds)
    for (account, instrument), fields in riskd_stream.positions_of(risk).items():
        assert fields[2:4] == (open_lots[account, instrument, 0], open_lots[account, instrument, 1])


def kinds_of(commands: list[Any]) -> Counter[int]:
    """How many there are of each kind."""
    return Counter(int(command["kind"]) for command in commands)


def check_once(life: Life) -> None:
    """Every request became one command, a mass cancel one in each shard; numbers have no gap."""
    for commands in life.commands:
        assert [int(c["sequence"]) for c in commands] == list(range(1, len(commands) + 1))
    for gateway, ring in enumerate(life.made.orders):
        taken = Counter(int(c["origin_sequence"]) for commands in life.commands for c in commands if c["origin"] == gateway)
        assert sorted(taken) == list(range(1, ring.published + 1))
        everywhere = {int(c["origin_sequence"]) for c in life.commands[0] if c["origin"] == gateway and c["kind"] == 4}
        assert {number for number, count in taken.items() if count == 2} == everywhere
        assert max(taken.values(), default=0) <= 2


@pytest.mark.parametrize("offset", range(4))
def test_between_slices_nothing_is_forgotten(seed: int, offset: int) -> None:
    """Killed and recovered again and again, riskd knows what it knew, to the last lot."""
    life = Life(random.Random(f"{seed}.{offset}"))
    for _ in range(60):
        life.send()
        life.live()
        if life.chance.random() < 0.3:
            known = essence(life.made.risk)
            assert essence(life.come_back()) == known
            check_holds(life.made.risk)
    life.settle()
    riskd_stream.check_drained(life.made.risk)
    riskd_stream.check_sums(life.made.risk)
    check_once(life)


@pytest.mark.parametrize("offset", range(8))
def test_in_the_middle_of_publishing_nothing_is_taken_twice_or_lost(seed: int, offset: int) -> None:
    """One shard's commands were published, the other's not, and the requests were still in their ring."""
    life = Life(random.Random(f"{seed}.{offset}.cut"))
    for _ in range(60):
        life.send()
        life.live()
        if life.chance.random() < 0.4:
            life.send()
            life.kill_between_publishing()
            check_holds(life.come_back(beyond=life.chance.choice((0, 0, 20))))
    life.settle()
    riskd_stream.check_drained(life.made.risk)
    riskd_stream.check_sums(life.made.risk)
    check_once(life)


@pytest.mark.parametrize("synced", [0.0, 0.5, 0.9, 1.0])
def test_after_a_loss_of_power_the_events_are_had_from_the_matchers(seed: int, synced: float) -> None:
    """Commands are all there, events only to some point: more may be lost than a ring holds, and slots were used again."""
    life = Life(random.Random(f"{seed}.{synced}"))
    for _ in range(200):
        life.send()
        life.live()
    life.arrive()
    assert all(len(events) > rig.CAPACITY for events in life.events)
    assert all(command_kinds[CommandKind.CLOCK] > 10 for command_kinds in map(kinds_of, life.commands))
    known = essence(life.made.risk)
    assert essence(life.lose_power(synced)) == known
    check_holds(life.made.risk)
    life.send()
    life.settle()
    riskd_stream.check_drained(life.made.risk)
    riskd_stream.check_sums(life.made.risk)
    check_once(life)


def test_a_slot_in_use_that_no_event_frees_stops_recovery() -> None:
    """Later events are there, and the slot is in use: such records no waiting mends."""
    life = Life(random.Random(1))
    life.made.send(rig.new(0, 1, 100, 1), rig.new(0, 2, 100, 1))
    life.made.run()
    life.record(0)
    life.commands[0][-1]["order_id"] = (
        int(life.commands[0][-1]["sequence"]) << 24 | int(life.commands[0][-2]["order_id"]) & 0xFFFFFF
    )
    life.match(0, 100)
    with pytest.raises(EnvironmentFault, match=f"stopped at command {8 + len(SET) + 4} of shard 0"):
        life.lose_power(0.0)


def test_a_gap_in_the_commands_stops_recovery() -> None:
    """It is said which command does not fit, and the process ends with the status of contradictory settings."""
    life = Life(random.Random(1))
    life.made.send(*(rig.new(0, k, 100, 1) for k in range(1, 9)))
    life.live()
    del life.commands[0][8]
    with pytest.raises(EnvironmentFault, match="stopped at command 10 of shard 0") as fault:
        life.come_back()
    assert fault.value.status is FaultStatus.CONFIGURATION


def test_an_event_of_no_order_stops_recovery() -> None:
    """Events that do not belong to these commands are not taken for true."""
    life = Life(random.Random(1))
    life.matchers = [SimpleMatcher() for _ in range(2)]
    life.made.send(rig.new(0, 1, 100, 1), rig.cancel(0, 1))
    life.made.run()
    life.record(0)
    life.match(0, 100)
    life.events[0][-1]["order_id"] = 5 << 24
    life.tell(0, 100)
    with pytest.raises(EnvironmentFault, match="stopped at event 2 of shard 0") as fault:
        life.come_back(beyond=100)
    assert fault.value.about == {"order_id": 5 << 24, "client_order_id": 1, "account": 0}


@pytest.mark.parametrize("requests", [5, 300])
def test_an_orders_ring_that_was_lost_and_numbers_anew(requests: int) -> None:
    """The first orders of the new ring bear numbers that are in the journal, and are taken all the same."""
    life = Life(random.Random(1))
    life.made.send(*(rig.new(0, k, 100, 1) for k in range(1, requests + 1)))
    life.made.run()
    life.record(0)
    life.made.orders[0] = Ring.private(COMMAND, rig.CAPACITY, gating=("riskd",))
    risk = empty_state(life.made.sizes, seed=3)
    recover_shard(risk, 0, in_pieces(life.commands[0], COMMAND, life.chance), iter(()))
    assert not end_shard(risk[0], 0, 0, life.made.orders[0].published)
    assert not risk[0]["ahead"].any()


def test_numbers_that_go_back_are_a_new_ring() -> None:
    """Killed before it let go of the first batch of a ring that numbers anew, riskd skips that batch and no more."""
    life = Life(random.Random(1))
    life.made.send(*(rig.new(0, k, 100, 1) for k in range(1, 101)))
    life.made.run()
    life.made.orders[0] = Ring.private(COMMAND, rig.CAPACITY, gating=("riskd",))
    life.made.risk["gateways"][0]["taken"] = 0
    life.made.connect()
    life.made.send(rig.new(1, 1, 100, 1), rig.cancel(1, 1))
    life.made.run()
    life.record(0)
    life.made.orders[0].record["words"][FIRST_READER] = 0
    life.made.send(rig.cancel(1, 7))
    life.come_back()
    life.made.run()
    life.record(0)
    assert [int(c["origin_sequence"]) for c in life.commands[0][-3:]] == [1, 2, 3]
