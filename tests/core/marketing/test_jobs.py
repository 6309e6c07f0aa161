"""When a job is looked at again."""

from __future__ import annotations

from homing.core.marketing.jobs import next_look_ms


class TestNextLookMs:
    def test_soon_at_first_then_ever_later_up_to_a_minute(self) -> None:
        """Within two seconds, and never without end."""
        waits = [next_look_ms(looks) for looks in range(100)]
        assert [1_000, 2_000, 4_000] == waits[:3]
        assert waits == sorted(waits)
        assert 60_000 == waits[-1] == next_look_ms(10**9)
