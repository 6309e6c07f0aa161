"""What can be set on the SendGrid emulator beyond its address and keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from homing.emulators.clock import Clock, wall_clock
from homing.emulators.sendgrid.marketing.settings import MarketingSettings


@dataclass(frozen=True, slots=True)
class Pace:
    """
    How fast things happen; the defaults suit tests. All in seconds.

    Args:
        batch_after_s: How long events are gathered before a post (SendGrid: 30).

        batch_bytes: A post is sent earlier at this size (SendGrid: 768 KB).

        delivered_after_s: From acceptance to delivery, bounce, block or deferral.

        deferred_every_s: Between the attempts of a deferred mail.

        engaged_after_s: From delivery to what a recipient does unasked.

        retry_first_s: To the second attempt of a post; then ever twice as long.

        retry_most_s: The longest wait between two attempts.

        retry_for_s: After this an event is lost (SendGrid: 24 h).

        webhook_timeout_s: How long a webhook's answer is waited for.

        delay_s: The longest delay of the fault ``delay``.

        slow_s: How late the fault ``slow`` answers.
    """

    batch_after_s: float = 0.05
    batch_bytes: int = 768 * 1024
    delivered_after_s: float = 0.02
    deferred_every_s: float = 0.05
    engaged_after_s: float = 0.05
    retry_first_s: float = 0.1
    retry_most_s: float = 600.0
    retry_for_s: float = 86_400.0
    webhook_timeout_s: float = 10.0
    delay_s: float = 2.0
    slow_s: float = 2.0


@dataclass(frozen=True, slots=True)
class Engagement:
    """
    What recipients do of themselves with delivered mail: shares in [0, 1].

    A click comes after an open. The draws are seeded.
    """

    opens: float = 0.0
    machine_opens: float = 0.0
    clicks: float = 0.0
    unsubscribes: float = 0.0
    spam_reports: float = 0.0
    seed: int = 0


@dataclass(frozen=True, slots=True)
class SendGridSettings:
    """
    The account that is emulated.

    Args:
        keep: How many of the newest mails, requests and events are kept.

        groups: Unsubscribe groups, id to name.

        any_template: Take well-formed template ids nobody registered; their
            mail shows the data it was given. False refuses them.

        verified_domains: Of senders; None takes every domain.

        accepts_gzip: Support has enabled gzip bodies for the account.

        retry_is_signed_anew: Whether a retried post gets a new timestamp and
            signature. SendGrid does not document which it does.

        unsubscribe_without_id: Leave ``sg_event_id`` out of unsubscribe and
            group events, as has been seen.

        marketing: How contacts, lists and jobs behave.

        rate_limits: How a path begins to the requests a minute it takes; the
            longest beginning counts. SendGrid publishes only that of erasures;
            600 a minute has been seen elsewhere.

        clock: Tells Unix time.
    """

    keep: int = 10_000
    groups: Mapping[int, str] = field(
        default_factory=lambda: MappingProxyType({12345: "Newsletter"})
    )
    any_template: bool = True
    verified_domains: frozenset[str] | None = None
    accepts_gzip: bool = False
    retry_is_signed_anew: bool = False
    unsubscribe_without_id: bool = False
    pace: Pace = Pace()
    engagement: Engagement = Engagement()
    marketing: MarketingSettings = field(default_factory=MarketingSettings)
    rate_limits: Mapping[str, int] = field(
        default_factory=lambda: MappingProxyType({"/v3/": 60_000, "/v3/recipients/erasejob": 100})
    )
    clock: Clock = wall_clock
