"""What the persister does with a stream's files before anybody trades: read all, cut a torn end, refuse damage."""

import os
from pathlib import Path
from typing import Any

from persister.segment_file import write_again, zero_from
from runtime.faults import EnvironmentFault, FaultStatus
from shm.journal import JournalDamaged, JournalReader, Tail
from shm.journal_layout import PREPARED_NAME


def recover_stream(folder: Path, dtype: Any, epoch: int) -> tuple[Tail, int]:
    """Where the stream in ``folder`` ends, all up to there checked and on disk; and its last record's
    ``command_sequence``.

    The second is 0 for commands. Raises EnvironmentFault for damage, and OSError from the disk.
    """
    (folder / PREPARED_NAME).unlink(missing_ok=True)
    reader, command_sequence = JournalReader(folder, dtype), 0
    try:
        for records in reader:
            if "command_sequence" in (records.dtype.names or ()):
                command_sequence = int(records["command_sequence"][-1])
    except JournalDamaged as damage:
        raise EnvironmentFault(f"{damage}. Nothing was changed", FaultStatus.DAMAGED) from damage
    if reader.epoch not in (0, epoch):
        text = f"the journal in {folder} belongs to epoch {reader.epoch:016x}, but the data folder's is {epoch:016x}"
        raise EnvironmentFault(text, FaultStatus.CONFIGURATION)
    tail = reader.tail()
    if tail.path is not None:
        _settle(tail.path, tail)
    return tail, command_sequence


def check_events_follow(folder: Path, commands: int, command_sequence: int) -> None:
    """Raise EnvironmentFault if events say more than the commands do: only a machine lost without ``disk`` leaves
    that."""
    if command_sequence > commands:
        raise EnvironmentFault(
            f"{folder} holds events of command {command_sequence}, but the commands end with {commands}: the machine "
            "stopped under a durability that does not survive this; move the events' files away and they are made again",
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
