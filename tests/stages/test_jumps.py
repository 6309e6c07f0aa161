"""A wall clock that jumps: timers that are due by the jump alone fire with care."""

from __future__ import annotations

import pytest
from tests.stages.test_wake import PLAIN, start
from tests.support.journeys import Life
from tests.support.stages import DAY, HOUR, MINUTE, SECOND, FixedClock

from homing.ports import Store
from homing.stages.jumps import CAREFUL_PER_SECOND, CAREFUL_S, JUMP_MS, Jumps


class TestJumps:
    @pytest.mark.parametrize("ms", [SECOND, HOUR, 30 * DAY])
    def test_time_that_passes_is_no_jump(self, ms: int) -> None:
        """However long it is between two looks."""
        clock = FixedClock()
        jumps = Jumps(clock)
        clock.forward(ms)

        assert 0 == jumps.look()
        assert 500 == jumps.allowed(500)

    def test_a_small_correction_is_no_jump(self) -> None:
        """As a time daemon makes them."""
        clock = FixedClock()
        jumps = Jumps(clock)
        clock.at_ms += JUMP_MS

        assert 0 == jumps.look()
        assert 500 == jumps.allowed(500)

    def test_after_a_jump_ahead_few_timers_fire_for_a_while(self) -> None:
        """A hundred a second, for ten minutes by the clock that never jumps."""
        clock = FixedClock()
        jumps = Jumps(clock)
        clock.at_ms += DAY
        assert DAY == jumps.look()
        assert 0 == jumps.allowed(500)

        fired = 0
        for _ in range(int(CAREFUL_S * 2) - 1):
            clock.forward(SECOND // 2)
            assert 0 == jumps.look()
            allowed = jumps.allowed(500)
            jumps.fired(allowed)
            fired += allowed
        assert fired == pytest.approx(CAREFUL_S * CAREFUL_PER_SECOND, rel=0.01)

        clock.forward(SECOND)
        jumps.look()
        assert 500 == jumps.allowed(500)

    def test_a_jump_back_is_told_and_slows_nothing(self) -> None:
        """Timers are not due again until the clock has caught up."""
        clock = FixedClock()
        jumps = Jumps(clock)
        clock.at_ms -= DAY

        assert -DAY == jumps.look()
        assert 500 == jumps.allowed(500)


class TestWaker:
    async def test_a_jump_is_an_alert_and_its_timers_fire_slowly(self, store: Store) -> None:
        """Nobody is forgotten: they fire one after the other."""
        life = Life.over(store, PLAIN)
        await life.come(*(start(f"k{n}", f"u{n}") for n in range(150)))
        life.clock.at_ms += 2 * HOUR
        assert 0 == await life.process.ticked()
        alerts = await store.write(lambda tx: tx.books.alerts())
        assert ["the clock jumped ahead by 2h: timers fire slowly for a while"] == [
            alert.text for alert in alerts
        ]

        life.clock.forward(SECOND)
        assert CAREFUL_PER_SECOND == await life.process.ticked()
        life.clock.forward(MINUTE)
        assert 50 == await life.process.ticked()
