"""What becomes of mail to an address: told by its local part, or set by the test."""

import re
from enum import StrEnum
from typing import Final


class Outcome(StrEnum):
    """
    The fates of a mail.

    The value is what the local part of an address starts with, up to the first
    character that is no letter: ``bounce@…`` and ``bounce+7@…`` both bounce.
    """

    DELIVERED = "delivered"
    #: A hard bounce; the address goes on the bounce list.
    BOUNCE = "bounce"
    #: A soft bounce; the address goes on the blocks list, which stops nothing.
    BLOCKED = "blocked"
    #: Delivered, and bounced later by a message without any id.
    LATE_BOUNCE = "latebounce"
    #: Two attempts are put off, the third delivers.
    DEFERRED = "deferred"
    #: Put off until SendGrid gives up: then a block.
    EXPIRED = "expired"
    #: Dropped, and put on the list of invalid addresses.
    INVALID = "invalid"
    OPEN = "open"
    MACHINE_OPEN = "machine"
    CLICK = "click"
    SPAM = "spam"
    UNSUBSCRIBE = "unsubscribe"
    #: Accepted, and no event ever.
    SILENT = "silent"


_LETTERS: Final = re.compile(r"[a-z]*")
_BY_NAME: Final = {str(outcome): outcome for outcome in Outcome}


def outcome_for(email: str) -> Outcome:
    """Read the fate from an address; `DELIVERED` when it names none."""
    leading = _LETTERS.match(email.lower())
    return _BY_NAME.get(leading.group() if leading else "", Outcome.DELIVERED)
