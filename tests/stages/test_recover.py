"""What a crash left in flight."""

from __future__ import annotations

import asyncio

import pytest
from tests.stages.conftest import World
from tests.support.stages import MINUTE, track

from homing.stages.recover import recover


@pytest.fixture
async def crashed(world: World) -> World:
    """One send in flight, one behind it, and no process any more."""
    world.sendgrid.gate = asyncio.Event()
    await world.take(track("Ordered"), track("Ordered", properties={"n": 2}))
    await world.deliver.deliver_batch()
    again = World.over(world.store, clock=world.clock)
    for task in world.deliver.flying:
        task.cancel()
    await asyncio.gather(*world.deliver.flying, return_exceptions=True)
    return again


async def recovered(world: World, *, captured: bool = False) -> int:
    """Start anew."""
    now_ms = world.clock.now_ms()
    return await world.tx(
        lambda tx: recover(tx, world.health, now_ms=now_ms, wait_ms=5 * MINUTE, captured=captured)
    )


class TestRecover:
    async def test_an_open_intent_is_unknown_never_not_sent(self, crashed):
        """
        Promise P6: it is not due, and holds its lane until there is evidence.
        """
        assert 1 == await recovered(crashed)
        await crashed.delivered()

        first, second = await crashed.sends()
        assert ("unknown", "reserved") == (first.state, second.state)
        assert "the daemon stopped while it was under way" == first.reason
        assert [] == crashed.sendgrid.calls
        books = await crashed.books()
        assert (0, 1, 1) == (
            books.sends["in_flight"],
            books.sends["unknown"],
            books.unknown["total"],
        )

    async def test_twice_is_once(self, crashed):
        """
        The second start finds none.
        """
        await recovered(crashed)

        assert 0 == await recovered(crashed)
        assert 1 == (await crashed.books()).unknown["total"]

    async def test_what_was_captured_is_due_again(self, crashed):
        """
        Nothing ever leaves in capture mode.
        """
        crashed.deliver.capture = True
        await recovered(crashed, captured=True)
        await crashed.delivered()

        assert ["accepted", "accepted"] == [row.state for row in await crashed.sends()]
