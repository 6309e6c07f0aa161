"""The settings of event webhooks: as SendGrid's OpenAPI file has them, and as they act."""

import json

import pytest
from sendgrid.helpers.eventwebhook import EventWebhook
from tests.support import openapi
from tests.support.sendgrid_mail import mail

from homing.emulators import SendGridEmulator
from homing.emulators.sendgrid.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER

SETTINGS = "/v3/user/webhooks/event/settings"
URL = "https://homing.example/sendgrid"
FLAGS = {"delivered": True, "bounce": True}
MAIL = mail()


async def made(call, sendgrid, url=URL, **flags):
    answer = await call(sendgrid, "POST", SETTINGS, {"url": url, "enabled": True, **flags})
    assert 201 == answer.status, await answer.text()
    return await answer.json()


class TestSettings:
    async def test_an_account_without_webhooks_shows_one_empty_object(self, sendgrid, call):
        """As the OpenAPI file's own example of "Zero Webhooks" has it."""
        answer = await call(sendgrid, "GET", f"{SETTINGS}/all")

        assert {"max_allowed": 5, "webhooks": [{}]} == await answer.json()

    async def test_what_is_made_has_the_flags_that_were_named(self, sendgrid, call):
        """A flag that nobody named is off; it is not signed yet."""
        webhook = await made(call, sendgrid, **FLAGS)

        assert (True, True, False) == tuple(webhook[k] for k in ("delivered", "bounce", "open"))
        assert "public_key" not in webhook

    async def test_a_change_leaves_what_it_does_not_name(self, sendgrid, call):
        """PATCH is no replacement."""
        webhook = await made(call, sendgrid, **FLAGS)

        answer = await call(
            sendgrid, "PATCH", f"{SETTINGS}/{webhook['id']}", {"url": URL, "open": True}
        )

        changed = await answer.json()
        assert (True, True, True) == tuple(changed[k] for k in ("delivered", "bounce", "open"))

    @pytest.mark.parametrize("url", ["ftp://x", "homing.example", None, 7])
    async def test_what_is_no_url_is_refused(self, sendgrid, call, url):
        """With the message of the file's example."""
        answer = await call(sendgrid, "POST", SETTINGS, {"url": url})

        assert 400 == answer.status
        assert f"'{url}' is not a valid url" == (await answer.json())["errors"][0]["message"]

    async def test_the_same_url_twice_and_one_too_many_are_refused(self, sendgrid, call):
        """Both in the words of the file's examples."""
        await made(call, sendgrid)
        twin = await call(sendgrid, "POST", SETTINGS, {"url": URL})
        sendgrid.setup.webhooks.max_allowed = 1
        other = await call(sendgrid, "POST", SETTINGS, {"url": URL + "/2"})

        assert (400, 400) == (twin.status, other.status)
        assert "already exists" in (await twin.json())["errors"][0]["message"]
        assert "maximum number" in (await other.json())["errors"][0]["message"]

    async def test_a_deleted_one_is_gone(self, sendgrid, call):
        """Nothing is found under its id."""
        webhook = await made(call, sendgrid)
        path = f"{SETTINGS}/{webhook['id']}"

        deleted = await call(sendgrid, "DELETE", path)
        after = [await call(sendgrid, method, path) for method in ("GET", "DELETE")]

        assert 204 == deleted.status
        assert [404, 404] == [answer.status for answer in after]

    @pytest.mark.parametrize(
        ("method", "path", "scope"),
        [("GET", "/all", "read"), ("POST", "", "create"), ("PATCH", "/x", "update")],
    )
    async def test_each_needs_its_scope(self, sendgrid, call, method, path, scope):
        """403 without."""
        sendgrid.scopes.discard(f"user.webhooks.event.settings.{scope}")

        answer = await call(sendgrid, method, SETTINGS + path, {"url": URL})

        assert 403 == answer.status


class TestSigning:
    async def test_the_key_is_made_when_it_is_switched_on_and_gone_when_off(self, sendgrid, call):
        """Switched on again, there is another key; switched on twice, the same."""
        webhook = await made(call, sendgrid)
        path = f"{SETTINGS}/signed/{webhook['id']}"
        keys = [
            (await (await call(sendgrid, "PATCH", path, {"enabled": on})).json())["public_key"]
            for on in (True, True, False, True)
        ]

        shown = await (await call(sendgrid, "GET", f"{SETTINGS}/all")).json()

        assert keys[0] == keys[1] != keys[3]
        assert "" == keys[2]
        assert keys[3] == shown["webhooks"][0]["public_key"]


class TestPosting:
    async def test_events_go_where_the_settings_say(self, receiver, sendgrid, call):
        """A webhook made by the API is posted to, signed with its key, only what it wants."""
        webhook = await made(call, sendgrid, receiver.url, delivered=True)
        path = f"{SETTINGS}/signed/{webhook['id']}"
        key = (await (await call(sendgrid, "PATCH", path, {"enabled": True})).json())["public_key"]

        await call(sendgrid, "POST", "/v3/mail/send", MAIL)
        await sendgrid.settle()

        (body,), (request,) = receiver.bodies, receiver.requests
        assert ["delivered"] == [event["event"] for event in json.loads(body)]
        verifier = EventWebhook(key)
        assert verifier.verify_signature(
            body.decode(), request.headers[SIGNATURE_HEADER], request.headers[TIMESTAMP_HEADER]
        )

    async def test_one_that_is_switched_off_gets_nothing(self, receiver, hooked, call):
        """What happens is kept all the same."""
        (webhook,) = hooked.setup.webhooks
        off = {"url": receiver.url, "enabled": False}
        await call(hooked, "PATCH", f"{SETTINGS}/{webhook.id}", off)

        await call(hooked, "POST", "/v3/mail/send", MAIL)
        await hooked.settle()

        assert [] == receiver.bodies
        assert ["processed", "delivered"] == [event["event"] for event in hooked.events]

    async def test_the_url_of_the_emulator_is_a_webhook(self, receiver, hooked, call):
        """What a test sets shows in the settings, with the emulator's key."""
        shown = await (await call(hooked, "GET", f"{SETTINGS}/all")).json()

        (webhook,) = shown["webhooks"]
        assert (receiver.url, hooked.public_key) == (webhook["url"], webhook["public_key"])
        assert webhook["enabled"]

    async def test_the_url_of_the_emulator_can_be_taken_away_and_set_again(self, receiver):
        """None is no webhook."""
        async with SendGridEmulator(webhook_url=receiver.url) as sendgrid:
            sendgrid.webhook_url = None
            assert (None, 0) == (sendgrid.webhook_url, len(sendgrid.setup.webhooks))
            sendgrid.webhook_url = receiver.url
            assert receiver.url == sendgrid.webhook_url


class TestTest:
    async def test_the_sample_is_eleven_signed_events(self, receiver, hooked, call):
        """One of each type, of example@test.com, with the webhook's signature."""
        (webhook,) = hooked.setup.webhooks
        answer = await call(
            hooked, "POST", "/v3/user/webhooks/event/test", {"id": webhook.id, "url": receiver.url}
        )

        (body,), (request,) = receiver.bodies, receiver.requests
        events = json.loads(body)
        assert 204 == answer.status
        assert (11, 11) == (len(events), len({event["event"] for event in events}))
        assert {"example@test.com"} == {event["email"] for event in events}
        assert EventWebhook(hooked.public_key).verify_signature(
            body.decode(), request.headers[SIGNATURE_HEADER], request.headers[TIMESTAMP_HEADER]
        )

    async def test_a_refusal_is_not_told(self, receiver, hooked, call):
        """204 says that it was posted, and no more; it is not tried again."""
        receiver.answers = [401]

        answer = await call(hooked, "POST", "/v3/user/webhooks/event/test", {"url": receiver.url})

        assert (204, 1) == (answer.status, len(receiver.bodies))


@pytest.mark.skipif(not openapi.available(), reason=f"needs ${openapi.VARIABLE}")
class TestContract:
    async def test_requests_and_answers_are_the_specifications(self, sendgrid, call):
        """The whole life of a webhook, judged by the OpenAPI file."""
        body = {"url": URL, "enabled": True, **dict.fromkeys(FLAGS, True), "friendly_name": "n"}
        webhook = await (await call(sendgrid, "POST", SETTINGS, body)).json()
        one = f"{SETTINGS}/{webhook['id']}"
        await call(sendgrid, "PATCH", f"{SETTINGS}/signed/{webhook['id']}", {"enabled": True})
        for path in ("/all", "/all?include=account_status_change", f"/signed/{webhook['id']}"):
            await call(sendgrid, "GET", SETTINGS + path)
        await call(sendgrid, "PATCH", one, {"url": URL, "open": True})
        await call(sendgrid, "GET", one)
        await call(sendgrid, "GET", f"{SETTINGS}/nothing")
        await call(sendgrid, "DELETE", one)

        assert 9 == len(sendgrid.requests)
        openapi.assert_exchanges_valid(sendgrid.requests)
