"""Take one event in: dedupe -> decide -> save, inside the evaluating transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from homing.core import events, people
from homing.core.decide import Rules, decide
from homing.core.digests import digest8
from homing.core.effects import EventState
from homing.core.errors import Unavailable
from homing.core.events import Happened
from homing.core.people import Identity, IdKind
from homing.core.segment_calls import is_echo
from homing.core.sendgrid import UnusableEvent, fingerprint, identity_key, parse_event
from homing.core.splitting import Element
from homing.log import EVENT_QUARANTINED, log
from homing.ports import EventRow, Request
from homing.stages import erase, home, identity, reserve
from homing.stages.cause import Cause
from homing.stages.compose import TEST_ARG

if TYPE_CHECKING:
    from homing.core.people import Person
    from homing.core.sendgrid import EmailEvent
    from homing.ports import Clock, Tx

CONFLICT = "conflict: this id was taken in before with another body; the first stays"
ECHO = "echo: our own call came back"
OF_A_TEST = "of a test: an email sent by `homing send-test`"
OF_THE_ERASED = "erased: the person it was sent to has been deleted"
NOBODY = "no userId, anonymousId or address"


@dataclass(frozen=True, slots=True)
class Taken:
    """One element of one request on its way through."""

    request: Request
    item: int
    element: Element


@dataclass(slots=True)
class Taker:
    """
    What is done with one event.

    Args:
        rules: The plans in force.

        mint: Gives a random 40-bit tag per send.
    """

    clock: Clock
    rules: Rules
    mint: Callable[[], int]
    _known: identity.Known = field(default_factory=identity.Known)
    _surroundings: home.Surroundings = field(default_factory=home.Surroundings)

    def take(self, tx: Tx, taken: Taken, number: int) -> None:
        """Take in one element as event *number*; a row or a count says what became of it."""
        row = self._met(tx, taken, number)
        if row is None:
            tx.books.count("events:duplicates")
            return
        if row.state is EventState.PENDING:
            row = self._evaluated(tx, taken, row)
        if row.state is EventState.QUARANTINED:
            log.warning(EVENT_QUARANTINED, number=row.id, source=row.source, reason=row.reason)
        tx.events.add(row)
        tx.books.count("events:received")
        tx.books.count(f"events:{row.state}")

    def take_again(self, tx: Tx, taken: Taken, before: EventRow) -> str:
        """Evaluate a kept event again under its own number; the state it has now."""
        row = self._evaluated(tx, taken, _row(taken, before.id))
        tx.books.count(f"events:{before.state}", -1)
        tx.books.count(f"events:{row.state}")
        tx.events.replace(row)
        return row.state.value

    def forget_people(self) -> None:
        """Somebody else wrote persons: read them again."""
        self._known.forget()

    def _met(self, tx: Tx, taken: Taken, number: int) -> EventRow | None:
        """
        The row of an event met for the first time, its ids remembered; None for a duplicate.

        What its evaluation comes to does not matter: an event that comes again is the same.
        """
        row = _row(taken, number)
        names = _names_of(taken)
        body = digest8(taken.element.raw)
        for name in names:
            seen = tx.events.seen(name.key)
            if seen is None:
                continue
            if seen.body == body or name.says_all:
                return None
            return _quarantined(replace(row, message_id=name.shown), CONFLICT)
        for name in names:
            tx.events.remember(name.key, body=body, event=number, at=row.received_at)
        return row

    def _evaluated(self, tx: Tx, taken: Taken, row: EventRow) -> EventRow:
        row = replace(row, state=EventState.DONE)
        try:
            with tx.savepoint():
                return self._decided(tx, taken, row)
        except Unavailable:
            raise  # the store's trouble, not the event's
        except Exception as error:  # noqa: BLE001  a poison event must not stop its neighbours
            self._known.forget()
            return _poison(row, error)

    def _decided(self, tx: Tx, taken: Taken, row: EventRow) -> EventRow:
        if taken.element.reason is not None:
            return _quarantined(row, taken.element.reason)
        if taken.request.source.startswith("sendgrid/"):
            return self._of_sendgrid(tx, taken.element.data, row)
        return self._of_segment(tx, taken.element.data, row)

    def _of_segment(self, tx: Tx, data: Mapping[str, Any], row: EventRow) -> EventRow:
        reason = events.unusable_reason(data)
        if reason is not None:
            return _quarantined(row, reason)
        row = replace(
            row,
            type=data["type"],
            name=_name(data),
            message_id=_text(data.get("messageId")),
            at=events.event_time_ms(data, row.received_at),
        )
        if is_echo(data):
            return replace(row, state=EventState.FILTERED, reason=ECHO)
        if data["type"] == "delete" and people.identities_of(data):
            erase.erase_named(tx, self._known, data, now_ms=self.clock.now_ms())
            tx.events.ask_erasure([(row.request, row.item)])
            return replace(row, message_id=None)
        person = identity.person_of(tx, self._known, data)
        if person is None:
            return _quarantined(row, NOBODY)
        self._decide(tx, Happened(row.id, data, row.at, row.received_at), person)
        return replace(row, person=person.id)

    def _of_sendgrid(self, tx: Tx, data: Mapping[str, Any], row: EventRow) -> EventRow:
        try:
            event = parse_event(data, row.received_at)
        except UnusableEvent as error:
            return _quarantined(row, str(error))
        row = replace(row, type=event.type, message_id=event.sg_event_id or None, at=event.at_ms)
        if not event.known:
            return _quarantined(row, f"unknown SendGrid event {event.type[:40]!r}")
        if TEST_ARG in event.homing:
            home.take_suppressions(tx, event, self.rules.plans)
            return replace(row, state=EventState.FILTERED, reason=OF_A_TEST)
        correlated = home.correlate(tx, event)
        if correlated.send is not None and correlated.send.address is None:
            return self._of_erased(tx, event, row)
        person = self._whose(tx, event, correlated)
        now = self.clock.now_ms()
        heard = home.Heard(event, correlated, person, row.id, self.rules.plans, now)
        call = home.hear(tx, heard, self._surroundings)
        if person is not None and call is not None:
            happened = Happened(row.id, call, event.at_ms, row.received_at, engagement=True)
            self._decide(tx, happened, person)
        return replace(
            row,
            person=None if person is None else person.id,
            send=None if correlated.send is None else correlated.send.id,
            name=None if call is None else _name(call),
        )

    def _of_erased(self, tx: Tx, event: EmailEvent, row: EventRow) -> EventRow:
        """Of a send to somebody deleted since: an opt-out is heard, and nobody is made."""
        home.take_suppressions(tx, event, self.rules.plans)
        tx.suppressions.hide(event.email)
        tx.events.ask_erasure([(row.request, row.item)])
        return replace(row, message_id=None, state=EventState.FILTERED, reason=OF_THE_ERASED)

    def _whose(self, tx: Tx, event: EmailEvent, correlated: home.Correlated) -> Person | None:
        send = correlated.send
        if send is not None and not home.is_of_copy(event, send):
            person = tx.people.get(send.person)
            if person is not None:
                return person
        if not event.email:
            return None
        return identity.person_by(tx, self._known, Identity(IdKind.EMAIL, event.email))

    def _decide(self, tx: Tx, event: Happened, person: Person) -> None:
        decision = decide(event, person, self.rules)
        if decision.person is not person:
            tx.people.save(decision.person)
            self._known.keep(decision.person)
        if not decision.wishes:
            return
        cause = Cause(event, decision.person, self.rules.plans, self.clock.now_ms())
        for number, wish in enumerate(decision.wishes):
            reserve.carry_out(tx, wish, cause, number=number, mint=self.mint)


def message_key(message_id: str) -> int:
    """The key under which a Segment event's ``messageId`` is remembered."""
    return digest8(b"s:" + message_id.encode("utf-8", "replace"))


@dataclass(frozen=True, slots=True)
class _Id:
    """A name an event goes by; ``says_all`` if two events of that name are the same event."""

    key: int
    says_all: bool = False
    shown: str | None = None


def _names_of(taken: Taken) -> Sequence[_Id]:
    """
    By what an event is told from all others.

    Segment's by ``messageId``; SendGrid's by the print of what a redelivery repeats even when it
    has a new id, and by id with type, since two events may share an id. Without any: by its bytes.
    """
    data, raw = taken.element.data, taken.element.raw
    if taken.element.reason is None and taken.request.source.startswith("sendgrid/"):
        names = _names_of_engagement(data, taken.request.received_ms)
        if names:
            return names
    message_id = _text(data.get("messageId"))
    if message_id is not None:
        return (_Id(message_key(message_id), shown=message_id),)
    return (_Id(digest8(b"b:" + raw), says_all=True),)


def _names_of_engagement(data: Mapping[str, Any], received_ms: int) -> Sequence[_Id]:
    try:
        event = parse_event(data, received_ms)
    except UnusableEvent:
        return ()
    names = [_Id(int.from_bytes(fingerprint(event)[:8], signed=True), says_all=True)]
    own = identity_key(event)
    if own is not None:
        names.append(_Id(int.from_bytes(own[:8], signed=True), shown=event.sg_event_id))
    return names


def _row(taken: Taken, number: int) -> EventRow:
    received = taken.request.received_ms
    return EventRow(
        id=number,
        request=taken.request.seq,
        item=taken.item,
        source=taken.request.source,
        type=None,
        name=None,
        message_id=None,
        person=None,
        send=None,
        at=received,
        received_at=received,
        state=EventState.PENDING,
    )


def _quarantined(row: EventRow, reason: str) -> EventRow:
    return replace(row, state=EventState.QUARANTINED, reason=reason[:500])


def _poison(row: EventRow, error: Exception) -> EventRow:
    return _quarantined(row, f"could not be evaluated: {type(error).__name__}: {error}")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None


def _name(data: Mapping[str, Any]) -> str | None:
    name = data.get("event") if data.get("type") == "track" else data.get("name")
    return name[:500] if isinstance(name, str) else None
