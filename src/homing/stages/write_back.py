"""Write back: what is ready for Segment leaves in batches, in order per person."""

from __future__ import annotations

import asyncio
import base64
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

from homing.core.backoff import next_delay_s
from homing.core.batching import Batch, batches_of
from homing.core.effects import Dest, Effect
from homing.core.events import iso_time
from homing.core.outcomes import (
    Delivered,
    Outcome,
    Paused,
    Rejected,
    RetryLater,
    Unknown,
    segment_outcome_of,
)
from homing.log import CALLS_WRITTEN_BACK, EFFECT_DIED, log
from homing.stages.attempts import Sleep, settled
from homing.stages.circuit import Circuit, StageBroken, got_through, pause

if TYPE_CHECKING:
    from homing.ports import Api, Clock, Store, Tx

BATCH_PATH = "/v1/batch"
READ = 1_000
AT_ONCE = 4


def authorization_of(write_key: str) -> str:
    """HTTP Basic with the write key as user name and no password."""
    return "Basic " + base64.b64encode(f"{write_key}:".encode()).decode("ascii")


@dataclass(slots=True)
class WriteBack:
    """
    The stage. Everything it sends may be sent twice: Segment dedupes by ``messageId``.

    Args:
        write_key: Goes into the body, too, as Segment's own libraries do.
    """

    store: Store
    api: Api
    clock: Clock
    write_key: str
    capture: bool = False
    circuit: Circuit = field(init=False)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    flying: set[asyncio.Task[None]] = field(default_factory=set)
    sleep: Sleep = asyncio.sleep
    _busy: set[int] = field(default_factory=set)
    _busy_by_merge: set[int] = field(default_factory=set)
    _flying_ids: set[int] = field(default_factory=set)
    _failures: int = 0
    _not_before_ms: int = 0
    _broken: BaseException | None = None

    def __post_init__(self) -> None:
        self.circuit = Circuit(Dest.SEGMENT, self.clock)

    async def deliver_batch(self) -> int:
        """
        Send what is ready and whose person is not on the way already.

        Returns:
            How many calls left; 0 lets the caller sleep until woken.
        """
        if self._broken is not None:
            msg = "an outcome could not be recorded"
            raise StageBroken(msg) from self._broken
        room = self._room()
        if room <= 0:
            return 0
        batches = await self.store.write(lambda tx: self._claim(tx, room))
        for batch in batches:
            self._busy.update(effect.lane for effect in batch.effects)
            self._flying_ids.update(effect.id for effect in batch.effects)
            task = asyncio.create_task(self._fly(batch), name="write back")
            self.flying.add(task)
            task.add_done_callback(self._flown)
        return sum(len(batch.effects) for batch in batches)

    async def land(self) -> None:
        """Wait until nothing flies."""
        while self.flying:
            await asyncio.wait(list(self.flying))

    def wait_s(self) -> float:
        """How long to sleep unless woken: after a failure, until it is worth trying again."""
        wait_ms = self._not_before_ms - self.clock.now_ms()
        return wait_ms / 1000 if wait_ms > 0 else 1.0

    def resumed(self) -> None:
        """Somebody ended the pause: try at once."""
        self._not_before_ms, self._failures = 0, 0
        self.circuit.reset()
        self.wake.set()

    def _room(self) -> int:
        if self.clock.now_ms() < self._not_before_ms:
            return 0
        return self.circuit.allowance(in_flight=len(self.flying), most=AT_ONCE)

    def _claim(self, tx: Tx, room: int) -> list[Batch]:
        in_flight = len(self.flying)
        room = self.circuit.granted(tx, room, in_flight=in_flight, is_waited=_is_any_ready)
        if room <= 0:
            return []
        free: list[Effect] = []
        after = 0
        self._busy_by_merge.clear()
        while len(free) < room * READ:
            ready = tx.effects.ready(Dest.SEGMENT, after=after, limit=READ)
            free += [effect for effect in ready if self._is_free(effect)]
            if len(ready) < READ:
                break
            after = ready[-1].id
        return batches_of(free, most=room)

    def _is_free(self, effect: Effect) -> bool:
        """Whether nothing of its lane flies, also not since before two persons became one."""
        if effect.id in self._flying_ids:
            self._busy_by_merge.add(effect.lane)
        return effect.lane not in self._busy and effect.lane not in self._busy_by_merge

    async def _fly(self, batch: Batch) -> None:
        try:
            await self._deliver(batch)
        finally:
            self._busy.difference_update(effect.lane for effect in batch.effects)
            self._flying_ids.difference_update(effect.id for effect in batch.effects)

    def _flown(self, task: asyncio.Task[None]) -> None:
        # only now is there room: woken any sooner, the loop would find none and sleep on
        self.flying.discard(task)
        if not task.cancelled():
            self._broken = task.exception() or self._broken
        self.wake.set()

    async def _settled(self, batch: Batch) -> Outcome:
        if self.circuit.is_down:
            return await self._sent(batch)  # a probe is one call
        return await settled(lambda: self._sent(batch), sleep=self.sleep)

    async def _sent(self, batch: Batch) -> Outcome:
        if self.capture:
            return Delivered()
        now = self.clock.now_ms()
        # sentAt is this attempt's time: Segment shifts every timestamp by its distance to now
        answer = await self.api.call(
            "POST", BATCH_PATH, batch.body(write_key=self.write_key, sent_at=iso_time(now))
        )
        outcome = segment_outcome_of(answer, now_ms=now)
        self.circuit.heed(outcome)
        return outcome

    async def _deliver(self, batch: Batch) -> bool:
        """Send a batch and record what came of it; whether nothing of it is left to be sent."""
        left_at_ms = self.clock.now_ms()
        outcome = await self._settled(batch)
        match outcome:
            case Delivered():
                self._failures, self._not_before_ms = 0, 0
                await self.store.write(lambda tx: _done(tx, batch, left_at_ms=left_at_ms))
                log.debug(CALLS_WRITTEN_BACK, calls=len(batch.effects))
                return True
            case RetryLater(after_s=after_s):
                self._hold(after_s)
            case Unknown():
                self._hold(1.0)  # it may be sent twice, so nothing is unknown here for long
            case Paused(reason=reason):
                now_ms = self.clock.now_ms()
                await self.store.write(lambda tx: pause(tx, Dest.SEGMENT, reason, now_ms=now_ms))
            case Rejected(reason=reason):
                return await self._reject(batch, reason, left_at_ms=left_at_ms)
            case _:
                assert_never(outcome)
        return False

    def _hold(self, told_s: float | None) -> None:
        """After a failure: as long as told, else by the schedule, unless the breaker says when."""
        self._failures += 1
        wait_s = told_s
        if wait_s is None and not self.circuit.is_down:
            wait_s = next_delay_s(min(self._failures, 3), self.clock.chance())
        self._not_before_ms = self.clock.now_ms() + int((wait_s or 0.0) * 1000)

    async def _reject(self, batch: Batch, reason: str, *, left_at_ms: int) -> bool:
        """Find the bad one by halves; it alone is dead."""
        if len(batch.effects) == 1:
            effect = batch.effects[0]
            await self.store.write(lambda tx: _dead(tx, effect, reason, left_at_ms=left_at_ms))
            log.warning(EFFECT_DIED, effect=effect.id, destination="segment", reason=reason)
            return True
        # the second half must not overtake what the first left behind
        for half in batch.halves():
            if not await self._deliver(half):
                return False
        return True


def _is_any_ready(tx: Tx) -> bool:
    return bool(tx.effects.ready(Dest.SEGMENT, after=0, limit=1))


def _done(tx: Tx, batch: Batch, *, left_at_ms: int) -> None:
    # an erasure may have dropped some of them in flight
    done = tx.effects.done(effect.id for effect in batch.effects)
    tx.books.count("effects:segment:ready", -done)
    tx.books.count("effects:segment:done", done)
    got_through(tx, Dest.SEGMENT, left_at_ms=left_at_ms)


def _dead(tx: Tx, effect: Effect, reason: str, *, left_at_ms: int) -> None:
    if tx.effects.dead(effect.id, reason):
        tx.books.count("effects:segment:ready", -1)
        tx.books.count("effects:segment:dead")
    got_through(tx, Dest.SEGMENT, left_at_ms=left_at_ms)
