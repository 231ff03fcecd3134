"""``python -m riskd.follow``: riskd's snapshot, made out of the journal while riskd goes on (``runtime/following.py``)."""

from collections.abc import Iterator
from pathlib import Path

from riskd import snapshot
from riskd.process import sizes_of
from riskd.recovery import recorded_events, recover_shard
from riskd.state import Array, empty_state
from runtime.context import Context
from runtime.following import Task, run
from runtime.snapshots import Snapshots
from shm.journal import JournalReader, Stream, stream_folder
from shm.records import COMMAND, layout_hash


def follow(task: Task) -> None:
    """Write riskd's snapshot behind a command of each shard and all events of those up to it, all in the journal. Raises
    JournalDamaged, OSError, and EnvironmentFault when the records contradict one another."""
    context, sizes = Context(task.settings, "riskd"), sizes_of(task.settings)
    durables = [context.attach_durable(shard) for shard in range(sizes.shards)]
    risks = empty_state(sizes, seed=context.epoch)
    snapshots = Snapshots(context, layout_hash(risks.dtype), snapshot.bounds_of(sizes), durables)
    found = snapshots.newest(task.commands, task.events)
    if found is not None:
        snapshot.go_on_from(found, risks)
    for shard, cut in enumerate(zip(task.commands, task.events, strict=True)):
        bring_to(risks, task.settings.data, shard, *cut)
    snapshots.write(snapshot.parts(risks), task.commands, task.events)


def bring_to(risks: Array, data: Path, shard: int, command: int, event: int) -> None:
    """Take in what the journal of a shard has after what the state knows, up to ``command`` and its last event, ``event``."""
    state = risks[0]["shards"][shard]
    folder, (commands, events) = (
        stream_folder(data, Stream.COMMANDS, shard),
        (int(state["sequence"]), int(state["events_read"])),
    )
    new_commands = JournalReader(folder, COMMAND, commands).read(command) if commands < command else iter(())
    new_events = recorded_events(data, shard, event, events) if events < event else iter(())
    recover_shard(risks, shard, _up_to(new_commands, command), _up_to(new_events, event))
    assert (state["sequence"], state["events_read"]) == (command, event)


def _up_to(batches: Iterator[Array], through: int) -> Iterator[Array]:
    """A batch may go on beyond the cut."""
    for records in batches:
        yield records[records["sequence"] <= through]


if __name__ == "__main__":
    run(follow)
