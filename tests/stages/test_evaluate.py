"""Claiming requests: many events to a transaction, each evaluated exactly once."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from tests.stages.conftest import World
from tests.support.stages import FixedClock, track

from homing.core.errors import Unavailable
from homing.stages.evaluate import SLICE_S, Evaluator, Position


@dataclass(slots=True)
class SlowClock(FixedClock):
    """Each look at it takes a while: every event is a slice of its own."""

    def monotonic_s(self) -> float:
        """A slice later than before."""
        self.up_s += 1.1 * SLICE_S
        return self.up_s


class TestEvaluateBatch:
    async def test_a_long_request_is_taken_in_slices(self, store):
        """
        Others have their turn between; the cursor says how far it came, inside the request too.
        """
        world = World.over(store, clock=SlowClock())
        world.log.append("segment/web", [track("Ordered", f"u{n}") for n in range(5)], 1)
        world.log.append("segment/web", track("Ordered", "u9"), 1)

        cursors, turns = [], 0
        while await world.evaluate.evaluate_batch():
            turns += 1
            cursors.append(await world.tx(lambda tx: tx.events.cursor()))

        assert turns > 3
        assert any(cursor.item for cursor in cursors)
        assert (2, 0, 7) == (cursors[-1].request, cursors[-1].item, cursors[-1].next_event)
        assert [0, 1, 2, 3, 4, 0] == [row.item for row in await world.events()]

    async def test_a_new_process_goes_on_where_the_last_was_durable(self, store):
        """
        Nothing is evaluated twice, nothing is left out.
        """
        world = World.over(store, clock=SlowClock())
        world.log.append("segment/web", [track("Ordered", f"u{n}") for n in range(6)], 1)
        await world.evaluate.evaluate_batch()
        next_one = Evaluator(store, world.log, world.clock, taker=world.taker)

        while await next_one.evaluate_batch():
            pass

        assert 6 == len(await world.events()) == len(await world.sends())
        assert 0 == (await world.books()).events["duplicates"]

    async def test_nothing_new_is_no_work(self, world):
        """
        The loop may sleep.
        """
        await world.take(track("Ordered"))

        assert 0 == await world.evaluate.evaluate_batch()

    async def test_what_could_not_be_saved_is_evaluated_again(self, world):
        """
        Whatever was remembered of persons meanwhile is forgotten.
        """
        mint = world.taker.mint

        def full() -> int:
            raise Unavailable("disk full")

        world.taker.mint = full
        world.log.append("segment/web", [track("Seen"), track("Ordered")], 1)
        with pytest.raises(Unavailable):
            await world.evaluate.evaluate_batch()
        assert [] == await world.events()

        world.taker.mint = mint
        await world.evaluated()

        assert [1, 1] == [row.person for row in await world.events()]
        assert 1 == len(await world.tx(lambda tx: tx.people.newest(before=None, limit=9)))


class TestCaughtUp:
    async def test_it_waits_for_what_is_in_the_log_at_the_call(self, world):
        """
        Promise P3: an opt-out among it has been heard.
        """
        world.log.append("segment/web", track("A"), 1)
        waiting = asyncio.ensure_future(world.evaluate.caught_up())
        await asyncio.sleep(0)
        assert not waiting.done()
        assert world.evaluate.wake.is_set()

        await world.evaluated()
        async with asyncio.timeout(5):
            await waiting

    async def test_with_nothing_to_wait_for_it_returns_at_once(self, world):
        """
        An empty log, or one evaluated to its end.
        """
        await world.evaluate.caught_up()
        await world.take(track("A"))
        await world.evaluate.caught_up()


class TestPosition:
    async def test_all_who_wait_for_less_are_released(self):
        """
        And nobody who waits for more.
        """
        position = Position()
        near = asyncio.ensure_future(position.reached(2))
        far = asyncio.ensure_future(position.reached(9))
        await asyncio.sleep(0)

        position.reach(3)
        async with asyncio.timeout(5):
            await near

        assert not far.done()
        far.cancel()
