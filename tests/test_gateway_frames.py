"""Bad input, one test each, and fuzz: a REJECT says what was wrong and where, and nothing else is lost."""

import random
from collections.abc import Iterator

import pytest

from gateway.layout import Outcome
from gateway.table import live_places
from gateway_world import World
from pinion.codec import ProtocolError, blank, decode, encode
from pinion.protocol import EXTENDED, FORMS, HEADER_BYTES, LAYOUTS, Kind
from shm.reasons import Reason


@pytest.fixture
def world(place) -> Iterator[World]:
    with World(place) as made:
        yield made


def refused(world: World, frame: bytes, account: str = "alice") -> tuple[int, int, int, int, str]:
    """What a frame is told: reason, offset, kind, request id, text; the session it came from goes on."""
    client = world.client(account)
    client.socket.send(frame if frame[4:8] != b"TOKN" else client.token.to_bytes(4, "little").join((frame[:4], frame[8:])))
    reject = client.reject()
    if account:
        client.send(client.order(1000))
        client.reports(1)
    fields = (reject["reason"], reject["offset"], reject["message"], reject["request_id"])
    return (*map(int, fields), reject["text"].decode())


def order(**fields: int) -> bytes:
    """A NEW_ORDER whose token ``refused`` fills in."""
    message = bytearray(encode(Kind.NEW_ORDER, **({"client_order_id": 1, "request_id": 8} | fields)))
    message[4:8] = b"TOKN"
    return bytes(message)


def test_a_frame_shorter_than_a_header(world: World) -> None:
    assert refused(world, b"\x40\x00\x10") == (Reason.MALFORMED_FRAME, 0, 0x10, 0, "3 bytes left; a header takes 8")


def test_a_truncated_message(world: World) -> None:
    """Its announced length reaches past the frame's end."""
    text = "40 bytes left; 64 announced"
    assert refused(world, order()[:40]) == (Reason.MALFORMED_FRAME, 0, Kind.NEW_ORDER, 8, text)


def test_a_wrong_length(world: World) -> None:
    """Another than the kind has in this version."""
    frame = b"\x48" + order()[1:] + bytes(8)
    text = "says 72 bytes; it takes 64 or 104"
    assert refused(world, frame) == (Reason.WRONG_LENGTH, 0, Kind.NEW_ORDER, 8, text)


def test_an_unknown_kind(world: World) -> None:
    """Told by its number."""
    frame = order()[:2] + b"\x63" + order()[3:]
    assert refused(world, frame) == (Reason.UNKNOWN_MESSAGE, 0, 0x63, 0, "there is no message of kind 99")


def test_a_wrong_version(world: World) -> None:
    """Told with the version that is spoken."""
    frame = order()[:3] + b"\x02" + order()[4:]
    text = "version 2; this server speaks 1"
    assert refused(world, frame) == (Reason.UNSUPPORTED_VERSION, 0, Kind.NEW_ORDER, 8, text)


def test_a_message_of_the_servers(world: World) -> None:
    reason, _, kind, _, text = refused(world, encode(Kind.EXECUTION_REPORT))
    assert (reason, kind, text) == (Reason.SERVER_ONLY_MESSAGE, Kind.EXECUTION_REPORT, "only the server sends this")


def test_not_logged_on(world: World) -> None:
    """Hot and cold messages alike."""
    text = "log on first, and send the session token"
    told = refused(world, encode(Kind.NEW_ORDER, request_id=3), account="")
    assert told == (Reason.NOT_LOGGED_ON, 0, Kind.NEW_ORDER, 3, text)
    assert refused(world, encode(Kind.ORDERS_REQUEST, request_id=4), account="")[3] == 4


def test_reserved_bytes_are_kept_free(world: World) -> None:
    """A later client's stop price must not be taken for a plain order."""
    reason, _, _, request_id, text = refused(world, order(reserved=[0, 1]))
    assert (reason, request_id, text) == (Reason.NOT_AVAILABLE, 8, "what is reserved must be 0")


def test_reserved_bits_of_a_mass_cancel_are_kept_free(world: World) -> None:
    """A filter that this server does not know must not be taken for none: it would cancel more than was asked for."""
    message = bytearray(encode(Kind.MASS_CANCEL, request_id=5, instrument=-1, flags=8))
    message[4:8] = b"TOKN"
    reason, _, kind, request_id, text = refused(world, bytes(message))
    assert (reason, kind, request_id) == (Reason.NOT_AVAILABLE, Kind.MASS_CANCEL, 5)
    assert text == "what is reserved must be 0"


@pytest.mark.parametrize(("kind", "takes"), [(Kind.NEW_ORDER, "64 or 104"), (Kind.REPLACE, "40 or 48"), (Kind.CANCEL, "24")])
def test_a_length_between_the_forms_is_wrong(world: World, kind: Kind, takes: str) -> None:
    """Whatever the form that was meant."""
    message = bytearray(encode(kind, request_id=5) + bytes(64))
    message[0], message[4:8] = 80, b"TOKN"
    reason, _, _, request_id, text = refused(world, bytes(message))
    assert (reason, request_id, text) == (Reason.WRONG_LENGTH, 5, f"says 80 bytes; it takes {takes}")


def test_an_empty_frame(world: World) -> None:
    """Is no message, and no reason to fall over."""
    assert refused(world, b"") == (Reason.MALFORMED_FRAME, 0, 0, 0, "empty frame")


def test_a_frame_that_is_too_long(world: World) -> None:
    """As long as libzmq takes it in; one four times the bound costs its sender the connection."""
    reason, offset, _, _, text = refused(world, order() * 129)
    assert (reason, offset, text) == (Reason.MALFORMED_FRAME, 0, "8256 bytes; a frame holds 8192")


def test_a_frame_of_two_parts(world: World) -> None:
    alice = world.client("alice")
    alice.socket.send_multipart([alice.order(1), alice.order(2), alice.order(3)])
    reject = alice.reject()
    assert (reject["reason"], reject["text"]) == (Reason.MALFORMED_FRAME, b"a frame is one ZeroMQ message part")
    assert not world.engine.commands_seen


def test_what_came_before_the_bad_message_stands(world: World) -> None:
    """And what comes after is dropped: the offset says from where on."""
    alice = world.client("alice")
    alice.send(alice.order(1), alice.order(2), bytes(16), alice.order(3))
    frames = [alice.receive() for _ in range(2)]
    rejects = [records for kind, records in frames if kind is Kind.REJECT]
    assert rejects[0]["offset"] == [128]
    assert [int(command["client_order_id"]) for command in world.engine.commands_seen] == [1, 2]
    assert alice.hears_nothing()


def test_cold_and_hot_messages_in_one_frame(world: World) -> None:
    """They are dealt with in their order, up to the LOGOUT."""
    alice = world.client("alice")
    heartbeat, logout = alice.message(Kind.HEARTBEAT), alice.message(Kind.LOGOUT)
    alice.send(alice.order(1), heartbeat, alice.order(2), logout, alice.order(3))
    while alice.receive()[0] is not Kind.LOGOUT:
        pass
    world.settle()
    assert [int(command["client_order_id"]) for command in world.engine.commands_seen] == [1, 2]
    assert live_places(world.gateway._state) == []


def slow_twin(frame: bytes, token: int) -> tuple[list[tuple[int, int]], int]:
    """(kind, client order id) of the orders that a frame places, and the reason why the rest is refused."""
    taken, offset = [], 0
    try:
        for kind, records in decode(frame):
            for record in records:
                if kind >= 128:
                    return taken, Reason.SERVER_ONLY_MESSAGE
                if kind is Kind.LOGON:
                    return taken, Reason.ALREADY_LOGGED_ON if record["token"] == token else Reason.BAD_CREDENTIALS
                if record["token"] != token:
                    return taken, Reason.NOT_LOGGED_ON
                if kind is Kind.LOGOUT:
                    return taken, 0
                if kind is Kind.RESEND_REQUEST and (record["shard"] != 0 or record["after_sequence"] != 0):
                    return taken, Reason.RESEND_OUT_OF_RANGE
                if kind is Kind.NEW_ORDER and record.dtype == LAYOUTS[kind] and record["reserved"].any():
                    return taken, Reason.NOT_AVAILABLE
                if kind is Kind.MASS_CANCEL and record.dtype != LAYOUTS[kind] and record["flags"] > 7:
                    return taken, Reason.NOT_AVAILABLE
                if kind >= Kind.NEW_ORDER:
                    named = record["client_order_id"] if kind is not Kind.MASS_CANCEL else 0
                    taken.append((kind - Kind.NEW_ORDER + 1, int(named)))
                offset += record.dtype.itemsize
    except ProtocolError as error:
        is_servers = error.reason != Reason.UNSUPPORTED_VERSION and len(frame) - error.offset >= HEADER_BYTES
        if is_servers and frame[error.offset + 2] >= 128:
            return taken, Reason.SERVER_ONLY_MESSAGE
        return taken, int(error.reason)
    return taken, 0 if frame else Reason.MALFORMED_FRAME


def mutated(rng: random.Random, token: int) -> bytes:
    """A frame of a few messages, then perhaps damaged: a byte changed, the end cut off, bytes put in."""
    kinds = [kind for kind in Kind if kind < 128 and kind not in (Kind.LOGON, Kind.LOGOUT)]
    frame = bytearray()
    for _ in range(rng.randint(1, 6)):
        kind = rng.choice(kinds)
        message = blank(kind, 1, token, extended=kind in EXTENDED and rng.random() < 0.5)
        if "client_order_id" in (message.dtype.names or ()):
            message["client_order_id"] = rng.randint(1, 1 << 60)
        frame += message.tobytes()
    for _ in range(rng.choice((0, 1, 1, 3))):
        at = rng.randrange(len(frame))
        frame[at] = rng.choice((0, 1, 2, 16, 64, 127, 128, 144, 255, rng.randrange(256)))
    if rng.random() < 0.25:
        del frame[rng.randrange(len(frame)) :]
    if rng.random() < 0.1:
        frame[rng.randrange(len(frame) + 1) : 0] = rng.randbytes(rng.randint(1, 20))
    return bytes(frame)


def test_mutated_frames_do_what_the_slow_twin_says(world: World, seed: int) -> None:
    """Thousands of damaged frames: the same orders placed and the same reason told as by the obvious reading of each."""
    rng = random.Random(seed)
    alice = world.client("alice")
    world.engine.mute = True
    for _ in range(3000):
        frame = mutated(rng, alice.token)
        wanted, reason = slow_twin(frame, alice.token)
        world.engine.commands_seen.clear()
        rejects = _sent_and_answered(alice, frame)
        placed = [(int(c["kind"]), int(c["client_order_id"])) for c in world.engine.commands_seen]
        assert placed == wanted, frame.hex()
        assert rejects == ([reason] if reason else []), frame.hex()
        if not live_places(world.gateway._state):
            alice.logon("alice")


def _sent_and_answered(client, frame: bytes) -> list[int]:
    """Send the frame and a marker behind it; the reasons of the REJECTs that came before the marker's own."""
    client.socket.send(frame)
    client.socket.send(encode(Kind.REJECT, request_id=0xE0F))
    reasons = []
    while True:
        for kind, records in decode(client.frame()):
            if kind is Kind.REJECT and records["request_id"][-1] == 0xE0F and records["message"][-1] == Kind.REJECT:
                return reasons
            reasons += records["reason"].tolist() if kind is Kind.REJECT else []


def test_outcomes_and_layouts_agree() -> None:
    """What the kernels take for granted."""
    assert len({int(outcome) for outcome in Outcome}) == len(Outcome)
    assert all(length % 8 == 0 for forms in FORMS.values() for length in forms)
    assert all(min(forms) == LAYOUTS[kind].itemsize for kind, forms in FORMS.items())
