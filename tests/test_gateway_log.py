"""The log of sessions: each line carries account and session, and no client can flood it."""

import io
import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
import structlog

from gateway.session_log import LINES_A_WINDOW
from gateway.table import live_places
from gateway_world import KEYS, World
from pinion.codec import encode
from pinion.protocol import Kind
from runtime import logs


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """The log, in memory, for whoever gets his logger from now on."""
    before, stream = logs.level(), io.StringIO()
    logs.configure("json", "info", stream)
    yield stream
    logs.set_level(before)
    structlog.reset_defaults()


@pytest.fixture
def world(log: io.StringIO, place) -> Iterator[World]:
    with World(place) as made:
        yield made


def lines(log: io.StringIO, event: str) -> list[dict[str, Any]]:
    """The lines of one event, without what every line has."""
    found = [line for line in map(json.loads, log.getvalue().splitlines()) if line["event"] == event]
    return [{key: line[key] for key in line if key not in ("time", "event")} for line in found]


def test_logon_and_logout_name_account_and_session(world: World, log: io.StringIO) -> None:
    """So that everything about one session is found by one search."""
    alice = world.client("alice", heartbeat_ms=1234)
    alice.send(alice.message(Kind.LOGOUT))
    assert alice.receive()[0] is Kind.LOGOUT
    who = {"process": "gateway.0", "account": "alice", "session": alice.session, "level": "info"}
    assert lines(log, "logged on") == [{**who, "heartbeat_ms": 1234, "resume": False}]
    assert lines(log, "session ended") == [{**who, "why": "logged out"}]


def test_a_refused_logon_is_a_warning_without_the_key(world: World, log: io.StringIO) -> None:
    """The name as it was sent, made harmless for terminals: it is a stranger's."""
    client = world.client()
    client.send(encode(Kind.LOGON, account=b"\x1b[31mmallory", api_key=b"a secret guess"))
    client.reject()
    refused = {"process": "gateway.0", "level": "warning", "account": r"\x1b[31mmallory", "reason": "bad_credentials"}
    assert lines(log, "logon refused") == [refused]
    assert "guess" not in log.getvalue()


def test_a_flood_of_bad_logons_is_counted_not_logged(world: World, log: io.StringIO, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few lines, and how many there were; afterwards the log is open again."""
    world.step()
    now_ns = time.monotonic_ns()
    monkeypatch.setattr(time, "monotonic_ns", lambda: now_ns)
    client, bad = world.client(), encode(Kind.LOGON, account=b"alice", api_key=b"wrong")
    for _ in range(3 * LINES_A_WINDOW):
        client.send(bad)
        client.reject()
    assert len(lines(log, "logon refused")) == LINES_A_WINDOW
    now_ns += 2_000_000_000
    world.step()
    (left_out,) = lines(log, "log lines left out")
    assert (left_out["of"], left_out["count"]) == ("logon refused", 2 * LINES_A_WINDOW)
    client.send(bad)
    client.reject()
    assert len(lines(log, "logon refused")) == LINES_A_WINDOW + 1


def test_a_missed_heartbeat_is_a_warning(world: World, log: io.StringIO) -> None:
    alice = world.client("alice", heartbeat_ms=100)
    while alice.receive()[0] is not Kind.LOGOUT:
        pass
    (ended,) = lines(log, "session ended")
    assert (ended["level"], ended["session"], ended["why"]) == ("warning", alice.session, "heartbeat_missed")


def test_falling_behind_is_logged_once_however_long_it_lasts(world: World, log: io.StringIO) -> None:
    """BEHIND is tried until it fits; the log has the one line."""
    alice = world.client("alice")
    sessions = world.gateway._sessions
    (place,) = live_places(world.gateway._state)
    send, sessions._send = sessions._send, lambda identity, frame: 1  # the queue is full
    world.gateway._state["sessions"][place]["noticed"] = 0
    for _ in range(3):
        sessions.beat(time.monotonic_ns())
    sessions._send = send
    sessions.beat(time.monotonic_ns())
    assert alice.receive()[0] is Kind.BEHIND
    (behind,) = lines(log, "session fell behind")
    assert (behind["account"], behind["session"], behind["level"]) == ("alice", alice.session, "warning")


def test_a_session_gone_and_silent_at_once_ends_once(world: World, log: io.StringIO) -> None:
    """Both are found in one beat after the gateway was held up; closing it twice would be a crash."""
    world.client("alice")
    state = world.gateway._state
    (place,) = live_places(state)
    state["sessions"][place]["gone"], state["sessions"][place]["heard"] = 1, 0
    world.gateway._sessions.beat(time.monotonic_ns() + 3_600_000_000_000)
    assert live_places(state) == []
    assert [line["why"] for line in lines(log, "session ended")] == ["connection gone"]


def test_every_way_to_be_refused_is_logged(world: World, log: io.StringIO) -> None:
    """A second logon, and one more than there is room for."""
    clients = [world.client("alice") for _ in range(8)]
    clients[0].send(clients[0].message(Kind.LOGON, account=b"alice", api_key=KEYS["alice"].encode()))
    clients[0].reject()
    ninth = world.client()
    ninth.send(encode(Kind.LOGON, account=b"bob", api_key=KEYS["bob"].encode()))
    ninth.reject()
    found = [(line["account"], line["reason"]) for line in lines(log, "logon refused")]
    assert found == [("alice", "already_logged_on"), ("bob", "too_many_sessions")]
