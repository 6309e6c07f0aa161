"""Sending to a webhook: retries, losses, faults, audience calls."""

import json

import pytest

from homing.emulators import (
    AudienceRefused,
    Destination,
    Faults,
    Product,
    SegmentWebhookSender,
    SenderPace,
)
from homing.emulators.faults import FaultPlan

FAST = SenderPace(batch_after_s=0.01, retry_first_s=0.01, delay_s=0.02)


def event(number=1):
    return {"type": "track", "event": "E", "userId": "u", "messageId": f"m{number}"}


def sender(receiver, pace=FAST, product=Product.ACTIONS, **shares):
    faults = Faults(
        webhook=FaultPlan("webhook", {k.replace("_", "-"): v for k, v in shares.items()})
    )
    return SegmentWebhookSender(
        receiver.url, Destination(product, "secret", "token"), faults=faults, pace=pace
    )


def ids(receiver):
    bodies = [json.loads(body) for body in receiver.bodies]
    return [e["messageId"] for b in bodies for e in (b if isinstance(b, list) else [b])]


class TestDeliver:
    async def test_the_answer_is_returned(self, receiver):
        """With the status, after one attempt."""
        async with sender(receiver) as segment:
            post = await segment.deliver(event())

            assert (200, 0, 1) == (post.status, post.attempt, segment.delivered)
        assert event() == json.loads(receiver.bodies[0])
        assert "Bearer token" == receiver.requests[0].headers["Authorization"]

    @pytest.mark.parametrize("status", [408, 423, 429, 500, 502, 503, 504, 505])
    async def test_some_answers_are_tried_again(self, receiver, status):
        """Also no answer; the same bytes come again."""
        receiver.answers = [status, status]
        async with sender(receiver) as segment:
            post = await segment.deliver(event())

            assert (200, 2) == (post.status, post.attempt)
        assert 1 == len(set(receiver.bodies))

    @pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422, 501])
    async def test_others_lose_the_event(self, receiver, status):
        """A 4xx is final, and so is 501."""
        receiver.answers = [status] * 3
        async with sender(receiver) as segment:
            await segment.deliver(event(1), event(2))

            assert (0, 2, 0) == (segment.delivered, segment.refused, segment.lost)
        assert 1 == len(receiver.bodies)

    async def test_the_window_ends(self, receiver):
        """After it the event is lost to the receiver."""
        receiver.answers = [500] * 100
        pace = SenderPace(retry_first_s=0.01, retry_for_s=0.04)
        async with sender(receiver, pace) as segment:
            await segment.deliver(event())

            assert (0, 1) == (segment.delivered, segment.lost)

    async def test_several_events_are_a_batch(self, receiver):
        """One request with an array."""
        async with sender(receiver, product=Product.EXTENSIBLE) as segment:
            await segment.deliver(event(1), event(2))

        assert [{"json": event(1)}, {"json": event(2)}] == json.loads(receiver.bodies[0])


class TestSend:
    async def test_without_batching_each_event_is_a_request(self, receiver):
        """The default of the products' code."""
        async with sender(receiver) as segment:
            for number in range(3):
                segment.send(event(number))
            await segment.settle()

        assert 3 == len(receiver.bodies)
        assert ["m0", "m1", "m2"] == sorted(ids(receiver))

    async def test_batches_are_filled(self, receiver):
        """By number, then by time."""
        pace = SenderPace(batch_size=2, batch_after_s=0.01)
        async with sender(receiver, pace) as segment:
            for number in range(3):
                segment.send(event(number))
            await segment.settle()

            assert 3 == segment.delivered
        assert [2, 1] == [len(json.loads(body)) for body in receiver.bodies]

    async def test_faults_befall_events(self, receiver):
        """Duplicated with the same id, repeated with another, dropped."""
        async with sender(receiver) as segment:
            segment.webhook_faults.script(["duplicate", "new-id", "drop"])
            for number in range(3):
                segment.send(event(number))
            await segment.settle()

            assert (3, 4, 1) == (segment.sent, segment.delivered, segment.lost)
        came = ids(receiver)
        assert 2 == came.count("m0")
        assert 1 == came.count("m1")
        assert "m2" not in came
        assert 1 == sum(one.startswith("api-") for one in came)

    async def test_order_can_be_lost(self, receiver):
        """Every event comes once, in another order."""
        async with sender(receiver, shuffle=1.0) as segment:
            for number in range(20):
                segment.send(event(number))
            await segment.settle()

        assert sorted(ids(receiver)) == sorted(f"m{n}" for n in range(20))
        assert ids(receiver) != [f"m{n}" for n in range(20)]


class TestAudience:
    async def test_an_audience_has_an_id(self, receiver):
        """Asked by name, then by id."""
        async with sender(receiver, product=Product.AUDIENCES) as segment:
            assert "list-1" == await segment.create_audience(receiver.url, "VIP")
            assert "list-1" == await segment.get_audience(receiver.url, "list-1")

        assert [{"audienceName": "VIP"}, {"externalId": "list-1"}] == [
            json.loads(body) for body in receiver.bodies
        ]

    async def test_anything_else_fails_the_audience(self, receiver):
        """As Segment does with an answer that is no 200."""
        receiver.answers = [404]
        async with sender(receiver) as segment:
            with pytest.raises(AudienceRefused, match="404"):
                await segment.create_audience(receiver.url, "VIP")
