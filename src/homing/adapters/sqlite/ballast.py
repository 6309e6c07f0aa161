"""
A file whose only use is to be deleted when the disk is full.

On a full disk even deleting rows fails, so retention could not make room. While the ballast is
gone, nothing new is taken in; what room there is belongs to the work that frees more.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from homing.adapters.sqlite.faults import StoreFull

T = TypeVar("T")

# as much as the write-ahead logs of both files take between two checkpoints, twice
MOST_BYTES = 16 << 20
# of a small disk, not more than this part
PART_OF_DISK = 4
TRY_AGAIN_S = 5.0
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def ballast_path(file: Path) -> Path:
    """Where the ballast of a store lies, by its state file or by its log."""
    return file.with_name(f"{file.stem.removesuffix('.log')}.ballast")


class Ballast:
    """
    The ballast of one store; both processes look at the same file.

    Args:
        size: Bytes; None is 16 MiB or a quarter of the disk, 0 is to do without.
    """

    def __init__(self, path: Path, *, size: int | None = None) -> None:
        self._path = path
        self._size = _size_for(path) if size is None else size
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_held(self) -> bool:
        """Whether it lies there; true of a store that does without."""
        return not self._size or self._path.exists()

    def hold(self) -> bool:
        """Put it there, if there is room for it and half as much again."""
        if self.is_held:
            return True
        with suppress(OSError):
            if _free_bytes(self._path) < self._size * 3 // 2:
                return False
        return self._make()

    def release(self) -> None:
        """Delete it, and from now on try to have it back."""
        if self._size:
            self._path.unlink(missing_ok=True)
            self.regain()

    def regain(self) -> None:
        """Try every few seconds to have it back."""
        if self._timer is None and self._size:
            self._timer = asyncio.get_running_loop().call_later(TRY_AGAIN_S, self._try_again)

    def spent_on(self, opened: Callable[[], T]) -> T:
        """Open a file, at the cost of the ballast if there is no room: that takes some."""
        try:
            return opened()
        except StoreFull:
            self.release()
            return opened()

    def close(self) -> None:
        """Stop trying."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _try_again(self) -> None:
        self._timer = None
        if not self.hold():
            self.regain()

    def _make(self) -> bool:
        # the other process may do the same at this moment: each makes its own, one name stays
        new = self._path.with_name(f"{self._path.name}.{os.getpid()}")
        try:
            file = os.open(new, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(file, 0, self._size)
            finally:
                os.close(file)
            new.replace(self._path)
        except OSError as error:
            with suppress(OSError):
                new.unlink(missing_ok=True)
            if error.errno in _NO_ROOM:
                return False
            self._size = 0  # this file system has no such thing: do without
        return True


def _size_for(path: Path) -> int:
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return 0
    return min(MOST_BYTES, disk.f_blocks * disk.f_frsize // PART_OF_DISK)


def _free_bytes(path: Path) -> int:
    disk = os.statvfs(path.parent)
    return disk.f_bavail * disk.f_frsize
