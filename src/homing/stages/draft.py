"""What is found out of an event before and while it is evaluated: its row, its names."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from homing.core.digests import digest8
from homing.core.effects import EventState
from homing.core.sendgrid import UnusableEvent, fingerprint, identity_key, parse_event
from homing.core.splitting import Element, is_blank
from homing.ports import EventRow, Request

if TYPE_CHECKING:
    from homing.core.sendgrid import EmailEvent
    from homing.ports import Tx

EVERY: Final = 1 << 30


class Taken(msgspec.Struct, frozen=True, gc=False):
    """One element of one request on its way through."""

    request: Request
    item: int
    element: Element


class Draft(msgspec.Struct, gc=False):
    """
    An event's row while it is found out.

    ``engagement`` is what SendGrid's event says, ``digest`` its fingerprint once that is known;
    ``received`` is when it comes to be decided of, ``comes_to_runs`` whether journeys hear of it.
    """

    taken: Taken
    number: int
    at: int
    engagement: EmailEvent | UnusableEvent | None
    type: str | None = None
    name: str | None = None
    message_id: str | None = None
    person: int | None = None
    send: int | None = None
    state: EventState = EventState.PENDING
    reason: str | None = None
    digest: bytes | None = None
    received: int = 0
    comes_to_runs: bool = True

    @classmethod
    def of(cls, taken: Taken, number: int) -> Draft:
        """Nothing known but what came."""
        received = taken.request.received_ms
        return cls(taken, number, received, _engagement_of(taken), received=received)

    def quarantine(self, reason: str) -> None:
        """It cannot be used; a person can read why."""
        self.state, self.reason = EventState.QUARANTINED, reason[:500]

    def filter(self, reason: str) -> None:
        """It is not for us."""
        self.state, self.reason = EventState.FILTERED, reason

    def erase(self, tx: Tx) -> None:
        """Have what it says erased from the log."""
        tx.events.ask_erasure([(self.taken.request.seq, self.taken.item)])
        self.message_id = None

    def row(self) -> EventRow:
        """As it is kept."""
        request = self.taken.request
        return EventRow(
            self.number, request.seq, self.taken.item, request.source, self.type, self.name,
            self.message_id, self.person, self.send, self.at, request.received_ms, self.state,
            self.reason,
        )  # fmt: skip


def _engagement_of(taken: Taken) -> EmailEvent | UnusableEvent | None:
    """One of SendGrid's events, or why it is none; None of Segment's and of what is not JSON."""
    if taken.element.reason is not None or not taken.request.source.startswith("sendgrid/"):
        return None
    try:
        return parse_event(taken.element.data, taken.request.received_ms)
    except UnusableEvent as error:
        return error


def is_erased(tx: Tx, taken: Taken, row: EventRow) -> bool:
    """Whether an erasure took what a kept event said, or is about to."""
    place = (row.request, row.item)
    first = tx.events.first_erasure()
    if first is not None and first <= row.request and place in tx.events.erasures(limit=EVERY):
        return True
    if not is_blank(taken.element):
        return False
    # what came as empty as erasure leaves it is known by that emptiness
    met = (tx.events.seen(name.key) for name in names_of(Draft.of(taken, row.id)))
    return all(seen is None or seen.event != row.id for seen in met)


def message_key(message_id: str) -> int:
    """The key under which a Segment event's ``messageId`` is remembered."""
    return digest8(b"s:" + message_id.encode("utf-8", "replace"))


class Name(msgspec.Struct, frozen=True, gc=False):
    """A name an event goes by; ``says_all`` if two events of that name are the same event."""

    key: int
    says_all: bool = False
    shown: str | None = None


def names_of(draft: Draft) -> Sequence[Name]:
    """
    By what an event is told from all others.

    Segment's by ``messageId``; SendGrid's by the print of what a redelivery repeats even when it
    has a new id, and by id with type, since two events may share an id. Without any: by its bytes.
    """
    event, element = draft.engagement, draft.taken.element
    if event is not None and not isinstance(event, UnusableEvent):
        draft.digest = fingerprint(event)
        return _names_of_engagement(event, draft.digest)
    message_id = text_of(element.data.get("messageId"))
    if message_id is not None:
        return (Name(message_key(message_id), shown=message_id),)
    return (Name(digest8(b"b:" + element.raw), says_all=True),)


def _names_of_engagement(event: EmailEvent, digest: bytes) -> Sequence[Name]:
    names = [Name(int.from_bytes(digest[:8], signed=True), says_all=True)]
    own = identity_key(event)
    if own is not None:
        names.append(Name(int.from_bytes(own[:8], signed=True), shown=event.sg_event_id))
    return names


def text_of(value: object) -> str | None:
    """Text that is not empty; None of all else."""
    return value if isinstance(value, str) and value else None


def name_of(data: Mapping[str, Any]) -> str | None:
    """The name of a Segment event: of a track call its ``event``, else its ``name``."""
    name = data.get("event") if data.get("type") == "track" else data.get("name")
    return name[:500] if isinstance(name, str) else None
