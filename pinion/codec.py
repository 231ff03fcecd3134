"""Messages to bytes and back: the only code outside the gateway's kernels that knows how a frame is put together."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from pinion.protocol import EXTENDED, FORMS, HEADER, HEADER_BYTES, LAYOUTS, VERSION, Dtype, Kind
from pinion.reasons import Reason

Records = np.ndarray[Any, np.dtype[Any]]
"""A one-dimensional structured array: messages of one kind and form."""


class ProtocolError(Exception):
    """Bytes that are not a frame of this protocol: ``reason``, and ``offset``, the byte from which on nothing was read."""

    def __init__(self, reason: Reason, offset: int, text: str) -> None:
        super().__init__(f"{text} (at byte {offset}: {reason.name.lower()})")
        self.reason = reason
        self.offset = offset
        self.text = text


def blank(kind: Kind, count: int = 1, token: int = 0, *, extended: bool = False) -> Records:
    """``count`` messages of ``kind``, headers filled in and every other byte 0. ``extended``: in the kind's longer form."""
    records = np.zeros(count, EXTENDED[kind] if extended else LAYOUTS[kind])
    records["length"] = records.dtype.itemsize
    records["kind"] = kind
    records["version"] = VERSION
    records["token"] = token
    return records


def encode(kind: Kind, token: int = 0, **fields: Any) -> bytes:
    """One message as bytes, in the longer form if a field asks for it.

    Raises ValueError when a text does not fit its field, rather than cutting it off.
    """
    plain = kind not in EXTENDED or fields.keys() <= set(LAYOUTS[kind].names or ())
    record = blank(kind, 1, token, extended=not plain)
    for name, value in fields.items():
        record[name] = value
        if isinstance(value, bytes) and record[name][0] != value:
            raise ValueError(f"{name} is longer than {record.dtype[name].itemsize} bytes, or ends in NUL: {value!r}")
    return record.tobytes()


def with_token(frame: bytes, token: int) -> bytes:
    """The frame as it is, or a copy, so that every message carries ``token``."""
    wanted = token.to_bytes(4, "little")
    if frame[4:8] == wanted:
        return frame
    changed, offset = bytearray(frame), 0
    while offset < len(changed):
        changed[offset + 4 : offset + 8] = wanted
        offset += int.from_bytes(changed[offset : offset + 2], "little") or len(changed)
    return bytes(changed)


def decode(frame: bytes) -> Iterator[tuple[Kind, Records]]:
    """The frame's messages in order, neighbours of one kind and form as one array (a view of ``frame``, read-only).

    Raises ProtocolError at the first message that is not well formed; what came before it has been yielded.
    """
    offset = 0
    while offset < len(frame):
        kind, layout = _form_at(frame, offset)
        count = _run_length(frame, offset, layout.itemsize)
        yield kind, np.frombuffer(frame, layout, count, offset)
        offset += count * layout.itemsize


def _form_at(frame: bytes, offset: int) -> tuple[Kind, Dtype]:
    """Kind and layout of the message at ``offset``, which is well formed, or ProtocolError. Checks in the gateway's order."""
    left = len(frame) - offset
    if left < HEADER_BYTES:
        raise ProtocolError(Reason.MALFORMED_FRAME, offset, f"{left} bytes are left where a header takes {HEADER_BYTES}")
    length, kind, version, _ = np.frombuffer(frame, HEADER, 1, offset)[0].item()
    if version != VERSION:
        raise ProtocolError(Reason.UNSUPPORTED_VERSION, offset, f"version {version}; this side speaks {VERSION}")
    if kind not in FORMS:
        raise ProtocolError(Reason.UNKNOWN_MESSAGE, offset, f"there is no message of kind {kind}")
    forms = FORMS[Kind(kind)]
    if length not in forms:
        sizes = " or ".join(map(str, forms))
        raise ProtocolError(Reason.WRONG_LENGTH, offset, f"{Kind(kind).name} says {length} bytes and takes {sizes}")
    if left < length:
        raise ProtocolError(Reason.MALFORMED_FRAME, offset, f"{left} bytes are left where {length} are announced")
    return Kind(kind), forms[length]


def _run_length(frame: bytes, offset: int, size: int) -> int:
    """How many messages from ``offset`` on have the first one's length, kind and version, back to back."""
    whole = (len(frame) - offset) // size
    if whole == 1:
        return 1
    heads = np.ndarray(whole, "<u4", frame, offset, (size,))
    different = np.flatnonzero(heads != heads[0])
    return int(different[0]) if len(different) else whole
