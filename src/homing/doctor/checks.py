"""Every check, in the order in which they are told: one cause before what it leads to."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final, TypeAlias

from homing.doctor import access, mailing, marketing, segment, standing, templates, webhooks
from homing.doctor.findings import Finding, Status, skipped

if TYPE_CHECKING:
    from homing.doctor.case import Case

Find: TypeAlias = Callable[["Case"], Iterator[Finding]]


@dataclass(frozen=True, slots=True)
class Check:
    """
    One check.

    Args:
        id: What ``--only`` and ``--json`` call it.

        asks: Which fields of `Facts` it looks at.

        about: What it looks at, for the manual.
    """

    id: str
    find: Find
    asks: tuple[str, ...]
    about: str


CHECKS: Final = (
    Check("config", access.of_config, (), "the configuration loads, and its secrets are there"),
    Check("key", access.of_key, ("key",), "SendGrid takes the API key"),
    Check(
        "scopes",
        access.of_scopes,
        ("key",),
        "what the key may do: what is needed, and not everything",
    ),
    Check(
        "region",
        access.of_region,
        (),
        "the endpoint has the APIs that are used: the EU lacks Marketing",
    ),
    Check("clock", access.of_clock, ("key",), "this machine's clock agrees with SendGrid's"),
    Check(
        "sender",
        mailing.of_senders,
        ("key", "senders", "domains"),
        "each `from` is of an authenticated domain, or verified",
    ),
    Check(
        "templates",
        templates.of_templates,
        ("key", "templates"),
        "each template exists, is dynamic, has an active version",
    ),
    Check(
        "variables",
        templates.of_variables,
        ("key", "templates", "samples"),
        "each template gets the variables that it shows",
    ),
    Check(
        "edits",
        templates.of_edits,
        ("key", "templates"),
        "what was edited in SendGrid since the last look",
    ),
    Check(
        "groups",
        mailing.of_groups,
        ("key", "groups"),
        "each unsubscribe group exists, and is the one that is meant",
    ),
    Check("unsubscribe", mailing.of_unsubscribing, (), "each marketing email has a group"),
    Check(
        "webhook",
        webhooks.of_webhooks,
        ("key", "webhooks"),
        "an event webhook posts to us: on, signed, with all events",
    ),
    Check(
        "tracking",
        mailing.of_tracking,
        ("key", "opens", "clicks"),
        "opens and clicks are tracked where something waits for them",
    ),
    Check(
        "forwarding",
        webhooks.of_forwarding,
        ("key", "integrations"),
        "SendGrid does not forward to Segment what Homing writes there",
    ),
    Check(
        "contacts",
        marketing.of_contacts,
        ("key", "fields"),
        "the account has Marketing, if contacts or lists are written",
    ),
    Check(
        "fields",
        marketing.of_fields,
        ("key", "fields", "samples"),
        "each custom field exists, and fits what is written to it",
    ),
    Check(
        "lists", marketing.of_lists, ("key", "lists"), "each list exists once, or will be created"
    ),
    Check(
        "write-key",
        segment.of_write_key,
        ("source",),
        "Segment knows the write key, in the endpoint's region",
    ),
    Check("profiles", segment.of_profiles, ("profile",), "the Profile API takes its token"),
    Check("store", standing.of_store, ("standing",), "alerts that stand, and what is paused"),
    Check(
        "refused", standing.of_refused, ("standing",), "posts that were refused for their signature"
    ),
)

IDS: Final = tuple(check.id for check in CHECKS)


def chosen(only: Sequence[str]) -> tuple[Check, ...]:
    """The checks of these ids, in their order; of none, all."""
    return tuple(check for check in CHECKS if not only or check.id in only)


def found(case: Case, checks: Sequence[Check]) -> Iterator[Finding]:
    """Run checks; each says at least one thing."""
    for check in checks:
        findings = list(check.find(case)) or [skipped("nothing to look at")]
        yield from (replace(finding, check=check.id) for finding in findings)


def has_error(findings: Sequence[Finding]) -> bool:
    """Tell whether something does not work."""
    return any(finding.status is Status.ERROR for finding in findings)
