"""Orders through a real socket and real rings, with riskd and matcher played by the test."""

from collections.abc import Iterator

import pytest

from gateway_world import World
from pinion.protocol import Kind, Liquidity, ReportKind
from shm.reasons import Reason
from shm.records import CommandKind
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
