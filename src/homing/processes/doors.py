"""The doors of the public listener, as the configuration describes them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from homing.core.verify import SendGridVerifier
from homing.stages.receive import BatchRule, Log, Reception, SegmentSource, SendGridWebhook

if TYPE_CHECKING:
    from homing.config import Settings
    from homing.ports import Clock

MAX_AGE_S = 26 * 3_600.0
MAX_AHEAD_S = 300.0


def reception_of(
    settings: Settings, environ: Mapping[str, str], *, log: Log, clock: Clock
) -> Reception:
    """
    Open the configured doors; ``/segment`` and ``/sendgrid`` always exist.

    Raises:
        MissingSecret: A secret cannot be had.
        HomingError: A public key is none.
    """
    sources = {"default": SegmentSource(())}
    for name, source in settings.segment.source.items():
        sources[name] = SegmentSource(
            secrets=tuple(ref.resolve(environ).encode() for ref in source.secrets),
            token=None if source.token is None else source.token.resolve(environ),
            batch=BatchRule(source.batch),
        )
    webhooks = {"default": SendGridWebhook(None, MAX_AGE_S, MAX_AHEAD_S)}
    for name, webhook in settings.sendgrid.webhook.items():
        keys = [ref.resolve(environ) for ref in webhook.public_keys]
        webhooks[name] = SendGridWebhook(
            SendGridVerifier(keys) if keys else None, webhook.max_age, webhook.max_ahead
        )
    return Reception(log, clock, sources, webhooks)
