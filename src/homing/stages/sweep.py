"""Sweep: ends waits for evidence, flags the silent, lets retention take what is too old."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from msgspec.structs import replace

from homing.core.effects import SendFlag
from homing.core.plans import OnUnknown
from homing.log import ROWS_PRUNED, SEND_FELL_SILENT, SEND_RESOLVED, log
from homing.stages import moves
from homing.stages.reserve import lane_of

if TYPE_CHECKING:
    from homing.core.effects import SendRow
    from homing.core.plans import Plans
    from homing.ports import Clock, Store, Tx
    from homing.stages.health import Health

BATCH = 200
PRUNE_BATCH = 1_000
PRUNE_EVERY_S = 300.0


@dataclass(frozen=True, slots=True)
class Retention:
    """How long rows are kept, seconds."""

    events_s: float
    sends_s: float
    dead_s: float
    dedupe_s: float


@dataclass(slots=True)
class Sweeper:
    """The stage: turned about once a second."""

    store: Store
    clock: Clock
    health: Health
    plans: Plans
    retention: Retention
    resolved: int = 0
    _pruned_at: float = field(default=-PRUNE_EVERY_S)

    async def sweep(self) -> int:
        """
        Look once.

        Returns:
            How many sends were resolved or flagged; more than zero means look again.
        """
        done = await self.store.write(self._resolve)
        now = self.clock.monotonic_s()
        if now - self._pruned_at >= PRUNE_EVERY_S and not await self.store.write(self._prune):
            self._pruned_at = now
        return done

    def log_horizon_ms(self) -> int:
        """Requests received before this may be forgotten by the log."""
        kept_s = max(self.retention.events_s, self.retention.dead_s)
        return self.clock.now_ms() - int(kept_s * 1000)

    def _resolve(self, tx: Tx) -> int:
        self.health.save(tx)
        now = self.clock.now_ms()
        lost = tx.sends.unknown_due(now=self.health.healthy_ms(), limit=BATCH)
        for row in lost:
            self._end_wait(tx, row, now)
        silent = tx.sends.silent_due(now=now, limit=BATCH)
        for row in silent:
            row.silent_due = None
            row.flags |= SendFlag.SILENT
            tx.sends.save(row)
            tx.books.count("sends_silent")
            tx.books.alert(
                "silent", row.template or row.email,
                "accepted by SendGrid, and no event within silent_after: a template that fails to"
                " render looks like this", at=now,
            )  # fmt: skip
            log.warning(SEND_FELL_SILENT, send=row.key, email=row.email)
        return len(lost) + len(silent)

    def _end_wait(self, tx: Tx, row: SendRow, now: int) -> None:
        email = self.plans.emails.get(row.email)
        policy = OnUnknown.PARK if email is None else email.on_unknown
        kind = None if email is None else email.kind
        lane = row.lane if kind is None else lane_of(row.person, kind)
        moves.resolve(tx, row, policy, now=now, lane=lane or 0)
        if policy is OnUnknown.PARK:
            tx.books.alert("parked", row.email, "outcome unknown: `homing resolve`", at=now)
        self.resolved += 1
        log.warning(SEND_RESOLVED, send=row.key, by="policy", policy=policy.value)

    def _prune(self, tx: Tx) -> int:
        now = self.clock.now_ms()
        kept = self.retention
        events, dead = now - int(kept.events_s * 1000), now - int(kept.dead_s * 1000)
        gone = tx.events.prune(events, dead_before_ms=dead, limit=PRUNE_BATCH)
        gone += tx.effects.prune(events, dead_before_ms=dead, limit=PRUNE_BATCH)
        gone += tx.sends.prune(now - int(kept.sends_s * 1000), limit=PRUNE_BATCH)
        gone += tx.events.forget_seen(now - int(kept.dedupe_s * 1000), limit=PRUNE_BATCH)
        gone += _unwatched(tx, now=now)
        # as long as the sends that they reserved
        gone += tx.runs.prune(now - int(kept.sends_s * 1000), limit=PRUNE_BATCH)
        if gone:
            log.info(ROWS_PRUNED, rows=gone)
        return gone


def _unwatched(tx: Tx, *, now: int) -> int:
    """Let runs go whose goal and sends are over: nothing concerns them, what they know goes."""
    over = tx.runs.watched_until(now, limit=PRUNE_BATCH)
    for run in over:
        tx.runs.save(replace(run, watch_until=None))
    return len(over)
