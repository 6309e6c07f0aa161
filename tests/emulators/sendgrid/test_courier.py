"""The way of events to the webhook: posts, signatures, retries, faults."""

import asyncio
import json

import pytest
from sendgrid.helpers.eventwebhook import EventWebhook, EventWebhookHeader
from tests.support.sendgrid_mail import mail

from homing.emulators import Faults, Pace, SendGridEmulator, SendGridSettings
from homing.emulators.faults import FaultPlan

FAST = Pace(batch_after_s=0.01, retry_first_s=0.01, delay_s=0.02)


def emulator(receiver, pace=FAST, **shares):
    faults = Faults(
        webhook=FaultPlan("webhook", {k.replace("_", "-"): v for k, v in shares.items()})
    )
    settings = SendGridSettings(pace=pace)
    return SendGridEmulator(webhook_url=receiver.url, faults=faults, settings=settings)


def arrived(receiver):
    return [event for body in receiver.bodies for event in json.loads(body)]


def ids(events):
    return [event["sg_event_id"] for event in events]


class TestPosts:
    async def test_posts_are_sendgrids(self, receiver, call):
        """Headers, bytes and signature, as the vendor's package wants them."""
        async with emulator(receiver) as sendgrid:
            await call(sendgrid, "POST", "/v3/mail/send", mail(custom_args={"homing_send": "é<1>"}))
            await sendgrid.settle()

            body, request = receiver.bodies[0], receiver.requests[0]
            webhook = EventWebhook(sendgrid.public_key)
        assert "SendGrid Event API" == request.headers["User-Agent"]
        assert "application/json;charset=utf-8" == request.headers["Content-Type"]
        assert "gzip" == request.headers["Accept-Encoding"]
        assert body.endswith(b"]\r\n")
        assert b"<" not in body
        assert webhook.verify_signature(
            body.decode(),
            request.headers[EventWebhookHeader.SIGNATURE],
            request.headers[EventWebhookHeader.TIMESTAMP],
        )
        assert {"é<1>"} == {event["homing_send"] for event in arrived(receiver)}

    async def test_events_are_gathered_by_time(self, receiver, call):
        """What happens within the window is one post."""
        async with emulator(receiver, Pace(batch_after_s=0.5, delivered_after_s=0)) as sendgrid:
            for _ in range(3):
                await call(sendgrid, "POST", "/v3/mail/send", mail())
            await sendgrid.settle()

        assert [6] == [len(json.loads(body)) for body in receiver.bodies]

    async def test_events_are_gathered_by_size(self, receiver, call):
        """A full post does not wait for the window's end."""
        pace = Pace(batch_after_s=3600, batch_bytes=1, delivered_after_s=0)
        async with emulator(receiver, pace) as sendgrid:
            await call(sendgrid, "POST", "/v3/mail/send", mail())
            await sendgrid.settle()

        assert [1, 1] == [len(json.loads(body)) for body in receiver.bodies]

    async def test_events_wait_until_told(self, receiver, call):
        """``post_now`` ends the window."""
        async with emulator(receiver, Pace(batch_after_s=3600)) as sendgrid:
            await call(sendgrid, "POST", "/v3/mail/send", mail())
            await sendgrid.until(lambda: len(sendgrid.events) == 2)

            sendgrid.post_now()

            await sendgrid.settle()
        assert 2 == len(arrived(receiver))


class TestRetries:
    @pytest.mark.parametrize("status", [301, 400, 401, 404, 429, 500, 503])
    async def test_anything_but_2xx_is_tried_again(self, receiver, call, status):
        """The same bytes come again, also after a 4xx or a redirect."""
        receiver.answers = [status, status]
        async with emulator(receiver) as sendgrid:
            await call(sendgrid, "POST", "/v3/mail/send", mail("invalid@example.com"))
            await sendgrid.settle()

            assert [status, status, 200] == [post.status for post in sendgrid.posts]
            assert [0, 1, 2] == [post.attempt for post in sendgrid.posts]
        assert 3 == len(receiver.bodies)
        assert 1 == len(set(receiver.bodies))

    async def test_a_204_is_success(self, receiver, call):
        """Any 2xx will do."""
        receiver.answers = [204]
        async with emulator(receiver) as sendgrid:
            await call(sendgrid, "POST", "/v3/mail/send", mail("invalid@example.com"))
            await sendgrid.settle()

        assert 1 == len(receiver.bodies)

    async def test_waits_grow(self, receiver, call):
        """Each wait is twice the one before: four take fifteen times the first."""
        receiver.answers = [500] * 4
        loop = asyncio.get_running_loop()
        async with emulator(receiver) as sendgrid:
            await call(sendgrid, "POST", "/v3/mail/send", mail("invalid@example.com"))
            started = loop.time()
            await sendgrid.settle()

        assert 5 == len(receiver.bodies)
        assert loop.time() - started >= 15 * FAST.retry_first_s

    async def test_an_event_is_lost_after_the_window(self, receiver, call):
        """A webhook that stays broken loses events, and they are counted."""
        receiver.answers = [500] * 100
        async with emulator(receiver, Pace(retry_first_s=0.01, retry_for_s=0.05)) as sendgrid:
            await call(sendgrid, "POST", "/v3/mail/send", mail("invalid@example.com"))
            await sendgrid.settle()

            assert 1 == sendgrid.events_lost
        assert 2 <= len(receiver.bodies) <= 4

    async def test_nobody_listening_is_tried_again(self, receiver, call, unused_tcp_port):
        """A refused connection is as good as a 500."""
        url = f"http://127.0.0.1:{unused_tcp_port}/sendgrid"
        async with SendGridEmulator(
            webhook_url=url, settings=SendGridSettings(pace=FAST)
        ) as sendgrid:
            await call(sendgrid, "POST", "/v3/mail/send", mail("invalid@example.com"))
            await sendgrid.until(lambda: len(sendgrid.posts) >= 2)

            assert {None} == {post.status for post in sendgrid.posts}

    @pytest.mark.parametrize("anew", [False, True])
    async def test_a_retry_is_signed_as_set(self, receiver, call, ticking, anew):
        """Which SendGrid does is not documented, so either can be had."""
        receiver.answers = [500]
        settings = SendGridSettings(pace=FAST, retry_is_signed_anew=anew, clock=ticking)
        async with SendGridEmulator(webhook_url=receiver.url, settings=settings) as sendgrid:
            await call(sendgrid, "POST", "/v3/mail/send", mail("invalid@example.com"))
            await sendgrid.settle()

        stamps = {request.headers[EventWebhookHeader.TIMESTAMP] for request in receiver.requests}
        assert (2 if anew else 1) == len(stamps)


class TestFaults:
    async def test_a_duplicate_comes_in_a_later_post(self, receiver, call):
        """The same event, with the same id."""
        async with emulator(receiver, duplicate=1.0) as sendgrid:
            await call(sendgrid, "POST", "/v3/mail/send", mail("invalid@example.com"))
            await sendgrid.settle()

            assert 1 == len(sendgrid.events)
        assert 2 == len(receiver.bodies)
        assert 1 == len(set(ids(arrived(receiver))))

    async def test_a_redelivery_may_have_another_id(self, receiver, call):
        """Everything but ``sg_event_id`` is the same, as has been seen."""
        async with emulator(receiver, new_id=1.0) as sendgrid:
            await call(sendgrid, "POST", "/v3/mail/send", mail("invalid@example.com"))
            await sendgrid.settle()

        first, second = arrived(receiver)
        assert first != second
        assert first == second | {"sg_event_id": first["sg_event_id"]}

    async def test_a_dropped_event_is_counted(self, receiver, call):
        """It never comes."""
        async with emulator(receiver, drop=1.0) as sendgrid:
            await call(sendgrid, "POST", "/v3/mail/send", mail())
            await sendgrid.settle()

            assert 2 == sendgrid.events_lost
            assert 2 == len(sendgrid.events)
        assert [] == receiver.bodies

    @pytest.mark.parametrize("fault", ["shuffle", "delay"])
    async def test_order_is_lost_events_are_not(self, receiver, call, fault):
        """Every event arrives once, in another order than it happened."""
        async with emulator(receiver, **{fault: 1.0}) as sendgrid:
            for number in range(20):
                await call(sendgrid, "POST", "/v3/mail/send", mail(f"a{number}@example.com"))
            await sendgrid.settle()

            happened = ids(sendgrid.events)
        came = ids(arrived(receiver))
        assert sorted(happened) == sorted(came)
        assert happened != came

    async def test_faults_can_be_scripted(self, receiver, call):
        """One step an event."""
        async with emulator(receiver) as sendgrid:
            sendgrid.webhook_faults.script(["drop", "duplicate"])
            await call(sendgrid, "POST", "/v3/mail/send", mail())
            await sendgrid.settle()

        assert ["delivered", "delivered"] == [event["event"] for event in arrived(receiver)]
