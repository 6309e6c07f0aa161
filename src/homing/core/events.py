"""What happened, in our words: one shape for Segment's events and for SendGrid's."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any, Final

import msgspec

from homing.core.digests import digest8

_DERIVED: Final = 1 << 62
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MS: Final = timedelta(milliseconds=1)
# the years 1 to 9999 in UTC: what can also be written again
FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_999

SEGMENT_TYPES: Final = frozenset(
    {"identify", "track", "page", "screen", "group", "alias", "delete"}
)


class Happened(msgspec.Struct, frozen=True, gc=False):
    """
    One event as decisions see it.

    ``data`` is the root of expressions: Segment's event, or a SendGrid event in the shape of the
    track call it is written home as. ``at_ms`` is when it happened, ``received_ms`` when we
    stored it. ``engagement`` is true of SendGrid's.

    ``derived`` is 0, or tells an entry into a local audience, or an exit, that followed from the
    event apart from it and from any other (`derived_number`). Nobody said it: nothing but that is
    learnt of its person.
    """

    id: int
    data: Mapping[str, Any]
    at_ms: int
    received_ms: int
    engagement: bool = False
    derived: int = 0

    @property
    def key(self) -> tuple[int, int]:
        """Tells it from all other events."""
        return self.id, self.derived

    @property
    def type(self) -> str:
        """``track``, ``identify``, …"""
        return str(self.data.get("type", ""))

    @property
    def name(self) -> str | None:
        """What its ``event`` says, the name of a track event; None if that is no text."""
        name = self.data.get("event")
        return name if isinstance(name, str) else None


def derived_number(event: Happened, origin: int | None, place: int) -> int:
    """
    The number of what follows from an event: the same whenever it follows, at least 2**62.

    Args:
        origin: The origin of the step of a run that it follows from; None: from a route.

        place: Which of all that follow at once it is.
    """
    name = f"d:{event.id}:{event.derived}:{origin}:{place}"
    return _DERIVED | digest8(name.encode()) & _DERIVED - 1


def time_ms(text: object) -> int | None:
    """
    Unix milliseconds of an ISO-8601 time; None if it is none.

    A time without a zone is read as UTC, as Segment's API does.
    """
    if not isinstance(text, str) or len(text) > 40:
        return None
    try:
        at = datetime.fromisoformat(text)
        if at.tzinfo is None:
            at = at.replace(tzinfo=UTC)
        at_ms = (at - _EPOCH) // _MS
    except (ValueError, OverflowError):
        return None
    return at_ms if FIRST_MS <= at_ms <= LAST_MS else None


# asked of the present moment above all: several events share it
@lru_cache(maxsize=256)
def iso_time(at_ms: int) -> str:
    """ISO-8601 in UTC with milliseconds, as Segment writes it."""
    at = _EPOCH + timedelta(milliseconds=at_ms)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def event_time_ms(data: Mapping[str, Any], received_ms: int) -> int:
    """When a Segment event happened: its ``timestamp``, else when we received it."""
    at = time_ms(data.get("timestamp"))
    return received_ms if at is None else at


def unusable_reason(data: Mapping[str, Any]) -> str | None:
    """Why an authentic JSON object is no Segment event; None if it is one."""
    kind = data.get("type")
    if not isinstance(kind, str) or not kind:
        return "no type: expected a Segment event with a `type`"
    if kind not in SEGMENT_TYPES:
        return f"unknown type {kind[:40]!r}: expected one of {', '.join(sorted(SEGMENT_TYPES))}"
    return None
