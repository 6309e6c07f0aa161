"""Entries into local audiences that rules decide: other rules hear of them."""

from __future__ import annotations

from tests.stages.test_journey import event
from tests.support.journeys import Life

from homing.ports import Store

CONFIG = """
[journey.first]
entry = { when = 'event = "Start"' }
step = [{ id = "wait", delay = "3d" }, { id = "in", add_to_audience = "vip" }]

[journey.second]
entry = { when = 'event = "Audience Entered" and properties.audience_key = "vip"' }
step = [{ id = "then", hold = "1h" }, { id = "mail", send = "digest" }]
"""


class TestDerived:
    async def test_a_tick_that_puts_somebody_in_starts_another_journey_then(
        self, store: Store
    ) -> None:
        """Its timers count from the tick, not from the first run's event of days ago."""
        life = Life.over(store, CONFIG)
        await life.come(event("Start"))
        await life.go_on(3 * 86_400_000)

        runs = await life.process.tx(lambda tx: tx.runs.newest(None, before=None, limit=9))
        second = next(run for run in runs if run.journey == "second")
        assert life.clock.now_ms() == second.entered_at
        assert life.clock.now_ms() + 3_600_000 == second.due_at
