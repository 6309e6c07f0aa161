"""
Home: what SendGrid says happened to an email -> the ledger, suppressions, calls to Segment.

Runs inside the evaluating transaction of the event.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final, TypeVar

import msgspec

from homing.core import bots, ledger, suppression, writeback
from homing.core.digests import address_trace, message_trace, smtp_trace
from homing.core.effects import Dest, NewEffect, SendFlag, SendRow, send_number
from homing.core.ledger import SendSignal, SendState
from homing.core.people import Person
from homing.core.plans import Plans, Writeback
from homing.core.reconcile_suppressions import was_told
from homing.core.segment_calls import CallRefused
from homing.core.sendgrid import KNOWN_TYPES, EmailEvent, UnusableEvent, parse_event
from homing.core.wire import json_bytes
from homing.log import SEND_RESOLVED, log
from homing.stages import moves
from homing.stages.ledger import Ledger
from homing.stages.opt import settle
from homing.stages.unmade import UNMADE, bury, tell

if TYPE_CHECKING:
    from homing.core.suppression import Suppression
    from homing.ports import EventRow, Tx

K = TypeVar("K")
V = TypeVar("V")

# an event that carries no id of ours is given to a send to its address no older than this
ADDRESS_WINDOW_MS = 7 * 86_400_000
# SendGrid's times are whole seconds, and its clock is not ours
CLOCKS_APART_MS = 60_000
MAX_REMEMBERED = 2_048
MAX_TRACED = 8


class Correlated(msgspec.Struct, frozen=True):
    """The send an event belongs to; found by "send", "smtp-id", "message-id" or "address"."""

    send: SendRow | None
    how: str = ""


def correlate(
    tx: Tx, event: EmailEvent, ledger: Ledger | None = None, *, before: int | None = None
) -> Correlated:
    """
    Find the send an event belongs to; in the *ledger* of a transaction that writes.

    Args:
        before: The send it was given to when it was evaluated before. It stays that one's, also if
            something was sent to the same address since.

    Source: SendGrid support and users on correlation: custom arguments are lost on asynchronous
    bounces and often on spam reports; ``sg_message_id`` is ``X-Message-Id``, a dot, and more.
    """
    held = Ledger() if ledger is None else ledger
    own = send_number(event.homing.get("homing_send", ""))
    row = held.get(tx, own[0]) if own is not None else None
    if row is not None and own is not None and row.tag == own[1]:
        return Correlated(row, "send")
    for how, find in _OTHER_WAYS:
        row = find(tx, event)
        if row is not None and before in (None, row.id):
            return Correlated(held.held(row), how)
    row = None if before is None else held.get(tx, before)
    return Correlated(None) if row is None else Correlated(row, "address")


def _by_smtp_id(tx: Tx, event: EmailEvent) -> SendRow | None:
    if not event.smtp_id:
        return None
    local = event.smtp_id.strip("<>").partition("@")[0]
    for key in (smtp_trace(event.smtp_id), message_trace(local)):
        found = _of_address(tx.sends.by_trace(key, limit=MAX_TRACED), event)
        if found is not None:
            return found
    return None


def _by_message_id(tx: Tx, event: EmailEvent) -> SendRow | None:
    text = event.sg_message_id
    cuts = [place for place, char in enumerate(text) if char == "."][:MAX_TRACED]
    for cut in cuts:
        rows = tx.sends.by_trace(message_trace(text[:cut]), limit=MAX_TRACED)
        found = _of_address(rows, event)
        if found is not None:
            return found
    return None


def _by_address(tx: Tx, event: EmailEvent) -> SendRow | None:
    """The latest send to the address that had left by then."""
    if not event.email:
        return None
    for row in tx.sends.by_trace(address_trace(event.email), limit=MAX_TRACED):
        if row.in_flight_at is None:
            continue
        if -CLOCKS_APART_MS <= event.at_ms - row.in_flight_at <= ADDRESS_WINDOW_MS:
            return row
    return None


_OTHER_WAYS: Final = (
    ("smtp-id", _by_smtp_id), ("message-id", _by_message_id), ("address", _by_address),
)  # fmt: skip


def is_of_copy(event: EmailEvent, send: SendRow) -> bool:
    """Whether an event is about somebody in copy, not about whom the send was for."""
    return bool(event.email) and event.email != (send.address or event.email).lower()


def _of_address(rows: list[SendRow], event: EmailEvent) -> SendRow | None:
    for row in rows:
        if not event.email or (row.address or "").lower() == event.email:
            return row
    return None


@dataclass(slots=True)
class Surroundings:
    """
    What lately came in, to tell scanners from people; bounded, and lost with the process.

    With it what the plans say about every event, so that no event has it worked out again.
    """

    _clicks: OrderedDict[int, deque[bots.Click]] = field(default_factory=OrderedDict)
    _by_ip: OrderedDict[str, deque[tuple[int, str]]] = field(default_factory=OrderedDict)
    _terms: _Terms | None = None

    def around(self, event: EmailEvent, send: SendRow | None) -> bots.Surroundings:
        """What is known around an event, this one then among it."""
        clicks = () if send is None else tuple(self._clicks.get(send.id, ()))
        known = bots.Surroundings(
            None if send is None else send.delivered_at, clicks, self._recipients(event)
        )
        if event.type == "click" and send is not None:
            of_send = _of(self._clicks, send.id, 16)
            of_send.append(bots.Click(event.at_ms, event.url))
        return known

    def terms(self, plans: Plans) -> _Terms:
        """What the plans in force say."""
        if self._terms is None or self._terms.plans is not plans:
            self._terms = _Terms.of(plans)
        return self._terms

    def name_for_rules(self, event: EmailEvent, correlated: Correlated, plans: Plans) -> str | None:
        """Under which name routes and journeys see an event; None if they do not."""
        plan = self.terms(plans).writeback
        if not writeback.is_written(event, plan) or not (event.email or correlated.send):
            return None
        return writeback.name_of(event, plan)

    def _recipients(self, event: EmailEvent) -> int:
        """How many near recipients its IP had; not counted on once they are too many."""
        if not event.ip:
            return 0
        seen = _of(self._by_ip, event.ip, 32)
        seen.append((event.at_ms, event.email))
        near: set[str] = set()
        for at, who in reversed(seen):
            if abs(at - event.at_ms) <= bots.SHARED_IP_MS:
                near.add(who)
                if len(near) == bots.SHARED_IP_RECIPIENTS:
                    break
        return len(near)


def _of(remembered: OrderedDict[K, deque[V]], key: K, length: int) -> deque[V]:
    """What is remembered under a key; what was met first is forgotten for it."""
    found = remembered.get(key)
    if found is None:
        found = remembered[key] = deque(maxlen=length)
        if len(remembered) > MAX_REMEMBERED:
            remembered.popitem(last=False)
    return found


class _Terms(msgspec.Struct, frozen=True):
    """What plans say about every event of SendGrid's."""

    plans: Plans
    groups: Mapping[int, str]
    writeback: Writeback

    @classmethod
    def of(cls, plans: Plans) -> _Terms:
        groups = {number: name for name, number in plans.groups.items()}
        # every event is written in it: routes and journeys see those that stay here, too
        return cls(plans, groups, replace(plans.writeback, events=KNOWN_TYPES))


class Heard(msgspec.Struct, frozen=True):
    """
    One event of SendGrid's with what is known of it.

    ``ledger`` is where its send was found; ``asked`` says whether any rule may ask about it;
    ``digest`` is its fingerprint, if it is at hand. ``number`` is None of what a list told.
    """

    event: EmailEvent
    correlated: Correlated
    person: Person | None
    number: int | None
    plans: Plans
    now_ms: int
    ledger: Ledger = msgspec.field(default_factory=Ledger)
    asked: bool = True
    digest: bytes | None = None


def hear(tx: Tx, heard: Heard, surroundings: Surroundings) -> Mapping[str, Any] | None:
    """
    Take an event home.

    Returns:
        The event in the shape of the track call it is (or would be) written as, for routes and
        journeys; None when it belongs to nobody, or nobody asks.
    """
    terms = surroundings.terms(heard.plans)
    suspected = _suspected(heard.event, heard.correlated.send, surroundings)
    _advance(tx, heard)
    written = writeback.is_written(heard.event, heard.plans.writeback)
    changes = suppression.changes_of(heard.event, terms.groups)
    if not (written or changes or heard.asked):
        return None  # most events of those types that are not written, such as processed
    calls = _calls_or_why_not(tx, heard, terms, suspected_bot=suspected)
    if not _was_told(tx, heard.event, changes):
        _write(tx, heard, calls, written=written)
    _settle_all(tx, heard.event, changes)
    return None if isinstance(calls, CallRefused) else track_in(calls)


def hear_listed(tx: Tx, heard: Heard, change: Suppression, *, surroundings: Surroundings) -> bool:
    """
    Take home what a list of SendGrid's says and no event told of.

    Args:
        heard: The event that should have told of it; without a number.

        change: What it changes, in its stead.

    Returns:
        Whether that changed who may be mailed; else nothing was written.
    """
    terms = surroundings.terms(heard.plans)
    calls = _calls_or_why_not(tx, heard, terms, suspected_bot=False)
    if not settle(tx, heard.event.email, change):
        return False
    tx.books.count(f"suppressions:{'added' if change.suppressed else 'lifted'}")
    written = writeback.is_written(heard.event, heard.plans.writeback)
    _write(tx, heard, calls, written=written)
    return True


def _was_told(tx: Tx, event: EmailEvent, changes: Sequence[Suppression]) -> bool:
    """Whether reading SendGrid's lists has already told Segment what an event says."""
    if not changes:
        return False
    records = tx.suppressions.of(event.email)
    return all(was_told(records.get(change.scope), change) for change in changes)


def _calls_or_why_not(
    tx: Tx, heard: Heard, terms: _Terms, *, suspected_bot: bool
) -> tuple[Mapping[str, Any], ...] | CallRefused:
    """Its calls; what Segment would not take costs ledger and suppressions nothing."""
    try:
        return _calls(tx, heard, terms, suspected_bot=suspected_bot)
    except CallRefused as error:
        return error


def calls_of(tx: Tx, heard: Heard, *, suspected_bot: bool) -> tuple[Mapping[str, Any], ...]:
    """
    The calls an event is (or would be) written home as; writes nothing.

    Raises:
        CallRefused: Segment would not take one of them.
    """
    return _calls(tx, heard, _Terms.of(heard.plans), suspected_bot=suspected_bot)


def _calls(
    tx: Tx, heard: Heard, terms: _Terms, *, suspected_bot: bool
) -> tuple[Mapping[str, Any], ...]:
    event = heard.event
    # only an event that changes the records says what they come to
    changes = suppression.changes_of(event, terms.groups)
    return writeback.calls_of(
        event,
        send=_facts(tx, heard),
        person=_person(heard.person, tx.suppressions.of(event.email) if changes else {}),
        plan=terms.writeback,
        groups=terms.groups,
        suspected_bot=suspected_bot,
        digest=heard.digest,
    )


def as_rules_see(
    tx: Tx, data: Mapping[str, Any], row: EventRow, *, person: Person | None, plans: Plans
) -> Mapping[str, Any]:
    """A kept event in the shape in which routes and ``did()`` see it; empty if they do not."""
    try:
        event = parse_event(data, row.received_at)
        found = correlate(tx, event, before=row.send)
        heard = Heard(event, found, person, row.id, plans, row.received_at)
        return track_in(calls_of(tx, heard, suspected_bot=False)) or {}
    except (UnusableEvent, CallRefused):
        return {}


def track_in(calls: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    """The track call among an event's calls: what routes and journeys see of it."""
    return next((call for call in calls if call["type"] == "track"), None)


def take_suppressions(tx: Tx, event: EmailEvent, plans: Plans) -> None:
    """Write what an event says about who may be mailed."""
    _settle_all(tx, event, suppression.changes_of(event, _Terms.of(plans).groups))


def _settle_all(tx: Tx, event: EmailEvent, changes: Sequence[Suppression]) -> None:
    for change in changes:
        if settle(tx, event.email, change):
            tx.books.count(f"suppressions:{'added' if change.suppressed else 'lifted'}")


def _suspected(event: EmailEvent, send: SendRow | None, surroundings: Surroundings) -> bool:
    if event.type not in bots.SUSPECT_TYPES:
        return False
    return bool(bots.signs_of(event, surroundings.around(event, send)))


def _advance(tx: Tx, heard: Heard) -> None:
    """Move the ledger forward; event states never regress, whatever the order of arrival."""
    event, row = heard.event, heard.correlated.send
    if row is None or heard.correlated.how == "address":
        return
    if heard.correlated.how == "send":
        _prove(tx, row, heard)
    if is_of_copy(event, row):
        return  # of a copy: it says that the send was taken, nothing of its recipient
    _hear_of(tx, row, event)
    if row.lane is None:
        heard.ledger.hear(row)
    else:
        tx.sends.save(row)
    if event.smtp_id and not event.smtp_id.strip("<>").startswith(row.message_id or "\0"):
        heard.ledger.trace(tx, row, event.smtp_id)


def _hear_of(tx: Tx, row: SendRow, event: EmailEvent) -> None:
    """Set on a row what an event of its recipient says."""
    was = None if row.mail is None else ledger.EventState(row.mail)
    row.mail = ledger.join(was, ledger.state_of(event))
    row.last_event_at = max(row.last_event_at or 0, event.at_ms)
    row.silent_due = None
    if row.flags & _SILENT:
        row.flags &= ~_SILENT
        tx.books.count("sends_silent", -1)
    if event.type == "delivered":
        row.delivered_at = min(row.delivered_at or event.at_ms, event.at_ms)
    if not event.machine_open:
        row.flags |= _FLAGS.get(event.type, 0)


# plain integers: each operation on a flag's own type costs a look-up
_SILENT = int(SendFlag.SILENT)
_FLAGS = {"open": int(SendFlag.OPENED), "click": int(SendFlag.CLICKED | SendFlag.OPENED)}


def _prove(tx: Tx, row: SendRow, heard: Heard) -> None:
    """An event that carries our id proves that the send was taken."""
    if row.state == SendState.ACCEPTED:
        return
    state = SendState(row.state)
    after = ledger.after(state, SendSignal.PROVE)
    if state in (SendState.UNKNOWN, SendState.PARKED, SendState.DROPPED):
        tx.books.count("unknown:proved")
        log.info(SEND_RESOLVED, send=row.key, by="evidence", type=heard.event.type)
    moves.move(tx, row, after)
    row.accepted_at = row.accepted_at or heard.now_ms
    row.lane, row.head, row.unknown_due, row.reason = None, 0, None, None
    tx.sends.save(row)


def _facts(tx: Tx, heard: Heard) -> writeback.SentFacts | None:
    row = heard.correlated.send
    if row is None:
        return None
    email = heard.plans.emails.get(row.email)
    return writeback.SentFacts(
        send_id=row.key,
        address=row.address or heard.event.email,
        email=row.email,
        subject="" if email is None else email.subject or "",
        template_id=row.template or ("" if email is None else email.template or ""),
        journey=row.rule if row.origin < 0 else "",
        step=row.step,
        variant=row.variant or "",
        route="" if row.origin < 0 else row.rule,
        sent_at_ms=row.accepted_at or row.in_flight_at,
        triggered_by=heard.ledger.cause(tx, row),
        user_id=None if heard.person is None else heard.person.user_id,
        anonymous_id=None if heard.person is None else heard.person.anonymous_id,
        correlation=heard.correlated.how,
    )


def _person(person: Person | None, records: suppression.Records) -> writeback.Recipient:
    if person is None:
        return writeback.Recipient(records=records)
    return writeback.Recipient(person.user_id, person.anonymous_id, records, person.consent)


def write_home(
    tx: Tx, heard: Heard, calls: tuple[Mapping[str, Any], ...], *, written: bool
) -> None:
    """Ask for an event's calls to be written to Segment; the track only if it is *written*."""
    for call in calls:
        if call["type"] == "track" and not written:
            continue
        tx.effects.add(_effect(heard, str(call["type"]), json_bytes(call), rule=None))
        tx.books.count("effects:segment:ready")


def _write(
    tx: Tx, heard: Heard, calls: tuple[Mapping[str, Any], ...] | CallRefused, *, written: bool
) -> None:
    """Ask for an event's calls; of each that was decided and cannot be made a row says why."""
    if not isinstance(calls, CallRefused):
        write_home(tx, heard, calls, written=written)
        return
    terms = _Terms.of(heard.plans)
    changes = suppression.changes_of(heard.event, terms.groups)
    decided = ["track"] if written else []
    if changes and terms.writeback.suppression_to_segment:
        decided.append("identify")
    rule = f"writeback.{heard.event.type}"
    for kind in decided:
        bury(tx, _effect(heard, kind, UNMADE, rule=rule), str(calls))
    if not decided:
        tell(tx, rule, str(calls), at=heard.now_ms)  # routes and journeys do not see it


def _effect(heard: Heard, kind: str, payload: bytes, *, rule: str | None) -> NewEffect:
    return NewEffect(
        dest=Dest.SEGMENT,
        kind=kind,
        lane=-1 if heard.person is None else heard.person.id,
        payload=payload,
        event=heard.number,
        rule=rule,
        person=None if heard.person is None else heard.person.id,
        made_at=heard.now_ms,
        due_at=heard.now_ms,
    )
