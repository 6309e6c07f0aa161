"""
Rows of the store as the objects that commands print.

The tables of fields are the contract of ``--json``: the reference is written from them, and a test
holds each view to its table.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Final, TypeAlias

import orjson

from homing.cli.show import time_text
from homing.core.effects import SendFlag

if TYPE_CHECKING:
    from homing.core.effects import SendRow
    from homing.core.journeys.run import Run
    from homing.core.marketing.members import ListMember
    from homing.core.people import Person
    from homing.core.suppression import Suppression
    from homing.ports import Attempt, AudienceMember, EventRow, Tx

Fields: TypeAlias = Mapping[str, str]
View: TypeAlias = dict[str, object]

EVENT: Final[Fields] = {
    "id": 'its number, "e12"',
    "at": "when it happened",
    "received_at": "when it was received",
    "source": 'where it came in: "segment/web", "sendgrid/default"',
    "type": "Segment's or SendGrid's type",
    "name": "of a track event, or the name under which SendGrid's is written home",
    "person": "userId, else anonymousId, else address",
    "state": "done, filtered, quarantined or dead",
    "reason": "why it is not done",
    "send": "of SendGrid's: the send it tells of",
    "message_id": "Segment's messageId, SendGrid's sg_event_id",
}

SEND: Final[Fields] = {
    "id": "what `homing_send` says",
    "reserved_at": "when it was decided",
    "email": "name of the [email.*]",
    "to": "the address; null once erased",
    "person": "userId or anonymousId, else the address",
    "state": "reserved, in_flight, retry, unknown, parked, accepted, rejected, skipped, expired or "
    "dropped; tables for people call it captured when nothing left",
    "mail": "the most severe event of SendGrid's: processed to spam",
    "reason": "why it is in that state",
    "rule": "the route or journey that decided",
    "step": "of a journey; null of a route's, and of an exit's",
    "variant": "of a random split",
    "version": "of the configuration that decided",
    "class": "transactional or marketing",
    "template": "instead of the email's own",
    "event": "the event that caused it",
    "attempts": "how often it was tried",
    "due_at": "when it may leave",
    "expires_at": "when it is too late",
    "accepted_at": "when SendGrid took it",
    "delivered_at": "when it was delivered",
    "last_event_at": "time of the newest event of SendGrid's",
    "message_id": "SendGrid's X-Message-Id; captured-… when nothing left",
    "opened": "by a person",
    "clicked": "",
    "silent": "accepted, and nothing was heard in time",
    "resent": "sent again after an unknown outcome",
}

EFFECT: Final[Fields] = {
    "id": 'its number, "x12"',
    "dest": "segment, suppressions or contacts",
    "kind": "track, identify, suppress, unsuppress, upsert, list, erase",
    "state": "ready, sent (an API works on it), done, dead or dropped",
    "reason": "why it is in that state",
    "person": "number of the person",
    "rule": "the route or journey that decided",
    "event": "the event that caused it",
    "attempts": "how often it was tried",
    "made_at": "when it was decided",
    "due_at": "when it may leave",
}

PERSON: Final[Fields] = {
    "id": "number of the person",
    "user_id": "",
    "anonymous_id": "",
    "email": "where they are mailed; null: nowhere",
    "zone": "the last time zone seen",
    "traits": "as they are now",
    "audiences": "key -> member",
    "consent": "category -> agreed to; null when nothing is known",
}

MEMBER: Final[Fields] = {
    **PERSON,
    "since": "of an audience's member: when it came in",
    "event": 'of an audience\'s member: by which event, "e12"',
}

RUN: Final[Fields] = {
    "id": 'its number, "r12"',
    "journey": "",
    "version": "of the journey's definition that it is on",
    "person": "userId, else anonymousId, else address",
    "key": "null of a journey without keys",
    "state": "waiting, completed, exited, looped, merged, failed, archived",
    "step": "where it waits, or where it ended",
    "entered_at": "when it began",
    "step_at": "since when it is at its step",
    "due_at": "until when it waits",
    "ended_at": "",
    "variant": "of the last random split it passed",
    "reason": "the exit that ended it, or why it failed",
    "passages": "how many steps it entered",
    "restarts": "how often the hold where it waits started again",
    "converted_at": "when it reached the goal, by event time",
    "value": "of the conversion, a decimal number as text",
    "first_touch": "the first send before the conversion",
    "last_touch": "the last send before it",
}

SUPPRESSION: Final[Fields] = {
    "address": "",
    "scope": "global, bounce, spam, invalid, or group:NAME",
    "suppressed": "false: an explicit opt-in",
    "source": "sendgrid, segment, homing or operator",
    "reason": "",
    "at": "since when, by event time",
}

ATTEMPT: Final[Fields] = {
    "number": "which attempt",
    "at": "when",
    "outcome": "retry, unknown, reject",
    "detail": "what was said",
}


def event_view(tx: Tx, row: EventRow, *, label: str | None = None) -> View:
    """One event; *label* names its person where that is known."""
    return {
        "id": f"e{row.id}",
        "at": time_text(row.at),
        "received_at": time_text(row.received_at),
        "source": row.source,
        "type": row.type,
        "name": row.name,
        "person": label or _label(tx, row.person),
        "state": row.state.value,
        "reason": row.reason,
        "send": send_key_of(tx, row.send),
        "message_id": row.message_id,
    }


def send_view(row: SendRow) -> View:
    """One send."""
    return {
        "id": row.key,
        "reserved_at": time_text(row.reserved_at),
        "email": row.email,
        "to": row.address,
        "person": row.user or row.address,
        "state": row.state,
        "mail": row.mail,
        "reason": row.reason,
        "rule": row.rule,
        "step": row.step or None,
        "variant": row.variant,
        "version": row.version,
        "class": row.kind,
        "template": row.template,
        "event": None if row.event is None else f"e{row.event}",
        "attempts": row.attempt,
        "due_at": time_text(row.due_at),
        "expires_at": time_text(row.expires_at),
        "accepted_at": time_text(row.accepted_at),
        "delivered_at": time_text(row.delivered_at),
        "last_event_at": time_text(row.last_event_at),
        "message_id": row.message_id,
        **_flags(row.flags),
    }


def _flags(flags: int) -> View:
    return {
        "opened": bool(flags & SendFlag.OPENED),
        "clicked": bool(flags & SendFlag.CLICKED),
        "silent": bool(flags & SendFlag.SILENT),
        "resent": bool(flags & SendFlag.RESENT),
    }


def effect_view(row: Mapping[str, Any]) -> View:
    """One effect, without what it would write."""
    return {
        "id": f"x{row['id']}",
        "dest": row["dest"],
        "kind": row["kind"],
        "state": row["state"],
        "reason": row["reason"],
        "person": row["person"],
        "rule": row["rule"],
        "event": None if row["event"] is None else f"e{row['event']}",
        "attempts": row["attempt"],
        "made_at": time_text(row["made_at"]),
        "due_at": time_text(row["due_at"]),
    }


def person_view(person: Person) -> View:
    """One person."""
    return {
        "id": person.id,
        "user_id": person.user_id,
        "anonymous_id": person.anonymous_id,
        "email": person.address,
        "zone": person.zone,
        "traits": dict(person.traits),
        "audiences": {key: member for key, (member, _) in person.audiences.items()},
        "consent": None if person.consent is None else dict(person.consent),
    }


def member_view(member: AudienceMember, person: Person) -> View:
    """Somebody in an audience."""
    event = None if member.event is None else f"e{member.event}"
    return {**person_view(person), "since": time_text(member.at), "event": event}


def list_view(row: ListMember) -> View:
    """What is wanted of a list and an address."""
    return {
        "list": row.list_name,
        "address": row.address,
        "wanted": row.wanted,
        "told": row.told,
        "at": time_text(row.at),
        "event": None if row.event is None else f"e{row.event}",
    }


def run_view(tx: Tx, run: Run) -> View:
    """One run of a journey."""
    return {
        "id": f"r{run.id}",
        "journey": run.journey,
        "version": run.version,
        "person": _label(tx, run.person),
        "key": run.key or None,
        "state": run.state.value,
        "step": run.step or None,
        "entered_at": time_text(run.entered_at),
        "step_at": time_text(run.step_at),
        "due_at": time_text(run.due_at),
        "ended_at": time_text(run.ended_at),
        "variant": run.variant,
        "reason": run.reason,
        "passages": run.passages,
        "restarts": run.restarts,
        "converted_at": time_text(run.converted_at),
        "value": run.value,
        "first_touch": send_key_of(tx, run.first_touch),
        "last_touch": send_key_of(tx, run.last_touch),
    }


def suppression_view(address: str, record: Suppression) -> View:
    """What is known of one address within one scope."""
    return {
        "address": address,
        "scope": record.scope,
        "suppressed": record.suppressed,
        "source": record.source.value,
        "reason": record.reason,
        "at": time_text(record.at_ms),
    }


def attempt_view(attempt: Attempt) -> View:
    """What one attempt came to."""
    return {
        "number": attempt.number,
        "at": time_text(attempt.at),
        "outcome": attempt.outcome,
        "detail": attempt.detail,
    }


def json_in(raw: bytes | None) -> object:
    """What a column of JSON holds; None of what is gone or no JSON."""
    try:
        return None if raw is None else orjson.loads(raw)
    except orjson.JSONDecodeError:
        return None


def only(views: Iterable[View], *names: str) -> list[View]:
    """The same views with some of their fields."""
    return [{name: view[name] for name in names} for view in views]


def _label(tx: Tx, number: int | None) -> str | None:
    person = None if number is None else tx.people.get(number)
    return None if person is None else person.label


def send_key_of(tx: Tx, number: int | None) -> str | None:
    """The id of a send as people see it; None of none, and of one that retention took."""
    row = None if number is None else tx.sends.get(number)
    return None if row is None else row.key
