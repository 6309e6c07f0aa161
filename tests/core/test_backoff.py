"""When to try again."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from homing.core.backoff import next_delay_s


class TestNextDelayS:
    @pytest.mark.parametrize(
        ("attempt", "expected"),
        [(0, 1), (1, 1), (2, 5), (3, 30), (4, 120), (5, 600), (6, 1800), (7, 3600), (500, 3600)],
    )
    def test_follows_the_schedule_then_stays_hourly(self, attempt: int, expected: float) -> None:
        """1 s, 5 s, 30 s, 2 m, 10 m, 30 m, then hourly."""
        assert expected == pytest.approx(next_delay_s(attempt, 0.5))

    @given(st.integers(1, 100), st.floats(0, 1, exclude_max=True))
    def test_spreads_by_a_fifth_either_way(self, attempt: int, jitter: float) -> None:
        """The jitter moves a wait by at most 20 %."""
        middle = next_delay_s(attempt, 0.5)

        assert 0.8 * middle <= next_delay_s(attempt, jitter) * 1.0001
        assert next_delay_s(attempt, jitter) <= 1.2 * middle
