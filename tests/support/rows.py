"""Rows for tests of the store: what a test does not name is plausible and never matters."""

from __future__ import annotations

from typing import Any

import msgspec

from homing.core.effects import Dest, EventState, NewEffect, NewSend
from homing.core.people import Identity, IdKind
from homing.core.plans import EmailClass
from homing.ports import EventRow, Tx

NOON = 1_700_000_000_000
HOUR = 3_600_000
DAY = 24 * HOUR

_EVENT = EventRow(
    id=1,
    request=1,
    item=0,
    source="segment/web",
    type="track",
    name="Order Completed",
    message_id="m-1",
    person=None,
    send=None,
    at=NOON,
    received_at=NOON,
    state=EventState.DONE,
)

_SEND = NewSend(
    id=1,
    origin=1,
    rule="order-confirmation",
    step="",
    variant=None,
    version="v1",
    event=1,
    person=1,
    user="u1",
    email="order",
    kind=EmailClass.TRANSACTIONAL,
    template="d-1",
    address="ann@example.com",
    group_id=None,
    state="reserved",
    reason=None,
    reserved_at=NOON,
    due_at=NOON,
    expires_at=NOON + HOUR,
    data=b'{"order_id":"o1"}',
    tag=7,
)

_EFFECT = NewEffect(
    dest=Dest.SEGMENT,
    kind="track",
    lane=1,
    payload=b'{"event":"Email Opened"}',
    event=1,
    rule="r1",
    person=1,
    made_at=NOON,
    due_at=NOON,
)


class Refused(Exception):
    """What a job raises of its own."""


def refuse(refused: bool) -> None:
    """Raise, or do not."""
    if refused:
        raise Refused


def event(number: int, **columns: Any) -> EventRow:  # noqa: ANN401  a column's own type
    """An event, received so many milliseconds after noon as its number says."""
    at = NOON + number
    return msgspec.structs.replace(
        _EVENT, **{"id": number, "request": number, "at": at, "received_at": at, **columns}
    )


def send(number: int, **columns: Any) -> NewSend:  # noqa: ANN401  a column's own type
    """A send, caused by the event of its number."""
    return msgspec.structs.replace(
        _SEND, **{"id": number, "origin": number, "event": number, **columns}
    )


def effect(**columns: Any) -> NewEffect:  # noqa: ANN401  a column's own type
    """A call to Segment for person 1."""
    return msgspec.structs.replace(_EFFECT, **columns)


def user(name: str) -> Identity:
    """A person's name by userId."""
    return Identity(IdKind.USER, name)


def anonymous(name: str) -> Identity:
    """A person's name by anonymousId."""
    return Identity(IdKind.ANONYMOUS, name)


def email(address: str) -> Identity:
    """A person's name by address."""
    return Identity(IdKind.EMAIL, address)


def reserve(tx: Tx, number: int, *, lane: int | None, **columns: Any) -> None:  # noqa: ANN401
    """Reserve a send whose person is the lane's."""
    person = columns.pop("person", 1 if lane is None else lane // 2)
    assert tx.sends.reserve(send(number, person=person, **columns), lane=lane)


def heads(tx: Tx) -> list[int]:
    """The numbers of the sends that may be claimed at any time."""
    return sorted(row.id for row in tx.sends.claimable(now=1 << 60, limit=1_000))
