"""Suppress: opt-outs and opt-ins leave for SendGrid, in order per person."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

import orjson

from homing.core import breaker as breakers
from homing.core.backoff import next_delay_s
from homing.core.effects import Dest, Effect
from homing.core.outcomes import (
    Delivered,
    Outcome,
    Paused,
    Rejected,
    RetryLater,
    Unknown,
    suppression_outcome_of,
)
from homing.log import DESTINATION_PAUSED, EFFECT_DIED, log
from homing.ports import Pause
from homing.stages.attempts import settled

if TYPE_CHECKING:
    from homing.ports import Api, Clock, Store, Tx

AT_ONCE = 4
READ = 200
PROBE_PAUSED_MS = 300_000


@dataclass(slots=True)
class Suppress:
    """The stage. Its calls may be made twice: an address is on a list or it is not."""

    store: Store
    api: Api
    clock: Clock
    capture: bool = False
    breaker: breakers.Breaker = field(default_factory=breakers.Breaker)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    flying: set[asyncio.Task[None]] = field(default_factory=set)
    _busy: set[int] = field(default_factory=set)
    _not_before_ms: int = 0
    _probe_at_ms: int = 0
    _paused: bool = False
    _probe: int | None = None  # the one call let through while paused
    next_due_ms: int | None = None

    async def deliver_batch(self) -> int:
        """
        Start what is due and first in its lane.

        Returns:
            How many calls were started; 0 lets the caller sleep until woken or due.
        """
        room = self._room()
        if room <= 0:
            return 0
        claimed = await self.store.write(lambda tx: self._claim(tx, room))
        for effect in claimed:
            self._busy.add(effect.lane)
            task = asyncio.create_task(self._fly(effect), name=f"suppression {effect.id}")
            self.flying.add(task)
            task.add_done_callback(self.flying.discard)
        return len(claimed)

    async def land(self) -> None:
        """Wait until nothing flies."""
        while self.flying:
            await asyncio.wait(list(self.flying))

    def resumed(self) -> None:
        """Somebody ended the pause: try at once."""
        self._probe_at_ms, self._not_before_ms = 0, 0
        self.breaker = breakers.Breaker()
        self.wake.set()

    def _room(self) -> int:
        now = self.clock.now_ms()
        if self._paused:
            return 1 if not self.flying and now >= self._probe_at_ms else 0
        if now < self._not_before_ms:
            return 0
        self._turn_breaker(breakers.Signal.TICKED)
        return breakers.allowance(self.breaker, in_flight=len(self.flying), most=AT_ONCE)

    def _turn_breaker(self, signal: breakers.Signal | None) -> None:
        if signal is not None:
            monotonic = int(self.clock.monotonic_s() * 1000)
            self.breaker = breakers.after(self.breaker, signal, now_ms=monotonic)

    def _is_down(self) -> bool:
        return self.breaker.state is not breakers.BreakerState.CLOSED

    def _claim(self, tx: Tx, room: int) -> list[Effect]:
        now = self.clock.now_ms()
        pauses = tx.books.pauses()
        self._paused = Dest.SUPPRESSIONS in pauses
        if self._paused:
            self._probe_at_ms = now + PROBE_PAUSED_MS
            if pauses[Dest.SUPPRESSIONS].by != "homing":
                return []
        passed = set(self._busy)
        claimed: list[Effect] = []
        self.next_due_ms = None
        for effect in _all_ready(tx):
            if effect.lane in passed:
                continue
            passed.add(effect.lane)  # what comes later in this lane waits for this one
            if effect.due_at > now and not self._is_down():  # a probe asks the API, not the effect
                self.next_due_ms = min(effect.due_at, self.next_due_ms or effect.due_at)
                continue
            claimed.append(effect)
            if len(claimed) == room:
                break
        self._probe = claimed[0].id if self._paused and claimed else None
        return claimed

    async def _fly(self, effect: Effect) -> None:
        try:
            outcome = Delivered() if self.capture else await settled(lambda: self._sent(effect))
            self._turn_breaker(breakers.signal_of(outcome))
            await self.store.write(lambda tx: self._settle(tx, effect, outcome))
        finally:
            self._busy.discard(effect.lane)
            self.wake.set()

    async def _sent(self, effect: Effect) -> Outcome:
        call = orjson.loads(effect.payload)
        body = None if call["body"] is None else orjson.dumps(call["body"])
        answer = await self.api.call(call["method"], call["path"], body)
        return suppression_outcome_of(
            answer, lifting=call["method"] == "DELETE", now_ms=self.clock.now_ms()
        )

    def _settle(self, tx: Tx, effect: Effect, outcome: Outcome) -> None:
        now = self.clock.now_ms()
        match outcome:
            case Delivered():
                self._done(tx, effect)
            case RetryLater():
                self._postpone(tx, effect, outcome, now=now)
            case Unknown(reason=reason):
                tx.effects.retry(effect.id, due_at=now + 5_000, counts=False, reason=reason)
            case Rejected(reason=reason):
                tx.effects.dead(effect.id, reason)
                tx.books.count("effects:suppressions:ready", -1)
                tx.books.count("effects:suppressions:dead")
                log.warning(
                    EFFECT_DIED, effect=effect.id, destination="suppressions", reason=reason
                )
            case Paused(reason=reason):
                self._pause(tx, reason, now)
            case _:
                assert_never(outcome)

    def _postpone(self, tx: Tx, effect: Effect, outcome: RetryLater, *, now: int) -> None:
        if outcome.after_s is not None:
            self._not_before_ms = now + int(outcome.after_s * 1000)
        delay_s = next_delay_s(effect.attempt + 1, self.clock.chance())
        # while the destination is down, it is not this call's fault: recovery frees all at once
        due_at = now if self._is_down() else now + int(delay_s * 1000)
        counts = outcome.counts and not self._is_down()
        tx.effects.retry(effect.id, due_at=due_at, counts=counts, reason=outcome.reason)

    def _done(self, tx: Tx, effect: Effect) -> None:
        tx.effects.done([effect.id])
        tx.books.count("effects:suppressions:ready", -1)
        tx.books.count("effects:suppressions:done")
        if effect.id != self._probe:
            return
        self._probe = None
        pause = tx.books.pauses().get(Dest.SUPPRESSIONS)
        if pause is not None and pause.by == "homing":
            self._paused = False
            tx.books.resume(Dest.SUPPRESSIONS)
            tx.books.clear_alert("paused", Dest.SUPPRESSIONS)

    def _pause(self, tx: Tx, reason: str, now: int) -> None:
        self._paused = True
        self._probe_at_ms = now + PROBE_PAUSED_MS
        tx.books.pause(Dest.SUPPRESSIONS, Pause(now, reason, "homing"))
        tx.books.alert("paused", Dest.SUPPRESSIONS, reason, at=now)
        log.error(DESTINATION_PAUSED, destination="suppressions", reason=reason)


def _all_ready(tx: Tx) -> Iterator[Effect]:
    """Every effect not yet done, in order: those that wait must not hide those that may leave."""
    after = 0
    while ready := tx.effects.ready(Dest.SUPPRESSIONS, after=after, limit=READ):
        yield from ready
        after = ready[-1].id
