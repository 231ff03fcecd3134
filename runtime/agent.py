"""What every process is to its runner: something that works a bounded slice at a time."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shm.patience import impatient

Command = Callable[[Mapping[str, Any]], Any]
"""Answers a control request: arguments in, something JSON out. ``ValueError`` with a sentence refuses the arguments."""


class Agent:
    """One process's work. Subclass it, set ``name`` and ``wakes``, and give at least ``do_work``."""

    name: str = ""
    """The process: ``riskd``, ``matcher.0``."""
    wakes: tuple[str, ...] = ()
    """The processes that may wait for what this one writes or frees; rung after every slice that did something."""

    linger_s: float = 0.0
    """How long the runner sleeps after a slice that did something, so that more can gather; nobody rings to end it."""
    patience: Any = impatient()
    """How a slice goes on looking before it comes back (``shm.patience``); the runner sets it by the idle strategy."""

    def do_work(self) -> int:
        """Do what is at hand, at most about 4096 messages or 1 ms. How many messages; 0: every source was found empty.

        The runner parks only after a 0 that it got with the doorbell already announced, so 0 must never be a guess.
        """
        raise NotImplementedError

    def drained(self) -> bool:
        """Asked while stopping, between slices: is everything that was taken in passed on?"""
        return True

    def close(self) -> None:
        """Let go of segments, files and sockets. Called once, after a clean stop only."""

    def sockets(self) -> Sequence[int]:
        """Descriptors that must wake the process from parking, such as ``socket.FD`` of a ZeroMQ socket."""
        return ()

    def status(self) -> dict[str, Any]:
        """What `pinion status` shows of the agent, beside what the runner knows."""
        return {}

    def commands(self) -> dict[str, Command]:
        """Control requests that this process answers beside those that all do."""
        return {}
