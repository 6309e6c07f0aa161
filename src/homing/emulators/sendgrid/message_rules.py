"""The rules of mail/send about the message itself: sender, content, template, settings."""

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import pairwise
from typing import Final

from homing.emulators.sendgrid.errors import HELP, ApiError
from homing.emulators.sendgrid.mail_body import Address, Attachment, Content, MailBody
from homing.emulators.sendgrid.recipient_rules import invalid_address, is_address

MOST_CATEGORIES: Final = 10
MOST_REPLY_TO: Final = 1000
MOST_GROUPS_TO_DISPLAY: Final = 25

_TEMPLATE_ID: Final = re.compile(
    r"d-[0-9a-f]{32}|[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", re.IGNORECASE
)

_BYPASSES: Final = (
    "bypass_spam_management",
    "bypass_bounce_management",
    "bypass_unsubscribe_management",
)


def message_errors(body: MailBody) -> Iterator[ApiError]:
    """Find what is wrong with everything but the personalizations and the account's own things."""
    yield from _from_errors(body.from_)
    yield from _reply_errors(body)
    yield from _subject_errors(body)
    yield from _template_errors(body.template_id)
    yield from _content_errors(body)
    for index, attachment in enumerate(body.attachments or ()):
        yield from _attachment_errors(attachment, f"attachments.{index}")
    yield from _category_errors(body.categories or [])
    yield from _setting_errors(body)


def _from_errors(sender: Address | None) -> Iterator[ApiError]:
    if sender is None or sender.email is None:
        yield ApiError(
            "The from object must be provided for every email send. It is an object that requires"
            " the email parameter, but may also contain a name parameter.  e.g."
            ' {"email" : "example@example.com"}  or {"email" : "example@example.com",'
            ' "name" : "Example Recipient"}.',
            "from.email",
            HELP + "from",
        )
    elif not is_address(sender.email):
        yield invalid_address("from.email", "from")


def _reply_errors(body: MailBody) -> Iterator[ApiError]:
    if body.reply_to is not None and not is_address(body.reply_to.email):
        yield invalid_address("reply_to.email", "reply_to")
    if body.reply_to_list is None:
        return
    if body.reply_to is not None:
        yield ApiError(
            "Only one of reply_to and reply_to_list may be used.",
            "reply_to_list",
            HELP + "reply_to",
        )
    emails = [(address.email or "").lower() for address in body.reply_to_list]
    if len(emails) > MOST_REPLY_TO or len(set(emails)) != len(emails):
        yield ApiError(
            "The reply_to_list must hold at most 1000 addresses, each once.",
            "reply_to_list",
            HELP + "reply_to",
        )
    for index, address in enumerate(body.reply_to_list):
        if not is_address(address.email):
            yield invalid_address(f"reply_to_list.{index}.email", "reply_to")


def _subject_errors(body: MailBody) -> Iterator[ApiError]:
    if body.subject == "":
        yield ApiError(
            "The subject of your email must be a string at least one character in length.",
            "subject",
            HELP + "subject",
        )
    if body.subject or body.template_id:
        return
    if not all(block.subject for block in body.personalizations or ()):
        yield ApiError(
            "The subject is required. You can get around this requirement if you use a template"
            " with a subject defined or if every personalization has a subject defined.",
            "subject",
            HELP + "subject",
        )


def _template_errors(template_id: str | None) -> Iterator[ApiError]:
    if template_id is not None and _TEMPLATE_ID.fullmatch(template_id) is None:
        yield ApiError(
            f"The template_id must be a valid GUID, you provided '{template_id}'.",
            "template_id",
            HELP + "template_id",
        )


def _content_errors(body: MailBody) -> Iterator[ApiError]:
    parts = body.content
    if not parts:
        if not body.template_id:
            yield ApiError(
                "Unless a valid template_id is provided, the content parameter is required. There"
                " must be at least one defined content block. We typically suggest both text/plain"
                " and text/html blocks are included, but only one block is required.",
                "content",
                HELP + "content",
            )
        return
    for index, part in enumerate(parts):
        yield from _part_errors(part, f"content.{index}")
    yield from _order_errors([part.type or "" for part in parts])


def _part_errors(part: Content, place: str) -> Iterator[ApiError]:
    if not part.type:
        yield ApiError(
            "A content type is required, this tells email clients how to display the email.",
            f"{place}.type",
            HELP + "content.type",
        )
    elif any(mark in part.type for mark in ";\r\n"):
        yield ApiError(
            "Cannot contain ';', or CRLF characters.", f"{place}.type", HELP + "content.type"
        )
    if not part.value:
        yield ApiError(
            "The content value must be a string at least one character in length.",
            f"{place}.value",
            HELP + "content.value",
        )


def _order_errors(types: list[str]) -> Iterator[ApiError]:
    ranks = [{"text/plain": 0, "text/x-amp-html": 1, "text/html": 2}.get(t, 3) for t in types]
    if any(before > after for before, after in pairwise(ranks)):
        yield ApiError(
            "Following RFC 1341, section 7.2, if either text/html or text/plain are to be sent in"
            " your email: text/plain needs to be first, followed by text/html, followed by any"
            " other content.",
            "content",
            HELP + "content.value",
        )
    if any(types.count(kind) > 1 for kind in ("text/plain", "text/html")):
        yield ApiError(
            "If present, text/plain and text/html may only be provided once.", "content", None
        )


def _attachment_errors(attachment: Attachment, place: str) -> Iterator[ApiError]:
    if not attachment.content:
        yield ApiError(
            "The attachment content must be a string at least one character in length.",
            f"{place}.content",
            HELP + "attachments.content",
        )
    elif not _is_base64(attachment.content):
        yield ApiError(
            "The attachment content must be base64 encoded.",
            f"{place}.content",
            HELP + "attachments.content",
        )
    if not attachment.filename:
        yield ApiError("filename is required.", f"{place}.filename", HELP + "attachments.filename")
    if attachment.disposition not in {None, "inline", "attachment"}:
        yield ApiError(
            'The disposition of your attachment can be either "inline" or "attachment". You'
            f" provided '{attachment.disposition}'.",
            f"{place}.disposition",
            HELP + "attachments.disposition",
        )


def _is_base64(text: str) -> bool:
    try:
        base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return False
    return True


def _category_errors(categories: list[str]) -> Iterator[ApiError]:
    topic = HELP + "categories"
    if len(categories) > MOST_CATEGORIES:
        yield ApiError(
            "There is a limit of 10 categories for each email that is sent. You provided"
            f" {len(categories)} categories.",
            "categories",
            topic,
        )
        return
    for index, category in enumerate(categories):
        place = f"categories.{index}"
        if len(category) > 255:
            yield ApiError(
                f"Each category must not be longer than 255 characters. {category} exceeds this"
                " limit.",
                place,
                topic,
            )
        if not category.isascii():
            yield ApiError("Categories can not contain non-ASCII characters.", place, topic)
        if category in categories[:index]:
            yield ApiError(
                f"The categories must be a unique list, and you have included {category} more than"
                " once.",
                place,
                topic,
            )


def _setting_errors(body: MailBody) -> Iterator[ApiError]:
    settings = body.mail_settings
    if settings.is_on("bypass_list_management") and any(settings.is_on(n) for n in _BYPASSES):
        yield ApiError(
            "The bypass_list_management setting cannot be combined with any other bypass setting.",
            "mail_settings.bypass_list_management",
            HELP + "mail_settings",
        )
    if body.ip_pool_name is not None and not 2 <= len(body.ip_pool_name) <= 64:
        yield ApiError(
            "The name of your IP pool must be a string of 2 to 64 characters.",
            "ip_pool_name",
            HELP + "ip_pool_name",
        )
    if body.asm is not None and len(body.asm.groups_to_display or ()) > MOST_GROUPS_TO_DISPLAY:
        yield ApiError(
            "There is a limit of 25 unsubscribe groups that can be displayed to a user at a time.",
            "asm.groups_to_display",
            HELP + "asm",
        )
