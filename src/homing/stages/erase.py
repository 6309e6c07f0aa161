"""Erase: what is stored of a person goes; only a keyed hash stays, so that an opt-out survives."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from homing.core import people
from homing.core.digests import address_trace
from homing.core.effects import EffectState, SendFlag
from homing.core.people import Identity, IdKind
from homing.log import PERSON_ERASED, log
from homing.stages import moves
from homing.stages.identity import Known

if TYPE_CHECKING:
    from homing.core.effects import SendRow
    from homing.core.journeys.run import Run
    from homing.core.people import Person
    from homing.ports import EventRow, Tx

MAX_HISTORY = 100_000
SEND_STATES_THAT_STOP = frozenset({"reserved", "retry", "parked", "unknown"})


@dataclass(frozen=True, slots=True)
class Erased:
    """What went, counted."""

    people: int
    sends: int
    events: int
    runs: tuple[Run, ...] = ()  # those that waited


def erase_named(tx: Tx, known: Known, data: Mapping[str, Any], *, now_ms: int) -> Erased:
    """Carry out a ``delete`` event: by userId, else anonymousId, else address."""
    return erase(tx, known, people.identities_of(data), now_ms=now_ms)


def erase(tx: Tx, known: Known, identities: Iterable[Identity], *, now_ms: int) -> Erased:
    """
    Erase everybody who goes by one of these names, and all their other names.

    Pending sends are cancelled; sends that were made stay in the books without saying to whom.
    """
    persons = _persons(tx, identities)
    events, sends = 0, 0
    runs: list[Run] = []
    for person in persons.values():
        ids = (person.id, *person.merged)
        addresses = _addresses(tx, person)
        rows = tx.events.of_person(ids, limit=MAX_HISTORY)
        events += len(rows)
        sent = _sends(tx, ids, addresses=addresses, events=rows)
        sends += _strike_sends(tx, sent, now_ms=now_ms)
        for row in rows:
            tx.events.anonymise(row.id)
        tx.events.ask_erasure((row.request, row.item) for row in rows)
        _drop_effects(tx, ids)
        runs += tx.runs.erase(ids)
        tx.people.delete(ids, last_event=tx.events.cursor().next_event)
        for address in addresses:
            tx.suppressions.hide(address)
    known.forget()
    tx.books.count("people:erased", len(persons))
    log.info(PERSON_ERASED, people=len(persons), sends=sends, events=events)
    return Erased(len(persons), sends, events, tuple(runs))


def _persons(tx: Tx, identities: Iterable[Identity]) -> dict[int, Person]:
    found: dict[int, Person] = {}
    for identity in identities:
        number = tx.people.find(identity)
        person = None if number is None else tx.people.get(number)
        if person is not None:
            found[person.id] = person
        if identity.kind is IdKind.USER:
            break  # a delete names its person by userId: whoever shares the address stays
    return found


def _addresses(tx: Tx, person: Person) -> set[str]:
    named = {name.value for name in tx.people.identities(person.id) if name.kind is IdKind.EMAIL}
    trait = people.email_in(dict(person.traits))
    return {address for address in (*named, person.email, trait) if address}


def _drop_effects(tx: Tx, ids: tuple[int, ...]) -> None:
    for (dest, state), n in tx.effects.erase(ids).items():
        tx.books.count(f"effects:{dest}:{state}", -n)
        tx.books.count(f"effects:{dest}:{EffectState.DROPPED}", n)


def _sends(
    tx: Tx, ids: tuple[int, ...], *, addresses: set[str], events: Iterable[EventRow]
) -> dict[int, SendRow]:
    """
    Sends to a person: what is open, what went to an address of theirs, what an event or a run
    caused, wherever it went.
    """
    found = [row for number in ids for row in tx.sends.open_of_person(number)]
    for run in (run for number in ids for run in tx.runs.newest_of(number, limit=MAX_HISTORY)):
        found += tx.sends.of_run(run.id)
    for address in addresses:
        found += tx.sends.by_trace(address_trace(address), limit=MAX_HISTORY)
    for event in events:
        found += tx.sends.of_event(event.id)
    return {row.id: row for row in found if row.person in ids}


def _strike_sends(tx: Tx, sends: Mapping[int, SendRow], *, now_ms: int) -> int:
    for row in sends.values():
        if row.state in SEND_STATES_THAT_STOP:
            moves.move(tx, row, "skipped")
            row.reason, row.lane, row.head, row.unknown_due = "erased", None, 0, None
            tx.sends.save(row)
        elif row.silent_due is not None or row.flags & SendFlag.SILENT:
            _hush(tx, row)
        tx.sends.erase(row.id)
    return len(sends)


def _hush(tx: Tx, row: SendRow) -> None:
    """Nothing will be heard of it any more: that says nothing of its template."""
    if row.flags & SendFlag.SILENT:
        tx.books.count("sends_silent", -1)
    row.silent_due, row.flags = None, row.flags & ~SendFlag.SILENT
    tx.sends.save(row)
