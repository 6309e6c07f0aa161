"""Opt-outs and opt-ins leave for SendGrid."""

from __future__ import annotations

import asyncio

import orjson
import pytest
from tests.stages.conftest import World
from tests.support.stages import (
    HOUR,
    MINUTE,
    NO_ANSWER,
    NO_CONNECTION,
    NOON,
    SECOND,
    answer,
    track,
)

from homing.core.effects import Dest, NewEffect
from homing.ports import Tx
from homing.stages import act
from homing.stages.circuit import StageBroken

ADDED = answer(201, {"recipient_emails": ["u1@x.io"]})


@pytest.fixture
def shop(world: World) -> World:
    """SendGrid takes all."""
    world.sendgrid.usual = ADDED
    return world


async def ask(world: World, *lanes: int, method: str = "POST") -> None:
    """Ask for a call in each of these lanes."""

    def job(tx: Tx) -> None:
        for n, lane in enumerate(lanes):
            call = {"method": method, "path": f"/v3/{lane}/{n}", "body": {"n": n}}
            if method == "DELETE":
                call["body"] = None
            tx.effects.add(
                NewEffect(
                    Dest.SUPPRESSIONS, "suppress", lane, orjson.dumps(call), None, None, lane,
                    NOON, NOON,
                )
            )  # fmt: skip
            tx.books.count("effects:suppressions:ready")

    await world.tx(job)


def paths(world: World) -> list[str]:
    """What was called."""
    return [call.path.removeprefix("/v3/") for call in world.sendgrid.calls]


async def turn(world: World) -> int:
    """One turn, and all that flies lands."""
    left = await world.suppress.deliver_batch()
    await world.suppress.land()
    return left


async def effects(world: World) -> dict[str, int]:
    """How many are in which state."""
    states = dict((await world.books()).effects["suppressions"])
    return {state: n for state, n in states.items() if n}


class TestDeliverBatch:
    async def test_a_call_is_made_as_it_was_asked_for(self, shop):
        """
        Method, path, body; a removal has none.
        """
        await ask(shop, 1)
        await ask(shop, 2, method="DELETE")
        await shop.suppressed()

        assert [("POST", "/v3/1/0", {"n": 0}), ("DELETE", "/v3/2/0", None)] == [
            (call.method, call.path, call.body) for call in shop.sendgrid.calls
        ]
        assert {"done": 2} == await effects(shop)

    async def test_one_persons_leave_in_order_and_people_side_by_side(self, shop):
        """
        Out and in again must not swap.
        """
        shop.sendgrid.gate = asyncio.Event()
        await ask(shop, 1, 1, 2)
        assert 2 == await shop.suppress.deliver_batch()
        assert 0 == await shop.suppress.deliver_batch()
        shop.sendgrid.gate.set()
        await shop.suppress.land()
        await shop.suppressed()

        assert ["1/0", "2/2", "1/1"] == paths(shop)

    async def test_people_merged_in_mid_flight_keep_their_order(self, shop):
        """
        What flies is not called again, and what came later waits for it.
        """
        shop.sendgrid.gate = asyncio.Event()
        await shop.take(track("A", "u1"), track("A", None, anonymousId="a1"))
        await ask(shop, 2)
        await shop.suppress.deliver_batch()
        await shop.take({"type": "alias", "userId": "u1", "previousId": "a1", "messageId": "m"})
        await ask(shop, 1)

        assert 0 == await shop.suppress.deliver_batch()
        shop.sendgrid.gate.set()
        await shop.suppress.land()
        await shop.suppressed()

        assert ["2/0", "1/0"] == paths(shop)

    async def test_what_is_not_on_the_list_counts_as_taken_off(self, shop):
        """
        Doing it twice is doing it once.
        """
        shop.sendgrid.usual = answer(404)
        await ask(shop, 1, method="DELETE")
        await shop.suppressed()

        assert {"done": 1} == await effects(shop)

    async def test_many_that_wait_do_not_hide_one_that_may_leave(self, shop):
        """
        However many are not due.
        """
        await ask(shop, *range(1, 301))

        def postpone(tx: Tx) -> None:
            for effect in tx.effects.ready(Dest.SUPPRESSIONS, after=0, limit=300):
                tx.effects.retry(effect.id, due_at=NOON + HOUR, counts=True, reason="later")

        await shop.tx(postpone)
        await ask(shop, 999)
        await shop.suppressed()

        assert ["999/0"] == paths(shop)

    async def test_in_capture_mode_nothing_leaves(self, shop):
        """
        And nothing piles up.
        """
        shop.suppress.capture = True
        await ask(shop, 1)
        await shop.suppressed()

        assert [] == shop.sendgrid.calls
        assert {"done": 1} == await effects(shop)

    async def test_an_outcome_that_cannot_be_recorded_ends_the_process(self, shop):
        """
        Rather than call again and again.
        """

        class Failing:
            async def write(self, _: object) -> None:
                raise OSError("disk")

        shop.sendgrid.gate = asyncio.Event()
        await ask(shop, 1)
        await shop.suppress.deliver_batch()
        shop.suppress.store = Failing()
        shop.sendgrid.gate.set()
        await shop.suppress.land()

        with pytest.raises(StageBroken):
            await shop.suppress.deliver_batch()


class TestTrouble:
    async def test_a_short_trouble_passes_within_the_call(self, shop):
        """
        Also an answer that never came: it may be made twice.
        """
        shop.sendgrid.answers.extend([answer(500), NO_ANSWER])
        await ask(shop, 1)
        await turn(shop)

        assert 3 == len(shop.sendgrid.calls)
        assert {"done": 1} == await effects(shop)

    async def test_it_is_tried_again_by_the_schedule(self, shop):
        """
        In its lane's order.
        """
        shop.sendgrid.answers.extend([answer(500)] * 3)
        await ask(shop, 1, 1)
        await turn(shop)
        assert 0 == await turn(shop)
        shop.clock.forward(SECOND)
        await shop.suppressed()

        assert ["1/0"] * 4 + ["1/1"] == paths(shop)

    async def test_a_refused_call_is_dead_alone(self, shop):
        """
        With the API's words; the lane goes on.
        """
        shop.sendgrid.answers.append(answer(400, {"errors": [{"message": "bad address"}]}))
        await ask(shop, 1, 1)
        await shop.suppressed()

        assert {"dead": 1, "done": 1} == await effects(shop)
        (dead,) = await shop.tx(lambda tx: tx.effects.dead_newest(before=None, limit=9))
        assert "HTTP 400: bad address" == dead["reason"]

    async def test_recovery_frees_all_at_once(self, shop):
        """
        After an outage of hours: no attempt was burned, nobody waits for a schedule.
        """
        shop.sendgrid.usual = NO_CONNECTION
        await ask(shop, *range(1, 30))
        for _ in range(1_200):
            await turn(shop)
            shop.clock.forward(100)
        assert len(shop.sendgrid.calls) < 80
        shop.sendgrid.usual = ADDED
        for _ in range(350):
            await turn(shop)
            shop.clock.forward(100)

        assert {"done": 29} == await effects(shop)

    async def test_429_is_waited_for_as_told(self, shop):
        """
        By the whole destination.
        """
        shop.sendgrid.answers.append(answer(429, Retry_After="30"))
        await ask(shop, 1)
        await turn(shop)
        await ask(shop, 2)

        assert 0 == await turn(shop)
        shop.clock.forward(30 * SECOND)
        await shop.suppressed()
        assert {"done": 2} == await effects(shop)


class TestPause:
    async def test_a_refused_key_pauses_until_a_probe_gets_through(self, shop):
        """
        One at a time.
        """
        shop.sendgrid.usual = answer(403)
        await ask(shop, *range(1, 9))
        for _ in range(600):
            await turn(shop)
            shop.clock.forward(100)
        assert 4 <= len(shop.sendgrid.calls) <= 12
        assert ("paused", "suppressions") in await shop.alerts()

        shop.sendgrid.usual = ADDED
        shop.clock.forward(MINUTE)
        await turn(shop)
        await shop.suppressed()

        assert {"done": 8} == await effects(shop)
        assert {} == await shop.alerts()

    async def test_a_persons_pause_stays(self, shop):
        """
        Whatever lands meanwhile.
        """
        shop.sendgrid.gate = asyncio.Event()
        await ask(shop, 1, 1)
        await shop.suppress.deliver_batch()
        await shop.tx(lambda tx: act.pause(tx, "suppressions", reason="x", now_ms=NOON - 1))
        shop.sendgrid.gate.set()
        await shop.suppress.land()
        for _ in range(50):
            assert 0 == await turn(shop)
            shop.clock.forward(10 * SECOND)

        assert {"done": 1, "ready": 1} == await effects(shop)

    async def test_without_a_key_what_is_there_waits_and_is_said(self, shop):
        """
        Nothing is called only to be refused.
        """
        shop.suppress.circuit.lacking = "`sendgrid.api_key` is not set"
        await ask(shop, 1)
        assert 0 == await turn(shop)

        assert {("waiting", "suppressions"): 1} == await shop.alerts()
        assert [] == shop.sendgrid.calls


class TestEndToEnd:
    async def test_an_opt_out_reaches_sendgrid(self, world_of):
        """
        From the event to the call.
        """
        shop = world_of("[route.leave]\nwhen = 'event = \"Leave\"'\nsuppress = 'newsletter'\n")
        shop.sendgrid.usual = ADDED
        await shop.take(track("Leave"), track("Leave", properties={"n": 2}))
        await shop.suppressed()

        (call,) = shop.sendgrid.calls
        assert ("POST", "/v3/asm/groups/12345/suppressions") == (call.method, call.path)
        assert {"recipient_emails": ["u1@x.io"]} == call.body
