"""How a send moves along its table, counted, its lane handed on."""

from __future__ import annotations

import pytest
from tests.stages.conftest import World
from tests.support.stages import MINUTE, NOON, track

from homing.core.gate import Refusal
from homing.core.ledger import SendSignal, SendState
from homing.core.plans import OnUnknown
from homing.ports import Tx
from homing.stages import moves


@pytest.fixture
async def two(world: World) -> World:
    """Two sends of one lane; the first is in flight."""
    await world.take(track("Ordered"), track("Ordered", properties={"n": 2}))

    def claim(tx: Tx) -> None:
        row = tx.sends.get(1)
        assert row is not None
        tx.sends.intend(1, now=NOON)
        moves.move(tx, row, SendState.IN_FLIGHT)

    await world.tx(claim)
    return world


async def moved(world: World, name: str, *args: object, **more: object) -> tuple[str, str]:
    """Move the first send; the states of both."""

    def job(tx: Tx) -> None:
        getattr(moves, name)(tx, tx.sends.get(1), *args, **more)

    await world.tx(job)
    first, second = await world.sends()
    counts = (await world.books()).sends
    assert 2 == sum(counts.values())
    assert {first.state, second.state} == {state for state, n in counts.items() if n}
    return first.state, ("free" if second.head else "waits")


LOST = {"now": NOON, "healthy_ms": 0, "wait_ms": MINUTE}


class TestEnd:
    async def test_a_rejection_ends_it_and_frees_the_lane(self, two):
        """
        With its reason.
        """
        assert ("rejected", "free") == await moved(
            two, "end", SendSignal.REJECT, reason="HTTP 400", now=NOON
        )
        assert "HTTP 400" == (await two.sends())[0].reason

    async def test_what_was_taken_stays_taken(self, two):
        """
        A late refusal of a second attempt changes nothing.
        """
        await moved(two, "accepted", "mid", now=NOON, silent_ms=MINUTE)

        assert ("accepted", "free") == await moved(
            two, "end", SendSignal.REJECT, reason="HTTP 400", now=NOON
        )
        assert (await two.sends())[0].reason is None


class TestAccepted:
    async def test_it_frees_the_lane_and_waits_to_be_heard_of(self, two):
        """
        And keeps the first id it was given.
        """
        for message_id in ("mid", "other"):
            assert ("accepted", "free") == await moved(
                two, "accepted", message_id, now=NOON, silent_ms=MINUTE
            )

        row = (await two.sends())[0]
        assert ("mid", NOON, NOON + MINUTE) == (row.message_id, row.accepted_at, row.silent_due)


class TestLose:
    async def test_it_holds_its_lane_for_so_long(self, two):
        """
        On the clock of evidence.
        """
        assert ("unknown", "waits") == await moved(two, "lose", "no answer", **LOST)
        row = (await two.sends())[0]
        assert ("no answer", MINUTE) == (row.reason, row.unknown_due)
        attempts = await two.tx(lambda tx: tx.sends.attempts(1))
        assert ["unknown"] == [attempt.outcome for attempt in attempts]


class TestResolve:
    @pytest.mark.parametrize(
        ("policy", "state", "lane"),
        [
            (OnUnknown.RESEND, "retry", "waits"),
            (OnUnknown.PARK, "parked", "free"),
            (OnUnknown.DROP, "dropped", "free"),
        ],
    )
    async def test_policy_ends_the_wait(self, two, policy, state, lane):
        """
        Sent again it keeps its place; parked or dropped it frees it.
        """
        await moved(two, "lose", "no answer", **LOST)

        assert (state, lane) == await moved(two, "resolve", policy, now=NOON, lane=3)
        assert (await two.sends())[0].unknown_due is None

    async def test_a_parked_one_sent_again_joins_its_lane(self, two):
        """
        In order of its number; behind what flies.
        """
        await moved(two, "lose", "no answer", **LOST)
        await moved(two, "resolve", OnUnknown.PARK, now=NOON, lane=3)
        await moved(two, "resolve", OnUnknown.RESEND, now=NOON, lane=3)

        first, second = await two.sends()
        assert {3} == {first.lane, second.lane}
        assert 1 == first.head + second.head


class TestRefuse:
    async def test_it_ends_by_name(self, world):
        """
        Its lane goes on.
        """
        await world.take(track("Ordered"), track("Ordered", properties={"n": 2}))

        assert ("expired", "free") == await moved(world, "refuse", Refusal("expired", "too late"))
        assert "too late" == (await world.sends())[0].reason
