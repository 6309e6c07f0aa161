"""Counts, settings of the store itself, pauses and alerts: answers ``ports.Books``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from homing.adapters.sqlite.sql import load
from homing.ports import Alert, Pause

if TYPE_CHECKING:
    import apsw

SQL = load("books")


class SqliteBooks:
    """See `homing.ports.Books`."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._changes: Counter[str] = Counter()

    def count(self, name: str, n: int = 1) -> None:
        """Add to a count; written when the transaction's function ends."""
        self._changes[name] += n

    def mark(self) -> Counter[str]:
        """What is counted and not yet written, to return to by `reset`."""
        return self._changes.copy()

    def reset(self, mark: Counter[str]) -> None:
        """Forget what was counted since the mark."""
        self._changes = mark

    def flush(self) -> None:
        """Write the counts."""
        changes, self._changes = self._changes, Counter()
        for name, n in changes.items():
            if n:
                self._db.execute(SQL.add, (name, n))

    def counts(self) -> dict[str, int]:
        """All counts by name."""
        return {str(name): int(n) for name, n in self._db.execute(SQL.all)}

    def get(self, key: str) -> str | int | bytes | None:
        """One setting of the store."""
        row = self._db.execute(SQL.get_meta, (key,)).fetchone()
        return None if row is None else row[0]

    def set(self, key: str, value: str | int | bytes) -> None:
        """Write a setting of the store."""
        self._db.execute(SQL.set_meta, (key, value))

    def pauses(self) -> dict[str, Pause]:
        """What is paused, by destination, or "email/NAME"."""
        rows = self._db.execute(SQL.destinations)
        return {name: Pause(at, reason, by) for name, at, reason, by in rows}

    def pause(self, name: str, pause: Pause) -> None:
        """Pause a destination or an email."""
        self._db.execute(SQL.pause, (name, pause.at, pause.reason, pause.by))

    def resume(self, name: str) -> None:
        """End a pause."""
        self._db.execute(SQL.resume, (name,))

    def alert(self, kind: str, subject: str, text: str, *, at: int, n: int = 1) -> None:
        """Keep an alert until it is cleared; the same one again counts up."""
        self._db.execute(SQL.raise_alert, (kind, subject, text, at, n))

    def clear_alert(self, kind: str, subject: str) -> None:
        """Its cause is gone."""
        self._db.execute(SQL.clear_alert, (kind, subject))

    def alerts(self) -> list[Alert]:
        """What stands, newest first."""
        return [Alert(*row) for row in self._db.execute(SQL.alerts)]
