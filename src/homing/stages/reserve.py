"""Wishes become rows, in the transaction of the event that caused them; sends above all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

import msgspec

from homing.core import consent, gate, look_ups
from homing.core.decide import root_of
from homing.core.digests import address_trace
from homing.core.effects import (
    CannotDo,
    NewSend,
    SendFlag,
    WantAudience,
    WantCall,
    WantContact,
    WantList,
    WantSend,
    WantSuppression,
    Wish,
    send_key,
)
from homing.core.events import iso_time
from homing.core.plans import Email, EmailClass
from homing.core.wire import NotJson
from homing.stages import calls, enlist, opt
from homing.stages.resolve import BAD_DATA, Resolved, pack, resolved

if TYPE_CHECKING:
    from homing.ports import Tx
    from homing.stages.cause import Cause
    from homing.stages.unmade import Buried

NO_FLAGS = SendFlag(0)


def carry_out(
    tx: Tx, wish: Wish, cause: Cause, *, number: int, mint: Callable[[], int]
) -> NewSend | Buried | None:
    """
    Write what a wish asks for.

    Returns:
        The send, if it is one and was not reserved before; of what cannot be made, why.

    Args:
        number: Which of its event's wishes it is.

        mint: Gives the random tag of a send.
    """
    match wish:
        case WantSend():
            return reserve_send(tx, wish, cause, tag=mint())
        case WantCall():
            return calls.write_call(tx, wish, cause, number=number)
        case WantSuppression():
            opt.change(tx, wish, cause)
            return None
        case WantContact() | WantList() | WantAudience():
            return _enlist(tx, wish, cause)
        case CannotDo():
            return calls.cannot_call(tx, wish, cause)
    assert_never(wish)


def _enlist(tx: Tx, wish: WantContact | WantList | WantAudience, cause: Cause) -> Buried | None:
    match wish:
        case WantContact():
            return enlist.write_contact(tx, wish, cause)
        case WantList():
            return enlist.change_list(tx, wish, cause)
        case WantAudience():
            enlist.change_audience(tx, wish, cause)
            is_news = wish.changed and not wish.stated and not cause.is_draft
            if is_news and cause.derive is not None:
                cause.derive(enlist.derived_event(wish, cause), cause)
            return None
    assert_never(wish)


def lane_of(person: int, kind: EmailClass) -> int:
    """A person's lane: transactional mail has one of its own."""
    return person * 2 + (kind is EmailClass.TRANSACTIONAL)


def reserve_send(
    tx: Tx, want: WantSend, cause: Cause, *, tag: int, flags: SendFlag = NO_FLAGS
) -> NewSend | None:
    """
    Reserve a send, or record why there is none; None if it was reserved before.

    Unique on (event, rule, step): a redelivered event, a replay or a crash cannot reserve twice.
    """
    email = cause.plans.emails[want.email]
    number = tx.sends.next_id()
    draft = _drafted(tx, want, cause, email=email, key=send_key(number, tag))
    send = _row(want, cause, draft, email=email, number=number, tag=tag, flags=flags)
    lane = lane_of(cause.person.id, email.kind) if draft.refusal is None else None
    if not tx.sends.reserve(send, lane=lane):
        return None
    if send.address is not None and lane is not None:
        tx.sends.add_trace(address_trace(send.address), number)
    tx.books.count(f"sends:{send.state}")
    return send


class _Draft(msgspec.Struct, frozen=True, gc=False):
    """
    What a send is made of, resolved; and the reason if it may not leave.

    ``lookup``: with what it is resolved again, once it is looked up.
    """

    address: str | None
    data: bytes
    expires_at: int
    refusal: gate.Refusal | None
    lookup: bytes | None


def _drafted(tx: Tx, want: WantSend, cause: Cause, *, email: Email, key: str) -> _Draft:
    """Resolve address and data, and ask: does the gate let it leave, would SendGrid take it?"""
    expires_at = cause.now_ms + int(email.deliver_within_s * 1000)
    facts: dict[str, object] = {"id": key, "time": iso_time(cause.now_ms)}
    root = root_of(cause.event, cause.person, send=facts, journey=cause.journey)
    # also of one that does not leave: a preview shows it
    found = resolved(want, root, cause.person, email=email)
    refusal = cause.refusal or _refused(tx, cause, found, email=email, expires_at=expires_at)
    lookup = None
    if cause.plans.look_ups is not None and cause.refusal is None:
        lookup = _lookup(want, cause, found, email=email, refusal=refusal)
        refusal = refusal if lookup is None else None
    return _Draft(found.address, found.data, expires_at, refusal, lookup)


def _refused(
    tx: Tx, cause: Cause, found: Resolved, *, email: Email, expires_at: int
) -> gate.Refusal | None:
    refusal = None
    if not found.is_astray:
        records = {} if found.address is None else tx.suppressions.of(found.address)
        lacking = _lacking(cause, email)
        asked = gate.Asked(email, found.address, records, cause.now_ms, expires_at, lacking)
        refusal = gate.refusal_of(asked)
    if refusal is None and found.problem is not None:
        refusal = gate.Refusal("skipped", found.problem)
    return refusal


def _lookup(
    want: WantSend, cause: Cause, found: Resolved, *, email: Email, refusal: gate.Refusal | None
) -> bytes | None:
    """With what a send is resolved again; None if no look-up can give it what it lacks."""
    person, variables = cause.person, cause.plans.look_ups or {}
    if look_ups.profile_of(person) is None:
        return None
    absent = look_ups.absent_of(variables.get(email.name, ()), found.seen)
    lacking = look_ups.lacking(want, email, person, address=found.address, absent=absent)
    if not lacking.keys or not _may_mend(lacking, found, refusal):
        return None
    try:
        return pack(cause, found.problem)
    except NotJson:
        return None


def _may_mend(lacking: look_ups.Lacking, found: Resolved, refusal: gate.Refusal | None) -> bool:
    """Whether what a look-up finds may let a send leave."""
    if refusal is None:
        return True
    if found.is_astray or refusal.reason == gate.NO_EMAIL:
        return bool(lacking.of_address)
    return refusal.reason == found.problem and refusal.reason.startswith(BAD_DATA)


def _lacking(cause: Cause, email: Email) -> tuple[str, ...]:
    """The consent that a send requires and that is not given."""
    required = (*email.consent, *cause.requires)
    if cause.by_event:
        return consent.lacking_of_either(required, cause.person.consent, cause.event.data)
    return consent.lacking(required, cause.person.consent)


def _origin(cause: Cause) -> int:
    """What a send is unique for, with its rule and step: a run's step, or an event."""
    if cause.origin is not None:
        return cause.origin
    return cause.event.derived or cause.event.id


def _row(  # noqa: PLR0913  a row has many columns
    want: WantSend,
    cause: Cause,
    draft: _Draft,
    *,
    email: Email,
    number: int,
    tag: int,
    flags: SendFlag,
) -> NewSend:
    return NewSend(
        id=number,
        tag=tag,
        origin=_origin(cause),
        rule=want.rule,
        step=want.step,
        variant=want.variant,
        version=cause.plans.version,
        event=cause.event.id,
        person=cause.person.id,
        user=cause.person.user_id or cause.person.anonymous_id or "",
        email=email.name,
        kind=email.kind,
        template=want.template,
        address=draft.address,
        group_id=email.group_id,
        state="reserved" if draft.refusal is None else draft.refusal.state,
        reason=None if draft.refusal is None else draft.refusal.reason,
        reserved_at=cause.now_ms,
        due_at=cause.now_ms,
        expires_at=draft.expires_at,
        data=draft.data,
        flags=flags if draft.lookup is None else flags | SendFlag.LOOKUP,
        lookup=draft.lookup,
    )
