"""A gateway in a world of its own: real socket and rings, with riskd, matcher and persister played in plain Python."""

import hashlib
import threading
from collections import deque
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import zmq

from gateway.process import Gateway
from pinion.codec import Records, decode, encode
from pinion.protocol import Kind
from runtime.context import Context
from runtime.epoch import make_epoch
from runtime.rules import EVERY_ACCOUNT
from runtime.sections import Account, ControlSettings, DropCopy, GatewaySettings, Instrument, PoolSettings, RingSettings
from runtime.settings import Settings
from shm.durable import COMMANDS_DURABLE, STATE, Durable, JournalState
from shm.reasons import Reason
from shm.records import COMMAND, EVENT, SLOT_BITS, CommandKind, EventFlag, EventKind
from shm.ring import Ring
from waiting import wait_until

ANSWER_WITHIN_MS = 5000
KEYS = {
    "alice": "alice's key",
    "bob": "bob's key",
    "carol": "carol's key",
    "auditor": "auditor's key",
    "warden": "warden's key",
}
COPIES = {"auditor": EVERY_ACCOUNT, "warden": ("alice", "carol")}
"""Drop copies, and whom they see; ``KEYS`` has their keys too."""
TICK, LOT = 5, 10
"""Of GOOG: a wire price of 5 is one tick, a wire quantity of 10 one lot."""


def settings_of(place: Any, **changes: Any) -> Settings:
    """Three accounts, two instruments, little room."""
    settings = Settings(
        instance=place.instance,
        data=place.data,
        run=place.run,
        durability="memory",
        gateway=GatewaySettings(ipc="ipc://{run}/gateway.{gateway}", maximum_sessions=8, maximum_frame_bytes=8192),
        rings=RingSettings(orders=256, commands=256, events=1024),
        pools=PoolSettings(orders=1024, levels=64, instruments=16, accounts=16),
        control=ControlSettings(attach_s=0.5),
        instruments=(
            Instrument(symbol="GOOG", tick_size=TICK, lot_size=LOT, price_decimals=2, quantity_decimals=1),
            Instrument(symbol="MSFT"),
        ),
        accounts=tuple(Account(name=name, api_key_sha256=_hash_of(name)) for name in ("alice", "bob", "carol")),
        drop_copies=tuple(DropCopy(name=n, api_key_sha256=_hash_of(n), accounts=whose) for n, whose in COPIES.items()),
    )
    return replace(settings, **changes)


def _hash_of(name: str) -> str:
    return hashlib.sha256(KEYS[name].encode()).hexdigest()


class World:
    """``step`` lets everyone do what is at hand; nothing runs by itself unless ``running`` is entered."""

    def __init__(self, place: Any, **changes: Any) -> None:
        self.settings = settings_of(place, **changes)
        self.epoch = make_epoch(Path(place.data))
        self.endpoint = self.settings.endpoints(0)[0]
        shards = range(self.settings.matchers)
        self.durables = [self._durable(shard) for shard in shards]
        self.events = [self._events(shard) for shard in shards]
        self.engine = FakeEngine(self)
        self.gateway: Gateway = Gateway(Context(self.settings, "gateway.0"))
        self.engine.attach()
        self._thread: threading.Thread | None = None
        self._stop = threading.Event()
        self.clients: list[Wired] = []

    def step(self) -> int:
        return self.gateway.do_work() + self.engine.step()

    def settle(self) -> None:
        """Until nobody has anything left to do."""
        while self.step():
            pass

    def restart_gateway(self) -> None:
        """The gateway dies without a word and starts again."""
        kill(self.gateway)
        self.engine.orders.close()
        self.gateway = Gateway(Context(self.settings, "gateway.0"))
        self.engine.attach()

    def client(self, account: str = "", routing_id: bytes = b"", **logon: Any) -> "Wired":
        """A bare client; logged on when ``account`` is given."""
        wired = Wired(self, routing_id)
        self.clients.append(wired)
        if account:
            wired.logon(account, **logon)
        return wired

    def __enter__(self) -> "World":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
        for client in self.clients:
            client.close()
        kill(self.gateway)
        self.engine.orders.close()
        for ring in self.events:
            ring.close()
        for durable in self.durables:
            durable.segment.close()

    def start(self) -> None:
        """Run in a thread of its own, for clients that block."""
        self._stop.clear()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def stop(self) -> None:
        if self._thread is not None:
            self._stop.set()
            self._thread.join()
            self._thread = None

    def _run(self) -> None:
        while not self._stop.is_set():
            if not self.step():
                self._stop.wait(0.0002)

    def _durable(self, shard: int) -> Durable:
        durable = Durable.create(f"/{self.settings.instance}-durable.{shard}", self.epoch, 0, 0)
        durable.advance(STATE, JournalState.WRITING)
        return durable

    def _events(self, shard: int) -> Ring:
        name, capacity = f"/{self.settings.instance}-events.{shard}", self.settings.rings.events
        return Ring.create(name, EVENT, capacity, epoch=self.epoch, gating=("gateway.0",))


def kill(gateway: Gateway) -> None:
    """What the death of its process does to a gateway: socket gone, lock on its ring gone, nothing said."""
    gateway._wire.close(0)
    gateway._context.close()
    gateway._context.counters.segment.close()
    for durable in gateway._durables:
        durable.segment.close()


class FakeEngine:
    """riskd and matcher in one, for orders that never meet: it accepts, cancels, replaces; trades are made by hand."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.working: dict[tuple[int, int], Any] = {}
        self.commands = 0
        self.commands_seen: list[Any] = []
        self.held: deque[Any] = deque()
        self.reading = True
        self.mute = False
        """Takes commands in and gives no events."""

    def attach(self) -> None:
        world = self.world
        name = f"/{world.settings.instance}-orders.0"
        self.orders = Ring.attach(name, COMMAND, world.settings.rings.orders, epoch=world.epoch)
        self.first_base = getattr(self, "first_base", self.orders.cursor(0))
        """The request before the first: a new ring's numbers begin with the time."""

    def step(self) -> int:
        if not self.reading:
            return 0
        done, last = self.orders.cursor(0), self.orders.published
        for sequence in range(done + 1, last + 1):
            command = self.orders.record["slots"][sequence & (self.orders.capacity - 1)].copy()
            self.orders.record["words"][32] = sequence
            self.take(command)
        return last - done

    def take(self, command: Any) -> None:
        self.commands_seen.append(command)
        if self.mute:
            return
        self.commands += 1
        kind = CommandKind(int(command["kind"]))
        name = int(command["account"]), int(command["client_order_id"])
        if kind is CommandKind.NEW:
            self._new(command, name)
        elif kind is CommandKind.MASS_CANCEL:
            self._mass_cancel(command)
        elif name not in self.working:
            self.emit(command, EventKind.REJECTED, reason=Reason.UNKNOWN_ORDER, flags=kind, client_order_id=name[1])
        elif kind is CommandKind.CANCEL:
            self._cancel(command, name, Reason.CANCELLED_BY_CLIENT, EventFlag.LAST)
        else:
            order = self.working[name]
            if kind is CommandKind.REDUCE:
                order["quantity"] -= command["quantity"] // LOT
            else:
                order["price"], order["quantity"] = command["price"] // TICK, command["quantity"] // LOT
            order["leaves"] = order["quantity"]
            self.emit(command, EventKind.REPLACED, EventFlag.LAST, **_about(order))

    def restate(
        self, name: tuple[int, int], kind: EventKind = EventKind.RESTATED, flags: int = 0, reason: int = 0, **terms: int
    ) -> None:
        """A working order has other terms now; ``session``, ``request_id``, ``commander`` are whose doing it was."""
        self.commands += 1
        caused = {each: terms.pop(each) for each in ("session", "request_id", "commander") if each in terms}
        self.working[name].update(terms)
        self.emit(None, kind, flags, reason=reason, **(_about(self.working[name]) | caused))

    def trade(
        self, aggressor: tuple[int, int], resting: tuple[int, int], quantity: int, flags: int = EventFlag.LAST, **fields_: int
    ) -> None:
        """``quantity`` lots between two working orders, by (account, client order id)."""
        one, two = self.working[aggressor], self.working[resting]
        self.commands += 1
        for order in (one, two):
            order["leaves"] -= quantity
        fields = _about(one) | {"quantity": quantity, "price": two["price"], "leaves": one["leaves"]}
        fields |= {"resting_order_id": two["order_id"], "resting_client_order_id": two["client_order_id"]}
        fields |= {"resting_account": two["account"], "resting_leaves": two["leaves"]}
        self.emit(None, EventKind.TRADE, flags, **(fields | fields_))
        for name in (aggressor, resting):
            if self.working[name]["leaves"] == 0:
                del self.working[name]

    def emit(self, command: Any, kind: EventKind, flags: int = 0, **fields: Any) -> None:
        """One event, published at once, in the shard of its instrument."""
        shards = self.world.settings.matchers
        ring = self.world.events[max(0, int(fields.get("instrument", 0))) % shards]
        event = np.zeros(1, EVENT)[0]
        if command is not None:
            for name in ("request_id", "session", "account", "instrument"):
                event[name] = command[name]
        event["commander"] = command["account"] if command is not None else fields.get("account", 0)
        for name, value in fields.items():
            event[name] = value
        event["sequence"], event["command_sequence"] = ring.published + 1, self.commands
        event["time_ns"], event["kind"], event["flags"] = 1_700_000_000_000_000_000 + self.commands, kind, flags
        wait_until(lambda: ring.fill() < 1 or (not self.world.gateway.do_work() and ring.fill() < 1), what="room for events")
        ring.record["slots"][int(event["sequence"]) & (ring.capacity - 1)] = event
        ring.record["words"][0] = event["sequence"]

    def make_durable(self) -> None:
        for durable in self.world.durables:
            durable.advance(COMMANDS_DURABLE, self.commands)

    def _new(self, command: Any, name: tuple[int, int]) -> None:
        body = ("client_order_id", "price", "quantity", "side", "type", "time_in_force")
        sent = {field: command[field] for field in body}
        if command["price"] % TICK:
            self.emit(command, EventKind.REJECTED, CommandKind.NEW, reason=Reason.PRICE_OFF_TICK, **sent)
            return
        taken = {int(order["order_id"]) & ((1 << SLOT_BITS) - 1) for order in self.working.values()}
        slot = next(k for k in range(1 << SLOT_BITS) if k not in taken)
        order = {field: int(command[field]) for field in (*body, "account", "instrument")}
        order |= {"order_id": self.commands << SLOT_BITS | slot, "price": order["price"] // TICK}
        order["quantity"] = order["leaves"] = order["quantity"] // LOT
        self.working[name] = order
        self.emit(command, EventKind.ACCEPTED, EventFlag.LAST, **_about(order))

    def _cancel(self, command: Any, name: tuple[int, int], reason: Reason, flags: int) -> None:
        order = self.working.pop(name)
        fields = _about(order) | {"quantity": order["leaves"], "leaves": 0, "reason": reason}
        self.emit(command, EventKind.CANCELLED, flags, **fields)

    def _mass_cancel(self, command: Any) -> None:
        names = [name for name in self.working if name[0] == command["account"]]
        for name in names:
            self._cancel(command, name, Reason.CANCELLED_BY_MASS_CANCEL, 0)
        self.emit(command, EventKind.MASS_CANCELLED, EventFlag.LAST, quantity=len(names))


def _about(order: Any) -> dict[str, int]:
    return dict(order)


class Wired:
    """A client that is a bare DEALER: it sends bytes of the test's choosing and pumps the world while it waits."""

    def __init__(self, world: World, routing_id: bytes = b"") -> None:
        self.world = world
        self.context = zmq.Context()
        self.socket = self.context.socket(zmq.DEALER)
        self.socket.linger = 0
        if routing_id:
            self.socket.routing_id = routing_id
        self.socket.connect(world.endpoint)
        self.token = 0
        self.session = -1

    def logon(self, account: str, api_key: str = "", **fields: Any) -> Any:
        key = (api_key or KEYS[account]).encode()
        self.send(encode(Kind.LOGON, account=account.encode(), api_key=key, **fields))
        kind, records = self.receive()
        assert kind is Kind.LOGON_ACCEPTED, f"{kind}: {records}"
        self.token, self.session = int(records["token"][0]), int(records["session"][0])
        return records[0]

    def send(self, *messages: bytes) -> None:
        self.socket.send(b"".join(messages))

    def message(self, kind: Kind, **fields: Any) -> bytes:
        return encode(kind, fields.pop("token", self.token), **fields)

    def order(self, client_order_id: int, *, price: int = 100, quantity: int = 50, **fields: Any) -> bytes:
        fields = {"side": 0, "type": 1, "time_in_force": 1, "request_id": client_order_id} | fields
        return self.message(Kind.NEW_ORDER, client_order_id=client_order_id, price=price, quantity=quantity, **fields)

    def frame(self) -> bytes:
        """The next frame from the server; the world goes on meanwhile."""
        return wait_until(self._poll, what="a frame from the gateway")

    def receive(self) -> tuple[Kind, Records]:
        """The next frame, which must be messages of one kind."""
        ((kind, records),) = decode(self.frame())
        return kind, records

    def reports(self, count: int) -> Records:
        """Exactly the next ``count`` execution reports."""
        found: list[Records] = []
        while sum(map(len, found)) < count:
            kind, records = self.receive()
            assert kind is Kind.EXECUTION_REPORT, f"{kind}: {records}"
            found.append(records)
        reports = np.concatenate(found)
        assert len(reports) == count
        return reports

    def reject(self) -> Any:
        """The next frame, which must be one REJECT."""
        kind, records = self.receive()
        assert kind is Kind.REJECT and len(records) == 1, f"{kind}: {records}"
        return records[0]

    def hears_nothing(self) -> bool:
        """Whether nothing is on its way once the world has settled."""
        self.world.settle()
        return not self.socket.poll(50)

    def close(self) -> None:
        self.socket.close(0)
        self.context.term()

    def _poll(self) -> bytes | None:
        self.world.settle()
        return self.socket.recv() if self.socket.poll(0) else None
