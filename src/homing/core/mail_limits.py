"""
What SendGrid would refuse is refused here first, with a reason a person can read.

:func:`refusals_of_email` runs once per email at load, :func:`send_refusal_of` for each send;
:func:`refusal_of` checks a whole body. Reasons name the field as SendGrid's answers do.

Source: SendGrid docs, "Mail Send" and its "Errors"; where the manual's editions differ
(custom_args: 10,000 or 50,000 bytes) the smaller limit holds.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import chain
from typing import TypeAlias

import orjson

from homing.core import addresses
from homing.core.mail import Letter, Rendered, letterhead_of, message_of
from homing.core.plans import Address, Email
from homing.core.sendgrid import ARG_PREFIX

MAX_BODY_BYTES = 30 * 1024 * 1024
MAX_CUSTOM_ARGS_BYTES = 10_000
MAX_RECIPIENTS = 1_000
MAX_CATEGORIES = 10
MAX_CATEGORY_CHARS = 255

FORBIDDEN_HEADERS = frozenset(
    {
        "x-sg-id",
        "x-sg-eid",
        "received",
        "dkim-signature",
        "content-type",
        "content-transfer-encoding",
        "to",
        "from",
        "subject",
        "reply-to",
        "cc",
        "bcc",
    }
)
"""Header names that SendGrid sets itself, lower-cased: names are compared ignoring case."""

_FIELDS = frozenset(
    {
        "personalizations",
        "from",
        "reply_to",
        "subject",
        "content",
        "template_id",
        "headers",
        "categories",
        "custom_args",
        "asm",
        "ip_pool_name",
        "mail_settings",
        "tracking_settings",
    }
)
_PERSONAL_FIELDS = frozenset({"to", "cc", "bcc", "dynamic_template_data", "custom_args"})
_DYNAMIC_TEMPLATE = re.compile(r"d-[0-9a-fA-F]{32}")
_HEADER_NAME = re.compile(r"[!-9;-~]+")  # RFC 5322 3.6.8: printable ASCII but the colon
_HEADER_VALUE = re.compile(r"[\t -~]*")
_LINE_BREAK = re.compile("[\x00\r\n]")

Message: TypeAlias = Mapping[str, object]
Check: TypeAlias = Callable[[Message], str | None]


def refusal_of(message: Message, *, size_bytes: int = 0) -> str | None:
    """
    Check a whole mail/send body.

    Args:
        message: The body before encoding, as :func:`homing.core.mail.message_of` builds it.

        size_bytes: Length of the encoded body; 0 leaves the size unchecked.

    Returns:
        Why SendGrid would refuse it (or silently drop the mail), or ``None``.
    """
    return next(_reasons(message, (*_STATIC_CHECKS, *_SEND_CHECKS)), None) or size_refusal_of(
        size_bytes
    )


def send_refusal_of(message: Message, *, size_bytes: int = 0) -> str | None:
    """
    Check only what a send fills in: recipients, data, arguments, and where they are there a
    template, a subject and content. Its letterhead was checked at load.
    """
    return next(_reasons(message, _SEND_CHECKS), None) or size_refusal_of(size_bytes)


def refusals_of_email(email: Email) -> tuple[str, ...]:
    """List everything about a configured email that SendGrid would refuse in every send."""
    sample = Letter(
        to=Address("recipient@example.com"),
        args={},
        rendered=None if email.template else _sample_rendering(email),
    )
    message = message_of(letterhead_of(email), sample)
    own = (
        f"custom_args.{name}: names that start with {ARG_PREFIX!r} are Homing's own"
        for name in email.custom_args
        if name.startswith(ARG_PREFIX)
    )
    found = _reasons(message, (*_STATIC_CHECKS, *_SEND_CHECKS))
    # A missing text is found by two checks.
    return tuple(dict.fromkeys(chain(own, found)))


def template_refusal_of(template_id: object) -> str | None:
    """Say why a template id is none of a dynamic template's, or ``None``."""
    if isinstance(template_id, str) and _DYNAMIC_TEMPLATE.fullmatch(template_id):
        return None
    return f"template_id: expected 'd-' and 32 hex digits, got {_shown(template_id)}"


def _sample_rendering(email: Email) -> Rendered:
    # What the templates render to is known per send; here only whether they are there at all.
    return Rendered(email.subject or "", email.html, email.text)


def _reasons(message: Message, checks: Sequence[Check]) -> Iterator[str]:
    return (reason for check in checks if (reason := check(message)) is not None)


def size_refusal_of(size_bytes: int) -> str | None:
    """Say why a request of so many bytes is too large, or ``None``."""
    if size_bytes <= MAX_BODY_BYTES:
        return None
    return f"the message is {size_bytes:,} bytes; SendGrid takes at most {MAX_BODY_BYTES:,}"


def _fields(message: Message) -> str | None:
    unknown = sorted(message.keys() - _FIELDS)
    return f"{unknown[0]}: not a field that Homing sends" if unknown else None


def _sender(message: Message) -> str | None:
    return _address("from", message.get("from"))


def _reply_to(message: Message) -> str | None:
    return _address("reply_to", message["reply_to"]) if "reply_to" in message else None


def _headers(message: Message) -> str | None:
    headers = message.get("headers", {})
    if not isinstance(headers, Mapping):
        return "headers: expected an object"
    names = [str(name).lower() for name in headers]
    if len(set(names)) < len(names):
        return "headers: the same name twice"
    return next((r for item in headers.items() if (r := _header(*item)) is not None), None)


def _header(name: object, value: object) -> str | None:
    if not isinstance(name, str) or _HEADER_NAME.fullmatch(name) is None:
        return f"headers: {_shown(name)} is not a header name"
    if name.lower() in FORBIDDEN_HEADERS:
        return f"headers.{name}: SendGrid sets this header itself"
    if not isinstance(value, str) or _HEADER_VALUE.fullmatch(value) is None:
        return f"headers.{name}: expected ASCII text without line breaks, got {_shown(value)}"
    return None


def _categories(message: Message) -> str | None:
    categories = message.get("categories", [])
    if not isinstance(categories, list):
        return "categories: expected a list"
    if len(categories) > MAX_CATEGORIES:
        return f"categories: {len(categories)} of them; SendGrid takes {MAX_CATEGORIES}"
    if len(set(map(str, categories))) < len(categories):
        return "categories: the same one twice"
    return next((r for category in categories if (r := _category(category)) is not None), None)


def _category(category: object) -> str | None:
    if not isinstance(category, str) or not category or not category.isascii():
        return f"categories: expected ASCII text, got {_shown(category)}"
    if _LINE_BREAK.search(category):
        return f"categories: a line break in {_shown(category)}"
    if len(category) > MAX_CATEGORY_CHARS:
        return f"categories: {_shown(category)} is longer than {MAX_CATEGORY_CHARS} characters"
    return None


def _asm(message: Message) -> str | None:
    if "asm" not in message:
        return None
    asm = message["asm"]
    group = asm.get("group_id") if isinstance(asm, Mapping) else None
    if isinstance(group, int) and not isinstance(group, bool) and group > 0:
        return None
    return f"asm.group_id: expected the number of an unsubscribe group, got {_shown(group)}"


def _ip_pool(message: Message) -> str | None:
    pool = message.get("ip_pool_name", "--")
    if isinstance(pool, str) and 2 <= len(pool) <= 64 and not _LINE_BREAK.search(pool):
        return None
    return f"ip_pool_name: expected 2 to 64 characters, got {_shown(pool)}"


def _settings(message: Message) -> str | None:
    return _switches(message, "mail_settings") or _switches(message, "tracking_settings")


def _switches(message: Message, name: str) -> str | None:
    settings = message.get(name, {})
    if not isinstance(settings, Mapping):
        return f"{name}: expected an object"
    for setting, value in settings.items():
        if not isinstance(value, Mapping) or not isinstance(value.get("enable"), bool):
            return f"{name}.{setting}.enable: expected true or false"
    if "bypass_list_management" in settings and len(settings) > 1:
        return f"{name}.bypass_list_management: cannot be combined with other settings"
    return None


def _personalizations(message: Message) -> str | None:
    entries = message.get("personalizations")
    if not isinstance(entries, list) or not 1 <= len(entries) <= MAX_RECIPIENTS:
        return f"personalizations: expected a list of 1 to {MAX_RECIPIENTS}"
    total = 0
    for index, entry in enumerate(entries):
        reason = _personalization(entry, message.get("custom_args", {}))
        if reason is not None:
            return f"personalizations.{index}.{reason}"
        total += sum(len(entry.get(kind, ())) for kind in ("to", "cc", "bcc"))
    if total > MAX_RECIPIENTS:
        return f"personalizations: {total} recipients; SendGrid takes {MAX_RECIPIENTS} a request"
    return None


def _personalization(entry: object, shared_args: object) -> str | None:
    if not isinstance(entry, Mapping):
        return "to: expected an object"
    unknown = sorted(entry.keys() - _PERSONAL_FIELDS)
    if unknown:
        return f"{unknown[0]}: not a field that Homing sends"
    if not isinstance(entry.get("dynamic_template_data", {}), Mapping):
        return "dynamic_template_data: expected an object"
    return _recipients(entry) or _custom_args(shared_args, entry.get("custom_args"))


def _recipients(entry: Message) -> str | None:
    if not entry.get("to"):
        return "to: no recipient"
    seen: set[str] = set()
    for kind in ("to", "cc", "bcc"):
        recipients = entry.get(kind, ())
        if not isinstance(recipients, list | tuple):
            return f"{kind}: expected a list"
        for recipient in recipients:
            reason = _address(kind, recipient)
            if reason is not None:
                return reason
            email = recipient["email"].lower()
            if email in seen:
                return f"{kind}: {_shown(email)} is a recipient twice"
            seen.add(email)
    return None


def _address(where: str, value: object) -> str | None:
    email = value.get("email") if isinstance(value, Mapping) else None
    if not isinstance(value, Mapping) or not isinstance(email, str):
        return f"{where}: expected an object with an email address"
    name = value.get("name", "")
    if not isinstance(name, str) or _LINE_BREAK.search(name):
        return f"{where}.name: expected text without line breaks, got {_shown(name)}"
    reason = addresses.refusal_of(email)
    return None if reason is None else f"{where}.email: {reason}"


def _custom_args(shared: object, own: object) -> str | None:
    if not isinstance(shared, Mapping) or not isinstance(own, Mapping | None):
        return "custom_args: expected an object"
    merged = {**shared, **(own or {})}
    for name, value in merged.items():
        if not isinstance(name, str) or not isinstance(value, str):
            return f"custom_args.{name}: expected text, got {_shown(value)}"
    size = _json_length(merged)
    if size <= MAX_CUSTOM_ARGS_BYTES:
        return None
    return f"custom_args: {size:,} bytes; SendGrid takes at most {MAX_CUSTOM_ARGS_BYTES:,}"


def _json_length(texts: Mapping[str, str]) -> int:
    try:
        return len(orjson.dumps(texts))
    except TypeError:  # a lone surrogate: mended when the body is encoded
        return sum(3 * (len(name) + len(value)) for name, value in texts.items())


def _filled_in(message: Message) -> str | None:
    if "template_id" in message:
        return template_refusal_of(message["template_id"])
    if "subject" in message or "content" in message:
        return _rendered(message)
    return None


def _template_or_content(message: Message) -> str | None:
    return None if "template_id" in message else _rendered(message)


def _rendered(message: Message) -> str | None:
    subject, content = message.get("subject"), message.get("content")
    if not isinstance(subject, str) or not subject or _LINE_BREAK.search(subject):
        return "subject: expected text without line breaks, as there is no template"
    if not isinstance(content, list) or not content:
        return "content: there is neither text nor HTML, nor a template"
    return next((r for part in content if (r := _content(part)) is not None), None)


def _content(part: object) -> str | None:
    value = part.get("value") if isinstance(part, Mapping) else None
    return None if isinstance(value, str) and value else "content.value: expected text"


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}…"


_STATIC_CHECKS: tuple[Check, ...] = (
    _fields,
    _sender,
    _reply_to,
    _headers,
    _categories,
    _asm,
    _ip_pool,
    _settings,
    _template_or_content,
)
_SEND_CHECKS: tuple[Check, ...] = (_personalizations, _filled_in)
