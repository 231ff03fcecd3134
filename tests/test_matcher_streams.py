"""Seeded random streams: the kernel and its twin tell the same story, byte for byte, and the book holds together throughout."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from matcher_streams import as_dicts, as_events, describe_difference, engine, restore, stream, twin
from shm.records import CommandKind, EventKind

SEEDS = 25


@pytest.mark.parametrize("seed", range(SEEDS))
def test_kernel_and_twin_give_the_same_events(seed):
    subject, reference = engine(), twin()
    found = subject.run(stream(seed, 1500))
    wanted = as_events(reference.run(as_dicts(subject.commands)))
    assert found.tobytes() == wanted.tobytes(), describe_difference(found, wanted)
    subject.validate()


@pytest.mark.parametrize("seed", range(100, 106))
def test_the_book_holds_together_after_every_command(seed):
    subject = engine()
    for command in np.split(stream(seed, 400), 407)[1:]:
        subject.run(command)
        subject.validate()


def test_numbered_commands_give_the_same_events_again():
    first, second = engine(), engine()
    events = first.run(stream(7, 3000))
    assert second.run(first.commands).tobytes() == events.tobytes()
    second.validate()


@pytest.mark.parametrize("seed", range(300, 310))
def test_kernel_and_twin_agree_on_numbers_that_are_wrong(seed):
    """Numbered commands whose order ids name other orders, none, or slots that are taken or do not exist."""
    numberer, subject, reference = engine(), engine(), twin()
    numberer.run(stream(seed, 1500))
    commands, chance = numberer.commands, np.random.default_rng(seed)
    wrong = np.flatnonzero(chance.random(len(commands)) < 0.08)
    commands["order_id"][wrong] = chance.choice(commands["order_id"], wrong.size)
    wrong = np.flatnonzero(chance.random(len(commands)) < 0.02)
    commands["order_id"][wrong] = chance.choice([0, -1, 2**24 - 1, 2**40 + 31, 2**40 + 32, 2**62], wrong.size)
    commands["verdict"][chance.random(len(commands)) < 0.5] = 0
    commands["side"][chance.random(len(commands)) < 0.01] = 7
    found = subject.run(commands)
    wanted = as_events(reference.run(as_dicts(commands)))
    assert found.tobytes() == wanted.tobytes(), describe_difference(found, wanted)
    subject.validate()
    assert {3001, 3005, 2003} <= set(found["reason"].tolist())


def test_cutting_a_stream_anywhere_changes_nothing():
    whole, parts = engine(), engine()
    commands = stream(8, 1000)
    events = whole.run(commands)
    pieces = [parts.run(piece) for piece in np.array_split(commands, 13)]
    assert np.concatenate(pieces).tobytes() == events.tobytes()
    assert parts.snapshot() == whole.snapshot()


def test_from_any_snapshot_on_the_events_are_the_same():
    subject = engine()
    commands = stream(9, 1200)
    for cut in (0, 3, 400, 900, 1207):
        subject = engine()
        subject.run(commands[:cut])
        restored = restore(subject.snapshot())
        assert restored.run(commands[cut:]).tobytes() == subject.run(commands[cut:]).tobytes()
        assert restored.snapshot() == subject.snapshot()
        restored.validate()


@pytest.mark.parametrize("seed", range(200, 205))
def test_quantity_is_conserved(seed):
    """What came in is filled, cancelled, or still at rest."""
    subject = engine()
    events = subject.run(stream(seed, 4000))
    kinds = events["kind"]
    entered = events["quantity"][kinds == EventKind.ACCEPTED].sum()
    assert entered + _changed_by_replaces(events) == (
        2 * events["quantity"][kinds == EventKind.TRADE].sum()
        + events["quantity"][kinds == EventKind.CANCELLED].sum()
        + _at_rest(subject)
    )


def _changed_by_replaces(events):
    """What replaces added to, or took from, the quantities that were entered."""
    totals, change = {}, 0
    for event in events:
        if event["kind"] in (EventKind.ACCEPTED, EventKind.REPLACED):
            before = totals.get(int(event["order_id"]), int(event["quantity"]))
            change += int(event["quantity"]) - before
            totals[int(event["order_id"])] = int(event["quantity"])
    return change


def _at_rest(subject):
    orders = subject.state["orders"]
    return orders["leaves"][orders["order_id"] != 0].sum()


def test_streams_meet_what_they_are_meant_to_meet():
    """Every kind of event and every reason the matcher has turns up, or the streams prove little."""
    subject, reasons, kinds = engine(), set(), set()
    for seed in range(SEEDS):
        subject = engine()
        events = subject.run(stream(seed, 1500))
        kinds |= set(events["kind"].tolist())
        reasons |= set(events["reason"].tolist())
    assert kinds == {int(kind) for kind in EventKind}
    assert {3002, 3003, 3004, 3006, 3007, 3008, 3009, 3011, 3012, 3013, 2016, 2017, 2014} <= reasons


@pytest.mark.parametrize(
    "switch", [{"NUMBA_DISABLE_JIT": "1"}, {"NUMBA_BOUNDSCHECK": "1"}], ids=lambda switch: next(iter(switch))
)
def test_other_ways_of_running_give_the_same_bytes(switch, tmp_path):
    """Uncompiled, and compiled with bounds checked: an index past the end of a pool would overwrite its neighbour unseen."""
    subject = engine()
    size = 300 if "NUMBA_DISABLE_JIT" in switch else 6000
    expected = subject.run(stream(11, size))
    program = (
        "import sys; from matcher_streams import engine, stream; subject = engine();"
        f"events = subject.run(stream(11, {size})); subject.validate(); sys.stdout.buffer.write(events.tobytes())"
    )
    path = os.pathsep.join([str(Path(__file__).parent), os.getcwd()])
    environment = {**os.environ, **switch, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": path}
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)
    assert found.returncode == 0, found.stderr.decode()
    assert found.stdout == expected.tobytes()


def test_a_riskd_refusal_is_an_event_with_its_reason():
    subject = engine()
    events = subject.run(stream(12, 2000))
    refused = subject.commands[subject.commands["verdict"] != 0]
    told = events[np.isin(events["command_sequence"], refused["sequence"])]
    assert (told["kind"] == EventKind.REJECTED).all()
    assert (told["reason"] == refused["verdict"]).all()
    assert (told["flags"] == refused["kind"]).all()
    assert set(refused["kind"]) >= {CommandKind.NEW, CommandKind.CANCEL}
