"""
SendGrid's suppression lists against our records: what either side lacks, and who is to be told.

A *reading* goes through one list, or a window of it. What it finds is the same whatever the order
of the rows and however often they are read: :func:`finding_of` compares one row with one record.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from homing.core.sendgrid import EmailEvent, UnusableEvent, parse_event
from homing.core.suppression import (
    BOUNCE,
    GLOBAL,
    INVALID,
    SPAM,
    Source,
    Suppression,
    group_of,
    group_scope,
    settle,
)

PAGE: Final = 500
"""Rows of a page: as many as SendGrid gives."""

LAG_S: Final = 60
"""A row younger than this is not missed yet: its event is on the way."""

OVERLAP_S: Final = 300
"""How far a window reaches back into the one before: rows may be listed late."""

LISTED: Final = "listed at SendGrid: "
"""How the reason of a record begins that no event told of."""

TOLD_MS: Final = 10_000
"""How far the times of a row and of its event may lie apart."""


class ListName(StrEnum):
    """The six lists, in the order in which they are read."""

    UNSUBSCRIBES = "unsubscribes"
    GROUPS = "groups"
    SPAM_REPORTS = "spam_reports"
    BOUNCES = "bounces"
    INVALID_EMAILS = "invalid_emails"
    BLOCKS = "blocks"


class Finding(StrEnum):
    """What a row of SendGrid's and a record of ours come to."""

    AGREED = "agreed"
    MISSING_HERE = "missing_here"  # to be recorded, and told to Segment
    BEHIND_THERE = "behind_there"  # an opt-in of ours is newer: SendGrid is to be told


class Absence(StrEnum):
    """What a record of ours comes to that SendGrid's whole list lacks."""

    YOUNG = "young"  # of after the reading
    MISSING_THERE = "missing_there"  # SendGrid is to be told, again
    LIFTED_THERE = "lifted_there"  # whoever left a group at SendGrid came back there
    GONE_THERE = "gone_there"  # of SendGrid's own: reported, and kept


class Side(StrEnum):
    """Where something was missing."""

    HERE = "here"
    THERE = "there"


@dataclass(frozen=True, slots=True)
class Repair:
    """
    What a reading found missing: an opt-out, or (*suppressed* false) an opt-in.

    ``at_ms`` is when it happened.
    """

    list: ListName
    address: str
    side: Side
    suppressed: bool
    at_ms: int


@dataclass(frozen=True, slots=True)
class Window:
    """Which rows a reading asks for, unix seconds inclusive; without a start from the first on."""

    start_s: int | None
    end_s: int

    def path(self, name: ListName, offset: int) -> str:
        """
        Write the page from *offset* on as a request's path.

        Source: SendGrid OpenAPI, "Suppressions": ``limit`` to 500, ``start_time``, ``end_time``.
        """
        if name is ListName.GROUPS:
            return "/v3/asm/suppressions"  # knows neither pages nor times
        start = "" if self.start_s is None else f"&start_time={self.start_s}"
        return f"/v3/suppression/{name}?limit={PAGE}&offset={offset}{start}&end_time={self.end_s}"


@dataclass(frozen=True, slots=True)
class Listed:
    """
    One row, as the event that should have told of it.

    ``change`` is None of a row that suppresses nothing: a block, a group nobody configured.
    """

    event: EmailEvent
    change: Suppression | None


def window_after(last_end_s: int | None, *, now_ms: int) -> Window:
    """The window after one that ended at *last_end_s*; None: the first."""
    end_s = now_ms // 1000 - LAG_S
    if last_end_s is None:
        return Window(None, end_s)
    # a clock set back must not turn the window round
    return Window(max(0, min(last_end_s, end_s) - OVERLAP_S), end_s)


def listed_of(
    name: ListName, row: object, *, groups: Mapping[int, str], end_s: int
) -> Listed | None:
    """
    Read one row of a list.

    Args:
        groups: Names of the unsubscribe groups by SendGrid's number.

        end_s: What a row without a usable time is taken for: the newest, so that it holds.

    Returns:
        None of what names no address.

    Source: SendGrid OpenAPI, "Suppressions": rows are ``created, email, reason, status, ip``; of
    groups ``email, group_id, group_name, created_at``. Bounces hold hard ones only.
    """
    if not isinstance(row, Mapping):
        return None
    try:
        event = parse_event(_as_event(name, row), end_s * 1000)
    except UnusableEvent:
        return None
    if "@" not in event.email:
        return None
    scope = _scope_of(name, event, groups)
    if scope is None:
        return Listed(event, None)
    reason = LISTED + (_text(row.get("reason")) or name.value)
    return Listed(
        event,
        Suppression(
            scope, suppressed=True, at_ms=event.at_ms, source=Source.SENDGRID, reason=reason
        ),
    )


def finding_of(record: Suppression | None, change: Suppression) -> Finding:
    """
    Compare a row that suppresses with our record of its scope.

    A record that suppresses stays as it is: a row may be of our own asking, later than the wish.
    """
    if record is not None and record.suppressed:
        return Finding.AGREED
    if settle(record, change) == change:
        return Finding.MISSING_HERE
    if record is None or record.source is Source.SENDGRID:
        return Finding.AGREED  # SendGrid's own newer word
    return Finding.BEHIND_THERE


def absence_of(record: Suppression, *, end_s: int) -> Absence:
    """
    Say what it means that SendGrid's list, read as a whole, lacks an opt-out of ours.

    Args:
        record: It suppresses, globally or within a group that exists.

        end_s: Up to when the list was read.
    """
    if record.at_ms > end_s * 1000:
        return Absence.YOUNG
    if record.source is not Source.SENDGRID:
        return Absence.MISSING_THERE
    # Coming back to a group is an event, which was missed. Of leaving a global list SendGrid tells
    # nothing: who asked for it cannot be known, and an opt-out stays.
    return Absence.GONE_THERE if group_of(record.scope) is None else Absence.LIFTED_THERE


def return_of(address: str, group_id: int, *, end_s: int) -> EmailEvent:
    """The event that should have told of a return to a group; some time before *end_s*."""
    return EmailEvent("group_resubscribe", address, end_s * 1000, timed=True, group_id=group_id)


def lifted(scope: str, *, end_s: int) -> Suppression:
    """The record of a return to a group."""
    reason = LISTED + "not any more"
    return Suppression(
        scope, suppressed=False, at_ms=end_s * 1000, source=Source.SENDGRID, reason=reason
    )


def was_told(record: Suppression | None, change: Suppression) -> bool:
    """
    Tell whether a reading has already told what an event now tells.

    Args:
        record: Of the change's scope, before the change.
    """
    if record is None or record.suppressed != change.suppressed:
        return False
    if not record.reason.startswith(LISTED):
        return False
    apart = change.at_ms - record.at_ms
    # a row has the event's time; when somebody came back is known only to be before the reading
    return apart <= TOLD_MS if not change.suppressed else abs(apart) <= TOLD_MS


def scopes_needed(name: ListName) -> str:
    """Name the permissions without which SendGrid answers 403, for people."""
    if name is ListName.GROUPS:
        return "asm.groups.read and asm.groups.suppressions.read"
    return f"suppression.read (or suppression.{name}.read)"


_TYPES: Final[Mapping[ListName, str]] = {
    ListName.UNSUBSCRIBES: "unsubscribe",
    ListName.GROUPS: "group_unsubscribe",
    ListName.SPAM_REPORTS: "spamreport",
    ListName.BOUNCES: "bounce",
    ListName.INVALID_EMAILS: "dropped",
    ListName.BLOCKS: "bounce",
}

_SCOPES: Final[Mapping[ListName, str]] = {
    ListName.UNSUBSCRIBES: GLOBAL,
    ListName.SPAM_REPORTS: SPAM,
    ListName.BOUNCES: BOUNCE,
    ListName.INVALID_EMAILS: INVALID,
}


def _as_event(name: ListName, row: Mapping[object, object]) -> dict[str, object]:
    event: dict[str, object] = {"event": _TYPES[name], "email": row.get("email")}
    if name is ListName.GROUPS:
        return event | {"timestamp": row.get("created_at"), "asm_group_id": row.get("group_id")}
    event |= {"timestamp": row.get("created"), "ip": row.get("ip")}
    if name is ListName.INVALID_EMAILS:
        return event | {"reason": "Invalid"}  # as it says of the mail that it drops
    event |= {"reason": row.get("reason"), "status": row.get("status")}
    return event | {"type": "blocked" if name is ListName.BLOCKS else "bounce"}


def _scope_of(name: ListName, event: EmailEvent, groups: Mapping[int, str]) -> str | None:
    if name is not ListName.GROUPS:
        return _SCOPES.get(name)
    group = groups.get(event.group_id or 0)
    return None if group is None else group_scope(group)


def _text(value: object) -> str:
    return value.strip()[:200] if isinstance(value, str) else ""
