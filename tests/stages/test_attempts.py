"""Retries within one call's life."""

from __future__ import annotations

from collections import deque

import pytest

from homing.core.outcomes import Delivered, Outcome, Paused, Rejected, RetryLater
from homing.stages.attempts import LAST_WAIT_S, TRIES, settled

AGAIN = RetryLater("busy")


async def tried(*outcomes: Outcome) -> tuple[Outcome, int, list[float]]:
    """What comes of these, after how many attempts, with which waits between."""
    left = deque(outcomes)
    waits: list[float] = []

    async def attempt() -> Outcome:
        return left.popleft()

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    outcome = await settled(attempt, sleep=sleep)
    return outcome, len(outcomes) - len(left), waits


class TestSettled:
    async def test_another_moment_may_do(self):
        """
        Up to three attempts, with short waits between.
        """
        outcome, attempts, waits = await tried(AGAIN, AGAIN, Delivered())

        assert (Delivered(), TRIES) == (outcome, attempts)
        assert all(0 <= wait <= LAST_WAIT_S for wait in waits)
        assert 2 == len(waits)

    async def test_after_the_last_attempt_its_outcome_stands(self):
        """
        The schedule that survives a restart goes on from there.
        """
        assert (RetryLater("third"), 3) == (await tried(AGAIN, AGAIN, RetryLater("third"), AGAIN))[
            :2
        ]

    @pytest.mark.parametrize(
        "outcome",
        [
            Delivered(),
            Rejected("bad"),
            Paused("key"),
            RetryLater("wait", after_s=5.0),
            RetryLater("throttled", counts=False),
        ],
    )
    async def test_what_no_other_moment_changes_is_told_at_once(self, outcome):
        """
        Or what is worth a longer wait.
        """
        assert (outcome, 1, []) == await tried(outcome, Delivered())
