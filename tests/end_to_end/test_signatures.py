"""Signatures over HTTP, with the very bytes of the vendors."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
from collections.abc import AsyncIterator, Mapping, Sequence

import aiohttp
import pytest
import pytest_asyncio
from tests.support import oracle
from tests.support.service import TOKEN, world
from tests.support.wire import Door

from homing.adapters.clock import SystemClock
from homing.emulators.sendgrid.event_bytes import body_of, event_bytes
from homing.emulators.sendgrid.signing import SIGNATURE_HEADER, TIMESTAMP_HEADER, Signer

pytestmark = pytest.mark.asyncio(loop_scope="module")

# Made with Node's JSON.stringify and HMAC
SECRET = "s3cr3t"
A = b'{"type":"track","messageId":"m-1","userId":"u1","event":"A","properties":{"n":1}}'
B = b'{"type":"track","messageId":"m-2","userId":"u2","event":"B","properties":{"n":2}}'
# 1e-7, 0.000001, 1e+21, half a surrogate pair, a literal U+2028, an emoji, null
ODD = base64.b64decode(
    "eyJ0eXBlIjoiaWRlbnRpZnkiLCJtZXNzYWdlSWQiOiJtLTMiLCJ1c2VySWQiOiLDvPCfmIAiLCJ0cmFpdHMiOnsidGlu"
    "eSI6MWUtNywic21hbGwiOjAuMDAwMDAxLCJiaWciOjFlKzIxLCJuZWcwIjowLCJmIjoxMCwibHMiOiJcdWQ4MDAiLCJz"
    "ZXAiOiLigKgiLCJjdGwiOiJcdTAwMDFcYiIsInNsIjoiPC9hPiIsIm51bCI6bnVsbH19"
)
OF_A = "cc5302e4ad6f54a817138481c528707ae14df0e2"
OF_BATCH = "56c9fc4152a712593cfcf7d98ee6bccccafe68b4"
OF_ODD = "f85912828bccd1c9ceeb0541075f435fdd3693f9"
BATCH = b"[%s,%s]" % (A, B)
WRAPPED = b'[{"json":%s},{"json":%s}]' % (A, B)

EXTRA = """
[segment.source.token]
secrets = ["${FROZEN}"]
token = "${SEGMENT_WEBHOOK_TOKEN}"

[segment.source.tokenless]
secrets = ["${FROZEN}"]

[segment.source.first]
secrets = ["${FROZEN}"]
batch = "first-element"

[segment.source.reject]
secrets = ["${FROZEN}"]
token = "${SEGMENT_WEBHOOK_TOKEN}"
batch = "reject"

[segment.source.rotated]
secrets = ["${NEXT}", "${FROZEN}"]

[sendgrid.webhook.rotated]
public_keys = ["${FIRST_KEY}", "${SECOND_KEY}"]

[sendgrid.webhook.strict]
public_keys = ["${FIRST_KEY}"]
max_age = "5m"

[sendgrid.webhook.keyless]
"""
FIRST, SECOND, STRANGER = Signer(), Signer(), Signer()
HOUR_S = 3600
BEARER = {"Authorization": f"Bearer {TOKEN}"}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """One running service with a source and a webhook for each rule."""
    folder = tmp_path_factory.mktemp("signatures")
    async with world(folder, extra=EXTRA, processes=1, start=False) as w:
        await w.service.start(
            FROZEN=SECRET, NEXT="the-next-secret",
            FIRST_KEY=FIRST.public_key, SECOND_KEY=SECOND.public_key,
        )  # fmt: skip
        async with aiohttp.ClientSession() as session:
            yield Door(w, session)


async def status_of(door: Door, source: str, body: bytes, **headers: str) -> int:
    """What a source answers, and that it appended exactly what it answered 200."""
    before = oracle.log_head(door.world.service.state)
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    status = (await door.post(body, named, path=source)).status
    assert (status == 200) == (oracle.log_head(door.world.service.state) == before + 1)
    return status


class TestSegment:
    """The four forms of `X-Signature`, and what each vouches for."""

    @pytest.mark.parametrize(
        ("body", "signature"),
        [(A, OF_A), (BATCH, OF_A), (BATCH, OF_BATCH), (WRAPPED, OF_A), (ODD, OF_ODD),
         (b"[%s,%s]" % (ODD, A), OF_ODD), (A, OF_A.upper())],
        ids=["single", "batch", "whole batch", "extensible", "odd", "odd batch", "upper case"],
    )  # fmt: skip
    async def test_the_frozen_vectors_are_taken(
        self, door: Door, body: bytes, signature: str
    ) -> None:
        """Bytes and digests that Segment's own code makes are accepted as they are."""
        given = {"X_Signature": signature, **BEARER}
        assert 200 == await status_of(door, "/segment/token", body, **given)

    @pytest.mark.parametrize("body", [A, BATCH, WRAPPED, ODD])
    async def test_a_changed_byte_is_refused(self, door: Door, body: bytes) -> None:
        """Whatever byte of the signed part changes, nothing is taken, token or not."""
        signature = OF_ODD if body is ODD else OF_A
        at = body.index(b'"u') + 2
        changed = body[:at] + b"9" + body[at + 1 :]
        given = {"X_Signature": signature, **BEARER}
        assert 401 == await status_of(door, "/segment/token", changed, **given)

    async def test_a_re_encoded_body_is_refused(self, door: Door) -> None:
        """A proxy that writes the JSON anew breaks the signature, and is told by a 401."""
        again = json.dumps(json.loads(ODD)).encode()
        assert 401 == await status_of(door, "/segment/token", again, X_Signature=OF_ODD)

    @pytest.mark.parametrize(
        ("source", "body", "signature", "expected"),
        [
            ("token", BATCH, OF_A, 401),
            ("token", WRAPPED, OF_A, 401),
            ("token", BATCH, OF_BATCH, 200),
            ("token", b"[%s]" % A, OF_A, 200),
            ("token", b'[{"json":%s}]' % A, OF_A, 200),
            ("token", A, OF_A, 200),
            ("tokenless", BATCH, OF_A, 401),
            ("tokenless", BATCH, OF_BATCH, 200),
            ("first", BATCH, OF_A, 200),
            ("first", WRAPPED, OF_A, 200),
            ("first", b"[%s,%s]" % (B, A), OF_A, 401),
            ("reject", BATCH, OF_A, 401),
            ("reject", BATCH, OF_BATCH, 200),
            ("reject", A, OF_A, 200),
        ],
    )
    async def test_what_a_rule_asks_of_a_batch_without_a_token(
        self, door: Door, source: str, body: bytes, *, signature: str, expected: int
    ) -> None:
        """A rule bites only where a signature leaves elements unsigned."""
        path = f"/segment/{source}"
        assert expected == await status_of(door, path, body, X_Signature=signature)

    @pytest.mark.parametrize(
        ("source", "authorization", "expected"),
        [
            ("token", f"Bearer {TOKEN}", 200),
            ("token", f"bearer   {TOKEN} ", 200),
            ("token", f"Bearer {TOKEN}x", 401),
            ("token", f"Bearer {TOKEN[:-1]}", 401),
            ("token", f"Basic {TOKEN}", 401),
            ("token", TOKEN, 401),
            ("token", "Bearer", 401),
            ("token", "Bearer \xff", 401),
            ("tokenless", "Bearer ", 401),
            ("tokenless", "Bearer None", 401),
            ("reject", f"Bearer {TOKEN}", 401),
        ],
    )
    async def test_the_token_vouches_for_the_rest_of_a_batch(
        self, door: Door, source: str, *, authorization: str, expected: int
    ) -> None:
        """Only the configured token, whole, and only where the rule asks for one."""
        given = {"X_Signature": OF_A, "Authorization": authorization}
        assert expected == await status_of(door, f"/segment/{source}", BATCH, **given)

    async def test_the_token_alone_opens_nothing(self, door: Door) -> None:
        """It is beside the signature, never instead of it."""
        assert 401 == await status_of(door, "/segment/token", A, **BEARER)
        assert 401 == await status_of(door, "/segment/token", A, X_Signature="0" * 40, **BEARER)

    async def test_two_secrets_are_active_at_once(self, door: Door) -> None:
        """While a secret is rotated both sign; a third, and an empty one, do not."""
        for secret, expected in [
            ("the-next-secret", 200), (SECRET, 200), ("the-third-secret", 401), ("", 401),
        ]:  # fmt: skip
            signature = hmac.new(secret.encode(), A, "sha1").hexdigest()
            path = "/segment/rotated"
            assert expected == await status_of(door, path, A, X_Signature=signature)

    async def test_a_signed_first_element_cannot_hide_more(self, door: Door) -> None:
        """Text after the array, or a second one, is something nobody signed."""
        for body in (b"[%s]%s" % (A, B), b"[%s][%s]" % (A, B), b"[%s" % A, b"[%s,]" % A):
            assert 401 == await status_of(door, "/segment/token", body, X_Signature=OF_A)


def sent(events: Sequence[Mapping[str, object]]) -> bytes:
    """A post's body as SendGrid makes it."""
    return body_of([event_bytes(event) for event in events])


def now_s(shift_s: int = 0) -> int:
    return SystemClock().now_ms() // 1000 + shift_s


EVENTS = [
    {"email": "ada@example.com", "timestamp": 1, "event": "open", "sg_event_id": f"e{n}",
     "useragent": "<b>é ✨</b>", "url": "https://x.example/?a=1&b=2"}
    for n in range(3)
]  # fmt: skip


class TestSendGrid:
    """ECDSA over the timestamp and the raw bytes, as SendGrid lays them out."""

    async def test_sendgrids_own_bytes_are_taken(self, door: Door) -> None:
        """Objects apart by comma and CRLF, a last CRLF, `<` escaped: signed as they stand."""
        body = sent(EVENTS)
        assert body.endswith(b"]\r\n")
        assert 200 == await posted(door, body, FIRST.headers(body, timestamp=now_s()))

    @pytest.mark.parametrize("change", ["re-encoded", "stripped", "unescaped", "LF", "reordered"])
    async def test_bytes_that_a_proxy_changed_are_refused(self, door: Door, change: str) -> None:
        """The same JSON in other bytes is not what was signed."""
        body = sent(EVENTS)
        changed = {
            "re-encoded": json.dumps(json.loads(body)).encode(),
            "stripped": body.rstrip(b"\r\n"),
            "unescaped": body.replace(b"\\u003c", b"<"),
            "LF": body.replace(b"\r\n", b"\n"),
            "reordered": sent(EVENTS[::-1]),
        }[change]
        assert changed != body
        assert 401 == await posted(door, changed, FIRST.headers(body, timestamp=now_s()))

    @pytest.mark.parametrize(
        ("webhook", "shift_s", "expected"),
        [
            ("rotated", 0, 200),
            ("rotated", -26 * HOUR_S + 60, 200),
            ("rotated", -26 * HOUR_S - 60, 401),
            ("rotated", 240, 200),
            ("rotated", 360, 401),
            ("strict", -240, 200),
            ("strict", -360, 401),
        ],
    )
    async def test_a_timestamp_outside_the_window_is_refused(
        self, door: Door, webhook: str, *, shift_s: int, expected: int
    ) -> None:
        """26 h back, for a day of retries, unless configured; 5 min ahead, for clocks apart."""
        body = sent(EVENTS)
        headers = FIRST.headers(body, timestamp=now_s(shift_s))
        assert expected == await posted(door, body, headers, path=f"/sendgrid/{webhook}")

    async def test_several_keys_are_active_at_once(self, door: Door) -> None:
        """While a key is rotated both verify; a stranger's does not."""
        body = sent(EVENTS)
        for signer, expected in [(FIRST, 200), (SECOND, 200), (STRANGER, 401)]:
            headers = signer.headers(body, timestamp=now_s())
            assert expected == await posted(door, body, headers)

    @pytest.mark.parametrize(
        "change",
        [{SIGNATURE_HEADER: ""}, {TIMESTAMP_HEADER: ""}, {SIGNATURE_HEADER: "AAAA"},
         {SIGNATURE_HEADER: "no base64"}, {SIGNATURE_HEADER: "\xff"},
         {TIMESTAMP_HEADER: str(now_s(1))}, {TIMESTAMP_HEADER: "1e9"}, {TIMESTAMP_HEADER: "-1"},
         {TIMESTAMP_HEADER: "9" * 400}, {TIMESTAMP_HEADER: "٣"}],
    )  # fmt: skip
    async def test_broken_headers_are_refused(self, door: Door, change: dict[str, str]) -> None:
        """Missing, malformed, or of another moment: 401, never an error of ours."""
        body = sent(EVENTS)
        headers = FIRST.headers(body, timestamp=now_s(-60)) | change
        assert 401 == await posted(door, body, headers)

    async def test_a_webhook_without_a_key_is_503(self, door: Door) -> None:
        """SendGrid keeps the events and tries again, until the key is there."""
        body = sent(EVENTS)
        headers = FIRST.headers(body, timestamp=now_s())
        assert 503 == await posted(door, body, headers, path="/sendgrid/keyless")

    async def test_a_webhook_takes_no_segment_signature(self, door: Door) -> None:
        """Each door knows its own kind of key."""
        assert 401 == await posted(door, A, {"X-Signature": OF_A, **BEARER})
        headers = FIRST.headers(A, timestamp=now_s())
        assert 401 == await posted(door, A, headers, path="/segment/token")

    async def test_large_posts_are_verified_whole(self, door: Door) -> None:
        """A post of 768 KB, the largest SendGrid makes, is signed to its last byte."""
        body = sent(EVENTS * 2_000)
        headers = FIRST.headers(body, timestamp=now_s())
        answers = await asyncio.gather(
            posted(door, body, headers), posted(door, body[:-1] + b" ", headers)
        )
        assert [200, 401] == answers


async def posted(
    door: Door, body: bytes, headers: dict[str, str], *, path: str = "/sendgrid/rotated"
) -> int:
    """The status of a post."""
    return (await door.post(body, headers, path=path)).status
