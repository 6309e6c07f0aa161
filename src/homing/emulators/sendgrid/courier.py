"""Post events to the webhook: gathered, signed, and retried until taken or lost."""

import asyncio
from collections import deque
from dataclasses import dataclass, replace

import aiohttp

from homing.emulators.clock import Clock
from homing.emulators.faults import FaultPlan
from homing.emulators.newest import Newest
from homing.emulators.sendgrid.event_bytes import body_of, event_bytes
from homing.emulators.sendgrid.events import Event, random_event_id
from homing.emulators.sendgrid.settings import Pace, SendGridSettings
from homing.emulators.sendgrid.signing import Signer
from homing.emulators.waiting import Changes

HEADERS = {
    "User-Agent": "SendGrid Event API",
    "Content-Type": "application/json;charset=utf-8",
    "Accept-Encoding": "gzip",
}


@dataclass(frozen=True, slots=True)
class Post:
    """
    One attempt to post a body.

    Args:
        status: What the receiver answered; None when it did not.
    """

    body: bytes
    headers: dict[str, str]
    attempt: int = 0
    status: int | None = None

    @property
    def taken(self) -> bool:
        """Any 2xx is success; a redirect is none and is not followed."""
        return self.status is not None and 200 <= self.status < 300


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
        self.events: deque[Event] = deque(maxlen=settings.keep)
        self.posts: Newest[Post] = Newest(settings.keep)
        self.lost = 0
        self._changes = changes
        self._signer = signer
        self.faults = faults
        self._pace: Pace = settings.pace
        self._clock: Clock = settings.clock
        self._anew = settings.retry_is_signed_anew
        self._pending: list[Event] = []
        self._pending_bytes = 0
        self._shuffle = False
        self._timer: asyncio.TimerHandle | None = None
        self._held: set[asyncio.TimerHandle] = set()
        self._posting: set[asyncio.Task[None]] = set()
        self._session: aiohttp.ClientSession | None = None

    @property
    def idle(self) -> bool:
        """Tell whether no event is waiting, held back or on its way."""
        return not (self._pending or self._held or self._posting)

    def add(self, event: Event) -> None:
        """Take one event; what befalls it on the way is decided here."""
        self.events.append(event)
        self._changes.notify()
        if self.url is None:
            return
        befalls = self.faults.next_faults()
        if "drop" in befalls:
            self.lost += 1
            return
        self._send_after(event, self._delay_s(befalls))
        # Copies come in a later post, as redeliveries do.
        if "duplicate" in befalls:
            self._send_after(event, self._pace.batch_after_s * (1 + self.faults.fraction()))
        if "new-id" in befalls:
            copy = event | {"sg_event_id": random_event_id()}
            self._send_after(copy, self._pace.batch_after_s * (1 + self.faults.fraction()))

    def post_now(self) -> None:
        """Post what is waiting, without waiting for more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._pending:
            return
        events, self._pending, self._pending_bytes = self._pending, [], 0
        if self._shuffle:
            events, self._shuffle = self.faults.shuffled(events), False
        task = asyncio.create_task(self._deliver(events), name="sendgrid-events")
        self._posting.add(task)
        task.add_done_callback(self._posted)

    async def close(self) -> None:
        """Give up what is on its way."""
        for handle in self._held:
            handle.cancel()
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._posting:
            task.cancel()
        await asyncio.gather(*self._posting, return_exceptions=True)
        if self._session is not None:
            await self._session.close()

    def _delay_s(self, befalls: frozenset[str]) -> float:
        delay_s = 0.0
        if "delay" in befalls:
            delay_s = self._pace.delay_s * self.faults.fraction()
        if "shuffle" in befalls:
            self._shuffle = True
            # Some events miss their post, so that order is lost between posts too.
            delay_s += self._pace.batch_after_s * 2 * self.faults.fraction()
        return delay_s

    def _send_after(self, event: Event, delay_s: float) -> None:
        if delay_s <= 0:
            self._wait_for_more(event)
            return

        def due() -> None:
            self._held.discard(handle)
            self._wait_for_more(event)

        handle = asyncio.get_running_loop().call_later(delay_s, due)
        self._held.add(handle)

    def _wait_for_more(self, event: Event) -> None:
        self._pending.append(event)
        self._pending_bytes += 64 + sum(len(key) + len(str(v)) + 6 for key, v in event.items())
        if self._pending_bytes >= self._pace.batch_bytes:
            self.post_now()
        elif self._timer is None:
            loop = asyncio.get_running_loop()
            self._timer = loop.call_later(self._pace.batch_after_s, self.post_now)

    def _posted(self, task: asyncio.Task[None]) -> None:
        self._posting.discard(task)
        self._changes.notify()
        if not task.cancelled():
            task.result()

    async def _deliver(self, events: list[Event]) -> None:
        body = body_of([event_bytes(event) for event in events])
        post = Post(body, self._signed(body))
        gives_up_at = self._clock() + self._pace.retry_for_s
        wait_s = self._pace.retry_first_s
        while self.url is not None and not await self._try(self.url, post):
            if self._clock() + wait_s > gives_up_at:
                self.lost += len(events)
                return
            await asyncio.sleep(wait_s)
            wait_s = min(wait_s * 2, self._pace.retry_most_s)
            headers = self._signed(body) if self._anew else post.headers
            post = replace(post, headers=headers, attempt=post.attempt + 1)

    def _signed(self, body: bytes) -> dict[str, str]:
        return HEADERS | self._signer.headers(body, timestamp=int(self._clock()))

    async def _try(self, url: str, post: Post) -> bool:
        status = await self._post(url, post)
        self.posts.append(replace(post, status=status), len(post.body))
        self._changes.notify()
        return self.posts[-1].taken

    async def _post(self, url: str, post: Post) -> int | None:
        if self._session is None:
            self._session = aiohttp.ClientSession(
                timeout=aiohttp.ClientTimeout(total=self._pace.webhook_timeout_s)
            )
        try:
            async with self._session.post(
                url, data=post.body, headers=post.headers, allow_redirects=False
            ) as response:
                await response.read()
                return response.status
        except (aiohttp.ClientError, TimeoutError):
            return None
