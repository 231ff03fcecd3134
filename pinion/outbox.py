"""Frames to be sent: messages joined up to the length that the server takes, split where they are more."""

from collections import deque

from pinion.codec import Records

FIRST_MAXIMUM_FRAME_BYTES = 4096
"""Until the server has said what it takes."""


class Outbox:
    """Messages go in, frames come out, in order. ``token`` is what the server wants to see in every header."""

    def __init__(self) -> None:
        self.token = 0
        self.maximum_frame_bytes = FIRST_MAXIMUM_FRAME_BYTES
        self._frames: deque[bytearray] = deque()
        self._last_is_full = False

    def __bool__(self) -> bool:
        return bool(self._frames)

    def clear(self) -> None:
        """Forgets everything, the token too: the connection is gone."""
        self.token = 0
        self._frames.clear()

    def put(self, message: bytes) -> None:
        """One whole message, joined to the last frame when there is room."""
        if self._frames and not self._last_is_full and len(self._frames[-1]) + len(message) <= self.maximum_frame_bytes:
            self._frames[-1] += message
        else:
            self._frames.append(bytearray(message))
        self._last_is_full = False

    def put_alone(self, message: bytes) -> None:
        """One whole message in a frame of its own: refused, it takes no other with it."""
        self._frames.append(bytearray(message))
        self._last_is_full = True

    def put_records(self, records: Records) -> None:
        """Messages of one kind, any number; their headers' tokens are written here."""
        records["token"] = self.token
        data, size = records.tobytes(), records.dtype.itemsize
        step = self.maximum_frame_bytes // size * size
        for start in range(0, len(data), step):
            self.put(data[start : start + step])

    def take(self) -> bytes:
        """The oldest frame."""
        return bytes(self._frames.popleft())

    def put_back(self, frame: bytes) -> None:
        """The socket would not take it now."""
        self._frames.appendleft(bytearray(frame))
