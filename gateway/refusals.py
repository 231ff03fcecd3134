"""What a REJECT says in words, in at most 40 characters of ASCII."""

from pinion.protocol import FORMS, HEADER_BYTES, REJECT_TEXT_BYTES, VERSION, Kind
from shm.reasons import Reason

_PLAIN = {
    Reason.NOT_LOGGED_ON: "log on first, and send the session token",
    Reason.ALREADY_LOGGED_ON: "this connection is logged on",
    Reason.BAD_CREDENTIALS: "unknown account or wrong API key",
    Reason.TOO_MANY_SESSIONS: "no room for another session",
    Reason.SERVER_ONLY_MESSAGE: "only the server sends this",
    Reason.JOURNAL_STALLED: "the exchange cannot write: try later",
    Reason.NOT_AVAILABLE: "what is reserved must be 0",
    Reason.READ_ONLY: "a drop copy only reads",
}
assert max(map(len, _PLAIN.values())) <= REJECT_TEXT_BYTES


def text_of(reason: Reason, frame: bytes, length: int, room: int) -> str:
    """Why ``frame``, the refused message and what follows it, is refused.

    ``length`` is the whole frame's, ``room`` what a frame may have.
    """
    if reason == Reason.MALFORMED_FRAME:
        return _malformed(frame, length, room)
    if reason == Reason.UNSUPPORTED_VERSION:
        return f"version {frame[3]}; this server speaks {VERSION}"
    if reason == Reason.UNKNOWN_MESSAGE:
        return f"there is no message of kind {frame[2]}"
    if reason == Reason.WRONG_LENGTH:
        says, kind = int.from_bytes(frame[:2], "little"), Kind(frame[2])
        return f"says {says} bytes; it takes {' or '.join(map(str, FORMS[kind]))}"
    return _PLAIN.get(reason, reason.name.lower())


def _malformed(frame: bytes, length: int, room: int) -> str:
    if length == 0:
        return "empty frame"
    if length > room:
        return f"{length} bytes; a frame holds {room}"
    if len(frame) < HEADER_BYTES:
        return f"{len(frame)} bytes left; a header takes {HEADER_BYTES}"
    announced = int.from_bytes(frame[:2], "little")
    if announced > len(frame):
        return f"{len(frame)} bytes left; {announced} announced"
    return "a frame is one ZeroMQ message part"
