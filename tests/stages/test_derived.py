"""What follows from an entry into a local audience, or an exit: heard by rules, said by nobody."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from tests.stages.test_journey import event
from tests.support.journeys import Life
from tests.support.stages import DAY

from homing.core.effects import Dest
from homing.core.people import Person
from homing.ports import Store, Tx

WELCOME = """
[route.welcome]
when  = 'event = "Audience Entered"'
send  = "receipt"
track = { event = "Joined", properties = { key = "$.properties.audience_key" } }
"""
BOTH = """
[route.a]
when = 'event = "Go"'
add_to_audience = "a"
[route.b]
when = 'event = "Go"'
add_to_audience = "b"
"""
RETURNS = """
[journey.j]
entry = { when = 'event = "Go"' }
step  = [
    { id = "in", add_to_audience = "a" }, { id = "w", delay = "30d" },
    { id = "out", remove_from_audience = "a" }, { id = "w2", delay = "30d" },
    { id = "again", add_to_audience = "a" },
]
"""
LOOKS_BACK = """
[journey.j]
entry = { when = 'event = "Begin"' }
step  = [
    { id = "d", delay = "1d" },
    { id = "h1", hold = "1h", on = [{ name = "in", when = 'event = "Audience Entered"', then = "next" }], timeout = "end" },
    { id = "h2", hold = "1h", on = [{ name = "go", when = 'event = "Go"', then = "next" }], timeout = "end" },
    { id = "mail", send = "digest" },
]
[route.a]
when = 'event = "Go"'
add_to_audience = "a"
"""  # noqa: E501  a table of TOML stands on one line
JOINS = """
[journey.j]
entry = { when = 'event = "Start"' }
step  = [{ id = "w", delay = "3d" }, { id = "in", add_to_audience = "trial" }]
"""
ROUTES = """
[route.out]
when = 'type = "identify" and traits.vip = true'
remove_from_audience = "trial"
[route.back]
when = 'type = "identify" and traits.vip = false'
add_to_audience = "winback"
[route.start]
when = 'event = "Trial"'
add_to_audience = "trial"
"""


async def person(life: Life) -> Person:
    """The only one."""
    (found,) = await life.process.tx(lambda tx: tx.people.newest(before=None, limit=9))
    return found


def engaged(*, member: bool) -> dict[str, Any]:
    """Engage's word of vip."""
    return {
        "type": "identify", "userId": "u1", "messageId": f"personas_{member}",
        "context": {"personas": {"computation_class": "audience", "computation_key": "vip"}},
        "traits": {"email": "u1@x.io", "vip": member},
    }  # fmt: skip


class TestEach:
    async def test_two_that_follow_from_one_event_are_two(self, store: Store) -> None:
        """Two emails, and two calls under ids of their own."""
        life = Life.over(store, WELCOME + BOTH)
        await life.come(event("Go"))

        def calls(tx: Tx) -> list[Any]:
            found = tx.effects.ready(Dest.SEGMENT, after=0, limit=9)
            return [orjson.loads(one.payload) for one in found]

        told = await life.process.tx(calls)
        assert 2 == len(await life.sends())
        assert ["a", "b"] == [call["properties"]["key"] for call in told]
        assert 2 == len({call["messageId"] for call in told})

    async def test_who_comes_back_has_entered_again(self, store: Store) -> None:
        """Though the run's last event is the same."""
        life = Life.over(store, WELCOME + RETURNS)
        await life.come(event("Go"))
        await life.go_on(61 * DAY)

        assert 2 == len(await life.sends())

    async def test_each_counts(self, store: Store) -> None:
        """For did()."""
        often = '[route.often]\nwhen = \'did("Audience Entered", 2, "7d")\'\nsend = "digest"\n'
        life = Life.over(store, BOTH + often)
        await life.come(event("Go"))

        assert ["digest"] == [send.email for send in await life.sends()]

    async def test_a_hold_that_looks_back_takes_one_and_leaves_the_other(
        self, store: Store
    ) -> None:
        """The event, and what followed from it."""
        life = Life.over(store, LOOKS_BACK)
        await life.come(event("Begin"))
        await life.come(event("Go"))
        await life.go_on(3 * DAY)

        story = await life.story(await life.run())
        assert ["branch h1 in", "branch h2 go"] == [one for one in story if "branch" in one]
        assert ["digest"] == [send.email for send in await life.sends()]


class TestAfterAWait:
    async def test_a_list_gets_the_address_of_now(self, store: Store) -> None:
        """The run's last event may be of weeks ago."""
        listed = JOINS.replace('add_to_audience = "trial"', 'add_to_list = "all"') + "[list.all]\n"
        life = Life.over(store, listed)
        await life.come({**event("Start"), "context": {"traits": {"email": "old@x.io"}}})
        await life.come({"type": "identify", "userId": "u1", "traits": {"email": "new@x.io"}})
        await life.go_on(3 * DAY)

        rows = await life.process.tx(lambda tx: tx.members.of_list("all", after="", limit=9))
        assert ["new@x.io"] == [row.address for row in rows]


class TestNothingIsLearnt:
    async def test_by_what_follows_from_a_tick(self, store: Store) -> None:
        """The run's last event is of days ago: address, traits, zone and consent are newer."""
        life = Life.over(store, JOINS)
        await life.come(
            {**event("Start"), "context": {
                "traits": {"email": "old@x.io", "plan": "free"}, "timezone": "Asia/Tokyo",
                "consent": {"categoryPreferences": {"marketing": True}},
            }},
        )  # fmt: skip
        await life.go_on(DAY)
        await life.come(
            {"type": "identify", "userId": "u1", "traits": {"email": "new@x.io", "plan": "pro"},
             "context": {"timezone": "Europe/Berlin",
                         "consent": {"categoryPreferences": {"marketing": False}}}},
        )  # fmt: skip
        before = await person(life)
        await life.go_on(3 * DAY)

        after = await person(life)
        assert after.audiences["trial"][0]
        for name in ("traits", "trait_at", "zone", "consent", "email"):
            assert getattr(before, name) == getattr(after, name)

    @pytest.mark.parametrize("first", [True, False])
    async def test_an_engage_audience_is_not_that_of_the_rule(
        self, store: Store, first: bool
    ) -> None:
        """The payload's key is of the audience that Engage spoke of."""
        life = Life.over(store, ROUTES)
        await life.come(event("Trial"))
        for member in (first, not first):
            life.clock.forward(1_000)
            await life.come(engaged(member=member))

        audiences = (await person(life)).audiences
        assert {"trial": False, "winback": True, "vip": not first} == {
            key: is_member for key, (is_member, _) in audiences.items()
        }
