"""Waiting without sleeping."""

import asyncio

import pytest

from homing.emulators.waiting import Changes


class TestUntil:
    async def test_what_holds_already_needs_no_change(self):
        """The predicate is asked at once."""
        assert await Changes().until(lambda: True, 0.1) is None

    async def test_a_change_is_noticed(self):
        """The predicate is asked again after each change."""
        changes, asked = Changes(), []

        def holds():
            asked.append(len(asked))
            asyncio.get_running_loop().call_soon(changes.notify)
            return len(asked) == 3

        await changes.until(holds, 5)

        assert [0, 1, 2] == asked

    async def test_it_gives_up_in_time(self):
        """A thing that never holds ends in a TimeoutError."""
        with pytest.raises(TimeoutError):
            await Changes().until(lambda: False, 0.01)
