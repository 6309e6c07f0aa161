"""Events as rows: answers ``ports.Events``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from msgspec.structs import replace

from homing.adapters.memory.table import Journal, Table
from homing.core.effects import EventState
from homing.ports import Cursor, EventRow, Seen

NEWEST = 1 << 62
SETTLED = frozenset({EventState.DONE, EventState.FILTERED})
_NOT_TRACK = frozenset({"page", "screen", "group", "identify", "alias"})


class MemoryEvents:
    """See `homing.ports.Events`."""

    def __init__(self, journal: Journal) -> None:
        self._cursor: Table[None, Cursor] = Table(journal)
        self._cursor[None] = Cursor(0, 0, 1)
        self._rows: Table[int, EventRow] = Table(journal)
        self._history: Table[int, tuple[int, ...]] = Table(journal)
        self._seen: Table[int, tuple[Seen, int]] = Table(journal)
        self._erasures: Table[tuple[int, int], None] = Table(journal)
        self._told: Table[tuple[int, int], None] = Table(journal)

    def cursor(self) -> Cursor:
        """How far evaluation came."""
        return self._cursor[None]

    def move_cursor(self, cursor: Cursor) -> None:
        """Evaluated once: committed with what the evaluation changed."""
        self._cursor[None] = cursor

    def add(self, row: EventRow) -> None:
        """Keep an event, and its place in its person's history."""
        self._rows[row.id] = row
        self._remember_of(row.person, row.id)

    def replace(self, row: EventRow) -> None:
        """Write an event evaluated again, whose person may be another now."""
        before = self._rows.get(row.id)
        if before is None:
            return
        self._rows[row.id] = replace(
            row,
            request=before.request,
            item=before.item,
            source=before.source,
            received_at=before.received_at,
        )
        if before.person is not None and before.person != row.person:
            events = self._history.get(before.person) or ()
            self._history[before.person] = tuple(n for n in events if n != row.id)
        self._remember_of(row.person, row.id)

    def seen(self, key: int) -> Seen | None:
        """Whether an id was taken in within the dedupe window."""
        found = self._seen.get(key)
        return None if found is None else found[0]

    def remember(self, key: int, *, body: int, event: int, at: int) -> None:
        """Take an id in."""
        if key not in self._seen:
            self._seen[key] = (Seen(event, body), at)

    def forget_seen(self, before_ms: int, *, limit: int) -> int:
        """Drop ids taken in before, some at a time; how many went."""
        old = [key for key, (_, at) in self._seen.items() if at < before_ms][:limit]
        for key in old:
            self._seen.drop(key)
        return len(old)

    def get(self, number: int) -> EventRow | None:
        """One event by number."""
        return self._rows.get(number)

    def of_person(self, people: Sequence[int], *, limit: int) -> list[EventRow]:
        """The newest events of a person, newest first."""
        found = [number for person in people for number in self._history.get(person) or ()]
        rows = (self._rows.get(number) for number in sorted(found, reverse=True)[:limit])
        return [row for row in rows if row is not None]

    def newest(self, *, state: EventState | None, before: int | None, limit: int) -> list[EventRow]:
        """Events, newest first."""
        start = NEWEST if before is None else before
        found = (row for row in self._rows.values() if row.id < start)
        return sorted(
            (row for row in found if state in (None, row.state)), key=_number, reverse=True
        )[:limit]

    def after(self, number: int, *, limit: int) -> list[EventRow]:
        """The next events in order of arrival."""
        return sorted((row for row in self._rows.values() if row.id > number), key=_number)[:limit]

    def names(self, *, limit: int) -> dict[str, int]:
        """The names of the newest *limit* track events, with how many there are of each."""
        newest = sorted(self._rows.values(), key=_number, reverse=True)
        named = [row.name for row in newest if row.name is not None and _is_track(row)]
        return dict(Counter(named[:limit]))

    def set_state(self, number: int, state: EventState, reason: str | None) -> None:
        """What a person decided of an event."""
        row = self._rows.get(number)
        if row is not None:
            self._rows[number] = replace(row, state=state, reason=reason)

    def anonymise(self, number: int) -> None:
        """Let an event tell of nobody."""
        row = self._rows.get(number)
        if row is not None:
            self._rows[number] = replace(row, person=None, message_id=None)

    def ask_erasure(self, places: Iterable[tuple[int, int]]) -> None:
        """Have elements of the log erased."""
        for place in places:
            self._erasures[place] = None

    def erasures(self, *, limit: int) -> list[tuple[int, int]]:
        """Elements of the log that are still to be erased: (request, element)."""
        places = sorted(self._erasures)[:limit]
        for place in places:
            self._told[place] = None
        return places

    def first_erasure(self) -> int | None:
        """The first request that is still to be erased, or a part of it."""
        return min((request for request, _ in self._erasures), default=None)

    def at_place(self, request: int, item: int) -> EventRow | None:
        """The event that is an element of the log."""
        rows = (row for row in self._rows.values() if (row.request, row.item) == (request, item))
        return next(rows, None)

    def erasure_done(self, requests: Iterable[int]) -> None:
        """The log's writer erased what `erasures` told of these requests."""
        done = set(requests)
        for place in [place for place in self._told if place[0] in done]:
            self._told.drop(place)
            self._erasures.drop(place)

    def prune(self, before_ms: int, *, dead_before_ms: int, limit: int) -> int:
        """Delete some of the oldest events; how many went."""
        old = [row for row in self._rows.values() if _is_over(row, before_ms, dead_before_ms)]
        gone = sorted(old, key=_number)[:limit]
        for row in gone:
            self._rows.drop(row.id)
            if row.person is not None:
                events = self._history.get(row.person) or ()
                self._history[row.person] = tuple(n for n in events if n != row.id)
        return len(gone)

    def forget_history(self, people: Collection[int]) -> None:
        """Forget which events these persons had."""
        for person in people:
            self._history.drop(person)

    def _remember_of(self, person: int | None, number: int) -> None:
        if person is None:
            return
        events = self._history.get(person) or ()
        if number not in events[-1:] and number not in events:
            self._history[person] = (*events, number)


def _number(row: EventRow) -> int:
    return row.id


def _is_track(row: EventRow) -> bool:
    return row.type is not None and row.type not in _NOT_TRACK


def _is_over(row: EventRow, before_ms: int, dead_before_ms: int) -> bool:
    return row.received_at < (before_ms if row.state in SETTLED else dead_before_ms)
