"""RESEND_REQUESTs under way, each served in bounded slices between those of the duty cycle: trading is not held up."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from gateway.history import History, Horizon, Records, resend
from gateway.outbound import SENT
from pinion.codec import encode
from pinion.protocol import Kind
from shm.journal import JournalDamaged
from shm.reasons import Reason

EVENTS_A_SLICE = 4096


@dataclass
class Resend:
    """One session's catching up with one shard, from ``position`` on."""

    request_id: int
    position: int
    at_hand: Records | None = None
    """Events read and not yet gone through: those after ``position`` first."""
    source: Iterator[Records] | None = field(default=None, repr=False)
    horizon: Horizon = (0, 0)
    """As it was when the request came."""


class Resends:
    """At most one resend a session and shard; a later request takes the place of an earlier."""

    def __init__(self, state: Any, histories: list[History], send: Callable[[int, bytes], int]) -> None:
        self._state = state
        self._histories = histories
        self._send = send
        self._open: dict[tuple[int, int], Resend] = {}

    def __len__(self) -> int:
        return len(self._open)

    def begin(self, place: int, shard: int, after: int, request_id: int) -> bool:
        """The session hears nothing more of the shard's live events until it has caught up. False: there is no such event, or
        none any more.

        What has not been told yet may have been told before the power failed, and is told again: that is waited for.
        """
        horizon = self._histories[shard].horizon()
        if after + 1 < self._histories[shard].begins():
            return False
        if after > self._state["shard"][shard]["told"] and self._reached(shard, horizon):
            return False
        self._state["sessions"][place]["behind"] |= np.uint32(1 << shard)
        self._state["sessions"][place]["noticed"] = 1
        self._open[place, shard] = Resend(request_id, after, horizon=horizon)
        return True

    def range_of(self, shard: int) -> str:
        """What a session is told that asks for others than there are."""
        first, last = self._histories[shard].begins(), self._state["shard"][shard]["told"]
        return f"events reach {last}" if first == 1 else f"events are {first} to {last}"

    def drop(self, place: int) -> None:
        """The session is closed."""
        for key in [key for key in self._open if key[0] == place]:
            del self._open[key]

    def work(self) -> int:
        """A slice of each; how many events were gone through."""
        return sum(self._advance(place, shard, under_way) for (place, shard), under_way in list(self._open.items()))

    def _advance(self, place: int, shard: int, under_way: Resend) -> int:
        before, told = under_way.position, int(self._state["shard"][shard]["told"])
        if before > told:
            return self._refuse(place, shard, under_way) if self._reached(shard, under_way.horizon) else 0
        try:
            records = self._records(shard, under_way, told)
        except JournalDamaged:
            if before + 1 >= self._histories[shard].begins():
                raise
            return self._refuse(place, shard, under_way)  # its file was put away meanwhile
        if records is not None:
            under_way.position = int(resend(self._state, place, shard, records, before))
            taken = under_way.position - before
            under_way.at_hand = records[taken:] if taken < len(records) else None
        elif before == told:
            return self._complete(place, shard, under_way)
        return under_way.position - before

    def _records(self, shard: int, under_way: Resend, told: int) -> Records | None:
        """Up to EVENTS_A_SLICE events after the position; None when there are none for now."""
        if under_way.at_hand is None:
            if under_way.source is None:
                under_way.source = self._histories[shard].after(under_way.position, told)
            under_way.at_hand = next(under_way.source, None)
            if under_way.at_hand is None:
                under_way.source = None
                return None
        return np.ascontiguousarray(under_way.at_hand[:EVENTS_A_SLICE])

    def _reached(self, shard: int, horizon: Horizon) -> bool:
        """Whether all of the horizon's events have been told."""
        told = self._state["shard"][shard]
        return bool(told["told"] >= horizon[0] and told["commands"] >= horizon[1])

    def _refuse(self, place: int, shard: int, under_way: Resend) -> int:
        """The session asked for what follows a later event than there was, or an earlier one than there is."""
        text = self.range_of(shard).encode()
        names = {"request_id": under_way.request_id, "message": Kind.RESEND_REQUEST}
        if self._send(place, encode(Kind.REJECT, reason=Reason.RESEND_OUT_OF_RANGE, text=text, **names)) != SENT:
            return 0
        del self._open[place, shard]
        return 1

    def _complete(self, place: int, shard: int, under_way: Resend) -> int:
        """Nothing is missing: say so, and let live events through from the next one on."""
        message = encode(Kind.RESEND_COMPLETE, request_id=under_way.request_id, sequence=under_way.position, shard=shard)
        if self._send(place, message) != SENT:
            return 0
        self._state["sessions"][place]["behind"] &= np.uint32(~(1 << shard) & 0xFFFFFFFF)
        del self._open[place, shard]
        return 1
