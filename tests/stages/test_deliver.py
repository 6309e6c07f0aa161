"""Sends leave: intent, call, outcome; in order per lane, through trouble."""

from __future__ import annotations

import asyncio

import pytest
from tests.stages.conftest import World
from tests.support.stages import (
    ACCEPTED,
    HOUR,
    MINUTE,
    NO_ANSWER,
    NO_CONNECTION,
    NOON,
    SECOND,
    Call,
    answer,
    plans_of,
    track,
)

from homing.core.outcomes import Answer
from homing.stages import act
from homing.stages.circuit import StageBroken
from homing.stages.deliver import TICKS_LATE_MS, Post

UNAUTHORIZED = answer(401, {"errors": [{"message": "authorization required"}]})
BAD_SENDER = answer(
    403, {"errors": [{"message": "The from address does not match", "field": "from"}]}
)


def ordered(n: int, user: str = "u1") -> dict[str, object]:
    """An order of somebody's."""
    return track("Ordered", user, properties={"n": n})


def numbers(world: World) -> list[int]:
    """Which orders left, in order."""
    return [
        call.body["personalizations"][0]["dynamic_template_data"]["n"]
        for call in world.sendgrid.calls
    ]


async def states(world: World) -> list[str]:
    """Of all sends."""
    return [row.state for row in await world.sends()]


class FailingStore:
    """A disk that is gone."""

    async def write(self, _: object) -> None:
        """Nothing is."""
        raise OSError("disk")


async def turn(world: World) -> int:
    """One turn of the stage, and all that flies lands."""
    claimed = await world.deliver.deliver_batch()
    await world.deliver.land()
    return claimed


class TestDeliverBatch:
    async def test_a_send_leaves_and_is_accepted(self, world):
        """
        With what lets its events be matched, and nothing personal beyond ids.
        """
        await world.take(ordered(1))
        await world.delivered()

        (call,) = world.sendgrid.calls
        assert ("POST", "/v3/mail/send") == (call.method, call.path)
        args = call.body["personalizations"][0]["custom_args"]
        assert {
            "homing_send": (await world.send()).key,
            "homing_user": "u1",
            "homing_rule": "receipt",
            "homing_version": world.plans.version,
        } == args
        row = await world.send()
        assert ("accepted", "mid", NOON, None) == (
            row.state, row.message_id, row.accepted_at, row.lane,
        )  # fmt: skip

    async def test_the_intent_is_durable_before_the_call(self, world):
        """
        Promise P6: whoever sees a call finds its intent.
        """
        world.sendgrid.gate = asyncio.Event()
        await world.take(ordered(1))
        await world.deliver.deliver_batch()
        await asyncio.sleep(0)

        row = await world.send()
        assert ("in_flight", 1, NOON) == (row.state, row.attempt, row.in_flight_at)
        assert 1 == len(world.sendgrid.calls)
        world.sendgrid.gate.set()

    async def test_one_lane_leaves_in_order_and_lanes_side_by_side(self, world):
        """
        Promise P4.
        """
        world.sendgrid.gate = asyncio.Event()
        await world.take(ordered(1), ordered(2), ordered(3, "u2"), ordered(4))
        assert 2 == await world.deliver.deliver_batch()
        await asyncio.sleep(0)
        assert 0 == await world.deliver.deliver_batch()
        world.sendgrid.gate.set()
        await world.deliver.land()
        await world.delivered()

        assert [1, 3, 2, 4] == numbers(world)
        assert ["accepted"] * 4 == await states(world)

    async def test_no_more_fly_than_there_are_connections(self, world):
        """
        The rest waits its turn.
        """
        world.deliver.connections = 2
        world.sendgrid.gate = asyncio.Event()
        await world.take(*(ordered(n, f"u{n}") for n in range(5)))

        assert 2 == await world.deliver.deliver_batch()
        assert 0 == await world.deliver.deliver_batch()
        world.sendgrid.gate.set()
        await world.deliver.land()
        await world.delivered()
        assert ["accepted"] * 5 == await states(world)

    async def test_marketing_waits_while_ticks_are_late(self, world):
        """
        What they decide may cancel it; a receipt leaves meanwhile.
        """
        late = [TICKS_LATE_MS + 1]
        world.deliver.ticks_late_ms = lambda: late[0]
        await world.take(track("Digest Due", "u1"), ordered(1))
        await world.delivered()
        assert ["receipt"] == [row.rule for row in await world.sends() if row.state == "accepted"]

        late[0] = TICKS_LATE_MS
        await world.delivered()
        assert ["accepted"] * 2 == await states(world)

    async def test_in_capture_mode_nothing_leaves(self, world):
        """
        Every email counts as delivered, and none is missed.
        """
        world.deliver.capture = True
        await world.take(ordered(1))
        await world.delivered()

        row = await world.send()
        assert ("accepted", f"captured-{row.key}", None) == (
            row.state, row.message_id, row.silent_due,
        )  # fmt: skip
        assert [] == world.sendgrid.calls

    async def test_nothing_leaves_before_what_is_in_the_log_has_been_heard(self, world):
        """
        Promise P3.
        """
        await world.take(ordered(1))
        world.log.append("segment/web", track("Seen"), NOON)
        delivering = asyncio.ensure_future(world.deliver.deliver_batch())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [] == world.sendgrid.calls

        await world.evaluated()
        async with asyncio.timeout(5):
            assert 1 == await delivering

    async def test_an_outcome_that_cannot_be_recorded_ends_the_process(self, world):
        """
        Its intent stays open: the next start makes it unknown, never sent again blindly.
        """
        world.sendgrid.gate = asyncio.Event()
        await world.take(ordered(1))
        await world.deliver.deliver_batch()
        world.deliver.store = FailingStore()
        world.sendgrid.gate.set()
        await world.deliver.land()

        with pytest.raises(StageBroken):
            await world.deliver.deliver_batch()
        assert ["in_flight"] == await states(world)


class TestGate:
    async def test_it_is_asked_again_when_the_intent_is_written(self, world):
        """
        An opt-out, a bounce, time: whatever came since.
        """
        await world.take(ordered(1))
        world.clock.forward(4 * HOUR)
        await world.delivered()

        row = await world.send()
        assert ("expired", "deliver_within is over", None) == (row.state, row.reason, row.lane)
        assert [] == world.sendgrid.calls

    async def test_what_it_refuses_frees_the_lane(self, world):
        """
        At once, however many there are.
        """
        await world.take(*(ordered(n) for n in range(5)))
        world.clock.forward(4 * HOUR)
        await world.take(ordered(9))
        for _ in range(6):
            await turn(world)

        assert [*["expired"] * 5, "accepted"] == await states(world)

    async def test_an_email_no_longer_configured_is_skipped(self, world_of):
        """
        By name.
        """
        world = world_of(OLD)
        await world.take(track("Old"))
        world.configure("")
        await world.delivered()

        row = await world.send()
        assert ("skipped", "no [email.old] any more") == (row.state, row.reason)

    async def test_a_reload_in_mid_flight_does_not_strand_a_send(self, world_of):
        """
        It leaves as it was claimed.
        """
        world = world_of(OLD)
        await world.take(track("Old"))
        claiming = asyncio.ensure_future(world.deliver.deliver_batch())
        await asyncio.sleep(0)
        world.deliver.post = Post.of(plans_of())
        await claiming
        await world.deliver.land()

        assert (await world.send()).state in ("accepted", "skipped")


OLD = """
[email.old]
template = "d-00000000000000000000000000000009"
[route.old]
when = 'event = "Old"'
send = "old"
"""


class TestRejected:
    @pytest.mark.parametrize("status", [400, 413])
    async def test_it_is_dead_alone_with_the_apis_words(self, world, status):
        """
        The lane goes on.
        """
        world.sendgrid.answers.append(
            answer(status, {"errors": [{"message": "bad", "field": "content"}]})
        )
        await world.take(ordered(1), ordered(2))
        await world.delivered()

        first, second = await world.sends()
        assert ("rejected", f"HTTP {status}: bad (content)", None) == (
            first.state, first.reason, first.lane,
        )  # fmt: skip
        assert "accepted" == second.state

    async def test_an_email_that_cannot_be_composed_is_dead_alone(self, world):
        """
        In whatever way it fails, nothing has left.
        """
        await world.take(ordered(1), ordered(2))
        world.deliver.post = Post(world.plans, {})  # no letterhead: composing raises
        await turn(world)
        world.deliver.post = Post.of(world.plans)
        await world.delivered()

        first, second = await world.sends()
        assert ("rejected", "accepted") == (first.state, second.state)
        assert first.reason.startswith("KeyError")
        assert [2] == numbers(world)


class TestRetry:
    async def test_a_failure_is_tried_again_by_the_schedule(self, world):
        """
        After 1 s, 5 s, 30 s: each an attempt of its own.
        """
        world.sendgrid.answers.extend([answer(500)] * 3)
        await world.take(ordered(1))
        waits = []
        for _ in range(3):
            await turn(world)
            row = await world.send()
            waits.append(row.due_at - world.clock.now_ms())
            assert 0 == await turn(world)
            world.clock.forward(waits[-1])
        await turn(world)

        assert [SECOND, 5 * SECOND, 30 * SECOND] == waits
        row = await world.send()
        assert ("accepted", 4) == (row.state, row.attempt)
        attempts = await world.tx(lambda tx: tx.sends.attempts(row.id))
        assert [(1, "retry"), (2, "retry"), (3, "retry")] == [
            (one.number, one.outcome) for one in attempts
        ]

    async def test_a_retried_send_holds_its_lane(self, world):
        """
        Order through retries.
        """
        world.sendgrid.answers.append(answer(500))
        await world.take(ordered(1), ordered(2))
        await turn(world)
        assert 0 == await turn(world)

        world.clock.forward(2 * SECOND)
        await world.delivered()
        assert [1, 1, 2] == numbers(world)

    async def test_it_is_tried_until_its_time_is_over(self, world):
        """
        Then it is expired, by name.
        """
        world.sendgrid.usual = answer(500)
        await world.take(ordered(1))
        for _ in range(40):
            await turn(world)
            row = await world.send()
            if row.state == "expired":
                break
            world.clock.forward(max(SECOND, row.due_at - world.clock.now_ms()))

        assert "expired" == row.state
        assert 5 < len(world.sendgrid.calls) < 30

    async def test_429_waits_as_told_and_is_no_attempt(self, world):
        """
        The whole destination does.
        """
        world.sendgrid.answers.append(answer(429, Retry_After="7"))
        world.deliver.connections = 1
        await world.take(ordered(1), ordered(2, "u2"))
        await turn(world)
        row = (await world.sends())[0]
        assert ("retry", 0, NOON + 7 * SECOND) == (row.state, row.attempt, row.due_at)

        world.clock.forward(6 * SECOND)
        assert 0 == await turn(world)
        world.clock.forward(SECOND)
        await world.delivered()
        assert ["accepted", "accepted"] == await states(world)

    async def test_no_attempt_is_burned_while_nothing_can_be_reached(self, world):
        """
        A connection that never was says nothing of the send.
        """
        world.sendgrid.answers.append(NO_CONNECTION)
        await world.take(ordered(1))
        await turn(world)

        assert ("retry", 0) == ((await world.send()).state, (await world.send()).attempt)


class TestBreaker:
    async def outage(self, world: World, seconds: int) -> None:
        """SendGrid is away; the stage turns ten times a second."""
        world.sendgrid.usual = NO_CONNECTION
        for _ in range(seconds * 10):
            await turn(world)
            world.clock.forward(100)

    async def test_in_an_outage_only_probes_leave(self, world):
        """
        After 1 s, 2 s, 4 s … at most 30 s; nobody's attempts are burned.
        """
        await world.take(*(ordered(n, f"u{n}") for n in range(60)))
        await self.outage(world, 5)
        before = len(world.sendgrid.calls)
        await self.outage(world, 120)

        assert 3 <= len(world.sendgrid.calls) - before <= 8
        assert {0} == {row.attempt for row in await world.sends()}

    async def test_recovery_frees_the_whole_queue_at_once_ramping_up(self, world):
        """
        Whatever the retry schedule says.
        """
        await world.take(*(ordered(n, f"u{n}") for n in range(60)))
        await self.outage(world, 90)
        world.sendgrid.usual = ACCEPTED
        calls = len(world.sendgrid.calls)
        claimed = []
        for _ in range(310):
            claimed.append(await turn(world))
            world.clock.forward(100)

        assert ["accepted"] * 60 == await states(world)
        assert 60 == len(world.sendgrid.calls) - calls
        ramp = [n for n in claimed if n]
        assert [1, 1, 2, 4, 8] == ramp[:5]
        # within two seconds of the probe
        first = claimed.index(1)
        assert sum(claimed[first : first + 20]) == 60

    async def test_it_does_not_spin_meanwhile(self, world):
        """
        Every wait is one that a person would not notice in the load.
        """
        await world.take(*(ordered(n, f"u{n}") for n in range(9)))
        await self.outage(world, 3)
        await turn(world)

        assert 0 == await turn(world)
        assert world.deliver.idle_s() >= 0.2


class TestUnknown:
    async def test_it_holds_its_lane_until_it_is_resolved(self, world):
        """
        An answer that never came: sent again is never by accident.
        """
        world.sendgrid.answers.append(NO_ANSWER)
        await world.take(ordered(1), ordered(2), ordered(3, "u2"))
        await world.delivered()

        assert ["unknown", "reserved", "accepted"] == await states(world)
        assert 1 == (await world.books()).unknown["total"]

    @pytest.mark.parametrize("status", [502, 504])
    async def test_a_gateways_error_is_unknown(self, world, status):
        """
        Who is behind it may have taken the email.
        """
        world.sendgrid.answers.append(answer(status))
        await world.take(ordered(1))
        await world.delivered()

        assert ["unknown"] == await states(world)


class TestPause:
    async def test_a_refused_key_pauses_the_destination(self, world):
        """
        Within one answer; no attempt is burned, a person is told.
        """
        world.sendgrid.usual = UNAUTHORIZED
        await world.take(*(ordered(n, f"u{n}") for n in range(40)))
        await turn(world)
        calls = len(world.sendgrid.calls)
        for _ in range(9):
            await turn(world)
            world.clock.forward(100)

        assert calls == len(world.sendgrid.calls) == world.deliver.connections
        assert {0} == {row.attempt for row in await world.sends()}
        assert ("paused", "mail") in await world.alerts()
        assert "homing" == (await world.books()).pauses["mail"].by

    async def test_a_probe_that_gets_through_ends_it(self, world):
        """
        One at a time, ever later up to 30 s; then all leave, and the alert is cleared.
        """
        world.sendgrid.usual = UNAUTHORIZED
        await world.take(*(ordered(n, f"u{n}") for n in range(40)))
        await turn(world)
        probes = len(world.sendgrid.calls)
        for _ in range(600):
            assert await turn(world) <= 1
            world.clock.forward(100)
        assert 4 <= len(world.sendgrid.calls) - probes <= 6

        world.sendgrid.usual = ACCEPTED
        for _ in range(400):
            await turn(world)
            world.clock.forward(100)

        assert ["accepted"] * 40 == await states(world)
        assert {} == await world.alerts()
        assert {} == (await world.books()).pauses

    async def test_after_a_restart_one_probe_asks(self, store):
        """
        The pause is in the books, the breaker is new.
        """
        world = World.over(store)
        world.sendgrid.usual = UNAUTHORIZED
        await world.take(*(ordered(n, f"u{n}") for n in range(9)))
        await turn(world)
        again = World.over(store, clock=world.clock)
        again.sendgrid.usual = UNAUTHORIZED

        assert 1 == await turn(again)
        assert 0 == await turn(again)
        again.clock.forward(MINUTE)
        again.sendgrid.usual = ACCEPTED
        await turn(again)
        await again.delivered()
        assert ["accepted"] * 9 == await states(again)

    async def test_what_left_before_the_pause_does_not_end_it(self, world):
        """
        It was taken before the key was revoked.
        """
        world.sendgrid.gate = asyncio.Event()
        await world.take(ordered(1, "u1"), ordered(2, "u2"))
        world.sendgrid.answers.extend([UNAUTHORIZED, ACCEPTED])
        await world.deliver.deliver_batch()
        await asyncio.sleep(0)
        world.sendgrid.gate.set()
        await world.deliver.land()

        assert "mail" in (await world.books()).pauses

    async def test_a_persons_pause_is_ended_by_that_person_only(self, world):
        """
        Neither by what is in flight, nor by a refusal that comes back meanwhile.
        """
        world.sendgrid.gate = asyncio.Event()
        world.sendgrid.answers.extend([UNAUTHORIZED, ACCEPTED])
        await world.take(ordered(1, "u1"), ordered(2, "u2"), ordered(3, "u3"))
        world.deliver.connections = 2
        await world.deliver.deliver_batch()
        await world.tx(lambda tx: act.pause(tx, "mail", reason="holiday", now_ms=NOON - 1))
        world.sendgrid.gate.set()
        await world.deliver.land()
        for _ in range(100):
            assert 0 == await turn(world)
            world.clock.forward(SECOND)

        pause = (await world.books()).pauses["mail"]
        assert ("operator", "holiday") == (pause.by, pause.reason)
        assert world.deliver.idle_s() >= 0.2

        await world.tx(lambda tx: act.resume(tx, "mail", now_ms=world.clock.now_ms()))
        world.deliver.resumed()
        await world.delivered()
        assert ["accepted"] * 3 == await states(world)

    async def test_a_bad_sender_pauses_its_email_only(self, world_of):
        """
        Its sends step out of their lanes; others leave.
        """
        world = world_of(OLD)
        world.sendgrid.usual = of_template("9", BAD_SENDER)
        await world.take(track("Old"), track("Old", "u2"), track("Digest Due"), ordered(1))
        for _ in range(3):
            await turn(world)

        rows = {row.email: row for row in await world.sends()}
        assert ("retry", None, 0) == (rows["old"].state, rows["old"].lane, rows["old"].attempt)
        assert "accepted" == rows["digest"].state == rows["receipt"].state
        assert {("paused", "email/old")} == set(await world.alerts())
        assert {"email/old"} == set((await world.books()).pauses)

    async def test_one_of_its_sends_probes_now_and_then_and_frees_all(self, world_of):
        """
        As soon as the sender is verified.
        """
        world = world_of(OLD)
        world.sendgrid.usual = of_template("9", BAD_SENDER)
        await world.take(*(track("Old", f"u{n}") for n in range(9)))
        await turn(world)
        first = len(world.sendgrid.calls)
        for _ in range(60):
            await turn(world)
            world.clock.forward(SECOND)
        assert 3 <= len(world.sendgrid.calls) - first <= 8
        assert 1 == len((await world.books()).pauses)

        world.sendgrid.usual = ACCEPTED
        world.clock.forward(MINUTE)
        await turn(world)
        await world.delivered()

        assert ["accepted"] * 9 == await states(world)
        assert {} == (await world.books()).pauses
        assert {} == await world.alerts()


def of_template(last: str, refused: Answer):
    """Refuse one template, accept all others."""

    def usual(call: Call) -> Answer:
        return refused if call.body["template_id"].endswith(last) else ACCEPTED

    return usual


class TestLacking:
    async def test_without_a_key_sends_wait_and_it_is_said(self, world):
        """
        No call is made only to be refused, and the stage does not spin.
        """
        world.deliver.circuit.lacking = "`sendgrid.api_key` is not set"
        assert 0 == await turn(world)
        assert {} == await world.alerts()

        await world.take(ordered(1))
        for _ in range(5):
            assert 0 == await turn(world)
            assert world.deliver.idle_s() >= 0.2
        assert {("waiting", "mail"): 1} == await world.alerts()
        assert [] == world.sendgrid.calls
        assert ["reserved"] == await states(world)

    async def test_with_a_key_they_leave_and_the_alert_goes(self, store):
        """
        After a reload, or a restart.
        """
        world = World.over(store)
        world.deliver.circuit.lacking = "`sendgrid.api_key` is not set"
        await world.take(ordered(1))
        await turn(world)
        again = World.over(store)

        await again.delivered()

        assert ["accepted"] == await states(again)
        assert {} == await again.alerts()


class TestIdle:
    async def test_it_sleeps_until_the_next_is_due(self, world):
        """
        Not longer, not shorter.
        """
        world.sendgrid.answers.append(answer(500))
        await world.take(ordered(1))
        await turn(world)
        await turn(world)

        assert 1.0 == pytest.approx(world.deliver.idle_s(), abs=0.05)

    async def test_with_nothing_to_do_it_sleeps_long(self, world):
        """
        Whoever makes work wakes it.
        """
        await turn(world)

        assert 1.0 == world.deliver.idle_s()
