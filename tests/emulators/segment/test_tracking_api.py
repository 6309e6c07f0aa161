"""The tracking API: what it says, and what it silently throws away."""

import asyncio
import gzip
import json

import aiohttp
import pytest
from hypothesis import given
from hypothesis import strategies as st
from segment.analytics import Client

from homing.emulators import Answer, SegmentEmulator, SegmentSettings
from homing.emulators.segment.tracking_rules import discard_code


def track(**changes):
    message = {"type": "track", "userId": "u1", "event": "E", "messageId": "m1", **changes}
    return {key: value for key, value in message.items() if value is not None}


class TestDiscardCode:
    @pytest.mark.parametrize(
        ("message", "code"),
        [
            (track(), None),
            (track(userId=None, anonymousId="a"), None),
            (track(properties={}), None),
            (track(userId=None), "no_user_anon_id"),
            (track(userId=""), "id_not_string"),
            (track(userId=7), "id_not_string"),
            (track(anonymousId=["a"]), "id_not_string"),
            (track(event=None), "event_not_defined"),
            (track(event=""), "event_not_defined"),
            (track(event=1), "event_not_string"),
            (track(properties=[1]), "properties_not_object"),
            (track(messageId="m" * 100), None),
            (track(messageId="m" * 101), "message_id_too_long"),
            (track(type=None), "type_unknown"),
            (track(type="delete"), "type_unknown"),
            ({"type": "identify", "userId": "u", "traits": "x"}, "traits_not_object"),
            ({"type": "identify", "userId": "u", "traits": None}, None),
            ({"type": "page", "userId": "u", "name": 1}, "name_not_string"),
            ({"type": "screen", "userId": "u", "category": 1}, "category_not_string"),
            ({"type": "group", "userId": "u"}, "id_required"),
            ({"type": "group", "userId": "u", "groupId": "g"}, None),
            ({"type": "group", "groupId": "g"}, "no_user_anon_id"),
            ({"type": "alias", "userId": "u"}, "id_required"),
            ({"type": "alias", "userId": "u", "previousId": "p"}, None),
            ("track", "type_unknown"),
            (None, "type_unknown"),
        ],
    )
    def test_the_codes_are_the_documented_ones(self, message, code):
        """A message passes, or has one reason not to."""
        assert code == discard_code(message)

    @given(
        st.dictionaries(
            st.sampled_from(["type", "userId", "event", "properties", "name"]),
            st.none() | st.text() | st.integers() | st.lists(st.integers()),
        )
    )
    def test_anything_has_an_answer(self, message):
        """No shape makes it fail."""
        assert discard_code({"type": "track", **message}) is not False


class TestBatch:
    async def test_good_messages_are_published(self, segment, post):
        """In order, with the envelope merged in, times completed and the key left out."""
        batch = [track(writeKey="secret"), track(messageId="m2", context={"ip": "1.2.3.4"})]
        body = {"batch": batch, "context": {"ip": "9.9.9.9", "library": {"name": "x"}},
                "integrations": {"All": True}, "sentAt": "2026-01-05T10:00:05.000Z"}  # fmt: skip

        answer = await post(segment, "/v1/batch", body)

        assert (200, {"success": True}) == (answer.status, await answer.json())
        first, second = segment.received
        assert ["m1", "m2"] == [first["messageId"], second["messageId"]]
        assert ["9.9.9.9", "1.2.3.4"] == [first["context"]["ip"], second["context"]["ip"]]
        assert {"name": "x"} == second["context"]["library"]
        assert {"All": True} == first["integrations"]
        assert "writeKey" not in first
        assert {"receivedAt", "sentAt", "originalTimestamp", "timestamp"} <= first.keys()

    async def test_bad_ones_vanish_behind_a_200(self, segment, post):
        """Only the good ones of a batch are published; the others have a code."""
        answer = await post(segment, "/v1/batch", {"batch": [track(event=None), track(), 7]})

        assert 200 == answer.status
        assert ["m1"] == [message["messageId"] for message in segment.received]
        assert ["event_not_defined", "type_unknown"] == [d.code for d in segment.discarded]

    @pytest.mark.parametrize("body", [{"batch": []}, {}, {"batch": "x"}])
    async def test_an_empty_batch_is_discarded(self, segment, post, body):
        """200 all the same."""
        assert 200 == (await post(segment, "/v1/batch", body)).status
        assert ["empty_batch"] == [discard.code for discard in segment.discarded]

    async def test_too_many_messages_are_answered_200_and_refused(self, segment, post):
        """2,500 pass, one more and none does."""
        batch = [
            {"type": "track", "userId": "u", "event": "E", "messageId": f"m{n}"}
            for n in range(2501)
        ]

        assert 200 == (await post(segment, "/v1/batch", {"batch": batch})).status
        assert (0, 2501) == (len(segment.received), len(segment.discarded))
        await post(segment, "/v1/batch", {"batch": batch[1:]})
        assert 2500 == len(segment.received)

    async def test_too_large_a_message_is_discarded(self, segment, post):
        """32 KB is the limit of each."""
        await post(segment, "/v1/batch", {"batch": [track(properties={"x": "y" * 33_000})]})

        assert ["message_too_large"] == [discard.code for discard in segment.discarded]

    @pytest.mark.parametrize(("depth", "published"), [(250, 1), (500, 1), (1020, 0)])
    async def test_depth_is_no_stumbling_block(self, segment, http, depth, published):
        """A deep message is published or discarded; the answer is 200."""
        properties = '{"a":' * depth + "1" + "}" * depth
        message = f'{{"type":"track","userId":"u","event":"E","properties":{properties}}}'
        headers = {
            "Authorization": aiohttp.encode_basic_auth(segment.write_key, ""),
            "Content-Type": "application/json",
        }
        url, body = segment.url + "/v1/batch", f'{{"batch":[{message}]}}'

        async with http.post(url, data=body, headers=headers) as answer:
            assert 200 == answer.status
        async with http.get(segment.url + "/debugger") as answer:
            assert 200 == answer.status
        assert published == len(segment.received)

    async def test_a_message_is_published_once(self, segment, post):
        """By its id alone, whatever else is in it; the first wins."""
        await post(segment, "/v1/batch", {"batch": [track(), track(event="Other")]})
        await post(segment, "/v1/track", track())

        assert ["E"] == [message["event"] for message in segment.received]
        assert 2 == len(segment.duplicates)

    async def test_without_ids_a_repeat_is_published_twice(self, segment, post):
        """A fresh id is given to each."""
        for _ in range(2):
            await post(segment, "/v1/track", track(messageId=None))

        assert 2 == len({message["messageId"] for message in segment.received})

    async def test_the_senders_clock_is_corrected(self, http):
        """``timestamp`` = receivedAt - (sentAt - originalTimestamp)."""
        settings = SegmentSettings(clock=lambda: 1_767_607_200.0)  # 2026-01-05T10:00:00Z
        async with SegmentEmulator(settings=settings) as segment:
            body = {
                "batch": [track(timestamp="2026-01-05T11:30:00.000Z")],
                "sentAt": "2026-01-05T12:00:00.000Z",
                "writeKey": segment.write_key,
            }
            async with http.post(segment.url + "/v1/batch", json=body):
                pass

        (message,) = segment.received
        assert "2026-01-05T09:30:00.000Z" == message["timestamp"]
        assert "2026-01-05T11:30:00.000Z" == message["originalTimestamp"]

    @pytest.mark.parametrize(
        ("timestamp", "sent_at"),
        [
            ("9999-12-31T23:59:59Z", "0001-01-01T00:00:00Z"),
            ("0001-01-01T00:00:00+23:59", None),
            (5, {}),
            ("yesterday", "today"),
        ],
    )
    async def test_clocks_that_make_no_sense_are_ignored(self, segment, post, timestamp, sent_at):
        """Arrival counts when the sum is no date."""
        await post(segment, "/v1/track", track(timestamp=timestamp, sentAt=sent_at))

        (message,) = segment.received
        assert message["receivedAt"] == message["timestamp"]


class TestSingle:
    @pytest.mark.parametrize("kind", ["identify", "track", "page", "screen", "group", "alias"])
    async def test_each_type_has_a_path(self, segment, post, kind):
        """The path says the type."""
        body = {"userId": "u", "event": "E", "groupId": "g", "previousId": "p"}

        assert 200 == (await post(segment, f"/v1/{kind}", body)).status
        assert [kind] == [message["type"] for message in segment.received]


class TestRefusals:
    async def test_bad_json_and_sizes_are_400(self, segment, http):
        """The only things besides the key that are not answered 200."""
        key = aiohttp.encode_basic_auth(segment.write_key, "")
        bodies = {
            "/v1/batch": [
                b"{",
                b"[]",
                b"\xff",
                b'{"batch": [NaN]}',
                b'{"x": "' + b"y" * 512_000 + b'"}',
            ],
            "/v1/track": [b'{"x": "' + b"y" * 33_000 + b'"}'],
        }
        for path, cases in bodies.items():
            for body in cases:
                headers = {"Content-Type": "application/json", "Authorization": key}
                async with http.post(segment.url + path, data=body, headers=headers) as answer:
                    assert 400 == answer.status

    async def test_other_content_types_are_400(self, segment, http):
        """JSON has to be called so."""
        headers = {"Authorization": aiohttp.encode_basic_auth(segment.write_key, "")}
        body = json.dumps(track())
        async with http.post(segment.url + "/v1/track", data=body, headers=headers) as answer:
            assert 400 == answer.status

    @pytest.mark.parametrize("key", [None, "wrong", ""])
    async def test_a_wrong_key_is_401(self, segment, http, key):
        """In the body or by Basic."""
        body = track() if key is None else track(writeKey=key)
        async with http.post(segment.url + "/v1/track", json=body) as answer:
            assert 401 == answer.status
        assert [] == list(segment.received)

    async def test_gzip_is_read(self, segment, http):
        """As the vendor's libraries send it."""
        body = gzip.compress(json.dumps(track(writeKey=segment.write_key)).encode())
        headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
        async with http.post(segment.url + "/v1/track", data=body, headers=headers) as answer:
            assert 200 == answer.status


class TestFaults:
    async def test_a_rate_limit_says_how_long(self, segment, post):
        """In seconds, in both headers."""
        segment.faults.script(["429", "500", Answer(503), "ok"])

        answers = [await post(segment, "/v1/track", track()) for _ in range(4)]

        assert [429, 500, 503, 200] == [answer.status for answer in answers]
        assert ("1", "1") == tuple(
            answers[0].headers[name] for name in ("Retry-After", "X-RateLimit-Reset")
        )
        assert 1 == len(segment.received)
        assert 4 == len(segment.requests)

    async def test_a_slow_answer_is_late_but_good(self, http):
        """The message is published."""
        async with SegmentEmulator(settings=SegmentSettings(slow_s=0.01)) as segment:
            segment.faults.script(["slow"])
            body = track(writeKey=segment.write_key)
            async with http.post(segment.url + "/v1/track", json=body) as answer:
                assert 200 == answer.status
            assert 1 == len(segment.received)

    async def test_down_and_up_again(self, segment, post):
        """A switch at run time."""
        segment.down = True
        assert 503 == (await post(segment, "/v1/track", track())).status
        segment.down = False
        assert 200 == (await post(segment, "/v1/track", track())).status


class TestVendorsClient:
    async def test_its_messages_are_published(self, segment):
        """The official library posts, and everything arrives."""

        def run():
            client = Client(segment.write_key, host=segment.url, gzip=True, max_retries=0)
            client.identify("u1", {"email": "Ada@example.com"})
            client.track("u1", "Email Opened", {"email_id": "1"})
            client.group("u1", "g1", {"name": "G"})
            client.alias("a1", "u1")
            client.page("u1", "Docs", "Home", {})
            client.screen("u1", "App", "Home", {})
            client.flush()
            client.join()

        await asyncio.to_thread(run)

        assert ["identify", "track", "group", "alias", "page", "screen"] == [
            message["type"] for message in segment.received
        ]
        assert [] == list(segment.discarded)
        assert {"email": "Ada@example.com"} == segment.profiles.find("user_id", "u1").traits

    def test_messages_built_without_sending_pass_the_rules(self):
        """The library as a judge of shapes."""
        client = Client("key", send=False)

        _, message = client.track("u1", "Email Opened", message_id="m1")

        assert discard_code(json.loads(json.dumps(message, default=str))) is None
