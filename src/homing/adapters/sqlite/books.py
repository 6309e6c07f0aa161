"""Counts, settings of the store itself, pauses and alerts: answers ``ports.Books``."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from homing.adapters.sqlite.sql import executing, load
from homing.core.erasure import pattern_of, struck
from homing.ports import Alert, Pause

if TYPE_CHECKING:
    import apsw

SQL = load("books")


class SqliteBooks:
    """See `homing.ports.Books`."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._execute = executing(db)
        self._changes: dict[str, int] = {}

    def count(self, name: str, n: int = 1) -> None:
        """Add to a count; written when the transaction's function ends."""
        self._changes[name] = self._changes.get(name, 0) + n

    def mark(self) -> dict[str, int]:
        """What is counted and not yet written, to return to by `reset`."""
        return self._changes.copy()

    def reset(self, mark: dict[str, int]) -> None:
        """Forget what was counted since the mark."""
        self._changes = mark

    def flush(self) -> None:
        """Write the counts."""
        changes, self._changes = self._changes, {}
        rows = [(name, n) for name, n in changes.items() if n]
        if rows:
            self._db.executemany(SQL.add, rows)

    def counts(self) -> dict[str, int]:
        """All counts by name."""
        counts: dict[str, int] = dict(self._execute(SQL.all).fetchall())
        for name, n in self._changes.items():
            counts[name] = counts.get(name, 0) + n
        return counts

    def get(self, key: str) -> str | int | bytes | None:
        """One setting of the store."""
        value: str | int | bytes | None = self._execute(SQL.get_meta, (key,)).get
        return value

    def set(self, key: str, value: str | int | bytes) -> None:
        """Write a setting of the store."""
        self._execute(SQL.set_meta, (key, value))

    def pauses(self) -> dict[str, Pause]:
        """What is paused, by destination, or "email/NAME"."""
        rows = self._execute(SQL.pauses).fetchall()
        return {name: Pause(at, reason, by) for name, at, reason, by in rows}

    def pause(self, name: str, pause: Pause) -> None:
        """Pause a destination or an email."""
        self._execute(SQL.pause, (name, pause.at, pause.reason, pause.by))

    def resume(self, name: str) -> None:
        """End a pause."""
        self._execute(SQL.resume, (name,))

    def alert(self, kind: str, subject: str, text: str, *, at: int, n: int = 1) -> None:
        """Keep an alert until it is cleared; the same one again counts up."""
        self._execute(SQL.raise_alert, (kind, subject, text, at, n))

    def clear_alert(self, kind: str, subject: str) -> None:
        """Its cause is gone."""
        self._execute(SQL.clear_alert, (kind, subject))

    def strike(self, texts: Collection[str]) -> None:
        """Take these out of what alerts and pauses say."""
        named = pattern_of(texts)
        for alert in self.alerts():
            if (said := struck(alert.text, named)) != alert.text:
                self._execute(SQL.reword_alert, (said, alert.kind, alert.subject))
            if struck(alert.subject, named) != alert.subject:
                self.clear_alert(alert.kind, alert.subject)
        for name, pause in self.pauses().items():
            if (said := struck(pause.reason, named)) != pause.reason:
                self.pause(name, replace(pause, reason=said))

    def alerts(self) -> list[Alert]:
        """What stands, newest first."""
        return [Alert(*row) for row in self._execute(SQL.alerts).fetchall()]
