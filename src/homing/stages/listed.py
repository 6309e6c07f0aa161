"""Rows of SendGrid's suppression lists, and what they lack, become records and calls."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeGuard

import orjson

from homing.core.digests import address_trace
from homing.core.effects import Dest
from homing.core.people import Identity, IdKind
from homing.core.reconcile_suppressions import (
    Absence,
    Finding,
    ListName,
    Repair,
    Side,
    absence_of,
    finding_of,
    lifted,
    return_of,
)
from homing.core.suppression import HARD_SCOPES, group_of
from homing.log import SUPPRESSION_REPAIRED, log
from homing.stages import home
from homing.stages.opt import settle, tell_sendgrid

if TYPE_CHECKING:
    from homing.core.effects import SendRow
    from homing.core.people import Person
    from homing.core.plans import Plans
    from homing.core.readings import Reconciliation, Tally
    from homing.core.reconcile_suppressions import Listed
    from homing.core.sendgrid import EmailEvent
    from homing.core.suppression import Suppression
    from homing.ports import Tx

NAMED: Final = 1_000
"""So many findings of a reconciliation are kept by name; all are counted."""

LOGGED: Final = 100
"""So many of them are logged."""

READ: Final = 200

Place = tuple[str, str]
"""An address and a scope."""


@dataclass(slots=True)
class Told:
    """Addresses that SendGrid is about to be told of, or refused to hear of; read once."""

    _addresses: set[str] | None = None

    def holds(self, tx: Tx, address: str) -> bool:
        """Whether an address is one of them."""
        if self._addresses is None:
            self._addresses = _called(tx)
        return address in self._addresses

    def add(self, address: str) -> None:
        """SendGrid is about to be told of one more."""
        if self._addresses is not None:
            self._addresses.add(address)


def doubtful(tx: Tx, rows: Iterable[Listed | None]) -> list[Place]:
    """
    Rows that speak against an opt-in of ours, and may be on the list no more.

    A row is of the moment it was read; its time may be when we told SendGrid, long after the wish.
    """
    found: list[Place] = []
    for listed in rows:
        if listed is None or listed.change is None or listed.change.scope in HARD_SCOPES:
            continue
        record = tx.suppressions.of(listed.event.email).get(listed.change.scope)
        if record is not None and finding_of(record, listed.change) is Finding.MISSING_HERE:
            found.append((listed.event.email, listed.change.scope))
    called = _called(tx) if found else set()
    return [place for place in found if place[0] not in called]


def absent(
    batch: Iterable[tuple[str, Suppression]], kinds: Collection[Absence], *, end_s: int
) -> list[Place]:
    """Of opt-outs that a whole list lacks, those that come to one of *kinds*."""
    return [
        (address, record.scope)
        for address, record in batch
        if absence_of(record, end_s=end_s) in kinds
    ]


@dataclass(frozen=True, slots=True)
class Intake:
    """
    Takes rows of one list in, within one transaction; what is counted goes into *one*.

    Args:
        told: See `Told`.

        sure: Places that were asked of once more: SendGrid does have them.
    """

    tx: Tx
    one: Reconciliation
    list: ListName
    plans: Plans
    now_ms: int
    surroundings: home.Surroundings
    told: Told
    sure: Collection[Place] = ()

    @property
    def tally(self) -> Tally:
        """The list's."""
        return self.one.readings[self.list].tally

    def take_rows(self, rows: Iterable[Listed | None]) -> None:
        """Take rows in, once or again."""
        for listed in rows:
            self.tally.pulled += 1
            if listed is None:
                self.tally.unusable += 1
            elif listed.change is not None:
                self._take(listed.event, listed.change)
            elif self.list is ListName.GROUPS:
                unknown, group = self.tally.unknown_groups, str(listed.event.group_id)
                unknown[group] = unknown.get(group, 0) + 1

    def take_absent(self, batch: Iterable[tuple[str, Suppression]]) -> None:
        """Take opt-outs in that the whole list lacks."""
        for address, record in batch:
            self.tx.suppressions.mark(address, record.scope, reading=self.one.number)
            if self.tx.suppressions.of(address).get(record.scope) != record:
                continue  # decided anew since it was looked at
            if (address, record.scope) in self.sure:
                continue
            match absence_of(record, end_s=self.one.end_s):
                case Absence.MISSING_THERE:
                    self._repair_there(address, record)
                case Absence.LIFTED_THERE:
                    self._lift_here(address, record.scope)
                case Absence.GONE_THERE:
                    self.tally.gone_there += 1
                case _:
                    pass

    def _take(self, event: EmailEvent, change: Suppression) -> None:
        record = self.tx.suppressions.of(event.email).get(change.scope)
        if change.at_ms <= self.one.end_s * 1000:
            finding = finding_of(record, change)
            if finding is Finding.MISSING_HERE and self._is_sure(record, event.email, change.scope):
                self._repair_here(event, change)
            elif finding is Finding.BEHIND_THERE and self._is_old(record):
                self._repair_there(event.email, record)
        if self.one.marks(self.list):
            self.tx.suppressions.mark(event.email, change.scope, reading=self.one.number)

    def _is_old(self, record: Suppression | None) -> TypeGuard[Suppression]:
        """Whether SendGrid should have heard of it by then."""
        return record is not None and record.at_ms <= self.one.end_s * 1000

    def _is_sure(self, record: Suppression | None, address: str, scope: str) -> bool:
        return record is None or scope in HARD_SCOPES or (address, scope) in self.sure

    def _repair_here(self, event: EmailEvent, change: Suppression) -> None:
        """Record what SendGrid knows, and tell Segment as the event would have."""
        self.tally.missing_here += 1
        self._note(event.email, Side.HERE, change)
        send = _send_to(self.tx, event.email)
        # what was there before Homing is taken over; of whom we mailed, a webhook should have told
        is_old = self.one.readings[self.list].first and send is None
        self.one.missed += not is_old
        if self.one.dry:
            return
        self.tally.repaired_here += 1
        person = _whose(self.tx, event, send)
        if self.tx.suppressions.is_hidden(event.email):
            settle(self.tx, event.email, change)
            self.tx.suppressions.hide(event.email)
        elif is_old and person is None:
            # each stranger of years ago would become a profile at Segment
            settle(self.tx, event.email, change)
            self.tx.books.count("suppressions:added")
        else:
            correlated = home.correlate(self.tx, event)
            heard = home.Heard(event, correlated, person, None, self.plans, self.now_ms)
            home.hear_listed(self.tx, heard, change, surroundings=self.surroundings)

    def _lift_here(self, address: str, scope: str) -> None:
        number = self.plans.groups.get(group_of(scope) or "")
        if number is not None:  # a reload may have taken it
            event = return_of(address, number, end_s=self.one.end_s)
            self._repair_here(event, lifted(scope, end_s=self.one.end_s))

    def _repair_there(self, address: str, record: Suppression) -> None:
        """Tell SendGrid what it does not know, unless it is being told, or would not hear of it."""
        if self.told.holds(self.tx, address):
            return
        self.tally.missing_there += 1
        self._note(address, Side.THERE, record)
        if self.one.dry:
            return
        person = _person_at(self.tx, address)
        self.tally.repaired_there += tell_sendgrid(
            self.tx, address, record, groups=self.plans.groups,
            person=None if person is None else person.id, event=None, now_ms=self.now_ms,
        )  # fmt: skip
        self.told.add(address)

    def _note(self, address: str, side: Side, change: Suppression) -> None:
        if self.one.missing > NAMED:
            return
        repair = Repair(self.list, address, side, change.suppressed, change.at_ms)
        self.tx.suppressions.note(repair, reading=self.one.number)
        if self.one.missing > LOGGED:
            return
        log.info(
            SUPPRESSION_REPAIRED, list=self.list.value, address=address, missing=side.value,
            suppressed=change.suppressed, dry_run=self.one.dry,
        )  # fmt: skip


def _send_to(tx: Tx, address: str) -> SendRow | None:
    """The newest send to an address, however old: who somebody is does not age."""
    return next(iter(tx.sends.by_trace(address_trace(address), limit=1)), None)


def _whose(tx: Tx, event: EmailEvent, send: SendRow | None) -> Person | None:
    if send is not None and not home.is_of_copy(event, send):
        person = tx.people.get(send.person)
        if person is not None:
            return person
    return _person_at(tx, event.email)


def _person_at(tx: Tx, address: str) -> Person | None:
    number = tx.people.find(Identity(IdKind.EMAIL, address))
    return None if number is None else tx.people.get(number)


def _called(tx: Tx) -> set[str]:
    return {str(orjson.loads(payload).get("address")) for payload in _payloads(tx)}


def _payloads(tx: Tx) -> Iterator[bytes]:
    after = 0
    while ready := tx.effects.ready(Dest.SUPPRESSIONS, after=after, limit=READ):
        yield from (effect.payload for effect in ready)
        after = ready[-1].id
    before = None
    while dead := tx.effects.dead_newest(before=before, limit=READ):
        for row in dead:
            payload = row["payload"]
            if row["dest"] == Dest.SUPPRESSIONS and isinstance(payload, bytes):
                yield payload
        before = int(str(dead[-1]["id"]))
