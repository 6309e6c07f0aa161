"""The exact request of a send: what leaves, and what `homing preview` shows."""

from __future__ import annotations

from typing import TYPE_CHECKING

import orjson

from homing.core import mail, suppression
from homing.core.effects import ClaimedSend, SendFlag
from homing.core.plans import Address
from homing.core.sendgrid import ARG_PREFIX

if TYPE_CHECKING:
    from homing.core.effects import SendRow
    from homing.core.plans import Email
    from homing.core.suppression import Records

# plain numbers are a tenth of the work of flags
TEST = int(SendFlag.TEST)

TEST_ARG = ARG_PREFIX + "test"
"""Marks an email sent by `homing send-test`: its events are filtered when they come home."""


def claimed_of(row: SendRow, email: Email, records: Records, *, data: bytes) -> ClaimedSend:
    """A send that may leave, with what the recipient's records change about it."""
    return ClaimedSend(
        row,
        data,
        bypass=suppression.needs_bypass(email.kind, email.group, records),
        leave_group=suppression.must_leave_group(email.kind, email.group, records),
    )


def body_of(head: mail.Letterhead, claimed: ClaimedSend, rendered: mail.Rendered | None) -> bytes:
    """
    The bytes that are posted to SendGrid's mail/send.

    Raises:
        NotJson: See `homing.core.mail.body_of`.
    """
    row = claimed.row
    letter = mail.Letter(
        to=Address(row.address or ""),
        args=_args(row),
        # of an email that is rendered already, the data stays here
        data=orjson.Fragment(claimed.data) if rendered is None and claimed.data != b"{}" else {},
        template=row.template,
        rendered=rendered,
        bypass_unsubscribes=claimed.bypass,
        leave_group=claimed.leave_group,
    )
    return mail.body_of(mail.message_of(head, letter))


def _args(row: SendRow) -> dict[str, str]:
    args = mail.args_of(
        send=row.key, user=row.user or None, rule=row.rule, step=row.step or None,
        variant=row.variant, version=row.version,
    )  # fmt: skip
    if row.flags & TEST:
        # it is in no ledger: nothing may be looked up by this id
        args[TEST_ARG] = args.pop(mail.SEND_ARG)
    return args
