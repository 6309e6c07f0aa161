"""Wishes become rows: sends above all."""

from __future__ import annotations

import pytest
from tests.stages.conftest import World
from tests.support.stages import DAY, HOUR, NOON, engagement, identify, track

from homing.adapters.memory.state import MemoryState
from homing.core.effects import Dest
from homing.core.plans import EmailClass
from homing.core.suppression import Source, Suppression
from homing.ports import Tx
from homing.stages.reserve import lane_of


async def suppress(world, scope: str, address: str = "u1@x.io") -> None:
    """Have an address suppressed."""
    record = Suppression(scope, True, NOON - DAY, Source.SENDGRID, "test")
    await world.tx(lambda tx: tx.suppressions.save(address, record))


class TestReserveSend:
    async def test_a_row_says_what_will_be_sent_and_why(self, world):
        """
        Rule, event, person, address, lane, and until when.
        """
        await world.take(track("Ordered", properties={"total": 5}))

        row = await world.send()
        assert ("receipt", "receipt", 1, 1) == (row.rule, row.email, row.event, row.person)
        assert ("u1@x.io", "u1", "reserved") == (row.address, row.user, row.state)
        assert (NOON, NOON, NOON + 4 * HOUR) == (row.reserved_at, row.due_at, row.expires_at)
        assert lane_of(1, EmailClass.TRANSACTIONAL) == row.lane
        data = await world.tx(lambda tx: tx.sends.data(row.id))
        assert b'{"email":"u1@x.io","total":5}' == data

    async def test_the_user_of_a_send_is_never_an_address(self, world):
        """
        Who is known by address alone has none.
        """
        await world.take(
            track("Ordered", None, properties={"email": "a@x.io"}),
            track("Ordered", None, anonymousId="a1", context={"traits": {"email": "b@x.io"}}),
        )

        assert ["", "a1"] == [row.user for row in await world.sends()]

    async def test_each_kind_of_mail_has_a_lane_of_its_own(self, world):
        """
        A receipt does not wait behind a digest.
        """
        await world.take(
            track("Digest Due"), track("Ordered"), track("Ordered", properties={"n": 2})
        )

        digest, receipt, second = await world.sends()
        assert (1, 1, 0) == (digest.head, receipt.head, second.head)
        assert digest.lane != receipt.lane == second.lane

    @pytest.mark.parametrize(
        ("event", "reason"),
        [
            (track("Ordered", context={}), "no_email"),
            (track("Ordered", properties={"email": "nobody"}), "bad_address: "),
            (track("Ordered", properties={"email": "ü@x.io"}), "bad_address: "),
        ],
    )
    async def test_a_send_that_cannot_leave_is_a_row_with_its_reason(self, world, event, reason):
        """
        No call is made for it, it is counted, and it holds no lane.
        """
        await world.take(event)
        await world.delivered()

        row = await world.send()
        assert ("skipped", None) == (row.state, row.lane)
        assert row.reason.startswith(reason)
        assert [] == world.sendgrid.calls
        assert 1 == (await world.books()).sends["skipped"]

    async def test_the_suppressed_are_not_mailed(self, world):
        """
        Promise P3: marketing by every scope that covers it, transactional mail by the hard ones.
        """
        await suppress(world, "group:newsletter")
        await suppress(world, "bounce", "u2@x.io")
        await world.take(
            track("Digest Due"), track("Ordered"), track("Ordered", "u2"), track("Digest Due", "u3")
        )

        assert [
            ("skipped", "suppressed: group:newsletter"),
            ("reserved", None),
            ("skipped", "suppressed: bounce"),
            ("reserved", None),
        ] == [(row.state, row.reason) for row in await world.sends()]

    async def test_the_gate_goes_before_bad_data(self, world_of):
        """
        The reason that counts is that the person left.
        """
        world = world_of(BAD_DATA)
        await suppress(world, "global")
        await world.take(track("Bad", properties={"long": "a" * 20_000}))

        assert "suppressed: global" == (await world.send()).reason

    async def test_data_that_cannot_be_made_is_said(self, world_of):
        """
        And its neighbours leave.
        """
        world = world_of(BAD_DATA)
        await world.take(track("Bad", properties={"long": "a" * 20_000}))
        await world.take(track("Ordered"))

        bad, good = await world.sends()
        assert ("skipped", "reserved") == (bad.state, good.state)
        assert bad.reason.startswith("bad_data: ")

    async def test_an_email_too_large_for_sendgrid_is_said(self):
        """
        Before it is sent.
        """
        world = World.over(MemoryState())
        await world.take(track("Ordered", properties={"blob": "x" * (31 << 20)}))

        row = await world.send()
        assert row.reason.startswith("bad_send: the message is 32,5")

    async def test_what_never_left_explains_no_event_of_sendgrids(self, world):
        """
        An event without ids belongs to the latest send that had left.
        """
        await world.take(track("Ordered"))
        await world.delivered()
        await suppress(world, "spam")
        await world.take(track("Ordered", properties={"n": 2}))

        await world.hear(engagement("bounce", type="bounce", reason="550"))

        assert 1 == (await world.events())[-1].send


BAD_DATA = """
[email.bad]
template = "d-00000000000000000000000000000003"
data = { text = "{{ properties.long | replace: 'a', properties.long }}" }
[route.bad]
when = 'event = "Bad"'
send = "bad"
"""

ACTIONS = """
[route.all]
when = 'event = "All"'
identify = { traits = { plan = "$.properties.plan" } }
upsert_contact = true
add_to_audience = "vip"
suppress = "newsletter"
send = "receipt"
[route.all.track]
event = "Mapped"
properties = { text = "{{ properties.long | replace: 'a', properties.long }}" }
[audience.vip]
"""


class TestCarryOut:
    async def test_a_failing_action_does_not_spoil_its_neighbours(self, world_of):
        """
        Each of a route's actions stands for itself; what was not done is alerted.
        """
        world = world_of(ACTIONS)
        await world.take(track("All", properties={"plan": "pro", "long": "a" * 20_000}))

        assert ["done"] == [row.state for row in await world.events()]
        assert "reserved" == (await world.send()).state
        assert ["identify", "identify"] == [e.kind for e in await world.ready(Dest.SEGMENT)]
        assert ["suppress"] == [e.kind for e in await world.ready(Dest.SUPPRESSIONS)]
        assert ["upsert"] == [e.kind for e in await world.ready(Dest.CONTACTS)]
        assert {("action_failed", "all"): 1} == await world.alerts()
        (dead,) = await world.tx(lambda tx: tx.effects.dead_newest(before=None, limit=9))
        assert ("segment", "track", "all") == (dead["dest"], dead["kind"], dead["rule"])

    async def test_a_second_time_nothing_is_reserved(self, world):
        """
        Unique on event and route.
        """
        await world.take(track("Ordered"), identify())
        await world.evaluate.replay([1])

        def count(tx: Tx) -> int:
            return len(tx.sends.of_event(1))

        assert 1 == await world.tx(count)
