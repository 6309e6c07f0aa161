"""All rules of mail/send in one answer: a decoded body, or the errors SendGrid would name."""

from collections.abc import Container, Iterator
from dataclasses import dataclass
from itertools import islice
from typing import Final

import msgspec

from homing.emulators.sendgrid.errors import HELP, ApiError, Refused
from homing.emulators.sendgrid.mail_body import MailBody, decode_mail_body
from homing.emulators.sendgrid.message_rules import message_errors
from homing.emulators.sendgrid.recipient_rules import (
    custom_args_errors,
    header_errors,
    recipient_errors,
    send_at_errors,
)

MOST_BYTES: Final = 30 * 1024 * 1024
#: An answer names no more than this many errors, however bad the body.
MOST_ERRORS: Final = 100


@dataclass(frozen=True, slots=True)
class Known:
    """
    What the account knows, as far as mail/send asks.

    Args:
        groups: Ids of its unsubscribe groups.

        templates: Ids of its templates; None when any well-formed id will do.

        now: Unix time.
    """

    groups: Container[int]
    templates: Container[str] | None
    now: float


def read_mail(raw: bytes, known: Known) -> MailBody:
    """
    Decode and check the body of a mail/send.

    Raises:
        Refused: With what SendGrid would say.

    Source: `facts` of the API's reference and its page of errors.
    """
    body = _decoded(raw)
    errors = tuple(islice(_errors(body, known), MOST_ERRORS))
    if errors:
        raise Refused(400, *errors)
    return body


def _decoded(raw: bytes) -> MailBody:
    try:
        return decode_mail_body(raw)
    except msgspec.ValidationError as error:
        # SendGrid says no more than "Bad Request"; where it is, helps who tests.
        raise Refused(400, ApiError("Bad Request", None, str(error))) from None
    except UnicodeDecodeError:
        raise Refused(400, ApiError("Invalid UTF8 in request.")) from None
    except (msgspec.DecodeError, RecursionError) as error:
        raise Refused(400, ApiError("Bad Request", None, str(error))) from None


def _errors(body: MailBody, known: Known) -> Iterator[ApiError]:
    yield from recipient_errors(body, now=known.now)
    yield from message_errors(body)
    yield from header_errors(body.headers, "headers")
    yield from custom_args_errors(body.custom_args, "custom_args")
    yield from send_at_errors(body.send_at, "send_at", now=known.now)
    yield from _group_errors(body, known)
    if body.template_id and known.templates is not None and body.template_id not in known.templates:
        yield ApiError(
            "The Template ID must be a valid template id for your account. You provided"
            f" '{body.template_id}'.",
            "template_id",
            HELP + "template_id",
        )


def _group_errors(body: MailBody, known: Known) -> Iterator[ApiError]:
    if body.asm is None:
        return
    if body.asm.group_id is None:
        yield ApiError("The ASM group ID must be an integer.", "asm.group_id", HELP + "asm")
    elif body.asm.group_id not in known.groups:
        yield ApiError(
            "The ASM group ID must be a valid Group ID on your account. You provided"
            f" '{body.asm.group_id}'.",
            "asm.group_id",
            HELP + "asm",
        )
    unknown = [str(g) for g in body.asm.groups_to_display or () if g not in known.groups]
    if unknown:
        yield ApiError(
            "All ASM groups to display must be valid ASM groups IDs on your account. You provided"
            f" {', '.join(unknown)}.",
            "asm.groups_to_display",
            HELP + "asm",
        )
