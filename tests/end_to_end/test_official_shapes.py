"""A mixed run, judged by the vendors' own words: OpenAPI files, libraries, helpers."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from segment.analytics import Client
from sendgrid.helpers.eventwebhook import EventWebhook
from tests.support import openapi
from tests.support.service import World, world
from tests.support.stories import happened, identified, take

EXTRA = """
[email.own]
subject = "Hello {{name}}"
html_file = "own.html"
text_file = "own.txt"
class = "transactional"
cc = ["Archive <archive@acme.example>"]
bcc = ["audit@acme.example"]
reply_to = "Acme Care <care@acme.example>"
headers = { X-Shop = "acme" }
custom_args = { shop = "acme" }
categories = ["own", "second"]
tracking = { opens = false, clicks = true }
data = { name = "$.profile.name" }

[route.own]
when = 'event = "Own Due"'
send = "own"
track = { event = "Own Sent", properties = { price = "$.properties.price", n = 1 } }
identify = { traits = { last_own = "$.timestamp" } }

[route.joined]
when = 'event = "Newsletter Joined"'
unsuppress = "newsletter"

[route.left-all]
when = 'event = "Left All"'
suppress = "global"

[writeback]
events = ["processed", "deferred", "delivered", "open", "click", "bounce", "dropped", "spamreport",
          "unsubscribe", "group_unsubscribe", "group_resubscribe"]
"""
FATES = (
    "plain", "o'brien+tag", "bounce1", "blocked1", "latebounce1", "deferred1", "expired1",
    "invalid1", "open1", "machine1", "click1", "spam1", "unsubscribe1", "silent1",
)  # fmt: skip
NAMES = (
    "Ada Lovelace",
    "Łukasz 🦉",
    "<script>alert(1)</script>",
    '"; DROP TABLE send; --',
    "x" * 900,
)


async def mix(w: World) -> None:
    """Every kind of email and opt-out to every fate, with names that hurt."""
    for number, user in enumerate(FATES):
        await take(
            w, identified(user, email=f"{user}@example.com", name=NAMES[number % len(NAMES)])
        )
        deep = {"price": "$55.34", "tags": ["a", {"b": [1, None, 2.5]}], "total": 3, "n": number}
        for name in ("Own Due", "Digest Due", "Order Completed", "Notice Due"):
            await take(w, happened(name, user, **deep))
    await w.at_rest()
    for user in ("plain", "o'brien+tag"):
        await take(w, happened("Newsletter Left", user))
        await take(w, happened("Newsletter Joined", user, at_s=5))
        await take(w, happened("Left All", user))
        await take(w, happened("Order Completed", user, total=1))
        await take(w, identified(user, email_opt_out=False, at_s=9))
    await w.at_rest()
    (digest,) = (m for m in w.sendgrid.accepted.to("open1@example.com") if m.group_id)
    w.sendgrid.recipients.unsubscribe(digest)
    await w.at_rest()
    w.sendgrid.recipients.resubscribe(digest)
    await w.at_rest()


@pytest.fixture
async def w(tmp_path: Path) -> AsyncIterator[World]:
    """A world in which everything has happened."""
    (tmp_path / "own.html").write_text(
        "<p>Hello {{name}}: <a href='https://acme.example'>see</a></p>"
    )
    (tmp_path / "own.txt").write_text("Hello {{{name}}}")
    async with world(tmp_path, processes=1, extra=EXTRA) as place:
        await mix(place)
        yield place


def messages(w: World) -> Iterator[dict[str, Any]]:
    """Every message as it was sent to Segment, batch by batch."""
    for request in w.segment.requests.to("/v1/batch"):
        yield from json.loads(request.body)["batch"]


def rebuilt(client: Client, message: dict[str, Any]) -> dict[str, Any]:
    """The message as Segment's own library makes it of the same fields."""
    fields = {
        "user_id": message.get("userId"),
        "anonymous_id": None if message.get("userId") else message.get("anonymousId"),
        "context": {k: v for k, v in message["context"].items() if k != "library"},
        "timestamp": datetime.fromisoformat(message["timestamp"]),
        "integrations": message["integrations"],
        "message_id": message["messageId"],
    }
    if message["type"] == "track":
        taken = client.track(event=message["event"], properties=message["properties"], **fields)
    else:
        taken = client.identify(traits=message["traits"], **fields)
    made: dict[str, Any] = json.loads(json.dumps(taken[1], default=str))
    return made


class TestOfficialShapes:
    async def test_a_mixed_run_is_what_both_vendors_document(self, w: World) -> None:
        """Requests by SendGrid's OpenAPI, messages by Segment's library, posts by its helper."""
        paths = {request.path.partition("?")[0] for request in w.sendgrid.requests}
        assert {
            "/v3/mail/send", "/v3/asm/suppressions/global", "/v3/asm/groups/12345/suppressions"
        } < paths  # fmt: skip
        assert {202} == {r.status for r in w.sendgrid.requests.to("/v3/mail/send")}
        if openapi.available():
            openapi.assert_exchanges_valid(w.sendgrid.requests)

        sent = list(messages(w))
        client = Client("unused", send=False)
        for message in sent:
            made = rebuilt(client, message)
            for one in (made, message):
                one["timestamp"] = datetime.fromisoformat(one["timestamp"])
            assert made == message
        assert {"track", "identify"} == {message["type"] for message in sent}
        assert all(len(message["messageId"]) <= 100 for message in sent)
        assert [] == list(w.segment.discarded)
        assert len(sent) == len({message["messageId"] for message in sent})

        judge = EventWebhook()
        key = judge.convert_public_key_to_ecdsa(w.sendgrid.public_key)
        assert len(w.sendgrid.posts) > 3
        for post in w.sendgrid.posts:
            stamp = post.headers["X-Twilio-Email-Event-Webhook-Timestamp"]
            signature = post.headers["X-Twilio-Email-Event-Webhook-Signature"]
            assert judge.verify_signature(post.body.decode(), signature, stamp, key)
            assert 200 == post.status
        assert {event["event"] for event in w.sendgrid.events} >= {
            "processed", "delivered", "deferred", "bounce", "dropped", "open", "click",
            "spamreport", "unsubscribe", "group_unsubscribe", "group_resubscribe",
        }  # fmt: skip
        assert 0 == w.books().events["quarantined"]
