"""``python -m matcher.follow``: a matcher's snapshot, made out of the journal while it goes on (``runtime/following.py``)."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from matcher.layout import STATE
from matcher.process import bounds_for
from matcher.recovery import Replay, go_on_from
from matcher.state import empty_state, used, wire
from runtime.context import Context
from runtime.following import Task, run
from runtime.snapshots import Snapshots
from shm.journal import JournalReader, Stream, stream_folder
from shm.records import COMMAND, EVENT, layout_hash
from shm.ring import Ring
from shm.ring_layout import UNPUBLISHED_BOUND

FOR_EVER: Final = (1 << 62) - 1
"""Events up to this one are told to nobody."""


def follow(task: Task) -> None:
    """Write the snapshot of a shard's matcher behind a command that its journal has. Raises JournalDamaged, OSError."""
    (name,) = task.processes
    context, bounds = Context(task.settings, name), bounds_for(task.settings)
    durable = context.attach_durable(context.number)
    snapshots = Snapshots(context, layout_hash(STATE), bounds, [durable])
    through, state = task.commands[context.number], empty_state(bounds)
    found = snapshots.newest(commands=(through,))
    if found is not None:
        go_on_from(found, state, used(state, bounds))
    bring_to(state, stream_folder(task.settings.data, Stream.COMMANDS, context.number), through)
    snapshots.write(used(state, bounds), (through,), (int(state["event_sequence"]),))


def bring_to(state: Any, folder: Path, through: int) -> None:
    """Handle the journal's commands from where the state stands up to command ``through``, which is there; tell nobody."""
    commands, events = (
        Ring.private(COMMAND, 2 * UNPUBLISHED_BOUND, gating=("matcher",)),
        Ring.private(EVENT, 2 * UNPUBLISHED_BOUND),
    )
    wire(state, commands, events)
    state["suppress_through"] = FOR_EVER
    journal = JournalReader(folder, COMMAND, int(state["command_sequence"]))
    if journal.after < through:
        Replay(state, commands, events).feed(_up_to(journal, through))
    assert state["command_sequence"] == through


def _up_to(journal: JournalReader, through: int) -> Iterator[Any]:
    """A batch goes on beyond a command that was numbered in its middle."""
    for commands in journal.read(through):
        yield commands[commands["sequence"] <= through] if commands["sequence"][-1] > through else commands


if __name__ == "__main__":
    run(follow)
