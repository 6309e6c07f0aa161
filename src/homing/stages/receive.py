"""
Receive: verify the raw bytes, append them to the log, answer once they are durable.

This stage knows signatures and the log; what the bytes mean is the worker's to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from homing.core.verify import BadSignature, SendGridVerifier, Signed, token_matches, verify_segment

if TYPE_CHECKING:
    from homing.ports import Clock

RETRY_AFTER_S = 30


class Log(Protocol):
    """What this stage needs of ``ports.LogWriter``."""

    def append(self, source: str, body: bytes, received_ms: int) -> Awaitable[int]:
        """Append a request; its number once durable."""


class BatchRule(StrEnum):
    """What an array needs whose signature covers only its first element."""

    REQUIRE_TOKEN = "require-token"  # noqa: S105  a rule's name
    FIRST_ELEMENT = "first-element"
    REJECT = "reject"


@dataclass(frozen=True, slots=True)
class SegmentSource:
    """One ``[segment.source.NAME]``, its secrets resolved."""

    secrets: tuple[bytes, ...]
    token: str | None = None
    batch: BatchRule = BatchRule.REQUIRE_TOKEN


@dataclass(frozen=True, slots=True)
class SendGridWebhook:
    """One ``[sendgrid.webhook.NAME]``; no verifier while no key is configured."""

    verifier: SendGridVerifier | None
    max_age_s: float
    max_ahead_s: float


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender is told; ``reason`` is for our counters and log alone."""

    status: int
    reason: str


OK = Answer(200, "accepted")


@dataclass(slots=True)
class Reception:
    """
    The doors that are open, and what came through them.

    Args:
        sources: Segment sources by name.

        webhooks: SendGrid webhooks by name.
    """

    log: Log
    clock: Clock
    sources: Mapping[str, SegmentSource]
    webhooks: Mapping[str, SendGridWebhook]
    counts: Counter[tuple[str, int, str]] = field(default_factory=Counter)

    async def segment(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """
        Take in a post by one of Segment's webhook products.

        Raises:
            Unavailable: Nothing was kept.
        """
        source = self.sources[name]
        if not source.secrets:
            return Answer(503, "no secret configured")
        try:
            signed = verify_segment(
                body, signature=headers.get("X-Signature"), secrets=source.secrets
            )
        except BadSignature as error:
            return Answer(401, str(error))
        refusal = _unsigned_rest(signed, source, headers)
        if refusal is not None:
            return refusal
        await self.log.append(f"segment/{name}", body, self.clock.now_ms())
        return OK

    async def sendgrid(self, name: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """
        Take in a post by SendGrid's Event Webhook.

        Raises:
            Unavailable: Nothing was kept.
        """
        webhook = self.webhooks[name]
        if webhook.verifier is None:
            return Answer(503, "no public key configured")
        now_ms = self.clock.now_ms()
        try:
            webhook.verifier.verify(
                body,
                signature=headers.get("X-Twilio-Email-Event-Webhook-Signature"),
                timestamp=headers.get("X-Twilio-Email-Event-Webhook-Timestamp"),
                now_s=now_ms / 1000,
                max_age_s=webhook.max_age_s,
                max_ahead_s=webhook.max_ahead_s,
            )
        except BadSignature as error:
            return Answer(401, str(error))
        await self.log.append(f"sendgrid/{name}", body, now_ms)
        return OK


def _unsigned_rest(
    signed: Signed, source: SegmentSource, headers: Mapping[str, str]
) -> Answer | None:
    """Refuse an array whose signature leaves elements unsigned, unless something else vouches."""
    if signed is not Signed.FIRST_OF_MANY:
        return None
    match source.batch:
        case BatchRule.FIRST_ELEMENT:
            return None
        case BatchRule.REJECT:
            return Answer(401, "only the first of several events is signed")
        case BatchRule.REQUIRE_TOKEN:
            if source.token and token_matches(headers.get("Authorization"), source.token):
                return None
            return Answer(401, "only the first of several events is signed, and no token vouches")
