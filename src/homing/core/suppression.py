"""
Who must not be written to: by address and scope, the most restrictive wins.

A *scope* is text: ``"global"``, ``"bounce"``, ``"spam"``, ``"invalid"``, or ``"group:NAME"`` for
an unsubscribe group. Records of one address are a mapping from scope to its latest
:class:`Suppression`; :func:`settle` brings them up to date whatever the order of arrival.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias
from urllib.parse import quote

from homing.core.plans import EmailClass
from homing.core.sendgrid import DropReason, EmailEvent, drop_reason_of

GLOBAL = "global"
BOUNCE = "bounce"
SPAM = "spam"
INVALID = "invalid"
_GROUP_PREFIX = "group:"

HARD_SCOPES: tuple[str, ...] = (SPAM, BOUNCE, INVALID)
"""These stop every email, most severe first; only a person lifts them."""


class Source(StrEnum):
    """Which side a change came from: it is not written back to that side."""

    SENDGRID = "sendgrid"
    SEGMENT = "segment"
    HOMING = "homing"  # a route or a journey
    OPERATOR = "operator"


@dataclass(frozen=True, slots=True)
class Suppression:
    """
    What is known of one address within one scope, since ``at_ms`` by event time.

    ``suppressed`` false is an explicit opt-in: kept, so that an older opt-out that comes late
    does not win.
    """

    scope: str
    suppressed: bool
    at_ms: int
    source: Source
    reason: str = ""


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One call to SendGrid's suppression API; ``body`` is for JSON, ``None`` for none."""

    method: str
    path: str
    body: Mapping[str, object] | None = None


Records: TypeAlias = Mapping[str, Suppression]


def group_scope(name: str) -> str:
    """Name the scope of an unsubscribe group."""
    return _GROUP_PREFIX + name


def group_of(scope: str) -> str | None:
    """Name the unsubscribe group of a scope, ``None`` for the other scopes."""
    return scope.removeprefix(_GROUP_PREFIX) if scope.startswith(_GROUP_PREFIX) else None


def scope_of(configured: str) -> str:
    """Turn a configuration's scope (``"global"`` or a group's name) into a record's."""
    return GLOBAL if configured == GLOBAL else group_scope(configured)


def settle(record: Suppression | None, change: Suppression) -> Suppression | None:
    """
    Bring the record of one scope up to date.

    The newer wins; of two at the same moment the suppression. A bounce, a spam report or an
    invalid address is lifted by an operator only: other opt-ins change nothing. The result does
    not depend on the order in which changes come.

    Returns:
        The record to keep; ``None`` when there was none and the change may not make one.
    """
    if change.scope in HARD_SCOPES and not change.suppressed and change.source != Source.OPERATOR:
        return record
    return change if record is None or _rank(change) > _rank(record) else record


def settled(records: Records, changes: Iterable[Suppression]) -> dict[str, Suppression]:
    """Bring the records of one address up to date with several changes."""
    after = dict(records)
    for change in changes:
        kept = settle(after.get(change.scope), change)
        if kept is not None:
            after[change.scope] = kept
    return after


def changes_of(event: EmailEvent, groups: Mapping[int, str]) -> tuple[Suppression, ...]:
    """
    Tell what a SendGrid event changes for its address.

    Args:
        event: Of any type; most change nothing.

        groups: Names of the unsubscribe groups by SendGrid's number. An event of a group that is
            not among them changes nothing at all: it must not become any other suppression.
    """
    scope = _scope_of_event(event, groups) if event.email else None
    if scope is None:
        return ()
    return (
        Suppression(
            scope=scope,
            suppressed=event.type != "group_resubscribe",
            at_ms=event.at_ms,
            source=Source.SENDGRID,
            reason=event.reason or event.type,
        ),
    )


def refusal_of(kind: EmailClass, group: str | None, records: Records) -> str | None:
    """
    Say why an email must not be sent to an address, or ``None``.

    Marketing is refused by any scope that covers it, transactional mail by a bounce, a spam
    report or an invalid address only.

    Args:
        kind: The email's class.

        group: Name of its unsubscribe group.

        records: Of the address.

    Returns:
        ``"suppressed: SCOPE"`` with the most severe scope.
    """
    if not records:
        return None
    scopes = HARD_SCOPES
    if kind is EmailClass.MARKETING:
        scopes += (GLOBAL,) if group is None else (GLOBAL, group_scope(group))
    return next((f"suppressed: {scope}" for scope in scopes if is_suppressed(scope, records)), None)


def is_suppressed(scope: str, records: Records) -> bool:
    """Tell whether one scope stops mail; other scopes are not looked at."""
    record = records.get(scope)
    return record is not None and record.suppressed


def needs_bypass(kind: EmailClass, group: str | None, records: Records) -> bool:
    """Tell whether SendGrid must be told to send although the person unsubscribed."""
    return kind is EmailClass.TRANSACTIONAL and (
        is_suppressed(GLOBAL, records) or must_leave_group(kind, group, records)
    )


def must_leave_group(kind: EmailClass, group: str | None, records: Records) -> bool:
    """
    Tell whether a transactional email must go without its unsubscribe group.

    ``bypass_unsubscribe_management`` bypasses global unsubscribes only; SendGrid drops what
    names a group that the person left.

    Source: SendGrid OpenAPI, mail/send, ``bypass_unsubscribe_management``.
    """
    return (
        kind is EmailClass.TRANSACTIONAL
        and group is not None
        and is_suppressed(group_scope(group), records)
    )


def call_of(change: Suppression, address: str, group_ids: Mapping[str, int]) -> ApiCall | None:
    """
    Write a change as a call to SendGrid.

    Returns:
        ``None`` when there is nothing to call: the change came from SendGrid; the group is not
        known (SendGrid would take an unknown number for *global*); or SendGrid has no call for
        it (nobody but SendGrid adds bounces, spam reports and invalid addresses).

    Source: SendGrid OpenAPI, "Suppressions".
    """
    path = None if change.source is Source.SENDGRID else _list_path(change.scope, group_ids)
    if path is None or (change.suppressed and change.scope in HARD_SCOPES):
        return None
    if change.suppressed:
        return ApiCall("POST", path, {"recipient_emails": [address]})
    return ApiCall("DELETE", f"{path}/{quote(address, safe='')}")


_HARD_PATHS = {
    BOUNCE: "/v3/suppression/bounces",
    SPAM: "/v3/suppression/spam_reports",
    INVALID: "/v3/suppression/invalid_emails",
}

_SCOPE_OF_TYPE = {"unsubscribe": GLOBAL, "spamreport": SPAM}

_SCOPE_OF_DROP = {
    DropReason.BOUNCED: BOUNCE,
    DropReason.SPAM_REPORTED: SPAM,
    DropReason.INVALID_ADDRESS: INVALID,
}


def _rank(record: Suppression) -> tuple[int, bool, str, str]:
    # The last two only make the order total: the result must not depend on who comes first.
    return (record.at_ms, record.suppressed, record.source, record.reason)


def _scope_of_event(event: EmailEvent, groups: Mapping[int, str]) -> str | None:
    if event.type in ("group_unsubscribe", "group_resubscribe"):
        return _group_scope(event, groups)
    if event.type == "dropped":
        return _scope_of_drop(event, groups)
    return BOUNCE if event.hard_bounce else _SCOPE_OF_TYPE.get(event.type)


def _scope_of_drop(event: EmailEvent, groups: Mapping[int, str]) -> str | None:
    reason = drop_reason_of(event.reason)
    if reason is not DropReason.UNSUBSCRIBED:
        return _SCOPE_OF_DROP.get(reason)
    # "Unsubscribed Address" is the documented text of a global unsubscribe. Other wordings are
    # not documented; with a group at hand, the group is meant.
    if event.group_id is None or event.reason.strip().lower() == "unsubscribed address":
        return GLOBAL
    return _group_scope(event, groups)


def _group_scope(event: EmailEvent, groups: Mapping[int, str]) -> str | None:
    name = None if event.group_id is None else groups.get(event.group_id)
    return None if name is None else group_scope(name)


def _list_path(scope: str, group_ids: Mapping[str, int]) -> str | None:
    if scope == GLOBAL:
        return "/v3/asm/suppressions/global"
    if scope in _HARD_PATHS:
        return _HARD_PATHS[scope]
    group_id = group_ids.get(group_of(scope) or "")
    return None if group_id is None else f"/v3/asm/groups/{group_id}/suppressions"
