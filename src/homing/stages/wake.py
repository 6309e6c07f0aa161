"""
Wake: the time of waiting runs is over.

Runs that are due are ticked in order of due time, never early. Before a batch of ticks every
event that was in the log is evaluated (promise P3): a conversion that came in time is seen.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from homing.core.durations import duration_text
from homing.core.errors import Unavailable
from homing.log import CLOCK_JUMPED, log
from homing.stages import crash, journey
from homing.stages.evaluate import SLICE_S
from homing.stages.jumps import Jumps

if TYPE_CHECKING:
    from homing.ports import Clock, Store, Tx
    from homing.stages.take import Taker

BATCH = 150
# by how late ticks are: how many at most are one transaction, and how long it may take. Of many
# that are late each commit and checkpoint should serve more, and the sockets wait a little longer
PACES = ((10_000, 3_000, 0.25), (1_000, 1_000, 0.1), (0, BATCH, SLICE_S))
# how long one turn waits for evaluation: a loop that is silent for long counts as stuck
PATIENCE_S = 5.0
IDLE_S = 1.0


@dataclass(slots=True)
class Waker:
    """
    The stage.

    Args:
        caught_up: Waits until every event that is in the log at the call has been evaluated.
    """

    store: Store
    clock: Clock
    taker: Taker
    caught_up: Callable[[], Awaitable[None]]
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    next_due_ms: int | None = None
    _knows: bool = False
    _last: int = PACES[0][1]  # how many the last transaction held
    _catching_up: asyncio.Future[None] | None = None
    _jumps: Jumps = field(init=False)

    def __post_init__(self) -> None:
        self._jumps = Jumps(self.clock)

    async def wake_batch(self) -> int:
        """
        Tick the next runs that are due, for as long as a slice lasts.

        Returns:
            How many; 0 lets the caller sleep until woken or due.
        """
        if not self._knows:
            await self.store.write(self._look)
        await self._heed_clock()
        if self.next_due_ms is None or self.next_due_ms > self.clock.now_ms():
            return 0
        if not self._jumps.allowed(BATCH):
            return 0
        if not await self._is_caught_up():
            return 0
        done = await self._ticked()
        crash.reached(crash.AFTER_TICKS)
        return done

    def look_again(self) -> None:
        """Somebody else wrote runs: their times may have changed."""
        self._knows = False

    def late_ms(self) -> int:
        """For how long the next run has been due; 0 if none is."""
        due = self.next_due_ms
        return 0 if due is None else max(0, self.clock.now_ms() - due)

    def idle_s(self) -> float:
        """How long to sleep: until the next run is due."""
        if self.next_due_ms is None or not self._jumps.allowed(BATCH):
            return IDLE_S
        return max(0.0, (self.next_due_ms - self.clock.now_ms()) / 1000)

    async def _heed_clock(self) -> None:
        jump_ms = self._jumps.look()
        if jump_ms:
            log.warning(CLOCK_JUMPED, by_ms=jump_ms)
            await self.store.write(lambda tx: self._tell_of_jump(tx, jump_ms))

    def _tell_of_jump(self, tx: Tx, jump_ms: int) -> None:
        by = duration_text(abs(jump_ms) / 1_000)
        text = f"the clock jumped back by {by}: timers wait until it has caught up"
        if jump_ms > 0:
            text = f"the clock jumped ahead by {by}: timers fire slowly for a while"
        tx.books.count("clock:jumps")
        tx.books.alert("clock", "jumped", text, at=self.clock.now_ms())

    async def _is_caught_up(self) -> bool:
        """Wait for evaluation, a while each turn, for the same end from turn to turn."""
        if self._catching_up is None:
            self._catching_up = asyncio.ensure_future(self.caught_up())
        await asyncio.wait((self._catching_up,), timeout=PATIENCE_S)
        if not self._catching_up.done():
            return False
        reached, self._catching_up = self._catching_up, None
        reached.result()
        return True

    async def _ticked(self) -> int:
        try:
            return await self._attempt(apart=False)
        except Unavailable:
            raise  # the store's trouble, not a run's
        except Exception:  # noqa: BLE001  of whichever run: each is found out apart
            return await self._attempt(apart=True)

    async def _attempt(self, *, apart: bool) -> int:
        try:
            return await self.store.write(lambda tx: self._tick_due(tx, apart=apart))
        except BaseException:
            self.taker.forget()
            raise

    def _look(self, tx: Tx) -> None:
        self.next_due_ms = tx.runs.next_due()
        self._knows = True

    def _tick_due(self, tx: Tx, *, apart: bool) -> int:
        late_ms = self.late_ms()
        most, slice_s = next((most, s) for least_ms, most, s in PACES if late_ms >= least_ms)
        until = self.clock.monotonic_s() + slice_s
        # not many more than fit into it: those that are read in vain are read again
        most = self._jumps.allowed(min(most, max(BATCH, self._last + self._last // 4)))
        desk = self.taker.desk()
        done, moved = 0, set[int]()
        tick = self._tick_apart if apart else self._tick
        for due in tx.runs.due(now=desk.now_ms, limit=most):
            found: journey.Due | None = due
            person = due[0].person
            if person in moved:
                found = journey.still_due(tx, due[0], now_ms=desk.now_ms)
            if found is None:
                continue
            if tick(tx, found, desk):
                moved.add(person)
            crash.reached(crash.TICKED)
            done += 1
            if self.clock.monotonic_s() > until:
                break
        self._jumps.fired(done)
        self._last = done
        self._look(tx)
        return done

    def _tick(self, tx: Tx, due: journey.Due, desk: journey.Desk) -> bool:
        """Tick a run; whether others of its person may have moved with it."""
        journey.tick(tx, due, desk)
        return self.taker.follow_up(tx) > 0

    def _tick_apart(self, tx: Tx, due: journey.Due, desk: journey.Desk) -> bool:
        try:
            with tx.savepoint():
                return self._tick(tx, due, desk)
        except Unavailable:
            self.taker.forget()
            raise  # the store's trouble, not the run's
        except Exception as error:  # noqa: BLE001  a poison run must not stop its neighbours
            self.taker.forget()
            journey.fail(tx, due[0], f"{type(error).__name__}: {error}", now_ms=desk.now_ms)
            return False
