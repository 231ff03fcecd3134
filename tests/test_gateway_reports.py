"""Reports against a slow twin: whatever happens, each session hears what plain Python makes of the events of its account."""

import random
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from gateway_world import LOT, TICK, World
from pinion.protocol import EXECUTION_REPORT, Kind
from shm.records import CommandKind, EventFlag, EventKind
from waiting import wait_until

REPORT = struct.Struct("<HBBI qqqq QQ qqq iii H BBBBBBBB Bx")
assert REPORT.size == EXECUTION_REPORT.itemsize


@pytest.fixture
def world(place) -> Iterator[World]:
    with World(place) as made:
        yield made


def twin_of(event: Any, account: int) -> bytes:
    """The reports of one event to one account, by struct."""
    e = {name: int(event[name]) for name in event.dtype.names if name != "pad"}
    told = b""
    if e["account"] == account and e["kind"] <= EventKind.RESTATED:
        told += _own(e)
    if e["kind"] == EventKind.TRADE and e["resting_account"] == account:
        told += _resting(e)
    return told


def done_of(event: Any, account: int, session: int) -> bytes:
    """What the session that asked is told besides, if the command's last event is not about its account."""
    e = {name: int(event[name]) for name in event.dtype.names if name != "pad"}
    ends = e["kind"] == EventKind.REJECTED or e["flags"] & 1
    if not ends or e["session"] != session or (e["account"] == account and e["kind"] <= EventKind.RESTATED):
        return b""
    e |= {"reason": 0, "kind": 9}
    return _packed(e, (0, 0, e["request_id"]), (0, 0, 0), (account, -1, session), (0, 0, 0, 0, 0, 1, 0))


def _own(e: dict[str, int]) -> bytes:
    rejected, trade = e["kind"] == EventKind.REJECTED, e["kind"] == EventKind.TRADE
    tick, lot = (1, 1) if (rejected and e["reason"] < 3000) or e["kind"] == EventKind.MASS_CANCELLED else _units(e)
    kinds = (Kind.NEW_ORDER, Kind.CANCEL, Kind.REPLACE, Kind.MASS_CANCEL, Kind.REDUCE)
    message = kinds[e["flags"] - 1] if rejected else 0
    prices = e["price"] * tick, e["quantity"] * lot, e["leaves"] * lot
    own = e["commander"] == e["account"]
    last = 1 if rejected else e["flags"] & 1 & own
    ids = e["order_id"], e["client_order_id"], e["request_id"] * own
    tail = e["side"], e["type"], e["time_in_force"], 2 if trade else 0, message, last, int(trade and e["flags"] & 2 > 0)
    return _packed(e, ids, prices, (e["account"], e["instrument"], e["session"] * own), tail)


def _resting(e: dict[str, int]) -> bytes:
    tick, lot = _units(e)
    ids = e["resting_order_id"], e["resting_client_order_id"], 0
    prices = e["price"] * tick, e["quantity"] * lot, e["resting_leaves"] * lot
    return _packed(
        e, ids, prices, (e["resting_account"], e["instrument"], 0), (1 - e["side"], 0, 0, 1, 0, 0, int(e["flags"] & 2 > 0))
    )


def _packed(e: dict[str, int], ids: Any, prices: Any, whose: Any, tail: Any) -> bytes:
    head = REPORT.size, Kind.EXECUTION_REPORT, 1, 0, e["sequence"], e["command_sequence"], e["time_ns"], ids[0]
    return REPORT.pack(*head, *ids[1:], *prices, *whose, e["reason"], 0, e["kind"], *tail)


def _units(e: dict[str, int]) -> tuple[int, int]:
    return (TICK, LOT) if e["instrument"] == 0 else (1, 1)


def act(world: World, clients: list[Any], rng: random.Random) -> None:
    """Something that one of the clients, or the market, might do."""
    client, what = rng.choice(clients), rng.random()
    working = list(world.engine.working)
    if what < 0.5:
        price = rng.choice((TICK, 1)) * rng.randint(1, 1000)
        client.send(
            client.order(rng.randint(1, 1 << 62), price=price, quantity=LOT * rng.randint(1, 9), side=rng.randint(0, 1))
        )
    elif what < 0.65 and working:
        client.send(client.message(Kind.CANCEL, client_order_id=rng.choice(working)[1], request_id=rng.randint(0, 1 << 63)))
    elif what < 0.75 and working:
        _, named = rng.choice(working)
        client.send(client.message(Kind.REPLACE, client_order_id=named, price=TICK * rng.randint(1, 99), quantity=LOT * 9))
    elif what < 0.77:
        client.send(client.message(Kind.MASS_CANCEL, instrument=-1, request_id=rng.randint(0, 1 << 63)))
    elif what < 0.85 and working:
        name, asker = rng.choice(working), _asker(rng, clients)
        kind, request = rng.choice((EventKind.TRIGGERED, EventKind.RESTATED)), rng.randint(0, 1 << 63)
        price, reason = rng.randint(0, 99), rng.randint(0, 3300)
        flags = rng.choice((0, EventFlag.LAST))
        world.engine.restate(name, kind, flags, reason, price=price, request_id=request, **asker)
    elif len(working) > 1:
        one, two = rng.sample(working, 2)
        leaves = min(world.engine.working[name]["leaves"] for name in (one, two))
        flags, asker = rng.choice((1, 1, 2, 3)), _asker(rng, clients)
        world.engine.trade(one, two, rng.randint(1, leaves), flags, request_id=rng.randint(0, 1 << 63), **asker)


def _asker(rng: random.Random, clients: list[Any]) -> dict[str, int]:
    """Whose command it is: a session of an account, or the operator's."""
    k = rng.randrange(len(clients))
    return rng.choice(({"session": 0, "commander": -1}, {"session": clients[k].session, "commander": _account(k)}))


def test_reports_are_what_the_slow_twin_makes_of_the_events(world: World, seed: int) -> None:
    """Random acts of five sessions of three accounts, till the ring has been filled; then all once more, by resend."""
    rng, ring = random.Random(seed), world.events[0]
    clients = [world.client(name) for name in ("alice", "alice", "bob", "carol", "carol")]
    heard = [b"" for _ in clients]
    while ring.published < ring.capacity - 200:
        act(world, clients, rng)
        _hear(world, clients, heard)
    wanted = [b""]

    def complete() -> bool:
        _hear(world, clients, heard)
        wanted[:] = _wanted(world, clients)
        return heard == wanted

    wait_until(complete, what="the same reports as the twin's")
    heard[2] = b""
    clients[2].send(clients[2].message(Kind.RESEND_REQUEST, after_sequence=0, shard=0))
    wait_until(complete, what="the same reports again")


def _account(k: int) -> int:
    return (0, 0, 1, 2, 2)[k]


def _wanted(world: World, clients: list[Any]) -> list[bytes]:
    ring = world.events[0]
    events = [ring.record["slots"][k & (ring.capacity - 1)] for k in range(1, ring.published + 1)]
    asked = [(_account(k), client.session) for k, client in enumerate(clients)]
    return [b"".join(twin_of(e, account) + done_of(e, account, session) for e in events) for account, session in asked]


def _hear(world: World, clients: list[Any], heard: list[bytes]) -> None:
    world.settle()
    for k, client in enumerate(clients):
        while client.socket.poll(0):
            frame = client.socket.recv()
            heard[k] += frame if frame[2] == Kind.EXECUTION_REPORT else b""


def test_command_kinds_and_message_kinds_run_alike() -> None:
    """A refused command's kind is told as the message's."""
    for kind in (kind for kind in CommandKind if kind <= CommandKind.REDUCE):
        name = "NEW_ORDER" if kind is CommandKind.NEW else kind.name
        assert Kind[name] - Kind.NEW_ORDER == kind - CommandKind.NEW
