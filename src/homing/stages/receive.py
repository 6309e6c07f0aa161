"""
Receive: verify the raw bytes, append them to the log, answer once they are durable.

This stage knows signatures and the log; what the bytes mean is the worker's to say.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Awaitable, Collection, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

from homing.core.verify import BadSignature, SendGridVerifier, Signed, token_matches, verify_segment
from homing.ports import Headers, Reply

if TYPE_CHECKING:
    from homing.ports import Clock


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

    @property
    def names(self) -> Mapping[str, Collection[str]]:
        """The doors of each kind."""
        return {"segment": self.sources, "sendgrid": self.webhooks}

    def take(
        self, kind: str, name: str, body: bytes, *, headers: Headers
    ) -> Reply | Awaitable[int]:
        """
        Take in a post by one of Segment's webhook products, or by SendGrid's Event Webhook.

        Returns:
            Why it is refused; else what to wait for before it is answered 200.

        Raises:
            Unavailable: Nothing was kept; at once, or when awaited.
        """
        now_ms = self.clock.now_ms()
        try:
            if kind == "segment":
                refusal = self._segment(name, body, headers)
            else:
                refusal = self._sendgrid(name, body, headers, now_s=now_ms / 1000)
        except BadSignature as error:
            return Reply(401, str(error))
        return refusal or self.log.append(f"{kind}/{name}", body, now_ms)

    def count(self, kind: str, reply: Reply) -> None:
        """Count an answer given."""
        self.counts[kind, reply.status, reply.reason] += 1

    def _segment(self, name: str, body: bytes, headers: Headers) -> Reply | None:
        source = self.sources[name]
        if not source.secrets:
            return Reply(503, "no secret configured")
        signed = verify_segment(body, signature=headers.get("X-Signature"), secrets=source.secrets)
        return _unsigned_rest(signed, source, headers)

    def _sendgrid(self, name: str, body: bytes, headers: Headers, *, now_s: float) -> Reply | None:
        webhook = self.webhooks[name]
        if webhook.verifier is None:
            return Reply(503, "no public key configured")
        webhook.verifier.verify(
            body,
            signature=headers.get("X-Twilio-Email-Event-Webhook-Signature"),
            timestamp=headers.get("X-Twilio-Email-Event-Webhook-Timestamp"),
            now_s=now_s,
            max_age_s=webhook.max_age_s,
            max_ahead_s=webhook.max_ahead_s,
        )
        return None


def _unsigned_rest(signed: Signed, source: SegmentSource, headers: Headers) -> Reply | None:
    """Refuse an array whose signature leaves elements unsigned, unless something else vouches."""
    if signed is not Signed.FIRST_OF_MANY:
        return None
    match source.batch:
        case BatchRule.FIRST_ELEMENT:
            return None
        case BatchRule.REJECT:
            return Reply(401, "only the first of several events is signed")
        case BatchRule.REQUIRE_TOKEN:
            if source.token and token_matches(headers.get("Authorization"), source.token):
                return None
            return Reply(401, "only the first of several events is signed, and no token vouches")
