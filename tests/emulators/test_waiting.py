"""Waiting without sleeping."""

import asyncio

import pytest

from homing.emulators.waiting import Changes


class TestUntil:
    async def test_what_holds_already_needs_no_change(self):
        """The predicate is asked at once."""
        await Changes().until(lambda: True, 0.1)

    async def test_a_change_is_noticed(self):
        """The predicate is asked again after each change."""
        changes, rows = Changes(), []
        waiting = asyncio.create_task(changes.until(lambda: len(rows) == 2, 5))

        for _ in range(2):
            await asyncio.sleep(0)
            rows.append(1)
            changes.notify()

        await waiting

    async def test_it_gives_up_in_time(self):
        """A thing that never holds ends in a TimeoutError."""
        with pytest.raises(TimeoutError):
            await Changes().until(lambda: False, 0.01)
