"""Verify the raw bytes, append them, answer once they are durable."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from tests.support.stages import NOON, FixedClock

from homing.core.errors import Unavailable
from homing.core.verify import SendGridVerifier
from homing.ports import Reply
from homing.stages.receive import BatchRule, Reception, SegmentSource, SendGridWebhook

SECRET, TOKEN = b"s3cr3t", "t0ken"
ONE, OTHER = b'{"type":"track","event":"A"}', b'{"type":"track","event":"B"}'
KEY = ec.generate_private_key(ec.SECP256R1())
PUBLIC_KEY = base64.b64encode(
    KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
).decode()


@dataclass(slots=True)
class Kept:
    """A log that says when it is durable; or that it is full."""

    rows: list[tuple[str, bytes, int]] = field(default_factory=list)
    durable: asyncio.Event = field(default_factory=asyncio.Event)
    is_full: bool = False

    async def append(self, source: str, body: bytes, received_ms: int) -> int:
        """Keep a request, once it is durable."""
        if self.is_full:
            raise Unavailable("disk full")
        await self.durable.wait()
        self.rows.append((source, body, received_ms))
        return len(self.rows)


@pytest.fixture
def log() -> Kept:
    """A log that is durable at once."""
    kept = Kept()
    kept.durable.set()
    return kept


@pytest.fixture
def reception(log: Kept) -> Reception:
    """A door of each kind."""
    sources = {
        "default": SegmentSource(()),
        "web": SegmentSource((b"old", SECRET), TOKEN),
        "bare": SegmentSource((SECRET,)),
        "first": SegmentSource((SECRET,), batch=BatchRule.FIRST_ELEMENT),
        "reject": SegmentSource((SECRET,), TOKEN, BatchRule.REJECT),
    }
    webhooks = {
        "default": SendGridWebhook(SendGridVerifier([PUBLIC_KEY]), 26 * 3_600, 300),
        "shut": SendGridWebhook(None, 1, 1),
    }
    return Reception(log, FixedClock(), sources, webhooks)


def signed(body: bytes, *, of: bytes | None = None, token: str | None = None) -> dict[str, str]:
    """Segment's headers."""
    digest = hmac.new(SECRET, body if of is None else of, hashlib.sha1).hexdigest()
    headers = {"X-Signature": digest}
    return headers if token is None else {**headers, "Authorization": f"Bearer {token}"}


def posted(body: bytes, *, at_s: int = NOON // 1000) -> dict[str, str]:
    """SendGrid's headers."""
    signature = KEY.sign(str(at_s).encode() + body, ec.ECDSA(SHA256()))
    return {
        "X-Twilio-Email-Event-Webhook-Signature": base64.b64encode(signature).decode(),
        "X-Twilio-Email-Event-Webhook-Timestamp": str(at_s),
    }


async def taken(
    reception: Reception, name: str, body: bytes, headers: Mapping[str, str], kind: str = "segment"
) -> int:
    """What a post is answered."""
    found = reception.take(kind, name, body, headers=headers)
    if isinstance(found, Reply):
        return found.status
    await found
    return 200


class TestSegment:
    async def test_what_is_signed_is_kept_as_it_came(self, reception, log):
        """
        Raw bytes, the door's name, the moment; any of the active secrets will do.
        """
        body = b' {"a": 1}\r\n'

        assert 200 == await taken(reception, "web", body, signed(body))
        assert [("segment/web", body, NOON)] == log.rows

    async def test_it_is_answered_only_once_it_is_durable(self, reception, log):
        """
        Promise P1.
        """
        log.durable.clear()
        taking = asyncio.ensure_future(taken(reception, "web", ONE, signed(ONE)))
        await asyncio.sleep(0)
        assert not taking.done()

        log.durable.set()
        async with asyncio.timeout(5):
            assert 200 == await taking

    @pytest.mark.parametrize("headers", [{}, {"X-Signature": ""}, {"X-Signature": "0" * 40}])
    async def test_what_is_not_signed_is_not_kept(self, reception, log, headers):
        """
        Nothing of it is looked at.
        """
        assert 401 == await taken(reception, "web", ONE, headers)
        assert [] == log.rows

    async def test_a_door_without_secret_is_shut(self, reception):
        """
        The sender tries again later.
        """
        reply = reception.take("segment", "default", ONE, headers=signed(ONE))

        assert Reply(503, "no secret configured") == reply

    @pytest.mark.parametrize(
        ("name", "token", "status"),
        [
            ("web", TOKEN, 200),
            ("web", "wrong", 401),
            ("web", None, 401),
            ("bare", None, 401),
            ("bare", "", 401),
            ("first", None, 200),
            ("reject", TOKEN, 401),
        ],
    )
    async def test_an_array_signed_over_its_first_element_needs_more(
        self, reception, log, name, token, status
    ):
        """
        A token that vouches for the rest, or an owner who accepts the risk.
        """
        body = b"[%s,%s]" % (ONE, OTHER)

        assert status == await taken(reception, name, body, signed(body, of=ONE, token=token))
        assert (status == 200) == bool(log.rows)

    @pytest.mark.parametrize("name", ["web", "bare", "first", "reject"])
    async def test_what_is_signed_as_a_whole_needs_no_token(self, reception, name):
        """
        Nor an array of one, of which nothing is left unsigned.
        """
        array, single = b"[%s,%s]" % (ONE, OTHER), b"[%s]" % ONE

        assert 200 == await taken(reception, name, array, signed(array))
        assert 200 == await taken(reception, name, single, signed(single, of=ONE))

    async def test_a_full_disk_is_told_to_whoever_asked(self, reception, log):
        """
        Nothing was kept.
        """
        log.is_full = True

        with pytest.raises(Unavailable):
            await taken(reception, "web", ONE, signed(ONE))


class TestSendGrid:
    async def test_what_is_signed_is_kept_as_it_came(self, reception, log):
        """
        To the last byte.
        """
        body = b'[{"event":"open"}]\r\n'

        assert 200 == await taken(reception, "default", body, posted(body), "sendgrid")
        assert [("sendgrid/default", body, NOON)] == log.rows

    @pytest.mark.parametrize("late_s", [-299, 0, 26 * 3_600 - 1])
    async def test_a_delivery_may_be_a_day_late(self, reception, late_s):
        """
        SendGrid tries for 24 hours; clocks differ a little.
        """
        headers = posted(ONE, at_s=NOON // 1000 - late_s)

        assert 200 == await taken(reception, "default", ONE, headers, "sendgrid")

    @pytest.mark.parametrize("late_s", [-301, 26 * 3_600 + 1])
    async def test_but_no_later_and_not_from_the_future(self, reception, log, late_s):
        """
        Somebody repeats it.
        """
        headers = posted(ONE, at_s=NOON // 1000 - late_s)

        assert 401 == await taken(reception, "default", ONE, headers, "sendgrid")
        assert [] == log.rows

    async def test_other_bytes_are_refused(self, reception, log):
        """
        So is what is not signed at all.
        """
        assert 401 == await taken(reception, "default", OTHER, posted(ONE), "sendgrid")
        assert 401 == await taken(reception, "default", ONE, {}, "sendgrid")
        assert [] == log.rows

    async def test_a_door_without_key_is_shut(self, reception):
        """
        SendGrid tries again later.
        """
        assert 503 == await taken(reception, "shut", ONE, posted(ONE), "sendgrid")


class TestNames:
    def test_each_kind_has_its_doors(self, reception):
        """
        Any other name is unknown to the listener.
        """
        assert {"default", "web", "bare", "first", "reject"} == set(reception.names["segment"])
        assert {"default", "shut"} == set(reception.names["sendgrid"])


class TestCount:
    def test_answers_are_counted_by_kind_status_and_reason(self, reception):
        """
        For metrics and alerts.
        """
        accepted = Reply(200, "accepted")
        for reply in (accepted, accepted, Reply(401, "wrong")):
            reception.count("segment", reply)

        assert {("segment", 200, "accepted"): 2, ("segment", 401, "wrong"): 1} == reception.counts
