"""Finds what a person at a terminal names: an event, a send, somebody."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from homing.cli.listing import PAGE, newest
from homing.core import people
from homing.core.digests import address_trace
from homing.core.effects import send_number
from homing.core.journeys.run import run_of
from homing.core.people import Identity, IdKind
from homing.core.sendgrid import KNOWN_TYPES, EmailEvent, identity_key
from homing.stages.act import NotThere, event_number, find_send
from homing.stages.draft import message_key

if TYPE_CHECKING:
    from homing.core.effects import SendRow
    from homing.core.journeys.run import Run
    from homing.core.people import Person
    from homing.ports import EventRow, LogReader, Tx


def find_person(tx: Tx, name: str) -> Person | None:
    """By userId, else anonymousId, else address; of an address, also one that is but a trait."""
    names = (
        Identity(IdKind.USER, name),
        Identity(IdKind.ANONYMOUS, name),
        Identity(IdKind.EMAIL, name.strip().lower()),
    )
    for identity in names:
        number = tx.people.find(identity)
        person = None if number is None else tx.people.get(number)
        if person is not None:
            return person
    return next(people_at(tx, name), None)


def people_named(tx: Tx, name: str) -> list[Person]:
    """
    Everybody who goes by a name: one by userId or anonymousId, else all who have the address.

    Raises:
        NotThere: Nobody does.
    """
    for kind in (IdKind.USER, IdKind.ANONYMOUS):
        number = tx.people.find(Identity(kind, name))
        person = None if number is None else tx.people.get(number)
        if person is not None:
            return [person]
    first = person_named(tx, name)
    others = (person for person in people_at(tx, name) if person.id != first.id)
    return [first, *others]


def people_at(tx: Tx, address: str) -> Iterator[Person]:
    """
    Everybody with an address, newest first; looks at every person.

    A track call's ``context.traits.email`` is a trait of its person, not a name of theirs.
    """
    wanted = address.strip().lower()
    if "@" not in wanted:
        return
    for person in newest(lambda at: tx.people.newest(before=at, limit=PAGE), lambda one: one.id):
        if wanted in (person.email, people.email_in(dict(person.traits))):
            yield person


def person_named(tx: Tx, name: str) -> Person:
    """
    Somebody who goes by that name.

    Raises:
        NotThere: Nobody does.
    """
    person = find_person(tx, name)
    if person is None:
        msg = f"nobody goes by {name!r}: expected a userId, an anonymousId or an address"
        raise NotThere(msg)
    return person


def find_run(tx: Tx, name: str) -> Run | None:
    """By "r12", else 12, else the id of a send that it reserved."""
    digits = name[1:] if name[:1] in {"r", "R"} else name
    if digits.isascii() and digits.isdigit() and len(digits) < 19:
        return tx.runs.get(int(digits))
    if send_number(name) is None:
        return None
    number = run_of(find_send(tx, name).origin)
    return None if number is None else tx.runs.get(number)


def run_named(tx: Tx, name: str) -> Run:
    """
    One run of a journey.

    Raises:
        NotThere: There is none.
    """
    run = find_run(tx, name)
    if run is None:
        msg = f"no run {name}"
        raise NotThere(msg)
    return run


def find_event(tx: Tx, name: str) -> EventRow | None:
    """By "e12", else 12, else its messageId or sg_event_id."""
    number = event_number(name)
    if number is None and name.isascii() and name.isdigit() and len(name) < 19:
        number = int(name)
    row = None if number is None else tx.events.get(number)
    return row or _event_by_id(tx, name)


def event_named(tx: Tx, name: str) -> EventRow:
    """
    One event.

    Raises:
        NotThere: There is none.
    """
    row = find_event(tx, name)
    if row is None:
        msg = f"no event {name}"
        raise NotThere(msg)
    return row


def _event_by_id(tx: Tx, name: str) -> EventRow | None:
    keys = [message_key(name)]
    for kind in KNOWN_TYPES:
        own = identity_key(EmailEvent(kind, sg_event_id=name))
        if own is not None:
            keys.append(int.from_bytes(own[:8], signed=True))
    for key in keys:
        seen = tx.events.seen(key)
        row = None if seen is None else tx.events.get(seen.event)
        if row is not None:
            return row
    return None


def event_data(reader: LogReader | None, row: EventRow) -> Mapping[str, Any] | None:
    """What an event said, from the log; None once retention or erasure took it."""
    raw = event_bytes(reader, row)
    return None if raw is None else raw[1]


def event_bytes(reader: LogReader | None, row: EventRow) -> tuple[bytes, Mapping[str, Any]] | None:
    """An event's own bytes in the log, and what they say."""
    from homing.core.splitting import split_events

    request = None if reader is None else reader.request(row.request)
    if request is None or request.seq != row.request:
        return None
    elements = split_events(request.body).elements
    if row.item >= len(elements):
        return None
    return elements[row.item].raw, elements[row.item].data


def numbers_of(person: Person) -> tuple[int, ...]:
    """Every number a person has gone by."""
    return (person.id, *person.merged)


def addresses_of(tx: Tx, person: Person) -> list[str]:
    """Every address of a person, the one now in use first."""
    known = [name.value for name in tx.people.identities(person.id) if name.kind is IdKind.EMAIL]
    trait = people.email_in(dict(person.traits))
    found = [one for one in (person.address, person.email, trait, *known) if one]
    return list(dict.fromkeys(found))


def sends_of(tx: Tx, person: Person, *, limit: int) -> list[SendRow]:
    """A person's newest sends, newest first: of their events and runs, to their addresses."""
    numbers = numbers_of(person)
    found = {row.id: row for row in tx.sends.open_of_person(person.id)}
    for address in addresses_of(tx, person):
        for row in tx.sends.by_trace(address_trace(address), limit=limit):
            if row.person in numbers:
                found[row.id] = row
    for run in tx.runs.newest_of(person.id, limit=limit):
        found |= {row.id: row for row in tx.sends.of_run(run.id)}
    for event in tx.events.of_person(numbers, limit=limit):
        found |= {row.id: row for row in tx.sends.of_event(event.id)}
    return sorted(found.values(), key=lambda row: -row.id)[:limit]
