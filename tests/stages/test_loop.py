"""The one loop that every stage runs in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest
from structlog.testing import capture_logs

from homing.core.errors import Unavailable
from homing.stages.loop import MAX_FAILURES, Loop


def loop_of(
    turn: Callable[[], Awaitable[int]], *, idle_s: float = 0.0
) -> tuple[Loop, asyncio.Event, list[str]]:
    """A loop, its wake-up, and the ticks it gave."""
    wake, ticks = asyncio.Event(), list[str]()
    loop = Loop("stage", turn, wake, lambda: idle_s, ticks.append, asyncio.Event())
    return loop, wake, ticks


class TestRun:
    async def test_it_turns_until_stopped(self):
        """
        A sign of life before each turn.
        """
        turns = 0

        async def turn() -> int:
            nonlocal turns
            turns += 1
            if turns == 5:
                loop.stopping.set()
            return turns % 2

        loop, _, ticks = loop_of(turn)
        async with asyncio.timeout(5):
            await loop.run()

        assert (5, ["stage"] * 5) == (turns, ticks)

    async def test_it_sleeps_until_woken(self):
        """
        What was set while it turned is not lost.
        """
        seen: list[str] = []

        async def turn() -> int:
            seen.append("turn")
            if len(seen) == 1:
                wake.set()  # work came while this turn ran
                return 0
            loop.stopping.set()
            return 1

        loop, wake, _ = loop_of(turn, idle_s=60.0)
        async with asyncio.timeout(0.9):  # it would sleep a second
            await loop.run()

        assert 2 == len(seen)

    async def test_a_failing_stage_is_tried_again_and_said(self):
        """
        Failures in a row are counted; a turn that works forgets them.
        """
        outcomes = iter([ValueError("odd"), 0, ValueError("again"), 0])

        async def turn() -> int:
            outcome = next(outcomes, None)
            if outcome is None:
                loop.stopping.set()
                return 0
            if isinstance(outcome, Exception):
                raise outcome
            return outcome

        loop, wake, _ = loop_of(turn)
        with capture_logs() as lines:
            async with asyncio.timeout(5):
                await run_awake(loop, wake)

        assert [("stage.failed", 1), ("stage.failed", 1)] == [
            (line["event"], line["failures"]) for line in lines
        ]

    async def test_one_that_does_not_recover_ends(self):
        """
        The process starts anew.
        """

        async def turn() -> int:
            raise ValueError("always")

        loop, wake, ticks = loop_of(turn)
        with pytest.raises(ValueError, match="always"), capture_logs():
            async with asyncio.timeout(5):
                await run_awake(loop, wake)

        assert MAX_FAILURES == len(ticks)

    async def test_a_store_that_is_gone_ends_it_at_once(self):
        """
        Nothing more can be kept.
        """

        async def turn() -> int:
            raise Unavailable("disk full")

        loop, _, ticks = loop_of(turn)
        with pytest.raises(Unavailable):
            await loop.run()

        assert ["stage"] == ticks


async def run_awake(loop: Loop, wake: asyncio.Event) -> None:
    """Run a loop that is woken from every sleep."""

    async def keep_awake() -> None:
        while True:
            wake.set()
            await asyncio.sleep(0)

    waking = asyncio.ensure_future(keep_awake())
    try:
        await loop.run()
    finally:
        waking.cancel()
