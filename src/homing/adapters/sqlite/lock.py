"""One process a file: a lock beside it, held until the process is gone."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from homing.adapters.sqlite.faults import StoreBusy, StoreFailed


class Lock:
    """
    The lock of one file.

    Raises:
        StoreBusy: Somebody has it.
        StoreFailed: Its folder is not there, or may not be written.
    """

    def __init__(self, file: Path) -> None:
        path = file.with_name(file.name + ".lock")
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        except OSError as error:
            msg = f"cannot lock {file}: {error.strerror}"
            raise StoreFailed(msg) from error
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            msg = f"another daemon holds {path}"
            raise StoreBusy(msg) from error

    def close(self) -> None:
        """Let go."""
        os.close(self._file)
