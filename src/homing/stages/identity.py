"""Whose event is it? Finds, makes, links and merges persons, inside the event's transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from homing.core import people
from homing.core.people import Identity, IdKind, Person

if TYPE_CHECKING:
    from homing.ports import Tx

# busy ones come again soon; each costs a few KB
MAX_KNOWN = 5_000
NAMES_OF_ONE = 3


United: TypeAlias = Callable[["Tx", int], None]


class Known:
    """
    Persons lately met, so that a busy one is not read again for each event.

    Forgotten as a whole whenever a transaction was undone or somebody else wrote persons.
    """

    def __init__(self) -> None:
        self._persons: dict[int, Person] = {}
        self._names: dict[Identity, int] = {}

    def find(self, tx: Tx, identity: Identity) -> Person | None:
        """Who goes by that name."""
        number = self._names.get(identity)
        if number is None:
            number = tx.people.find(identity)
            if number is None:
                return None
            self._make_room()
            self._names[identity] = number
        return self.get(tx, number)

    def get(self, tx: Tx, number: int) -> Person | None:
        """One person; None if there is none of that number."""
        person = self._persons.get(number)
        if person is None:
            person = tx.people.get(number)
            if person is not None and person.id != number:
                return self.get(tx, person.id)  # merged: remembered under one number only
            if person is not None:
                self._make_room()
                self._persons[number] = person
        return person

    def keep(self, person: Person, names: Sequence[Identity] = ()) -> None:
        """Remember a person as just written."""
        self._make_room()
        self._persons[person.id] = person
        for name in names:
            self._names[name] = person.id

    def forget(self) -> None:
        """Read everybody again."""
        self._persons.clear()
        self._names.clear()

    def _make_room(self) -> None:
        if len(self._persons) >= MAX_KNOWN or len(self._names) >= NAMES_OF_ONE * MAX_KNOWN:
            self.forget()


def person_of(tx: Tx, known: Known, data: Mapping[str, Any], *, united: United) -> Person | None:
    """
    The person of a Segment event, made or merged if need be; None if it names nobody.

    ``userId``, else ``anonymousId``, else address. An identify that carries several links them;
    ``alias`` merges what ``previousId`` names into the ``userId`` person.

    Args:
        united: Told who two people have become.
    """
    names = people.identities_of(data)
    if not names:
        return None
    if data.get("type") == "alias":
        return _aliased(tx, known, data, names=names, united=united)
    if data.get("type") == "identify" and len(names) > 1:
        return _linked(tx, known, names, united=united)
    return _found_or_made(tx, known, names[:1])


def person_by(tx: Tx, known: Known, identity: Identity) -> Person:
    """The person of that name, made if there is none."""
    return _found_or_made(tx, known, (identity,))


def _found_or_made(tx: Tx, known: Known, names: Sequence[Identity]) -> Person:
    person = known.find(tx, names[0])
    if person is None:
        person = tx.people.add(names)
        known.keep(person, names)
    return person


def _linked(tx: Tx, known: Known, names: Sequence[Identity], *, united: United) -> Person:
    """The strongest name's person, with the other names led to it."""
    person = known.find(tx, names[0])
    for name in names[1:]:
        other = known.find(tx, name)
        if person is None:
            # who was anonymous, or an address, until now gets a name; somebody else's does not
            person = other if other is not None and other.user_id is None else None
        elif other is not None and other.id != person.id and _is_nobody_else(other, name):
            person = _merged(tx, known, winner=person, loser=other, united=united)
    if person is None:
        person = tx.people.add(names[:1])
    after = people.with_identities(person, names)
    for name in names:
        if _may_lead(tx, known, name, person=after):
            tx.people.link(name, after.id)
            known.keep(after, (name,))
    if after != person:
        tx.people.save(after)
    known.keep(after)
    return after


def _is_nobody_else(other: Person, name: Identity) -> bool:
    """
    Whether *other* is but another name of the one who is now identified.

    People are not merged by address: two userIds may share one.
    """
    if name.kind is IdKind.EMAIL:
        return other.user_id is None and other.anonymous_id is None
    return other.user_id is None


def _may_lead(tx: Tx, known: Known, name: Identity, *, person: Person) -> bool:
    other = known.find(tx, name)
    if other is None:
        return True
    # a shared address stays with the one who had it first; a device goes to the last user
    return other.id != person.id and name.kind is IdKind.ANONYMOUS


def _aliased(
    tx: Tx, known: Known, data: Mapping[str, Any], *, names: Sequence[Identity], united: United
) -> Person:
    winner = _found_or_made(tx, known, names[:1])
    previous = data.get("previousId")
    if not isinstance(previous, str) or not previous:
        return winner
    for kind in (IdKind.USER, IdKind.ANONYMOUS, IdKind.EMAIL):
        value = previous.lower() if kind is IdKind.EMAIL else previous
        loser = known.find(tx, Identity(kind, value))
        if loser is not None and loser.id != winner.id:
            return _merged(tx, known, winner=winner, loser=loser, united=united)
        if loser is not None:
            return winner
    before = Identity(IdKind.ANONYMOUS, previous)
    tx.people.link(before, winner.id)
    known.keep(winner, (before,))
    return winner


def _merged(tx: Tx, known: Known, *, winner: Person, loser: Person, united: United) -> Person:
    merged = people.merge(winner, loser)
    tx.people.merge(loser.id, merged)
    united(tx, merged.id)
    known.forget()
    known.keep(merged)
    return merged
