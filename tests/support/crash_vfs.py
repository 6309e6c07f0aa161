"""
A file system that remembers what a power cut would leave of it.

`CrashDisk` is an SQLite VFS: it passes everything on to real files, and keeps a record of all
writes, truncations and syncs. `image_at` rebuilds the files as they could be found if the power
had failed at any moment of that record: what was synced is there, and of what was not, anything
may be: nothing, some of the writes, in any order, torn at the sectors of the disk.

Source: sqlite.org, "How SQLite Is Tested", crash testing by a modified VFS.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from random import Random  # noqa: TID251  seeded
from typing import Any

import apsw

SECTOR = 512


class Loss(Enum):
    """What a cut does to what was not synced."""

    ALL = "none of it is there"
    SOME = "some writes are there, others not"
    TORN = "some sectors of some writes are there, in any order"


class Did(Enum):
    """What was done to a file."""

    WRITE = "write"
    TRUNCATE = "truncate"
    SYNC = "sync"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Operation:
    """One thing done to a file."""

    file: str
    did: Did
    place: int = 0
    data: bytes = b""

    def apply(self, image: bytearray) -> None:
        """Write, or cut."""
        if self.did is Did.TRUNCATE:
            del image[self.place :]
            return
        if len(image) < self.place:
            image.extend(bytes(self.place - len(image)))
        image[self.place : self.place + len(self.data)] = self.data


@dataclass(slots=True)
class _File:
    """One file: as it is safe on the disk, and what came since."""

    synced: bytearray = field(default_factory=bytearray)
    pending: list[Operation] = field(default_factory=list)

    def take(self, operation: Operation) -> None:
        """What was written waits for the next sync."""
        if operation.did is not Did.SYNC:
            self.pending.append(operation)
            return
        for before in self.pending:
            before.apply(self.synced)
        self.pending.clear()

    def after(self, loss: Loss, chance: Random) -> bytes:
        """As a cut could leave it."""
        image = bytearray(self.synced)
        for operation in _survivors(self.pending, loss, chance):
            operation.apply(image)
        return bytes(image)


class CrashDisk(apsw.VFS):
    """
    The file system.

    Args:
        name: What it is registered as.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.operations: list[Operation] = []
        self._lock = threading.Lock()
        self._first: dict[str, bytes] = {}
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> _Watched:  # noqa: ANN401  SQLite's own
        """Open a file, and remember how it was the first time."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        watched = not flags[0] & (apsw.SQLITE_OPEN_TEMP_DB | apsw.SQLITE_OPEN_TRANSIENT_DB)
        if watched and path not in self._first:
            there = Path(path)
            self._first[path] = there.read_bytes() if there.exists() else b""
        return _Watched(self, path, (name, flags))

    def xDelete(self, name: str, sync_folder: bool) -> None:
        """Delete a file; that it is gone is safe at once."""
        super().xDelete(name, sync_folder)
        self.note(Operation(name, Did.DELETE))

    def note(self, operation: Operation) -> None:
        """Something was done."""
        with self._lock:
            self.operations.append(operation)

    def images(self, cuts: list[int], *, seed: int) -> Iterator[tuple[int, Loss, dict[str, bytes]]]:
        """
        Rebuild the files as a cut after so many operations could leave them, for each of *cuts*.

        Yields:
            The cut, what it did to what was not synced, and the files by path.
        """
        chance = Random(seed)  # noqa: S311  the same each time
        files = {path: _File(bytearray(image)) for path, image in self._first.items() if image}
        done = 0
        for number, cut in enumerate(sorted(cuts)):
            for operation in self.operations[done:cut]:
                if operation.did is Did.DELETE:
                    files.pop(operation.file, None)
                else:
                    files.setdefault(operation.file, _File()).take(operation)
            done = cut
            loss = list(Loss)[number % len(Loss)]
            yield cut, loss, {path: file.after(loss, chance) for path, file in files.items()}


class _Watched(apsw.VFSFile):
    """A real file whose changes are noted."""

    def __init__(self, disk: CrashDisk, path: str, how: tuple[Any, list[int]]) -> None:
        self._disk = disk
        self._path = path
        super().__init__("", *how)

    def xWrite(self, data: bytes, offset: int) -> None:
        """Write, and note it."""
        super().xWrite(data, offset)
        self._disk.note(Operation(self._path, Did.WRITE, offset, bytes(data)))

    def xTruncate(self, size: int) -> None:
        """Cut, and note it."""
        super().xTruncate(size)
        self._disk.note(Operation(self._path, Did.TRUNCATE, size))

    def xSync(self, flags: int) -> None:
        """Note that all before is safe. No disk need be waited for: the record is the disk."""
        del flags
        self._disk.note(Operation(self._path, Did.SYNC))


def _survivors(pending: list[Operation], loss: Loss, chance: Random) -> list[Operation]:
    if loss is Loss.ALL:
        return []
    kept = [operation for operation in pending if chance.random() < 0.5]
    if loss is Loss.SOME:
        return kept
    torn = [part for operation in kept for part in _sectors(operation) if chance.random() < 0.8]
    chance.shuffle(torn)
    return torn


def _sectors(operation: Operation) -> list[Operation]:
    if operation.did is not Did.WRITE:
        return [operation]
    parts, start, end = [], operation.place, operation.place + len(operation.data)
    while start < end:
        until = min(end, start - start % SECTOR + SECTOR)
        data = operation.data[start - operation.place : until - operation.place]
        parts.append(Operation(operation.file, Did.WRITE, start, data))
        start = until
    return parts
