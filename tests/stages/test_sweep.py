"""Waits for evidence end, the silent are flagged, the old goes."""

from __future__ import annotations

import pytest
from tests.stages.conftest import World
from tests.stages.test_journey import CART, added
from tests.support.journeys import Life
from tests.support.stages import DAY, HOUR, MINUTE, NO_ANSWER, SECOND, engagement, track

from homing.core.effects import SendFlag
from homing.ports import Store
from homing.stages.health import GRACE_S


async def lose(world: World, event: dict[str, object]) -> None:
    """Reserve a send and lose its answer."""
    world.sendgrid.answers.append(NO_ANSWER)
    await world.take(event)
    await world.deliver.deliver_batch()
    await world.deliver.land()


def pass_healthily(world: World, ms: int) -> None:
    """Time passes, and the receiver is heard all along."""
    world.health.heard()
    for _ in range(ms // (2 * SECOND)):
        world.clock.forward(2 * SECOND)
        world.health.heard()


async def states(world: World) -> list[str]:
    """Of all sends."""
    return [row.state for row in await world.sends()]


POLICIES = """
[email.gamble]
template = "d-00000000000000000000000000000009"
on_unknown = "drop"
[route.gamble]
when = 'event = "Gamble"'
send = "gamble"
"""


class TestUnknown:
    @pytest.mark.parametrize(
        ("event", "state", "resolution"),
        [
            (track("Ordered"), "retry", "resent"),
            (track("Digest Due"), "parked", "parked"),
            (track("Gamble"), "dropped", "dropped"),
        ],
    )
    async def test_the_wait_ends_by_policy(self, world_of, event, state, resolution):
        """
        Transactional mail is sent again, marketing waits for a person, unless told otherwise.
        """
        world = world_of(POLICIES)
        await lose(world, event)
        pass_healthily(world, 5 * MINUTE - 4 * SECOND)
        assert 0 == await world.sweep.sweep()

        pass_healthily(world, 6 * SECOND)
        assert 1 == await world.sweep.sweep()

        assert [state] == await states(world)
        unknown = (await world.books()).unknown
        assert (1, 1) == (unknown["total"], unknown[resolution])

    async def test_the_wait_stands_still_while_no_evidence_can_come(self, world):
        """
        The receiver was down: the clock runs only while it is up.
        """
        await lose(world, track("Ordered"))
        pass_healthily(world, MINUTE)
        world.clock.forward(5 * HOUR)
        pass_healthily(world, 3 * MINUTE)

        assert 0 == await world.sweep.sweep()
        assert ["unknown"] == await states(world)

    async def test_sent_again_it_is_marked_and_keeps_its_id(self, world):
        """
        So that two emails of it can be told.
        """
        await lose(world, track("Ordered"))
        pass_healthily(world, 6 * MINUTE)
        await world.sweep.sweep()
        await world.delivered()

        row = await world.send()
        assert ("accepted", SendFlag.RESENT) == (row.state, row.flags)
        ids = {
            c.body["personalizations"][0]["custom_args"]["homing_send"]
            for c in world.sendgrid.calls
        }
        assert {row.key} == ids

    async def test_a_parked_one_frees_its_lane(self, world):
        """
        What waited behind it leaves; a person is told.
        """
        await lose(world, track("Digest Due"))
        await world.take(track("Digest Due", properties={"n": 2}))
        await world.delivered()
        assert ["unknown", "reserved"] == await states(world)

        pass_healthily(world, 6 * MINUTE)
        await world.sweep.sweep()
        await world.delivered()

        assert ["parked", "accepted"] == await states(world)
        assert ("parked", "digest") in await world.alerts()

    async def test_evidence_resolves_a_parked_one_too(self, world):
        """
        However late it comes.
        """
        await lose(world, track("Digest Due"))
        pass_healthily(world, 6 * MINUTE)
        await world.sweep.sweep()
        await world.hear(engagement("delivered", homing_send=(await world.send()).key))

        assert ["accepted"] == await states(world)

    async def test_of_an_email_no_longer_configured_a_person_decides(self, world_of):
        """
        Nobody knows its policy.
        """
        world = world_of(POLICIES)
        await lose(world, track("Gamble"))
        world.configure("")
        pass_healthily(world, 6 * MINUTE)
        await world.sweep.sweep()

        assert ["parked"] == await states(world)


class TestSilent:
    async def test_what_nothing_is_heard_of_is_flagged_once(self, world):
        """
        Counted per template: one that fails to render looks just like this.
        """
        await world.take(track("Ordered"), track("Ordered", "u2"))
        await world.delivered()
        world.clock.forward(29 * MINUTE)
        assert 0 == await world.sweep.sweep()
        world.clock.forward(MINUTE)

        assert 2 == await world.sweep.sweep()
        assert 0 == await world.sweep.sweep()
        assert {("silent", "receipt"): 2} == await world.alerts()
        assert 2 == (await world.books()).counts["sends_silent"]
        assert ["accepted", "accepted"] == await states(world)


class TestPrune:
    async def test_retention_takes_what_is_old_and_done(self, world):
        """
        Events after their time, sends after theirs; what still waits stays.
        """
        await world.take(track("Ordered"))
        await world.delivered()
        await world.hear(engagement("delivered", homing_send=(await world.send()).key))
        await world.written()
        await world.take(track("Ordered", "u2"))
        world.clock.forward(91 * DAY)
        await world.sweep.sweep()

        assert [] == await world.events()
        assert ["accepted", "reserved"] == await states(world)

        world.clock.forward(310 * DAY)
        await world.sweep.sweep()
        assert ["reserved"] == await states(world)

    async def test_it_looks_now_and_then(self, world):
        """
        Not at every turn.
        """
        await world.sweep.sweep()
        await world.take(track("A"))
        world.clock.at_ms += 91 * DAY
        await world.sweep.sweep()
        assert 1 == len(await world.events())

        world.clock.up_s += 301
        await world.sweep.sweep()
        assert [] == await world.events()

    async def test_the_log_may_forget_what_nothing_needs(self, world):
        """
        Neither an event nor a quarantined one.
        """
        assert world.clock.now_ms() - 90 * DAY == world.sweep.log_horizon_ms()


class TestRuns:
    async def test_what_a_run_knows_goes_with_its_goal_and_the_run_with_its_sends(
        self, store: Store
    ) -> None:
        """
        Nothing is kept for ever of who was in a journey, but that they entered it once.
        """
        life = Life.over(store, CART)
        await life.come(added("c1"))
        await life.go_on(3 * DAY)
        (run,) = await life.runs()
        assert not run.is_alive
        sweep = life.process.sweep

        async def swept(ms: int) -> tuple[bool, bool]:
            life.clock.forward(ms)
            await sweep.sweep()
            await sweep.sweep()
            return await store.write(
                lambda tx: (bool(tx.runs.context(run.id)), tx.runs.get(run.id) is not None)
            )

        assert (True, True) == await swept(HOUR)
        assert (False, True) == await swept(40 * DAY)
        await life.come(added("c2"))  # the newest run stays, whatever its age
        assert (False, False) == await swept(400 * DAY)

    async def test_a_run_that_waits_stays_however_long(self, store: Store) -> None:
        """
        With all that it knows.
        """
        life = Life.over(store, CART.replace('"2h"', '"900d"'))
        await life.come(added("c1"))
        life.clock.forward(800 * DAY)
        await life.process.sweep.sweep()

        assert (await life.run()).is_alive
        assert await store.write(lambda tx: tx.runs.context(1))


class TestHealth:
    async def test_it_goes_on_where_the_last_run_ended(self, world):
        """
        The clock of evidence survives a restart.
        """
        pass_healthily(world, MINUTE)
        await world.sweep.sweep()
        healthy = world.health.healthy_ms()
        again = World.over(world.store)
        await again.tx(again.health.load)

        assert MINUTE == healthy == again.health.healthy_ms()
        assert GRACE_S > 2
