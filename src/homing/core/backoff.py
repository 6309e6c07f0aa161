"""When to try a failed effect again."""

from __future__ import annotations

SCHEDULE_S = (1.0, 5.0, 30.0, 120.0, 600.0, 1_800.0, 3_600.0)
"""Seconds to wait after the first, second … failure; the last repeats."""

JITTER_SHARE = 0.2


def next_delay_s(attempt: int, jitter: float) -> float:
    """
    Tell how long to wait before the next attempt.

    Args:
        attempt: How many attempts have failed, from 1.

        jitter: A random number in [0, 1): spreads the wait over ±20 %, so that what failed
            together does not come back together.
    """
    step = min(max(attempt, 1), len(SCHEDULE_S)) - 1
    return SCHEDULE_S[step] * (1 - JITTER_SHARE + 2 * JITTER_SHARE * jitter)
