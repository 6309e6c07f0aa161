"""The names under which SendGrid's events are written to Segment."""

from __future__ import annotations

from collections.abc import Mapping

from homing.config.problems import guess
from homing.config.values import Unfit

EVENT_TYPES = (
    "processed",
    "deferred",
    "delivered",
    "open",
    "click",
    "bounce",
    "dropped",
    "spamreport",
    "unsubscribe",
    "group_unsubscribe",
    "group_resubscribe",
)
"""SendGrid's event types that concern one email."""

MACHINE_OPEN = "machine_open"
"""An open by a mail program, not a person: named apart from ``open``."""

TRAITS = (
    "email_subscription_status",
    "email_suppressed",
    "email_suppressed_reason",
    "email_suppressed_at",
    "email_groups_unsubscribed",
)
"""The traits that tell of a suppression; each may be written under another name."""

# Segment's "SendGrid Marketing Campaigns" source. It takes the Email spec's names where
# the spec has one; the spec knows neither "processed" nor machine opens nor groups, so that the two
# presets agree. "Email Deferred" is Engage's: no other family has it.
_SEGMENT_SENDGRID = {
    "processed": "Email Processed",
    "deferred": "Email Deferred",
    "delivered": "Email Delivered",
    "open": "Email Opened",
    MACHINE_OPEN: "Email Machine Opened",
    "click": "Email Link Clicked",
    "bounce": "Email Bounced",
    "dropped": "Email Dropped",
    "spamreport": "Email Marked as Spam",
    "unsubscribe": "Unsubscribed",
    "group_unsubscribe": "Unsubscribed From Group",
    "group_resubscribe": "Resubscribed To Group",
}

PRESETS: Mapping[str, Mapping[str, str]] = {
    "email-spec": _SEGMENT_SENDGRID,
    "segment-sendgrid": _SEGMENT_SENDGRID,
    "engage": _SEGMENT_SENDGRID
    | {
        "unsubscribe": "Email Unsubscribed",
        "group_unsubscribe": "Email Group Unsubscribed",
        "group_resubscribe": "Email Group Subscribed",
    },
}
"""Source: Segment docs, "Email spec", "SendGrid Marketing Campaigns source", "Engage events"."""

NAMES_EXPECTED = (
    '"email-spec", "segment-sendgrid", "engage" or a table like { open = "Email Opened" }'
)


def names_of(value: object) -> dict[str, str]:
    """
    Read ``writeback.names``: a preset, or a table of names that differ from ``email-spec``.

    Returns:
        The name of each of `EVENT_TYPES` and of `MACHINE_OPEN`.

    Raises:
        Unfit: Unknown preset or event type, or a name that Segment would not take.
    """
    if isinstance(value, str) and value in PRESETS:
        return dict(PRESETS[value])
    if isinstance(value, str):
        raise Unfit(guess(value, PRESETS).removeprefix(", "))
    if not isinstance(value, dict):
        raise Unfit
    for key, name in value.items():
        _check_name(key, name)
    return _SEGMENT_SENDGRID | value


def _check_name(key: str, name: object) -> None:
    if key not in _SEGMENT_SENDGRID:
        msg = f"{key} is no event of SendGrid{guess(key, _SEGMENT_SENDGRID)}"
        raise Unfit(msg)
    if not isinstance(name, str) or not name.strip() or not name.isprintable():
        msg = f"the name for {key} is no text"
        raise Unfit(msg)
