"""The story of an order: an event in, an email out, what became of it home."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.support.service import SECRET, TOKEN, World, track, world

from homing.emulators import Destination, Product, SegmentWebhookSender

ORDERS = 200
TEMPLATE = "d-00000000000000000000000000000001"
# what SendGrid tells of mail that is delivered and opened, and what of it goes home by default
HAPPENS = {"processed", "delivered", "open"}
HOME = {"Email Delivered", "Email Opened"}


def order(number: int) -> dict[str, object]:
    """A customer's order; the address says that its mail will be opened."""
    fields = {"total": number + 0.5, "order_id": f"o{number}", "items": [{"sku": f"s{number}"}]}
    event = track(number, "Order Completed", fields, user=f"u{number}")
    return {**event, "context": {"traits": {"email": f"open+{number}@Example.com"}}}


def assert_mail_is_right(w: World) -> None:
    """Each order is one mail: template, data, address, sender, custom arguments."""
    mails = {mail.to: mail for mail in w.sendgrid.accepted}
    assert ORDERS == len(w.sendgrid.accepted) == len(mails)
    keys = {row.user: row for row in w.sends()}
    for number in range(ORDERS):
        mail = mails[f"open+{number}@Example.com"]
        row = keys[f"u{number}"]
        assert TEMPLATE == mail.template_id
        assert order(number)["properties"] == {
            name: mail.template_data[name] for name in ("total", "order_id", "items")
        }
        assert ("hello@acme.example", "Acme") == (mail.sender.email, mail.sender.name)
        assert {
            "homing_send": row.key, "homing_user": f"u{number}", "homing_rule": row.rule,
            "homing_version": row.version,
        } == mail.custom_args  # fmt: skip
        assert "order-confirmation" == row.rule
        assert mail.message_id == row.message_id


def assert_home_is_right(w: World) -> None:
    """What happened to each mail is in Segment once, under its person, with what it belongs to."""
    keys = {row.user: row.key for row in w.sends()}
    home: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    for message in w.segment.received:
        home[message["userId"]].append(message)
    assert keys.keys() == home.keys()
    for user, messages in home.items():
        assert HOME == {message["event"] for message in messages}
        assert len(HOME) == len(messages)
        for message in messages:
            properties, context = message["properties"], message["context"]
            assert keys[user] == properties["send_id"]
            assert (TEMPLATE, "order-confirmation", f"m-{user[1:]}", "send") == (
                properties["template_id"], properties["route"], properties["triggered_by"],
                properties["correlation"],
            )  # fmt: skip
            assert f"open+{user[1:]}@example.com" == context["traits"]["email"]
            assert {"name": "Homing"} == context["integration"]
            assert message["messageId"].startswith("homing-")
    assert not w.segment.discarded


class TestOrders:
    async def test_each_order_is_one_right_email_and_its_events_come_home(
        self, tmp_path: Path
    ) -> None:
        """200 orders in, 200 right emails out, all events home; everything twice adds nothing."""
        async with world(tmp_path) as w:
            for _ in range(2):
                await asyncio.gather(*(w.sender.deliver(order(n)) for n in range(ORDERS)))
            await w.until(lambda: w.states()["accepted"] == ORDERS, 60)
            await w.at_rest(60)
            # SendGrid, too, posts everything again
            for post in list(w.sendgrid.posts):
                assert 200 == await w.engage(post.body)
            await w.evaluated(timeout_s=60)
            await w.at_rest(60)

            assert_mail_is_right(w)
            assert_home_is_right(w)
            happened = Counter(event["event"] for event in w.sendgrid.events)
            assert dict.fromkeys(HAPPENS, ORDERS) == happened
            events = w.tables()["events"]
            told = sum(happened.values())
            assert (ORDERS + told, ORDERS + told) == (events["received"], events["duplicates"])
            assert {"accepted": ORDERS} == w.states()
            assert {"opened"} == {row.mail for row in w.sends()}


def destinations() -> Iterator[Destination]:
    for product in Product:
        for method in sorted(product.methods):
            for whole in (False, True):
                yield Destination(product, SECRET, TOKEN, method=method, signs_whole_batch=whole)


class TestProducts:
    async def test_each_product_method_and_batch_is_taken(self, tmp_path: Path) -> None:
        """All four products, POST, PUT, PATCH, alone and in batches: each event is one email."""
        numbers = iter(range(10_000))
        async with world(tmp_path, processes=1) as w:
            sent = 0
            for destination in destinations():
                async with SegmentWebhookSender(f"{w.service.url}/segment", destination) as sender:
                    for size in (1, 7):
                        events = [order(next(numbers)) for _ in range(size)]
                        post = await sender.deliver(*events, batch=size > 1)
                        assert 200 == post.status, destination
                        sent += size
                    batch_of_one = await sender.deliver(order(next(numbers)), batch=True)
                    assert 200 == batch_of_one.status, destination
                    sent += 1
            await w.until(lambda: w.states()["accepted"] == sent, 60)
            await w.at_rest(60)

            assert {f"open+{n}@Example.com" for n in range(sent)} == {
                mail.to for mail in w.sendgrid.accepted
            }
            assert sent == len(w.sendgrid.accepted)
