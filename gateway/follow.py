"""``python -m gateway.follow``: the gateways' snapshots, made out of the journal while they go on (``runtime/following.py``).

All gateways have the same table of orders, for it is a function of the events: it is made once, and written for each.
"""

from pathlib import Path
from typing import Any

from gateway.history import apply_events
from gateway.snapshot import go_on_from, parts, snapshots_of, state_of
from runtime.context import Context
from runtime.following import Task, run
from shm.journal import JournalReader, Stream, stream_folder
from shm.records import EVENT


def follow(task: Task) -> None:
    """Write the snapshots of ``task.processes`` behind an event of each shard that its journal has. Raises JournalDamaged,
    OSError."""
    contexts = [Context(task.settings, name) for name in task.processes]
    durables = [contexts[0].attach_durable(shard) for shard in range(task.settings.matchers)]
    of_each = [snapshots_of(context, durables) for context in contexts]
    state = state_of(task.settings)[0]
    found = of_each[0].newest(events=task.events)
    if found is not None:
        go_on_from(found, state)
    for shard, through in enumerate(task.events):
        bring_to(state, task.settings.data, shard, through)
    for snapshots in of_each:
        snapshots.write(parts(state), task.commands, task.events)


def bring_to(state: Any, data: Path, shard: int, through: int) -> None:
    """Let the table follow the journal's events of a shard from where it stands up to event ``through``, which is there."""
    told = int(state["shard"][shard]["told"])
    if told < through:
        for events in JournalReader(stream_folder(data, Stream.EVENTS, shard), EVENT, told).read(through):
            apply_events(state, shard, events[events["sequence"] <= through])
    state["shard"][shard]["told"] = through


if __name__ == "__main__":
    run(follow)
