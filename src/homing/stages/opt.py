"""Opt-outs and opt-ins become records, and calls to the sides that do not know yet."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from msgspec.structs import replace

from homing.core import suppression, writeback
from homing.core.decide import address_of
from homing.core.effects import Dest, NewEffect, WantSend, WantSuppression
from homing.core.segment_calls import CallRefused
from homing.core.suppression import Source, Suppression
from homing.core.wire import json_bytes
from homing.stages.calls import add_call, refuse_call, who_of

if TYPE_CHECKING:
    from homing.ports import Tx
    from homing.stages.cause import Cause

NOBODY: Final = -1
"""The lane of what concerns no person that is known."""


def change(tx: Tx, want: WantSuppression, cause: Cause) -> None:
    """Carry out an opt-out or opt-in of the person's address; not echoed to where it came from."""
    address = address_of(WantSend(want.rule, ""), cause.event.data, cause.person, email_to=None)
    if address is None:
        tx.books.count("suppressions:no_email")
        return
    source = _source_of(want, cause)
    scope = suppression.scope_of(want.scope)
    made = Suppression(scope, want.suppressed, cause.at_ms, source, want.rule)
    if not settle(tx, address, made):
        return
    if source is Source.HOMING and cause.plans.writeback.suppression_to_segment:
        _tell_segment(tx, address, made, cause=cause)
    tell_sendgrid(
        tx, address, made, groups=cause.plans.groups, person=cause.person.id,
        event=cause.event.id, now_ms=cause.now_ms,
    )  # fmt: skip


def _tell_segment(tx: Tx, address: str, made: Suppression, *, cause: Cause) -> None:
    who = replace(who_of(cause.person), email=address.lower())
    records, plan, rule = tx.suppressions.of(address), cause.plans.writeback, made.reason
    try:
        message = writeback.suppression_call(who, made, records=records, plan=plan)
    except CallRefused as error:
        # the opt-out counts all the same
        refuse_call(tx, "identify", cause, rule=rule, reason=str(error))
        return
    add_call(tx, message, cause, rule=rule)


def settle(tx: Tx, address: str, made: Suppression) -> bool:
    """Bring an address's records up to date; whether that changed who may be mailed."""
    record = tx.suppressions.of(address).get(made.scope)
    kept = suppression.settle(record, made)
    if kept is None or kept == record:
        return False
    tx.suppressions.save(address, kept)
    return record is None or record.suppressed != kept.suppressed


def tell_sendgrid(  # noqa: PLR0913  what a row of an effect is made of
    tx: Tx,
    address: str,
    made: Suppression,
    *,
    groups: Mapping[str, int],
    person: int | None,
    event: int | None,
    now_ms: int,
) -> bool:
    """
    Ask for SendGrid to be told; False if there is nothing to tell it.

    Args:
        person: Whose address it is, if anybody's.

        event: Which event made it, if one did.
    """
    call = suppression.call_of(made, address, groups)
    if call is None:
        return False
    payload = {
        "method": call.method, "path": call.path, "body": call.body, "address": address.lower(),
    }  # fmt: skip
    tx.effects.add(
        NewEffect(
            dest=Dest.SUPPRESSIONS,
            kind="suppress" if made.suppressed else "unsuppress",
            lane=NOBODY if person is None else person,
            payload=json_bytes(payload),
            event=event,
            rule=made.reason,
            person=person,
            made_at=now_ms,
            due_at=now_ms,
        )
    )
    tx.books.count("effects:suppressions:ready")
    return True


def _source_of(want: WantSuppression, cause: Cause) -> Source:
    if not want.rule.startswith("suppression."):
        return Source.HOMING
    return Source.SENDGRID if cause.event.engagement else Source.SEGMENT
