"""One life of the worker, with time and the vendors in hand: its stages over a given store."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tests.support.stages import FixedClock

from homing.core.decide import Rules
from homing.core.journeys.program import Journey
from homing.core.journeys.programs import Programs
from homing.core.mail import Rendered
from homing.core.plans import Plans
from homing.ports import Api, LogReader, Store, Tx
from homing.stages.deliver import Deliverer, Post
from homing.stages.evaluate import Evaluator
from homing.stages.health import Health
from homing.stages.rate import Rate
from homing.stages.recover import recover
from homing.stages.suppress import Suppress
from homing.stages.sweep import Retention, Sweeper
from homing.stages.take import Taker
from homing.stages.wake import Waker
from homing.stages.write_back import WriteBack

T = TypeVar("T")

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class Outside:
    """What survives a process: store, log, vendors, time, configuration."""

    store: Store
    log: LogReader
    sendgrid: Api
    segment: Api
    clock: FixedClock
    plans: Plans


class Process:
    """
    The stages of a process that has just started: what the last one left open is unknown.

    Nothing turns by itself: each stage is turned by whoever tells the story.
    """

    def __init__(
        self, outside: Outside, *, rate: float = 10_000.0, programs: Programs | None = None
    ) -> None:
        store, clock, plans = outside.store, outside.clock, outside.plans
        self.outside = outside
        self.health = Health(clock)
        self.taker = Taker(clock, Rules(plans, programs or programs_of(plans)), lambda: 7)
        self.evaluate = Evaluator(store, outside.log, clock, taker=self.taker)
        self.wake = Waker(store, clock, self.taker, self.evaluate.caught_up)
        self.deliver = Deliverer(
            store, outside.sendgrid, clock, Post.of(plans),
            Rate(rate, clock.monotonic_s, lambda: clock.now_ms() / 1000),
            self.health, _NoRenderer(), self.evaluate.caught_up, 16,
        )  # fmt: skip
        self.suppress = Suppress(store, outside.sendgrid, clock, sleep=_at_once)
        self.write_back = WriteBack(store, outside.segment, clock, "wk", sleep=_at_once)
        retention = Retention(90 * DAY_S, 400 * DAY_S, 90 * DAY_S, 30 * DAY_S)
        self.sweep = Sweeper(store, clock, self.health, plans, retention)

    async def start(self) -> None:
        """Recover, as at every start."""
        clock, plans = self.outside.clock, self.outside.plans
        wait_ms = int(plans.unknown_after_s * 1000)
        await self.tx(
            lambda tx: recover(
                tx, self.health, now_ms=clock.now_ms(), wait_ms=wait_ms, captured=False
            )
        )

    async def tx(self, job: Callable[[Tx], T]) -> T:
        """Run a job in a transaction."""
        return await self.outside.store.write(job)

    async def evaluated(self) -> None:
        """Evaluate all there is."""
        while await self.evaluate.evaluate_batch():
            pass

    async def ticked(self) -> int:
        """Tick the next runs that are due, and evaluate beside it; how many there were."""
        self.wake.look_again()
        evaluating = asyncio.ensure_future(self.evaluated())
        done = await self.wake.wake_batch()
        await evaluating
        return done

    async def all_ticked(self) -> None:
        """Tick until no run is due."""
        while await self.ticked():
            pass

    async def all_delivered(self) -> None:
        """Deliver until nothing moves, each call answered at once."""
        before, now = None, await self._ledger()
        while before != now:
            await self.deliver.deliver_batch()
            await self.deliver.land()
            before, now = now, await self._ledger()

    async def _ledger(self) -> list[tuple[int, str, int | None]]:
        """Where each send stands."""
        rows = await self.tx(lambda tx: tx.sends.newest(state=None, before=None, limit=10_000))
        return [(row.id, row.state, row.lane) for row in rows]

    async def live(self) -> None:
        """Evaluate, tick and deliver until nothing is left to do at this instant."""
        await self.evaluated()
        await self.all_ticked()
        await self.all_delivered()

    async def delivered(self) -> None:
        """Turn delivery once, and evaluation beside it; what may leave has left."""
        evaluating = asyncio.ensure_future(self.evaluated())
        await self.deliver.deliver_batch()
        await evaluating
        await self.quiet()

    async def quiet(self) -> None:
        """Let tasks come as far as they can without another answer from outside."""
        for _ in range(4):
            for _ in range(5):
                await asyncio.sleep(0)
            await self.tx(lambda _: None)

    async def others_delivered(self) -> None:
        """Turn what goes home and what goes to the lists, until it has landed."""
        await self.write_back.deliver_batch()
        await self.suppress.deliver_batch()
        await asyncio.gather(self.write_back.land(), self.suppress.land())

    def hear_for(self, seconds: float) -> None:
        """Time passes, with the receiver heard all along."""
        self.health.heard()
        for _ in range(int(seconds / 2) or 1):
            self.outside.clock.forward(min(int(seconds * 1000), 2_000))
            self.health.heard()

    async def die(self) -> None:
        """All in memory is gone; what the API is still asked is never heard of."""
        flying = list(self.deliver.flying)
        for task in flying:
            task.cancel()
        await asyncio.gather(*flying, return_exceptions=True)


def programs_of(plans: Plans, *others: Journey) -> Programs:
    """The programs of a configuration, and *others* on which runs may still be."""
    pinned = {(one.name, one.version): one for one in others}
    return Programs(plans.journeys, pinned, dict.fromkeys(plans.journeys, b"{}"))


class _NoRenderer:
    """Emails here have templates of SendGrid's."""

    async def email(self, email: object, data: bytes) -> Rendered:
        """Never asked."""
        raise AssertionError


async def _at_once(_: float) -> None:
    """Sleep no time."""
