"""What is to be done outside and may safely be done twice: answers ``ports.Effects``."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from homing.adapters.sqlite.oldest import Oldest
from homing.adapters.sqlite.sql import executing, load
from homing.core.effects import Dest, Effect, EffectState, NewEffect

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import apsw

SQL = load("effects")
NEWEST = 1 << 62
DONE = frozenset({EffectState.DONE})


class SqliteEffects:
    """See `homing.ports.Effects`."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db
        self._execute = executing(db)
        self._oldest = Oldest()

    def add(self, effect: NewEffect) -> int:
        """Ask for an effect; its number."""
        self._execute(
            SQL.add,
            (effect.dest, effect.lane, effect.due_at, effect.kind, effect.event, effect.rule,
             effect.person, effect.made_at),
        )  # fmt: skip
        self._execute(SQL.add_data, (effect.payload,))
        return int(self._db.last_insert_rowid())

    def open_of(self, people: Sequence[int], *, dest: Dest | None = None) -> list[Effect]:
        """What is ready or sent of persons, for one destination or all; in order."""
        found = (self._execute(SQL.open_of, (one, dest)).fetchall() for one in people)
        return sorted((Effect(*row) for rows in found for row in rows), key=_number)

    def dead_of(self, people: Sequence[int]) -> list[Mapping[str, object]]:
        """All columns, and the payloads, of persons' effects that are dead or were dropped."""
        return [row for one in people for row in self._tables(SQL.dead_of, (one,))]

    def ready(self, dest: Dest, *, after: int, limit: int) -> list[Effect]:
        """Effects not yet done, in order, from beyond number *after*; also those not yet due."""
        rows = self._execute(SQL.ready, (dest, after, limit)).fetchall()
        return [Effect(*row) for row in rows]

    def done(self, numbers: Iterable[int]) -> int:
        """They are done: their payload goes; how many of them were still ready."""
        rows = list(numbers)
        were_open = self._moved(SQL.done, rows)
        self._db.executemany(SQL.drop_data, [(number,) for number in rows])
        return were_open

    def sent(self, numbers: Iterable[int]) -> int:
        """An API works on them: they are not `ready` meanwhile; how many were so."""
        return self._moved(SQL.sent, numbers)

    def unsent(self, numbers: Iterable[int]) -> int:
        """Try sent ones again, at their places; how many there were."""
        return self._moved(SQL.unsent, numbers)

    def many(self, numbers: Sequence[int]) -> list[Effect]:
        """Those of these effects that are ready or sent."""
        rows = (self._execute(SQL.one, (number,)).get for number in numbers)
        return [Effect(*row) for row in rows if row is not None]

    def retry(self, number: int, *, due_at: int, counts: bool, reason: str) -> None:
        """Try again at *due_at*."""
        self._execute(SQL.retry, (due_at, int(counts), reason, number))

    def dead(self, number: int, reason: str) -> bool:
        """It will not be tried again unless a person says so; False if it was not ready."""
        return self._changed(SQL.dead, (reason, number))

    def rewrite(self, number: int, payload: bytes) -> None:
        """Give one that is not over, or is dead, another payload."""
        self._execute(SQL.rewrite, (payload, number))

    def revive(self, number: int, *, now: int) -> bool:
        """Try a dead one again; False if it is not dead."""
        return self._changed(SQL.revive, (now, number))

    def drop(self, number: int, reason: str) -> bool:
        """A person gave a dead one up; False if it is not dead."""
        return self._changed(SQL.drop, (reason, number))

    def get(self, number: int) -> dict[str, object] | None:
        """All columns of one effect, and its payload."""
        return next(iter(self._tables(SQL.get, (number,))), None)

    def of_event(self, number: int) -> list[dict[str, object]]:
        """What an event asked for."""
        return self._tables(SQL.of_event, (number,))

    def dead_newest(self, *, before: int | None, limit: int) -> list[dict[str, object]]:
        """Dead effects, newest first."""
        start = NEWEST if before is None else before
        return self._tables(SQL.dead_newest, (start, limit))

    def erase(self, people: Sequence[int]) -> dict[tuple[Dest, EffectState], int]:
        """Drop what was still to be done for persons; how many were in which state before."""
        were: Counter[tuple[Dest, EffectState]] = Counter()
        for person in people:
            for number, dest, state in self._execute(SQL.of_person, (person,)).fetchall():
                were[Dest(dest), EffectState(state)] += 1
                self._execute(SQL.erase, (number,))
                self._execute(SQL.drop_data, (number,))
        return dict(were)

    def prune(self, before_ms: int, *, dead_before_ms: int, limit: int) -> int:
        """Delete the oldest effects that are done, or were given up; how many went."""
        last: int = self._execute(SQL.last).get
        gone = self._oldest.ended(
            lambda number: self._execute(SQL.oldest, (number, limit)).fetchall(),
            before_ms=before_ms, states=DONE, limit=limit,
        )  # fmt: skip
        for state in (EffectState.DEAD, EffectState.DROPPED):
            gone += self._execute(SQL.oldest_ended, (state, limit, dead_before_ms)).fetchall()
        # the newest stays, so that no number is given twice
        gone = [row for row in gone if row != (last,)]
        for sql in (SQL.prune, SQL.drop_data):
            self._db.executemany(sql, gone)
        return len(gone)

    def _moved(self, sql: str, numbers: Iterable[int]) -> int:
        before = self._db.total_changes()
        self._db.executemany(sql, [(number,) for number in numbers])
        return int(self._db.total_changes() - before)

    def _changed(self, sql: str, values: tuple[int | str, ...]) -> bool:
        self._execute(sql, values)
        return bool(self._db.changes())

    def _tables(self, sql: str, values: tuple[int, ...]) -> list[dict[str, object]]:
        cursor = self._db.cursor()
        found: list[dict[str, object]] = []
        names: list[str] = []
        for row in cursor.execute(sql, values):
            names = names or [column[0] for column in cursor.get_description()]
            found.append(dict(zip(names, row, strict=True)))
        return found


def _number(effect: Effect) -> int:
    return effect.id
