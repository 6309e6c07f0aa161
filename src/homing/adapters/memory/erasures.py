"""Who was erased, and how far each erasure came: answers ``ports.Erasures``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice

from msgspec.structs import replace

from homing.adapters.memory.table import Journal, Table
from homing.core.erasure import Done, Entry, Erasure, NewErasure, Progress
from homing.core.people import Identity

NEWEST = 1 << 62


class MemoryErasures:
    """See `homing.ports.Erasures`; nothing outlives it, so no journal is kept."""

    def __init__(self, journal: Journal) -> None:
        self._rows: Table[int, Erasure] = Table(journal)
        self._steps: Table[int, tuple[Done, ...]] = Table(journal)
        self._names: Table[int, tuple[Identity, ...]] = Table(journal)
        self._erased: Table[tuple[Identity, int], None] = Table(journal)

    @property
    def until(self) -> int:
        """No erasure concerns requests of the log from this number on."""
        return max((row.request for row in self._rows.values()), default=0)

    def add(self, erasure: NewErasure) -> int:
        """Keep an erasure: its number."""
        number = len(self._rows) + 1
        self._rows[number] = Erasure(
            number, erasure.at, erasure.by, Progress.OPEN, erasure.people, erasure.request,
            erasure.item,
        )  # fmt: skip
        if erasure.names:
            self._names[number] = erasure.names
        for name in erasure.names:
            self._erased[name, number] = None
        return number

    def get(self, number: int) -> Erasure | None:
        """One erasure."""
        return self._rows.get(number)

    def newest(self, *, before: int | None, limit: int) -> list[Erasure]:
        """Erasures, newest first."""
        end = NEWEST if before is None else before
        return [self._rows[n] for n in sorted(self._rows, reverse=True) if n < end][:limit]

    def open(self, *, after: int, limit: int) -> list[Erasure]:
        """Those that are not over, oldest first, from beyond number *after*."""
        found = (row for row in self._rows.values() if row.progress is Progress.OPEN)
        return list(islice((row for row in found if row.number > after), limit))

    def earlier(self, name: Identity) -> int | None:
        """The newest erasure of a name."""
        return max((number for one, number in self._erased if one == name), default=None)

    def is_erased(self, name: Identity, *, request: int, received_ms: int) -> bool:
        """Whether somebody was erased after this request of the log was received."""
        rows = (self._rows[number] for one, number in self._erased if one == name)
        return any(row.request > request and row.at >= received_ms for row in rows)

    def note(self, number: int, done: Done) -> None:
        """Keep a step of an erasure."""
        self._steps[number] = (*(self._steps.get(number) or ()), done)

    def note_of(self, people: Sequence[int], done: Done) -> None:
        """The same for the erasures of these people."""
        for number, row in self._rows.items():
            if set(people) & set(row.lanes):
                self.note(number, done)

    def steps(self, number: int) -> list[Done]:
        """The steps of an erasure, in order."""
        return list(self._steps.get(number) or ())

    def end(self, number: int, progress: Progress) -> None:
        """Whether it is over."""
        self._rows[number] = replace(self._rows[number], progress=progress)

    def unsearched(self, *, limit: int) -> list[tuple[Erasure, tuple[Identity, ...]]]:
        """Erasures for which the log is still to be searched, with the names; oldest first."""
        numbers = sorted(self._names)[:limit]
        return [(self._rows[number], self._names[number]) for number in numbers]

    def searched(self, numbers: Sequence[int]) -> None:
        """It was: the names go."""
        for number in numbers:
            self._names.drop(number)

    def to_repeat(self) -> list[Entry]:
        """No journal is kept."""
        return []

    def named_by(self, entries: Sequence[Entry]) -> Mapping[str, Sequence[Identity]]:
        """No journal is kept, so no line of it names anybody."""
        return {entry.id: () for entry in entries}

    def repeated(self) -> None:
        """No journal is kept."""
