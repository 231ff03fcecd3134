"""The epoch: the random id of a data folder. Shared memory of another epoch is left over from another life."""

import os
import secrets
from pathlib import Path

from runtime.faults import EnvironmentFault, FaultStatus


def read_epoch(data: Path) -> int | None:
    """The id in ``data``, or None when there is none yet. Raises EnvironmentFault when the file is damaged or closed to us."""
    path = data / "epoch"
    try:
        text = path.read_text(encoding="ascii").strip()
        epoch = int(text, 16)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise EnvironmentFault(f"{path} cannot be read: {error.strerror}", FaultStatus.NOT_PERMITTED) from error
    except ValueError as error:
        raise EnvironmentFault(f"{path} is damaged: it should hold 16 hex digits", FaultStatus.DAMAGED) from error
    if len(text) != 16 or epoch == 0:
        raise EnvironmentFault(f"{path} is damaged: it should hold 16 hex digits", FaultStatus.DAMAGED)
    return epoch


def make_epoch(data: Path) -> int:
    """The id in ``data``; the persister alone makes folder and id where there are none. Synced before it is seen."""
    try:
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        known = read_epoch(data)
        if known is None:
            _write(data, secrets.randbits(63) | 1)
    except OSError as error:
        raise EnvironmentFault(f"{data} cannot be written: {error.strerror}", FaultStatus.CANNOT_CREATE) from error
    epoch = read_epoch(data)
    assert epoch is not None
    return epoch


def _write(data: Path, epoch: int) -> None:
    """Whoever links first wins: the file appears whole or not at all."""
    draft = data / f".epoch.{os.getpid()}"
    with draft.open("w", encoding="ascii") as file:
        file.write(f"{epoch:016x}\n")
        file.flush()
        os.fsync(file.fileno())
    try:
        os.link(draft, data / "epoch")
    except FileExistsError:
        return
    finally:
        draft.unlink()
    folder = os.open(data, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
