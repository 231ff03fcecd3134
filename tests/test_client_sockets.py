"""Both clients against a real gateway: order, fill, cancel, lists; a gateway that dies; refusals and timeouts."""

import asyncio
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from gateway_world import KEYS, World
from pinion import AsyncClient, Client, LogonRefused, OffTick, Refused, Report, ReportKind, Timeout
from pinion.codec import blank, encode
from pinion.protocol import Kind


@pytest.fixture
def world(place) -> Iterator[World]:
    with World(place) as made:
        made.start()
        yield made
        made.stop()


def client(world: World, account: str = "alice", **options) -> Client:
    return Client(world.endpoint, account=account, api_key=KEYS[account], **options)


def told(client: Client, count: int) -> list[Report]:
    """The next ``count`` reports."""
    reports = client.reports(timeout=10)
    return [next(reports) for _ in range(count)]


def look(client: Client, until: Callable[[], bool], within_s: float) -> bool:
    """Take reports a thousand times a second, as a busy trader does, ``until`` something holds. Does it?"""
    end = time.monotonic() + within_s
    while not until() and time.monotonic() < end:
        client.receive(0.001)
    return until()


def test_an_order_from_submit_to_fill(world: World) -> None:
    """What the README's first lines do."""
    with client(world) as alice, client(world, "bob") as bob:
        order = alice.submit("GOOG", "buy", 3, "1.05")
        other = bob.submit("GOOG", "sell", 3, "1.05")
        (accepted,), _ = told(alice, 1), told(bob, 1)
        assert (accepted.kind, accepted.price, accepted.quantity) == (ReportKind.ACCEPTED, Decimal("1.05"), 3)
        world.stop()
        world.engine.trade((1, other), (0, order), 3)
        world.start()
        (fill,) = told(alice, 1)
        assert (fill.kind, fill.symbol, fill.client_order_id) == (ReportKind.TRADE, "GOOG", order)
        assert (fill.price, fill.quantity, fill.leaves, fill.is_last_of_order) == (Decimal("1.05"), 3, 0, True)
        assert str(fill) == f"TRADE GOOG order {order} buy 3.0 @ 1.05, 0.0 left"


def test_cancel_replace_and_orders(world: World) -> None:
    """Orders are the account's own, with prices as people write them."""
    with client(world) as alice, client(world, "bob") as bob:
        first, second = alice.submit("GOOG", "buy", 3, "1.05"), alice.submit("GOOG", "buy", 1, 1, client_order_id=5)
        assert second == 5
        request = alice.replace("GOOG", first, 2, "1.10")
        assert [report.request_id for report in told(alice, 3)] == [first, 5, request]
        alice.cancel(5)
        (cancelled,) = told(alice, 1)
        assert cancelled.kind is ReportKind.CANCELLED
        (status,) = alice.orders()
        assert (status.client_order_id, status.price, status.leaves) == (first, Decimal("1.10"), 2)
        assert bob.orders() == []
        alice.mass_cancel("GOOG")
        assert [report.kind.name for report in told(alice, 2)] == ["CANCELLED", "MASS_CANCELLED"]


def test_many_orders_as_arrays(world: World) -> None:
    """More than a frame holds; the reports come as one array or a few."""
    with client(world) as alice:
        orders = blank(Kind.NEW_ORDER, 500)
        orders["client_order_id"] = range(1, 501)
        orders["price"], orders["quantity"], orders["type"], orders["time_in_force"] = 100, 50, 1, 1
        alice.submit_many(orders)
        seen: list[int] = []
        while len(seen) < 500:
            reports = alice.receive(timeout=5)
            assert len(reports), "reports are missing"
            seen += reports["client_order_id"].tolist()
        assert seen == list(range(1, 501))


def test_a_packed_frame_survives_a_new_logon(world: World) -> None:
    """Packed with the token of a session that is gone, it goes out with the new one."""
    with client(world) as alice:
        frame = encode(Kind.NEW_ORDER, alice.token ^ 1, client_order_id=1, price=100, quantity=50)
        frame += encode(Kind.CANCEL, alice.token ^ 1, client_order_id=1, request_id=2)
        alice.submit_packed(frame)
        assert [report.kind.name for report in told(alice, 2)] == ["ACCEPTED", "CANCELLED"]


def test_a_batch_travels_together(world: World) -> None:
    """Five orders, one frame."""
    with client(world) as alice:
        before = world.gateway.status()["frames_in"]
        with alice.batch():
            for _ in range(5):
                alice.submit("GOOG", "buy", 1, 1)
        told(alice, 5)
        assert world.gateway.status()["frames_in"] == before + 1


def test_a_price_off_tick_is_not_sent(world: World) -> None:
    with client(world) as alice, pytest.raises(OffTick):
        alice.submit("GOOG", "buy", 1, "1.01")


def test_a_wrong_key_is_told_at_once(world: World) -> None:
    with pytest.raises(LogonRefused, match="unknown account or wrong API key"):
        Client(world.endpoint, account="alice", api_key="wrong")


def test_a_refused_message_is_raised_to_the_reader(world: World) -> None:
    with client(world) as alice:
        orders = blank(Kind.NEW_ORDER)
        orders["reserved"] = 1
        alice.submit_many(orders)
        with pytest.raises(Refused, match="not_available"):
            next(alice.reports(timeout=5))


def test_nobody_there_is_a_timeout(place) -> None:
    with pytest.raises(Timeout, match="no answer to a logon"):
        Client(f"ipc://{place.run}/nobody", account="alice", api_key="x", timeout_s=0.1)


def test_a_closed_client_says_so(world: World) -> None:
    alice = client(world)
    alice.close()
    with pytest.raises(ValueError, match="closed"):
        alice.submit("GOOG", "buy", 1, 1)
    alice.close()


def test_a_gateway_that_dies_is_gone_on_with(world: World) -> None:
    """No report is lost or told twice; the client need not do anything."""
    with client(world, heartbeat_s=0.1) as alice:
        alice.submit("GOOG", "buy", 1, 1, client_order_id=1)
        told(alice, 1)
        world.stop()
        world.restart_gateway()
        world.engine.trade((0, 1), (0, 1), 0)
        world.start()
        assert [report.kind for report in told(alice, 2)] == [ReportKind.TRADE, ReportKind.TRADE]
        alice.submit("GOOG", "buy", 1, 1, client_order_id=2)
        assert [report.client_order_id for report in told(alice, 1)] == [2]


def test_a_client_that_looks_all_the_time_stays_logged_on(world: World) -> None:
    """It sends nothing for ten intervals, but heartbeats: the gateway does not take it for dead."""
    with client(world, heartbeat_s=0.1) as alice:
        session = alice.session
        look(alice, lambda: False, within_s=1.0)
        assert alice.session == session
        alice.submit("GOOG", "buy", 1, 1, client_order_id=1)
        assert [report.client_order_id for report in told(alice, 1)] == [1]


def test_a_client_that_looks_all_the_time_logs_on_again_when_nothing_comes_back(world: World) -> None:
    """The gateway is killed before it answers the logon; the socket connects to the next one by itself, and nobody would
    say a word on either side."""
    with client(world, heartbeat_s=0.1) as alice:
        session = alice.session
        world.stop()
        look(alice, lambda: False, within_s=0.5)  # longer than a silence that makes it log on again
        world.restart_gateway()  # what was sent to the one before is gone
        world.start()
        assert look(alice, lambda: alice.session != session, within_s=30)


def test_asyncio(world: World) -> None:
    """The same client in an event loop."""

    async def trade() -> None:
        async with AsyncClient(world.endpoint, account="alice", api_key=KEYS["alice"], heartbeat_s=0.1) as alice:
            assert set(alice.instruments) == {"GOOG", "MSFT"}
            order = await alice.submit("GOOG", "buy", 3, "1.05")
            await alice.replace("GOOG", order, 2, "1.10")
            reports = alice.reports(timeout=10)
            assert [(await anext(reports)).kind.name for _ in range(2)] == ["ACCEPTED", "REPLACED"]
            (status,) = await alice.orders()
            assert status.client_order_id == order
            await alice.cancel(order)
            await alice.mass_cancel()
            assert [(await anext(reports)).kind.name for _ in range(2)] == ["CANCELLED", "MASS_CANCELLED"]
            assert [report async for report in alice.reports(timeout=0.05)] == []
            await alice.submit_many(blank(Kind.NEW_ORDER, 2))

    asyncio.run(trade())


def test_asyncio_refusals() -> None:
    """The same exceptions."""

    async def fail(endpoint: str) -> None:
        with pytest.raises(Timeout):
            await AsyncClient(endpoint, account="alice", api_key="x", timeout_s=0.1).connect()

    asyncio.run(fail("ipc:///tmp/pinion-nobody"))


def test_asyncio_wrong_key(world: World) -> None:
    """Told at once, as to the blocking client."""

    async def fail() -> None:
        with pytest.raises(LogonRefused):
            await AsyncClient(world.endpoint, account="alice", api_key="x").connect()

    asyncio.run(fail())


def test_a_client_needs_only_pyzmq_and_numpy() -> None:
    """Importing it loads nothing of the engine."""
    code = "import sys, pinion; print(*(m for m in ('shm', 'runtime', 'gateway', 'numba', 'posix_ipc') if m in sys.modules))"
    folder = Path(__file__).parent.parent
    found = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
