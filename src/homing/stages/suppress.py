"""Suppress: opt-outs and opt-ins leave for SendGrid, in order per person."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, assert_never

import orjson

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
from homing.log import EFFECT_DIED, log
from homing.stages.attempts import Sleep, settled
from homing.stages.circuit import Circuit, StageBroken, got_through, pause

if TYPE_CHECKING:
    from homing.ports import Api, Clock, Store, Tx

AT_ONCE = 4
READ = 200


@dataclass(slots=True)
class Suppress:
    """The stage. Its calls may be made twice: an address is on a list or it is not."""

    store: Store
    api: Api
    clock: Clock
    capture: bool = False
    circuit: Circuit = field(init=False)
    wake: asyncio.Event = field(default_factory=asyncio.Event)
    flying: set[asyncio.Task[None]] = field(default_factory=set)
    sleep: Sleep = asyncio.sleep
    _busy: set[object] = field(default_factory=set)
    _not_before_ms: int = 0
    _broken: BaseException | None = None

    def __post_init__(self) -> None:
        self.circuit = Circuit(Dest.SUPPRESSIONS, self.clock)

    async def deliver_batch(self) -> int:
        """
        Start what is due and first in its lane.

        Returns:
            How many calls were started; 0 lets the caller sleep until woken or due.
        """
        if self._broken is not None:
            msg = "an outcome could not be recorded"
            raise StageBroken(msg) from self._broken
        room = self._room()
        if room <= 0:
            return 0
        claimed = await self.store.write(lambda tx: self._claim(tx, room))
        for effect in claimed:
            self._busy |= _keys_of(effect)
            task = asyncio.create_task(self._fly(effect), name=f"suppression {effect.id}")
            self.flying.add(task)
            task.add_done_callback(self._flown)
        return len(claimed)

    async def land(self) -> None:
        """Wait until nothing flies."""
        while self.flying:
            await asyncio.wait(list(self.flying))

    def resumed(self) -> None:
        """Somebody ended the pause: try at once."""
        self._not_before_ms = 0
        self.circuit.reset()
        self.wake.set()

    def _room(self) -> int:
        if self.clock.now_ms() < self._not_before_ms:
            return 0
        return self.circuit.allowance(in_flight=len(self.flying), most=AT_ONCE)

    def _claim(self, tx: Tx, room: int) -> list[Effect]:
        now = self.clock.now_ms()
        in_flight = len(self.flying)
        room = self.circuit.granted(tx, room, in_flight=in_flight, is_waited=_is_any_ready)
        if room <= 0:
            return []
        passed = set(self._busy)
        claimed: list[Effect] = []
        for effect in _all_ready(tx):
            keys = _keys_of(effect)
            is_free = passed.isdisjoint(keys)
            passed |= keys  # what comes later waits for this one
            if not is_free:
                continue
            if effect.due_at > now and not self.circuit.is_probing:
                continue  # a probe asks the API, not the effect
            claimed.append(effect)
            if len(claimed) == room:
                break
        return claimed

    async def _fly(self, effect: Effect) -> None:
        left_at_ms = self.clock.now_ms()
        try:
            outcome = await self._settled(effect)
            await self.store.write(
                lambda tx: self._settle(tx, effect, outcome, left_at_ms=left_at_ms)
            )
        finally:
            self._busy -= _keys_of(effect)

    def _flown(self, task: asyncio.Task[None]) -> None:
        # only now is there room: woken any sooner, the loop would find none and sleep on
        self.flying.discard(task)
        if not task.cancelled():
            self._broken = task.exception() or self._broken
        self.wake.set()

    async def _settled(self, effect: Effect) -> Outcome:
        if self.circuit.is_down:
            return await self._sent(effect)  # a probe is one call
        return await settled(lambda: self._sent(effect), sleep=self.sleep)

    async def _sent(self, effect: Effect) -> Outcome:
        if self.capture:
            return Delivered()
        call = orjson.loads(effect.payload)
        body = None if call["body"] is None else orjson.dumps(call["body"])
        answer = await self.api.call(call["method"], call["path"], body)
        outcome = suppression_outcome_of(
            answer, lifting=call["method"] == "DELETE", now_ms=self.clock.now_ms()
        )
        self.circuit.heed(outcome)
        return outcome

    def _settle(self, tx: Tx, effect: Effect, outcome: Outcome, *, left_at_ms: int) -> None:
        now = self.clock.now_ms()
        if isinstance(outcome, Delivered | Rejected):
            got_through(tx, Dest.SUPPRESSIONS, left_at_ms=left_at_ms)
        match outcome:
            case Delivered():
                self._done(tx, effect)
            case RetryLater():
                self._postpone(tx, effect, outcome, now=now)
            case Unknown(reason=reason):
                tx.effects.retry(effect.id, due_at=now + 5_000, counts=False, reason=reason)
            case Rejected(reason=reason):
                if tx.effects.dead(effect.id, reason):
                    tx.books.count("effects:suppressions:ready", -1)
                    tx.books.count("effects:suppressions:dead")
                log.warning(
                    EFFECT_DIED, effect=effect.id, destination="suppressions", reason=reason
                )
            case Paused(reason=reason):
                pause(tx, Dest.SUPPRESSIONS, reason, now_ms=now)
            case _:
                assert_never(outcome)

    def _postpone(self, tx: Tx, effect: Effect, outcome: RetryLater, *, now: int) -> None:
        if outcome.after_s is not None:
            self._not_before_ms = now + int(outcome.after_s * 1000)
        delay_s = next_delay_s(effect.attempt + 1, self.clock.chance())
        # while the destination is down, it is not this call's fault: recovery frees all at once
        due_at = now if self.circuit.is_down else now + int(delay_s * 1000)
        counts = outcome.counts and not self.circuit.is_down
        tx.effects.retry(effect.id, due_at=due_at, counts=counts, reason=outcome.reason)

    def _done(self, tx: Tx, effect: Effect) -> None:
        done = tx.effects.done([effect.id])
        tx.books.count("effects:suppressions:ready", -done)
        tx.books.count("effects:suppressions:done", done)


def _keys_of(effect: Effect) -> set[object]:
    """
    What only one call at a time may concern, in order: a person, and an address.

    Two persons may share an address, and the last wish holds whoever had it. The call itself is
    among them: its person may become another's while it is under way.
    """
    keys: set[object] = {effect.lane, ("effect", effect.id)}
    address = orjson.loads(effect.payload).get("address")
    return keys if address is None else keys | {address}


def _is_any_ready(tx: Tx) -> bool:
    return bool(tx.effects.ready(Dest.SUPPRESSIONS, after=0, limit=1))


def _all_ready(tx: Tx) -> Iterator[Effect]:
    """Every effect not yet done, in order: those that wait must not hide those that may leave."""
    after = 0
    while ready := tx.effects.ready(Dest.SUPPRESSIONS, after=after, limit=READ):
        yield from ready
        after = ready[-1].id
