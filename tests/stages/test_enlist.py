"""What a decision asks of contacts, lists and audiences becomes rows."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson
import pytest
from tests.stages.conftest import World
from tests.support.stages import SECOND, identify, track

from homing.core.effects import Dest
from homing.core.events import iso_time
from homing.core.segment_calls import is_echo
from homing.stages import enlist

MARKETING = """
[contacts]
when = 'type = "identify" and traits.email != null'
custom = { plan = "$.traits.plan" }
[list.vip]
audience = "vip"
[list.all]
[audience.vip]
to_segment = true
[route.in]
when = 'event = "Upgraded"'
add_to_audience = "vip"
[route.out]
when = 'event = "Left"'
remove_from_audience = "vip"
[route.both]
when = 'event = "Both"'
add_to_audience = "vip"
[route.both-out]
when = 'event = "Both"'
remove_from_audience = "vip"
[route.ping]
when = 'event = "Audience Entered" and properties.audience_key = "ping"'
remove_from_audience = "ping"
add_to_audience = "pong"
[route.pong]
when = 'event = "Audience Entered" and properties.audience_key = "pong"'
remove_from_audience = "pong"
add_to_audience = "ping"
[route.loop]
when = 'event = "Loop"'
add_to_audience = "ping"
[route.listed]
when = 'event = "Listed"'
add_to_list = "all"
upsert_contact = { custom = { order = "$.properties.order" } }
[journey.draft]
status = "draft"
entry = { when = 'event = "Drafted"' }
[[journey.draft.step]]
id = "on"
add_to_list = "all"
[[journey.draft.step]]
id = "write"
upsert_contact = true
[[journey.draft.step]]
id = "aud"
add_to_audience = "vip"
"""

UNHAD = """
[route.wrong]
when = 'event = "Wrong"'
[route.wrong.upsert_contact.custom]
text = "{{ properties.long | replace: 'a', properties.long }}"
"""
MakeWorld = Callable[[str], World]


@pytest.fixture
def shop(world_of: MakeWorld) -> World:
    """A shop with lists."""
    return world_of(MARKETING)


async def asked(world: World, dest: Dest = Dest.CONTACTS) -> list[tuple[str, Any]]:
    """What waits for a destination."""
    return [(one.kind, orjson.loads(one.payload)) for one in await world.ready(dest)]


def personas(user: str, *, member: object, key: str = "vip", kind: str = "audience") -> Any:  # noqa: ANN401
    """Engage's track form."""
    return track(
        "Audience Entered", user, properties={"audience_key": key, key: member},
        context={"traits": {"email": f"{user}@x.io"},
                 "personas": {"computation_class": kind, "computation_key": key}},
    )  # fmt: skip


class TestContacts:
    async def test_an_identify_asks_for_its_contact(self, shop: World) -> None:
        """With typed fields left for later, and nulls left out."""
        await shop.take(identify("u", traits={"email": "U@X.io", "firstName": "U", "plan": None}))
        expected = {"email": "u@x.io", "fields": {"first_name": "U"}, "custom": {}}
        assert [("upsert", expected)] == await asked(shop)

    async def test_an_action_may_have_fields_of_its_own(self, shop: World) -> None:
        """Those of [contacts] where it has none."""
        await shop.take(track("Listed", properties={"order": {"id": 7}}))
        found = dict(await asked(shop))
        expected = {"email": "u1@x.io", "fields": {}, "custom": {"order": {"id": 7}}}
        assert expected == found["upsert"]
        assert "all" == found["list"]["list"]

    async def test_without_an_address_nobody_is_a_contact(self, shop: World) -> None:
        """A row that is dead says so, and of whom."""
        await shop.take(track("Listed", "u2", context={}))
        assert [] == await asked(shop)
        dead = await shop.tx(lambda tx: tx.effects.dead_newest(before=None, limit=9))
        assert {(enlist.NO_ADDRESS, "listed", 1)} == {
            (row["reason"], row["rule"], row["event"]) for row in dead
        }

    async def test_fields_that_cannot_be_had_leave_a_row(self, world_of: MakeWorld) -> None:
        """It says why, and erasing the person finds nothing amiss with it."""
        shop = world_of(UNHAD)
        await shop.take(track("Wrong", properties={"long": "a" * 20_000}))
        assert [] == await asked(shop)
        (dead,) = await shop.tx(lambda tx: tx.effects.dead_newest(before=None, limit=9))
        assert ("upsert", "wrong", 1) == (dead["kind"], dead["rule"], dead["event"])
        assert "longer than" in str(dead["reason"])
        assert 1 == (await shop.books()).effects["contacts"]["dead"]
        await shop.take({"type": "delete", "userId": "u1", "messageId": "gone"})
        assert 0 == (await shop.books()).effects["contacts"]["dead"]


class TestAudiences:
    @pytest.mark.parametrize(
        ("member", "key", "kind", "is_in"),
        [
            (True, "vip", "audience", True),
            ("true", "vip", "audience", False),
            (1, "vip", "audience", False),
            (True, "vip", "trait", False),
            (True, "vip", "journey_step", True),
            ("true", "j_o_1", "journey_step", True),
            (None, "vip", "audience", False),
        ],
    )
    async def test_engage_states_by_a_strict_boolean(
        self,
        shop: World,
        member: object,
        key: str,
        kind: str,
        is_in: bool,
    ) -> None:
        """Only for keys of journeys the texts count, too."""
        await shop.take(personas("u", member=member, key=key, kind=kind))
        counts = await shop.tx(lambda tx: dict(tx.members.audiences()))
        assert ({key: 1} if is_in else {}) == counts

    async def test_a_word_from_the_future_is_of_when_it_came(self, shop: World) -> None:
        """So the next word takes it back, of the audience and of its list."""
        await shop.take({**personas("u", member=True), "timestamp": "2099-01-01T00:00:00Z"})
        shop.clock.forward(SECOND)
        out = {**personas("u", member=False), "messageId": "out"}
        await shop.take({**out, "timestamp": iso_time(shop.clock.now_ms())})
        assert {} == await shop.tx(lambda tx: dict(tx.members.audiences()))
        row = await shop.tx(lambda tx: tx.members.get("vip", "u@x.io"))
        assert row is not None
        assert (False, shop.clock.now_ms()) == (row.wanted, row.at)

    async def test_members_know_the_event_that_made_them(self, shop: World) -> None:
        """Of audiences and of lists."""
        await shop.take(personas("u", member=True))
        (event,) = await shop.events()
        (member,) = await shop.tx(lambda tx: tx.members.of_audience("vip", after=0, limit=9))
        row = await shop.tx(lambda tx: tx.members.get("vip", "u@x.io"))
        assert row is not None
        assert (event.id, event.id) == (member.event, row.event)

    async def test_segment_hears_of_a_change_once(self, shop: World) -> None:
        """The trait and the event, known as our own when they come back; none without a change."""
        await shop.take(track("Upgraded"))
        await shop.take(track("Upgraded", n=2))
        calls = [call for _, call in await asked(shop, Dest.SEGMENT)]
        assert [("track", "Audience Entered"), ("identify", None)] == [
            (call["type"], call.get("event")) for call in calls
        ]
        assert {"vip": True} == calls[1]["traits"]
        assert all(is_echo(call) for call in calls)

        await shop.take(*calls)
        assert ["filtered"] * 2 == [event.state for event in (await shop.events())[-2:]]

    async def test_in_and_out_in_one_event_are_four_calls(self, shop: World) -> None:
        """Segment drops what has a messageId it knows."""
        await shop.take(track("Both"))
        ids = [call["messageId"] for _, call in await asked(shop, Dest.SEGMENT)]
        assert (4, 4) == (len(ids), len(set(ids)))

    async def test_audiences_that_chase_each_other_are_stopped(self, shop: World) -> None:
        """And said so."""
        await shop.take(track("Loop"))
        assert "audience_loop" in {kind for kind, _ in await shop.alerts()}
        assert ["done"] == [event.state for event in await shop.events()]

    async def test_a_doubled_word_asks_once_it_was_told(self, shop: World) -> None:
        """SendGrid is not told what it was."""
        await shop.take(personas("u", member=True))
        await shop.tx(lambda tx: tx.members.tell("vip", ["u@x.io"], told=True, at=1))
        await shop.take({**personas("u", member=True), "messageId": "another"})
        assert ["list"] == [kind for kind, _ in await asked(shop)]


class TestDraft:
    async def test_a_draft_changes_nothing_outside(self, shop: World) -> None:
        """No contact, no list, nothing for Segment, no event that other rules would hear."""
        await shop.take(track("Drafted"))
        assert ([], []) == (await asked(shop), await asked(shop, Dest.SEGMENT))
        rows = await shop.tx(lambda tx: tx.members.of_list("all", after="", limit=9))
        assert [] == rows
