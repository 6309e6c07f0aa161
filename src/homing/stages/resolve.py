"""What a send is made of: its address and data, as far as they can be had, now or once again."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import orjson

from homing.core import mail_limits
from homing.core.decide import address_of, root_of, template_data
from homing.core.errors import HomingError
from homing.core.events import Happened, iso_time
from homing.core.wire import json_bytes

if TYPE_CHECKING:
    from homing.core.effects import SendRow, WantSend
    from homing.core.people import Person
    from homing.core.plans import Email
    from homing.stages.cause import Cause

NO_DATA = b"{}"
BAD_DATA = "bad_data: "


class Resolved(msgspec.Struct, frozen=True, gc=False):
    """
    Address and data; *problem* says why it cannot be sent so.

    ``seen`` is the data before it was encoded; ``is_astray``: the address cannot be read.
    """

    address: str | None
    data: bytes = NO_DATA
    seen: Mapping[str, object] = {}
    problem: str | None = None
    is_astray: bool = False


def resolved(want: WantSend, root: Mapping[str, Any], person: Person, *, email: Email) -> Resolved:
    """Resolve address and data: would SendGrid take it?"""
    address = None
    try:
        address = address_of(want, root, person, email_to=email.to)
    except HomingError as error:
        return Resolved(None, problem=_bad_data(error), is_astray=True)
    try:
        data = template_data(want, root, email_data=email.data)
        encoded = json_bytes(data)
    except HomingError as error:
        return Resolved(address, problem=_bad_data(error))
    # the address is the gate's to ask of; what else there is was checked at load
    too_large = mail_limits.size_refusal_of(len(encoded))
    problem = None if too_large is None else f"bad_send: {too_large}"
    return Resolved(address, encoded, data, problem)


def pack(cause: Cause, problem: str | None) -> bytes:
    """
    Why a send was asked for, as JSON: with that it is resolved again.

    Args:
        problem: Why it cannot be sent as things are.
    """
    event = cause.event
    place = [event.id, event.at_ms, event.received_ms, event.engagement, event.derived]
    return json_bytes(
        {"event": place, "data": event.data, "journey": cause.journey, "problem": problem}
    )


class Packed(msgspec.Struct, frozen=True, gc=False):
    """What `pack` wrote."""

    event: Happened
    journey: Mapping[str, object]
    problem: str | None

    @classmethod
    def of(cls, raw: bytes) -> Packed:
        """Read it."""
        found = orjson.loads(raw)
        number, at_ms, received_ms, engagement, derived = found["event"]
        event = Happened(number, found["data"], at_ms, received_ms, engagement, derived)
        return cls(event, found["journey"], found["problem"])

    def resolved(self, want: WantSend, row: SendRow, person: Person, *, email: Email) -> Resolved:
        """Resolve a send anew, by its person as they are now."""
        facts = {"id": row.key, "time": iso_time(row.reserved_at)}
        root = root_of(self.event, person, send=facts, journey=self.journey)
        return resolved(want, root, person, email=email)


def _bad_data(error: HomingError) -> str:
    return f"{BAD_DATA}{error}"[:500]
