"""What a decision may ask for, and the rows those wishes become."""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntFlag, StrEnum
from typing import TYPE_CHECKING, Final, TypeAlias, assert_never

import msgspec

if TYPE_CHECKING:
    from homing.core.mapping import Compiled
    from homing.core.plans import EmailClass, UpsertContact


CAPTURED: Final = "captured-"
"""How the message id of a send begins that was accepted by nobody: nothing left."""


class Dest(StrEnum):
    """Where effects go; each has lanes and a pause of its own."""

    MAIL = "mail"
    CONTACTS = "contacts"
    SUPPRESSIONS = "suppressions"
    SEGMENT = "segment"


class EventState(StrEnum):
    """What became of an event taken in."""

    PENDING = "pending"
    DONE = "done"
    FILTERED = "filtered"
    QUARANTINED = "quarantined"
    DEAD = "dead"


class EffectState(StrEnum):
    """The life of an effect that may safely be done twice."""

    READY = "ready"
    SENT = "sent"  # taken by an API that works on it by and by: not known to be done
    DONE = "done"
    DEAD = "dead"
    DROPPED = "dropped"


class SendFlag(IntFlag):
    """Marks on a send that no state tells."""

    TEST = 1  # by hand: no statistics
    SILENT = 2  # accepted, and nothing was heard in time
    OPENED = 4
    CLICKED = 8
    RESENT = 16  # sent again after an unknown outcome
    LOOKUP = 32  # to be looked up in Segment's Profile API before it may leave


class WantSend(msgspec.Struct, frozen=True, gc=False):
    """
    A decision to email the person: not yet asked of any rule that may forbid it.

    ``to`` and ``data`` are the action's own; they are resolved when the send has its id.
    """

    rule: str
    email: str
    to: Compiled | None = None
    data: Compiled | None = None
    template: str | None = None
    step: str = ""
    variant: str | None = None


class WantCall(msgspec.Struct, frozen=True, gc=False):
    """
    A decision to write to the person's Segment profile.

    ``call`` is "track" (``name`` is the event, ``fields`` its properties) or "identify" (``fields``
    are traits).
    """

    rule: str
    call: str
    name: str | None
    fields: Mapping[str, object]


class WantSuppression(msgspec.Struct, frozen=True, gc=False):
    """
    A decision to opt the person's address out of, or into, *scope*.

    ``rule`` names the route or the ``[suppression]`` condition that decided.
    """

    rule: str
    scope: str
    suppressed: bool


class WantContact(msgspec.Struct, frozen=True, gc=False):
    """
    A decision to write the person to SendGrid's Marketing contacts.

    ``rule`` "contacts" is the ``when`` of ``[contacts]``; ``contact`` None: with its fields.
    """

    rule: str
    contact: UpsertContact | None = None


class WantList(msgspec.Struct, frozen=True, gc=False):
    """A decision to have the person on a ``[list.NAME]``, or not."""

    rule: str
    list_name: str
    member: bool


class WantAudience(msgspec.Struct, frozen=True, gc=False):
    """
    The person is in an audience now, or out of it.

    ``stated``: Segment says so in an Engage payload; else a rule has decided it. ``changed``:
    whether it was otherwise before.
    """

    rule: str
    audience: str
    member: bool
    changed: bool
    stated: bool = False


class CannotDo(msgspec.Struct, frozen=True, gc=False):
    """
    An action whose values this event does not give; the others of its event go on.

    ``call`` is "track" or "identify": the actions whose values are had when they are decided.
    """

    rule: str
    reason: str
    call: str = "track"


Wish: TypeAlias = (
    WantSend | WantCall | WantSuppression | WantContact | WantList | WantAudience | CannotDo
)


class NewSend(msgspec.Struct, frozen=True, gc=False):
    """A send to reserve: unique on (origin, rule, step)."""

    id: int
    origin: int
    rule: str
    step: str
    variant: str | None
    version: str
    event: int
    person: int
    user: str
    email: str
    kind: EmailClass
    template: str | None
    address: str | None
    group_id: int | None
    state: str
    reason: str | None
    reserved_at: int
    due_at: int
    expires_at: int
    data: bytes
    tag: int
    flags: int = 0
    lookup: bytes | None = None  # with what a send that is looked up is resolved again


class NewEffect(msgspec.Struct, frozen=True, gc=False):
    """An effect to do: leaves in order within (dest, lane)."""

    dest: Dest
    kind: str
    lane: int
    payload: bytes
    event: int | None
    rule: str | None
    person: int | None
    made_at: int
    due_at: int


class Effect(msgspec.Struct, frozen=True, gc=False):
    """An effect claimed."""

    id: int
    kind: str
    lane: int
    due_at: int
    attempt: int
    event: int | None
    person: int | None
    made_at: int
    payload: bytes


class SendRow(msgspec.Struct, gc=False):
    """One row of the ledger, as the store has it. Times are unix ms."""

    id: int
    tag: int
    origin: int
    rule: str
    step: str
    variant: str | None
    version: str
    event: int | None
    person: int
    user: str
    email: str
    kind: str
    template: str | None
    address: str | None
    group_id: int | None
    state: str
    reason: str | None
    mail: str | None
    attempt: int
    reserved_at: int
    due_at: int
    expires_at: int
    in_flight_at: int | None
    accepted_at: int | None
    delivered_at: int | None
    last_event_at: int | None
    message_id: str | None
    lane: int | None
    head: int
    unknown_due: int | None
    silent_due: int | None
    flags: int
    deferred: int | None = None  # out of its lane until then, when it is asked of again

    @property
    def key(self) -> str:
        """The id shown to people and sent as ``homing_send``."""
        return send_key(self.id, self.tag)


class ClaimedSend(msgspec.Struct, gc=False):
    """A send whose intent is on disk: its first byte may leave."""

    row: SendRow
    data: bytes
    bypass: bool = False
    leave_group: bool = False


def send_key(number: int, tag: int) -> str:
    """
    The text form of a send's id.

    The tag is random per send: an event for a send of another store, or of a time before a
    restore, does not match by accident.
    """
    return f"{number}-{tag:010x}"


def send_number(key: str) -> tuple[int, int] | None:
    """The number and tag of a send's text id; None if it is not one that `send_key` wrote."""
    number, _, tag = key.partition("-")
    if not (number.isascii() and number.isdigit() and len(number) < 19 and len(tag) == 10):
        return None
    try:
        named = int(number), int(tag, 16)
    except ValueError:
        return None
    return named if send_key(*named) == key else None


def name_of_wish(wish: Wish) -> str:  # noqa: PLR0911  one a kind of wish
    """What an effect is called in lines and counts."""
    match wish:
        case WantSend(email=email):
            return email
        case WantCall(call=call, name=name):
            return f"{call} {name}" if name else call
        case WantSuppression(scope=scope, suppressed=suppressed):
            return f"{'suppress' if suppressed else 'unsuppress'} {scope}"
        case WantContact():
            return "upsert_contact"
        case WantList(list_name=name, member=member):
            return f"{'add_to_list' if member else 'remove_from_list'} {name}"
        case WantAudience(audience=key, member=member):
            return f"{'add_to_audience' if member else 'remove_from_audience'} {key}"
        case CannotDo(call=call):
            return call
    assert_never(wish)
