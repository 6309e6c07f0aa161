"""
The journal of erasures: a file beside the state, only ever appended to.

It outlives the state file: a backup put back is older than what was erased since, and the journal
knows of that. It holds keyed hashes, whose key is in the state file, so it tells nothing by itself.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import msgspec

from homing.adapters.sqlite.faults import StoreFailed, StoreFull
from homing.core.erasure import Entry

NO_ROOM = frozenset({errno.ENOSPC, errno.EDQUOT})


def erased_path(state: Path) -> Path:
    """``homing.db`` has ``homing.db.erased``."""
    return state.with_name(f"{state.name}.erased")


class ErasedJournal:
    """The file; it is made when the first line is written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def size(self) -> int:
        """
        How many bytes it has; 0 if there is none.

        Raises:
            StoreFailed: It cannot be told.
        """
        with self._told():
            try:
                return self.path.stat().st_size
            except FileNotFoundError:
                return 0

    def append(self, entries: Sequence[Entry]) -> tuple[int, int]:
        """
        Have lines on the disk; the size before, and now.

        Raises:
            StoreFull, StoreFailed: They may not be.
        """
        with self._told():
            is_new = not self.path.exists()
            number = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
            try:
                before = os.fstat(number).st_size
                lines = b"".join(msgspec.json.encode(entry) + b"\n" for entry in entries)
                # a crash may have left half a line behind, of an erasure that was not kept
                if before and os.pread(number, 1, before - 1) != b"\n":
                    lines = b"\n" + lines
                _write(number, lines)
                os.fsync(number)
                if is_new:
                    self._settle_in(number)
                return before, os.fstat(number).st_size
            finally:
                os.close(number)

    def entries(self) -> Iterator[Entry]:
        """
        Every whole line, in order.

        Raises:
            StoreFailed: It cannot be read.
        """
        with self._told():
            lines = self.path.read_bytes().split(b"\n") if self.path.exists() else []
        for line in lines:
            try:
                yield _ENTRY.decode(line)
            except msgspec.DecodeError:
                continue  # half a line of a transaction that never was

    def _settle_in(self, number: int) -> None:
        """The new file is the folder's owner's, as the state is, and the folder knows of it."""
        if os.geteuid() == 0:
            owner = self.path.parent.stat()
            os.fchown(number, owner.st_uid, owner.st_gid)
        folder = os.open(self.path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            msg = f"{self.path}: {error.strerror}"
            raise (StoreFull if error.errno in NO_ROOM else StoreFailed)(msg) from error


def _write(number: int, data: bytes) -> None:
    left = memoryview(data)
    while left:
        left = left[os.write(number, left) :]


_ENTRY = msgspec.json.Decoder(Entry)
