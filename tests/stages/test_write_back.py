"""Calls leave for Segment: in batches, in order per person."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import orjson
import pytest
from tests.stages.conftest import World
from tests.support.stages import MINUTE, NO_CONNECTION, NOON, OK, SECOND, Call, answer, track

from homing.core.batching import MAX_BYTES, MAX_CALLS
from homing.core.effects import Dest, NewEffect
from homing.core.outcomes import Answer
from homing.ports import Tx
from homing.stages import act
from homing.stages.circuit import StageBroken
from homing.stages.write_back import authorization_of


async def ask(world: World, lanes: Iterable[int], *, size: int = 20) -> None:
    """Ask for a call in each of these lanes."""

    def job(tx: Tx) -> None:
        for n, lane in enumerate(lanes):
            payload = orjson.dumps({"n": n, "lane": lane, "pad": "x" * size})
            tx.effects.add(
                NewEffect(Dest.SEGMENT, "track", lane, payload, None, None, lane, NOON, NOON)
            )
            tx.books.count("effects:segment:ready")

    await world.tx(job)


def sent(world: World) -> list[list[int]]:
    """Which calls left, by request."""
    return [[one["n"] for one in call.body["batch"]] for call in world.segment.calls]


async def turn(world: World) -> int:
    """One turn, and all that flies lands."""
    left = await world.write_back.deliver_batch()
    await world.write_back.land()
    return left


async def effects(world: World) -> dict[str, int]:
    """How many are in which state."""
    states = dict((await world.books()).effects["segment"])
    return {state: n for state, n in states.items() if n}


class TestDeliverBatch:
    async def test_what_is_ready_leaves_in_one_request(self, world):
        """
        To the batch end point, with the key, and the time of this attempt.
        """
        await ask(world, [1, 2, 1])
        await world.written()

        (call,) = world.segment.calls
        assert ("POST", "/v1/batch") == (call.method, call.path)
        assert ("wk", "2026-01-05T12:00:00.000Z") == (call.body["writeKey"], call.body["sentAt"])
        assert [[0, 1, 2]] == sent(world)
        assert {"done": 3} == await effects(world)

    async def test_each_attempt_has_its_own_time(self, world):
        """
        Segment shifts every event by the distance of sentAt to now.
        """
        world.segment.answers.append(answer(429, Retry_After="60"))
        await ask(world, [1])
        await turn(world)
        world.clock.forward(MINUTE)
        await turn(world)

        assert ["2026-01-05T12:00:00.000Z", "2026-01-05T12:01:00.000Z"] == [
            call.body["sentAt"] for call in world.segment.calls
        ]
        assert {"done": 1} == await effects(world)

    async def test_requests_keep_segments_limits(self, world):
        """
        2,500 calls, 500 KB.
        """
        await ask(world, range(1, MAX_CALLS + 101))
        await ask(world, [9_999] * 30, size=32_000)
        await world.written()

        assert all(len(batch) <= MAX_CALLS for batch in sent(world))
        assert all(
            len(orjson.dumps(call.body)) <= MAX_BYTES + 1_000 for call in world.segment.calls
        )
        assert {"done": MAX_CALLS + 130} == await effects(world)

    async def test_a_person_has_one_request_under_way(self, world):
        """
        Calls of one person never overtake each other.
        """
        world.segment.gate = asyncio.Event()
        await ask(world, [1] * 20, size=40_000)
        await world.write_back.deliver_batch()
        await asyncio.sleep(0)
        assert 0 == await world.write_back.deliver_batch()
        await ask(world, [2])
        assert 1 == await world.write_back.deliver_batch()
        world.segment.gate.set()
        await world.write_back.land()
        await world.written()

        left = [one for call in world.segment.calls for one in call.body["batch"]]
        assert [1] * 20 + [2] == sorted(one["lane"] for one in left)
        order = [one["n"] for one in left if one["lane"] == 1]
        assert list(range(20)) == sorted(order)
        assert sorted(order) == order

    async def test_people_merged_in_mid_flight_keep_their_order(self, world):
        """
        What was the other's waits until what flies has landed.
        """
        world.segment.gate = asyncio.Event()
        await world.take(track("A", "u1"), track("A", None, anonymousId="a1"))
        await ask(world, [2])
        await world.write_back.deliver_batch()
        await world.take({"type": "alias", "userId": "u1", "previousId": "a1", "messageId": "m"})
        await ask(world, [1])

        assert 0 == await world.write_back.deliver_batch()
        world.segment.gate.set()
        await world.write_back.land()
        await world.written()
        assert {"done": 2} == await effects(world)

    async def test_in_capture_mode_nothing_leaves(self, world):
        """
        And nothing piles up.
        """
        world.write_back.capture = True
        await ask(world, [1, 2])
        await world.written()

        assert [] == world.segment.calls
        assert {"done": 2} == await effects(world)

    async def test_an_outcome_that_cannot_be_recorded_ends_the_process(self, world):
        """
        Rather than send the same batch again and again.
        """

        class Failing:
            async def write(self, _: object) -> None:
                raise OSError("disk")

        world.segment.gate = asyncio.Event()
        await ask(world, [1])
        await world.write_back.deliver_batch()
        world.write_back.store = Failing()
        world.segment.gate.set()
        await world.write_back.land()

        with pytest.raises(StageBroken):
            await world.write_back.deliver_batch()
        assert 1 == len(world.segment.calls)


def refusing(*bad: int):
    """Refuse each batch that holds a bad one."""

    def usual(call: Call) -> Answer:
        numbers = {one["n"] for one in call.body["batch"]}
        return answer(400, {"error": "bad"}) if numbers & set(bad) else OK

    return usual


class TestRejected:
    async def test_the_bad_one_is_found_by_halves_and_is_dead_alone(self, world):
        """
        Its neighbours are delivered.
        """
        world.segment.usual = refusing(5, 11)
        await ask(world, range(1, 17))
        await world.written()

        assert {"done": 14, "dead": 2} == await effects(world)
        dead = await world.tx(lambda tx: tx.effects.dead_newest(before=None, limit=9))
        assert {"HTTP 400: bad"} == {row["reason"] for row in dead}
        assert len(world.segment.calls) < 20

    async def test_the_second_half_does_not_overtake_the_first(self, world):
        """
        If the first cannot be delivered now.
        """
        world.segment.answers.extend([answer(400), answer(429, Retry_After="5")])
        await ask(world, [1] * 4)
        await turn(world)
        assert [[0, 1, 2, 3], [0, 1]] == sent(world)

        world.clock.forward(5 * SECOND)
        await world.written()
        assert [0, 1, 2, 3] == sent(world)[-1]


class TestTrouble:
    async def test_a_short_trouble_passes_within_the_call(self, world):
        """
        Up to three attempts, at once.
        """
        world.segment.answers.extend([answer(500), NO_CONNECTION])
        await ask(world, [1])
        await turn(world)

        assert 3 == len(world.segment.calls)
        assert {"done": 1} == await effects(world)

    async def test_what_cannot_be_delivered_waits(self, world):
        """
        Nothing is lost, nothing spins; recovery takes all.
        """
        world.segment.usual = NO_CONNECTION
        await ask(world, range(1, 50))
        for _ in range(1_200):
            await turn(world)
            world.clock.forward(100)
        assert len(world.segment.calls) < 60
        assert {"ready": 49} == await effects(world)

        world.segment.usual = OK
        for _ in range(350):
            await turn(world)
            world.clock.forward(100)
        assert {"done": 49} == await effects(world)

    async def test_429_is_waited_for_as_told(self, world):
        """
        By the whole destination.
        """
        world.segment.answers.append(answer(429, Retry_After="30"))
        await ask(world, [1])
        await turn(world)
        await ask(world, [2])

        assert 0 == await turn(world)
        assert 30.0 == world.write_back.wait_s()
        world.clock.forward(30 * SECOND)
        await world.written()
        assert {"done": 2} == await effects(world)


class TestPause:
    async def test_a_refused_key_pauses_until_a_probe_gets_through(self, world):
        """
        A person is told; one batch asks, ever later.
        """
        world.segment.usual = answer(401)
        await ask(world, range(1, 9))
        for _ in range(600):
            await turn(world)
            world.clock.forward(100)
        assert 4 <= len(world.segment.calls) <= 8
        assert ("paused", "segment") in await world.alerts()

        world.segment.usual = OK
        world.clock.forward(MINUTE)
        await turn(world)
        await world.written()

        assert {"done": 8} == await effects(world)
        assert {} == await world.alerts()
        assert {} == (await world.books()).pauses

    async def test_a_persons_pause_stays(self, world):
        """
        Whatever lands meanwhile.
        """
        world.segment.gate = asyncio.Event()
        await ask(world, [1])
        await world.write_back.deliver_batch()
        await world.tx(lambda tx: act.pause(tx, "segment", reason="audit", now_ms=NOON - 1))
        world.segment.gate.set()
        await world.write_back.land()
        await ask(world, [2])

        for _ in range(50):
            assert 0 == await turn(world)
            world.clock.forward(10 * SECOND)
        assert "operator" == (await world.books()).pauses["segment"].by
        assert {"done": 1, "ready": 1} == await effects(world)

        await world.tx(lambda tx: act.resume(tx, "segment", now_ms=NOON))
        await world.written()
        assert {"done": 2} == await effects(world)

    async def test_without_a_key_what_is_there_waits_and_is_said(self, world):
        """
        From a time when there was one.
        """
        world.write_back.circuit.lacking = "`segment.write_key` is not set"
        await ask(world, [1])
        assert 0 == await turn(world)

        assert {("waiting", "segment"): 1} == await world.alerts()
        assert [] == world.segment.calls


class TestErased:
    async def test_what_was_dropped_in_flight_is_not_counted_done(self, world):
        """
        The books balance.
        """
        world.segment.gate = asyncio.Event()
        await world.take(track("A"))
        await ask(world, [1, 1])
        await world.write_back.deliver_batch()
        await world.take({"type": "delete", "userId": "u1", "messageId": "d"})
        world.segment.gate.set()
        await world.write_back.land()

        assert {"dropped": 2} == await effects(world)


class TestAuthorizationOf:
    def test_it_is_basic_with_the_key_as_user_and_no_password(self):
        """
        Segment docs, "HTTP Tracking API", authentication: ``printf 'abc123:' | base64``.
        """
        assert "Basic YWJjMTIzOg==" == authorization_of("abc123")
