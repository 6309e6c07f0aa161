"""SendGrid's Event Webhook: one event's JSON, in every shape it really arrives in -> EmailEvent."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from hashlib import blake2b
from typing import Any, Final

import msgspec

from homing.core.errors import HomingError

SAMPLE_ADDRESS: Final = "example@test.com"
SAMPLE_CATEGORY: Final = "cat facts"

KNOWN_TYPES = frozenset(
    {
        "processed",
        "dropped",
        "delivered",
        "deferred",
        "bounce",
        "open",
        "click",
        "spamreport",
        "unsubscribe",
        "group_unsubscribe",
        "group_resubscribe",
        "account_status_change",
    }
)
"""The event types that SendGrid documents for its Event Webhook."""

ARG_PREFIX = "homing_"
"""Our custom arguments come back as top-level fields under this prefix."""

# Samples in SendGrid's own manual hold milliseconds; a timestamp in seconds
# stays below this until the year 33658.
_FIRST_MS = 10**12
_YEAR_10000_MS = 253_402_300_800_000


class UnusableEvent(HomingError):
    """The sender's fault: not an event at all. Quarantine it with this reason."""


class DropReason(StrEnum):
    """Why SendGrid never tried to deliver, from its free text."""

    BOUNCED = "bounced"
    UNSUBSCRIBED = "unsubscribed"
    SPAM_REPORTED = "spam_reported"
    INVALID_ADDRESS = "invalid_address"
    INVALID_HEADER = "invalid_header"
    SPAM_CONTENT = "spam_content"
    OVER_QUOTA = "over_quota"
    DUPLICATE = "duplicate"
    EXPIRED = "expired"
    OTHER = "other"


class UrlOffset(msgspec.Struct, frozen=True, gc=False):
    """Which link of which part of the mail was clicked, counted from 0."""

    index: int
    type: str


class Campaign(msgspec.Struct, frozen=True, gc=False):
    """The Single Send, automation or legacy campaign that SendGrid itself sent."""

    kind: str  # "singlesend", "automation", "campaign"
    id: str
    name: str


class EmailEvent(msgspec.Struct, frozen=True, gc=False):
    """
    What happened to one email, normalised: absent text is ``""``, absent numbers are ``None``.

    ``at_ms`` is the event's own time; when it had none it is when we received it, and ``timed``
    is false. ``homing`` holds our custom arguments by their full names.
    """

    type: str
    email: str = ""  # lower-cased; empty on some drops and on account events
    at_ms: int = 0
    timed: bool = False
    sg_event_id: str = ""
    sg_message_id: str = ""
    smtp_id: str = ""
    categories: tuple[str, ...] = ()
    group_id: int | None = None
    machine_open: bool = False
    bounce_type: str = ""  # of a bounce: "bounce" (hard) or "blocked"
    bounce_classification: str = ""
    account_status: str = ""
    reason: str = ""
    status: str = ""  # enhanced code such as "5.1.1"
    response: str = ""
    attempt: int | None = None
    ip: str = ""
    useragent: str = ""
    url: str = ""
    url_offset: UrlOffset | None = None
    template_id: str = ""
    template_version: str = ""
    template_name: str = ""
    campaign: Campaign | None = None
    homing: Mapping[str, str] = msgspec.field(default_factory=dict)

    @property
    def known(self) -> bool:
        """Tell whether SendGrid documents this type of event."""
        return self.type in KNOWN_TYPES

    @property
    def hard_bounce(self) -> bool:
        """
        Tell whether the address itself is bad, so that SendGrid puts it on its bounce list.

        ``blocked`` and ``expired`` are about this one mail.
        """
        return self.type == "bounce" and self.bounce_type in ("", "bounce")


def is_sample(event: EmailEvent) -> bool:
    """
    Whether an event is of the fixed batch that SendGrid posts to try a webhook.

    Source: SendGrid docs, "Event Webhook", test integration: of ``example@test.com``, with the
    category "cat facts".
    """
    return event.email == SAMPLE_ADDRESS and SAMPLE_CATEGORY in event.categories


def parse_event(raw: object, received_ms: int = 0) -> EmailEvent:
    """
    Read one element of the array that SendGrid posts.

    Args:
        raw: The decoded JSON of one event.

        received_ms: When we received it, for events without a usable time of their own.

    Raises:
        UnusableEvent: It is no object, or has no text under ``event``. Nothing else refuses an
            event: odd shapes of any other field count as absent.

    Source: SendGrid docs, "Event Webhook reference"; captured payloads.
    """
    if not isinstance(raw, Mapping):
        msg = f"the event is {type(raw).__name__}, not an object"
        raise UnusableEvent(msg)
    kind = _text(raw.get("event"))
    if not kind:
        raise UnusableEvent("the event has no text under `event`")
    own_ms = _time_ms(raw.get("timestamp"))
    return EmailEvent(
        type=kind,
        at_ms=received_ms if own_ms is None else own_ms,
        timed=own_ms is not None,
        **_fields(kind, raw),
    )


def fingerprint(event: EmailEvent) -> bytes:
    """
    Digest what a redelivery repeats even when SendGrid gives it a new ``sg_event_id``.

    Returns:
        16 bytes; the same for every redelivery, in every release of Python.

    Source: sendgrid-nodejs issue 1435 (same event, other id); ids are missing on some
    unsubscribe events.
    """
    offset = event.url_offset
    parts = (
        event.type,
        event.email,
        event.at_ms if event.timed else None,
        event.sg_message_id,
        event.smtp_id,
        event.url,
        None if offset is None else (offset.index, offset.type),
        event.group_id,
        event.attempt,
        event.ip,
        event.useragent,
    )
    # ascii() quotes and escapes: no two different tuples give the same text.
    return blake2b(ascii(parts).encode("ascii"), digest_size=16, person=b"fingerprint").digest()


def identity_key(event: EmailEvent) -> bytes | None:
    """
    Digest SendGrid's own id of the event, with its type.

    Returns:
        16 bytes that never equal a fingerprint, or ``None`` when the event has no id.
    """
    if not event.sg_event_id:
        return None
    parts = ascii((event.type, event.sg_event_id))
    return blake2b(parts.encode("ascii"), digest_size=16, person=b"sg_event_id").digest()


def drop_reason_of(text: str) -> DropReason:
    """
    Name the reason of a ``dropped`` event; texts nobody documented are ``OTHER``.

    Source: SendGrid docs, "Event Webhook reference", dropped; the match ignores case because the
    texts differ between products.
    """
    lowered = text.strip().lower()
    for needle, reason in _DROP_TEXTS:
        if needle in lowered:
            return reason
    if lowered.startswith("unsubscribed"):
        return DropReason.UNSUBSCRIBED
    # "Invalid" alone is the address; other texts that begin so are about something else.
    if lowered == "invalid" or lowered.startswith(("invalid address", "invalid email")):
        return DropReason.INVALID_ADDRESS
    return DropReason.OTHER


_DROP_TEXTS = (
    ("bounced address", DropReason.BOUNCED),
    ("unsubscribed address", DropReason.UNSUBSCRIBED),
    # Not documented; expected of a group, by analogy.
    ("group unsubscribe", DropReason.UNSUBSCRIBED),
    ("spam reporting address", DropReason.SPAM_REPORTED),
    ("invalid smtpapi", DropReason.INVALID_HEADER),
    ("spam content", DropReason.SPAM_CONTENT),
    ("over package quota", DropReason.OVER_QUOTA),
    ("duplicate message", DropReason.DUPLICATE),
    ("expired", DropReason.EXPIRED),
)

_CAMPAIGN_KEYS = (
    ("singlesend", ("singlesend_id",), ("singlesend_name",)),
    ("automation", ("mc_auto_id", "automation_id"), ("mc_auto_name", "automation_name")),
    ("campaign", ("marketing_campaign_id",), ("marketing_campaign_name",)),
)
_CAMPAIGN_IDS: Final = frozenset(key for _, keys, _ in _CAMPAIGN_KEYS for key in keys)


def _campaign(raw: Mapping[str, object]) -> Campaign | None:
    if _CAMPAIGN_IDS.isdisjoint(raw):
        return None
    for kind, id_keys, name_keys in _CAMPAIGN_KEYS:
        campaign_id = _first_text(raw, id_keys)
        if campaign_id:
            return Campaign(kind, campaign_id, _first_text(raw, name_keys))
    return None


def _fields(kind: str, raw: Mapping[str, object]) -> dict[str, Any]:
    """What is there, read: most events have a third of the fields there are."""
    own: dict[str, str] = {}
    fields: dict[str, Any] = {"homing": own, "campaign": _campaign(raw)}
    for key, value in raw.items():
        reader = _READERS.get(key)
        if reader is not None:
            name, read = reader
            fields[name] = read(value)
        elif key.startswith(ARG_PREFIX) and (text := _text(value)):
            own[key] = text
    if not fields.get("template_id") and "sg_template_id" in raw:
        fields["template_id"] = _text(raw["sg_template_id"])
    if kind == "bounce":
        fields["bounce_type"] = _lower(raw.get("type"))
    elif kind == "account_status_change":
        fields["account_status"] = _text(raw.get("type"))
    return fields


def _first_text(raw: Mapping[str, object], keys: tuple[str, ...]) -> str:
    for key in keys:
        text = _text(raw.get(key))
        if text:
            return text
    return ""


def _text(value: object) -> str:
    if isinstance(value, str):
        text = value.strip()
        # A lone surrogate cannot be written out again: neither stored nor sent.
        return text if text.isascii() else text.encode("utf-8", "replace").decode("utf-8")
    if isinstance(value, int) and not isinstance(value, bool) and -_FIRST_MS < value < _FIRST_MS:
        return str(value)
    return ""


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, list):
        return tuple(text for item in value if (text := _text(item)))
    text = _text(value)
    return (text,) if text else ()


def _truth(value: object) -> bool:
    return value is True or (isinstance(value, str) and value.strip().lower() == "true")


def _number(value: object) -> float | int | None:
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return value
    # More digits than any time or count has; longer texts cost time to read.
    if isinstance(value, str) and len(value) <= 32:
        try:
            return float(value) if "." in value else int(value)
        except ValueError:
            return None
    return None


def _whole(value: object) -> int | None:
    number = _number(value)
    # NaN fails every comparison, infinity this one.
    if number is None or not 0 <= number < 2**63:
        return None
    return int(number)


def _positive(value: object) -> int | None:
    return _whole(value) or None


def _time_ms(value: object) -> int | None:
    number = _number(value)
    if number is None or not 0 < number < _YEAR_10000_MS:
        return None
    at_ms = int(number if number >= _FIRST_MS else number * 1000)
    return at_ms if at_ms < _YEAR_10000_MS else None


def _url_offset(value: object) -> UrlOffset | None:
    if not isinstance(value, Mapping):
        return None
    index = _whole(value.get("index"))
    return None if index is None else UrlOffset(index, _text(value.get("type")))


def _lower(value: object) -> str:
    return _text(value).lower()


# SendGrid's name of a field -> ours, and how it is read; `_fields` reads what depends on others
_READERS: Final[Mapping[str, tuple[str, Callable[[object], Any]]]] = {
    "email": ("email", _lower),
    "sg_event_id": ("sg_event_id", _text),
    "sg_message_id": ("sg_message_id", _text),
    "smtp-id": ("smtp_id", _text),
    "category": ("categories", _texts),
    "asm_group_id": ("group_id", _positive),
    "sg_machine_open": ("machine_open", _truth),
    "bounce_classification": ("bounce_classification", _text),
    "reason": ("reason", _text),
    "status": ("status", _text),
    "response": ("response", _text),
    "attempt": ("attempt", _whole),
    "ip": ("ip", _text),
    "useragent": ("useragent", _text),
    "url": ("url", _text),
    "url_offset": ("url_offset", _url_offset),
    "template_id": ("template_id", _text),
    "template_version_id": ("template_version", _text),
    "sg_template_name": ("template_name", _text),
}
