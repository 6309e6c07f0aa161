"""What is to be done outside and may safely be done twice: answers ``ports.Effects``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homing.adapters.sqlite.sql import load
from homing.core.effects import Dest, Effect, NewEffect

if TYPE_CHECKING:
    from collections.abc import Iterable

    import apsw

SQL = load("effects")


class SqliteEffects:
    """See `homing.ports.Effects`."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def add(self, effect: NewEffect) -> None:
        """Ask for an effect."""
        self._db.execute(
            SQL.add,
            (effect.dest, effect.lane, effect.due_at, effect.kind, effect.event, effect.rule,
             effect.person, effect.made_at, effect.payload),
        )  # fmt: skip

    def ready(self, dest: Dest, *, after: int, limit: int) -> list[Effect]:
        """Effects not yet done, in order, from beyond number *after*; also those not yet due."""
        rows = self._db.execute(SQL.claimable, (dest, after, limit))
        return [Effect(*row) for row in rows]

    def done(self, numbers: Iterable[int]) -> None:
        """They are done: their payload goes."""
        self._db.executemany(SQL.done, [(number,) for number in numbers])

    def retry(self, number: int, *, due_at: int, counts: bool, reason: str) -> None:
        """Try again at *due_at*."""
        self._db.execute(SQL.retry, (due_at, int(counts), reason, number))

    def dead(self, number: int, reason: str) -> None:
        """It will not be tried again unless a person says so."""
        self._db.execute(SQL.dead, (reason, number))

    def revive(self, number: int, *, now: int) -> None:
        """Try a dead one again."""
        self._db.execute(SQL.set_state, ("ready", None, now, number))

    def drop(self, number: int, reason: str) -> None:
        """A person gave it up."""
        self._db.execute(SQL.set_state, ("dropped", reason, 0, number))

    def get(self, number: int) -> dict[str, object] | None:
        """All columns of one effect."""
        cursor = self._db.execute(SQL.get, (number,))
        row = cursor.fetchone()
        if row is None:
            return None
        names = [column[0] for column in cursor.get_description()]
        return dict(zip(names, row, strict=True))

    def of_event(self, number: int) -> list[dict[str, object]]:
        """What an event asked for; reads the whole table."""
        return self._rows(SQL.of_event, (number,))

    def dead_newest(self, *, before: int | None, limit: int) -> list[dict[str, object]]:
        """Dead effects, newest first."""
        return self._rows(SQL.dead_newest, (before or 1 << 62, limit))

    def _rows(self, sql: str, values: tuple[int, ...]) -> list[dict[str, object]]:
        cursor = self._db.execute(sql, values)
        rows = []
        names: list[str] = []
        for row in cursor:
            names = names or [column[0] for column in cursor.get_description()]
            rows.append(dict(zip(names, row, strict=True)))
        return rows

    def prune(self, before_ms: int, *, limit: int) -> int:
        """Delete the oldest effects done or given up; returns how many went."""
        self._db.execute(SQL.prune, (before_ms, limit))
        return int(self._db.changes())
