"""Reports against a slow twin: whatever happens, each session hears what plain Python makes of the events of its account."""

import random
import struct
from collections.abc import Iterator
from typing import Any

import pytest

from gateway_world import LOT, TICK, World
from pinion.protocol import EXECUTION_REPORT, Kind
from shm.records import CommandKind, EventKind
from waiting import wait_until

REPORT = struct.Struct("<HBBI qqqq QQ qqq iii H BBBBBBBB 2x")
assert REPORT.size == EXECUTION_REPORT.itemsize


@pytest.fixture
def world(place) -> Iterator[World]:
    with World(place) as made:
        yield made


def twin_of(event: Any, account: int) -> bytes:
    """The reports of one event to one account, by struct."""
    e = {name: int(event[name]) for name in event.dtype.names if name != "pad"}
    told = b""
    if e["account"] == account and e["kind"] <= EventKind.MASS_CANCELLED:
        told += _own(e)
    if e["kind"] == EventKind.TRADE and e["resting_account"] == account:
        told += _resting(e)
    return told


def _own(e: dict[str, int]) -> bytes:
    rejected, trade = e["kind"] == EventKind.REJECTED, e["kind"] == EventKind.TRADE
    tick, lot = (1, 1) if (rejected and e["reason"] < 3000) or e["kind"] == EventKind.MASS_CANCELLED else _units(e)
    message = {1: Kind.NEW_ORDER, 2: Kind.CANCEL, 3: Kind.REPLACE, 4: Kind.MASS_CANCEL}[e["flags"]] if rejected else 0
    prices = e["price"] * tick, e["quantity"] * lot, e["leaves"] * lot
    last = 1 if rejected else e["flags"] & 1
    ids = e["order_id"], e["client_order_id"], e["request_id"]
    tail = e["side"], e["type"], e["time_in_force"], 2 if trade else 0, message, last
    return _packed(e, ids, prices, (e["account"], e["instrument"], e["session"]), tail)


def _resting(e: dict[str, int]) -> bytes:
    tick, lot = _units(e)
    ids = e["resting_order_id"], e["resting_client_order_id"], 0
    prices = e["price"] * tick, e["quantity"] * lot, e["resting_leaves"] * lot
    return _packed(e, ids, prices, (e["resting_account"], e["instrument"], 0), (1 - e["side"], 0, 0, 1, 0, 0))


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
    elif len(working) > 1:
        one, two = rng.sample(working, 2)
        leaves = min(world.engine.working[name]["leaves"] for name in (one, two))
        world.engine.trade(one, two, rng.randint(1, leaves))


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
        wanted[:] = _wanted(world)
        return heard == [wanted[_account(k)] for k in range(len(clients))]

    wait_until(complete, what="the same reports as the twin's")
    heard[2] = b""
    clients[2].send(clients[2].message(Kind.RESEND_REQUEST, after_sequence=0, shard=0))
    wait_until(complete, what="the same reports again")


def _account(k: int) -> int:
    return (0, 0, 1, 2, 2)[k]


def _wanted(world: World) -> list[bytes]:
    ring = world.events[0]
    events = [ring.record["slots"][k & (ring.capacity - 1)] for k in range(1, ring.published + 1)]
    return [b"".join(twin_of(event, account) for event in events) for account in range(3)]


def _hear(world: World, clients: list[Any], heard: list[bytes]) -> None:
    world.settle()
    for k, client in enumerate(clients):
        while client.socket.poll(0):
            frame = client.socket.recv()
            heard[k] += frame if frame[2] == Kind.EXECUTION_REPORT else b""


def test_command_kinds_and_message_kinds_run_alike() -> None:
    """A refused command's kind is told as the message's."""
    for kind in (CommandKind.NEW, CommandKind.CANCEL, CommandKind.REPLACE, CommandKind.MASS_CANCEL):
        name = "NEW_ORDER" if kind is CommandKind.NEW else kind.name
        assert Kind[name] - Kind.NEW_ORDER == kind - CommandKind.NEW
