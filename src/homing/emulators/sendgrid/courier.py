"""Post events to the webhook: gathered, signed, and retried until taken or lost."""

from dataclasses import replace
from typing import Final

from homing.emulators.faults import FaultPlan
from homing.emulators.newest import Newest
from homing.emulators.outbox import Event, Gathering, Outbox
from homing.emulators.posting import Post, Poster, Retries
from homing.emulators.sendgrid.event_bytes import body_of, event_bytes
from homing.emulators.sendgrid.events import random_event_id
from homing.emulators.sendgrid.samples import sample_events
from homing.emulators.sendgrid.settings import Pace, SendGridSettings
from homing.emulators.sendgrid.signing import Signer
from homing.emulators.sendgrid.webhooks import Webhook
from homing.emulators.waiting import Changes

HEADERS: Final = {
    "User-Agent": "SendGrid Event API",
    "Content-Type": "application/json;charset=utf-8",
    "Accept-Encoding": "gzip",
}


class Courier:
    """
    The way of events to one webhook; without one they are kept in `events`, and posted nowhere.

    Args:
        faults: Of the target ``webhook``; they befall single events.

        changes: Told of every event, post and loss.
    """

    def __init__(
        self,
        *,
        faults: FaultPlan,
        changes: Changes,
        settings: SendGridSettings,
    ) -> None:
        self._webhook: Webhook | None = None
        self.events: Newest[Event] = Newest(settings.keep)
        self.taken = self._given_up = 0
        self._changes = changes
        self._clock = settings.clock
        self._anew = settings.retry_is_signed_anew
        pace = settings.pace
        self._retries = Retries(pace.retry_first_s, pace.retry_most_s, pace.retry_for_s)
        self.poster = Poster(
            keep=settings.keep,
            timeout_s=pace.webhook_timeout_s,
            clock=settings.clock,
            changes=changes,
        )
        self.outbox = Outbox(
            self._deliver,
            lambda event: event | {"sg_event_id": random_event_id()},
            gathering=_gathering(pace),
            faults=faults,
            changes=changes,
        )

    @property
    def lost(self) -> int:
        """How many events never came through."""
        return self._given_up + self.outbox.dropped

    @property
    def url(self) -> str | None:
        """Where events are posted; None: nowhere."""
        return None if self._webhook is None else self._webhook.url

    def follow(self, webhook: Webhook | None) -> None:
        """Post to another webhook from now on, or to none."""
        self._webhook = webhook

    def add(self, event: Event) -> None:
        """Take one event."""
        self.events.append(event)
        if self._webhook is not None and self._webhook.wants(event["event"]):
            self.outbox.add(event)
        self._changes.notify()

    async def post_sample(self, url: str, signer: Signer | None) -> None:
        """Post the sample of events once; whether it is taken is nobody's business here."""
        body = body_of([event_bytes(event) for event in sample_events(self._clock())])
        once = Retries(0.0, 0.0, -1.0)
        await self.poster.post(url, self._signed(Post(body, {}), signer), once)

    async def close(self) -> None:
        """Give up what is on its way."""
        await self.outbox.close()
        await self.poster.close()

    async def _deliver(self, events: list[Event]) -> None:
        webhook = self._webhook
        if webhook is None:
            return
        body = body_of([event_bytes(event) for event in events])
        post = await self.poster.post(
            webhook.url,
            self._signed(Post(body, {}), webhook.signer),
            self._retries,
            resigned=lambda post: self._signed(post, webhook.signer) if self._anew else post,
        )
        if post.taken:
            self.taken += len(events)
        else:
            self._given_up += len(events)

    def _signed(self, post: Post, signer: Signer | None) -> Post:
        if signer is None:
            return replace(post, headers=HEADERS)
        signature = signer.headers(post.body, timestamp=int(self._clock()))
        return replace(post, headers=HEADERS | signature)


def _gathering(pace: Pace) -> Gathering:
    # SendGrid counts bytes only.
    return Gathering(pace.batch_after_s, pace.batch_bytes, 1_000_000, pace.delay_s)
