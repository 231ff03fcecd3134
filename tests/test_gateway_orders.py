"""Orders through a real socket and real rings, with riskd and matcher played by the test."""

from collections.abc import Iterator

import pytest

from gateway_world import World
from pinion.protocol import Kind, Liquidity, ReportKind
from shm.reasons import Reason
from shm.records import COMMAND, NO_INSTRUMENT, CommandKind, EventFlag, EventKind, OrderFlag
from waiting import wait_until


@pytest.fixture
def world(place) -> Iterator[World]:
    with World(place) as made:
        yield made


def test_an_order_becomes_a_command_and_its_event_a_report(world: World) -> None:
    """Every field of the request, and the report in wire units."""
    alice = world.client("alice")
    alice.send(alice.order(7, price=500, quantity=30, side=1, request_id=99))
    (report,) = alice.reports(1)
    (command,) = world.engine.commands_seen
    assert (command["kind"], command["account"], command["session"]) == (CommandKind.NEW, 0, alice.session)
    assert (command["client_order_id"], command["request_id"], command["origin_sequence"]) == (
        7,
        99,
        world.engine.first_base + 1,
    )
    assert (command["price"], command["quantity"], command["side"]) == (500, 30, 1)
    assert (report["report"], report["price"], report["quantity"]) == (ReportKind.ACCEPTED, 500, 30)
    assert (report["leaves"], report["request_id"], report["last"]) == (30, 99, 1)


def test_cancel_replace_and_mass_cancel(world: World) -> None:
    """Each request reaches riskd under its own kind and comes back with its request id."""
    alice = world.client("alice")
    alice.send(alice.order(1), alice.order(2), alice.order(3))
    assert list(alice.reports(3)["client_order_id"]) == [1, 2, 3]
    alice.send(alice.message(Kind.REPLACE, client_order_id=2, request_id=20, price=105, quantity=40))
    (replaced,) = alice.reports(1)
    assert (replaced["report"], replaced["price"], replaced["quantity"], replaced["leaves"]) == (5, 105, 40, 40)
    alice.send(alice.message(Kind.CANCEL, client_order_id=1, request_id=21))
    (cancelled,) = alice.reports(1)
    assert (cancelled["report"], cancelled["reason"]) == (ReportKind.CANCELLED, Reason.CANCELLED_BY_CLIENT)
    alice.send(alice.message(Kind.MASS_CANCEL, request_id=22, instrument=-1))
    reports = alice.reports(3)
    assert list(reports["report"]) == [ReportKind.CANCELLED, ReportKind.CANCELLED, ReportKind.MASS_CANCELLED]
    assert (reports["request_id"] == 22).all()
    assert reports[2]["quantity"] == 2, "a mass cancel counts orders, not lots"
    assert [c["kind"] for c in world.engine.commands_seen[3:]] == [3, 2, 4]


TERMS = {
    "stop_price": 485,
    "display_quantity": 20,
    "expiry_ns": 1 << 60,
    "minimum_quantity": 10,
    "self_trade_rule": 3,
    "self_trade_group": 9,
}


def test_an_extended_order_carries_every_term(world: World) -> None:
    """Two travel where riskd, which fills those fields, looks for them: the linked order's id and the step."""
    alice = world.client("alice")
    more = {"linked_client_order_id": (1 << 64) - 3, "step": 15, "flags": OrderFlag.POST_ONLY | OrderFlag.HIDDEN}
    alice.send(alice.order(7, price=500, quantity=30, side=1, type=5, time_in_force=4, **TERMS, **more))
    (report,) = alice.reports(1)
    (command,) = world.engine.commands_seen
    assert {name: int(command[name]) for name in TERMS} == TERMS
    assert (command["order_id"], command["time_ns"]) == (-3, 15)
    assert command["flags"] == OrderFlag.EXTENDED | OrderFlag.POST_ONLY | OrderFlag.HIDDEN
    assert (command["kind"], command["price"], command["quantity"], command["client_order_id"]) == (1, 500, 30, 7)
    assert (command["type"], command["time_in_force"], command["side"]) == (5, 4, 1)
    assert (report["report"], report["type"], report["time_in_force"]) == (ReportKind.ACCEPTED, 5, 4)


def test_a_plain_order_leaves_nothing_of_an_extended_one(world: World) -> None:
    """Each slot of the ring held an extended order before, and every field of it is set anew."""
    alice = world.client("alice")
    world.engine.mute = True
    capacity = world.engine.orders.capacity
    for k in range(2 * capacity):
        terms = TERMS | {"linked_client_order_id": 1, "step": 5, "flags": 2} if k < capacity else {}
        alice.send(alice.order(k + 1, **terms))
        world.settle()
    wait_until(lambda: world.step() + 1 and len(world.engine.commands_seen) == 2 * capacity, what="every order")
    plain = ("client_order_id", "request_id", "origin_sequence", "account", "session", "kind", "price", "quantity", "type")
    for command in world.engine.commands_seen[capacity:]:
        assert not any(command[name] for name in set(COMMAND.names) - set(plain) - {"time_in_force"})


def test_reduce_and_the_longer_forms_of_replace_and_mass_cancel(world: World) -> None:
    """The session that a mass cancel may be narrowed down to is the sender's own; it names none."""
    alice = world.client("alice")
    alice.send(alice.order(1, quantity=50))
    alice.reports(1)
    alice.send(alice.message(Kind.REDUCE, client_order_id=1, request_id=20, quantity=20))
    (reduced,) = alice.reports(1)
    assert (reduced["report"], reduced["quantity"], reduced["leaves"], reduced["request_id"]) == (5, 30, 30, 20)
    alice.send(alice.message(Kind.REPLACE, client_order_id=1, request_id=21, price=105, quantity=40, stop_price=-15))
    alice.reports(1)
    mass = {"instrument": 1, "flags": 7, "side": 1, "lowest_price": 100, "highest_price": 200}
    alice.send(alice.message(Kind.MASS_CANCEL, request_id=22, **mass))
    alice.reports(2)
    _, reduce, replace, mass_cancel = world.engine.commands_seen
    assert (reduce["kind"], reduce["quantity"], reduce["price"], reduce["flags"]) == (CommandKind.REDUCE, 20, 0, 0)
    assert (replace["price"], replace["quantity"], replace["stop_price"], replace["flags"]) == (105, 40, -15, 0)
    fields = ("kind", "instrument", "flags", "side", "price", "stop_price", "session", "client_order_id", "quantity")
    assert [int(mass_cancel[name]) for name in fields] == [4, 1, 7, 1, 100, 200, alice.session, 0, 0]
    alice.send(alice.message(Kind.REDUCE, client_order_id=9, request_id=23, quantity=20))
    (refused,) = alice.reports(1)
    assert (refused["report"], refused["message"], refused["reason"]) == (2, Kind.REDUCE, Reason.UNKNOWN_ORDER)


def test_what_the_matcher_changes_is_told_and_listed(world: World) -> None:
    """RESTATED sets price, quantity and leaves in the list of working orders; TRIGGERED the price, if it has one."""
    alice = world.client("alice")
    alice.send(alice.order(1, price=100, quantity=50))
    alice.reports(1)
    world.engine.restate((0, 1), reason=Reason.PEG_MOVED, price=21, quantity=4, leaves=3)
    (restated,) = alice.reports(1)
    assert (restated["report"], restated["price"], restated["quantity"], restated["leaves"]) == (8, 105, 40, 30)
    assert restated["reason"] == Reason.PEG_MOVED
    assert listed(alice) == [(105, 40, 30, 10)]
    world.engine.restate((0, 1), EventKind.TRIGGERED, price=0)
    (triggered,) = alice.reports(1)
    assert (triggered["report"], triggered["price"], triggered["leaves"], triggered["reason"]) == (7, 0, 30, 0)
    assert listed(alice) == [(105, 40, 30, 10)]
    world.engine.restate((0, 1), EventKind.TRIGGERED, price=22)
    alice.reports(1)
    assert listed(alice) == [(110, 40, 30, 10)]


def listed(client) -> list[tuple[int, ...]]:
    """Price, quantity, leaves and executed quantity of the account's working orders."""
    client.send(client.message(Kind.ORDERS_REQUEST, request_id=1))
    _, records = client.receive()
    assert client.receive()[0] is Kind.END_OF_LIST
    names = ("price", "quantity", "leaves", "cumulative")
    return [tuple(int(record[name]) for name in names) for record in records]


def test_who_asked_is_told_when_the_last_event_is_anothers(world: World) -> None:
    """The iceberg of bob that alice traded with shows its next part: to bob it is told as such, to alice as DONE."""
    alice, other, bob = world.client("alice"), world.client("alice"), world.client("bob")
    bob.send(bob.order(5))
    bob.reports(1)
    asked = {"session": alice.session, "request_id": 77}
    world.engine.restate((1, 5), flags=EventFlag.LAST, reason=Reason.ICEBERG_REFILLED, **asked)
    (done,), (restated,) = alice.reports(1), bob.reports(1)
    assert (done["report"], done["request_id"], done["session"], done["last"]) == (ReportKind.DONE, 77, alice.session, 1)
    assert (done["account"], done["instrument"], done["order_id"], done["price"]) == (0, NO_INSTRUMENT, 0, 0)
    assert (restated["report"], restated["client_order_id"], restated["reason"]) == (8, 5, Reason.ICEBERG_REFILLED)
    assert done["event_sequence"] == restated["event_sequence"]
    world.engine.emit(None, EventKind.INDICATIVE, EventFlag.LAST, account=-1, **asked)
    assert alice.reports(1)["report"] == [ReportKind.DONE]
    world.engine.restate((1, 5), flags=0, **asked)
    bob.reports(1)
    alice.close()
    world.clients.remove(alice)
    alice_gone = other.message(Kind.HEARTBEAT)
    other.send(alice_gone)
    assert other.hears_nothing(), "no other session asked"


def test_done_comes_behind_the_makers_side(world: World) -> None:
    """Alice's order rests, and by it trades the order of bob's that hers has triggered: three reports of one event."""
    alice, bob = world.client("alice"), world.client("bob")
    alice.send(alice.order(1), alice.order(2, side=1))
    bob.send(bob.order(1, side=1))
    alice.reports(2), bob.reports(1)
    world.engine.trade((1, 1), (0, 1), 2, session=alice.session, request_id=9)
    reports = alice.reports(2)
    assert list(reports["report"]) == [ReportKind.TRADE, ReportKind.DONE]
    assert list(reports["liquidity"]) == [Liquidity.MAKER, Liquidity.NONE]
    assert reports["event_sequence"][0] == reports["event_sequence"][1]
    alice.send(alice.message(Kind.RESEND_REQUEST, after_sequence=int(reports["event_sequence"][0]) - 1, shard=0))
    again = alice.reports(2)
    assert again.tobytes() == reports.tobytes(), "sent again, they are the same bytes"


def test_trades_of_an_auction_say_so(world: World) -> None:
    """On both sides."""
    alice, bob = world.client("alice"), world.client("bob")
    alice.send(alice.order(1))
    bob.send(bob.order(1, side=1))
    alice.reports(1), bob.reports(1)
    world.engine.trade((0, 1), (1, 1), 2, EventFlag.AUCTION)
    (buyer,), (seller,) = alice.reports(1), bob.reports(1)
    assert (buyer["auction"], buyer["liquidity"], buyer["last"]) == (1, Liquidity.TAKER, 0)
    assert (seller["auction"], seller["liquidity"], seller["last"]) == (1, Liquidity.MAKER, 0)


def test_a_trade_is_told_to_both_sides(world: World) -> None:
    """The maker learns nothing of the taker's request or session."""
    alice, bob = world.client("alice"), world.client("bob")
    alice.send(alice.order(1, price=100, quantity=50))
    bob.send(bob.order(1, price=100, quantity=30, side=1))
    alice.reports(1), bob.reports(1)
    world.engine.trade((1, 1), (0, 1), 2)
    (maker,), (taker,) = alice.reports(1), bob.reports(1)
    assert (maker["liquidity"], maker["side"], maker["leaves"]) == (Liquidity.MAKER, 0, 30)
    assert (taker["liquidity"], taker["side"], taker["leaves"]) == (Liquidity.TAKER, 1, 10)
    assert maker["price"] == taker["price"] == 100
    assert maker["quantity"] == taker["quantity"] == 20
    assert maker["event_sequence"] == taker["event_sequence"]
    assert (maker["session"], maker["request_id"], maker["account"]) == (0, 0, 0)


def test_a_trade_with_oneself_is_two_reports(world: World) -> None:
    """The taker's first: that is how a client tells a duplicate from the other side."""
    alice = world.client("alice")
    alice.send(alice.order(1), alice.order(2, side=1))
    alice.reports(2)
    world.engine.trade((0, 2), (0, 1), 5)
    reports = alice.reports(2)
    assert list(reports["liquidity"]) == [Liquidity.TAKER, Liquidity.MAKER]
    assert list(reports["client_order_id"]) == [2, 1]


def test_every_session_of_the_account_hears(world: World) -> None:
    """And no other account's."""
    one, two, bob = world.client("alice"), world.client("alice"), world.client("bob")
    one.send(one.order(1))
    assert one.reports(1) == two.reports(1)
    assert bob.hears_nothing()


def test_what_riskd_refused_comes_back_as_sent(world: World) -> None:
    """No conversion: the price is off its tick."""
    alice = world.client("alice")
    alice.send(alice.order(1, price=101, quantity=7))
    (report,) = alice.reports(1)
    assert (report["report"], report["reason"]) == (ReportKind.REJECTED, Reason.PRICE_OFF_TICK)
    assert (report["price"], report["quantity"], report["message"]) == (101, 7, Kind.NEW_ORDER)


def test_another_accounts_order_cannot_be_cancelled(world: World) -> None:
    """The account is the session's: bob naming alice's order names none of his."""
    alice, bob = world.client("alice"), world.client("bob")
    alice.send(alice.order(1))
    alice.reports(1)
    bob.send(bob.message(Kind.CANCEL, client_order_id=1, request_id=5))
    (report,) = bob.reports(1)
    assert (report["report"], report["reason"]) == (ReportKind.REJECTED, Reason.UNKNOWN_ORDER)
    assert alice.hears_nothing()


def test_orders_are_listed_to_their_account_alone(world: World) -> None:
    """Working orders with what is executed, in wire units; then the end, which counts them."""
    alice, bob = world.client("alice"), world.client("bob")
    alice.send(alice.order(1, quantity=50), alice.order(2, quantity=20, price=95), alice.order(3))
    alice.reports(3)
    bob.send(bob.order(1, quantity=30, side=1))
    bob.reports(1)
    world.engine.trade((1, 1), (0, 1), 2)
    alice.send(alice.message(Kind.CANCEL, client_order_id=3))
    alice.reports(2)
    alice.send(alice.message(Kind.ORDERS_REQUEST, request_id=77))
    _, orders = alice.receive()
    assert sorted(orders["client_order_id"]) == [1, 2]
    first = orders[orders["client_order_id"] == 1][0]
    assert (first["quantity"], first["leaves"], first["cumulative"], first["price"]) == (50, 30, 20, 100)
    kind, end = alice.receive()
    assert (kind, end["count"][0], end["request_id"][0]) == (Kind.END_OF_LIST, 2, 77)


def test_nothing_is_told_before_it_is_durable(place) -> None:
    """With durability disk an event waits for its command's sync."""
    with World(place, durability="disk") as world:
        alice = world.client("alice")
        alice.send(alice.order(1))
        wait_until(lambda: world.settle() or world.engine.commands_seen, what="the order at the engine")
        assert alice.hears_nothing()
        world.engine.make_durable()
        assert alice.reports(1)["client_order_id"] == [1]


def test_reports_to_one_session_share_a_frame(world: World) -> None:
    """What is found in one pass is sent at once."""
    alice = world.client("alice")
    alice.send(*(alice.order(k) for k in range(1, 11)))
    kind, reports = alice.receive()
    assert kind is Kind.EXECUTION_REPORT
    assert len(reports) == 10


def test_a_full_ring_holds_the_frame_back(world: World) -> None:
    """Orders wait in their frame, none is lost, and events are told meanwhile."""
    alice, bob = world.client("alice"), world.client("bob")
    bob.send(bob.order(1))
    bob.reports(1)
    world.engine.reading = False
    for start in range(1, 401, 100):
        alice.send(*(alice.order(k) for k in range(start, start + 100)))
    wait_until(
        lambda: world.settle() or world.engine.orders.published == world.engine.first_base + 1 + 256, what="the ring full"
    )
    world.engine.emit(None, 4, account=1, order_id=world.engine.working[1, 1]["order_id"], client_order_id=1)
    assert bob.reports(1)["report"] == [ReportKind.CANCELLED]
    world.engine.reading = True
    assert list(alice.reports(400)["client_order_id"]) == list(range(1, 401))


def test_two_shards(place) -> None:
    """Each report names the shard whose events it counts in."""
    with World(place, matchers=2) as world:
        alice = world.client("alice")
        alice.send(alice.order(1, instrument=0), alice.order(2, instrument=1))
        reports = alice.reports(2)
        assert {(int(r["shard"]), int(r["event_sequence"])) for r in reports} == {(0, 1), (1, 1)}
        alice.send(alice.message(Kind.ORDERS_REQUEST))
        shards = [int(alice.receive()[1]["shard"][0]) for _ in range(2)]
        assert shards == [0, 1]
        assert alice.receive()[1]["count"] == [2]
