"""What the engine's errors mean for whoever asked: the file, the disk, or the statement itself."""

from __future__ import annotations

from pathlib import Path

import apsw

from homing.core.errors import HomingError, Unavailable


class StoreFull(Unavailable):
    """The disk, or the queue before it, is full: nothing was kept, try again later."""


class StoreBusy(Unavailable):
    """Another program holds these files."""


class StoreFailed(Unavailable):
    """The disk failed: what is in memory may not be what is on it. Exit and recover at start."""


class StoreCorrupt(StoreFailed):
    """The file is not a sound database: restore it from a backup."""


class NoStore(HomingError):
    """There is no store yet, or an older program's: `homing serve` makes or migrates it."""


class NewerSchema(HomingError):
    """A newer Homing wrote this file: run that one, or restore a backup."""


_BUSY = (apsw.BusyError, apsw.LockedError)
_CORRUPT = (apsw.CorruptError, apsw.NotADBError)
_FAILED = (
    apsw.CantOpenError,
    apsw.InternalError,
    apsw.IOError,
    apsw.NoLFSError,
    apsw.NoMemError,
    apsw.PermissionsError,
    apsw.ProtocolError,
    apsw.ReadOnlyError,
)


def fault_of(error: apsw.Error, path: str) -> Unavailable | None:
    """What an error says of the file or its disk; None if it is the statement's own fault."""
    if isinstance(error, apsw.FullError) or _found_no_room(error):
        return StoreFull(f"no room for {path}: {error}")
    if isinstance(error, _BUSY):
        return StoreBusy(f"another program holds {path}: {error}")
    if isinstance(error, _CORRUPT):
        return StoreCorrupt(f"{path} is not a sound database: {error}")
    if isinstance(error, _FAILED):
        return StoreFailed(f"{path} failed: {error}")
    return None


def certain_fault_of(error: apsw.Error, path: str | Path) -> Unavailable:
    """The same, where no statement of ours can be at fault."""
    return fault_of(error, str(path)) or StoreFailed(f"{path} failed: {error}")


def _found_no_room(error: apsw.Error) -> bool:
    # the index beside the log in shared memory grows, too, and says so in a way of its own
    return getattr(error, "extendedresult", 0) == apsw.SQLITE_IOERR_SHMSIZE
