"""Sessions: who is let on, who is thrown out, what happens to slow and vanished clients, and to a gateway that dies."""

import time
from collections.abc import Iterator

import numpy as np
import pytest

import gateway.wire
from gateway.layout import state_dtype
from gateway.table import live_places
from gateway_world import KEYS, Wired, World
from pinion.codec import decode, encode
from pinion.protocol import EXECUTION_REPORT, Kind, LogonFlag, ReportKind
from runtime.faults import EnvironmentFault
from shm.durable import COMMANDS_WRITTEN, STATE, JournalState
from shm.reasons import Reason
from shm.records import EventFlag, EventKind
from waiting import wait_until


@pytest.fixture
def world(place) -> Iterator[World]:
    with World(place) as made:
        yield made


def test_logon_says_what_the_client_needs(world: World) -> None:
    """Account, token, session, shards, heartbeat, and how far events have been told."""
    alice = world.client("alice")
    alice.send(alice.order(1))
    alice.reports(1)
    accepted = world.client().logon("carol", heartbeat_ms=1234)
    assert (accepted["account"], accepted["shards"], accepted["heartbeat_ms"]) == (2, 1, 1234)
    assert accepted["told"][0] == 1
    assert accepted["token"] != 0
    assert accepted["maximum_frame_bytes"] == 8192
    assert accepted["session"] != alice.session


@pytest.mark.parametrize("account", ["alice", "nobody"])
def test_a_wrong_key_is_refused(world: World, account: str) -> None:
    """In the same words whether the account exists or not."""
    client = world.client()
    client.send(encode(Kind.LOGON, account=account.encode(), api_key=b"wrong"))
    reject = client.reject()
    assert (reject["reason"], reject["message"]) == (Reason.BAD_CREDENTIALS, Kind.LOGON)
    assert reject["text"] == b"unknown account or wrong API key"
    client.logon("alice")


def test_another_accounts_key_is_refused(world: World) -> None:
    """A key opens its own account alone."""
    client = world.client()
    client.send(encode(Kind.LOGON, account=b"alice", api_key=KEYS["bob"].encode()))
    assert client.reject()["reason"] == Reason.BAD_CREDENTIALS


def test_one_logon_a_connection(world: World) -> None:
    """A second with the session's token is a mistake, and the session stands."""
    alice = world.client("alice")
    alice.send(alice.message(Kind.LOGON, account=b"alice", api_key=KEYS["alice"].encode()))
    assert alice.reject()["reason"] == Reason.ALREADY_LOGGED_ON
    alice.send(alice.order(1))
    alice.reports(1)


def test_a_routing_id_is_no_proof(world: World) -> None:
    """Whoever comes back under a known routing id, without the token, has no session."""
    name = b"a name that the client chose, longer than libzmq's own"
    alice = world.client("alice", routing_id=name)
    alice.close()
    stranger = wait_until(lambda: _let_in(world, name), timeout_s=30, what="the stranger let in")
    for token in (0, alice.token ^ 1):
        stranger.send(stranger.message(Kind.CANCEL, token=token, client_order_id=1, request_id=3))
        reject = stranger.reject()
        assert (reject["reason"], reject["request_id"]) == (Reason.NOT_LOGGED_ON, 3)
    stranger.logon("bob")
    stranger.send(stranger.order(1))
    assert stranger.reports(1)["account"] == [1]


def _let_in(world: World, name: bytes) -> Wired | None:
    """A client under a routing id that another had: libzmq hears it only once it has seen the other go."""
    stranger = world.client(routing_id=name)
    stranger.send(stranger.message(Kind.CANCEL, token=0, client_order_id=1))
    if stranger.hears_nothing():
        stranger.close()
        return None
    assert stranger.reject()["reason"] == Reason.NOT_LOGGED_ON
    return stranger


def test_sessions_are_bounded(world: World) -> None:
    """The ninth of eight is refused; one that ends makes room."""
    clients = [world.client("alice") for _ in range(8)]
    ninth = world.client()
    ninth.send(encode(Kind.LOGON, account=b"bob", api_key=KEYS["bob"].encode()))
    assert ninth.reject()["reason"] == Reason.TOO_MANY_SESSIONS
    clients[3].send(clients[3].message(Kind.LOGOUT))
    assert clients[3].receive()[0] is Kind.LOGOUT
    ninth.logon("bob")
    for client in (*clients[:3], *clients[4:]):
        client.send(client.order(int(client.session)))
        client.reports(1)


def test_a_silent_session_is_ended(world: World) -> None:
    """After three intervals without a word; meanwhile the server sends heartbeats of its own."""
    alice = world.client("alice", heartbeat_ms=100)
    kinds = [alice.receive()[0]]
    while kinds[-1] is not Kind.LOGOUT:
        kind, records = alice.receive()
        kinds.append(kind)
    assert records["reason"] == [Reason.HEARTBEAT_MISSED]
    assert Kind.HEARTBEAT in kinds
    alice.send(alice.order(1))
    assert alice.reject()["reason"] == Reason.NOT_LOGGED_ON


def test_heartbeats_keep_a_session(world: World) -> None:
    """A client that sends one an interval stays for as long as it likes."""
    alice, until = world.client("alice", heartbeat_ms=100), time.monotonic() + 0.6
    while time.monotonic() < until:
        kind, _ = alice.receive()
        assert kind is Kind.HEARTBEAT
        alice.send(alice.message(Kind.HEARTBEAT))


def test_a_vanished_client_costs_nothing(world: World) -> None:
    """Its session ends when its queue cannot be reached; others are told as before."""
    alice, bob = world.client("alice"), world.client("alice")
    alice.close()
    world.clients.remove(alice)

    def noticed() -> bool:
        bob.send(bob.order(time.time_ns()))
        bob.reports(1)
        return len(live_places(world.gateway._state)) == 1

    wait_until(noticed, what="the vanished session closed")


def test_a_resend_gives_the_same_bytes(world: World) -> None:
    """From any event on; and then it says that it is complete."""
    alice, bob = world.client("alice"), world.client("bob")
    alice.send(*(alice.order(k) for k in range(1, 6)))
    alice.reports(5)
    bob.send(bob.order(1, side=1))
    bob.reports(1)
    world.engine.trade((1, 1), (0, 2), 5)
    alice.send(alice.message(Kind.MASS_CANCEL, instrument=-1))
    live = alice.reports(1 + 4 + 1)
    alice.send(alice.message(Kind.RESEND_REQUEST, request_id=9, after_sequence=6, shard=0))
    assert alice.reports(6).tobytes() == live.tobytes()
    kind, complete = alice.receive()
    assert (kind, complete["request_id"][0], complete["sequence"][0]) == (Kind.RESEND_COMPLETE, 9, 12)
    alice.send(alice.order(9))
    alice.reports(1)


def test_resuming_leaves_no_gap(world: World) -> None:
    """A session that resumes hears nothing live before it has asked for what it missed."""
    alice, late = world.client("alice"), world.client()
    alice.send(alice.order(1), alice.order(2))
    alice.reports(2)
    late.logon("alice", flags=int(LogonFlag.RESUME))
    alice.send(alice.order(3))
    alice.reports(1)
    assert late.hears_nothing()
    late.send(late.message(Kind.RESEND_REQUEST, after_sequence=1, shard=0))
    assert list(late.reports(2)["client_order_id"]) == [2, 3]
    assert late.receive()[0] is Kind.RESEND_COMPLETE


def test_resumes_in_a_quiet_market_leave_the_table_whole(world: World) -> None:
    """Sessions that come, ask for what they missed and go, while no event comes, are listed as dirty once a place."""
    alice, again = world.client("alice"), world.client()
    alice.send(alice.order(1))
    alice.reports(1)
    state = world.gateway._state
    units = state["units"].copy()
    for _ in range(len(state["dirty_sessions"]) + 2):
        again.logon("alice", flags=int(LogonFlag.RESUME))
        again.send(again.message(Kind.RESEND_REQUEST, after_sequence=0, shard=0))
        assert again.reports(1)["client_order_id"] == [1]
        assert again.receive()[0] is Kind.RESEND_COMPLETE
        again.send(again.message(Kind.LOGOUT))
        assert again.receive()[0] is Kind.LOGOUT
    assert state["dirty"] <= len(state["dirty_sessions"])
    assert state["units"].tolist() == units.tolist()


@pytest.mark.parametrize(("shard", "after"), [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_a_resend_out_of_range_is_refused(world: World, shard: int, after: int) -> None:
    """A shard that there is not, or events that have not been told."""
    alice = world.client("alice")
    alice.send(alice.message(Kind.RESEND_REQUEST, request_id=4, shard=shard, after_sequence=after))
    reject = alice.reject()
    assert (reject["reason"], reject["request_id"]) == (Reason.RESEND_OUT_OF_RANGE, 4)


def test_a_resend_of_what_is_no_longer_there_is_refused(world: World) -> None:
    """The journal's old files are gone: the client is told what there is."""
    alice = world.client("alice")
    for number in range(1, 8):
        alice.send(alice.order(number))
        alice.reports(1)
    world.gateway._histories[0].begins = lambda: 5
    alice.send(alice.message(Kind.RESEND_REQUEST, request_id=4, shard=0, after_sequence=3))
    reject = alice.reject()
    assert (reject["reason"], bytes(reject["text"])) == (Reason.RESEND_OUT_OF_RANGE, b"events are 5 to 7")
    alice.send(alice.message(Kind.RESEND_REQUEST, request_id=5, shard=0, after_sequence=4))
    assert len(alice.reports(3)) == 3


def test_nothing_is_taken_in_while_the_journal_stalls(world: World) -> None:
    """Every order is refused with the reason; as soon as it is written again they are taken."""
    alice = world.client("alice")
    world.durables[0].advance(STATE, JournalState.STALLED)
    wait_until(lambda: world.gateway.do_work() or world.gateway._state["refusing"] != 0, 5, "the gateway to see it")
    alice.send(alice.order(1))
    assert alice.reject()["reason"] == Reason.JOURNAL_STALLED
    world.durables[0].advance(STATE, JournalState.WRITING)
    wait_until(lambda: world.gateway.do_work() or world.gateway._state["refusing"] == 0, 5, "the gateway to see it")
    alice.send(alice.order(2))
    assert len(alice.reports(1)) == 1


def _repeat(world: World, flags: EventFlag | int = EventFlag.LAST) -> None:
    """The matcher tells again what alice's first order came to: one event of command 2."""
    world.engine.commands = 2
    world.engine.emit(None, EventKind.REPLACED, flags, **world.engine.working[0, 1])


@pytest.mark.parametrize("repeated", [1, 2])
def test_what_was_heard_before_the_power_failed_is_waited_for(world: World, repeated: int) -> None:
    """A resend after an event that is still to be told again completes when it has been, with nothing lost or repeated."""
    alice, late = world.client("alice"), world.client()
    alice.send(alice.order(1))
    alice.reports(1)
    world.durables[0].advance(COMMANDS_WRITTEN, 2)
    late.logon("alice", flags=int(LogonFlag.RESUME))
    late.send(late.message(Kind.RESEND_REQUEST, request_id=7, after_sequence=2, shard=0))
    assert late.hears_nothing()
    for _ in range(repeated):
        _repeat(world)
    if repeated == 2:
        assert late.reports(1)["event_sequence"] == [3]
    kind, complete = late.receive()
    assert (kind, complete["request_id"][0], complete["sequence"][0]) == (Kind.RESEND_COMPLETE, 7, 1 + repeated)
    late.send(late.order(2))
    assert late.reports(1)["event_sequence"] == [2 + repeated]


def test_a_resend_that_waits_in_vain_is_refused(world: World) -> None:
    """When every event of what the journal had is told, and not before; the session may ask again."""
    alice, late = world.client("alice"), world.client()
    alice.send(alice.order(1))
    alice.reports(1)
    world.durables[0].advance(COMMANDS_WRITTEN, 2)
    late.logon("alice", flags=int(LogonFlag.RESUME))
    late.send(late.message(Kind.RESEND_REQUEST, request_id=7, after_sequence=1 << 62, shard=0))
    _repeat(world, flags=0)
    assert late.hears_nothing()
    _repeat(world)
    reject = late.reject()
    assert (reject["reason"], reject["request_id"]) == (Reason.RESEND_OUT_OF_RANGE, 7)
    assert (reject["message"], reject["offset"], reject["text"]) == (Kind.RESEND_REQUEST, 0, b"events reach 3")
    late.send(late.message(Kind.RESEND_REQUEST, after_sequence=2, shard=0))
    assert late.reports(1)["event_sequence"] == [3]
    assert late.receive()[0] is Kind.RESEND_COMPLETE


def test_a_gateway_that_starts_knows_what_it_need_not_wait_for(world: World) -> None:
    """All that the journal's commands came to was told in the life before."""
    alice = world.client("alice")
    alice.send(alice.order(1))
    alice.reports(1)
    world.durables[0].advance(COMMANDS_WRITTEN, 1)
    world.restart_gateway()
    again = world.client("alice", flags=int(LogonFlag.RESUME))
    again.send(again.message(Kind.RESEND_REQUEST, after_sequence=2, shard=0))
    assert again.reject()["reason"] == Reason.RESEND_OUT_OF_RANGE


def test_a_slow_client_falls_behind_and_catches_up(place, monkeypatch: pytest.MonkeyPatch) -> None:
    """It costs the server a bounded queue; it is told BEHIND, asks, and has everything once and in order."""
    monkeypatch.setattr(gateway.wire, "FRAMES_WAITING_BOUND", 2)
    with World(place) as world:
        slow, quick = world.client(), world.client()
        slow.socket.rcvhwm = 1
        slow.socket.disconnect(world.endpoint)
        slow.socket.rcvbuf = 4096
        slow.socket.connect(world.endpoint)
        slow.logon("alice")
        quick.logon("alice")
        total = 0

        def fell_behind() -> bool:
            nonlocal total
            quick.send(*(quick.order(total + k, quantity=10) for k in range(1, 101)))
            quick.reports(100)
            quick.send(quick.message(Kind.MASS_CANCEL, instrument=-1))
            quick.reports(101)
            total += 100
            return int(world.gateway._state["fell_behind"]) > 0

        wait_until(fell_behind, timeout_s=60, what="the slow session behind")
        assert _heard_by(slow) == list(range(1, world.events[0].published + 1))


def _heard_by(client) -> list[int]:
    """Event sequences in the order in which they came, asking again when told of being behind."""
    heard: list[int] = []
    while True:
        for kind, records in decode(client.frame()):
            if kind is Kind.EXECUTION_REPORT:
                heard += records["event_sequence"].tolist()
            elif kind is Kind.BEHIND:
                client.send(client.message(Kind.RESEND_REQUEST, after_sequence=heard[-1] if heard else 0, shard=0))
            elif kind is Kind.RESEND_COMPLETE:
                return heard


def test_a_gateway_that_died_goes_on(world: World) -> None:
    """Sessions are gone; the table of orders is as it was, and what was missed can be asked for."""
    alice = world.client("alice")
    alice.send(alice.order(1), alice.order(2))
    alice.reports(2)
    order = world.engine.working.pop((0, 1))
    world.gateway.do_work()
    world.engine.emit(None, ReportKind.CANCELLED, **{**order, "quantity": 5, "leaves": 0})
    world.restart_gateway()
    again = world.client()
    accepted = again.logon("alice", flags=int(LogonFlag.RESUME))
    assert accepted["told"][0] in (2, 3)
    again.send(again.message(Kind.RESEND_REQUEST, after_sequence=2, shard=0))
    assert again.reports(1)["report"] == [ReportKind.CANCELLED]
    assert again.receive()[0] is Kind.RESEND_COMPLETE
    again.send(again.message(Kind.ORDERS_REQUEST))
    assert again.receive()[1]["client_order_id"] == [2]
    assert again.receive()[0] is Kind.END_OF_LIST
    again.send(again.order(3))
    assert again.reports(1)["client_order_id"] == [3]
    assert world.engine.commands_seen[-1]["origin_sequence"] == world.engine.first_base + 3


def test_a_gateway_that_was_cut_loose_catches_up(world: World) -> None:
    """The ring's writer went on without it; it makes its table from what is there and reads on."""
    alice = world.client("alice")
    alice.send(alice.order(1))
    alice.reports(1)
    world.events[0].cut_loose("gateway.0")
    order = world.engine.working[0, 1]
    world.engine.emit(None, EventKind.REPLACED, **{**order, "price": 21})
    world.restart_gateway()
    again = world.client("alice")
    again.send(again.message(Kind.ORDERS_REQUEST))
    assert again.receive()[1]["price"] == [105]
    assert again.receive()[0] is Kind.END_OF_LIST
    again.send(again.order(2))
    assert again.reports(1)["event_sequence"] == [3]


def test_instruments_are_told(world: World) -> None:
    """Ids, steps and decimals, so that a client can make wire integers."""
    alice = world.client("alice")
    alice.send(alice.message(Kind.INSTRUMENTS_REQUEST, request_id=5))
    _, instruments = alice.receive()
    assert instruments["symbol"].tolist() == [b"GOOG", b"MSFT"]
    assert (instruments["tick_size"][0], instruments["lot_size"][0], instruments["quantity_decimals"][0]) == (5, 10, 1)
    assert alice.receive()[1]["count"] == [2]


def test_a_clean_end_is_told(world: World) -> None:
    """Every session gets a LOGOUT that says why."""
    alice = world.client("alice")
    world.gateway._sessions.end_all(Reason.SHUTTING_DOWN)
    kind, records = alice.receive()
    assert (kind, records["reason"][0]) == (Kind.LOGOUT, Reason.SHUTTING_DOWN)


@pytest.mark.parametrize("kind", ["ipc", "tcp"])
def test_an_endpoint_in_use(world: World, place, kind: str) -> None:
    """One sentence that names it; nothing is taken from the process that has it."""
    endpoints = world.settings.endpoints(0) if kind == "ipc" else ["tcp://127.0.0.1:*"]
    first = None if kind == "ipc" else gateway.wire.Wire(endpoints, 1024)
    taken = world.endpoint if first is None else first.endpoints[0]
    with pytest.raises(EnvironmentFault, match=f"{taken} is in use"):
        gateway.wire.Wire([taken], 1024)
    if first is not None:
        first.close(0)
    world.client("alice")


def test_a_frame_that_comes_during_a_heartbeat_is_not_slept_over(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sending took the news of it from the socket's descriptor, so the slice must not say that nothing was to be done."""
    alice = world.client("alice")
    world.settle()
    agent = world.gateway

    def beat_while_a_frame_comes(now_ns: int) -> None:
        alice.send(alice.order(1))
        agent._sessions.tell(0, encode(Kind.HEARTBEAT))
        wait_until(lambda: agent._wire.readable, what="the order at the socket")

    with monkeypatch.context() as patched:
        patched.setattr(agent._sessions, "beat", beat_while_a_frame_comes)
        agent._next_beat_ns = 0
        assert agent.do_work() == 1
    assert alice.receive()[0] is Kind.HEARTBEAT
    assert alice.reports(1)["client_order_id"] == [1]


def test_drained_means_read_and_told(world: World) -> None:
    """riskd has read all orders and clients have all events."""
    alice = world.client("alice")
    world.engine.reading = False
    alice.send(alice.order(1))
    wait_until(lambda: world.settle() or world.engine.orders.published > world.engine.first_base, what="the order in the ring")
    assert not world.gateway.drained()
    world.engine.reading = True
    world.settle()
    assert world.gateway.drained()
    assert world.gateway.status()["sessions"] == 1


def test_the_table_is_one_record() -> None:
    """Room for everything follows from the settings, and nothing of it is an object."""
    dtype = state_dtype(sessions=3, accounts=2, instruments=2, shards=2, slots=16, frame_bytes=1001)
    assert not dtype.hasobject
    assert dtype["index"].shape == (8,)
    assert dtype["frame"].shape == (1008,)
    assert np.dtype(EXECUTION_REPORT) == dtype["frames"].base


def test_a_session_before_a_restart_is_nobody_after_it(world: World) -> None:
    """What the gateway's next life hears of an earlier session's request is told to no session that came later."""
    alice, bob = world.client("alice"), world.client("bob")
    bob.send(bob.order(1))
    bob.reports(1)
    before = alice.session
    world.restart_gateway()
    later = [world.client(account) for account in ("carol", "carol", "carol")]
    world.engine.restate((1, 1), flags=int(EventFlag.LAST), session=before, request_id=7, commander=0)
    assert before not in [each.session for each in later]
    assert all(each.hears_nothing() for each in later)
