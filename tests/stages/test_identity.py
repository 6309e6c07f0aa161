"""Whose event is it?"""

from __future__ import annotations

import pytest
from tests.stages.conftest import World
from tests.support.stages import engagement, identify, track

from homing.core.effects import Dest
from homing.core.people import Identity, IdKind, Person
from homing.ports import Tx
from homing.stages.take import NOBODY

USER, ANONYMOUS, EMAIL = IdKind.USER, IdKind.ANONYMOUS, IdKind.EMAIL


async def person(world: World, kind: IdKind, value: str) -> Person | None:
    """Who goes by a name."""

    def job(tx: Tx) -> Person | None:
        number = tx.people.find(Identity(kind, value))
        return None if number is None else tx.people.get(number)

    return await world.tx(job)


async def everybody(world: World) -> list[Person]:
    """All persons, oldest first."""
    return (await world.tx(lambda tx: tx.people.newest(before=None, limit=1_000)))[::-1]


class TestFound:
    async def test_by_user_id_else_anonymous_id_else_address(self, world):
        """
        A new name is a new person; a known one is the person who has it.
        """
        await world.take(
            track("A", "u1"),
            track("B", "u1", context={}),
            track("A", None, anonymousId="a1"),
            track("A", None, anonymousId="a1", properties={"n": 2}),
            track("A", None, context={"traits": {"email": "E@x.io"}}),
            track("A", None, properties={"email": "e@X.io"}),
        )

        assert [1, 1, 2, 2, 3, 3] == [row.person for row in await world.events()]
        names = [(p.user_id, p.anonymous_id, p.email) for p in await everybody(world)]
        assert [("u1", None, None), (None, "a1", None), (None, None, "e@x.io")] == names

    async def test_only_an_identify_links(self, world):
        """
        A track event that carries two names says nothing about the second.
        """
        await world.take(track("A", "u1", anonymousId="a1"), track("B", None, anonymousId="a1"))

        assert [1, 2] == [row.person for row in await world.events()]

    async def test_who_has_no_name_is_not_dropped(self, world):
        """
        The event stands with its reason.
        """
        await world.take(track("A", None, userId=7))

        (row,) = await world.events()
        assert ("quarantined", NOBODY) == (row.state, row.reason)


class TestLinked:
    async def test_an_anonymous_visitor_gets_a_name(self, world):
        """
        What was done before it counts as theirs.
        """
        await world.take(
            track("Seen", None, anonymousId="a1", context={"traits": {"plan": "pro"}}),
            identify("u1", anonymousId="a1", traits={"email": "U1@x.io"}),
        )

        (only,) = await everybody(world)
        assert ("u1", "a1", "u1@x.io") == (only.user_id, only.anonymous_id, only.email)
        assert {"plan": "pro", "email": "U1@x.io"} == only.traits
        for name in ((USER, "u1"), (ANONYMOUS, "a1"), (EMAIL, "u1@x.io")):
            assert only == await person(world, *name)

    async def test_two_who_are_one_are_merged(self, world):
        """
        Known by userId here, by a device there: an identify carries both.
        """
        await world.take(
            identify("u1", traits={"plan": "pro"}),
            track(
                "Seen", None, anonymousId="a1", context={"traits": {"plan": "x", "city": "Bern"}}
            ),
            identify("u1", anonymousId="a1"),
        )

        (only,) = await everybody(world)
        assert {"plan": "pro", "city": "Bern"} == only.traits
        assert (2,) == only.merged

    async def test_people_are_not_merged_by_address(self, world):
        """
        Two userIds may share one; it leads to who had it first.
        """
        await world.take(
            identify("u1", traits={"email": "shared@x.io"}),
            identify("u2", traits={"email": "shared@x.io"}),
        )

        first, second = await everybody(world)
        assert ("shared@x.io", "shared@x.io") == (first.address, second.address)
        assert first == await person(world, EMAIL, "shared@x.io")

    async def test_a_shared_device_follows_its_last_user(self, world):
        """
        And merges nobody.
        """
        await world.take(
            identify("u1", anonymousId="a1"),
            identify("u2", anonymousId="a1"),
            track("Seen", None, anonymousId="a1"),
        )

        assert 2 == len(await everybody(world))
        assert [1, 2, 2] == [row.person for row in await world.events()]

    async def test_who_was_an_address_only_gets_a_name(self, world):
        """
        Nobody else can be meant by it.
        """
        await world.take(
            track("Left", None, properties={"email": "a@x.io"}),
            identify("u1", traits={"email": "a@x.io"}),
        )

        (only,) = await everybody(world)
        assert ("u1", "a@x.io") == (only.user_id, only.email)

    async def test_the_newest_identify_changes_the_address_not_the_latest_to_come(self, world):
        """
        By event time.
        """
        await world.take(
            identify(traits={"email": "new@x.io"}, timestamp="2026-01-05T11:00:00Z"),
            identify(traits={"email": "old@x.io"}, timestamp="2026-01-05T10:00:00Z"),
        )

        (only,) = await everybody(world)
        assert "new@x.io" == only.address
        for address in ("new@x.io", "old@x.io"):
            assert only == await person(world, EMAIL, address)


class TestAliased:
    async def test_the_user_id_person_stays(self, world):
        """
        Traits of the known person win; names, sends and effects of the other become theirs.
        """
        await world.take(
            identify("u1", traits={"plan": "pro"}),
            identify(None, anonymousId="a1", traits={"plan": "x", "email": "a@x.io"}),
            track("Ordered", None, anonymousId="a1"),
            {"type": "alias", "userId": "u1", "previousId": "a1", "messageId": "m"},
        )

        (only,) = await everybody(world)
        assert {"plan": "pro", "email": "a@x.io"} == only.traits
        assert only == await person(world, ANONYMOUS, "a1") == await person(world, EMAIL, "a@x.io")
        assert only.id == (await world.send()).person

    @pytest.mark.parametrize("previous", ["u0", "a0", "E0@x.io"])
    async def test_any_name_can_be_the_previous(self, world, previous):
        """
        A userId, a device, an address.
        """
        await world.take(
            identify("u0"),
            track("Seen", None, anonymousId="a0"),
            track("Seen", None, properties={"email": "e0@x.io"}),
            {"type": "alias", "userId": "u1", "previousId": previous, "messageId": "m"},
        )

        assert 3 == len(await everybody(world))
        assert (await person(world, USER, "u1")).merged

    async def test_twice_is_once(self, world):
        """
        The second finds both to be one.
        """
        alias = {"type": "alias", "userId": "u1", "previousId": "a1"}
        await world.take(
            track("Seen", None, anonymousId="a1"),
            {**alias, "messageId": "m1"},
            {**alias, "messageId": "m2"},
            {**alias, "previousId": "u1", "messageId": "m3"},
        )

        assert 1 == len(await everybody(world))

    async def test_a_name_not_met_yet_is_kept_for_later(self, world):
        """
        Alias and what it speaks of can come in any order.
        """
        await world.take(
            {"type": "alias", "userId": "u1", "previousId": "a1", "messageId": "m"},
            track("Seen", None, anonymousId="a1"),
        )

        assert [1, 1] == [row.person for row in await world.events()]

    @pytest.mark.parametrize("previous", [None, "", 5, ["a"], {}])
    async def test_an_odd_previous_id_merges_nobody(self, world, previous):
        """
        And raises nothing.
        """
        await world.take(
            {"type": "alias", "userId": "u1", "previousId": previous, "messageId": "m"}
        )

        (row,) = await world.events()
        assert "done" == row.state


class TestMerged:
    async def test_open_sends_join_behind_what_is_in_flight(self, world):
        """
        One person, one lane, in order.
        """
        await world.take(track("Ordered", "u1"), track("Ordered", None, anonymousId="a1",
                         context={"traits": {"email": "a@x.io"}}))  # fmt: skip
        await world.take(identify("u1", anonymousId="a1"))

        rows = await world.sends()
        assert 1 == len({row.lane for row in rows})
        assert [1, 0] == [row.head for row in rows]
        await world.delivered()
        assert ["u1@x.io", "a@x.io"] == [
            call.body["personalizations"][0]["to"][0]["email"] for call in world.sendgrid.calls
        ]

    async def test_effects_go_on_in_the_lane_of_who_stays(self, world):
        """
        Their calls home leave in one order.
        """
        await world.take(track("Ordered", None, anonymousId="a1",
                         context={"traits": {"email": "a@x.io"}}))  # fmt: skip
        await world.delivered()
        await world.hear(engagement("processed", "a@x.io", homing_send=(await world.send()).key))
        await world.hear(engagement("delivered", "a@x.io", homing_send=(await world.send()).key))
        await world.take(identify("u1"), identify("u1", anonymousId="a1"))

        stays = await person(world, USER, "u1")
        assert {stays.id} == {effect.lane for effect in await world.ready(Dest.SEGMENT)}

    async def test_what_sendgrid_says_of_an_earlier_send_reaches_who_stays(self, world):
        """
        The send was made to the person who is gone.
        """
        await world.take(track("Ordered", None, anonymousId="a1",
                         context={"traits": {"email": "a@x.io"}}))  # fmt: skip
        await world.delivered()
        await world.take(identify("u1"), identify("u1", anonymousId="a1"))

        await world.hear(engagement("delivered", "a@x.io", homing_send=(await world.send()).key))

        stays = await person(world, USER, "u1")
        assert stays.id == (await world.events())[-1].person
        assert 1 == len(await everybody(world))
        (effect,) = await world.ready(Dest.SEGMENT)
        assert stays.id == effect.lane

    async def test_by_whichever_number_they_are_one(self, world_of):
        """
        What is learned under the one is not undone by what is heard under the other.
        """
        world = world_of("[route.keen]\nwhen = 'did(\"Email Opened\", 9)'\nsend = 'digest'\n")
        await world.take(track("Ordered", None, anonymousId="a1",
                         context={"traits": {"email": "a@x.io"}}))  # fmt: skip
        await world.delivered()
        await world.take(identify("u1"), identify("u1", anonymousId="a1"))
        key = (await world.send()).key

        await world.hear(engagement("open", "a@x.io", homing_send=key, ip="1.1.1.1"))
        await world.take(identify("u1", traits={"plan": "pro"}))
        await world.hear(engagement("open", "a@x.io", homing_send=key, ip="2.2.2.2"))

        stays = await person(world, USER, "u1")
        assert "pro" == stays.traits["plan"]
        assert [2] == [len(marks) for marks in stays.did.values()]
