"""What happens in the sandbox, as records: one a thing, in the words of its feed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias


class What(StrEnum):
    """The kinds of things that happen, along the path of an event."""

    EVENT_IN = "event_in"
    LOST = "lost"  # an event that never reached the service: the fault "drop"
    JOURNEY = "journey"
    EMAIL_OUT = "email_out"
    SKIPPED = "skipped"
    EXPIRED = "expired"
    RETRY = "retry"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    RESOLVED = "resolved"
    PAUSED = "paused"
    RESUMED = "resumed"
    ALERT = "alert"
    SENDGRID = "sendgrid"
    HOME = "home"


@dataclass(frozen=True, slots=True)
class Happening:
    """
    One thing that happened.

    Args:
        at: Unix time in seconds.

        who: A userId where one is known, else an address; for a pause what is paused.

        name: Of the event, the email, the call.

        detail: What else a person wants to know, in a few words.

        ids: Of the send, the message and so on, by name.
    """

    at: float
    what: What
    who: str
    name: str
    detail: str = ""
    ids: Mapping[str, str] = field(default_factory=dict)


Tell: TypeAlias = Callable[[Happening], None]


def event_in(event: Mapping[str, Any], *, at: float, lost: bool) -> Happening:
    """A customer did something; *lost* if the event never leaves the shop."""
    return Happening(
        at,
        What.LOST if lost else What.EVENT_IN,
        who_of(event),
        str(event.get("event") or event["type"]),
        _of_event(event),
        {"message_id": str(event.get("messageId", ""))},
    )


def call_home(call: Mapping[str, Any], *, at: float) -> Happening:
    """A call reached Segment."""
    is_track = call["type"] == "track"
    return Happening(
        at,
        What.HOME,
        who_of(call),
        str(call["event"]) if is_track else str(call["type"]),
        _of_track(call) if is_track else _of_traits(call.get("traits") or {}),
        {"message_id": str(call.get("messageId", ""))},
    )


def who_of(message: Mapping[str, Any]) -> str:
    """Who a message of Segment's is about."""
    return str(message.get("userId") or message.get("anonymousId") or "?")


def _of_event(event: Mapping[str, Any]) -> str:
    properties = event.get("properties") or {}
    if "total" in properties:
        return f"{properties.get('order_id', '')} {properties['total']:.2f}".strip()
    return str(properties.get("name") or (event.get("traits") or {}).get("email") or "")


def _of_track(call: Mapping[str, Any]) -> str:
    properties = call.get("properties") or {}
    words = (properties.get(name) for name in ("campaign_name", "link_url", "reason"))
    return " ".join(str(word) for word in words if word)


def _of_traits(traits: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {_short(value)}" for name, value in sorted(traits.items()))


def _short(value: object) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(str, value)) + "]"
    return str(value).lower() if isinstance(value, bool) else str(value)
