"""riskd's agent over real segments, the test being all its neighbours: definitions, orders, restart, answers."""

import json
import re
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import riskd_rig as rig
from conftest import Place
from journal_writing import PlainJournal
from leftovers import remove_segments
from riskd.process import Riskd, build
from riskd_reference import SimpleMatcher
from runtime.context import Context
from runtime.faults import EnvironmentFault, FaultStatus
from runtime.settings import Settings, load
from shm.durable import COMMANDS_WRITTEN, EVENTS_WRITTEN, STATE, JournalState
from shm.journal import Stream
from shm.records import (
    ACCOUNT_COMMAND,
    COMMAND,
    INSTRUMENT_COMMAND,
    RISKD_ORIGIN,
    RULES_COMMAND,
    CommandKind,
    FeeBasis,
    InstrumentState,
    Policy,
    RulesFlag,
    Side,
    TimeInForce,
)
from shm.ring_layout import FIRST_READER, SNAPSHOT_MARK
from waiting import wait_until

INSTRUMENTS = [
    {"symbol": "ABC", "tick_size": 5, "lot_size": 10, "price_decimals": 2},
    {"symbol": "XYZ", "tick_value": 7, "currency": "EUR", "maker_fee": -2, "taker_fee": 3, "fee_basis": "per_lot"},
]
ACCOUNTS = [
    {"name": "alice", "unset_limits": "unlimited", "maximum_notional": 10**9, "maximum_quantity": 1_000_000},
    {"name": "bob", "unset_limits": "unlimited", "maximum_open_orders": 5},
]


class Neighbours:
    """Persister, gateways and matchers, as far as riskd sees them."""

    def __init__(self, place: Place) -> None:
        self.place, self.open = place, []
        self.matchers = [SimpleMatcher() for _ in range(2)]
        self.journals: dict[tuple[Stream, int], PlainJournal] = {}
        self.begin([0, 0])

    def begin(self, commands: list[int]) -> None:
        """Make every segment, the journal having so many commands and no events."""
        settings = self.settings()
        persister = self.context(settings, "persister")
        assert persister.epoch
        self.durables = [persister.create_durable(shard, commands[shard], 0) for shard in range(2)]
        for durable in self.durables:
            durable.advance(STATE, JournalState.WRITING)
        self.events = [self.context(settings, f"matcher.{k}").create_ring(f"events.{k}") for k in range(2)]
        self.orders = [self.context(settings, f"gateway.{g}").create_ring(f"orders.{g}") for g in range(2)]

    def settings(self, instruments: list[Any] = INSTRUMENTS, accounts: list[Any] = ACCOUNTS, pools: Any = None) -> Settings:
        """Two of everything; sizes as in the other tests of riskd, for which kernels are compiled."""
        path = self.place.root / "pinion.toml"
        lines = ["matchers = 2", "gateways = 2", "[control]", "attach_s = 0.2", "[rings]"]
        lines += [f"{name} = {rig.CAPACITY}" for name in ("orders", "commands", "events")]
        lines += [
            "[pools]",
            *(f"{name} = {size}" for name, size in ({"accounts": 16, "instruments": 8} | (pools or {})).items()),
        ]
        lines += [f"orders = {rig.SLOTS}"]
        groups = [{"name": name} for name in ("desk", "other")]
        for kind, rows in (("instruments", instruments), ("groups", groups), ("accounts", accounts)):
            for row in rows:
                keys = {"api_key": f"key-of-{row['name']}"} if kind == "accounts" else {}
                lines += [f"[[{kind}]]", *(f"{name} = {json.dumps(value)}" for name, value in {**row, **keys}.items())]
        path.write_text("\n".join(lines))
        path.chmod(0o600)
        return load(path, self.place.environ)

    def context(self, settings: Settings, process: str) -> Context:
        """A process's surroundings."""
        self.open.append(Context(settings, process))
        return self.open[-1]

    def start(self, settings: Settings | None = None) -> Riskd:
        """riskd, built. The one before must have been closed."""
        context = self.context(settings or self.settings(), "riskd")
        self.riskd_context = context
        return build(context)

    def stop(self) -> None:
        """riskd is killed: its rings are let go of, and nothing else happens."""
        self.riskd_context.close()

    def journal(self, stream: Stream, shard: int, records: list[Any]) -> None:
        """Write records down, and say so."""
        journal = self.journals.get((stream, shard)) or PlainJournal(self.place.data, stream, shard)
        self.journals[stream, shard] = journal
        if records:
            journal.write(len(records), np.array(records))
        self.durables[shard].advance(COMMANDS_WRITTEN if stream is Stream.COMMANDS else EVENTS_WRITTEN, journal.sequence - 1)

    def pass_on(self, riskd: Riskd, shard: int, told: bool = True) -> list[Any]:
        """Match and journal what riskd wrote; tell the events. The commands."""
        ring = riskd.rings.commands[shard]
        commands = rig.got(ring, 1 << 30)
        ring.record["words"][32 + 16] = ring.published
        events = [event for command in commands for event in self.matchers[shard].handle(command)]
        self.journal(Stream.COMMANDS, shard, commands)
        self.journal(Stream.EVENTS, shard, events)
        if told:
            rig.put(self.events[shard], events)
        return commands

    def lose_power(self) -> list[list[Any]]:
        """Shared memory is gone, and of the journal all events. Each shard's events, which its matcher will make again."""
        self.close()
        self.open.clear()
        remove_segments({path.name for path in Path("/dev/shm").glob(f"{self.settings().instance}-*")})
        lost = []
        for shard, matcher in enumerate(self.matchers):
            journal = self.journals.pop((Stream.EVENTS, shard))
            lost.append([event for batch in journal.written for event in batch])
            shutil.rmtree(journal.folder)
            assert len(lost[-1]) == matcher.sequence
        self.begin([self.journals[Stream.COMMANDS, shard].sequence - 1 for shard in range(2)])
        return lost

    def close(self) -> None:
        """Let go of everything."""
        for context in self.open:
            context.close()


@pytest.fixture
def neighbours(place: Place) -> Iterator[Neighbours]:
    """All that riskd needs around it."""
    made = Neighbours(place)
    yield made
    made.close()


def work(riskd: Riskd) -> None:
    """Until there is nothing to do."""
    for _ in range(100):
        if not riskd.do_work():
            return
    raise AssertionError("riskd does not come to rest")


def test_an_empty_journal_begins_with_the_definitions(neighbours: Neighbours) -> None:
    """Each instrument in its shard, each account in every shard, numbered from 1, of no gateway; only then orders."""
    rig.put(neighbours.orders[0], [rig.new(0, 1, 500, 20)])
    riskd = neighbours.start()
    assert not riskd.drained()
    work(riskd)
    assert riskd.drained()
    first, second = (neighbours.pass_on(riskd, shard) for shard in range(2))
    assert [c["kind"] for c in first] == [CommandKind.INSTRUMENT, CommandKind.ACCOUNT, CommandKind.ACCOUNT, CommandKind.NEW]
    assert [c["kind"] for c in second] == [CommandKind.INSTRUMENT, CommandKind.ACCOUNT, CommandKind.ACCOUNT]
    assert [c["sequence"] for c in first] == [1, 2, 3, 4]
    assert {int(c["origin"]) for c in second} == {RISKD_ORIGIN}
    assert all(c["time_ns"] > 0 and c["verdict"] == 0 for c in first)
    instrument = np.array(second[:1], COMMAND).view(INSTRUMENT_COMMAND)[0]
    assert (instrument["instrument"], instrument["symbol"], instrument["currency"]) == (1, b"XYZ", b"EUR")
    assert (instrument["tick_size"], instrument["lot_size"], instrument["tick_value"]) == (1, 1, 7)
    assert (instrument["maker_fee"], instrument["taker_fee"], instrument["fee_basis"]) == (-2, 3, FeeBasis.PER_LOT)
    account = np.array(first[2:3], COMMAND).view(ACCOUNT_COMMAND)[0]
    assert (account["account"], account["name"], account["maximum_open_orders"]) == (1, b"bob", 5)
    assert (first[3]["price"], first[3]["quantity"]) == (100, 2)


def trade(neighbours: Neighbours, riskd: Riskd) -> None:
    """Alice sells 3 lots of ABC to bob at 5.00, then buys one back at 6.00; an order of hers goes on working."""
    requests = [
        rig.new(0, 1, 500, 30, side=Side.SELL),
        rig.new(1, 1, 500, 30),
        rig.new(0, 2, 600, 10),
        rig.new(1, 2, 600, 10, side=Side.SELL),
        rig.new(0, 3, 10, 4, instrument=1),
    ]
    rig.put(neighbours.orders[0], requests)
    work(riskd)
    for shard in range(2):
        neighbours.pass_on(riskd, shard)
    work(riskd)


def test_what_operators_ask_for(neighbours: Neighbours) -> None:
    """Accounts with limits and holds, positions with average cost and profit, a summary of it all."""
    riskd = neighbours.start()
    trade(neighbours, riskd)
    answers = riskd.commands()
    alice, bob = answers["accounts"]({})
    assert (alice["name"], alice["open_orders"], alice["held_buy"], alice["held_sell"]) == ("alice", 1, 10 * 4 * 7, 0)
    assert (bob["name"], bob["maximum_open_orders"], bob["open_orders"]) == ("bob", 5, 0)
    mine = {(p["name"], p["symbol"]): p for p in answers["positions"]({})}
    sold, bought = mine["alice", "ABC"], mine["bob", "ABC"]
    assert (sold["net"], sold["cost"], sold["average_price"]) == (-2, 2 * 100 * 50, "5.000000")
    assert (bought["net"], bought["cost"], bought["last_price"]) == (2, 2 * 100 * 50, 120)
    assert (sold["realised"], sold["unrealised"]) == (-1000, -2000)
    assert (bought["realised"], bought["unrealised"]) == (1000, 2000)
    assert (mine["alice", "XYZ"]["open_buy"], mine["alice", "XYZ"]["average_price"]) == (4, None)
    assert [p["name"] for p in answers["positions"]({"account": 1})] == ["bob"]
    with pytest.raises(ValueError, match="allowed is a number below 2"):
        answers["positions"]({"account": 2})
    status = riskd.status()
    assert (status["working_orders"], status["held_buy"], status["orders_taken"]) == (1, 280, [5, 0])
    assert status["shards"][0]["commands"] == riskd.rings.commands[0].published


def ask(riskd: Riskd, command: str, **arguments: Any) -> Any:
    """As over the control socket."""
    return riskd.commands()[command](arguments)


def test_operators_set_states_and_rules(neighbours: Neighbours) -> None:
    """They become the shard's next commands, ahead of orders that wait, in ticks and lots; the answer says which."""
    riskd = neighbours.start()
    trade(neighbours, riskd)
    before = riskd.rings.commands[0].published
    rig.put(neighbours.orders[0], [rig.new(0, 4, 500, 10)])
    rules = {"reference_price": 500, "static_low": 450, "static_high": 550, "dynamic_collar": 10, "minimum_allocation": 20}
    told = [
        ask(riskd, "state", symbol="ABC", state="halted"),
        ask(riskd, "rules", symbol="ABC", **rules, policy="pro_rata", top_order_priority=True),
        ask(riskd, "rules", symbol="ABC"),
    ]
    assert told == [{"instrument": 0, "shard": 0, "command_sequence": before + k} for k in (1, 2, 3)]
    assert not riskd.drained()
    work(riskd)
    assert riskd.drained()
    state, set_, cleared, order = neighbours.pass_on(riskd, 0)
    assert [c["sequence"] for c in (state, set_, cleared, order)] == [before + k for k in (1, 2, 3, 4)]
    assert {(int(c["origin"]), int(c["account"]), int(c["verdict"])) for c in (state, set_, cleared)} == {(RISKD_ORIGIN, -1, 0)}
    assert (state["kind"], state["type"]) == (CommandKind.STATE, InstrumentState.HALTED)
    assert (order["kind"], set_["kind"]) == (CommandKind.NEW, CommandKind.RULES)
    names = ("reference_price", "static_low", "static_high", "dynamic_collar", "minimum_allocation", "policy", "flags")
    found = [np.array([command], COMMAND).view(RULES_COMMAND)[0] for command in (set_, cleared)]
    assert [int(found[0][name]) for name in names] == [100, 90, 110, 2, 2, Policy.PRO_RATA, RulesFlag.TOP_ORDER_PRIORITY]
    assert [int(found[1][name]) for name in names] == [0] * 7


def test_a_snapshot_is_a_command_in_every_shard_and_a_mark_behind_it(neighbours: Neighbours) -> None:
    """Numbered in all shards, or in none while one has no room; who looks at the rings finds the last one's numbers."""
    riskd = neighbours.start()
    trade(neighbours, riskd)
    before = [ring.published for ring in riskd.rings.commands]
    assert ask(riskd, "snapshot") == {"commands": [number + 1 for number in before]}
    for shard, ring in enumerate(riskd.rings.commands):
        assert ring.published == ring.record["words"][SNAPSHOT_MARK] == before[shard] + 1
        assert [int(command["kind"]) for command in neighbours.pass_on(riskd, shard)] == [CommandKind.SNAPSHOT]
    assert riskd.status()["snapshot"]["commands"] == [number + 1 for number in before]
    full = riskd.rings.commands[1]
    full.record["words"][FIRST_READER] -= full.capacity
    with pytest.raises(ValueError, match="take no more commands"):
        ask(riskd, "snapshot")
    assert [ring.published for ring in riskd.rings.commands] == [number + 1 for number in before]


WRONG = [
    ("state", {"symbol": "ABC"}, "state = '': allowed is one of continuous, pre_open, opening_auction"),
    ("state", {"symbol": "ABC", "state": "shut"}, "state = 'shut': allowed is one of continuous"),
    ("state", {"symbol": "ABD", "state": "halted"}, "symbol = 'ABD': allowed is one of ABC, XYZ"),
    ("state", {"symbol": "ABC", "state": "halted", "until": 1}, "unknown argument 'until': allowed are symbol, state"),
    ("rules", {"state": "halted"}, "unknown argument 'state': allowed are symbol, reference_price"),
    ("rules", {"symbol": "ABC", "static_low": 501}, "static_low = 501: allowed is a multiple of 5 from 0"),
    ("rules", {"symbol": "ABC", "dynamic_collar": -5}, "dynamic_collar = -5: allowed is a multiple of 5 from 0"),
    ("rules", {"symbol": "XYZ", "static_high": 2**48 - 1}, "static_high = 281474976710655: allowed is a multiple of 1 from 0"),
    ("rules", {"symbol": "ABC", "reference_price": True}, "reference_price = True: allowed is a multiple of 5"),
    ("rules", {"symbol": "ABC", "static_low": 10, "static_high": 5}, "static_low = 10: allowed is at most static_high, 5"),
    ("rules", {"symbol": "ABC", "minimum_allocation": 5}, "minimum_allocation = 5: allowed is a multiple of 10"),
    ("rules", {"symbol": "ABC", "policy": "fifo"}, "policy = 'fifo': allowed is one of price_time, pro_rata"),
    ("rules", {"symbol": "ABC", "top_order_priority": 1}, "top_order_priority = 1: allowed is true or false"),
]


def test_wrong_requests_of_operators_are_refused(neighbours: Neighbours) -> None:
    """With what would be right; nothing is numbered."""
    riskd = neighbours.start()
    work(riskd)
    before = riskd.status()
    for command, arguments, words in WRONG:
        with pytest.raises(ValueError, match=re.escape(words)):
            ask(riskd, command, **arguments)
    assert not riskd.do_work()
    assert riskd.status() == before


def test_an_operator_is_refused_where_there_is_no_room(neighbours: Neighbours) -> None:
    """Orders of other shards do not wait for a matcher that is away."""
    riskd = neighbours.start()
    work(riskd)
    for _ in range(2):
        rig.put(neighbours.orders[0], [rig.cancel(0, 77)] * (rig.CAPACITY // 2))
        work(riskd)
    with pytest.raises(ValueError, match="shard 0 takes no more commands until"):
        ask(riskd, "state", symbol="ABC", state="halted")
    assert ask(riskd, "state", symbol="XYZ", state="halted")["shard"] == 1
    work(riskd)
    neighbours.pass_on(riskd, 0)
    work(riskd)
    ask(riskd, "state", symbol="ABC", state="halted")
    work(riskd)
    assert neighbours.pass_on(riskd, 0)[-1]["kind"] == CommandKind.STATE


def test_what_operators_asked_for_is_recovered_from(neighbours: Neighbours) -> None:
    """riskd goes on after such commands, and after a CLOCK, with the next number."""
    riskd = neighbours.start()
    work(riskd)
    ask(riskd, "state", symbol="ABC", state="pre_open")
    ask(riskd, "rules", symbol="ABC", reference_price=500)
    terms = {"time_in_force": TimeInForce.GTD, "expiry_ns": 1 << 62}
    rig.put(neighbours.orders[0], [rig.extended(0, 1, 500, 10, **terms)])
    work(riskd)
    kinds = [c["kind"] for c in neighbours.pass_on(riskd, 0)]
    assert kinds[-4:] == [CommandKind.STATE, CommandKind.RULES, CommandKind.NEW, CommandKind.CLOCK]
    neighbours.pass_on(riskd, 1)
    work(riskd)
    before = riskd.status()
    neighbours.stop()
    riskd = neighbours.start()
    assert riskd.status() == before
    assert ask(riskd, "state", symbol="ABC", state="continuous")["command_sequence"] == len(kinds) + 1


def test_a_restart_goes_on_where_it_stopped(neighbours: Neighbours) -> None:
    """The same accounts, positions and orders, no definition again, and the next number."""
    riskd = neighbours.start()
    trade(neighbours, riskd)
    before = riskd.commands()["accounts"]({}), riskd.commands()["positions"]({}), riskd.status()
    neighbours.stop()
    rig.put(neighbours.orders[1], [rig.cancel(0, 3)])
    riskd = neighbours.start()
    assert (riskd.commands()["accounts"]({}), riskd.commands()["positions"]({}), riskd.status()) == before
    last = riskd.rings.commands[1].published
    work(riskd)
    (cancel,) = neighbours.pass_on(riskd, 1)
    assert (cancel["sequence"], cancel["kind"], cancel["verdict"], cancel["origin"]) == (last + 1, CommandKind.CANCEL, 0, 1)
    work(riskd)
    assert riskd.status()["working_orders"] == 0


def test_killed_before_the_journal_had_it_all(neighbours: Neighbours) -> None:
    """Commands that only the ring holds are taken from there, and events that riskd had not read are read."""
    riskd = neighbours.start()
    work(riskd)
    for shard in range(2):
        neighbours.pass_on(riskd, shard, told=False)
    rig.put(neighbours.orders[0], [rig.new(0, 1, 500, 30), rig.new(0, 2, 500, 30)])
    work(riskd)
    neighbours.stop()
    riskd = neighbours.start()
    assert riskd.status()["working_orders"] == 2
    work(riskd)
    commands = neighbours.pass_on(riskd, 0)
    assert [c["client_order_id"] for c in commands] == [1, 2]


def test_events_that_the_journal_lacks_are_waited_for(neighbours: Neighbours) -> None:
    """riskd had read them from the ring. While the persister has not written them, it does not go on and says what it lacks."""
    riskd = neighbours.start()
    trade(neighbours, riskd)
    neighbours.stop()
    neighbours.durables[0].advance(EVENTS_WRITTEN, 1)
    with pytest.raises(EnvironmentFault, match="event 6 of shard 0 in the journal") as fault:
        neighbours.start()
    assert fault.value.status is FaultStatus.UNAVAILABLE


def trade_and_lose_power(neighbours: Neighbours) -> tuple[Any, list[list[Any]]]:
    """What riskd knew, slots having been used more than once, and the events that are lost."""
    riskd = neighbours.start()
    for _ in range(3):
        trade(neighbours, riskd)
    known = riskd.commands()["accounts"]({}), riskd.commands()["positions"]({}), riskd.status()["shards"]
    return known, neighbours.lose_power()


def test_events_lost_with_the_power_are_had_from_the_matcher(neighbours: Neighbours) -> None:
    """It makes them again while riskd recovers, and riskd ends up knowing what it knew."""
    known, lost = trade_and_lose_power(neighbours)

    def make_again() -> None:
        for ring, events in zip(neighbours.events, lost, strict=True):
            for event in events:
                wait_until(lambda ring=ring: ring.cursor(ring.reader("riskd")) == ring.published, 5)
                rig.put(ring, [event])

    with ThreadPoolExecutor(1) as matcher:
        made = matcher.submit(make_again)
        riskd = neighbours.start()
        made.result()
    assert (riskd.commands()["accounts"]({}), riskd.commands()["positions"]({}), riskd.status()["shards"]) == known
    assert all(ring.cursor(ring.reader("riskd")) == ring.published for ring in neighbours.events)


def test_events_that_no_matcher_makes_again(neighbours: Neighbours) -> None:
    """After control.attach_s riskd says which it lacks and ends; another start may find them."""
    trade_and_lose_power(neighbours)
    what = "in vain for matcher.0 to make the events after 0 again, which come before command [0-9]+ of shard 0"
    with pytest.raises(EnvironmentFault, match=what) as fault:
        neighbours.start()
    assert fault.value.status is FaultStatus.UNAVAILABLE


def test_settings_may_add_at_the_end(neighbours: Neighbours) -> None:
    """A new instrument and a new account become commands before the first order."""
    trade(neighbours, neighbours.start())
    neighbours.stop()
    riskd = neighbours.start(neighbours.settings([*INSTRUMENTS, {"symbol": "NEW"}], [*ACCOUNTS, {"name": "carol"}]))
    work(riskd)
    assert [(c["kind"], c["instrument"], c["account"]) for c in neighbours.pass_on(riskd, 0)] == [
        (CommandKind.INSTRUMENT, 2, -1), (CommandKind.ACCOUNT, -1, 2)
    ]  # fmt: skip
    assert [(c["kind"], c["account"]) for c in neighbours.pass_on(riskd, 1)] == [(CommandKind.ACCOUNT, 2)]


def test_settings_that_contradict_the_journal_are_refused(neighbours: Neighbours) -> None:
    """Every difference is named, with both values."""
    trade(neighbours, neighbours.start())
    neighbours.stop()
    instruments = [{**INSTRUMENTS[0], "tick_size": 10}, {**INSTRUMENTS[1], "maker_fee": 0}]
    with pytest.raises(EnvironmentFault) as fault:
        neighbours.start(neighbours.settings(instruments, [{"name": "alicia", "maximum_notional": 10**9}]))
    neighbours.stop()
    assert fault.value.status is FaultStatus.CONFIGURATION
    for words in (
        "instruments[0].tick_size is 10, in the journal 5",
        "instruments[0].tick_value is 100, in the journal 50",
        "instruments[1].maker_fee is 0, in the journal -2",
        "accounts[0].name is 'alicia', in the journal 'alice'",
        "accounts[1] is missing",
    ):
        assert words in str(fault.value)


def test_pools_smaller_than_the_journal_are_refused(neighbours: Neighbours) -> None:
    """The message says what would do."""
    many = [*ACCOUNTS, {"name": "carol"}]
    trade(neighbours, neighbours.start(neighbours.settings(accounts=many)))
    neighbours.stop()
    with pytest.raises(EnvironmentFault, match=r"pools.accounts = 2: the journal holds number 2; allowed is at least 3"):
        neighbours.start(neighbours.settings(pools={"accounts": 2}))
