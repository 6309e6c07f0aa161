"""Opt-outs and opt-ins become records, and calls to the sides that do not know yet."""

from __future__ import annotations

from typing import TYPE_CHECKING

from msgspec.structs import replace

from homing.core import suppression, writeback
from homing.core.decide import address_of
from homing.core.effects import Dest, NewEffect, WantSend, WantSuppression
from homing.core.suppression import Source, Suppression
from homing.core.wire import json_bytes
from homing.stages.calls import add_call, who_of

if TYPE_CHECKING:
    from homing.ports import Tx
    from homing.stages.cause import Cause


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
        message = writeback.suppression_call(
            replace(who_of(cause.person), email=address.lower()),
            made,
            records=tx.suppressions.of(address),
            plan=cause.plans.writeback,
        )
        add_call(tx, message, cause, rule=want.rule)
    _tell_sendgrid(tx, address, made, cause=cause)


def settle(tx: Tx, address: str, made: Suppression) -> bool:
    """Bring an address's records up to date; whether that changed who may be mailed."""
    record = tx.suppressions.of(address).get(made.scope)
    kept = suppression.settle(record, made)
    if kept is None or kept == record:
        return False
    tx.suppressions.save(address, kept)
    return record is None or record.suppressed != kept.suppressed


def _tell_sendgrid(tx: Tx, address: str, made: Suppression, *, cause: Cause) -> None:
    call = suppression.call_of(made, address, cause.plans.groups)
    if call is None:
        return
    payload = {
        "method": call.method, "path": call.path, "body": call.body, "address": address.lower(),
    }  # fmt: skip
    tx.effects.add(
        NewEffect(
            dest=Dest.SUPPRESSIONS,
            kind="suppress" if made.suppressed else "unsuppress",
            lane=cause.person.id,
            payload=json_bytes(payload),
            event=cause.event.id,
            rule=made.reason,
            person=cause.person.id,
            made_at=cause.now_ms,
            due_at=cause.now_ms,
        )
    )
    tx.books.count("effects:suppressions:ready")


def _source_of(want: WantSuppression, cause: Cause) -> Source:
    if not want.rule.startswith("suppression."):
        return Source.HOMING
    return Source.SENDGRID if cause.event.engagement else Source.SEGMENT
