"""Exchanges under load whose processes are stopped or killed: nothing told is lost, said twice or different."""

import os
import shutil
import time

import numpy as np
import pytest

from cli import agree, database_story, flow, story
from cli.cluster import remove_segments
from cli.drive import Driver, drive, settle
from cli.frames import Packed, to_wire
from exchange import INSTRUMENTS, answer, connect, running
from pinion.errors import Refused
from pinion.protocol import Liquidity, ReportKind
from pinion.reasons import Reason
from shm.journal import Stream, stream_folder
from shm.records import EVENT
from waiting import wait_until

ORDERS = 12_000
STOP_WITHIN_S = 2.0
PATIENT = {"heartbeat_s": 60, "timeout_s": 60}
"""A client that is not logged off while a busy machine starts a process again."""
PROCESSES = ["gateway.0", "riskd", "matcher.0", "persister"]


def drivers_of(cluster, clients, seed):
    """Each account's share of a flow, packed."""
    orders = to_wire(flow.generate(ORDERS, len(clients), len(INSTRUMENTS), seed), cluster.settings.instruments)
    found = []
    for account, client in enumerate(clients):
        mine = orders[orders["account"] == account]
        mine["request_id"] = range(1, len(mine) + 1)
        found.append(Driver(client, Packed(mine, client.token)))
    return found


def drive_part(drivers, answers):
    """Until so many requests of all are answered; more are then on their way."""

    def answered():
        for driver in drivers:
            driver.pump()
        return sum(driver.answered for driver in drivers)

    wait_until(lambda: answered() >= answers, timeout_s=60)


def check_books_of_record(cluster, told):
    """The journal's events are what an engine makes of its commands, byte for byte; reports and database say the same."""
    settings = cluster.settings
    assert agree.engine_repeats(settings)
    journals = []
    for shard in range(settings.matchers):
        events = agree.journal(settings, Stream.EVENTS, EVENT, shard)
        assert_told_is_in(events, told[told["shard"] == shard])
        journals.append(story.of_events(events, shard, settings.instruments))
    rows, _ = database_story.read(settings.database.url)
    assert story.differences(rows, np.concatenate(journals)) == []


def assert_told_is_in(events, told):
    """Every report is an event of the journal, and none came twice."""
    keys = told[["event_sequence", "liquidity"]]
    assert len(np.unique(keys)) == len(keys)
    source = events[told["event_sequence"] - 1]
    assert (source["sequence"] == told["event_sequence"]).all()
    maker = told["liquidity"] == Liquidity.MAKER
    assert (source["kind"] == told["report"]).all()
    assert (np.where(maker, source["resting_order_id"], source["order_id"]) == told["order_id"]).all()
    lots = np.array([each.get("lot_size", 1) for each in INSTRUMENTS])[told["instrument"]]
    assert (np.where(maker, source["resting_leaves"], source["leaves"]) * lots == told["leaves"]).all()


def received(client, quiet_s=2.0):
    """Everything that still comes, as arrays."""
    parts = []
    while True:
        try:
            reports = client.receive(quiet_s)
        except Refused as refusal:
            if refusal.reason != Reason.NOT_LOGGED_ON:  # sent to the gateway that died, delivered to its successor
                raise
            continue
        if not len(reports):
            return parts
        parts.append(reports)


@pytest.mark.parametrize("matchers", [1, 2])
def test_a_stopped_exchange_is_drained_within_two_seconds(matchers, seed):
    """Whatever was taken in is told, in the journal and in the database; every process ends with 0."""
    with running(matchers=matchers) as cluster, connect(cluster, **PATIENT) as alice, connect(cluster, "bob", **PATIENT) as bob:
        drivers = drivers_of(cluster, [alice, bob], seed)
        drive_part(drivers, ORDERS // 3)
        began = time.monotonic()
        statuses = cluster.stop()
        elapsed_s = time.monotonic() - began
        assert statuses == dict.fromkeys(cluster.names, 0)
        busy = os.getloadavg()[0] > os.cpu_count()
        assert busy or elapsed_s < STOP_WITHIN_S
        for driver in drivers:
            driver.pump()
        check_books_of_record(cluster, np.concatenate([driver.reports for driver in drivers]))


@pytest.mark.parametrize(("matchers", "name"), [*((1, name) for name in PROCESSES), (2, "riskd"), (2, "matcher.1")])
def test_a_killed_process_comes_back_and_nothing_is_lost(matchers, name, seed):
    """In the middle of a flow. Requests on their way through a gateway that dies may be lost, but nothing that was told is."""
    with running(matchers=matchers) as cluster, connect(cluster, **PATIENT) as alice, connect(cluster, "bob", **PATIENT) as bob:
        clients = [alice, bob]
        drivers = drivers_of(cluster, clients, seed)
        drive_part(drivers, ORDERS // 3)
        cluster.kill(name)
        cluster.restart(name)
        more = []
        if name == "gateway.0":
            assert all(client.orders() for client in clients), "asking finds out that the session is gone"
            more = [reports for client in clients for reports in received(client)]
        else:
            drive(drivers, silence_s=60)
            settle(drivers)
        for client in clients:
            last = answer(client, client.submit("GEAR", "buy", 10, "1.00"), timeout_s=30)[-1]
            assert last.kind is ReportKind.ACCEPTED
        told = np.concatenate([*(driver.reports for driver in drivers), *more])
        agree.wait_for_rest(cluster.settings, told)
        assert cluster.stop() == dict.fromkeys(cluster.names, 0)
        check_books_of_record(cluster, told)


@pytest.mark.parametrize("matchers", [1, 2])
def test_an_exchange_that_was_stopped_goes_on_where_it_was(matchers):
    """Orders at rest are still there after all processes were started again."""
    with running(matchers=matchers) as cluster:
        with connect(cluster) as alice:
            number = alice.submit("ACME", "sell", 7, "12.50")
            answer(alice, number)
        assert set(cluster.stop().values()) == {0}
        cluster.start()
        cluster.wait_ready()
        with connect(cluster) as alice, connect(cluster, "bob") as bob:
            assert [(each.client_order_id, str(each.leaves)) for each in alice.orders()] == [(number, "7")]
            taken = answer(bob, bob.submit("ACME", "buy", 7, "12.50"))
            assert [report.kind for report in taken] == [ReportKind.ACCEPTED, ReportKind.TRADE]


@pytest.mark.parametrize("matchers", [1, 2])
def test_after_a_loss_of_power_the_events_are_made_again(matchers, seed):
    """Commands are synced, events were not yet, and shared memory is gone: the journal becomes byte for byte what it was."""
    small, none = {"events": 1024}, {"every_s": 0, "at_stop": False}  # a snapshot is made only of events that are synced
    with running(matchers=matchers, durability="disk", rings=small, snapshots=none) as cluster:
        with connect(cluster, **PATIENT) as alice, connect(cluster, "bob", **PATIENT) as bob:
            drivers = drivers_of(cluster, [alice, bob], seed)
            drive(drivers, silence_s=60)
            settle(drivers)
            resting = [{each.client_order_id: each.leaves for each in client.orders()} for client in (alice, bob)]
            told = np.concatenate([driver.reports for driver in drivers])
        assert all(resting)
        assert set(cluster.stop().values()) == {0}
        settings = cluster.settings
        before = [agree.journal(settings, Stream.EVENTS, EVENT, shard) for shard in range(matchers)]
        assert all(len(events) > 2 * small["events"] for events in before)
        for shard in range(matchers):
            shutil.rmtree(stream_folder(settings.data, Stream.EVENTS, shard))
        remove_segments(settings.instance)
        cluster.start()
        cluster.wait_ready()
        with connect(cluster, **PATIENT) as alice, connect(cluster, "bob", **PATIENT) as bob:
            found = [{each.client_order_id: each.leaves for each in client.orders()} for client in (alice, bob)]
        assert found == resting
        assert set(cluster.stop().values()) == {0}
        after = [agree.journal(settings, Stream.EVENTS, EVENT, shard) for shard in range(matchers)]
        assert [events.tobytes() for events in after] == [events.tobytes() for events in before]
        check_books_of_record(cluster, told)


# What an exchange costs that does nothing

IDLE_S = 3.0
MEMORY_BOUND_BYTES = 500 << 20
PROCESSOR_BOUND = 0.03


def family(cluster):
    """The exchange's processes and their children."""
    parents = {child.pid for child in cluster.children.values()}
    found = set(parents)
    for folder in os.listdir("/proc"):
        if folder.isdigit():
            try:
                with open(f"/proc/{folder}/stat") as file:
                    if int(file.read().rpartition(")")[2].split()[1]) in parents:
                        found.add(int(folder))
            except OSError:
                continue
    return found


def proportional_bytes(pid):
    """PSS: shared pages counted once over all that share them."""
    with open(f"/proc/{pid}/smaps_rollup") as file:
        return next(int(line.split()[1]) << 10 for line in file if line.startswith("Pss:"))


def processor_s(pid):
    with open(f"/proc/{pid}/stat") as file:
        fields = file.read().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@pytest.mark.slow
def test_an_idle_exchange_is_cheap():
    """All processes together: memory (PSS), and processor time over some seconds, for which this test has to wait."""
    with running() as cluster:
        with connect(cluster) as alice:
            answer(alice, alice.submit("ACME", "buy", 1, "1.00"))
        agree._wait_until(lambda: cluster.poll(1.0) == [])
        pids = family(cluster)
        before, began = sum(map(processor_s, pids)), time.monotonic()
        cluster.poll(IDLE_S)
        used = (sum(map(processor_s, pids)) - before) / (time.monotonic() - began)
        memory = sum(map(proportional_bytes, pids))
        assert memory < MEMORY_BOUND_BYTES, f"{memory >> 20} MiB"
        assert used < PROCESSOR_BOUND, f"{used:.1%} of a core"
