"""Events as rows: answers ``ports.Events``."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from homing.adapters.sqlite.seen import GENERATION_BITS, SeenIds
from homing.adapters.sqlite.sql import load
from homing.core.effects import EventState
from homing.ports import Cursor, EventRow, Seen

if TYPE_CHECKING:
    from typing import Any

    import apsw

SQL = load("events")


class SqliteEvents:
    """
    See `homing.ports.Events`.

    Args:
        seen: The ids taken in; None reads them when first asked, which a mere look never does.
    """

    def __init__(self, db: apsw.Connection, seen: SeenIds | None = None) -> None:
        self._db = db
        self._seen = seen

    def cursor(self) -> Cursor:
        """How far evaluation came."""
        request, item, next_event = self._db.execute(SQL.cursor).get
        return Cursor(request, item, next_event)

    def move_cursor(self, cursor: Cursor) -> None:
        """Evaluated once: committed with what the evaluation changed."""
        self._db.execute(SQL.move_cursor, (cursor.request, cursor.item, cursor.next_event))

    def add(self, row: EventRow) -> None:
        """Keep an event, and its place in its person's history."""
        self._db.execute(
            SQL.add,
            (row.id, row.request, row.item, row.source, row.type, row.name, row.message_id,
             row.person, row.send, row.at, row.received_at, row.state, row.reason),
        )  # fmt: skip
        if row.person is not None:
            self._db.execute(SQL.add_history, (row.id >> GENERATION_BITS, row.person, row.id))

    def replace(self, row: EventRow) -> None:
        """Write an event evaluated again."""
        self._db.execute(
            SQL.replace,
            (row.type, row.name, row.message_id, row.person, row.send, row.at, row.state,
             row.reason, row.id),
        )  # fmt: skip
        if row.person is not None:
            self._db.execute(SQL.add_history, (row.id >> GENERATION_BITS, row.person, row.id))

    def seen(self, key: int) -> Seen | None:
        """Whether an id was taken in within the dedupe window."""
        return self._ids().find(key)

    def remember(self, key: int, *, body: int, event: int, at: int) -> None:
        """Take an id in."""
        self._ids().add(key, body=body, event=event, at=at)

    def forget_seen(self, before_ms: int) -> int:
        """Drop ids whose whole generation is older."""
        return self._ids().drop_before(before_ms)

    def get(self, number: int) -> EventRow | None:
        """One event by number."""
        row = self._db.execute(SQL.get, (number,)).fetchone()
        return None if row is None else _event(row)

    def of_person(self, people: Sequence[int], *, limit: int) -> list[EventRow]:
        """The newest events of a person, newest first."""
        found: list[int] = []
        for gen in range(self.cursor().next_event >> GENERATION_BITS, -1, -1):
            for person in people:
                found += [row[0] for row in self._db.execute(SQL.of_person, (gen, person, limit))]
            if len(found) >= limit:
                break
        rows = (self.get(number) for number in sorted(found, reverse=True)[:limit])
        return [row for row in rows if row is not None]

    def newest(self, *, state: EventState | None, before: int | None, limit: int) -> list[EventRow]:
        """Events, newest first."""
        start = before or 1 << 62
        if state is None or state is EventState.DONE:
            rows = self._db.execute(SQL.newest, (start, limit))
        else:
            rows = self._db.execute(SQL.newest_in_state, (state, start, limit))
        return [_event(row) for row in rows]

    def after(self, number: int, *, limit: int) -> list[EventRow]:
        """The next events in order of arrival."""
        return [_event(row) for row in self._db.execute(SQL.after, (number, limit))]

    def names(self, *, limit: int) -> dict[str, int]:
        """The names of the newest *limit* track events, with how many there are of each."""
        return {name: n for name, n in self._db.execute(SQL.names, (limit,))}

    def set_state(self, number: int, state: EventState, reason: str | None) -> None:
        """What a person decided of an event."""
        self._db.execute(SQL.set_state, (state, reason, number))

    def anonymise(self, number: int) -> None:
        """Let an event tell of nobody."""
        self._db.execute(SQL.anonymise, (number,))

    def ask_erasure(self, places: Iterable[tuple[int, int]]) -> None:
        """Have elements of the log erased."""
        self._db.executemany(SQL.ask_erasure, list(places))

    def erasures(self, *, limit: int) -> list[tuple[int, int]]:
        """Elements of the log that are still to be erased: (request, element)."""
        return [(row[0], row[1]) for row in self._db.execute(SQL.erasures, (limit,))]

    def erasure_done(self, requests: Iterable[int]) -> None:
        """The log's writer erased what was asked of these requests."""
        self._db.executemany(SQL.erasure_done, [(request,) for request in requests])

    def prune(self, before_ms: int, *, limit: int) -> int:
        """Delete the oldest events received before; returns how many went."""
        self._db.execute(SQL.prune, (0, limit, before_ms))
        gone = self._db.changes()
        oldest = self._db.execute(SQL.oldest).get
        if gone and oldest:
            self._db.execute(SQL.prune_history, (oldest >> GENERATION_BITS,))
        return gone

    def _ids(self) -> SeenIds:
        if self._seen is None:
            self._seen = SeenIds(self._db)
        return self._seen


def _event(row: tuple[Any, ...]) -> EventRow:
    return EventRow(*(*row[:11], EventState(row[11]), row[12]))
