"""Where levels lie, and the commands and events that a state's rings hold."""

from typing import Any

from shm.atomics import record_at
from shm.inner import inner
from shm.records import RECORD_BYTES


@inner
def level_at(state: Any, number: int) -> Any:
    """The level of this number."""
    return state["levels"][number]


@inner
def command_at(state: Any, sequence: int) -> Any:
    """The command of this number, in its slot."""
    return record_at(command_address(state, sequence), state["command_like"][0])


@inner
def command_address(state: Any, sequence: int) -> int:
    """The address of that slot."""
    return state["commands_slots"] + (sequence & state["commands_mask"]) * RECORD_BYTES


@inner
def event_at(state: Any, sequence: int) -> Any:
    """The event of this number, in its slot."""
    return record_at(state["events_slots"] + (sequence & state["events_mask"]) * RECORD_BYTES, state["scratch"][0])


@inner
def events_words(state: Any) -> Any:
    """The cursors of the events ring."""
    return record_at(state["events_words"], state["ring_like"][0])
