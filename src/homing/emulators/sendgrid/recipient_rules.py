"""The rules of mail/send about personalizations: who gets the mail, and with what."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import orjson

from homing.emulators.sendgrid.errors import HELP, ApiError
from homing.emulators.sendgrid.mail_body import Address, MailBody, Personalization

MOST_PERSONALIZATIONS: Final = 1000
MOST_RECIPIENTS: Final = 1000
MOST_CUSTOM_ARGS_BYTES: Final = 10_000
MOST_SUBSTITUTION_BYTES: Final = 10_000
MOST_AHEAD_S: Final = 72 * 3600

RESERVED_HEADERS: Final = frozenset(
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

_EMAIL: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)+[A-Za-z]{2,63}"
)


def is_address(text: str | None) -> bool:
    """Tell whether SendGrid would take a text for an address: ASCII, with a dotted domain."""
    return (
        text is not None
        and len(text) <= 254
        and text.find("@") <= 64
        and _EMAIL.fullmatch(text) is not None
    )


def domain_of(email: str) -> str:
    """Return what follows the last ``@``, in lower case."""
    return email.rpartition("@")[2].lower()


def recipient_errors(body: MailBody, *, now: float) -> Iterator[ApiError]:
    """Find what is wrong with the personalizations."""
    blocks = body.personalizations
    if not blocks:
        yield ApiError(
            "You must have at least one personalization.",
            "personalizations",
            HELP + "personalizations",
        )
        return
    too_many = list(_count_errors(blocks))
    yield from too_many
    if too_many:
        return
    for index, block in enumerate(blocks):
        place = f"personalizations.{index}"
        yield from _address_errors(block, place)
        yield from _duplicate_errors(block, place)
        yield from _block_errors(body, block, place, now=now)


def header_errors(headers: Mapping[str, Any] | None, place: str) -> Iterator[ApiError]:
    """Find headers that may not be set, or are no text."""
    for name, value in (headers or {}).items():
        if name.lower() in RESERVED_HEADERS:
            yield ApiError(
                "Header cannot be one of the reserved keys.",
                f"{place}.{name}",
                HELP + "headers",
            )
        elif not isinstance(value, str):
            yield ApiError("The header values must be strings.", place, HELP + "headers")
        elif not name.isascii() or " " in name or not name:
            yield ApiError(
                "Header keys cannot contain non-ASCII characters and empty spaces.",
                place,
                HELP + "headers",
            )


def send_at_errors(send_at: int | None, place: str, *, now: float) -> Iterator[ApiError]:
    """Find a moment that is too far ahead."""
    if send_at is not None and send_at > now + MOST_AHEAD_S:
        yield ApiError(
            "Scheduling more than 72 hours in advance is forbidden.", place, HELP + "send_at"
        )


def custom_args_errors(custom_args: Mapping[str, Any] | None, place: str) -> Iterator[ApiError]:
    """Find custom arguments that are no text."""
    if not _are_texts(custom_args or {}):
        yield ApiError(
            "All values of custom arguments object must be strings", place, HELP + "custom_args"
        )


def _are_texts(values: Mapping[str, Any]) -> bool:
    return all(isinstance(value, str) for value in values.values())


def _count_errors(blocks: list[Personalization]) -> Iterator[ApiError]:
    if len(blocks) > MOST_PERSONALIZATIONS:
        yield ApiError(
            "The personalization block is limited to 1000 personalizations per API request. You"
            f" have provided {len(blocks)} personalizations. Please consider splitting this into"
            " multiple requests and resending your request.",
            "personalizations",
            HELP + "personalizations",
        )
    total = sum(len(b.to or ()) + len(b.cc or ()) + len(b.bcc or ()) for b in blocks)
    if total > MOST_RECIPIENTS:
        yield ApiError(
            "There is a limit of 1000 total recipients (to + cc + bcc) per request.",
            "personalizations",
            HELP + "recipient-errors",
        )


def _address_errors(block: Personalization, place: str) -> Iterator[ApiError]:
    if not block.to:
        yield ApiError(
            "The to array is required for all personalization objects, and must have at least one"
            " email object with a valid email address.",
            f"{place}.to",
            HELP + "personalizations.to",
        )
    for name, index, address in block.recipients():
        if not is_address(address.email):
            yield invalid_address(f"{place}.{name}.{index}.email", f"personalizations.{name}")
    if block.from_ is not None and not is_address(block.from_.email):
        yield invalid_address(f"{place}.from.email", "from")


def invalid_address(place: str, topic: str) -> ApiError:
    """Say that a field holds no e-mail address."""
    return ApiError("Does not contain a valid address.", place, HELP + topic)


def _duplicate_errors(block: Personalization, place: str) -> Iterator[ApiError]:
    seen: set[str] = set()
    for name, _, address in block.recipients():
        email = (address.email or "").lower()
        if email and email in seen:
            yield ApiError(
                "Each email address in the personalization block should be unique between to, cc,"
                f" and bcc. We found the first duplicate instance of [{email}] in the"
                f" {place}.{name} field.",
                place,
                HELP + "recipient-errors",
            )
            return
        seen.add(email)


def _block_errors(
    body: MailBody, block: Personalization, place: str, *, now: float
) -> Iterator[ApiError]:
    if block.subject == "":
        yield ApiError(
            "The subject of your email must be a string at least one character in length.",
            f"{place}.subject",
            HELP + "personalizations.subject",
        )
    yield from header_errors(block.headers, f"{place}.headers")
    yield from send_at_errors(block.send_at, f"{place}.send_at", now=now)
    yield from custom_args_errors(block.custom_args, f"{place}.custom_args")
    yield from _size_errors(body, block, place)
    yield from _substitution_errors(body, block, f"{place}.substitutions")
    yield from _from_errors(body.from_, block.from_, f"{place}.from")


def _size_errors(body: MailBody, block: Personalization, place: str) -> Iterator[ApiError]:
    merged = {**(body.custom_args or {}), **(block.custom_args or {})}
    if _are_texts(merged) and len(orjson.dumps(merged)) > MOST_CUSTOM_ARGS_BYTES:
        yield ApiError(
            "The combined size of both global and personalization custom arguments may not exceed"
            f" {MOST_CUSTOM_ARGS_BYTES:,} bytes per personalization.",
            f"{place}.custom_args",
            HELP + "personalizations.custom_args",
        )


def _substitution_errors(body: MailBody, block: Personalization, place: str) -> Iterator[ApiError]:
    if not block.substitutions:
        return
    topic = HELP + "personalizations.substitutions"
    if (body.template_id or "").startswith("d-"):
        yield ApiError("Substitutions may not be used with dynamic templating", place, topic)
    if not _are_texts(block.substitutions):
        yield ApiError(
            "The substitution values must be an object of key/value pairs, where the values are"
            " all strings.",
            place,
            topic,
        )
    elif len(orjson.dumps(block.substitutions)) > MOST_SUBSTITUTION_BYTES:
        yield ApiError(
            f"Substitutions are limited to {MOST_SUBSTITUTION_BYTES:,} bytes per personalization"
            " block.",
            place,
            topic,
        )


def _from_errors(root: Address | None, own: Address | None, place: str) -> Iterator[ApiError]:
    if root is None or own is None or not root.email or not own.email:
        return
    if domain_of(root.email) != domain_of(own.email):
        yield ApiError(
            "The from address of a personalization must have the same domain as the from address"
            " of the message.",
            place,
            HELP + "from",
        )
