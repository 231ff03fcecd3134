"""`pinion demo`, tiny; and the parts that it is made of."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from cli import agree, flow, profit, story
from cli.cluster import SHARED_MEMORY
from cli.demo import demo
from cli.frames import Packed
from matcher.commands import definitions
from matcher.engine import Engine
from pinion.codec import decode
from runtime.sections import Instrument
from shm.records import CommandKind, OrderType, Side, TimeInForce
from sources import ROOT
from told import reports_of
from waiting import wait_until

INSTRUMENTS = [
    Instrument(symbol="ACME", tick_size=5, tick_value=5),
    Instrument(symbol="GEAR", tick_size=1, lot_size=10, tick_value=10),
]


@pytest.fixture
def leftovers_of_this_process():
    """What throw-away exchanges of this process would leave."""
    mine = f"pinion-{os.getpid()}-*"
    return lambda: [*Path(tempfile.gettempdir()).glob(mine), *SHARED_MEMORY.glob(mine)]


def test_a_small_demo_tells_one_story_and_leaves_nothing(leftovers_of_this_process):
    found = CliRunner().invoke(demo, ["--orders", "2000", "--json"])
    assert found.exit_code == 0, found.output
    told = json.loads(found.stdout)
    assert told["agree"]
    assert told["orders_told"]["client"] == told["orders_told"]["journal"] == told["orders_told"]["database"] > 500
    assert told["trades"] == told["executions_told"]["database"] > 0
    assert sum(sum(each["positions"].values()) for each in told["accounts"]) == 0
    assert leftovers_of_this_process() == []


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_demo_that_is_broken_off_leaves_nothing_either(number):
    """Stopped long before its end. Making the orders is few and long steps, which no signal breaks into: so not too many."""
    command = [sys.executable, "-m", "cli.main", "demo", "--orders", "1000000"]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        mine = f"pinion-{process.pid}-*"
        left = lambda: [*Path(tempfile.gettempdir()).glob(mine), *SHARED_MEMORY.glob(mine)]  # noqa: E731
        wait_until(lambda: list(Path(tempfile.gettempdir()).glob(f"{mine}/data/journal/events.0/*")), timeout_s=120)
        process.send_signal(number)
        _, words = process.communicate(timeout=60)
    assert process.returncode in (1, 128 + number, -number), words
    assert left() == []


def test_for_people_it_prints_tables(leftovers_of_this_process):
    found = CliRunner().invoke(demo, ["--orders", "300", "--seed", "7"], env={"COLUMNS": "150"})
    assert found.exit_code == 0, found.output
    for words in ("orders, ", "a second", "p99", "top of the books", "alice", "realised", "tell the same story"):
        assert words in found.stderr
    assert found.stdout == ""


def test_another_story_ends_it_with_1(monkeypatch):
    """The check is not a formality."""
    monkeypatch.setattr(agree, "compare", lambda *_: agree.Agreement({"journal": 1}, {"journal": 1}, ["order 1: leaves 1 / 2"]))
    found = CliRunner().invoke(demo, ["--orders", "10"])
    assert found.exit_code == 1
    assert "order 1: leaves 1 / 2" in found.stderr


# The flow


def test_the_same_seed_gives_the_same_flow():
    assert flow.generate(5000, 3, 2, 7).tobytes() == flow.generate(5000, 3, 2, 7).tobytes()
    assert flow.generate(5000, 3, 2, 7).tobytes() != flow.generate(5000, 3, 2, 8).tobytes()


@pytest.mark.parametrize("count", [0, 1, 2, 50, 5000])
def test_a_flow_makes_sense(count, seed):
    """New orders are numbered in turn, what is cancelled was placed before, by the same account, and once."""
    orders = flow.generate(count, 3, 2, seed)
    for account in range(3):
        mine = orders[orders["account"] == account]
        news = mine[mine["kind"] == CommandKind.NEW]
        assert news["client_order_id"].tolist() == list(range(1, len(news) + 1))
        placed = np.cumsum(mine["kind"] == CommandKind.NEW)
        assert (mine["client_order_id"] <= placed).all()
        cancelled = mine[mine["kind"] == CommandKind.CANCEL]["client_order_id"]
        assert len(np.unique(cancelled)) == len(cancelled)
    limits = orders[(orders["kind"] == CommandKind.NEW) & (orders["type"] == OrderType.LIMIT)]
    assert (limits["price"] > 0).all()
    markets = orders[orders["type"] == OrderType.MARKET]
    assert (markets["time_in_force"] == TimeInForce.IOC).all()


def test_a_packed_flow_is_what_the_codec_reads(seed):
    """Any run of messages is a frame, in order, kinds mixed."""
    orders = flow.generate(500, 2, 2, seed)
    orders["request_id"] = range(1, 501)
    packed = Packed(orders, token=77)
    found = [(int(record["request_id"]), int(record["token"])) for _, run in decode(packed.frame(100, 400)) for record in run]
    assert found == [(number, 77) for number in range(101, 401)]


# The stories


def day(seed):
    engine = Engine(2, 3, 20_000)
    engine.run(definitions(2, 3))
    return engine.run(flow.generate(8000, 3, 2, seed))


def test_reports_and_events_tell_the_same_story(seed):
    events = day(seed)
    told = story.of_reports(reports_of(events, INSTRUMENTS), INSTRUMENTS)
    assert len(told) > 1000
    assert story.differences(told, story.of_events(events, 0, INSTRUMENTS)) == []


@pytest.mark.parametrize("field", ["executed", "leaves", "account", "status", "value"])
def test_one_order_told_differently_is_found(seed, field):
    stories = story.of_events(day(seed), 0, INSTRUMENTS)
    other = stories.copy()
    other[field][500] += 1
    found = story.differences(stories, other)
    assert len(found) == 1
    assert f"order {stories['order_id'][500]}: {field}" in found[0]


def test_an_order_that_one_side_does_not_know_is_found(seed):
    stories = story.of_events(day(seed), 0, INSTRUMENTS)
    assert [sentence.partition(": ")[2] for sentence in story.differences(stories, stories[1:])] == ["told by the first only"]
    assert len(story.differences(stories, stories[:0])) == 20


def test_what_one_gains_another_loses(seed):
    """Positions are flat in sum, and so is profit when all are marked at one price."""
    reports = reports_of(day(seed), INSTRUMENTS)
    held, marks = profit.positions(reports, INSTRUMENTS), profit.last_prices(reports)
    assert sum(position.net_quantity for position in held.values()) == 0
    gained = [
        position.realised_profit + profit.unrealised(position, INSTRUMENTS[instrument], marks[instrument])
        for (_, instrument), position in held.items()
    ]
    assert len(gained) == 6
    assert sum(gained) == 0


def test_a_position_by_hand():
    """Ten lots bought at 100 ticks, four sold at 103: three ticks gained on each, at 5 a tick; six left at 100."""
    engine = Engine(2, 3, 20_000)
    engine.run(definitions(2, 3))
    from matcher.commands import new

    events = engine.run(
        np.concatenate(
            [
                new(1, 1, Side.SELL, 100, 10),
                new(0, 1, Side.BUY, 100, 10),
                new(1, 2, Side.BUY, 103, 4),
                new(0, 2, Side.SELL, 103, 4),
            ]
        )
    )
    held = profit.positions(reports_of(events, INSTRUMENTS), INSTRUMENTS)[0, 0]
    assert (held.net_quantity, held.realised_profit) == (6, 4 * 3 * 5)
    assert profit.unrealised(held, INSTRUMENTS[0], 102 * 5) == 6 * 2 * 5
