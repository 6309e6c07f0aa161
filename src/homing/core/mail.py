"""The body of mail/send: built once per email with SendGrid's own classes, filled in per send."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from orjson import Fragment
from sendgrid.helpers.mail import (
    Asm,
    BypassUnsubscribeManagement,
    Category,
    ClickTracking,
    CustomArg,
    From,
    GroupId,
    Header,
    IpPoolName,
    Mail,
    MailSettings,
    OpenTracking,
    ReplyTo,
    SandBoxMode,
    TemplateId,
    TrackingSettings,
)

from homing.core import addresses
from homing.core.plans import Address, Email
from homing.core.sendgrid import ARG_PREFIX
from homing.core.wire import json_bytes

SEND_ARG = ARG_PREFIX + "send"
USER_ARG = ARG_PREFIX + "user"
RULE_ARG = ARG_PREFIX + "rule"
STEP_ARG = ARG_PREFIX + "step"
VARIANT_ARG = ARG_PREFIX + "variant"
VERSION_ARG = ARG_PREFIX + "version"

# Control characters and Unicode's own line ends: in a header they would begin a new one.
_LINE_BREAKING = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029]+")


@dataclass(frozen=True, slots=True)
class Rendered:
    """An email that Homing rendered itself."""

    subject: str
    html: str | None = None
    text: str | None = None


@dataclass(frozen=True, slots=True)
class Letter:
    """What one send adds to its letterhead."""

    to: Address
    args: Mapping[str, str]  # from args_of()
    data: Mapping[str, object] | Fragment = field(default_factory=dict)  # or encoded: Fragment
    template: str | None = None  # instead of the email's own
    rendered: Rendered | None = None
    bypass_unsubscribes: bool = False
    leave_group: bool = False  # say nothing of the group: SendGrid cannot bypass a group's list


@dataclass(frozen=True, slots=True)
class Letterhead:
    """The part of every mail/send body of one email that no send changes."""

    static: Mapping[str, object]
    cc: tuple[Mapping[str, str], ...]
    bcc: tuple[Mapping[str, str], ...]
    copied: frozenset[str]  # lower-cased addresses of cc and bcc
    bypassing: Mapping[str, object]  # mail_settings that bypass global unsubscribes


def letterhead_of(email: Email, *, sandbox: bool = False) -> Letterhead:
    """
    Build what all sends of *email* share; once, at load.

    Args:
        email: The configured email.

        sandbox: Let SendGrid check the shape only: it answers 200 and sends nothing.
    """
    mail = Mail(from_email=_named(From, email.sender))
    if email.template is not None:
        mail.template_id = TemplateId(email.template)
    if email.reply_to is not None:
        mail.reply_to = _named(ReplyTo, email.reply_to)
    if email.group_id is not None:
        mail.asm = Asm(GroupId(email.group_id))
    if email.ip_pool is not None:
        mail.ip_pool_name = IpPoolName(email.ip_pool)
    _add_each(mail, email)
    settings = SandBoxMode(enable=True) if sandbox else None
    if settings is not None:
        mail.mail_settings = MailSettings(sandbox_mode=settings)
    bypassing = MailSettings(
        sandbox_mode=settings,
        bypass_unsubscribe_management=BypassUnsubscribeManagement(enable=True),
    )
    cc = _distinct(email.cc, frozenset())
    bcc = _distinct(email.bcc, frozenset(_key(entry) for entry in cc))
    return Letterhead(
        static=MappingProxyType(mail.get()),
        cc=cc,
        bcc=bcc,
        copied=frozenset(_key(entry) for entry in (*cc, *bcc)),
        bypassing=bypassing.get(),
    )


def args_of(
    *, send: str, user: str | None, rule: str, step: str | None, variant: str | None, version: str
) -> dict[str, str]:
    """
    List our custom arguments of one send; SendGrid returns them with each of its events.

    Args:
        send: Id of the send.

        user: The person's userId or anonymousId. One that is an address is left out: SendGrid
            keeps arguments for ever.

        rule: The route or journey that sent it.

        step: The journey's step.

        variant: The branch of a random split.

        version: Of the configuration.
    """
    args = {
        SEND_ARG: send,
        USER_ARG: None if user is None or "@" in user else user,
        RULE_ARG: rule,
        STEP_ARG: step,
        VARIANT_ARG: variant,
        VERSION_ARG: version,
    }
    return {name: value for name, value in args.items() if value}


def message_of(letterhead: Letterhead, letter: Letter) -> dict[str, object]:
    """
    Fill in one send: the mail/send body, before encoding.

    Line breaks are taken out of names and subjects, international domains are written in ASCII,
    and a copy to the recipient themself is left out. Nothing else is checked here: see
    :mod:`homing.core.mail_limits`.
    """
    to = _recipient(letter.to)
    personalization: dict[str, object] = {"to": [to]}
    copies = _copies(letterhead, _key(to))
    personalization.update(copies)
    if letter.data:
        personalization["dynamic_template_data"] = letter.data
    if letter.args:
        personalization["custom_args"] = letter.args
    message = {**letterhead.static, "personalizations": [personalization]}
    if letter.template is not None:
        message["template_id"] = letter.template
    if letter.rendered is not None:
        message["subject"] = header_text(letter.rendered.subject)
        message["content"] = _content(letter.rendered)
    if letter.bypass_unsubscribes:
        message["mail_settings"] = letterhead.bypassing
    if letter.leave_group:
        message.pop("asm", None)
    return message


def body_of(message: Mapping[str, object]) -> bytes:
    """
    Encode a message as the bytes that are posted.

    Raises:
        NotJson: The template data cannot be written as JSON.
    """
    return json_bytes(message)


def header_text(text: str) -> str:
    """Make text safe for a header: each run of control characters becomes one space."""
    return _LINE_BREAKING.sub(" ", text).strip()


def _add_each(mail: Mail, email: Email) -> None:
    # The library puts each new category first.
    for category in reversed(email.categories):
        mail.add_category(Category(category))
    for name, value in email.headers.items():
        mail.add_header(Header(name, value))
    for name, value in email.custom_args.items():
        mail.add_custom_arg(CustomArg(name, value))
    opens, clicks = email.tracking.get("opens"), email.tracking.get("clicks")
    if opens is not None or clicks is not None:
        mail.tracking_settings = TrackingSettings(
            open_tracking=None if opens is None else OpenTracking(enable=opens),
            click_tracking=None if clicks is None else ClickTracking(enable=clicks),
        )


def _named(kind: type[From | ReplyTo], address: Address) -> From | ReplyTo:
    entry = _recipient(address)
    made = kind()
    # Set apart: given an address alone, the constructor would parse it for a name.
    made.email, made.name = entry["email"], entry.get("name")
    return made


def _recipient(address: Address) -> dict[str, str]:
    email = address.email if address.email.isascii() else addresses.ascii_form(address.email)
    name = header_text(address.name) if address.name else ""
    return {"email": email, "name": name} if name else {"email": email}


def _key(entry: Mapping[str, str]) -> str:
    return entry["email"].lower()


def _distinct(copies: Sequence[Address], taken: frozenset[str]) -> tuple[Mapping[str, str], ...]:
    entries: dict[str, Mapping[str, str]] = {}
    for entry in map(_recipient, copies):
        if _key(entry) not in taken:
            entries.setdefault(_key(entry), entry)
    return tuple(entries.values())


def _copies(letterhead: Letterhead, to: str) -> dict[str, Sequence[Mapping[str, str]]]:
    if not letterhead.copied:
        return {}
    copies = {"cc": letterhead.cc, "bcc": letterhead.bcc}
    if to in letterhead.copied:
        copies = {
            kind: tuple(entry for entry in entries if _key(entry) != to)
            for kind, entries in copies.items()
        }
    return {kind: entries for kind, entries in copies.items() if entries}


def _content(rendered: Rendered) -> list[dict[str, str]]:
    # SendGrid wants text/plain before text/html.
    parts = (("text/plain", rendered.text), ("text/html", rendered.html))
    return [{"type": kind, "value": value} for kind, value in parts if value]
