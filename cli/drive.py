"""Send a packed flow through a client, many messages a frame and a bounded number unanswered; keep all that comes back."""

import time
from collections.abc import Callable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from cli.frames import Packed, Records
from cli.output import Failure
from pinion.client import NO_REPORTS, Client
from pinion.errors import Refused
from pinion.protocol import Liquidity

FRAME_MESSAGES: Final = 32
WINDOW_MESSAGES: Final = 1024
"""Sent and not yet answered, of one client: enough to keep every process busy, few enough that latency means something."""
WAIT_S: Final = 0.001
SILENCE_BOUND_S: Final = 20.0
"""An exchange that says nothing for so long, while it owes answers, is not going to."""


class Driver:
    """One client's part of a flow. Message ``i`` must carry ``request_id`` ``first`` + i.

    ``reports`` are the execution reports so far, ``sent_ns`` and ``answered_ns`` (monotonic clock, 0: not yet) one a message:
    answered is when the last report of its command came.
    """

    def __init__(
        self, client: Client, packed: Packed, window: int = WINDOW_MESSAGES, frame: int = FRAME_MESSAGES, first: int = 1
    ) -> None:
        assert window >= frame > 0
        self.client = client
        self.sent = self.answered = self.takers = self.makers = 0
        self.sent_ns: NDArray[np.int64] = np.zeros(len(packed), np.int64)
        self.answered_ns: NDArray[np.int64] = np.zeros(len(packed), np.int64)
        self.refusals: list[Refused] = []
        self._packed, self._window, self._frame, self._first = packed, window, frame, first
        self._batches: list[Records] = []
        self._sessions: set[int] = set()
        """The session may be lost and another take its place; reports name the one that asked."""

    @property
    def done(self) -> bool:
        """Is every message answered?"""
        return self.answered >= len(self._packed)

    @property
    def reports(self) -> Records:
        """All execution reports, in the order in which they came."""
        return np.concatenate(self._batches or [NO_REPORTS])

    def pump(self, timeout_s: float = 0.0) -> int:
        """Send what the window lets out, take what has come (waiting up to ``timeout_s`` for it); how many were answered."""
        while self.sent < len(self._packed) and self.sent - self.answered <= self._window - self._frame:
            self._send(min(self.sent + self._frame, len(self._packed)))
        before = self.answered
        try:
            reports = self.client.receive(timeout_s)
        except Refused as refusal:
            self.refusals.append(refusal)
            self.answered += 1
        else:
            if len(reports):
                self._take(reports, time.monotonic_ns())
        return self.answered - before

    def _send(self, last: int) -> None:
        self.sent_ns[self.sent : last] = time.monotonic_ns()
        self._sessions.add(self.client.session)
        self.client.submit_packed(self._packed.frame(self.sent, last))
        self.sent = last

    def _take(self, reports: Records, now_ns: int) -> None:
        self._batches.append(reports)
        self.takers += int((reports["liquidity"] == Liquidity.TAKER).sum())
        self.makers += int((reports["liquidity"] == Liquidity.MAKER).sum())
        mine = (reports["last"] == 1) & (reports["liquidity"] != Liquidity.MAKER)
        mine &= np.isin(reports["session"], list(self._sessions))
        answered = reports["request_id"][mine].astype(np.int64) - self._first
        self.answered_ns[answered] = now_ns
        self.answered += len(answered)


def drive(
    drivers: Sequence[Driver], hear: Callable[[int], object] = lambda answered: None, silence_s: float = SILENCE_BOUND_S
) -> float:
    """Run all drivers to their end; seconds from the first message to the last answer. ``hear`` gets what was answered anew.

    Raises:
        Failure: the exchange fell silent.
    """
    began = heard = time.monotonic()
    while not all(driver.done for driver in drivers):
        answered = sum(driver.pump() for driver in drivers) or _pump_owed(drivers)
        if answered:
            heard = time.monotonic()
            hear(answered)
        elif time.monotonic() - heard > silence_s:
            owed = sum(driver.sent - driver.answered for driver in drivers)
            raise Failure(f"the exchange has said nothing for {silence_s:g} s and owes {owed} answers")
    return time.monotonic() - began


def settle(drivers: Sequence[Driver], within_s: float = SILENCE_BOUND_S) -> None:
    """Take in what is still on its way when every request is answered: trades that an order at rest had meanwhile.

    All accounts together must be told of a trade twice. Raises Failure when that does not come true.
    """
    end = time.monotonic() + within_s
    while unpaired := sum(driver.takers - driver.makers for driver in drivers):
        for driver in drivers:
            driver.pump(WAIT_S)
        if time.monotonic() > end:
            raise Failure(f"after {within_s:g} s there are still {unpaired} trades of which one side was not told")


def _pump_owed(drivers: Sequence[Driver]) -> int:
    """Nothing was at hand: leave the processor to the exchange and wait a moment at a client that is owed an answer."""
    owed = next((driver for driver in drivers if driver.sent > driver.answered), drivers[0])
    return owed.pump(WAIT_S)
