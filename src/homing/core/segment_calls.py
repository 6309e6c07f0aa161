"""
Calls to Segment's Tracking API, as Segment's own library builds them with its sending off.

A call that is surely small enough is put into the library's form here, since the library's walk
over every value costs more than all else that is done with an event; the tests hold it to what the
library makes. Any other is built and judged by the library itself.

Message ids are functions of what caused a call, so that doing it twice changes nothing at
Segment, which dedupes by them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache, lru_cache
from hashlib import blake2b, sha256
from importlib.metadata import version
from typing import Final, Protocol, TypeAlias

import msgspec
import orjson

from homing.core.consent import Preferences
from homing.core.errors import HomingError
from homing.core.wire import NotJson, json_bytes

INTEGRATION = "Homing"
"""``context.integration.name`` of every call we make."""

ID_PREFIX = "homing-"
"""How every messageId of ours begins."""

Call: TypeAlias = dict[str, object]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# The library's limit is 32 KiB of JSON in ASCII with spaces, in which no byte of ours becomes more
# than six (DEL is written \u007f).
_SURELY_FITS: Final = (32 << 10) // 6


class CallRefused(HomingError):
    """The event's or the configuration's fault: Segment would drop this call unseen."""


class CallTooLarge(CallRefused):
    """Segment takes 32 KB a call."""


class Who(msgspec.Struct, frozen=True, gc=False):
    """
    Whose profile a call is for: the first of the three that is there.

    ``email`` also goes into ``context.traits``: Segment merges profiles by it, so it must be this
    person's own. ``consent`` is what they agreed to, so that Segment lets the call go no further;
    None: nothing is known.
    """

    user_id: str | None = None
    anonymous_id: str | None = None
    email: str = ""
    consent: Preferences | None = None


@dataclass(frozen=True, slots=True)
class Cause:
    """What a route or journey step was doing when it made a call."""

    event_id: str  # or the tick's
    rule: str
    index: int = 0  # among the calls of this rule for this event


def anonymous_id_of(address: str) -> str:
    """
    Make the anonymousId of somebody known by address only: SHA-256 of it, lower-cased.

    Source: Segment docs, "SendGrid Marketing Campaigns" source, which does the same.
    """
    return sha256(address.strip().lower().encode("utf-8", "replace")).hexdigest()


def track_call(
    cause: Cause, who: Who, *, event: str, properties: Mapping[str, object], at_ms: int
) -> Call:
    """
    Build the ``track`` call of a route or journey.

    Args:
        cause: Decides the messageId.

        who: Whose profile.

        event: The event's name.

        properties: Any JSON.

        at_ms: When it happened, unix milliseconds.

    Raises:
        CallRefused: Nobody to write to, no name, or properties that are not JSON.

        CallTooLarge: It is one.
    """
    return built_track(
        who,
        event=event,
        properties=_plain(properties),
        context=context_of(who),
        at_ms=at_ms,
        message_id=f"{ID_PREFIX}{_digest(cause)}:t",
    )


def identify_call(cause: Cause, who: Who, *, traits: Mapping[str, object], at_ms: int) -> Call:
    """
    Build the ``identify`` call of a route or journey; see :func:`track_call`.

    Raises:
        CallRefused: Nobody to write to, or traits that are not JSON.

        CallTooLarge: It is one.
    """
    return built_identify(
        who,
        traits=_plain(traits),
        context=context_of(who),
        at_ms=at_ms,
        message_id=f"{ID_PREFIX}{_digest(cause)}:i",
    )


def is_echo(event: Mapping[str, object]) -> bool:
    """Tell whether a Segment event is one of our own calls, coming back through a destination."""
    message_id = event.get("messageId")
    if isinstance(message_id, str) and message_id.startswith(ID_PREFIX):
        return True
    context = event.get("context")
    integration = context.get("integration") if isinstance(context, dict) else None
    return isinstance(integration, dict) and integration.get("name") == INTEGRATION


def context_of(who: Who) -> dict[str, object]:
    """Build the ``context`` that every call of ours has."""
    context: dict[str, object] = {"integration": {"name": INTEGRATION}}
    if who.email:
        context["traits"] = {"email": who.email}
    if who.consent is not None:
        context["consent"] = {"categoryPreferences": dict(who.consent)}
    return context


def built_track(
    who: Who,
    *,
    event: str,
    properties: dict[str, object],
    context: dict[str, object],
    at_ms: int,
    message_id: str,
) -> Call:
    """Build and check a ``track`` message; raises as :func:`track_call`."""
    if not event:
        raise CallRefused("the track call has no event name")
    return _built(
        who,
        {"type": "track", "event": event, "properties": properties, "messageId": message_id},
        context=context,
        at_ms=at_ms,
    )


def built_identify(
    who: Who,
    *,
    traits: dict[str, object],
    context: dict[str, object],
    at_ms: int,
    message_id: str,
) -> Call:
    """Build and check an ``identify``; raises as :func:`identify_call`."""
    return _built(
        who,
        {"type": "identify", "traits": traits, "messageId": message_id},
        context=context,
        at_ms=at_ms,
    )


def iso(at_ms: int) -> str:
    """Write unix milliseconds as Segment's ISO 8601 in UTC."""
    return _stamp(at_ms).removesuffix("+00:00") + "Z"


class _Library(Protocol):
    """What we use of ``segment.analytics.Client``, which has no types."""

    def track(self, **fields: object) -> tuple[bool, Call]: ...

    def identify(self, **fields: object) -> tuple[bool, Call]: ...


@cache
def _library() -> _Library:
    # it brings requests and more: 15 MiB and a tenth of a second that only a call too large needs
    from segment.analytics import Client  # noqa: PLC0415

    library: _Library = Client("unused", send=False)
    return library


@cache
def _written_by() -> dict[str, str]:
    """What the library says of itself in each message."""
    return {"name": "analytics-python", "version": version("segment-analytics-python")}


def _built(who: Who, own: Call, *, context: dict[str, object], at_ms: int) -> Call:
    user_id, anonymous_id = _ids(who)
    call = {
        **own,
        "integrations": {},
        "userId": user_id,
        "anonymousId": anonymous_id,
        "context": {**context, "library": _written_by()},
        "timestamp": _stamp(at_ms),
    }
    return call if _surely_fits(call) else _built_by_library(call, at_ms)


def _surely_fits(call: Call) -> bool:
    try:
        encoded = orjson.dumps(call)
    except TypeError:  # orjson's JSONEncodeError is one
        return False
    return len(encoded) <= _SURELY_FITS


def _built_by_library(call: Call, at_ms: int) -> Call:
    fields = {_ARGUMENTS[name]: value for name, value in call.items() if name in _ARGUMENTS}
    build = _library().track if call["type"] == "track" else _library().identify
    try:
        return build(**fields, timestamp=_moment(at_ms))[1]
    except RuntimeError as error:
        # A RecursionError is one, too: nested too deep for the library.
        raise CallTooLarge("the call is larger than Segment's 32 KB") from error
    except (AssertionError, TypeError, ValueError) as error:
        msg = f"Segment's library refuses the call: {error}"
        raise CallRefused(msg) from error


_ARGUMENTS: Final = {
    "userId": "user_id", "anonymousId": "anonymous_id", "event": "event", "traits": "traits",
    "properties": "properties", "context": "context", "integrations": "integrations",
    "messageId": "message_id",
}  # fmt: skip


def _ids(who: Who) -> tuple[str | None, str | None]:
    """The userId, or else the anonymousId, that a call is for."""
    if who.user_id:
        return who.user_id, None
    if who.anonymous_id:
        return None, who.anonymous_id
    if who.email:
        return None, anonymous_id_of(who.email)
    raise CallRefused("nobody to write to: no userId, no anonymousId, no address")


def _digest(cause: Cause) -> str:
    text = ascii((cause.event_id, cause.rule, cause.index))
    return blake2b(text.encode("ascii"), digest_size=16, person=b"cause").hexdigest()


# SendGrid's times are whole seconds: what it posts together shares a few of them
@lru_cache(maxsize=1_024)
def _stamp(at_ms: int) -> str:
    """The moment as the library writes it."""
    return _moment(at_ms).isoformat(timespec="milliseconds")


def _moment(at_ms: int) -> datetime:
    try:
        return _EPOCH + timedelta(milliseconds=at_ms)
    except OverflowError as error:
        msg = f"{at_ms} ms is no moment of a calendar"
        raise CallRefused(msg) from error


def _plain(value: Mapping[str, object]) -> dict[str, object]:
    try:
        plain: dict[str, object] = orjson.loads(json_bytes(value))
    except (NotJson, orjson.JSONDecodeError) as error:
        raise CallRefused(str(error)) from error
    return plain
