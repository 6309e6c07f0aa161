"""Opt-outs and opt-ins: who may be mailed, and who is told."""

from __future__ import annotations

from typing import Any

import orjson
import pytest
from tests.stages.conftest import World
from tests.support.stages import DAY, NOON, engagement, identify, plans_of, track

from homing.core.decide import Rules
from homing.core.effects import Dest
from homing.core.suppression import Source, Suppression

OPT = """
[suppression]
opt_out = [{ when = 'type = "identify" and traits.email_opt_out = true' },
           { when = 'event = "Newsletter Left"', group = "newsletter" }]
opt_in = [{ when = 'type = "identify" and traits.email_opt_out = false' }]
[route.leave]
when = 'event = "Leave"'
suppress = "newsletter"
[route.back]
when = 'event = "Back"'
unsuppress = "newsletter"
"""


@pytest.fixture
def shop(world_of) -> World:
    """A shop whose people may leave."""
    return world_of(OPT)


async def calls(world: World) -> list[tuple[str, str]]:
    """What SendGrid is to be told: method and path."""
    told = [orjson.loads(effect.payload) for effect in await world.ready(Dest.SUPPRESSIONS)]
    return [(call["method"], call["path"]) for call in told]


async def traits(world: World) -> list[dict[str, Any]]:
    """What Segment is to be told."""
    told = [orjson.loads(effect.payload) for effect in await world.ready(Dest.SEGMENT)]
    return [call["traits"] for call in told if call["type"] == "identify"]


async def scopes(world: World, address: str = "u1@x.io") -> dict[str, bool]:
    """The records of an address."""
    records = await world.tx(lambda tx: tx.suppressions.of(address))
    return {scope: record.suppressed for scope, record in records.items()}


def opted(out: bool, **changes: object) -> dict[str, Any]:
    """An identify that opts out or in."""
    return identify(traits={"email": "u1@x.io", "email_opt_out": out}, **changes)


class TestFromSegment:
    async def test_an_opt_out_is_told_to_sendgrid_and_not_echoed(self, shop):
        """
        Segment said it: Segment is not told.
        """
        await shop.take(opted(True))

        assert {"global": True} == await scopes(shop)
        assert [("POST", "/v3/asm/suppressions/global")] == await calls(shop)
        assert [] == await traits(shop)

    async def test_a_group_has_its_own_list(self, shop):
        """
        By its number.
        """
        await shop.take(track("Newsletter Left"))

        assert {"group:newsletter": True} == await scopes(shop)
        assert [("POST", "/v3/asm/groups/12345/suppressions")] == await calls(shop)

    async def test_said_again_nothing_is_called(self, shop):
        """
        Every identify repeats the trait.
        """
        await shop.take(opted(True), opted(True, n=2), opted(True, n=3))

        assert 1 == len(await calls(shop))

    async def test_a_newer_opt_in_lifts_it_and_an_older_one_does_not(self, shop):
        """
        By event time, whatever the order of arrival.
        """
        await shop.take(opted(True, timestamp="2026-01-05T11:00:00Z"))
        await shop.take(opted(False, timestamp="2026-01-05T10:00:00Z"))
        assert {"global": True} == await scopes(shop)

        await shop.take(opted(False, timestamp="2026-01-05T11:30:00Z"))

        assert {"global": False} == await scopes(shop)
        assert [
            ("POST", "/v3/asm/suppressions/global"),
            ("DELETE", "/v3/asm/suppressions/global/u1%40x.io"),
        ] == await calls(shop)

    async def test_it_stops_a_send_that_was_reserved_before(self, shop):
        """
        Promise P3: the gate is asked again when the intent is written.
        """
        await shop.take(track("Digest Due"))
        shop.log.append("segment/default", opted(True), shop.clock.now_ms())
        evaluating = shop.evaluated()
        await evaluating
        await shop.delivered()

        assert ("skipped", "suppressed: global") == (
            (await shop.send()).state, (await shop.send()).reason,
        )  # fmt: skip
        assert [] == shop.sendgrid.calls

    async def test_who_has_no_address_is_counted(self, shop):
        """
        There is nothing to suppress.
        """
        await shop.take(identify(traits={"email_opt_out": True}))

        assert [] == await calls(shop)
        counts = await shop.tx(lambda tx: tx.books.counts())
        assert 1 == counts["suppressions:no_email"]


class TestOfARoute:
    async def test_both_sides_are_told(self, shop):
        """
        Neither has said it.
        """
        await shop.take(track("Leave"))

        assert [("POST", "/v3/asm/groups/12345/suppressions")] == await calls(shop)
        (told,) = await traits(shop)
        assert ["newsletter"] == told["email_groups_unsubscribed"]

    async def test_it_can_be_lifted(self, shop):
        """
        By a route, later.
        """
        await shop.take(
            track("Leave", timestamp="2026-01-05T11:00:00Z"),
            track("Back", timestamp="2026-01-05T11:00:01Z"),
        )

        assert {"group:newsletter": False} == await scopes(shop)
        assert ["POST", "DELETE"] == [method for method, _ in await calls(shop)]
        assert [["newsletter"], []] == [
            told["email_groups_unsubscribed"] for told in await traits(shop)
        ]

    async def test_without_a_write_key_only_sendgrid_is_told(self, shop):
        """
        Nothing waits for Segment.
        """
        shop.taker.rules = Rules(plans_of(OPT).without_segment())
        await shop.take(track("Leave"))

        assert 1 == len(await calls(shop))
        assert [] == await shop.ready(Dest.SEGMENT)


class TestFromSendGrid:
    @pytest.mark.parametrize(
        ("event", "scope"),
        [
            (engagement("unsubscribe"), "global"),
            (engagement("group_unsubscribe", asm_group_id=12345), "group:newsletter"),
            (engagement("spamreport"), "spam"),
            (engagement("bounce", type="bounce"), "bounce"),
            (engagement("dropped", reason="Bounced Address"), "bounce"),
            (engagement("dropped", reason="Invalid"), "invalid"),
        ],
    )
    async def test_it_is_told_to_segment_and_not_echoed(self, shop, event, scope):
        """
        The track call and an identify; SendGrid knows already.
        """
        await shop.hear(event)

        assert {scope: True} == await scopes(shop)
        assert [] == await calls(shop)
        (told,) = await traits(shop)
        assert told["email_suppressed"] is (scope != "group:newsletter")

    @pytest.mark.parametrize(
        "event",
        [
            engagement("bounce", type="blocked"),
            engagement("group_unsubscribe", asm_group_id=999),
            engagement("dropped", reason="Spam Content"),
        ],
    )
    async def test_what_is_no_suppression_makes_none(self, shop, event):
        """
        A block, an unknown group: never turned into any other scope.
        """
        await shop.hear(event)

        assert {} == await scopes(shop)
        assert [] == await traits(shop)

    async def test_a_resubscription_lifts_the_groups(self, shop):
        """
        And nothing else.
        """
        await shop.hear(
            engagement("group_unsubscribe", asm_group_id=12345),
            engagement("spamreport"),
            engagement("group_resubscribe", asm_group_id=12345, timestamp=NOON // 1000 + 60),
        )

        assert {"group:newsletter": False, "spam": True} == await scopes(shop)

    async def test_nothing_automatic_lifts_a_bounce(self, shop):
        """
        However new the opt-in.
        """
        bounce = Suppression("bounce", True, NOON - DAY, Source.SENDGRID)
        await shop.tx(lambda tx: tx.suppressions.save("u1@x.io", bounce))
        await shop.take(opted(False))

        assert {"bounce": True, "global": False} == await scopes(shop)

    async def test_an_event_that_cannot_be_written_still_suppresses(self, shop):
        """
        Segment takes 32 KB a call.
        """
        await shop.hear(engagement("spamreport", category=["x" * 500] * 200))

        assert {"spam": True} == await scopes(shop)
        (row,) = await shop.events()
        assert "done" == row.state
        assert [("action_failed", "writeback.spamreport")] == list(await shop.alerts())
        dead = await shop.tx(lambda tx: tx.effects.dead_newest(before=None, limit=9))
        rule = "writeback.spamreport"
        assert [("identify", rule), ("track", rule)] == [(r["kind"], r["rule"]) for r in dead]
        assert 2 == (await shop.books()).effects["segment"]["dead"]


async def test_an_opt_out_counts_though_segment_cannot_be_told(shop: World) -> None:
    """A call too large for Segment is a dead row; SendGrid is told."""
    user = "u" * 33_000
    await shop.take({**track("Leave", user), "context": {"traits": {"email": "u@x.io"}}})

    assert ["done"] == [event.state for event in await shop.events()]
    assert [("POST", "/v3/asm/groups/12345/suppressions")] == await calls(shop)
    records = await shop.tx(lambda tx: tx.suppressions.of("u@x.io"))
    assert [True] == [record.suppressed for record in records.values()]
    dead = await shop.tx(lambda tx: tx.effects.dead_newest(before=None, limit=9))
    assert [("segment", "leave")] == [(str(row["dest"]), row["rule"]) for row in dead]
