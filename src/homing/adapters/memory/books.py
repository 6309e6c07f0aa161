"""Counts, settings of the store itself, pauses and alerts: answers ``ports.Books``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace

from homing.adapters.memory.table import Journal, Table
from homing.core.erasure import pattern_of, struck
from homing.ports import Alert, Pause


class MemoryBooks:
    """See `homing.ports.Books`."""

    def __init__(self, journal: Journal) -> None:
        self._counts: Table[str, int] = Table(journal)
        self._settings: Table[str, str | int | bytes] = Table(journal)
        self._pauses: Table[str, Pause] = Table(journal)
        self._alerts: Table[tuple[str, str], Alert] = Table(journal)

    def count(self, name: str, n: int = 1) -> None:
        """Add to a count."""
        self._counts[name] = (self._counts.get(name) or 0) + n

    def counts(self) -> dict[str, int]:
        """All counts by name."""
        return dict(self._counts.items())

    def get(self, key: str) -> str | int | bytes | None:
        """One setting of the store."""
        return self._settings.get(key)

    def set(self, key: str, value: str | int | bytes) -> None:
        """Write a setting of the store."""
        self._settings[key] = value

    def pauses(self) -> dict[str, Pause]:
        """What is paused, by destination, or "email/NAME"."""
        return dict(sorted(self._pauses.items()))

    def pause(self, name: str, pause: Pause) -> None:
        """Pause a destination or an email."""
        self._pauses[name] = pause

    def resume(self, name: str) -> None:
        """End a pause."""
        self._pauses.drop(name)

    def alert(self, kind: str, subject: str, text: str, *, at: int, n: int = 1) -> None:
        """Keep an alert until it is cleared; the same one again counts up."""
        alert = self._alerts.get((kind, subject))
        if alert is None:
            alert = Alert(kind, subject, text, at, at, n)
        else:
            alert = replace(alert, text=text, last_at=at, count=alert.count + n)
        self._alerts[kind, subject] = alert

    def clear_alert(self, kind: str, subject: str) -> None:
        """Its cause is gone."""
        self._alerts.drop((kind, subject))

    def strike(self, texts: Collection[str]) -> None:
        """Take these out of what alerts and pauses say."""
        named = pattern_of(texts)
        for key, alert in self._alerts.items():
            self._alerts[key] = replace(alert, text=struck(alert.text, named))
            if struck(alert.subject, named) != alert.subject:
                self._alerts.drop(key)
        for name, pause in self._pauses.items():
            self._pauses[name] = replace(pause, reason=struck(pause.reason, named))

    def alerts(self) -> list[Alert]:
        """What stands, newest first."""
        return sorted(self._alerts.values(), key=lambda a: (-a.last_at, a.kind, a.subject))
