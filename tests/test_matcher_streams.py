"""Seeded random streams: the kernel and its twin tell the same story, byte for byte, and the book holds together throughout."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from journal_writing import write_records
from matcher.process import build
from matcher_streams import as_dicts, engine, restore, stream
from matcher_surroundings import COMMANDS, SharedSurroundings, Surroundings
from shm.journal import Stream
from shm.reasons import Reason
from shm.records import CommandKind, EventKind
from stream_check import STREAM_COMMANDS, STREAMS_A_SEED, lost_lots, one_stream, verify
from stream_report import report
from stream_shrink import shrink
from stream_themes import THEMES

NAMES = list(THEMES)
FEW, MANY = 3, 36
"""Streams of 2,000 commands a theme: in every run, and besides in a whole one, which makes a million with the others."""
theme = pytest.mark.parametrize("theme", range(len(NAMES)), ids=NAMES)
SIZE = 900


def hold(theme, first, count, seed):
    """``count`` streams about the theme: same events, a book that holds together after each command, no lot lost."""
    for number in range(first, first + count):
        made = one_stream(seed * STREAMS_A_SEED + number * len(NAMES) + theme, STREAM_COMMANDS)
        outcome = verify(made.commands, made.bounds)
        if outcome.wrong:
            pytest.fail(f"stream {made.seed}: {outcome.wrong}\n{report(shrink(made.commands, made.bounds), made.bounds)}")


@theme
def test_kernel_and_twin_tell_the_same_of_a_few_streams(theme, seed):
    hold((theme - seed * STREAMS_A_SEED) % len(NAMES), 0, FEW, seed)


@pytest.mark.slow
@theme
def test_kernel_and_twin_tell_the_same_of_a_million_commands(theme, seed):
    hold((theme - seed * STREAMS_A_SEED) % len(NAMES), FEW, MANY, seed)


def test_streams_meet_every_kind_of_event_and_every_reason():
    """Or they prove little."""
    kinds, reasons = set(), set()
    for number in range(4 * len(NAMES)):
        made = one_stream(number, STREAM_COMMANDS)
        events = engine(made.bounds).run(made.commands)
        kinds |= set(events["kind"].tolist())
        reasons |= set(events["reason"].tolist())
    assert kinds == set(EventKind)
    assert {reason for reason in Reason if reason >= Reason.ORDER_NOT_LIVE} <= reasons


# The same commands give the same events, byte for byte


@pytest.fixture(params=range(len(NAMES)), ids=NAMES)
def recorded(request):
    """Numbered commands about a theme, and the events that they must give."""
    subject = engine()
    events = subject.run(stream(2 * len(NAMES) + request.param, SIZE))
    return subject.commands, events


def test_numbered_commands_give_the_same_events_again(recorded):
    commands, events = recorded
    assert engine().run(commands).tobytes() == events.tobytes()


def test_looking_ahead_changes_nothing(recorded):
    """What a crowded matcher fetches into cache is read before its turn, and nothing may come of that."""
    commands, events = recorded
    subject = engine()
    subject.state["crowd"] = -1
    assert subject.run(commands).tobytes() == events.tobytes()


def test_cutting_a_stream_anywhere_changes_nothing(recorded):
    commands, events = recorded
    whole, parts = engine(), engine()
    whole.run(commands)
    pieces = [parts.run(piece) for piece in np.array_split(commands, 13)]
    assert np.concatenate(pieces).tobytes() == events.tobytes()
    assert parts.snapshot() == whole.snapshot()


def test_rings_between_processes_give_the_same_events(recorded, tmp_path, instance):
    commands, events = recorded
    place = SharedSurroundings(tmp_path, instance)
    agent = build(place)
    told = []
    for start in range(0, len(commands), COMMANDS):
        place.send(commands[start : start + COMMANDS])
        while agent.do_work():
            pass
        told.append(place.drain())
    assert np.concatenate(told).tobytes() == events.tobytes()


def test_a_journal_gives_the_same_events(recorded, tmp_path):
    commands, events = recorded
    write_records(tmp_path, Stream.COMMANDS, 0, commands, 64)
    place = Surroundings(tmp_path)
    place.commands = place.commands.private(commands.dtype, 1024, gating=("matcher",), base=len(commands))
    build(place)
    assert place.events.published == len(events)
    assert place.told(len(events)).tobytes() == events.tobytes()


@pytest.mark.parametrize("numbered", [True, False], ids=["numbered", "unnumbered"])
def test_from_any_snapshot_on_the_events_are_the_same(recorded, numbered):
    """For an engine that is given numbers, and for one that gives them, which are then in the snapshot too."""
    commands, events = recorded
    if not numbered:
        commands = commands.copy()
        given = np.isin(commands["verdict"], [Reason.UNKNOWN_ORDER, Reason.DUPLICATE_CLIENT_ORDER_ID, Reason.ORDER_POOL_FULL])
        commands["sequence"], commands["order_id"], commands["linked"], commands["verdict"][given] = 0, 0, 0, 0
        events = engine().run(commands)
    subject, done = engine(), 0
    for cut in (0, 3, 250, 251, 600, len(commands) - 1):
        told = subject.run(commands[done:cut])
        restored, done = restore(subject.snapshot()), cut
        assert told.tobytes() in events.tobytes()
        rest = restored.run(commands[cut:])
        assert rest.tobytes() == events[len(events) - len(rest) :].tobytes()
        restored.validate()
    subject.run(commands[done:])
    assert restored.snapshot() == subject.snapshot()


WAYS = [
    pytest.param({"NUMBA_DISABLE_JIT": "1"}, 250, id="uncompiled"),
    pytest.param({"NUMBA_BOUNDSCHECK": "1"}, 2_000, id="bounds checked", marks=pytest.mark.timeout(900)),
]


@pytest.mark.slow
@pytest.mark.parametrize(("switch", "size"), WAYS)
def test_other_ways_of_running_give_the_same_bytes(switch, size, tmp_path):
    """Uncompiled, and compiled with bounds checked: an index past the end of a pool would overwrite its neighbour unseen."""
    expected = b"".join(engine().run(stream(number, size)).tobytes() for number in range(len(NAMES)))
    program = (
        "import sys\nfrom matcher_streams import engine, stream\n"
        f"for number in range({len(NAMES)}):\n"
        "    subject, ahead = engine(), engine()\n"
        f"    events = subject.run(stream(number, {size}), validate=True)\n"
        "    sys.stdout.buffer.write(events.tobytes())\n"
        "    ahead.state['crowd'] = -1\n"
        "    assert ahead.run(subject.commands).tobytes() == events.tobytes(), number\n"
    )
    path = os.pathsep.join([str(Path(__file__).parent), os.getcwd()])
    environment = {**os.environ, **switch, "NUMBA_CACHE_DIR": str(tmp_path), "PYTHONPATH": path}
    found = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, check=False)
    assert found.returncode == 0, found.stderr.decode()
    assert found.stdout == expected


# What finds a fault finds one


@pytest.mark.parametrize("numbered", [False, True], ids=["unnumbered", "numbered"])
def test_a_book_that_does_not_hold_together_stops_the_run_at_its_command(numbered):
    subject, numberer = engine(), engine()
    commands = stream(0, 60)
    numberer.run(commands)
    commands = numberer.commands if numbered else commands
    subject.run(commands[:40])
    subject.state["resting"] += 1
    with pytest.raises(AssertionError, match="after command 41: orders not all queued"):
        subject.run(commands[40:], validate=True)


def test_lots_that_are_lost_are_missed():
    """In a trade, a cancel, a change, or at rest: one lot less anywhere."""
    subject = engine()
    told = as_dicts_of_events(subject.run(stream(6, SIZE)))
    assert lost_lots(told, subject) is None
    for kind in (EventKind.TRADE, EventKind.CANCELLED, EventKind.REPLACED, EventKind.RESTATED):
        wrong = [dict(event) for event in told]
        next(event for event in wrong if event["kind"] == kind)["quantity"] -= 1
        assert lost_lots(wrong, subject), kind
    slot = np.flatnonzero(subject.state["orders"]["order_id"])[0]
    subject.state["orders"]["leaves"][slot] -= 1
    assert "at rest" in lost_lots(told, subject).wrong


def as_dicts_of_events(events):
    names = [name for name in events.dtype.names if name != "pad"]
    return [dict(zip(names, row, strict=True)) for row in events[names].tolist()]


def test_a_riskd_refusal_is_an_event_with_its_reason():
    subject = engine()
    events = subject.run(stream(12, 2000))
    refused = subject.commands[subject.commands["verdict"] != 0]
    told = events[np.isin(events["command_sequence"], refused["sequence"])]
    assert (told["kind"] == EventKind.REJECTED).all()
    assert (told["reason"] == refused["verdict"]).all()
    assert (told["flags"] == refused["kind"]).all()
    assert set(refused["kind"]) >= {CommandKind.NEW, CommandKind.CANCEL}
    assert len(as_dicts(refused)) == len(told)
