"""How fast calls may leave."""

from __future__ import annotations

import pytest
from tests.support.stages import NOON, FixedClock, answer

from homing.core.outcomes import outcome_of
from homing.stages.rate import Rate


@pytest.fixture
def clock() -> FixedClock:
    """Time in hand."""
    return FixedClock()


@pytest.fixture
def rate(clock: FixedClock) -> Rate:
    """A hundred a second."""
    return Rate(100, clock.monotonic_s, lambda: clock.now_ms() / 1000)


def heed(rate: Rate, status: int, **headers: str) -> None:
    """An answer came."""
    came = answer(status, **headers)
    rate.heed(came, outcome_of(came, now_ms=NOON))


class TestAvailable:
    def test_a_burst_and_then_so_many_a_second(self, rate, clock):
        """
        What is not used does not add up.
        """
        left = 0
        for _ in range(10):
            now = rate.available()
            rate.take(now)
            left += now
            clock.forward(100)
        assert 100 <= left <= 125

        clock.forward(3_600_000)
        assert 25 == rate.available()

    def test_below_one_a_second_one_leaves_at_a_time(self, clock):
        """
        And the wait for the next is told.
        """
        rate = Rate(0.5, clock.monotonic_s, clock.monotonic_s)
        assert 1 == rate.available()
        rate.take(1)

        assert (0, 2.0) == (rate.available(), rate.wait_s())
        clock.forward(2_000)
        assert 1 == rate.available()


class TestHeed:
    def test_a_window_used_up_closes_until_it_starts_anew(self, rate, clock):
        """
        As the API's headers say.
        """
        reset = str(NOON // 1000 + 30)
        heed(rate, 202, X_RateLimit_Remaining="0", X_RateLimit_Reset=reset)

        assert (0, 30.0) == (rate.available(), rate.wait_s())
        clock.forward(30_000)
        assert rate.available() > 0

    def test_429_closes_as_long_as_it_tells(self, rate, clock):
        """
        The whole destination, not the one send.
        """
        heed(rate, 429, Retry_After="7")

        assert 7.0 == rate.wait_s()
        clock.forward(7_000)
        assert rate.available() > 0

    @pytest.mark.parametrize(
        "headers",
        [
            {},
            {"X_RateLimit_Remaining": "5", "X_RateLimit_Reset": str(NOON // 1000 + 30)},
            {"X_RateLimit_Remaining": "0"},
            {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "soon"},
            {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": "9" * 40},
            {"X_RateLimit_Remaining": "0", "X_RateLimit_Reset": str(NOON // 1000 - 30)},
        ],
    )
    def test_other_headers_close_nothing(self, rate, headers):
        """
        Neither a window with room in it nor nonsense.
        """
        heed(rate, 202, **headers)

        assert rate.available() > 0

    def test_nothing_closes_for_more_than_an_hour(self, rate):
        """
        However far the API's clock is from ours.
        """
        heed(rate, 202, X_RateLimit_Remaining="0", X_RateLimit_Reset=str(NOON // 1000 + 10**6))

        assert 3_600 == rate.wait_s()
