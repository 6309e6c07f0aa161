"""Calls to Segment that a route asks for."""

from __future__ import annotations

from typing import Any

import orjson
from tests.stages.conftest import World
from tests.support.stages import identify, plans_of, track

from homing.core.decide import Rules
from homing.core.effects import Dest

CALLS = """
[route.calls]
when = 'event = "Bought"'
track = { event = "Enriched", properties = { total = "$.properties.total" } }
identify = { traits = { buyer = true } }
"""


UNHAD = """
[route.unhad]
when = 'event = "Bought"'
[route.unhad.track]
event = "Mapped"
properties = { text = "{{ properties.long | replace: 'a', properties.long }}" }
[route.unhad.identify]
traits = { text = "{{ properties.long | replace: 'a', properties.long }}" }
"""


async def buried(world: World) -> list[tuple[Any, ...]]:
    """What is dead: kind, rule, reason."""
    rows = await world.tx(lambda tx: tx.effects.dead_newest(before=None, limit=9))
    return [(row["kind"], row["rule"], row["reason"]) for row in rows]


async def written(world: World) -> list[dict[str, Any]]:
    """The calls that wait to be written home."""
    return [orjson.loads(effect.payload) for effect in await world.ready(Dest.SEGMENT)]


class TestWriteCall:
    async def test_a_route_writes_to_the_persons_profile(self, world_of):
        """
        Under their userId, at the event's own time, marked as ours.
        """
        world = world_of(CALLS)
        await world.take(
            track("Bought", properties={"total": 5}, timestamp="2026-01-05T11:00:00.000Z")
        )

        call, traits = await written(world)
        assert ("track", "Enriched", {"total": 5}) == (
            call["type"], call["event"], call["properties"],
        )  # fmt: skip
        assert ("identify", {"buyer": True}) == (traits["type"], traits["traits"])
        for one in (call, traits):
            assert "u1" == one["userId"]
            assert one["timestamp"].startswith("2026-01-05T11:00:00.000")
            assert "Homing" == one["context"]["integration"]["name"]
            assert "u1@x.io" == one["context"]["traits"]["email"]
            assert one["messageId"].startswith("homing-")
        assert call["messageId"] != traits["messageId"]

    async def test_the_address_is_the_persons_newest(self, world_of):
        """
        Segment merges profiles by it.
        """
        world = world_of(CALLS)
        await world.take(
            identify(traits={"email": "new@x.io"}, timestamp="2026-01-05T11:00:00Z"),
            identify(traits={"email": "old@x.io"}, timestamp="2026-01-05T10:00:00Z"),
            track("Bought", context={}),
        )

        assert {"new@x.io"} == {c["context"]["traits"]["email"] for c in await written(world)}

    async def test_replayed_it_is_the_same_call_to_segment(self, world_of):
        """
        Which dedupes by messageId.
        """
        world = world_of(CALLS)
        await world.take(track("Bought"))
        await world.evaluate.replay([1])

        ids = [call["messageId"] for call in await written(world)]
        assert 2 == len(set(ids))

    async def test_a_call_that_segment_would_not_take_is_said(self, world_of):
        """
        Properties beyond 32 KB; the route's other call is made.
        """
        world = world_of(CALLS)
        await world.take(track("Bought", properties={"total": "x" * 40_000}))

        assert ["identify"] == [call["type"] for call in await written(world)]
        assert {("action_failed", "calls"): 1} == await world.alerts()
        ((kind, rule, reason),) = await buried(world)
        assert ("track", "calls") == (kind, rule)
        assert "32 KB" in reason

    async def test_values_that_cannot_be_had_leave_a_row(self, world_of):
        """
        Also of an identify: nothing that was decided goes without one.
        """
        world = world_of(UNHAD)
        await world.take(track("Bought", properties={"long": "a" * 20_000}))

        (track_row, identify_row) = sorted(await buried(world), reverse=True)
        assert ("track", "unhad") == track_row[:2]
        assert ("identify", "unhad") == identify_row[:2]
        assert "longer than" in track_row[2]
        books = (await world.books()).effects["segment"]
        assert (0, 2) == (books["ready"], books["dead"])
        await world.written()
        assert [] == world.segment.calls

    async def test_without_a_write_key_there_is_no_row_either(self, store):
        """
        It would not have been written anyway.
        """
        world = World.over(store)
        world.taker.rules = Rules(plans_of(UNHAD).without_segment())
        await world.take(track("Bought", properties={"long": "a" * 20_000}))

        assert [] == await buried(world)
        assert {("not_run", "unhad"): 2} == await world.alerts()

    async def test_nothing_piles_up_without_a_write_key(self, store):
        """
        What a route would have written is said once a route, and not kept.
        """
        world = World.over(store)
        world.taker.rules = Rules(plans_of(CALLS).without_segment())
        await world.take(track("Bought"), track("Bought", "u2"))

        assert [] == await world.ready(Dest.SEGMENT)
        assert {("not_run", "calls"): 4} == await world.alerts()
        assert 0 == (await world.books()).effects["segment"]["ready"]
