"""Gather events into posts, and let the webhooks' faults befall them on the way."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

from homing.emulators.faults import FaultPlan
from homing.emulators.waiting import Changes

Event: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Gathering:
    """
    When a post is made of what is waiting.

    Args:
        after_s: This long after the first event.

        most_bytes: Earlier, at about this many bytes.

        most_events: Earlier, at this many events.

        delay_s: The longest delay of the fault ``delay``.
    """

    after_s: float
    most_bytes: int
    most_events: int
    delay_s: float


class Outbox:
    """
    The way of events out of an emulator.

    Args:
        deliver: Takes the events of one post and returns when they were taken or lost.

        renewed: Makes the copy with another id for the fault ``new-id``.

        faults: Of the target ``webhook``.

        changes: Told when a delivery ends.
    """

    def __init__(
        self,
        deliver: Callable[[list[Event]], Awaitable[None]],
        renewed: Callable[[Event], Event],
        *,
        gathering: Gathering,
        faults: FaultPlan,
        changes: Changes,
    ) -> None:
        self.faults = faults
        self.dropped = 0
        self._deliver = deliver
        self._renewed = renewed
        self._gathering = gathering
        self._changes = changes
        self._pending: list[Event] = []
        self._pending_bytes = 0
        self._shuffle = False
        self._timer: asyncio.TimerHandle | None = None
        self._held: set[asyncio.TimerHandle] = set()
        self._delivering: set[asyncio.Task[None]] = set()

    @property
    def idle(self) -> bool:
        """Tell whether no event is waiting, held back or on its way."""
        return not (self._pending or self._held or self._delivering)

    def add(self, event: Event) -> frozenset[str]:
        """Take one event; what befalls it is decided here, and returned by name."""
        befalls = self.faults.next_faults()
        if "drop" in befalls:
            self.dropped += 1
            return befalls
        self._add_after(self._delay_s(befalls), event)
        # Copies come in a later post, as redeliveries do.
        later_s = self._gathering.after_s * (1 + self.faults.fraction()) if befalls else 0.0
        if "duplicate" in befalls:
            self._add_after(later_s, event)
        if "new-id" in befalls:
            self._add_after(later_s, self._renewed(event))
        return befalls

    def post_now(self) -> None:
        """Make a post of what is waiting."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._pending:
            return
        events, self._pending, self._pending_bytes = self._pending, [], 0
        if self._shuffle:
            events, self._shuffle = self.faults.shuffled(events), False
        task = asyncio.ensure_future(self._run(events))
        self._delivering.add(task)
        task.add_done_callback(self._ended)

    async def close(self) -> None:
        """Give up what is waiting, held back or on its way."""
        for handle in self._held:
            handle.cancel()
        self._held.clear()
        if self._timer is not None:
            self._timer.cancel()
        for task in self._delivering:
            task.cancel()
        await asyncio.gather(*self._delivering, return_exceptions=True)

    def _delay_s(self, befalls: frozenset[str]) -> float:
        delay_s = 0.0
        if "delay" in befalls:
            delay_s = self._gathering.delay_s * self.faults.fraction()
        if "shuffle" in befalls:
            self._shuffle = True
            # Some events miss their post, so that order is lost between posts too.
            delay_s += self._gathering.after_s * 2 * self.faults.fraction()
        return delay_s

    def _add_after(self, delay_s: float, event: Event) -> None:
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
        self._pending_bytes += _about_bytes(event)
        limits = self._gathering
        if self._pending_bytes >= limits.most_bytes or len(self._pending) >= limits.most_events:
            self.post_now()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(limits.after_s, self.post_now)

    async def _run(self, events: list[Event]) -> None:
        await self._deliver(events)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._delivering.discard(task)
        self._changes.notify()
        if not task.cancelled():
            # A surprise must not be silent: it goes to the loop's handler.
            task.result()


def _about_bytes(event: Event) -> int:
    return sum(len(key) + len(str(value)) + 6 for key, value in event.items())
