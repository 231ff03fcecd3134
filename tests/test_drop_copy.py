"""Drop copies: what they are told, what they are refused, and that nobody waits for them."""

import random
from collections.abc import Iterator

import pytest

import gateway.wire
from gateway.table import live_places
from gateway_world import KEYS, LOT, Wired, World
from pinion.codec import decode, encode
from pinion.drop_copy import by_shard
from pinion.protocol import EXECUTION_REPORT, Kind, LogonFlag
from shm.reasons import Reason
from test_gateway_reports import act, twin_of
from waiting import wait_until

SEES = {"auditor": (0, 1, 2), "warden": (0, 2)}
"""Numbers of the accounts."""
RESUME = int(LogonFlag.RESUME)
REPORT_BYTES = EXECUTION_REPORT.itemsize


@pytest.fixture
def world(place) -> Iterator[World]:
    with World(place) as made:
        yield made


def wanted(world: World, name: str, after: int = 0) -> bytes:
    """What the slow twin makes, for a drop copy, of the events in the ring that follow ``after``."""
    ring = world.events[0]
    events = [ring.record["slots"][k & (ring.capacity - 1)] for k in range(after + 1, ring.published + 1)]
    return b"".join(_both_sides(event, SEES[name]) for event in events)


def _both_sides(event, accounts: tuple[int, ...]) -> bytes:
    own, resting = int(event["account"]), int(event["resting_account"])
    sides = (own,) if own == resting else (own, resting)
    return b"".join(twin_of(event, account) for account in sides if account in accounts)


def heard(world: World, client: Wired) -> bytes:
    """Every report that has come, as bytes."""
    world.settle()
    found = b""
    while client.socket.poll(0):
        frame = client.socket.recv()
        found += frame if frame[2] == Kind.EXECUTION_REPORT else b""
        world.settle()
    return found


def test_a_copy_hears_all_that_its_accounts_hear(world: World, seed: int) -> None:
    """Random acts of three accounts: two copies of one kind and one of another hear every side that they may see, byte for byte
    what the accounts are told; and once more when they ask from the beginning."""
    rng, ring = random.Random(seed), world.events[0]
    traders = [world.client(name) for name in ("alice", "alice", "bob", "carol", "carol")]
    names = ("auditor", "warden", "warden")
    copies = [world.client(name, heartbeat_ms=3_600_000) for name in names]
    told = [b"" for _ in copies]

    def hear() -> None:
        for each in traders:
            heard(world, each)
        for k, each in enumerate(copies):
            told[k] += heard(world, each)

    def complete() -> bool:
        hear()
        return told == [wanted(world, name) for name in names]

    while ring.published < ring.capacity - 200:
        act(world, traders, rng)
        hear()
    wait_until(complete, timeout_s=60, what="the same reports as the twin's")
    told[1] = b""
    copies[1].send(copies[1].message(Kind.RESEND_REQUEST, after_sequence=0, shard=0))
    wait_until(complete, timeout_s=60, what="the same reports again")


def test_recovery_from_any_event(world: World) -> None:
    """Whatever event a copy names, it gets what follows it, once and in order, and then what is new."""
    alice, bob, copy = world.client("alice"), world.client("bob"), world.client()
    for k in range(1, 5):
        for trader, side in ((alice, 0), (bob, 1)):
            trader.send(trader.order(k, quantity=100 * LOT, side=side))
        wait_until(lambda k=k: not world.settle() and (1, k) in world.engine.working and (0, k) in world.engine.working)
        world.engine.trade((0, k), (1, k), 1)
    world.settle()
    for after in range(world.events[0].published + 1):
        accepted = copy.logon("auditor", flags=RESUME)
        assert accepted["account"] == -1
        copy.send(copy.message(Kind.RESEND_REQUEST, request_id=3, after_sequence=after, shard=0))
        missed = wanted(world, "auditor", after)
        assert copy.reports(len(missed) // REPORT_BYTES).tobytes() == missed if missed else True
        assert copy.receive()[0] is Kind.RESEND_COMPLETE
        live = world.events[0].published
        world.engine.trade((0, 1), (1, 1), 1)
        assert copy.reports(2).tobytes() == wanted(world, "auditor", live)
        copy.send(copy.message(Kind.LOGOUT))
        assert copy.receive()[0] is Kind.LOGOUT


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        (Kind.NEW_ORDER, {"price": 100, "quantity": LOT, "type": 1, "time_in_force": 1}),
        (Kind.NEW_ORDER, {"price": 100, "quantity": LOT, "type": 1, "time_in_force": 1, "stop_price": 3}),
        (Kind.CANCEL, {"client_order_id": 1}),
        (Kind.REPLACE, {"client_order_id": 1, "price": 100, "quantity": LOT}),
        (Kind.REDUCE, {"client_order_id": 1, "quantity": LOT}),
        (Kind.MASS_CANCEL, {"instrument": -1}),
        (Kind.ORDERS_REQUEST, {}),
    ],
)
def test_a_copy_enters_nothing(world: World, kind: Kind, fields: dict[str, int]) -> None:
    """It is told why, nothing reaches riskd, and its session goes on."""
    alice, copy = world.client("alice"), world.client("warden")
    copy.send(copy.message(kind, request_id=7, **fields))
    reject = copy.reject()
    assert (reject["message"], reject["request_id"]) == (kind, 7)
    assert (reject["reason"], reject["text"]) == (Reason.READ_ONLY, b"a drop copy only reads")
    assert world.engine.commands_seen == []
    alice.send(alice.order(1))
    assert copy.reports(1).tobytes() == alice.reports(1).tobytes()


def test_what_a_copy_may_ask(world: World) -> None:
    """What is traded, for its prices mean nothing else; that it lives; what it missed; to go."""
    copy = world.client("auditor")
    copy.send(copy.message(Kind.INSTRUMENTS_REQUEST, request_id=1))
    assert copy.receive()[0] is Kind.INSTRUMENT
    assert copy.receive()[0] is Kind.END_OF_LIST
    copy.send(copy.message(Kind.HEARTBEAT), copy.message(Kind.RESEND_REQUEST, after_sequence=0, shard=0))
    assert copy.receive()[0] is Kind.RESEND_COMPLETE
    assert world.gateway.status()["drop_copies"] == 1
    copy.send(copy.message(Kind.LOGOUT))
    assert copy.receive()[0] is Kind.LOGOUT
    assert world.gateway.status()["drop_copies"] == 0


@pytest.mark.parametrize(
    ("name", "key"), [("auditor", "alice"), ("alice", "auditor"), ("warden", "auditor"), ("nobody", "warden")]
)
def test_a_key_opens_its_own_name_alone(world: World, name: str, key: str) -> None:
    """An account's does not open a copy, nor a copy's an account or another copy."""
    client = world.client()
    client.send(encode(Kind.LOGON, account=name.encode(), api_key=KEYS[key].encode()))
    assert client.reject()["reason"] == Reason.BAD_CREDENTIALS


def test_copies_come_and_go(world: World) -> None:
    """Whichever of several ends, first, last or between, the others hear on, and the accounts too."""
    alice = world.client("alice")
    copies = [world.client(name) for name in ("auditor", "warden", "auditor")]
    for k, leaving in enumerate((1, 1, 0)):
        copy = copies.pop(leaving)
        copy.send(copy.message(Kind.LOGOUT))
        assert copy.receive()[0] is Kind.LOGOUT
        alice.send(alice.order(k + 1))
        report = alice.reports(1).tobytes()
        assert [each.reports(1).tobytes() for each in copies] == [report] * len(copies)
    assert len(live_places(world.gateway._state)) == 1


def test_a_copy_hears_nothing_before_it_is_durable(place) -> None:
    """With durability disk it waits for the command's sync, live and when it asks again, as everybody does."""
    with World(place, durability="disk") as world:
        alice, copy = world.client("alice"), world.client("auditor")
        alice.send(alice.order(1))
        world.settle()
        copy.send(copy.message(Kind.RESEND_REQUEST, after_sequence=0, shard=0))
        assert copy.receive()[0] is Kind.RESEND_COMPLETE
        assert copy.hears_nothing()
        world.engine.make_durable()
        assert copy.reports(1).tobytes() == alice.reports(1).tobytes()


def test_a_slow_copy_holds_nobody_up(place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is told BEHIND, asks, and has everything once and in order; trading goes on meanwhile."""
    monkeypatch.setattr(gateway.wire, "FRAMES_WAITING_BOUND", 2)
    with World(place) as world:
        slow, quick = world.client(), world.client()
        slow.socket.rcvhwm = 1
        slow.socket.disconnect(world.endpoint)
        slow.socket.rcvbuf = 4096
        slow.socket.connect(world.endpoint)
        slow.logon("warden")
        quick.logon("alice")
        total = 0

        def fell_behind() -> bool:
            nonlocal total
            quick.send(*(quick.order(total + k, quantity=LOT) for k in range(1, 101)))
            quick.reports(100)
            quick.send(quick.message(Kind.MASS_CANCEL, instrument=-1))
            quick.reports(101)
            total += 100
            return int(world.gateway._state["fell_behind"]) > 0

        wait_until(fell_behind, timeout_s=60, what="the slow copy behind")
        sequences: list[int] = []
        complete = False
        while not complete:
            for kind, records in decode(slow.frame()):
                if kind is Kind.EXECUTION_REPORT:
                    sequences += records["event_sequence"].tolist()
                elif kind is Kind.BEHIND:
                    last = sequences[-1] if sequences else 0
                    slow.send(slow.message(Kind.RESEND_REQUEST, after_sequence=last, shard=0))
                complete = complete or kind is Kind.RESEND_COMPLETE
        assert sequences == list(range(1, world.events[0].published + 1))


def test_where_a_reader_begins() -> None:
    """One event for all shards, one for each, or none; a sentence for what cannot be meant."""
    assert by_shard(None) is None
    assert by_shard(5) == [5] * 16
    assert by_shard([5, 6]) == [5, 6, *[0] * 14]
    for wrong in (-1, [], [1] * 17, [3, -1]):
        with pytest.raises(ValueError, match="allowed is a sequence from 0 on, or 1 to 16 of them"):
            by_shard(wrong)
