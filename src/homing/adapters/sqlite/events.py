"""Events as rows: answers ``ports.Events``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from msgspec.structs import astuple

from homing.adapters.sqlite.generations import DEFAULT, Generations
from homing.adapters.sqlite.oldest import Oldest
from homing.adapters.sqlite.seen import SeenIds
from homing.adapters.sqlite.sql import executing, load
from homing.core.effects import EventState
from homing.ports import Cursor, EventRow, Seen

if TYPE_CHECKING:
    from typing import Any

    import apsw

SQL = load("events")
NEWEST = 1 << 62
SETTLED = frozenset({EventState.DONE, EventState.FILTERED})


class SqliteEvents:
    """
    See `homing.ports.Events`.

    The ids taken in are read when first asked for, which a mere look never does.
    """

    def __init__(self, db: apsw.Connection, generations: Generations = DEFAULT) -> None:
        self._db = db
        self._execute = executing(db)
        self._generations = generations
        self._bits = generations.event
        self._seen: SeenIds | None = None
        self._erasing: dict[int, set[int]] = {}
        self._oldest = Oldest()

    def load_seen(self) -> None:
        """Read the ids taken in now rather than when they are first asked for."""
        self._ids()

    def cursor(self) -> Cursor:
        """How far evaluation came."""
        return Cursor(*self._execute(SQL.cursor).get)

    def move_cursor(self, cursor: Cursor) -> None:
        """Evaluated once: committed with what the evaluation changed."""
        self._execute(SQL.move_cursor, (cursor.request, cursor.item, cursor.next_event))

    def add(self, row: EventRow) -> None:
        """Keep an event, and its place in its person's history."""
        self._execute(SQL.add, astuple(row))  # its fields are the columns, in order
        if row.person is not None:
            self._execute(SQL.add_history, (row.id >> self._bits, row.person, row.id))

    def replace(self, row: EventRow) -> None:
        """Write an event evaluated again, whose person may be another now."""
        before = self.get(row.id)
        if before is None:
            return
        self._execute(
            SQL.replace,
            (row.type, row.name, row.message_id, row.person, row.send, row.at, row.state,
             row.reason, row.id),
        )  # fmt: skip
        gen = row.id >> self._bits
        if before.person is not None and before.person != row.person:
            self._execute(SQL.drop_history, (gen, before.person, row.id))
        if row.person is not None:
            self._execute(SQL.add_history, (gen, row.person, row.id))

    def seen(self, key: int) -> Seen | None:
        """Whether an id was taken in within the dedupe window."""
        return (self._seen or self._ids()).find(key)

    def remember(self, key: int, *, body: int, event: int, at: int) -> None:
        """Take an id in."""
        (self._seen or self._ids()).add(key, body=body, event=event, at=at)

    def forget_seen(self, before_ms: int, *, limit: int) -> int:
        """Drop ids, once all that came with them are older."""
        return self._ids().drop_before(before_ms, limit=limit)

    def get(self, number: int) -> EventRow | None:
        """One event by number."""
        row = self._execute(SQL.get, (number,)).get
        return None if row is None else _event(row)

    def of_person(self, people: Sequence[int], *, limit: int) -> list[EventRow]:
        """The newest events of a person, newest first."""
        first: int | None = self._execute(SQL.first_history).get
        if first is None:
            return []
        found: list[int] = []
        for gen in range(self.cursor().next_event >> self._bits, first - 1, -1):
            for person in people:
                rows = self._execute(SQL.history, (gen, person, limit)).fetchall()
                found += [number for (number,) in rows]
            if len(found) >= limit:
                break
        rows_ = (self.get(number) for number in sorted(found, reverse=True)[:limit])
        return [row for row in rows_ if row is not None]

    def newest(self, *, state: EventState | None, before: int | None, limit: int) -> list[EventRow]:
        """Events, newest first."""
        start = NEWEST if before is None else before
        if state is None:
            return self._rows(SQL.newest, (start, limit))
        if state is EventState.DONE:
            return self._rows(SQL.newest_done, (start, limit))
        return self._rows(SQL.newest_undone, (state, start, limit))

    def after(self, number: int, *, limit: int) -> list[EventRow]:
        """The next events in order of arrival."""
        return self._rows(SQL.after, (number, limit))

    def names(self, *, limit: int) -> dict[str, int]:
        """The names of the newest *limit* track events, with how many there are of each."""
        return dict(self._execute(SQL.names, (limit,)).fetchall())

    def set_state(self, number: int, state: EventState, reason: str | None) -> None:
        """What a person decided of an event."""
        self._execute(SQL.set_state, (state, reason, number))

    def anonymise(self, number: int) -> None:
        """Let an event tell of nobody."""
        self._execute(SQL.anonymise, (number,))

    def ask_erasure(self, places: Iterable[tuple[int, int]]) -> None:
        """Have elements of the log erased."""
        self._db.executemany(SQL.ask_erasure, list(places))

    def erasures(self, *, limit: int) -> list[tuple[int, int]]:
        """Elements of the log that are still to be erased: (request, element)."""
        places = [(row[0], row[1]) for row in self._execute(SQL.erasures, (limit,)).fetchall()]
        for request, item in places:
            self._erasing.setdefault(request, set()).add(item)
        return places

    def first_erasure(self) -> int | None:
        """The first request that is still to be erased, or a part of it."""
        request: int | None = self._execute(SQL.first_erasure).get
        return request

    def at_place(self, request: int, item: int) -> EventRow | None:
        """The event that is an element of the log, found by halves: both are in one order."""
        low = self._execute(SQL.first).get or 0
        high = self._execute(SQL.last).get or 0
        while low < high:
            middle = (low + high) // 2
            (row,) = self._rows(SQL.from_on, (middle,))
            if (row.request, row.item) < (request, item):
                low = row.id + 1
            else:
                high = middle
        found = self._rows(SQL.from_on, (low,))
        is_it = bool(found) and (found[0].request, found[0].item) == (request, item)
        return found[0] if is_it else None

    def erasure_done(self, requests: Iterable[int]) -> None:
        """The log's writer erased what was asked of these requests."""
        # not what was asked of the same request in the meantime
        done = [
            (request, item)
            for request in requests
            for item in self._erasing.pop(request, ())
        ]  # fmt: skip
        self._db.executemany(SQL.erasure_done, done)

    def prune(self, before_ms: int, *, dead_before_ms: int, limit: int) -> int:
        """Delete the oldest events received before; returns how many rows went."""
        settled = self._oldest.ended(
            lambda number: self._execute(SQL.oldest, (number, limit)).fetchall(),
            before_ms=before_ms, states=SETTLED, limit=limit,
        )  # fmt: skip
        self._db.executemany(SQL.prune, settled)
        gone = len(settled)
        for state in (EventState.QUARANTINED, EventState.DEAD):
            rows = self._execute(SQL.oldest_undone, (state, limit, dead_before_ms)).fetchall()
            self._db.executemany(SQL.prune, rows)
            gone += len(rows)
        first: int | None = self._execute(SQL.first).get
        if first is None:
            first = self.cursor().next_event
        self._execute(SQL.prune_history, (first >> self._bits, limit))
        return gone + int(self._db.changes())

    def _ids(self) -> SeenIds:
        if self._seen is None:
            self._seen = SeenIds(self._db, self._generations)
        return self._seen

    def _rows(self, sql: str, values: tuple[int | str, ...]) -> list[EventRow]:
        return [_event(row) for row in self._execute(sql, values).fetchall()]


def _event(row: tuple[Any, ...]) -> EventRow:
    return EventRow(*(*row[:11], EventState(row[11]), row[12]))
