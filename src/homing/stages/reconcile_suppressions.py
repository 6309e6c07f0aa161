"""
Reconcile suppressions: SendGrid's lists are read, and what webhooks missed is repaired both ways.

Runs beside the other stages in a task of its own, since it waits for an API that may let it wait
for minutes.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from homing.core.errors import HomingError
from homing.core.readings import DAY_MS, STALE_MS, Reconciliation
from homing.log import RECONCILE_FAILED, log
from homing.stages.asking import Asker, Unanswered
from homing.stages.home import Surroundings
from homing.stages.reconciliation import Round, keep, kept_of, under_way

if TYPE_CHECKING:
    from homing.core.plans import Plans
    from homing.ports import Clock, Store, Tx

FIRST_S: Final = 60.0
"""After a start webhooks bring what they kept meanwhile: that is not missed."""

RETRY_S: Final = 60.0

PER_SECOND: Final = 10.0
"""Calls that SendGrid takes unless its headers say otherwise: 600 a minute."""


class CannotReconcile(HomingError):
    """The configuration does not let SendGrid's lists be read."""


class AlreadyReconciling(HomingError):
    """Another kind of reconciliation is under way."""


@dataclass(slots=True)
class SuppressionReconciler:
    """
    The stage.

    Args:
        every_s: From one start to the next.

        on_repaired: There is something to deliver.

        lacking: Why it cannot be done; None: it can.
    """

    store: Store
    asker: Asker
    clock: Clock
    plans: Plans
    every_s: float
    on_repaired: Callable[[], object] = lambda: None
    lacking: str | None = None
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    _surroundings: Surroundings = field(default_factory=Surroundings)
    _task: asyncio.Task[None] | None = None
    _due_s: float | None = None

    async def turn(self) -> int:
        """
        Start one when it is due; 0: the loop may sleep.

        Raises:
            Exception: What the last one failed of, unless it goes on by itself.
        """
        if self._task is not None:
            if not self._task.done():
                return 0
            self._settle(self._task)
        if self.lacking is not None:
            return 0
        if self._due_s is None:
            self._due_s = self.clock.monotonic_s() + await self._first_wait_s()
        if self.clock.monotonic_s() >= self._due_s:
            self._start(await self.store.write(lambda tx: self._opened(tx, full=False, dry=False)))
        return 0

    def reconfigure(self, plans: Plans, *, every_s: float, lacking: str | None) -> None:
        """Go on by another configuration: sooner, if it says so."""
        self.plans, self.every_s, self.lacking = plans, every_s, lacking
        if self._due_s is not None:
            self._due_s = min(self._due_s, self.clock.monotonic_s() + every_s)

    async def start(self, *, full: bool, dry: bool) -> int:
        """
        Start one now, or join the one under way; its number.

        Raises:
            CannotReconcile: It cannot be done.
            AlreadyReconciling: What is under way is not what is asked for.
        """
        if self.lacking is not None:
            raise CannotReconcile(self.lacking)
        if self._task is not None and not self._task.done():
            current = await self.store.write(under_way)
            if current is not None and current.dry == dry and (current.full or not full):
                return current.number
            if current is not None:
                raise AlreadyReconciling("another reconciliation is under way: try again later")
        one = await self.store.write(lambda tx: self._opened(tx, full=full, dry=dry, now=True))
        self._start(one)
        return one.number

    async def done(self) -> None:
        """
        Wait until the one under way is over.

        Raises:
            Unanswered: It is not: SendGrid did not answer.
        """
        if self._task is not None:
            await asyncio.wait([self._task])
            task, self._task = self._task, None
            task.result()

    async def stop(self) -> None:
        """Let go of the one under way: the next process goes on with it."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    @property
    def is_running(self) -> bool:
        """Whether one is under way in this process."""
        return self._task is not None and not self._task.done()

    async def _first_wait_s(self) -> float:
        left = await self.store.write(under_way)
        return 0.0 if left is not None else min(self.every_s, FIRST_S)

    def _opened(self, tx: Tx, *, full: bool, dry: bool, now: bool = False) -> Reconciliation:
        """The one that was interrupted, if it is what is wanted, else a new one."""
        kept, now_ms = kept_of(tx), self.clock.now_ms()
        one = kept.current
        within_ms = STALE_MS if now else DAY_MS
        if one is not None and one.may_go_on(full=full, dry=dry, since_ms=now_ms - within_ms):
            one.error = ""
            keep(tx, kept)
            return one
        tx.suppressions.forget_noted(keep=0 if kept.last is None else kept.last.number)
        one = kept.begin(full=full, dry=dry, now_ms=now_ms)
        keep(tx, kept)
        return one

    def _start(self, one: Reconciliation) -> None:
        age_ms = self.clock.now_ms() - one.began_ms
        # one that was interrupted long ago says nothing of what came since
        wait_s = self.every_s if age_ms < STALE_MS else 0.0
        self._due_s = self.clock.monotonic_s() + wait_s
        self._task = asyncio.create_task(
            Round(self, one.number).run(), name=f"reconcile suppressions {one.number}"
        )
        self._task.add_done_callback(lambda _: self.wake.set())

    def _settle(self, task: asyncio.Task[None]) -> None:
        self._task = None
        if task.cancelled():
            return
        error = task.exception()
        if error is None:
            return
        self._due_s = self.clock.monotonic_s() + min(RETRY_S, self.every_s)
        if not isinstance(error, Unanswered):
            raise error
        log.warning(RECONCILE_FAILED, error=str(error))

    @property
    def surroundings(self) -> Surroundings:
        """What is worked out of the plans, once."""
        return self._surroundings
