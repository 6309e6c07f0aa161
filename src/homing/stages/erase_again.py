"""Erase again: what a restored backup brought back of people who were erased after it was made."""

from __future__ import annotations

from typing import TYPE_CHECKING

from homing.core.erasure import Asked
from homing.core.people import Identity, IdKind
from homing.log import ERASURES_REPEATED, log
from homing.stages.erase import Asking, erase_people
from homing.stages.identity import Known

if TYPE_CHECKING:
    from homing.core.erasure import Entry
    from homing.core.people import Person
    from homing.core.plans import Plans
    from homing.ports import Tx


def erase_again(tx: Tx, plans: Plans, *, now_ms: int) -> int:
    """
    Erase everybody of whom the journal says so and this store does not know.

    Whoever came back after their erasure is not in a store older than it: they stay.

    Returns:
        How many erasures were repeated.
    """
    entries = tx.erasures.to_repeat()
    if entries:
        names = tx.erasures.named_by(entries)
        for entry in entries:
            _erase(tx, entry, list(names.get(entry.id, ())), plans=plans, now_ms=now_ms)
        log.warning(ERASURES_REPEATED, erasures=len(entries))
    tx.erasures.repeated()
    return len(entries)


def _erase(tx: Tx, entry: Entry, names: list[Identity], *, plans: Plans, now_ms: int) -> None:
    persons = {}
    for name in names:
        number = tx.people.find(name)
        person = None if number is None else tx.people.get(number)
        if person is not None and _is_meant(person, name, entry):
            persons[person.id] = person
    # a name that is another's by now stays theirs
    own = [name for name in names if tx.people.find(name) in (None, *persons)]
    asked = Asking(Asked.RESTORE, now_ms, entry.at, entry.request, 0, entry)
    erase_people(tx, Known(), [*persons.values()], names=own, asked=asked, plans=plans)


def _is_meant(person: Person, name: Identity, entry: Entry) -> bool:
    """Whoever only shares the address of somebody erased stays, as they did then."""
    return name.kind is not IdKind.EMAIL or entry.whole or person.user_id is None
