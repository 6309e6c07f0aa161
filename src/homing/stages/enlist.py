"""
Contacts, lists and audiences that a decision asks for become rows.

A list's row says what is *wanted* of an address, the newest word; an effect only says that
SendGrid is to be told. So whatever comes doubled or in the wrong order, what is told in the end
is the last word.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from msgspec.structs import replace

from homing.core import people, segment_calls
from homing.core.decide import root_of
from homing.core.effects import Dest, NewEffect, WantAudience, WantContact, WantList
from homing.core.events import iso_time
from homing.core.mapping import MappingFailure
from homing.core.marketing import members
from homing.core.marketing.contacts import Contact, address_of_contact, resolved
from homing.core.marketing.members import ListMember
from homing.core.marketing.works import LIST, UPSERT, ListChange
from homing.core.plans import ContactFields
from homing.core.segment_calls import CallRefused
from homing.core.wire import json_bytes
from homing.ports import AudienceMember
from homing.stages.calls import add_call, cause_of, refuse_call, who_of
from homing.stages.unmade import UNMADE, Buried, bury, tell

if TYPE_CHECKING:
    from collections.abc import Iterable

    from homing.core.people import Person
    from homing.core.plans import ContactList, Plans, UpsertContact
    from homing.ports import Tx
    from homing.stages.cause import Cause

NO_ADDRESS = "no_email: nobody can be a contact without an address"
ENTERED, EXITED = "Audience Entered", "Audience Exited"
# what a context says of a person: of an entry or exit that a rule decided nobody said it
_OF_PERSON = frozenset({"traits", "personas", "consent"})
# the rule of what follows from another address
FOLLOWING = "lists"


def write_contact(tx: Tx, want: WantContact, cause: Cause) -> Buried | None:
    """Have the person's contact written; or why not."""
    return _Enlisting(tx, cause, want.rule).write_contact(want.contact)


def change_list(tx: Tx, want: WantList, cause: Cause) -> Buried | None:
    """Have the person on a list, or not; or why not."""
    enlisting = _Enlisting(tx, cause, want.rule)
    return enlisting.change(cause.plans.lists[want.list_name], member=want.member)


def change_audience(tx: Tx, want: WantAudience, cause: Cause) -> None:
    """Carry out that the person is in an audience now, or out: what follows it follows."""
    person, enlisting = cause.person, _Enlisting(tx, cause, want.rule)
    if not want.changed and people.is_member(person, want.audience) is not want.member:
        return  # something newer says otherwise
    if want.member:
        event = AudienceMember(person.id, cause.at_ms, cause.event.id)
        tx.members.enter(want.audience, event)
    else:
        tx.members.leave(want.audience, person.id)
    if cause.is_draft:
        return
    for target in cause.plans.lists_of(want.audience):
        enlisting.change(target, member=want.member, follows=True)
    if want.changed and not want.stated and want.audience in cause.plans.audiences_to_segment:
        enlisting.tell_segment(want)


def follow(tx: Tx, before: Person, cause: Cause) -> None:
    """
    Let lists follow whom they are about, if it was another address or other people *before*.

    With another address the person's lists move. Whoever is in an audience, by the newest word
    of two people that have become one, is on its lists, and who is not is on none.
    """
    person, stated = cause.person, people.audience_change(cause.event.data)
    address, old = _address(person), _address(before)
    # said once for each of a person's addresses, an audience says nothing of which is theirs
    has_moved = address != old and (old is None or stated is None)
    has_merged = person.merged != before.merged
    if not (has_moved or has_merged):
        return
    enlisting = _Enlisting(tx, cause, FOLLOWING)
    for row in tx.members.of_person(person.id):
        if has_moved and row.address == old and row.wanted:
            enlisting.move(row, address)
        elif has_merged and not row.wanted and row.told:
            # of two people that have become one, one wanted it
            enlisting.want(row.list_name, row.address, wanted=False, at_ms=row.at)
    for audience, (is_member, at) in person.audiences.items():
        if stated == (audience, is_member):
            continue  # its lists follow of themselves
        for target in cause.plans.lists_of(audience):
            enlisting.agree(target.name, address, member=is_member, at_ms=at)


def united(tx: Tx, person: Person) -> None:
    """Two people have become one: it is in the audiences in which it is by the newest word."""
    for audience, (is_member, _) in person.audiences.items():
        if not is_member:
            tx.members.leave(audience, person.id)


def derived_event(want: WantAudience, cause: Cause) -> dict[str, object]:
    """What routes and journeys see of an entry or an exit that a rule decided."""
    event, person = cause.event, cause.person
    context = event.data.get("context")
    about = context.items() if isinstance(context, dict) else ()
    return {
        "type": "track",
        "event": ENTERED if want.member else EXITED,
        "userId": person.user_id,
        "anonymousId": person.anonymous_id,
        "timestamp": iso_time(cause.at_ms),
        "context": {key: value for key, value in about if key not in _OF_PERSON},
        "properties": _properties(want),
    }


def contact_of(tx: Tx, row: ListMember, plans: Plans) -> Contact:
    """What an addition carries of a row's contact, as far as it is known now."""
    person = tx.people.get(row.person)
    if person is None:
        return Contact(row.address)
    try:
        return Contact(row.address, *resolved(plans.contacts.contact, _root_of(person)))
    except MappingFailure:
        return Contact(row.address)


def ask(tx: Tx, change: ListChange, *, lane: int, rule: str, now_ms: int) -> None:
    """
    Have SendGrid told what is wanted of a list and an address, because of no event.

    Args:
        lane: The person; of nobody we know, a negative number of its own.
    """
    tx.effects.add(
        NewEffect(
            dest=Dest.CONTACTS,
            kind=LIST,
            lane=lane,
            payload=json_bytes(msgspec.to_builtins(change)),
            event=None,
            rule=rule,
            person=lane if lane > 0 else None,
            made_at=now_ms,
            due_at=now_ms,
        )
    )
    tx.books.count("effects:contacts:ready")


@dataclass(frozen=True, slots=True)
class _Enlisting:
    """One rule's wishes for the person of a cause."""

    tx: Tx
    cause: Cause
    rule: str

    def write_contact(self, own: UpsertContact | None) -> Buried | None:
        """Have the contact written, with the fields of an action or those of ``[contacts]``."""
        try:
            contact = self._contact(self._address() or "", own)
        except MappingFailure as error:
            return bury(self.tx, self._row(UPSERT, UNMADE), str(error)[:500])
        if not contact.email:
            return self._give_up(UPSERT, contact)
        self._add(UPSERT, json_bytes(msgspec.to_builtins(contact)))
        return None

    def change(self, target: ContactList, *, member: bool, follows: bool = False) -> Buried | None:
        """Have the person on a list, or not; one that follows an audience waits for an address."""
        address = self._address()
        if member and address is None:
            if follows:
                self.tx.books.count("lists:no_email")
                return None
            return self._give_up(LIST, ListChange(target.name, Contact("")))
        addresses = set() if address is None else {address}
        if not member:
            # an exit is not said once for each of a person's addresses, as entries are
            rows = self.tx.members.of_person(self.cause.person.id)
            addresses |= {row.address for row in rows if row.list_name == target.name}
        for one in sorted(addresses):
            self.want(target.name, one, wanted=member, at_ms=self.cause.at_ms)
        return None

    def agree(self, list_name: str, address: str | None, *, member: bool, at_ms: int) -> None:
        """Have somebody on a list by one address at least, if there is one, or by none."""
        rows = self.tx.members.of_person(self.cause.person.id)
        on = [row for row in rows if row.list_name == list_name and row.wanted]
        if member and not on and address is not None:
            self.want_again(list_name, address, at_ms=at_ms)
        for row in () if member else on:
            self.want(list_name, row.address, wanted=False, at_ms=at_ms)

    def move(self, row: ListMember, address: str | None) -> None:
        """Have another address on a list in the place of the one that was left, if there is one."""
        if address is not None:
            self.want_again(row.list_name, address, at_ms=row.at)
        # of the list nothing newer was said; that the old address is left is of now
        left_at = max(row.at, self.cause.at_ms)
        self.want(row.list_name, row.address, wanted=False, at_ms=left_at)

    def want_again(self, list_name: str, address: str, *, at_ms: int) -> None:
        """Have an address on a list again that was left, perhaps later than it was wanted."""
        person = self.cause.person.id
        rows = self.tx.members.of_address(list_name, address)
        left_at = max((row.at for row in rows if row.person == person), default=at_ms)
        self.want(list_name, address, wanted=True, at_ms=max(at_ms, left_at))

    def want(self, list_name: str, address: str, *, wanted: bool, at_ms: int) -> None:
        """Keep what the person wants, unless something newer is; SendGrid is to be told."""
        rows = self.tx.members.of_address(list_name, address)
        nameless = self._nameless(rows)
        if wanted and self.cause.person.id in nameless and _has_left(rows, after=at_ms):
            return
        # whoever leaves takes along those who are nobody else
        speakers = {self.cause.person.id} if wanted else {self.cause.person.id, *nameless}
        said = ListMember(
            list_name, address, 0, wanted, at_ms, self.cause.event.id, changed_at=self.cause.now_ms
        )
        # of each: one of them may be told of though another is not
        asked = [self._keep(replace(said, person=one)) for one in sorted(speakers)]
        if any(asked):
            self._tell(said)

    def tell_segment(self, want: WantAudience) -> None:
        """A cohort reaches any tool: as a boolean trait, and as the event of its change."""
        cause, name = self.cause, ENTERED if want.member else EXITED
        why, who = cause_of(cause, f"audience/{want.audience}/{name}", 0), who_of(cause.person)
        track = partial(segment_calls.track_call, event=name, properties=_properties(want))
        identify = partial(segment_calls.identify_call, traits={want.audience: want.member})
        for kind, call in (("track", track), ("identify", identify)):
            try:
                add_call(self.tx, call(why, who, at_ms=cause.at_ms), cause, rule=self.rule)
            except CallRefused as error:
                refuse_call(self.tx, kind, cause, rule=self.rule, reason=str(error))

    def _nameless(self, rows: Iterable[ListMember]) -> set[int]:
        """Of who shares an address, those known by no userId: told apart from others by chance."""
        cause, found = self.cause, set[int]()
        if cause.person.user_id is None:
            found.add(cause.person.id)
        for row in rows:
            other = self.tx.people.get(row.person) if row.person != cause.person.id else None
            if other is not None and other.user_id is None:
                found.add(other.id)
        return found

    def _keep(self, said: ListMember) -> bool:
        """Keep what somebody wants, unless something newer is; whether SendGrid is to be told."""
        tx = self.tx
        rows = tx.members.of_address(said.list_name, said.address)
        before, kept = members.together(rows), members.heard(rows, said)
        if kept is None:
            return False
        tx.members.save(kept)
        others = (row for row in rows if row.person != said.person)
        after = members.together([kept, *others])
        if after is None or after.wanted is not said.wanted:
            return False  # somebody else who has the address should be on the list
        is_said_again = before is not None and before.wanted is said.wanted
        return after.is_open or not is_said_again

    def _tell(self, said: ListMember) -> None:
        contact = Contact(said.address)
        if said.wanted:
            try:
                contact = self._contact(said.address, None)
            except MappingFailure as error:
                self._fail(str(error)[:500])
        change = ListChange(said.list_name, contact)
        self._add(LIST, json_bytes(msgspec.to_builtins(change)))

    def _address(self) -> str | None:
        cause = self.cause
        # after a wait the event is only the run's last: the person may have moved since
        known = None if cause.by_event else _address(cause.person)
        return known or address_of_contact(cause.event.data, cause.person)

    def _contact(self, address: str, own: UpsertContact | None) -> Contact:
        cause, plan = self.cause, self.cause.plans.contacts.contact
        if own is not None:
            plan = ContactFields(
                plan.fields if own.fields is None else own.fields,
                plan.custom if own.custom is None else own.custom,
            )
        root = root_of(cause.event, cause.person, journey=cause.journey)
        return Contact(address, *resolved(plan, root))

    def _add(self, kind: str, payload: bytes) -> int:
        """Ask for an effect; its number."""
        number = self.tx.effects.add(self._row(kind, payload))
        self.tx.books.count("effects:contacts:ready")
        return number

    def _row(self, kind: str, payload: bytes) -> NewEffect:
        return self.cause.effect(Dest.CONTACTS, kind, payload, rule=self.rule)

    def _give_up(self, kind: str, payload: object) -> Buried:
        """Nobody can be a contact without an address: a row says so, and of whom."""
        number = self._add(kind, json_bytes(msgspec.to_builtins(payload)))
        self.tx.effects.dead(number, NO_ADDRESS)
        self.tx.books.count("effects:contacts:ready", -1)
        self.tx.books.count("effects:contacts:dead")
        return Buried(NO_ADDRESS)

    def _fail(self, reason: str) -> None:
        tell(self.tx, self.rule, reason, at=self.cause.now_ms)


def _address(person: Person) -> str | None:
    return address_of_contact({}, person)


def _root_of(person: Person) -> dict[str, object]:
    return {
        "type": "identify",
        "userId": person.user_id,
        "anonymousId": person.anonymous_id,
        "traits": person.traits,
        "context": {},
        "profile": person.traits,
        "journey": {},
        "send": {},
    }


def _has_left(rows: Iterable[ListMember], *, after: int) -> bool:
    return any(row.at > after and not row.wanted for row in rows)


def _properties(want: WantAudience) -> dict[str, object]:
    return {"audience_key": want.audience, want.audience: want.member}
