"""Wishes become rows, in the transaction of the event that caused them; sends above all."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from homing.core import consent, gate, mail_limits
from homing.core.decide import address_of, root_of, template_data
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
from homing.core.errors import HomingError
from homing.core.events import iso_time
from homing.core.plans import Email, EmailClass
from homing.core.wire import json_bytes
from homing.stages import calls, enlist, opt

if TYPE_CHECKING:
    from homing.ports import Tx
    from homing.stages.cause import Cause

NO_FLAGS = SendFlag(0)
NO_DATA = b"{}"


def carry_out(
    tx: Tx, wish: Wish, cause: Cause, *, number: int, mint: Callable[[], int]
) -> NewSend | None:
    """
    Write what a wish asks for; the send, if it is one and was not reserved before.

    Args:
        number: Which of its event's wishes it is.

        mint: Gives the random tag of a send.
    """
    match wish:
        case WantSend():
            return reserve_send(tx, wish, cause, tag=mint())
        case WantCall():
            calls.write_call(tx, wish, cause, number=number)
        case WantSuppression():
            opt.change(tx, wish, cause)
        case WantContact() | WantList() | WantAudience():
            _enlist(tx, wish, cause)
        case CannotDo():
            tx.books.count("actions:failed")
            tx.books.alert("action_failed", wish.rule, wish.reason, at=cause.now_ms)
    return None


def _enlist(tx: Tx, wish: WantContact | WantList | WantAudience, cause: Cause) -> None:
    match wish:
        case WantContact():
            enlist.write_contact(tx, wish, cause)
        case WantList():
            enlist.change_list(tx, wish, cause)
        case WantAudience():
            enlist.change_audience(tx, wish, cause)
            if wish.changed and not wish.stated and cause.derive is not None:
                cause.derive(enlist.derived_event(wish, cause), cause)


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
    """What a send is made of, resolved; and the reason if it may not leave."""

    address: str | None
    data: bytes
    expires_at: int
    refusal: gate.Refusal | None


def _drafted(tx: Tx, want: WantSend, cause: Cause, *, email: Email, key: str) -> _Draft:
    """Resolve address and data, and ask: does the gate let it leave, would SendGrid take it?"""
    expires_at = cause.now_ms + int(email.deliver_within_s * 1000)
    facts: dict[str, object] = {"id": key, "time": iso_time(cause.now_ms)}
    root = root_of(cause.event, cause.person, send=facts, journey=cause.journey)
    address, encoded = None, NO_DATA
    refusal: gate.Refusal | None = cause.refusal
    try:
        address = address_of(want, root, cause.person, email_to=email.to)
        records = {} if address is None else tx.suppressions.of(address)
        asked = gate.Asked(
            email, address, records, cause.now_ms, expires_at, _lacking(cause, email)
        )  # fmt: skip
        refusal = cause.refusal or gate.refusal_of(asked)
        # also of one that does not leave: a preview shows it
        data = template_data(want, root, email_data=email.data)
        encoded = json_bytes(data)
        # the address was the gate's to ask of; what else there is was checked at load
        too_large = mail_limits.size_refusal_of(len(encoded))
        if refusal is None and too_large is not None:
            refusal = gate.Refusal("skipped", f"bad_send: {too_large}")
    except HomingError as error:
        refusal = refusal or gate.Refusal("skipped", f"bad_data: {error}"[:500])
    return _Draft(address, encoded, expires_at, refusal)


def _lacking(cause: Cause, email: Email) -> tuple[str, ...]:
    """The consent that a send requires and that is not given."""
    required = (*email.consent, *cause.requires)
    if cause.by_event:
        return consent.lacking_of_either(required, cause.person.consent, cause.event.data)
    return consent.lacking(required, cause.person.consent)


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
        origin=cause.event.id if cause.origin is None else cause.origin,
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
        flags=flags,
    )
