"""
Was it a person? Security scanners open mails, follow every link, and unsubscribe.

Suspicion is a tag: nothing is dropped for it. SendGrid filters none of it, and says so.

Source: SendGrid support article 4416801410459 (many clicks at delivery time, one IP over many
recipients).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from homing.core.sendgrid import EmailEvent

SUSPECT_TYPES = frozenset({"open", "click", "unsubscribe", "group_unsubscribe"})

SOON_AFTER_DELIVERY_MS = 5_000
"""SendGrid's times are whole seconds; nobody reads and decides in five of them."""

BURST_MS = 2_000
BURST_LINKS = 3

SHARED_IP_MS = 10_000
SHARED_IP_RECIPIENTS = 5
"""So many recipients behind one address within ten seconds: a scanner, not an office."""


@dataclass(frozen=True, slots=True)
class Click:
    """One earlier click in the same mail."""

    at_ms: int
    url: str


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    What is known around an event when it comes in; all of it may be unknown.

    ``recipients_of_ip`` counts the recipients, this one among them, with engagement from the
    event's IP within ``SHARED_IP_MS``.
    """

    delivered_at_ms: int | None = None
    clicks: Sequence[Click] = ()
    recipients_of_ip: int = 0


def signs_of(event: EmailEvent, around: Surroundings) -> tuple[str, ...]:
    """
    List what speaks for a machine, in words for people; empty when nothing does.

    Only opens, clicks and unsubscribes are looked at. An open that SendGrid itself flags as a
    machine's is not repeated here: see ``EmailEvent.machine_open``.
    """
    if event.type not in SUSPECT_TYPES:
        return ()
    signs = (_too_soon(event, around), _burst(event, around), _shared_ip(around))
    return tuple(sign for sign in signs if sign is not None)


def _too_soon(event: EmailEvent, around: Surroundings) -> str | None:
    # Pushed mail is opened within seconds by people, too.
    if around.delivered_at_ms is None or not event.timed or event.type == "open":
        return None
    since_ms = event.at_ms - around.delivered_at_ms
    if since_ms > SOON_AFTER_DELIVERY_MS:
        return None
    if since_ms < 0:
        return f"{event.type} {-since_ms / 1000:g} s before delivery"
    return f"{event.type} {since_ms / 1000:g} s after delivery"


def _burst(event: EmailEvent, around: Surroundings) -> str | None:
    near = (click for click in around.clicks if abs(click.at_ms - event.at_ms) <= BURST_MS)
    links = {click.url for click in near}
    if event.type == "click":
        links.add(event.url)
    if len(links) < BURST_LINKS:
        return None
    return f"{len(links)} links clicked within {BURST_MS / 1000:g} s"


def _shared_ip(around: Surroundings) -> str | None:
    if around.recipients_of_ip < SHARED_IP_RECIPIENTS:
        return None
    return f"{around.recipients_of_ip} recipients from one IP within {SHARED_IP_MS / 1000:g} s"
