"""Wait for something to become true of an emulator, without polling or sleeping."""

import asyncio
from collections.abc import Callable


class Changes:
    """Tell waiters that something changed."""

    def __init__(self) -> None:
        self._waiters: set[asyncio.Future[None]] = set()

    def notify(self) -> None:
        """Wake everybody who waits; cheap when nobody does. Call it in the event loop."""
        if not self._waiters:
            return
        waiters, self._waiters = self._waiters, set()
        for waiter in waiters:
            if not waiter.done():
                waiter.set_result(None)

    async def until(self, predicate: Callable[[], bool], timeout_s: float = 10.0) -> None:
        """
        Return once `predicate` holds; it is asked now and after every change.

        Raises:
            TimeoutError: It did not hold within `timeout_s` seconds.
        """
        async with asyncio.timeout(timeout_s):
            while not predicate():
                waiter: asyncio.Future[None] = asyncio.get_running_loop().create_future()
                self._waiters.add(waiter)
                try:
                    await waiter
                finally:
                    self._waiters.discard(waiter)
