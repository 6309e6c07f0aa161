"""A file system whose disk fails when a test says so."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import apsw

Trouble = Callable[[str], None]


def full(_path: str) -> None:
    """No room for a write."""
    raise apsw.FullError("no space left on device")


def broken(_path: str) -> None:
    """The disk itself fails."""
    error = apsw.IOError("input/output error")
    error.extendedresult = apsw.SQLITE_IOERR_FSYNC
    raise error


class FaultyDisk(apsw.VFS):
    """
    The usual file system, until ``writing`` or ``syncing`` is set.

    Both are told the path, and fail by raising; ``writes`` and ``syncs`` count what was asked.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.writing: Trouble | None = None
        self.syncing: Trouble | None = None
        self.writes = 0
        self.syncs = 0
        super().__init__(name, "")

    def xOpen(self, name: Any, flags: list[int]) -> _Faulty:  # noqa: ANN401  SQLite's own
        """Open a file."""
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        return _Faulty(self, path, (name, flags))


class _Faulty(apsw.VFSFile):
    """A file on that disk."""

    def __init__(self, disk: FaultyDisk, path: str, how: tuple[Any, list[int]]) -> None:
        self._disk = disk
        self._path = path
        super().__init__("", *how)

    def xWrite(self, data: bytes, offset: int) -> None:
        """Write, or fail."""
        self._disk.writes += 1
        if self._disk.writing is not None:
            self._disk.writing(self._path)
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:
        """Sync, or fail."""
        self._disk.syncs += 1
        if self._disk.syncing is not None:
            self._disk.syncing(self._path)
        super().xSync(flags)
