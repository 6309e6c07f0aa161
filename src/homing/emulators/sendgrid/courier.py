"""Post events to the webhook: gathered, signed, and retried until taken or lost."""

from dataclasses import replace
from typing import Final

from homing.emulators.faults import FaultPlan
from homing.emulators.newest import Newest
from homing.emulators.outbox import Event, Gathering, Outbox
from homing.emulators.posting import Post, Poster, Retries
from homing.emulators.sendgrid.event_bytes import body_of, event_bytes
from homing.emulators.sendgrid.events import random_event_id
from homing.emulators.sendgrid.settings import Pace, SendGridSettings
from homing.emulators.sendgrid.signing import Signer
from homing.emulators.waiting import Changes

HEADERS: Final = {
    "User-Agent": "SendGrid Event API",
    "Content-Type": "application/json;charset=utf-8",
    "Accept-Encoding": "gzip",
}


class Courier:
    """
    The way of events to one URL.

    Args:
        url: None: events are kept in `events`, and posted nowhere.

        faults: Of the target ``webhook``; they befall single events.

        changes: Told of every event, post and loss.
    """

    def __init__(
        self,
        url: str | None,
        signer: Signer,
        *,
        faults: FaultPlan,
        changes: Changes,
        settings: SendGridSettings,
    ) -> None:
        self.url = url
        self.events: Newest[Event] = Newest(settings.keep)
        self.taken = self._given_up = 0
        self._signer = signer
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

    def add(self, event: Event) -> None:
        """Take one event."""
        self.events.append(event)
        if self.url is not None:
            self.outbox.add(event)
        self._changes.notify()

    async def close(self) -> None:
        """Give up what is on its way."""
        await self.outbox.close()
        await self.poster.close()

    async def _deliver(self, events: list[Event]) -> None:
        if self.url is None:
            return
        body = body_of([event_bytes(event) for event in events])
        post = await self.poster.post(
            self.url,
            self._signed(Post(body, {})),
            self._retries,
            resigned=self._signed if self._anew else lambda post: post,
        )
        if post.taken:
            self.taken += len(events)
        else:
            self._given_up += len(events)

    def _signed(self, post: Post) -> Post:
        signature = self._signer.headers(post.body, timestamp=int(self._clock()))
        return replace(post, headers=HEADERS | signature)


def _gathering(pace: Pace) -> Gathering:
    # SendGrid counts bytes only.
    return Gathering(pace.batch_after_s, pace.batch_bytes, 1_000_000, pace.delay_s)
