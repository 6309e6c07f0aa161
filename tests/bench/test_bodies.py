"""Tests of homing.bench.bodies."""

from __future__ import annotations

import time

import orjson
import pytest
from cryptography.hazmat.primitives.asymmetric import ec

from homing.bench.bodies import (
    BATCH,
    SECRET,
    Kind,
    body_of,
    requests,
    tag_of,
    user_of_send,
)
from homing.core.effects import send_key
from homing.core.events import event_time_ms, unusable_reason
from homing.core.sendgrid import fingerprint, parse_event
from homing.core.verify import SendGridVerifier, Signed, verify_segment
from homing.emulators.sendgrid.signing import Signer

KEY = ec.generate_private_key(ec.SECP256R1())


def one_request(kind: Kind) -> tuple[dict[str, str], bytes]:
    """The headers and the body of one request."""
    (request,) = requests(kind, range(1), people=10, sends=5, key=KEY)
    head, _, body = request.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")[1:]
    return dict(line.split(": ", 1) for line in lines), body


class TestBodyOf:
    def test_the_mix_is_usable_events_of_about_1_kb(self) -> None:
        """What the notes of the figures say of them."""
        raw = [body_of(Kind.MIX, number, people=1_000) for number in range(200)]
        events = [orjson.loads(body) for body in raw]

        assert all(700 < len(body) < 1_400 for body in raw)
        assert [None] * 200 == [unusable_reason(event) for event in events]
        assert 20 == sum(event.get("event") == "Order Completed" for event in events)
        assert 20 == sum(event["type"] == "identify" for event in events)

    def test_ids_are_random_and_times_are_now(self) -> None:
        """Two runs over one store never send the same event twice."""
        first, second = (orjson.loads(body_of(Kind.MIX, 7, people=10)) for _ in range(2))

        assert first["messageId"] != second["messageId"]
        assert abs(event_time_ms(first, 0) - time.time_ns() / 1e6) < 60_000

    def test_orders_are_orders_alone_and_carry_their_number(self) -> None:
        """By which the sink tells when the email of each came."""
        order = orjson.loads(body_of(Kind.ORDERS, 41, people=10))

        assert ("Order Completed", "m41") == (order["event"], order["properties"]["order_id"])

    def test_a_batch_is_an_array_of_events(self) -> None:
        """All of them different."""
        events = orjson.loads(body_of(Kind.BATCH, 3, people=10))

        assert BATCH == len(events) == len({event["messageId"] for event in events})

    def test_engagement_is_of_sends_as_the_stock_has_them(self) -> None:
        """Every event finds its send by id, and none is taken for another's redelivery."""
        sends = 50
        events = orjson.loads(body_of(Kind.ENGAGEMENT, 1, people=10, sends=sends))
        parsed = [parse_event(event, 0) for event in events]

        assert [send_key(26, tag_of(26))] * 4 == [e.homing["homing_send"] for e in parsed[:4]]
        assert f"u{user_of_send(26, 10):07d}@shop.example" == parsed[0].email
        assert ["processed", "delivered", "open", "click"] == [e.type for e in parsed[:4]]
        assert BATCH == len({fingerprint(event) for event in parsed})


class TestTagOf:
    def test_a_tag_has_40_bits(self) -> None:
        """As the random ones have; and sends differ in it."""
        tags = {tag_of(send) for send in range(1, 5_000)}

        assert all(0 <= tag < 1 << 40 for tag in tags)
        assert 4_999 == len(tags)


class TestRequests:
    @pytest.mark.parametrize("kind", [Kind.MIX, Kind.ORDERS, Kind.BATCH])
    def test_segments_are_signed_over_the_whole_body(self, kind: Kind) -> None:
        """The receiver's own check says so."""
        headers, body = one_request(kind)

        signed = verify_segment(body, signature=headers["X-Signature"], secrets=(SECRET.encode(),))

        assert Signed.WHOLE is signed
        assert str(len(body)) == headers["Content-Length"]

    def test_sendgrids_are_signed_with_the_key(self) -> None:
        """The receiver's own check raises nothing."""
        headers, body = one_request(Kind.ENGAGEMENT)
        verifier = SendGridVerifier([Signer(KEY).public_key])

        verifier.verify(
            body,
            signature=headers["X-Twilio-Email-Event-Webhook-Signature"],
            timestamp=headers["X-Twilio-Email-Event-Webhook-Timestamp"],
            now_s=time.time_ns() / 1e9,
            max_age_s=60,
            max_ahead_s=60,
        )
