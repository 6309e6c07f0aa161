"""
Evaluate: claims the next requests of the log, many events to a transaction.

An event that cannot be decided undoes nothing but itself: the transaction in which one is met is
done again with a savepoint for each event, which nearly all transactions can do without. The
cursor moves in the same transaction: every accepted event is evaluated exactly once.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from homing.core.errors import Unavailable
from homing.core.splitting import Element, split_events
from homing.ports import Cursor, Request
from homing.stages.draft import Taken, is_erased
from homing.stages.take import Taker

if TYPE_CHECKING:
    from homing.ports import Clock, LogReader, Store, Tx

READ_REQUESTS = 256
READ_BYTES = 1 << 20
# a transaction runs in the event loop: it must leave the sockets their turn; a shorter one waits
# for its commit a fifth of the time
SLICE_S = 0.015


@dataclass(slots=True)
class Position:
    """How far evaluation is durable, for those who must wait until it has come so far."""

    request: int = 0
    moved: asyncio.Event = field(default_factory=asyncio.Event)

    def reach(self, request: int) -> None:
        """Everything up to *request* is evaluated, durably."""
        self.request = request
        self.moved.set()
        self.moved = asyncio.Event()

    async def reached(self, request: int) -> None:
        """Wait until evaluation has come as far as *request*."""
        while self.request < request:
            await self.moved.wait()


class Evaluator:
    """The stage; what is done with one event is the *taker*'s."""

    def __init__(self, store: Store, reader: LogReader, clock: Clock, *, taker: Taker) -> None:
        self._store = store
        self._reader = reader
        self._clock = clock
        self._cursor: Cursor | None = None
        self._split: tuple[int, tuple[Element, ...]] = (0, ())
        # read and not yet evaluated: a slice ends long before what one read brings
        self._ahead: list[Request] = []
        self.taker = taker
        self.position = Position()
        self.wake = asyncio.Event()

    async def evaluate_batch(self) -> int:
        """
        Evaluate the next requests, for as long as a slice lasts.

        Returns:
            How many elements were taken; 0 lets the caller sleep until woken.
        """
        if self._cursor is None:
            self._cursor = await self._store.write(lambda tx: tx.events.cursor())
            self.position.reach(self._cursor.request)
        start = self._cursor
        requests, self._ahead = self._ahead or self._read_on(start), []
        if not requests:
            return 0
        cursor = self._cursor = await self._evaluated(requests, start)
        self._ahead = [request for request in requests if request.seq > cursor.request]
        self.position.reach(cursor.request)
        return cursor.next_event - start.next_event + cursor.request - start.request

    async def caught_up(self) -> None:
        """Wait until every event that is in the log now has been evaluated (promise P3)."""
        head = self._reader.head()
        if self.position.request < head:
            self.wake.set()
            await self.position.reached(head)

    async def replay(self, numbers: list[int]) -> dict[str, str]:
        """
        Evaluate kept events again, under their own ids: what was reserved for them stays reserved.

        Returns:
            The state of each by its number; "gone" where row or bytes are no more, "erased" where
            an erasure took what the event said.
        """
        states: dict[str, str] = {}
        for number in numbers:
            states[str(number)] = await self._store.write(lambda tx, n=number: self._again(tx, n))  # type: ignore[misc]
        self.taker.forget_people()
        return states

    async def _evaluated(self, requests: list[Request], start: Cursor) -> Cursor:
        try:
            return await self._attempt(requests, start, apart=False)
        except Unavailable:
            raise  # the store's trouble, not an event's
        except Exception:  # noqa: BLE001  of whichever event: each is found out apart
            return await self._attempt(requests, start, apart=True)

    async def _attempt(self, requests: list[Request], start: Cursor, *, apart: bool) -> Cursor:
        try:
            return await self._store.write(lambda tx: self._take(tx, requests, start, apart=apart))
        except BaseException:
            self.taker.forget()
            raise

    def _read_on(self, cursor: Cursor) -> list[Request]:
        return self._reader.after(cursor.request, limit=READ_REQUESTS, max_bytes=READ_BYTES)

    def _again(self, tx: Tx, number: int) -> str:
        row = tx.events.get(number)
        request = None if row is None else self._reader.request(row.request)
        elements = () if request is None else split_events(request.body).elements
        if row is None or request is None or row.item >= len(elements):
            return "gone"
        taken = Taken(request, row.item, elements[row.item])
        return "erased" if is_erased(tx, taken, row) else self.taker.take_again(tx, taken, row)

    def _take(self, tx: Tx, requests: list[Request], cursor: Cursor, *, apart: bool) -> Cursor:
        until = self._clock.monotonic_s() + SLICE_S
        done, item, number = cursor.request, cursor.item, cursor.next_event
        for request in requests:
            elements = self._elements(request)
            is_over = False
            while item < len(elements) and not is_over:
                self.taker.take(tx, Taken(request, item, elements[item]), number, apart=apart)
                item, number = item + 1, number + 1
                is_over = self._clock.monotonic_s() > until
            if item < len(elements):
                break
            done, item = request.seq, 0
            if is_over:
                break
        self.taker.finish(tx)
        cursor = Cursor(done, item, number)
        tx.events.move_cursor(cursor)
        return cursor

    def _elements(self, request: Request) -> tuple[Element, ...]:
        if self._split[0] != request.seq:
            self._split = (request.seq, split_events(request.body).elements)
        return self._split[1]
