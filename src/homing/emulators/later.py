"""Work that is done some time after it was asked for, in the order it was asked."""

import asyncio
from collections import deque
from collections.abc import Callable

from homing.emulators.waiting import Changes


class Later:
    """
    A queue whose entries are done after a delay, oldest first.

    Args:
        delay_s: From `add` to the work.

        changes: Told whenever something was done.
    """

    def __init__(self, delay_s: float, changes: Changes) -> None:
        self.delay_s = delay_s
        self._changes = changes
        self._waiting: deque[Callable[[], None]] = deque()
        self._due = 0
        self._held = False
        self._timers: set[asyncio.TimerHandle] = set()

    @property
    def idle(self) -> bool:
        """Tell whether nothing waits."""
        return not self._waiting

    @property
    def held(self) -> bool:
        """Whether nothing is done for now; what came due meanwhile is done once this ends."""
        return self._held

    @held.setter
    def held(self, is_held: bool) -> None:
        self._held = is_held
        self._do_due()

    def add(self, work: Callable[[], None]) -> None:
        """Do something after the delay. Call it in the event loop."""
        self._waiting.append(work)

        def fire() -> None:
            self._timers.discard(timer)
            self._due += 1
            self._do_due()

        timer = asyncio.get_running_loop().call_later(self.delay_s, fire)
        self._timers.add(timer)

    def do(self, work: Callable[[], None]) -> None:
        """
        Do one thing that waits now, before what was asked for earlier.

        Raises:
            ValueError: It does not wait, or not any more.
        """
        self._waiting.remove(work)
        # Its own delay will end for nothing.
        self._due -= 1
        work()
        self._changes.notify()

    def do_all(self) -> None:
        """Do everything now, held or not, whatever the delay."""
        self.close()
        while self._waiting:
            self._do_next()

    def close(self) -> None:
        """Let no delay end any more."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()
        self._due = 0

    def _do_due(self) -> None:
        # Each delay that ends does the oldest entry: order holds whatever the clock's grain.
        while self._due > 0 and self._waiting and not self._held:
            self._due -= 1
            self._do_next()

    def _do_next(self) -> None:
        self._waiting.popleft()()
        self._changes.notify()
