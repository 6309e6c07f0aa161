"""The clock of evidence."""

from __future__ import annotations

from tests.support.stages import FixedClock

from homing.stages.health import Health


class TestHealth:
    def test_it_runs_while_the_receiver_is_heard(self):
        """
        From one sign of life to the next.
        """
        clock = FixedClock()
        health = Health(clock)
        for _ in range(4):
            health.heard()
            clock.forward(1_000)

        assert 3_000 == health.healthy_ms()
        assert health.is_up()

    def test_it_stands_still_after_a_silence(self):
        """
        What passed meanwhile does not count.
        """
        clock = FixedClock()
        health = Health(clock)
        health.heard()
        clock.forward(60_000)
        assert not health.is_up()
        health.heard()
        clock.forward(1_000)
        health.heard()

        assert 1_000 == health.healthy_ms()

    def test_before_the_first_sign_of_life_nobody_is_up(self):
        """
        And nothing has passed.
        """
        health = Health(FixedClock())

        assert (False, 0) == (health.is_up(), health.healthy_ms())
