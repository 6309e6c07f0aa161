"""
The supervisor's log lines: the same shape as everybody's, without structlog.

On a terminal a line for people; else one JSON object a line; and in the journal
with a priority in front, so that ``journalctl -p err`` works (sd-daemon(3)).
"""

import json
import os
import time
from dataclasses import dataclass
from typing import Final, Self

EVENTS: Final = (
    "service.started",
    "service.ready",
    "service.reload_asked",
    "service.reloaded",
    "service.reload_failed",
    "service.stop_asked",
    "service.failed",
    "service.stopped",
    "child.started",
    "child.ready",
    "child.died",
    "child.hung",
    "child.overdue",
)
"""Every event the supervisor logs."""

_PRIORITY: Final = {"info": 6, "warning": 4, "error": 3}


@dataclass(frozen=True, slots=True)
class Journal:
    """
    Writes log lines to a file descriptor; never raises, never buffers.

    Args:
        fd: Where to.

        terminal: Write for people.

        prefixed: Put ``<priority>`` in front, for journald.
    """

    fd: int = 2
    terminal: bool = False
    prefixed: bool = False

    @classmethod
    def on(cls, fd: int, *, to_journal: bool) -> Self:
        """Write to *fd* in the shape that suits it."""
        return cls(fd=fd, terminal=not to_journal and os.isatty(fd), prefixed=to_journal)

    def info(self, event: str, **fields: object) -> None:
        """Log what is as it should be."""
        self._write("info", event, fields)

    def warning(self, event: str, **fields: object) -> None:
        """Log what went wrong and is being dealt with."""
        self._write("warning", event, fields)

    def error(self, event: str, **fields: object) -> None:
        """Log what a person must look at."""
        self._write("error", event, fields)

    def _write(self, level: str, event: str, fields: dict[str, object]) -> None:
        stamp = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        if self.terminal:
            pairs = " ".join(f"{key}={value}" for key, value in fields.items())
            line = f"{stamp} [{level}] {event} {pairs}".rstrip()
        else:
            line = json.dumps({"timestamp": stamp, "level": level, "event": event, **fields})
        prefix = f"<{_PRIORITY[level]}>" if self.prefixed else ""
        try:
            os.write(self.fd, f"{prefix}{line}\n".encode(errors="replace"))
        except OSError:
            return  # a log that nobody reads stops no service
