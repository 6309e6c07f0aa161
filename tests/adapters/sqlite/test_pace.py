"""Where to wait for the disk."""

from __future__ import annotations

from math import inf

from homing.adapters.sqlite.pace import (
    BEARABLE_S,
    FAST_S,
    LONGEST_PAUSE_S,
    SHORTEST_PAUSE_S,
    Pace,
)

HUNG_S = 5.0


class TestIsFast:
    def test_a_disk_is_taken_for_fast_until_it_is_not(self) -> None:
        """
        A thousand quick commits stay in the loop, and so does one that is a little slow.
        """
        pace = Pace()
        for number in range(1_000):
            pace.took(FAST_S / 4, now=number)
        pace.took(FAST_S * 4, now=1_000)

        assert pace.is_fast(1_000)

    def test_one_that_hangs_is_the_last_for_a_while(self) -> None:
        """
        The next commits are the thread's, and then the loop tries one.
        """
        pace = Pace()
        pace.took(HUNG_S, now=100)

        assert not pace.is_fast(100)
        assert not pace.is_fast(100 + SHORTEST_PAUSE_S * 0.99)
        assert pace.is_fast(100 + SHORTEST_PAUSE_S)

    def test_the_next_try_finds_the_disk_as_it_is_now(self) -> None:
        """
        What was slow before the pause does not count after it.
        """
        pace = Pace()
        pace.took(HUNG_S, now=0)
        pace.took(FAST_S / 2, now=2)

        assert pace.is_fast(2)

    def test_a_disk_that_stays_slow_is_tried_ever_less(self) -> None:
        """
        At most about once a minute, so that it costs nearly nothing.
        """
        pace, now, tries = Pace(), 0.0, 0
        while now < 3_600:
            if pace.is_fast(now):
                tries += 1
                pace.took(FAST_S * 10, now=now)
            now += 0.25

        assert tries <= 7 + 3_600 / LONGEST_PAUSE_S

    def test_a_disk_that_has_recovered_is_forgiven(self) -> None:
        """
        A slow commit long after the last is a first one.
        """
        pace = Pace()
        for at in (0, 1, 3, 7):
            pace.took(HUNG_S, now=at)
        assert not pace.is_fast(7 + SHORTEST_PAUSE_S)

        pace.took(HUNG_S, now=10_000)

        assert pace.is_fast(10_000 + SHORTEST_PAUSE_S)

    def test_the_loop_tries_nothing_that_the_thread_found_unbearable(self) -> None:
        """
        Only after a commit of the thread's that did not hang.
        """
        pace = Pace()
        pace.took(HUNG_S, now=0)
        pace.took_in_thread(HUNG_S)
        assert not pace.is_fast(1_000)

        pace.took_in_thread(BEARABLE_S / 2)

        assert pace.is_fast(1_000)

    def test_it_can_be_forbidden(self) -> None:
        """
        Where the loop has better to do, all commits are the thread's.
        """
        pace = Pace(fast_s=0)
        pace.took_in_thread(0)

        assert not pace.is_fast(1e12)
        assert Pace(fast_s=inf).is_fast(0)
