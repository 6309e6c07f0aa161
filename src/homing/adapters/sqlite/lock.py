"""One process a file: a lock beside it, held until the process is gone."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from homing.adapters.sqlite.faults import StoreBusy, StoreFailed


def hold(file: Path) -> Lock:
    """
    Take the lock of a file.

    Raises:
        StoreBusy: Somebody has it.
        StoreFailed: Its folder is not there, or may not be written.
    """
    path = file.with_name(file.name + ".lock")
    try:
        held = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        msg = f"cannot lock {file}: {error.strerror}"
        raise StoreFailed(msg) from error
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        os.close(held)
        msg = f"another process holds {path}"
        raise StoreBusy(msg) from error
    return Lock(held)


class Lock:
    """A lock that is held."""

    def __init__(self, held: int) -> None:
        self._held: int | None = held

    def close(self) -> None:
        """Let go; once more is no harm, and not somebody else's file."""
        held, self._held = self._held, None
        if held is not None:
            os.close(held)
