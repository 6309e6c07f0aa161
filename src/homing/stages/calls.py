"""Calls to Segment that a rule asks for become rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from homing.core import segment_calls
from homing.core.effects import CannotDo, Dest, WantCall
from homing.core.journeys.run import passage_of
from homing.core.segment_calls import CallRefused
from homing.core.wire import json_bytes
from homing.stages.unmade import UNMADE, Buried, bury

if TYPE_CHECKING:
    from homing.core.events import Happened
    from homing.core.people import Person
    from homing.ports import Tx
    from homing.stages.cause import Cause


def write_call(tx: Tx, want: WantCall, cause: Cause, *, number: int) -> Buried | None:
    """
    Ask for the call of a route, or say why Segment would not take it.

    Args:
        number: Which of its event's wishes it is: part of the call's id.
    """
    if not _writes(tx, want, cause):
        return None
    try:
        add_call(tx, _message(want, cause, number), cause, rule=want.rule)
    except CallRefused as error:
        return refuse_call(tx, want.call, cause, rule=want.rule, reason=str(error))
    return None


def cannot_call(tx: Tx, wish: CannotDo, cause: Cause) -> Buried | None:
    """Say why the call of a route is not made: its values cannot be had."""
    if not _writes(tx, wish, cause):
        return None
    return refuse_call(tx, wish.call, cause, rule=wish.rule, reason=wish.reason)


def refuse_call(tx: Tx, call: str, cause: Cause, *, rule: str, reason: str) -> Buried:
    """A row says that a call was decided, and why it is not made."""
    return bury(tx, cause.effect(Dest.SEGMENT, call, UNMADE, rule=rule), reason)


def add_call(tx: Tx, message: Mapping[str, Any], cause: Cause, *, rule: str | None) -> None:
    """Ask for one message to be written to Segment, in the person's lane."""
    kind = str(message["type"])
    tx.effects.add(cause.effect(Dest.SEGMENT, kind, json_bytes(message), rule=rule))
    tx.books.count("effects:segment:ready")


def _writes(tx: Tx, wish: WantCall | CannotDo, cause: Cause) -> bool:
    """Whether anything is written to Segment; said if not."""
    if not cause.plans.writes_to_segment:
        tx.books.count(f"not_run:{wish.call}")
        text = f"{wish.call} is not written: there is no `segment.write_key`"
        tx.books.alert("not_run", wish.rule, text, at=cause.now_ms)
    return cause.plans.writes_to_segment


def who_of(person: Person) -> segment_calls.Who:
    """Whose profile a call is for."""
    known = person.user_id or person.anonymous_id
    # of somebody who is only an address, it is the name under which Segment knows them
    email = person.address or (None if known else person.email)
    return segment_calls.Who(person.user_id, person.anonymous_id, email or "", person.consent)


def _message(want: WantCall, cause: Cause, number: int) -> Mapping[str, Any]:
    why, who = cause_of(cause, want.rule, number), who_of(cause.person)
    if want.call == "track":
        return segment_calls.track_call(
            why, who, event=want.name or "", properties=want.fields, at_ms=cause.at_ms
        )
    return segment_calls.identify_call(why, who, traits=want.fields, at_ms=cause.at_ms)


def cause_of(cause: Cause, rule: str, number: int) -> segment_calls.Cause:
    """What tells a call from all others: of a journey also the run's key, and where it was."""
    event = _event_key(cause.event)
    if cause.origin is None:
        return segment_calls.Cause(event, rule, number)
    place = passage_of(cause.origin)
    return segment_calls.Cause(event, f"{rule}/{cause.journey.get('key')}", place)


def _event_key(event: Happened) -> str:
    """What an event is called in the ids of the calls it causes: the same after a restore."""
    message_id = event.data.get("messageId")
    if isinstance(message_id, str) and message_id:
        return message_id
    # a number alone starts anew with a new store, and Segment would take the call for an old one
    name = f"{event.id}-{event.received_ms}"
    return f"{name}-{event.derived:x}" if event.derived else name
