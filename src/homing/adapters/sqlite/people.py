"""Persons and their names: answers ``ports.People``."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import orjson

from homing.adapters.sqlite.seen import GENERATION_BITS
from homing.adapters.sqlite.sql import load
from homing.core.people import Identity, IdKind, Person, partition_of, with_identities

if TYPE_CHECKING:
    import apsw

SQL = load("people")


class SqlitePeople:
    """See `homing.ports.People`."""

    def __init__(self, db: apsw.Connection) -> None:
        self._db = db

    def find(self, identity: Identity) -> int | None:
        """Who goes by that name."""
        row = self._db.execute(SQL.find, (identity.kind, identity.value)).fetchone()
        return None if row is None else int(row[0])

    def get(self, number: int) -> Person | None:
        """One person."""
        row = self._db.execute(SQL.get, (number,)).fetchone()
        return None if row is None else _person(row)

    def add(self, identities: Sequence[Identity]) -> Person:
        """A new person who goes by these names."""
        person = with_identities(Person(0), identities)
        number = self._db.execute(
            SQL.add,
            (partition_of(identities[0]), person.user_id, person.anonymous_id, person.email, b"{}"),
        ).get
        for identity in identities:
            self.link(identity, number)
        return with_identities(Person(number), identities)

    def save(self, person: Person) -> None:
        """Write a changed person."""
        self._db.execute(
            SQL.save,
            (person.user_id, person.anonymous_id, person.email, _facts(person), person.id),
        )

    def link(self, identity: Identity, person: int) -> None:
        """Let a name lead to *person*."""
        self._db.execute(SQL.link, (identity.kind, identity.value, person))

    def merge(self, loser: int, winner: Person) -> None:
        """Save the winner; names, open sends and open effects of the loser become theirs."""
        self.save(winner)
        self._db.execute(SQL.move_identities, (winner.id, loser))
        self._db.execute(SQL.move_sends, (winner.id, winner.id, loser, loser))
        self._db.execute(SQL.move_effects, (winner.id, winner.id, loser))
        for lane in (winner.id * 2, winner.id * 2 + 1):
            self._db.execute(SQL.clear_lane, (lane,))
            self._db.execute(SQL.first_of_lane, (lane,))
        self._db.execute(SQL.delete, (loser,))

    def identities(self, person: int) -> list[Identity]:
        """All names of a person."""
        rows = self._db.execute(SQL.identities, (person,))
        return [Identity(IdKind(kind), value) for kind, value in rows]

    def newest(self, *, before: int | None, limit: int) -> list[Person]:
        """Persons, newest first."""
        ids = [row[0] for row in self._db.execute(SQL.newest, (before or 1 << 62, limit))]
        found = (self.get(number) for number in ids)
        return [person for person in found if person is not None]

    def delete(self, people: Sequence[int], *, last_event: int) -> None:
        """Delete persons, their names, their histories and what was to be done for them."""
        for person in people:
            self._db.execute(SQL.delete, (person,))
            self._db.execute(SQL.unlink, (person,))
            self._db.execute(SQL.delete_effects, (person,))
            for gen in range((last_event >> GENERATION_BITS) + 1):
                self._db.execute(SQL.delete_history, (gen, person))


def _facts(person: Person) -> bytes:
    facts = {
        "traits": person.traits,
        "at": person.trait_at,
        "did": person.did,
        "audiences": person.audiences,
        "zone": person.zone,
        "merged": person.merged,
    }
    return orjson.dumps({key: value for key, value in facts.items() if value})


def _person(row: tuple[Any, ...]) -> Person:
    number, user_id, anonymous_id, email, raw = row
    facts = orjson.loads(raw)
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
        merged=tuple(facts.get("merged", ())),
    )
