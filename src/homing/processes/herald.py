"""What systemd is told, and when: never more often than needed, never twice the same."""

from math import inf
from typing import Final

from homing.adapters.systemd import Systemd, extend_timeout, reloading, status_line

_STATUS_EVERY_S: Final = 10.0
_STATUS_GAP_S: Final = 1.0
_EXTEND_EVERY_S: Final = 1.0
_EXTEND_BY_S: Final = 10.0


class Herald:
    """
    Speaks to systemd for the supervisor; silent without systemd.

    Args:
        systemd: As read from the environment.
    """

    def __init__(self, systemd: Systemd) -> None:
        self._systemd = systemd
        self._beat_s = inf if systemd.watchdog_s is None else systemd.watchdog_s / 2
        self._beat_at = -inf
        self._status = ""
        self._status_at = -inf
        self._extend_at = -inf

    @property
    def beat_s(self) -> float:
        """How often the watchdog is fed; a child silent for longer stops that."""
        return self._beat_s

    def ready(self, status: str, now: float) -> None:
        """Say that the service is up, or that a reload is over."""
        self._status, self._status_at = status, now
        self._systemd.notify("READY=1", status_line(status))

    def reloading(self, now: float) -> None:
        """Say that a reload starts."""
        self._systemd.notify(*reloading(now))

    def stopping(self, status: str, now: float) -> None:
        """Say that the service stops."""
        self._status, self._status_at = status, now
        self._systemd.notify("STOPPING=1", status_line(status))

    def progress(self, now: float) -> None:
        """Ask for patience, because what is under way moves on."""
        if now >= self._extend_at:
            self._extend_at = now + _EXTEND_EVERY_S
            self._systemd.notify(extend_timeout(_EXTEND_BY_S))

    def status(self, text: str, now: float) -> None:
        """Show *text*: when it changed, at most once a second, and every 10 s anyway."""
        gap_s = _STATUS_EVERY_S if text == self._status else _STATUS_GAP_S
        if now - self._status_at >= gap_s:
            self._status, self._status_at = text, now
            self._systemd.notify(status_line(text))

    def beat(self, now: float) -> None:
        """
        Feed the watchdog when it is time; call it only while everything is alive.

        A beat that could not be given in time is given as soon as all is well again.
        """
        if now >= self._beat_at and self._beat_s < inf:
            self._beat_at = now + self._beat_s
            self._systemd.notify("WATCHDOG=1")

    def next_beat_at(self) -> float:
        """Say when the watchdog is to be fed next; infinity when there is none."""
        return self._beat_at if self._beat_s < inf else inf
