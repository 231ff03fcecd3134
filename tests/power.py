"""A disk whose power can be cut: records what a program writes, syncs, names, and lays out what may be left at any point.

What was synced is there. Of what was written and not synced each page is there or not, whatever was written later. Names
(made, renamed, removed) reach the disk in their order, at the latest when their folder is synced. Calls may fail, too; after a
sync that failed the system believes all pages clean: what it was to put on disk is there or not, and no later sync cares.
"""

import errno
import os
import random
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

PAGE = 4096
Step = tuple[str, Any, Any, Any]


class Disk:
    """Everything below ``root``, which is there for real too. ``steps`` grows while it is ``recording``."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.steps: list[Step] = []
        self.fails: Callable[[], bool] = lambda: False
        """Asked at each write and sync."""
        self._base = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
        self._inodes = {self._inode(path): str(path) for path in self._base}

    def tell(self, what: Any) -> None:
        """From this point on the world has been told ``what``."""
        self.steps.append(("told", what, None, None))

    @contextmanager
    def recording(self) -> Iterator[None]:
        """While inside, the functions of ``os`` that change files are noted."""
        wrapped = {name: getattr(os, name) for name in ("open", "pwritev", "write", "fsync", "fdatasync", "rename", "unlink")}
        for name, real in wrapped.items():
            setattr(os, name, self._wrap(name, real))
        try:
            yield
        finally:
            for name, real in wrapped.items():
                setattr(os, name, real)

    def told(self, cut: int) -> list[Any]:
        """What the world knew before step ``cut``."""
        return [step[1] for step in self.steps[:cut] if step[0] == "told"]

    def after_cut(self, cut: int, target: Path, chance: random.Random) -> None:
        """Lay out in ``target`` a state that the disk may be in when power fails before step ``cut``."""
        files: dict[Any, bytearray] = {str(path): bytearray(data) for path, data in self._base.items()}
        names: dict[str, Any] = {str(path): str(path) for path in self._base}
        unsynced: dict[Any, list[tuple[int, bytes]]] = {}
        waiting: list[Callable[[], None]] = []
        for kind, one, two, three in self.steps[:cut]:
            if kind == "write":
                unsynced.setdefault(one, []).append((two, three))
            elif kind == "sync":
                for offset, data in unsynced.pop(one, []):
                    _put(files.setdefault(one, bytearray()), offset, data)
            elif kind == "failed sync":
                for offset, data in unsynced.pop(one, []):
                    _put_some(files.setdefault(one, bytearray()), offset, data, lambda: chance.random() < 0.5)
            elif kind == "create":
                waiting.append(lambda path=one, inode=two: names.__setitem__(path, inode))
            elif kind == "rename":
                waiting.append(lambda old=one, new=two: _rename(names, old, new))
            elif kind == "unlink":
                waiting.append(lambda path=one: names.pop(path, None))
            elif kind == "sync folder":
                _do(waiting, len(waiting))
        _do(waiting, chance.randint(0, len(waiting)))
        kept = chance.choice((0.0, 0.5, 1.0))
        for inode, writes in unsynced.items():
            for offset, data in writes:
                _put_some(files.setdefault(inode, bytearray()), offset, data, lambda: chance.random() < kept)
        for path, inode in names.items():
            place = target / Path(path).relative_to(self.root)
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(files.get(inode, b""))

    def _wrap(self, name: str, real: Any) -> Any:
        def call(*arguments: Any, **options: Any) -> Any:
            before = self._before(name, arguments)
            if self._concerns(name, arguments) and self.fails():
                self._fail(name, arguments)
            result = real(*arguments, **options)
            self._note(name, arguments, result, before)
            return result

        return call

    def _before(self, name: str, arguments: tuple[Any, ...]) -> int:
        return os.lseek(arguments[0], 0, os.SEEK_CUR) if name == "write" else 0

    def _concerns(self, name: str, arguments: tuple[Any, ...]) -> bool:
        """Is it a write or a sync of a file of ours?"""
        if name not in ("pwritev", "fsync", "fdatasync"):
            return False
        path = os.readlink(f"/proc/self/fd/{arguments[0]}")
        return self._inside(path) and not os.path.isdir(path)

    def _fail(self, name: str, arguments: tuple[Any, ...]) -> None:
        """A write that fails has written half; one that syncs has written all into memory."""
        inode = self._known(arguments[0])
        if name == "pwritev":
            data, offset, flags = bytes(arguments[1][0]), arguments[2], (*arguments, 0)[3]
            part = data if flags & os.RWF_DSYNC else data[: len(data) // 2]
            os.pwrite(arguments[0], part, offset)
            self.steps.append(("write", inode, offset, part))
            if not flags & os.RWF_DSYNC:
                raise OSError(errno.ENOSPC, "No space left on device")
        self.steps.append(("failed sync", inode, None, None))
        raise OSError(errno.EIO, "Input/output error")

    def _note(self, name: str, arguments: tuple[Any, ...], result: Any, before: int) -> None:
        if name == "open":
            if self._inside(arguments[0]) and arguments[1] & os.O_CREAT:
                self._known(result)
        elif name in ("rename", "unlink"):
            if self._inside(arguments[0]):
                self.steps.append((name, *map(str, (*arguments, "", "")[:2]), None))
        elif self._inside(os.readlink(f"/proc/self/fd/{arguments[0]}")):
            self._note_descriptor(name, arguments, result, before)

    def _note_descriptor(self, name: str, arguments: tuple[Any, ...], result: Any, before: int) -> None:
        path = os.readlink(f"/proc/self/fd/{arguments[0]}")
        if os.path.isdir(path):
            self.steps.append(("sync folder", path, None, None))
            return
        inode = self._known(arguments[0])
        if name == "pwritev":
            data, offset, flags = arguments[1][0], arguments[2], (*arguments, 0)[3]
            self.steps.append(("write", inode, offset, bytes(data[:result])))
            if flags & os.RWF_DSYNC:
                self.steps.append(("sync", inode, None, None))
        elif name == "write":
            self.steps.append(("write", inode, before, bytes(arguments[1][:result])))
        else:
            self.steps.append(("sync", inode, None, None))

    def _known(self, descriptor: int) -> Any:
        """What stands for the file; that it was made is noted where it is new."""
        status = os.fstat(descriptor)
        key = (status.st_dev, status.st_ino)
        if key not in self._inodes:
            path = os.readlink(f"/proc/self/fd/{descriptor}")
            self._inodes[key] = f"{path}#{len(self.steps)}"
            self.steps.append(("create", path, self._inodes[key], None))
        return self._inodes[key]

    def _inside(self, path: Any) -> bool:
        return str(path).startswith(f"{self.root}/")

    @staticmethod
    def _inode(path: Path) -> tuple[int, int]:
        status = path.stat()
        return status.st_dev, status.st_ino


def cuts(disk: Disk, target: Path, chance: random.Random, times: int = 1) -> Iterator[int]:
    """Every point at which power may fail; inside the loop ``target`` is what is left."""
    for cut in range(len(disk.steps) + 1):
        for _ in range(times):
            lay_out(disk, cut, target, chance)
            yield cut


def lay_out(disk: Disk, cut: int, target: Path, chance: random.Random) -> None:
    """``Disk.after_cut`` into a folder that has nothing else in it."""
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    disk.after_cut(cut, target, chance)


def _put(content: bytearray, offset: int, data: bytes) -> None:
    if len(content) < offset + len(data):
        content.extend(bytes(offset + len(data) - len(content)))
    content[offset : offset + len(data)] = data


def _put_some(content: bytearray, offset: int, data: bytes, keeps: Callable[[], bool]) -> None:
    """Page by page as they lie in the file. Its length is that of what was kept, but a length may outlive its pages."""
    at = offset
    while at < offset + len(data):
        end = min(offset + len(data), (at // PAGE + 1) * PAGE)
        if keeps():
            _put(content, at, data[at - offset : end - offset])
        at = end


def _rename(names: dict[str, Any], old: str, new: str) -> None:
    if old in names:
        names[new] = names.pop(old)


def _do(waiting: list[Callable[[], None]], count: int) -> None:
    for change in waiting[:count]:
        change()
    waiting.clear()
