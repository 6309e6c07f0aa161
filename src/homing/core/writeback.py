"""What SendGrid says of an email, as Segment calls: the flight home."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b

import msgspec
from msgspec.structs import replace

from homing.core import addresses
from homing.core.bots import SUSPECT_TYPES
from homing.core.consent import Preferences
from homing.core.plans import MachineOpens, Writeback
from homing.core.segment_calls import (
    ID_PREFIX,
    Call,
    CallTooLarge,
    Who,
    built_identify,
    built_track,
    context_of,
    iso,
)
from homing.core.sendgrid import EmailEvent, fingerprint
from homing.core.suppression import (
    BOUNCE,
    GLOBAL,
    HARD_SCOPES,
    INVALID,
    SPAM,
    Records,
    Suppression,
    changes_of,
    group_of,
    is_suppressed,
    settled,
)

MACHINE_OPEN = "machine_open"
"""The name under which opens by machines are in a table of names."""

TRAITS = (
    "email_subscription_status",
    "email_suppressed",
    "email_suppressed_reason",
    "email_suppressed_at",
    "email_groups_unsubscribed",
)
"""The traits that a suppression writes, by their default names."""

LONG_TEXT_CHARS = 1_000
"""To this length texts are cut when a call would be larger than Segment takes."""

_REASON_OF_SCOPE = {SPAM: "spamreport", BOUNCE: "bounce", INVALID: "invalid", GLOBAL: "unsubscribe"}


class SentFacts(msgspec.Struct, frozen=True, gc=False):
    """What the ledger knows of the send an event belongs to; ``""`` where it knows nothing."""

    send_id: str
    address: str
    email: str = ""  # name of the configured email
    subject: str = ""
    template_id: str = ""
    template_version: str = ""
    journey: str = ""
    step: str = ""
    variant: str = ""
    route: str = ""
    sent_at_ms: int | None = None
    triggered_by: str = ""  # id of the event that caused it
    user_id: str | None = None
    anonymous_id: str | None = None
    correlation: str = "send"  # how the event was matched: send, smtp-id, message-id, address


class Recipient(msgspec.Struct, frozen=True, gc=False):
    """Who is behind an address, and the address's suppressions, as far as is known."""

    user_id: str | None = None
    anonymous_id: str | None = None
    records: Records = msgspec.field(default_factory=dict)
    consent: Preferences | None = None


class _Track(msgspec.Struct, frozen=True, gc=False):
    who: Who
    name: str
    properties: dict[str, object]
    at_ms: int
    message_id: str


def calls_of(  # noqa: PLR0913  the last spares a second digest
    event: EmailEvent,
    *,
    send: SentFacts | None,
    person: Recipient,
    plan: Writeback,
    groups: Mapping[int, str],
    suspected_bot: bool = False,
    digest: bytes | None = None,
) -> tuple[Call, ...]:
    """
    Turn one SendGrid event into messages for Segment's batch.

    Args:
        event: What happened.

        send: The send it belongs to, if that is known.

        person: Whom its address belongs to. Whether the records already hold what this event
            changes makes no difference.

        plan: Names, and which events are written.

        groups: Names of the unsubscribe groups by SendGrid's number.

        suspected_bot: From :func:`homing.core.bots.signs_of`.

        digest: The event's fingerprint, if it is at hand.

    Returns:
        The track call, if this event is written back; and the identify call, if it changes a
        suppression. Nothing for an event without an address that belongs to no send.

    Raises:
        CallTooLarge: Even with its long texts cut.
    """
    who = who_of(event, send, person)
    if not (who.user_id or who.anonymous_id or who.email):
        return ()
    context = _context(event, send, who)
    stem = ID_PREFIX + (digest or fingerprint(event)).hex()
    calls = []
    if is_written(event, plan):
        properties = _properties(event, send, groups)
        if event.type in SUSPECT_TYPES:
            properties["suspected_bot"] = suspected_bot
        track = _Track(who, name_of(event, plan), properties, event.at_ms, f"{stem}:t")
        calls.append(_fitting(track, context))
    changes = changes_of(event, groups) if plan.suppression_to_segment else ()
    if changes:
        calls.append(
            built_identify(
                who,
                traits=suppression_traits(settled(person.records, changes), plan),
                context=_shortened(context),
                at_ms=event.at_ms,
                message_id=f"{stem}:i",
            )
        )
    return tuple(calls)


def name_of(event: EmailEvent, plan: Writeback) -> str:
    """Tell under which name an event is written, and seen by routes and journeys."""
    separate = plan.machine_opens is MachineOpens.SEPARATE
    key = MACHINE_OPEN if separate and _is_machine_open(event) else event.type
    return plan.names.get(key, event.type)


def is_written(event: EmailEvent, plan: Writeback) -> bool:
    """Tell whether an event is written back as a track call."""
    if plan.machine_opens is MachineOpens.DROP and _is_machine_open(event):
        return False
    return event.type in plan.events


def who_of(event: EmailEvent, send: SentFacts | None, person: Recipient) -> Who:
    """
    Find whose profile an event belongs to: the send's person, else the address's.

    An event of a copy (cc, bcc) is about somebody else than the send's person, and must not
    merge the two.
    """
    email = event.email or (send.address.lower() if send is not None else "")
    if send is not None and not _is_copy(event, send) and (send.user_id or send.anonymous_id):
        return Who(send.user_id or person.user_id, send.anonymous_id, email, person.consent)
    return Who(person.user_id, person.anonymous_id, email, person.consent)


def suppression_traits(records: Records, plan: Writeback) -> dict[str, object]:
    """
    Sum up an address's suppressions as the five traits of ``TRAITS``, under the plan's names.

    ``subscribed`` means only that the person neither unsubscribed from everything nor reported
    spam; a bounce suppresses without being anybody's wish.
    """
    scope = next((s for s in (*HARD_SCOPES, GLOBAL) if is_suppressed(s, records)), None)
    left = is_suppressed(GLOBAL, records) or is_suppressed(SPAM, records)
    groups = (group_of(record.scope) for record in records.values() if record.suppressed)
    values = (
        "unsubscribed" if left else "subscribed",
        scope is not None,
        None if scope is None else _REASON_OF_SCOPE[scope],
        None if scope is None else iso(records[scope].at_ms),
        sorted(group for group in groups if group is not None),
    )
    return {
        plan.trait_names.get(trait, trait): value
        for trait, value in zip(TRAITS, values, strict=True)
    }


def suppression_call(who: Who, change: Suppression, *, records: Records, plan: Writeback) -> Call:
    """
    Write a suppression that no event told of: found by reconciliation, or a person's.

    Args:
        who: Whose address it is; with the address.

        change: The one change; decides the messageId.

        records: Of the address, after the change.

        plan: The names of the traits.
    """
    text = ascii((who.email, change.scope, change.suppressed, change.at_ms))
    digest = blake2b(text.encode("ascii"), digest_size=16, person=b"suppression").hexdigest()
    return built_identify(
        who,
        traits=suppression_traits(records, plan),
        context=context_of(who),
        at_ms=change.at_ms,
        message_id=f"{ID_PREFIX}{digest}:i",
    )


def _is_machine_open(event: EmailEvent) -> bool:
    return event.type == "open" and event.machine_open


def _is_copy(event: EmailEvent, send: SentFacts) -> bool:
    sent_to = send.address.lower()
    return event.email not in ("", sent_to, addresses.ascii_form(sent_to))


def _context(event: EmailEvent, send: SentFacts | None, who: Who) -> dict[str, object]:
    context = context_of(who)
    if event.ip:
        context["ip"] = event.ip
    if event.useragent:
        # The common spec says userAgent, the Email spec's own samples user_agent.
        context["userAgent"] = context["user_agent"] = event.useragent
    _, name = _campaign_of(event, send)
    if name:
        campaign = {"name": name, "source": "sendgrid", "medium": "email"}
        variant = send.variant if send is not None else event.homing.get("homing_variant", "")
        context["campaign"] = {**campaign, "content": variant} if variant else campaign
    return context


def _properties(
    event: EmailEvent, send: SentFacts | None, groups: Mapping[int, str]
) -> dict[str, object]:
    campaign_id, campaign_name = _campaign_of(event, send)
    group = groups.get(event.group_id or 0, "")
    properties: dict[str, object] = {
        "email_id": event.sg_message_id or (send.send_id if send is not None else ""),
        "campaign_id": campaign_id,
        "campaign_name": campaign_name,
    }
    properties |= _facts_of_args(event) if send is None else _facts(send)
    properties |= _details(event)
    if event.categories:
        properties["categories"] = list(event.categories)
    properties["unsubscribe_group"] = group
    if event.template_id:
        properties["template_id"] = event.template_id
    if event.template_version:
        properties["template_version"] = event.template_version
    if event.type in ("group_unsubscribe", "group_resubscribe") and event.group_id is not None:
        properties |= {"list_id": str(event.group_id), "list_name": group}
    return {name: it for name, it in properties.items() if it is not None and it != ""}


def _facts(send: SentFacts) -> dict[str, object]:
    return {
        "email_subject": send.subject,
        "template_id": send.template_id,
        "template_version": send.template_version,
        "journey": send.journey,
        "step": send.step,
        "variant": send.variant,
        "route": send.route,
        "send_id": send.send_id,
        "sent_at": None if send.sent_at_ms is None else iso(send.sent_at_ms),
        "triggered_by": send.triggered_by,
        "correlation": send.correlation,
    }


def _facts_of_args(event: EmailEvent) -> dict[str, object]:
    """Read what the event itself says of a send that the ledger no longer has."""
    args = event.homing
    step = args.get("homing_step", "")
    return {
        "journey" if step else "route": args.get("homing_rule", ""),
        "step": step,
        "variant": args.get("homing_variant", ""),
        "send_id": args.get("homing_send", ""),
        "correlation": "none",
    }


def _details(event: EmailEvent) -> dict[str, object]:
    match event.type:
        case "click":
            return _link(event)
        case "open":
            return {"machine_open": event.machine_open}
        case "bounce":
            return {
                "bounce_type": event.bounce_type,
                "bounce_classification": event.bounce_classification,
                "reason": event.reason,
            }
        case "deferred":
            return {"reason": event.reason or event.response}
        case _:
            return {"reason": event.reason}


def _link(event: EmailEvent) -> dict[str, object]:
    offset = event.url_offset
    link_id = None if offset is None else f"{offset.type or 'html'}-{offset.index}"
    return {"link_url": event.url, "link_id": link_id}


def _campaign_of(event: EmailEvent, send: SentFacts | None) -> tuple[str, str]:
    if event.campaign is not None:
        return event.campaign.id, event.campaign.name or event.campaign.id
    name = (send.journey or send.email) if send is not None else event.homing.get("homing_rule", "")
    return name, name


def _fitting(track: _Track, context: dict[str, object]) -> Call:
    try:
        return _built(track, context)
    except CallTooLarge:
        shorter = replace(track, properties=_shortened(track.properties))
        return _built(shorter, _shortened(context))


def _built(track: _Track, context: dict[str, object]) -> Call:
    return built_track(
        track.who,
        event=track.name,
        properties=track.properties,
        context=context,
        at_ms=track.at_ms,
        message_id=track.message_id,
    )


def _shortened(values: dict[str, object]) -> dict[str, object]:
    return {
        name: value[: LONG_TEXT_CHARS - 1] + "…"
        if isinstance(value, str) and len(value) > LONG_TEXT_CHARS
        else value
        for name, value in values.items()
    }
