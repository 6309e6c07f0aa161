"""
Erase: what is stored of a person goes; only a keyed hash stays, so that an opt-out survives.

This is the part in one transaction. What takes longer (the log's bytes, SendGrid, the files) is
seen through by stages/erasing.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from homing.core import people
from homing.core.digests import address_trace
from homing.core.effects import Dest, Effect, EffectState, NewEffect, SendFlag
from homing.core.erasure import Asked, Done, Entry, NewErasure, Step, pattern_of, struck
from homing.core.marketing.contacts import refusal_of_address
from homing.core.marketing.jobs import JobKind
from homing.core.marketing.works import ERASE, Erasure, address_in
from homing.core.people import Identity, IdKind
from homing.log import PERSON_ERASED, log
from homing.stages import crash, moves
from homing.stages.contact_jobs import part_of

if TYPE_CHECKING:
    from homing.core.effects import SendRow
    from homing.core.journeys.run import Run
    from homing.core.people import Person
    from homing.core.plans import Plans
    from homing.ports import EventRow, Tx
    from homing.stages.identity import Known

MAX_HISTORY = 100_000
SEND_STATES_THAT_STOP = frozenset({"reserved", "retry", "parked", "unknown"})
RULE = "erasure"
# what a call whose answer nobody knows has written may come to be seen only later
LATE_MS = 30_000
_WORDS = {IdKind.USER: "userId", IdKind.ANONYMOUS: "anonymousId", IdKind.EMAIL: "address"}


@dataclass(frozen=True, slots=True)
class Asking:
    """
    An erasure as it is asked for.

    What stands in the log before element *item* of *request* came before it, received up to *at*
    (unix ms); *now_ms* is when it is carried out.
    """

    by: Asked
    now_ms: int
    at: int
    request: int
    item: int
    entry: Entry | None = None


@dataclass(frozen=True, slots=True)
class Erased:
    """What went, counted; ``repeats`` is the erasure that had done it all before."""

    number: int
    people: int = 0
    sends: int = 0
    events: int = 0
    addresses: int = 0
    runs: tuple[Run, ...] = ()  # those that waited
    repeats: int | None = None


def erase(
    tx: Tx, known: Known, identities: Sequence[Identity], *, asked: Asking, plans: Plans
) -> Erased:
    """
    Erase everybody who goes by one of these names, and all their other names.

    Pending sends are cancelled; sends that were made stay in the books without saying to whom.
    SendGrid is to be told of each of their addresses. A name that was erased before, and is
    nobody's now, is only recorded.
    """
    persons = [*persons_of(tx, identities).values()]
    return erase_people(tx, known, persons, names=identities, asked=asked, plans=plans)


def erase_people(
    tx: Tx,
    known: Known,
    persons: Sequence[Person],
    *,
    names: Sequence[Identity],
    asked: Asking,
    plans: Plans,
) -> Erased:
    """The same for persons who were found already; *names* are others for them."""
    going = _Going(tx, asked, plans)
    for name in names:
        going.names[name] = None
        if name.kind is IdKind.EMAIL:
            going.add_address(name.value)
    # what is evaluated in this transaction from now on must not know them
    known.forget()
    for person in persons:
        going.let_go(person)
    going.let_go_of_addresses()
    return going.record(names)


def persons_of(tx: Tx, identities: Iterable[Identity]) -> dict[int, Person]:
    """Who goes by one of these names, by number."""
    found: dict[int, Person] = {}
    for identity in identities:
        number = tx.people.find(identity)
        person = None if number is None else tx.people.get(number)
        if person is not None:
            found[person.id] = person
        if identity.kind is IdKind.USER:
            break  # a delete names its person by userId: whoever shares the address stays
    return found


@dataclass(slots=True)
class _Going:
    """Those who go, and what has gone with them."""

    tx: Tx
    asked: Asking
    plans: Plans
    names: dict[Identity, None] = field(default_factory=dict)
    lane_of: dict[str, int | None] = field(default_factory=dict)  # by address
    people: list[int] = field(default_factory=list)
    persons: int = 0
    sends: int = 0
    events: int = 0
    effects: int = 0
    runs: list[Run] = field(default_factory=list)

    def add_address(self, address: str, person: int | None = None) -> None:
        """An address of theirs, and the person whose lane what is said of it leaves in."""
        self.names[Identity(IdKind.EMAIL, address)] = None
        if self.lane_of.get(address) is None:
            self.lane_of[address] = person

    def let_go(self, person: Person) -> None:
        """Erase one of them here."""
        tx, ids = self.tx, (person.id, *person.merged)
        addresses = self._addresses(person, ids)
        self.names |= dict.fromkeys(tx.people.identities(person.id))
        rows = tx.events.of_person(ids, limit=MAX_HISTORY)
        sent = _sends(tx, ids, addresses=addresses, events=rows)
        self.sends += _strike_sends(tx, sent)
        strike_events(tx, rows, [name.value for name in self.names])
        self.effects += drop_effects(tx, ids)
        self.runs += tx.runs.erase(ids)
        for number in ids:
            tx.members.erase((number,))
        tx.people.delete(ids, last_event=tx.events.cursor().next_event)
        self.persons, self.events = self.persons + 1, self.events + len(rows)
        self.people += ids

    def let_go_of_addresses(self) -> None:
        """Who is known by one of their addresses, and by no userId, is nobody else."""
        for address in list(self.lane_of):
            number = self.tx.people.find(Identity(IdKind.EMAIL, address))
            person = None if number is None else self.tx.people.get(number)
            if person is not None and person.user_id is None:
                self.let_go(person)

    def record(self, identities: Sequence[Identity]) -> Erased:
        """What is left: opt-outs under their hash, what SendGrid is to be told, the record."""
        tx, asked = self.tx, self.asked
        for address in self.lane_of:
            tx.suppressions.hide(address)
        tx.books.strike({name.value for name in self.names})
        repeats = None
        if not self.people and identities:
            repeats = tx.erasures.earlier(identities[0])
        names = () if repeats is not None else tuple(self.names)
        whole = any(name.kind is IdKind.EMAIL for name in identities[:1])
        number = tx.erasures.add(
            NewErasure(
                asked.at, asked.by, names, tuple(self.people), asked.request, asked.item, whole,
                asked.entry,
            )
        )  # fmt: skip
        # of one that repeats another nothing was there that had not gone
        addresses = 0 if repeats is not None else len(self.lane_of)
        self._note(number, identities, repeats, addresses=addresses)
        if repeats is None:
            self._tell_sendgrid(number)
        crash.reached(crash.ERASED)
        tx.books.count("people:erased", self.persons)
        tx.books.count("erasures")
        log.info(
            PERSON_ERASED, erasure=number, by=asked.by.value, people=self.persons,
            sends=self.sends, events=self.events, addresses=addresses,
        )  # fmt: skip
        return Erased(
            number, self.persons, self.sends, self.events, addresses, tuple(self.runs), repeats
        )

    def _note(
        self, number: int, identities: Sequence[Identity], repeats: int | None, *, addresses: int
    ) -> None:
        tx, at = self.tx, self.asked.now_ms
        by: dict[str, int | str] = {"by": self.asked.by.value}
        if identities:
            by["named"] = _WORDS[identities[0].kind]
        tx.erasures.note(number, Done(Step.ASKED, at, by))
        gone: dict[str, int | str] = {
            "people": self.persons, "sends": self.sends, "events": self.events,
            "effects": self.effects, "runs": len(self.runs), "addresses": addresses,
        }  # fmt: skip
        if repeats is not None:
            gone["repeats"] = repeats
        tx.erasures.note(number, Done(Step.LOCAL, at, gone))
        if repeats is not None or not self.names:
            tx.erasures.note(number, Done(Step.SEARCHED, at, {"elements": 0}))

    def _tell_sendgrid(self, number: int) -> None:
        tx, now, lacks = self.tx, self.asked.now_ms, self.plans.sendgrid_lacks
        if lacks:
            _strike_jobs(tx)
            if self.lane_of:
                skipped: dict[str, int | str] = {"skipped": lacks, "addresses": len(self.lane_of)}
                tx.erasures.note(number, Done(Step.SENDGRID, now, skipped))
            return
        late = _may_come_late(tx)
        # what SendGrid takes for no address it has never taken as a contact
        told = {one: whose for one, whose in self.lane_of.items() if not refusal_of_address(one)}
        for address, person in told.items():
            lane = person or next(iter(self.people), -number)
            tx.effects.add(
                NewEffect(
                    dest=Dest.CONTACTS,
                    kind=ERASE,
                    lane=lane,
                    payload=msgspec.json.encode(Erasure(address)),
                    event=None,
                    rule=RULE,
                    person=lane,
                    made_at=now,
                    due_at=now + (LATE_MS if address in late else 0),
                )
            )
        tx.books.count("effects:contacts:ready", len(told))

    def _addresses(self, person: Person, ids: tuple[int, ...]) -> set[str]:
        tx = self.tx
        names = tx.people.identities(person.id)
        found = {name.value for name in names if name.kind is IdKind.EMAIL}
        found |= {member.address for number in ids for member in tx.members.of_person(number)}
        found |= {address_in(one) for one in tx.effects.open_of(ids, dest=Dest.CONTACTS)}
        dead = (row for row in tx.effects.dead_of(ids) if row["dest"] == Dest.CONTACTS)
        found |= {address_in(_effect(row)) for row in dead if row["payload"]}
        trait = people.email_in(dict(person.traits))
        found |= {address for address in (person.email, trait) if address}
        for address in sorted(found):
            self.add_address(address, person.id)
        return found


def drop_effects(tx: Tx, ids: Sequence[int]) -> int:
    """Drop what was still to be done for persons; how much."""
    dropped = 0
    for (dest, state), n in tx.effects.erase(ids).items():
        tx.books.count(f"effects:{dest}:{state}", -n)
        tx.books.count(f"effects:{dest}:{EffectState.DROPPED}", n)
        dropped += n
    return dropped


def strike_events(tx: Tx, rows: Iterable[EventRow], names: Sequence[str]) -> None:
    """Let events tell of nobody, and have their bytes taken out of the log."""
    kept = list(rows)
    named = pattern_of(names)
    for row in kept:
        tx.events.anonymise(row.id)
        said = (row.type, row.name, row.reason)
        kind, name, reason = (None if text is None else struck(text, named) for text in said)
        if (kind, name, reason) != said:
            tx.events.replace(
                replace(row, person=None, message_id=None, type=kind, name=name, reason=reason)
            )
    tx.events.ask_erasure((row.request, row.item) for row in kept)


def _effect(row: Mapping[str, object]) -> Effect:
    columns = ("id", "kind", "lane", "due_at", "attempt", "event", "person", "made_at", "payload")
    return Effect(*(row[name] for name in columns))  # type: ignore[arg-type]  # its own columns


def _may_come_late(tx: Tx) -> set[str]:
    """Addresses that a call may have written of which nobody knows what came of it."""
    unknown = (
        job for job in tx.jobs.all()
        if job.kind is JobKind.UPSERT and job.remote is None and job.calls
    )  # fmt: skip
    return {address for job in unknown for address in job.addresses}


def _strike_jobs(tx: Tx) -> None:
    """Where nothing leaves, a job that stays says nothing of those whose effects are gone."""
    for job in tx.jobs.all():
        left = tx.effects.many(job.effects)
        if not left:
            tx.jobs.drop(job.number)
        elif len(left) < len(job.effects):
            tx.jobs.save(part_of(job, left))


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


def _strike_sends(tx: Tx, sends: Mapping[int, SendRow]) -> int:
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
