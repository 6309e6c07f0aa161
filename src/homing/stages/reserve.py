"""Wishes become rows, in the transaction of the event that caused them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from homing.core import gate, mail_limits, segment_calls, suppression, writeback
from homing.core.decide import address_of, root_of, template_data
from homing.core.digests import address_trace
from homing.core.effects import (
    Dest,
    NewEffect,
    NewSend,
    NotRun,
    SendFlag,
    WantCall,
    WantSend,
    WantSuppression,
    Wish,
    send_key,
)
from homing.core.errors import HomingError
from homing.core.events import iso_time
from homing.core.plans import Email, EmailClass, Plans
from homing.core.wire import json_bytes

if TYPE_CHECKING:
    from homing.core.events import Happened
    from homing.core.people import Person
    from homing.ports import Tx


@dataclass(frozen=True, slots=True)
class Cause:
    """Why rows are made: the event, its person after it, the plans, the moment."""

    event: Happened
    person: Person
    plans: Plans
    now_ms: int


def carry_out(tx: Tx, wish: Wish, cause: Cause, *, number: int, mint: Callable[[], int]) -> None:
    """
    Write what a wish asks for.

    Args:
        number: Which of its event's wishes it is: part of a written-back call's id.

        mint: Gives the random tag of a send.
    """
    match wish:
        case WantSend():
            reserve_send(tx, wish, cause, tag=mint())
        case WantCall():
            _call(tx, wish, cause, number)
        case WantSuppression():
            _suppress(tx, wish, cause)
        case NotRun():
            tx.books.count(f"not_run:{wish.action}")
            tx.books.alert(
                "not_run", wish.rule, f"{wish.action} is not run by this version", at=cause.now_ms
            )


def lane_of(person: int, kind: EmailClass) -> int:
    """A person's lane: transactional mail has one of its own."""
    return person * 2 + (kind is EmailClass.TRANSACTIONAL)


def reserve_send(
    tx: Tx, want: WantSend, cause: Cause, *, tag: int, flags: SendFlag = SendFlag(0)
) -> int | None:
    """
    Reserve a send, or record why there is none; its number, None if it was reserved before.

    Unique on (event, rule, step): a redelivered event, a replay or a crash cannot reserve twice.
    """
    email = cause.plans.emails[want.email]
    number = tx.sends.next_id()
    send = _drafted(tx, want, cause, email, number, tag, flags)
    lane = lane_of(cause.person.id, email.kind) if send.state == "reserved" else None
    if not tx.sends.reserve(send, lane=lane):
        return None
    if send.address is not None:
        tx.sends.add_trace(address_trace(send.address), number)
    tx.books.count(f"sends:{send.state}")
    return number


def _drafted(  # noqa: PLR0913, PLR0917  a row has many columns
    tx: Tx, want: WantSend, cause: Cause, email: Email, number: int, tag: int, flags: SendFlag
) -> NewSend:
    address, data, refusal = _filled(want, cause, email, send_key(number, tag))
    expires_at = cause.now_ms + int(email.deliver_within_s * 1000)
    if refusal is None:
        records = {} if address is None else tx.suppressions.of(address)
        refusal = gate.refusal_of(gate.Asked(email, address, records, cause.now_ms, expires_at))
    return NewSend(
        id=number,
        tag=tag,
        origin=cause.event.id,
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
        address=address,
        group_id=email.group_id,
        state="reserved" if refusal is None else refusal.state,
        reason=None if refusal is None else refusal.reason,
        reserved_at=cause.now_ms,
        due_at=cause.now_ms,
        expires_at=expires_at,
        data=data,
        flags=flags,
    )


def _filled(
    want: WantSend, cause: Cause, email: Email, key: str
) -> tuple[str | None, bytes, gate.Refusal | None]:
    """Address and data of a send; what cannot be resolved, or SendGrid would refuse, refuses."""
    facts: dict[str, Any] = {"id": key, "time": iso_time(cause.now_ms)}
    root = root_of(cause.event, cause.person, send=facts)
    address: str | None = None
    try:
        address = address_of(want, email.to, root, cause.person)
        data = template_data(want, email.data, root)
        encoded = json_bytes(data)
        reason = _limits(address, data, len(encoded), email)
    except HomingError as error:
        return address, b"{}", gate.Refusal("skipped", f"bad_data: {error}"[:500])
    return address, encoded, None if reason is None else gate.Refusal("skipped", reason)


def _limits(address: str | None, data: Any, size: int, email: Email) -> str | None:  # noqa: ANN401
    if address is None:
        return None  # the gate says so
    message = {"personalizations": [{"to": [{"email": address}], **_data(data)}]}
    reason = mail_limits.send_refusal_of(message, size_bytes=size)
    return None if reason is None else f"bad_send: {reason}"


def _data(data: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"dynamic_template_data": data} if data else {}


def _call(tx: Tx, want: WantCall, cause: Cause, number: int) -> None:
    if want.call == "audience":
        return  # the person already knows; telling Segment of it is `[audience.*] to_segment`
    why = segment_calls.Cause(event_key(cause.event), want.rule, number)
    who = who_of(cause.person)
    if want.call == "track":
        message = segment_calls.track_call(
            why, who, event=want.name or "", properties=want.fields, at_ms=cause.event.at_ms
        )
    else:
        message = segment_calls.identify_call(why, who, traits=want.fields, at_ms=cause.event.at_ms)
    add_call(tx, message, cause, rule=want.rule)


def event_key(event: Happened) -> str:
    """What an event is called in the ids of the calls it causes: the same after a restore."""
    message_id = event.data.get("messageId")
    return message_id if isinstance(message_id, str) and message_id else str(event.id)


def who_of(person: Person) -> segment_calls.Who:
    """Whose profile a call is for."""
    return segment_calls.Who(person.user_id, person.anonymous_id, person.email or "")


def add_call(tx: Tx, message: Mapping[str, Any], cause: Cause, *, rule: str | None) -> None:
    """Ask for one message to be written to Segment, in the person's lane."""
    tx.effects.add(
        NewEffect(
            Dest.SEGMENT,
            str(message["type"]),
            cause.person.id,
            json_bytes(message),
            cause.event.id,
            rule,
            cause.person.id,
            cause.now_ms,
            cause.now_ms,
        )  # fmt: skip
    )
    tx.books.count("effects:segment:ready")


def _suppress(tx: Tx, want: WantSuppression, cause: Cause) -> None:
    root = cause.event.data
    address = address_of(WantSend(want.rule, ""), None, root, cause.person)
    if address is None:
        tx.books.count("suppressions:no_email")
        return
    source = _source_of(want, cause)
    change = suppression.Suppression(
        suppression.scope_of(want.scope), want.suppressed, cause.event.at_ms, source, want.rule
    )
    if not settle(tx, address, change):
        return
    if source is suppression.Source.HOMING and cause.plans.writeback.suppression_to_segment:
        message = writeback.suppression_call(
            replace(who_of(cause.person), email=address.lower()), change,
            records=tx.suppressions.of(address), plan=cause.plans.writeback,
        )  # fmt: skip
        add_call(tx, message, cause, rule=want.rule)
    call = suppression.call_of(change, address, cause.plans.groups)
    if call is None:
        return
    payload = {"method": call.method, "path": call.path, "body": call.body}
    tx.effects.add(
        NewEffect(
            Dest.SUPPRESSIONS,
            "suppress" if want.suppressed else "unsuppress",
            cause.person.id,
            json_bytes(payload),
            cause.event.id,
            want.rule,
            cause.person.id,
            cause.now_ms,
            cause.now_ms,
        )  # fmt: skip
    )
    tx.books.count("effects:suppressions:ready")


def _source_of(want: WantSuppression, cause: Cause) -> suppression.Source:
    if not want.rule.startswith("suppression."):
        return suppression.Source.HOMING
    return suppression.Source.SENDGRID if cause.event.engagement else suppression.Source.SEGMENT


def settle(tx: Tx, address: str, change: suppression.Suppression) -> bool:
    """Bring an address's records up to date; whether the change changed anything."""
    record = tx.suppressions.of(address).get(change.scope)
    kept = suppression.settle(record, change)
    if kept is None or kept == record:
        return False
    tx.suppressions.save(address, kept)
    return record is None or record.suppressed != kept.suppressed
