"""The life of a send, as tables: how our side of it goes, and what SendGrid's events add."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from homing.core.errors import HomingError
from homing.core.sendgrid import EmailEvent


class SendState(StrEnum):
    """Where a send stands on our side."""

    RESERVED = "reserved"
    IN_FLIGHT = "in_flight"  # its intent is on disk: bytes may have left
    RETRY = "retry"
    UNKNOWN = "unknown"
    PARKED = "parked"  # unknown, and a person decides
    ACCEPTED = "accepted"
    REJECTED = "rejected"
    SKIPPED = "skipped"  # refused by our own gate
    EXPIRED = "expired"
    DROPPED = "dropped"  # unknown, and given up


class SendSignal(StrEnum):
    """What happens to a send."""

    CLAIM = "claim"
    ACCEPT = "accept"
    REJECT = "reject"
    POSTPONE = "postpone"  # nothing was taken: it may be sent again
    LOSE = "lose"  # nobody knows whether it was taken; also what a restart does to intents
    PROVE = "prove"  # an event of SendGrid's, or a person, says that it was taken
    RESEND = "resend"
    PARK = "park"
    DROP = "drop"
    SKIP = "skip"
    EXPIRE = "expire"


class IllegalTransition(HomingError):
    """Our own fault: a send cannot go there from here."""


_S, _X = SendState, SendSignal

TRANSITIONS: Mapping[SendState, Mapping[SendSignal, SendState]] = {  # absent means illegal
    _S.RESERVED: {
        _X.CLAIM: _S.IN_FLIGHT,
        _X.SKIP: _S.SKIPPED,
        _X.EXPIRE: _S.EXPIRED,
        # It was sent after the backup that this store was restored from.
        _X.PROVE: _S.ACCEPTED,
    },
    _S.IN_FLIGHT: {
        _X.ACCEPT: _S.ACCEPTED,
        _X.REJECT: _S.REJECTED,
        _X.POSTPONE: _S.RETRY,
        _X.LOSE: _S.UNKNOWN,
        _X.PROVE: _S.ACCEPTED,
    },
    _S.RETRY: {
        _X.CLAIM: _S.IN_FLIGHT,
        _X.SKIP: _S.SKIPPED,
        _X.EXPIRE: _S.EXPIRED,
        _X.PROVE: _S.ACCEPTED,
    },
    _S.UNKNOWN: {
        _X.PROVE: _S.ACCEPTED,
        _X.RESEND: _S.RETRY,
        _X.PARK: _S.PARKED,
        _X.DROP: _S.DROPPED,
        _X.SKIP: _S.SKIPPED,
        _X.EXPIRE: _S.EXPIRED,
    },
    _S.PARKED: {
        _X.PROVE: _S.ACCEPTED,
        _X.RESEND: _S.RETRY,
        _X.DROP: _S.DROPPED,
        _X.SKIP: _S.SKIPPED,
        _X.EXPIRE: _S.EXPIRED,
    },
    # Evidence can come before the answer, and a second attempt's answer after the evidence of
    # the first: what was taken stays taken.
    _S.ACCEPTED: {
        _X.ACCEPT: _S.ACCEPTED,
        _X.REJECT: _S.ACCEPTED,
        _X.POSTPONE: _S.ACCEPTED,
        _X.LOSE: _S.ACCEPTED,
        _X.PROVE: _S.ACCEPTED,
    },
    # An earlier attempt of any of these may have been unknown: evidence still counts. Only a
    # person resends from here.
    _S.REJECTED: {_X.PROVE: _S.ACCEPTED, _X.RESEND: _S.RETRY},
    _S.EXPIRED: {_X.PROVE: _S.ACCEPTED, _X.RESEND: _S.RETRY},
    _S.DROPPED: {_X.PROVE: _S.ACCEPTED, _X.RESEND: _S.RETRY},
    _S.SKIPPED: {_X.PROVE: _S.ACCEPTED},
}

CLAIMABLE = frozenset({SendState.RESERVED, SendState.RETRY})
"""States from which a send may leave. A send with an open intent is not among them."""

HOLDS_LANE = CLAIMABLE | {SendState.IN_FLIGHT, SendState.UNKNOWN}
"""States in which later effects of the same lane wait."""

FINAL = frozenset(SendState) - HOLDS_LANE - {SendState.PARKED}
"""States that end our side of a send; only late evidence or a person moves it on."""


def after(state: SendState, signal: SendSignal) -> SendState:
    """
    Move a send.

    Raises:
        IllegalTransition: The table has no such move.
    """
    try:
        return TRANSITIONS[state][signal]
    except KeyError:
        msg = f"a send that is {state} cannot {signal}"
        raise IllegalTransition(msg) from None


class EventState(StrEnum):
    """What SendGrid's events say of a send, mildest first."""

    PROCESSED = "processed"
    DEFERRED = "deferred"
    DELIVERED = "delivered"
    MACHINE_OPENED = "machine_opened"
    OPENED = "opened"
    CLICKED = "clicked"
    UNSUBSCRIBED = "unsubscribed"
    BLOCKED = "blocked"
    BOUNCED = "bounced"
    DROPPED = "dropped"
    SPAM = "spam"


_SEVERITY = {state: rank for rank, state in enumerate(EventState)}

_STATE_OF_TYPE = {
    "processed": EventState.PROCESSED,
    "deferred": EventState.DEFERRED,
    "delivered": EventState.DELIVERED,
    "open": EventState.OPENED,
    "click": EventState.CLICKED,
    "unsubscribe": EventState.UNSUBSCRIBED,
    "group_unsubscribe": EventState.UNSUBSCRIBED,
    "bounce": EventState.BOUNCED,
    "dropped": EventState.DROPPED,
    "spamreport": EventState.SPAM,
}


def state_of(event: EmailEvent) -> EventState | None:
    """Tell what an event says of its send, ``None`` when nothing (a resubscription)."""
    if event.type == "open" and event.machine_open:
        return EventState.MACHINE_OPENED
    if event.type == "bounce" and not event.hard_bounce:
        return EventState.BLOCKED
    return _STATE_OF_TYPE.get(event.type)


def join(first: EventState | None, second: EventState | None) -> EventState | None:
    """
    Keep the more severe state.

    Associative, commutative and idempotent: events may come in any order, any number of times.
    """
    if first is None or second is None:
        return first or second
    return first if _SEVERITY[first] >= _SEVERITY[second] else second
