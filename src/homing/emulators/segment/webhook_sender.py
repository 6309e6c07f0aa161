"""Post events to a webhook as Segment's destinations do, with their retries."""

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Final, Self

import aiohttp

from homing.emulators.clock import Clock, wall_clock
from homing.emulators.faults import FaultPlan, Faults
from homing.emulators.newest import Newest
from homing.emulators.outbox import Event, Gathering, Outbox
from homing.emulators.posting import Post, Poster, Retries
from homing.emulators.segment.json_text import stringify
from homing.emulators.segment.products import Destination, post_of
from homing.emulators.waiting import Changes

#: Statuses below 500 that are tried again, and those above that are not.
RETRIED_4XX: Final = frozenset({408, 423, 429})
FINAL_5XX: Final = frozenset({501})


@dataclass(frozen=True, slots=True)
class SenderPace:
    """
    How fast a destination sends; the defaults suit tests. All in seconds.

    Args:
        batch_size: Events a request at most; 1 does not batch, and then each
            request's body is one event. Segment's limit is 4,000.

        batch_after_s: How long events are gathered (Segment: up to a minute).

        batch_bytes: A batch is sent earlier at this size (Segment: 4 MB).

        retry_first_s: To the second attempt; then ever twice as long.

        retry_for_s: After this an event is lost (Segment: 4 h).

        timeout_s: For an answer; None is the product's own.

        delay_s: The longest delay of the fault ``delay``.

        keep: How many attempts are remembered.
    """

    batch_size: int = 1
    batch_after_s: float = 0.05
    batch_bytes: int = 4_000_000
    retry_first_s: float = 0.1
    retry_most_s: float = 600.0
    retry_for_s: float = 4 * 3600.0
    timeout_s: float | None = None
    delay_s: float = 2.0
    keep: int = 10_000
    clock: Clock = wall_clock


class AudienceRefused(Exception):
    """The receiver did not answer an audience call with a truthy ``externalId``."""


class SegmentWebhookSender:
    """
    A Segment destination that posts to one URL.

    Use it as ``async with SegmentWebhookSender(url, destination) as sender:``;
    `deliver` posts now and returns the answer, `send` posts in the background.

    Args:
        destination: Product, secret, token.

        faults: `faults.webhook` befalls the events given to `send`.
    """

    def __init__(
        self,
        url: str,
        destination: Destination,
        *,
        faults: Faults | None = None,
        pace: SenderPace | None = None,
    ) -> None:
        self.url = url
        self.destination = destination
        self.changes = Changes()
        self.sent = self.delivered = self.refused = self.given_up = 0
        self._pace = pace = pace or SenderPace()
        self._poster = Poster(
            keep=pace.keep,
            timeout_s=pace.timeout_s or destination.product.timeout_s,
            clock=pace.clock,
            changes=self.changes,
        )
        self._outbox = Outbox(
            self._deliver,
            _with_new_id,
            gathering=Gathering(
                pace.batch_after_s, pace.batch_bytes, pace.batch_size, pace.delay_s
            ),
            faults=(faults or Faults()).webhook.fork(2),
            changes=self.changes,
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._outbox.close()
        await self._poster.close()

    @property
    def posts(self) -> Newest[Post]:
        """Every attempt, oldest first."""
        return self._poster.posts

    @property
    def idle(self) -> bool:
        """Whether every event given to `send` was taken, refused or lost, copies included."""
        return self._outbox.idle

    @property
    def webhook_faults(self) -> FaultPlan:
        """What befalls events given to `send`."""
        return self._outbox.faults

    @property
    def lost(self) -> int:
        """How many events never came through: retried too long, or by the fault ``drop``."""
        return self.given_up + self._outbox.dropped

    def send(self, event: Mapping[str, Any]) -> frozenset[str]:
        """
        Post an event soon, in a batch if the destination batches; retried until taken.

        Returns:
            The faults that befall it on its way, by name.
        """
        self.sent += 1
        return self._outbox.add(dict(event))

    async def deliver(self, *events: Mapping[str, Any], batch: bool | None = None) -> Post:
        """
        Post one request and wait until it is taken, refused or lost.

        Args:
            batch: Send an array; by default when there are several events.

        Returns:
            The last attempt, with the receiver's status.

        Raises:
            ValueError: The destination cannot send these events.
        """
        self.sent += len(events)
        return await self._post(events, batch=len(events) > 1 if batch is None else batch)

    async def create_audience(self, url: str, name: str) -> str:
        """
        Ask for an audience's ``externalId``, as Webhook Audiences does before the first event.

        Raises:
            AudienceRefused: The answer has none; Segment fails the audience then.
        """
        return await self._audience(url, {"audienceName": name})

    async def get_audience(self, url: str, external_id: str) -> str:
        """
        Ask whether an audience is still known.

        Raises:
            AudienceRefused: The answer has no ``externalId``.
        """
        return await self._audience(url, {"externalId": external_id})

    async def until(self, predicate: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """
        Wait until something holds, asked after every attempt.

        Raises:
            TimeoutError: It did not hold within `timeout_s` seconds.
        """
        await self.changes.until(predicate, timeout_s)

    async def settle(self, timeout_s: float = 10.0) -> None:
        """
        Wait until every event given to `send` was taken, refused or lost.

        Raises:
            TimeoutError: It took longer than `timeout_s` seconds.
        """
        await self.changes.until(lambda: self.idle, timeout_s)

    async def _deliver(self, events: list[Event]) -> None:
        await self._post(events, batch=self._pace.batch_size > 1)

    async def _post(
        self, events: "list[Event] | tuple[Mapping[str, Any], ...]", *, batch: bool
    ) -> Post:
        pace = self._pace
        retries = Retries(pace.retry_first_s, pace.retry_most_s, pace.retry_for_s, _is_final)
        post = await self._poster.post(
            self.url, post_of(events, self.destination, batch=batch), retries
        )
        if post.taken:
            self.delivered += len(events)
        elif post.status is not None and _is_final(post.status):
            self.refused += len(events)
        else:
            self.given_up += len(events)
        return post

    async def _audience(self, url: str, call: Mapping[str, str]) -> str:
        body = stringify({**(self.destination.extras or {}), **call})
        headers = {
            "User-Agent": self.destination.product.user_agent,
            "Content-Type": "application/json",
        }
        if self.destination.token is not None:
            headers["Authorization"] = f"Bearer {self.destination.token}"
        timeout = aiohttp.ClientTimeout(total=self.destination.product.timeout_s)
        async with (
            aiohttp.ClientSession(timeout=timeout) as session,
            session.post(url, data=body.encode(), headers=headers) as response,
        ):
            answer = await response.json(content_type=None) if response.status == 200 else None
        external_id = answer.get("externalId") if isinstance(answer, dict) else None
        if not external_id:
            msg = f"audience call answered {response.status} without an externalId"
            raise AudienceRefused(msg)
        return str(external_id)


def _is_final(status: int) -> bool:
    """Tell whether Segment gives an event up at an answer that is no success."""
    if status >= 500:
        return status in FINAL_5XX
    return status not in RETRIED_4XX


def _with_new_id(event: Event) -> Event:
    return event | {"messageId": f"api-{uuid.uuid4()}"}
