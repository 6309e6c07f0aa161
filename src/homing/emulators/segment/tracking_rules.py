"""
The tracking API's rules about messages: why one is thrown away without a word.

Segment answers 200 and discards; the codes are those of its "Delivery overview"
unless a docstring says otherwise.
"""

from collections.abc import Mapping
from typing import Any, Final

TYPES: Final = ("identify", "track", "page", "screen", "group", "alias")
MOST_MESSAGE_BYTES: Final = 32 * 1024
MOST_BATCH_BYTES: Final = 500 * 1024
MOST_BATCH_EVENTS: Final = 2500
MOST_MESSAGE_ID: Final = 100

#: Codes of our own for discards that are documented without one.
TOO_MANY_EVENTS: Final = "batch_too_many_events"
TOO_LARGE: Final = "message_too_large"
UNKNOWN_TYPE: Final = "type_unknown"
MESSAGE_ID_TOO_LONG: Final = "message_id_too_long"

_OBJECTS: Final = {
    "identify": "traits",
    "group": "traits",
    "track": "properties",
    "page": "properties",
    "screen": "properties",
}


def discard_code(message: object) -> str | None:
    """Say why a message is discarded; None publishes it."""
    if not isinstance(message, dict) or message.get("type") not in TYPES:
        return UNKNOWN_TYPE
    message_id = message.get("messageId")
    if isinstance(message_id, str) and len(message_id) > MOST_MESSAGE_ID:
        return MESSAGE_ID_TOO_LONG
    return _id_code(message) or _event_code(message) or _shape_code(message)


def _id_code(message: Mapping[str, Any]) -> str | None:
    ids = ("userId", "anonymousId", "groupId", "previousId")
    given = {name: message[name] for name in ids if message.get(name) is not None}
    if any(not isinstance(value, str) or not value for value in given.values()):
        return "id_not_string"
    if message["type"] == "alias":
        return None if {"userId", "previousId"} <= given.keys() else "id_required"
    if message["type"] == "group" and "groupId" not in given:
        return "id_required"
    return None if given.keys() & {"userId", "anonymousId"} else "no_user_anon_id"


def _event_code(message: Mapping[str, Any]) -> str | None:
    if message["type"] != "track":
        return None
    event = message.get("event")
    if event is None or event == "":
        return "event_not_defined"
    return None if isinstance(event, str) else "event_not_string"


def _shape_code(message: Mapping[str, Any]) -> str | None:
    holder = _OBJECTS.get(message["type"], "")
    if not isinstance(message.get(holder, {}) or {}, dict):
        return f"{holder}_not_object"
    if message["type"] in {"page", "screen"}:
        for name in ("name", "category"):
            if message.get(name) is not None and not isinstance(message[name], str):
                return f"{name}_not_string"
    return None
