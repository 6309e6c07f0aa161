"""Persons and their names: answers ``ports.People``."""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from homing.adapters.memory.effects import MemoryEffects
from homing.adapters.memory.events import MemoryEvents
from homing.adapters.memory.members import MemoryMembers
from homing.adapters.memory.runs import MemoryRuns
from homing.adapters.memory.sends import MemorySends
from homing.adapters.memory.table import Journal, Table
from homing.core.people import Identity, Person, with_identities

NEWEST = 1 << 62


class MemoryPeople:
    """See `homing.ports.People`."""

    def __init__(
        self,
        journal: Journal,
        *,
        events: MemoryEvents,
        sends: MemorySends,
        effects: MemoryEffects,
        runs: MemoryRuns,
        members: MemoryMembers,
    ) -> None:
        self._events = events
        self._sends = sends
        self._effects = effects
        self._runs = runs
        self._members = members
        self._last: Table[None, int] = Table(journal)
        self._rows: Table[int, Person] = Table(journal)
        self._names: Table[Identity, int] = Table(journal)
        self._names_of: Table[int, tuple[Identity, ...]] = Table(journal)
        self._merged: Table[int, int] = Table(journal)

    def find(self, identity: Identity) -> int | None:
        """Who goes by that name."""
        return self._names.get(identity)

    def get(self, number: int) -> Person | None:
        """One person; of a number that was merged into another, that one."""
        while number in self._merged:
            number = self._merged[number]
        return self._rows.get(number)

    def add(self, identities: Sequence[Identity]) -> Person:
        """A new person who goes by these names."""
        number = (self._last.get(None) or 0) + 1
        self._last[None] = number
        person = replace(with_identities(Person(0), identities), id=number)
        self._rows[number] = person
        for identity in identities:
            self.link(identity, number)
        return person

    def save(self, person: Person) -> None:
        """Write a changed person."""
        if person.id in self._rows:
            self._rows[person.id] = person

    def link(self, identity: Identity, person: int) -> None:
        """Let a name lead to *person*."""
        before = self._names.get(identity)
        if before is not None:
            kept = self._names_of.get(before) or ()
            self._names_of[before] = tuple(name for name in kept if name != identity)
        self._names[identity] = person
        self._names_of[person] = (*(self._names_of.get(person) or ()), identity)

    def merge(self, loser: int, winner: Person) -> None:
        """Save the winner; names, runs, open sends and open effects of the loser become theirs."""
        self.save(winner)
        for name in self.identities(loser):
            self.link(name, winner.id)
        self._merged[loser] = winner.id
        self._sends.merge(loser, winner.id)
        self._effects.merge(loser, winner.id)
        self._runs.merge(loser, winner.id)
        self._members.merge(loser, winner.id)
        self._rows.drop(loser)

    def identities(self, person: int) -> list[Identity]:
        """All names of a person."""
        return sorted(self._names_of.get(person) or (), key=lambda name: (name.kind, name.value))

    def newest(self, *, before: int | None, limit: int) -> list[Person]:
        """Persons, newest first."""
        start = NEWEST if before is None else before
        numbers = sorted((number for number in self._rows if number < start), reverse=True)
        return [self._rows[number] for number in numbers[:limit]]

    def delete(self, people: Sequence[int], *, last_event: int) -> None:
        """Delete persons, their names and their histories."""
        for person in people:
            self._rows.drop(person)
            for name in self.identities(person):
                self._names.drop(name)
            self._names_of.drop(person)
        self._events.forget_history(people)
