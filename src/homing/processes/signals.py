"""Signals as bytes in a socket, so that one `select` waits for everything."""

import signal
import socket
from types import TracebackType
from typing import Final, Self

_READ_BYTES: Final = 4096


class Signals:
    """
    Catches *wanted* signals while the block lasts; main thread only.

    Python's wake-up descriptor does the work: each signal is one byte.
    """

    def __init__(self, *wanted: signal.Signals) -> None:
        self._wanted = wanted
        self._reader, self._writer = socket.socketpair()
        self._reader.settimeout(0)
        self._writer.settimeout(0)

    def __enter__(self) -> Self:
        self._wakeup_before = signal.set_wakeup_fd(self._writer.fileno(), warn_on_full_buffer=False)
        self._handlers_before = {one: signal.signal(one, _ignore) for one in self._wanted}
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        for one, before in self._handlers_before.items():
            signal.signal(one, signal.SIG_DFL if before is None else before)
        signal.set_wakeup_fd(self._wakeup_before)
        self._reader.close()
        self._writer.close()

    def fileno(self) -> int:
        """Give the descriptor that turns readable when a signal came."""
        return self._reader.fileno()

    def read(self) -> list[signal.Signals]:
        """Take the signals that came since, each once, in the order of their first coming."""
        try:
            numbers = self._reader.recv(_READ_BYTES)
        except BlockingIOError:
            return []
        return [one for one in map(signal.Signals, dict.fromkeys(numbers)) if one in self._wanted]


def _ignore(_signum: int, _frame: object) -> None:
    # a handler must exist for the byte to be written; SIG_IGN would swallow the signal
    return
