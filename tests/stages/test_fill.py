"""The past of a new did()."""

from __future__ import annotations

from tests.stages.conftest import World
from tests.support.stages import engagement, identify, track

from homing.stages.fill import Filler

THIRD = '[route.third]\nwhen = \'did("Viewed", 3, "7d") and event = "Viewed"\'\nsend = \'digest\'\n'
DEAR = (
    "[route.dear]\nwhen = '''did(\"Viewed\", 2, \"7d\", 'properties.price > 10')"
    " and event = \"Viewed\"'''\nsend = 'digest'\n"
)


def viewed(n: int, **changes: object) -> dict[str, object]:
    """Something was looked at."""
    return track("Viewed", properties={"n": n}, **changes)


async def filled(world: World, filler: Filler | None = None) -> int:
    """Fill until nothing is left; how many events were looked at."""
    filler = filler or Filler(world.store, world.log, world.taker)
    looked = 0
    while n := await filler.fill():
        looked += n
    return looked


async def digests(world: World) -> int:
    """How many were reserved."""
    return sum(row.email == "digest" for row in await world.sends())


class TestFill:
    async def test_a_new_did_knows_what_happened_before_it(self, world):
        """
        Two views before the reload, one after it.
        """
        await world.take(viewed(1), viewed(2))
        world.configure(THIRD)
        assert 2 == await filled(world)

        await world.take(viewed(3))

        assert 1 == await digests(world)

    async def test_what_happened_while_it_filled_counts_once(self, world):
        """
        Counted live, and met again in the log.
        """
        await world.take(viewed(1))
        world.configure(THIRD)
        await world.take(viewed(2))
        await filled(world)
        await filled(world)
        assert 0 == await digests(world)

        await world.take(viewed(3))
        assert 1 == await digests(world)

    async def test_two_of_one_moment_are_two(self, world):
        """
        A batch without times.
        """
        await world.take(viewed(1), viewed(2), viewed(3))
        world.configure(THIRD)
        await filled(world)

        await world.take(viewed(4))

        assert 1 == await digests(world)

    async def test_a_condition_is_asked_of_the_events_as_they_were(self, world):
        """
        Read from the log; one whose bytes are gone does not count.
        """
        await world.take(
            track("Viewed", properties={"price": 11}), track("Viewed", properties={"price": 9})
        )
        await world.take(track("Viewed", "u2", properties={"price": 12}))
        world.configure(DEAR)
        world.log.requests[1] = None
        await filled(world)

        await world.take(
            track("Viewed", properties={"price": 13}),
            track("Viewed", "u2", properties={"price": 14}),
        )

        assert [1] == [row.person for row in await world.sends() if row.email == "digest"]

    async def test_engagement_is_filled_as_rules_see_it(self, world_of):
        """
        Under the name and with the properties it is written home with.
        """
        world = world_of()
        for n in range(2):
            await world.hear(
                engagement("click", url=f"https://x.io/{n}"),
                engagement("click", url="https://y.io"),
            )
        world.configure(
            '[route.keen]\nwhen = \'\'\'did("Email Link Clicked", 3, "7d",'
            " 'match(properties.link_url, \"https://x.io*\")')'''\nsend = 'digest'\n"
        )
        await filled(world)
        assert 0 == await digests(world)

        await world.hear(engagement("click", url="https://x.io/9"))

        assert 1 == await digests(world)

    async def test_pages_of_that_name_do_not_count(self, world):
        """
        As they do not when they come.
        """
        page = {"type": "page", "name": "Viewed", "userId": "u1"}
        await world.take({**page, "messageId": "1"}, {**page, "messageId": "2"})
        world.configure(THIRD)
        await filled(world)
        await world.take(viewed(3))

        assert 0 == await digests(world)

    async def test_of_people_merged_it_finds_who_stays(self, world):
        """
        What either did.
        """
        await world.take(
            track("Viewed", None, anonymousId="a1"),
            viewed(2),
            identify("u1", anonymousId="a1"),
        )
        world.configure(THIRD)
        await filled(world)
        await world.take(viewed(3))

        assert 1 == await digests(world)

    async def test_what_is_filled_is_not_filled_again(self, world):
        """
        Nor after a restart.
        """
        await world.take(viewed(1))
        world.configure(THIRD)
        filler = Filler(world.store, world.log, world.taker)
        assert 1 == await filled(world, filler)

        assert 0 == await filled(world, filler)
        assert 0 == await filled(world)

    async def test_one_that_was_gone_for_a_while_is_filled_again(self, world):
        """
        It has missed what happened in between.
        """
        world.configure(THIRD)
        filler = Filler(world.store, world.log, world.taker)
        await filled(world, filler)
        world.configure("")
        await filled(world, filler)
        await world.take(viewed(1), viewed(2))
        world.configure(THIRD)
        assert 2 == await filled(world, filler)

        await world.take(viewed(3))

        assert 1 == await digests(world)

    async def test_a_long_past_is_read_in_parts(self, world):
        """
        Others have their turn between.
        """
        await world.take(*(viewed(n) for n in range(450)))
        world.configure(THIRD)

        assert 450 == await filled(world)

    async def test_without_any_did_nothing_is_read(self, world):
        """
        The usual case.
        """
        await world.take(viewed(1))

        assert 0 == await filled(world)
