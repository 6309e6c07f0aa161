"""Persons and their names: answers ``ports.People``."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import orjson
from msgspec.structs import replace

from homing.adapters.sqlite.generations import DEFAULT, Generations
from homing.adapters.sqlite.members import MERGE as MERGE_MEMBERS
from homing.adapters.sqlite.runs import MERGE as MERGE_RUNS
from homing.adapters.sqlite.sql import executing, load
from homing.core.people import Identity, IdKind, Person, partition_of, with_identities

if TYPE_CHECKING:
    import apsw

SQL = load("people")
SENDS = load("sends")
NEWEST = 1 << 62


class SqlitePeople:
    """
    See `homing.ports.People`.

    Args:
        on_delete: Told of a deletion, so that its traces leave the file as soon as it is durable.
    """

    def __init__(
        self,
        db: apsw.Connection,
        generations: Generations = DEFAULT,
        *,
        on_delete: Callable[[], None] = lambda: None,
    ) -> None:
        self._execute = executing(db)
        self._last_id = db.last_insert_rowid
        self._bits = generations.event
        self._on_delete = on_delete

    def find(self, identity: Identity) -> int | None:
        """Who goes by that name."""
        number: int | None = self._execute(SQL.find, (identity.kind, identity.value)).get
        return number

    def get(self, number: int) -> Person | None:
        """One person; of a number that was merged into another, that one."""
        row = self._execute(SQL.get, (number,)).get
        return None if row is None else _person(row)

    def add(self, identities: Sequence[Identity]) -> Person:
        """A new person who goes by these names."""
        person = with_identities(Person(0), identities)
        self._execute(
            SQL.add,
            (partition_of(identities[0]), person.user_id, person.anonymous_id, person.email, b"{}"),
        )
        number = self._last_id()
        for identity in identities:
            self.link(identity, number)
        return replace(person, id=number)

    def save(self, person: Person) -> None:
        """Write a changed person."""
        self._execute(
            SQL.save,
            (person.user_id, person.anonymous_id, person.email, _facts(person), person.id),
        )

    def link(self, identity: Identity, person: int) -> None:
        """Let a name lead to *person*."""
        self._execute(SQL.link, (identity.kind, identity.value, person))

    def merge(self, loser: int, winner: Person) -> None:
        """Save the winner; names, runs, open sends and open effects of the loser become theirs."""
        self.save(winner)
        moved = (winner.id, loser)
        for sql in (SQL.move_identities, SQL.move_merged, SQL.add_merged, SQL.move_sends,
                    SQL.move_sends_apart, SENDS.move_marketing, SQL.move_effects,
                    SQL.move_effects_ended, *MERGE_RUNS, *MERGE_MEMBERS):  # fmt: skip
            self._execute(sql, moved)
        for lane in (winner.id * 2, winner.id * 2 + 1):
            self._execute(SQL.clear_heads, (lane,))
            self._execute(SENDS.promote, (lane,))
        self._execute(SQL.delete, (loser,))

    def identities(self, person: int) -> list[Identity]:
        """All names of a person."""
        rows = self._execute(SQL.identities, (person,)).fetchall()
        return [Identity(IdKind(kind), value) for kind, value in rows]

    def newest(self, *, before: int | None, limit: int) -> list[Person]:
        """Persons, newest first."""
        start = NEWEST if before is None else before
        return [_person(row) for row in self._execute(SQL.newest, (start, limit)).fetchall()]

    def delete(self, people: Sequence[int], *, last_event: int) -> None:
        """Delete persons, their names and their histories."""
        first: int | None = self._execute(SQL.first_history).get
        last = last_event >> self._bits
        gens = range(last + 1 if first is None else first, last + 1)
        for person in people:
            for sql in (SQL.delete, SQL.unlink, SQL.delete_merged):
                self._execute(sql, (person,))
            for gen in gens:
                self._execute(SQL.delete_history, (gen, person))
        self._on_delete()


def _facts(person: Person) -> bytes:
    facts = {
        "traits": person.traits,
        "at": person.trait_at,
        "did": person.did,
        "audiences": person.audiences,
        "zone": person.zone,
        "merged": person.merged,
        # also of somebody who agreed to nothing: that is not the same as nothing known
        "consent": None if person.consent is None else (person.consent, person.consent_at),
    }
    return orjson.dumps({key: value for key, value in facts.items() if value})


def _person(row: tuple[Any, ...]) -> Person:
    number, user_id, anonymous_id, email, raw = row
    facts = orjson.loads(raw)
    consent, consent_at = facts.get("consent", (None, 0))
    return Person(
        number,
        user_id,
        anonymous_id,
        email,
        traits=facts.get("traits", {}),
        trait_at=facts.get("at", {}),
        did={key: tuple(times) for key, times in facts.get("did", {}).items()},
        audiences={key: (known[0], known[1]) for key, known in facts.get("audiences", {}).items()},
        zone=facts.get("zone"),
        consent=consent,
        consent_at=consent_at,
        merged=tuple(facts.get("merged", ())),
    )
