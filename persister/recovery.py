"""What the persister does with a stream's files before anybody trades: read all, cut a torn end, refuse damage."""

import os
from pathlib import Path
from typing import Any

from persister.segment_file import write_again, zero_from
from runtime.faults import EnvironmentFault, FaultStatus
from runtime.settings import Settings
from shm.journal import JournalDamaged, JournalReader, Tail
from shm.journal_layout import PREPARED_NAME
from shm.snapshot import Head, SnapshotDamaged, read_head, snapshot_folder, snapshots


def recover_stream(folder: Path, dtype: Any, epoch: int, after: int = 0, known: int = 0) -> tuple[Tail, int]:
    """Where the stream in ``folder`` ends, all from ``after`` up to there checked and on disk; and its last record's
    ``command_sequence``.

    Every process has a snapshot of ``after``, and one of ``known``: a journal that does not reach that has lost something. The
    second is 0 for commands, and where nothing follows. Raises EnvironmentFault for damage, and OSError from the disk.
    """
    (folder / PREPARED_NAME).unlink(missing_ok=True)
    reader, command_sequence = JournalReader(folder, dtype, after), 0
    try:
        for records in reader:
            if "command_sequence" in (records.dtype.names or ()):
                command_sequence = int(records["command_sequence"][-1])
    except JournalDamaged as damage:
        raise EnvironmentFault(f"{damage}. Nothing was changed", FaultStatus.DAMAGED) from damage
    check_snapshots_follow(folder, known, reader.reached)
    if reader.epoch not in (0, epoch):
        text = f"the journal in {folder} belongs to epoch {reader.epoch:016x}, but the data folder's is {epoch:016x}"
        raise EnvironmentFault(text, FaultStatus.CONFIGURATION)
    tail = reader.tail()
    if tail.path is not None:
        _settle(tail.path, tail)
    return tail, command_sequence


def known_by_snapshots(settings: Settings, shard: int, epoch: int) -> list[tuple[int, int]]:
    """Up to which command and event of a shard each process has a snapshot: what is before the least of them no start reads.

    Only what the files say of themselves is looked at; who starts from one looks at all of it.
    """
    known = []
    for process in snapshotting(settings, shard):
        head, place = _newest_head(settings, process, epoch), place_of(process, shard)
        known.append((0, 0) if head is None else (head.commands[place], head.events[place]))
    return known


def snapshotting(settings: Settings, shard: int) -> list[str]:
    """The processes whose snapshots a start of ``shard`` goes on from."""
    return [f"matcher.{shard}", "riskd", *(f"gateway.{number}" for number in range(settings.gateways))]


def place_of(process: str, shard: int) -> int:
    """Where a snapshot of ``process`` has the numbers of ``shard``: a matcher's knows its own alone."""
    return 0 if process.startswith("matcher") else shard


def _newest_head(settings: Settings, process: str, epoch: int) -> Head | None:
    for path in snapshots(snapshot_folder(settings.data, process)):
        try:
            head = read_head(path)
        except (SnapshotDamaged, OSError):
            continue
        if head.epoch == epoch:
            return head
    return None


def check_snapshots_follow(folder: Path, known: int, last: int) -> None:
    """Raise EnvironmentFault if snapshots know more than the stream holds: each was named only once all was on disk."""
    if known > last:
        raise EnvironmentFault(
            f"{folder} ends with {last}, but snapshots know all up to {known}: the end of the journal is lost or damaged. "
            "Nothing was changed; `pinion journal truncate --at-damage` goes back to what there is",
            FaultStatus.DAMAGED,
        )


def check_events_follow(folder: Path, commands: int, command_sequence: int) -> None:
    """Raise EnvironmentFault if events say more than the commands do: only a machine lost without ``disk`` leaves
    that."""
    if command_sequence > commands:
        raise EnvironmentFault(
            f"{folder} holds events of command {command_sequence}, but the commands end with {commands}: the machine "
            "stopped under a durability that does not survive this; `pinion journal truncate --at-damage` cuts them",
            FaultStatus.DAMAGED,
        )


def _settle(path: Path, tail: Tail) -> None:
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        if tail.torn:
            zero_from(descriptor, tail.offset)
        write_again(descriptor, min(tail.synced, tail.offset), tail.offset)
    finally:
        os.close(descriptor)
