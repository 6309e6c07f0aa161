"""The one loop that every stage runs in: a batch, or sleep until woken."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

from homing.core.errors import Unavailable
from homing.log import STAGE_FAILED, log

FIRST_PAUSE_S = 0.1
LAST_PAUSE_S = 5.0
# a stage that fails so often in a row is not going to recover: the process starts anew
MAX_FAILURES = 10


@dataclass(slots=True)
class Loop:
    """
    A stage, turned until stopped.

    Args:
        turn: Does a batch; returns how much was done, 0 when there was nothing to do.

        wake: Set by whoever makes work for it.

        idle_s: How long to sleep at most when nobody wakes it.
    """

    name: str
    turn: Callable[[], Awaitable[int]]
    wake: asyncio.Event
    idle_s: Callable[[], float]
    ticked: Callable[[str], None]
    stopping: asyncio.Event
    failures: int = field(default=0)

    async def run(self) -> None:
        """
        Turn until stopped.

        Raises:
            Exception: What the stage raised, when it failed ten times in a row.
        """
        while not self.stopping.is_set():
            self.ticked(self.name)
            self.wake.clear()
            try:
                done = await self.turn()
            except Unavailable:
                raise
            except Exception as error:
                self.failures += 1
                log.error(STAGE_FAILED, stage=self.name, failures=self.failures, exc_info=error)
                if self.failures >= MAX_FAILURES:
                    raise
                await self._sleep(min(FIRST_PAUSE_S * 2**self.failures, LAST_PAUSE_S))
                continue
            self.failures = 0
            if done:
                await asyncio.sleep(0)
            else:
                await self._sleep(self.idle_s())

    async def _sleep(self, at_most_s: float) -> None:
        try:
            async with asyncio.timeout(max(0.0, min(at_most_s, 1.0))):
                await self.wake.wait()
        except TimeoutError:
            return
