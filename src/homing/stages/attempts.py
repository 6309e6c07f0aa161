"""Retries within one call's life, for calls that may safely be made twice; never mail/send."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import tenacity

from homing.core.outcomes import Outcome, RetryLater

TRIES = 3
FIRST_WAIT_S = 0.2
LAST_WAIT_S = 2.0

Sleep: TypeAlias = Callable[[float], Awaitable[None]]


async def settled(
    attempt: Callable[[], Awaitable[Outcome]], *, sleep: Sleep = asyncio.sleep
) -> Outcome:
    """
    Try up to three times while the answer says that another moment may do.

    A wait that the server asks for, and what a person has to mend, are returned at once: they
    belong to the schedule that survives a restart.

    Args:
        sleep: Waits so many seconds between the attempts.
    """
    retrying = tenacity.AsyncRetrying(
        sleep=sleep,
        stop=tenacity.stop_after_attempt(TRIES),
        wait=tenacity.wait_random_exponential(multiplier=FIRST_WAIT_S, max=LAST_WAIT_S),
        retry=tenacity.retry_if_result(_may_pass),
        retry_error_callback=lambda state: state.outcome.result() if state.outcome else None,
    )

    async def once() -> Outcome:
        return await attempt()

    return await retrying(once)


def _may_pass(outcome: Outcome) -> bool:
    return isinstance(outcome, RetryLater) and outcome.counts and outcome.after_s is None
