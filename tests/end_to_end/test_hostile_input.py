"""P5 before strangers: whatever comes in by HTTP gets its answer, and never harms a neighbour."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import os
import resource
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
import pytest_asyncio
from tests.support import oracle
from tests.support.service import track, world
from tests.support.wire import Answer, Door, request, signature, talk

from homing.adapters.clock import SystemClock
from homing.adapters.http_in import Public, PublicServer
from homing.adapters.sqlite.log import log_path
from homing.emulators.sendgrid.signing import Signer
from homing.ports import Headers, Reply

pytestmark = pytest.mark.asyncio(loop_scope="module")

MAX_BODY = 1 << 20
SIGNER = Signer()
EXTRA = """
[segment.source.web]
secrets = ["${SEGMENT_SHARED_SECRET}"]

[segment.source.bare]
"""
BOMB = gzip.compress(bytes(256 << 20), compresslevel=9)


def body_of(number: str, more: bytes = b"") -> bytes:
    """A track event's bytes, *more* of its members in raw JSON."""
    start = b'{"type":"track","event":"Seen","userId":"u1","messageId":"%s"' % number.encode()
    return start + (b"," + more if more else b"") + b"}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def door(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Door]:
    """One running service for the whole file: what comes in must not harm what comes next."""
    folder = tmp_path_factory.mktemp("hostile")
    async with world(folder, extra=EXTRA, start=False) as w:
        w.service.edit("processes = 2", 'processes = 2\nmax_body = "1MiB"')
        w.service.edit('WEBHOOK_KEY}"', 'WEBHOOK_KEY}", "${ANOTHER_KEY}"')
        w.service.environ["ANOTHER_KEY"] = SIGNER.public_key
        await w.service.start()
        async with aiohttp.ClientSession(auto_decompress=False) as session:
            yield Door(w, session)
            assert "Traceback" not in w.service.log.read_text()
            pids = w.service.children()
            assert {"receiver", "worker"} == set(pids)


class TestAnswers:
    """The table of answers."""

    @pytest.mark.parametrize(
        "headers",
        [{}, {"X-Signature": ""}, {"X-Signature": "0" * 40}, {"X-Signature": "x"},
         {"X-Signature": signature(b"another body")},
         {"X-Signature": signature(body_of("forged"), "another secret")}],
    )  # fmt: skip
    async def test_a_forged_or_missing_signature_is_401(
        self, door: Door, headers: dict[str, str]
    ) -> None:
        """Nobody who does not know the secret gets anything into the log."""
        before = oracle.log_head(door.world.service.state)
        answer = await door.post(body_of("forged"), headers)
        assert (401, b"") == (answer.status, answer.body)
        assert before == oracle.log_head(door.world.service.state)

    async def test_header_bytes_of_no_encoding_are_401(self, door: Door) -> None:
        """A signature header of stray bytes is a wrong signature, no error of ours."""
        (answer,) = await talk(door.port, request(b"{}", X_Signature="\xff\xfe"))
        assert 401 == answer.status

    @pytest.mark.parametrize(
        ("method", "path"),
        [("GET", "/segment"), ("HEAD", "/segment"), ("DELETE", "/segment"), ("PUT", "/sendgrid"),
         ("GET", "/"), ("POST", "/"), ("POST", "/segment/"), ("POST", "/segment/nobody"),
         ("POST", "/sendgrid/nobody"), ("POST", "/segment/web/other"), ("GET", "/healthz"),
         ("GET", "/metrics"), ("POST", "/segment/nobody/audience"), ("OPTIONS", "*"),
         ("GET", "/segment/web/audience"), ("POST", "//"), ("POST", "/../segment/%00"),
         ("POST", "/" + "a" * 8_000), ("TRACE", "/segment"), ("CONNECT", "a.example:1")],
    )  # fmt: skip
    async def test_what_is_not_served_is_404_without_a_body(
        self, door: Door, method: str, path: str
    ) -> None:
        """A stranger learns nothing: not which sources exist, not what else runs here."""
        (answer,) = await talk(door.port, request(b"", method=method, path=path))
        assert (404, b"") == (answer.status, answer.body)

    @pytest.mark.parametrize("path", ["/segment", "/segment/default", "/segment/web"])
    @pytest.mark.parametrize("method", ["POST", "PUT", "PATCH"])
    async def test_segment_may_post_put_and_patch(self, door: Door, method: str, path: str) -> None:
        """Segment's users choose the method."""
        body = body_of(f"{method}-{path}")
        assert 200 == (await door.post(body, path=path, method=method)).status

    async def test_no_secret_configured_is_503(self, door: Door) -> None:
        """Segment keeps the events and tries again, until the secret is there."""
        answer = await door.post(body_of("bare"), path="/segment/bare")
        assert (503, b"") == (answer.status, answer.body)
        assert int(answer.headers["Retry-After"]) > 0

    async def test_a_body_over_the_limit_is_413(self, door: Door) -> None:
        """By its declared length at once, and by its chunks as soon as they are too many."""
        large = b" " * (MAX_BODY + 1)
        (answer,) = await talk(door.port, request(large))
        assert 413 == answer.status
        head = request(large, Content_Length="", Transfer_Encoding="chunked")[: -len(large)]
        (answer,) = await talk(door.port, head + b"%x\r\n" % len(large) + large + b"\r\n0\r\n\r\n")
        assert 413 == answer.status
        declared = request(b"", Content_Length=str(1 << 40))
        (answer,) = await talk(door.port, declared)
        assert 413 == answer.status

    async def test_a_body_at_the_limit_is_taken(self, door: Door) -> None:
        """The limit itself is allowed, in one piece and in chunks."""
        body = body_of("full", b'"x":"%s"' % (b"a" * (MAX_BODY - 71)))
        assert MAX_BODY == len(body)
        chunked = request(body, Content_Length="", Transfer_Encoding="chunked")[: -len(body)]
        chunked += b"".join(
            b"1000\r\n" + body[at : at + 4096] + b"\r\n" for at in range(0, MAX_BODY, 4096)
        )
        answers = await talk(door.port, request(body) + chunked + b"0\r\n\r\n", answers=2)
        assert [200, 200] == [one.status for one in answers]

    @pytest.mark.parametrize("encoding", ["gzip", "GZIP", "deflate", "br", "x", "identity, gzip"])
    async def test_an_encoded_body_is_415(self, door: Door, encoding: str) -> None:
        """Neither sender compresses; nothing is inflated, true to its name or not."""
        for body in (gzip.compress(body_of("zip")), b"no such thing"):
            (answer,) = await talk(door.port, request(body, Content_Encoding=encoding))
            assert (415, b"") == (answer.status, answer.body)

    async def test_identity_is_no_encoding(self, door: Door) -> None:
        """A proxy may name what it did not do."""
        (answer,) = await talk(door.port, request(body_of("identity"), Content_Encoding="identity"))
        assert 200 == answer.status

    async def test_a_bomb_costs_nothing(self, door: Door) -> None:
        """256 MiB in a small body: 415 within 50 ms of the receiver's time, all 20 of them."""
        pid = door.world.service.children()["receiver"]
        before = cpu_s(pid)
        answers = await asyncio.gather(
            *(talk(door.port, request(BOMB, Content_Encoding="gzip")) for _ in range(20))
        )
        assert {415} == {answer.status for (answer,) in answers}
        assert cpu_s(pid) - before < 20 * 0.05

    @pytest.mark.parametrize(
        "sent",
        [
            b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\r\n\r\n",
            b"POST /segment HTTP/9.9\r\n\r\n",
            b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: -1\r\n\r\n",
            b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\n"
            b"Content-Length: 2\r\n\r\nab",
            b"POST /segment HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n"
            b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
            b"POST /segment HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n\r\n",
            b"POST /segment HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"3\r\nabc\r\nzz\r\n",
            b"POST /segment HTTP/1.1\r\nHost: x\r\nX-A: " + b"a" * 20_000 + b"\r\n\r\n",
            b"POST /\xff HTTP/1.1\r\nHost: x\r\n\r\n",
            b"POST http://[::1 HTTP/1.1\r\nHost: x\r\n\r\n",
        ],
    )
    async def test_broken_http_is_400(self, door: Door, sent: bytes) -> None:
        """What is no HTTP is the sender's fault, never a 500."""
        (answer,) = await talk(door.port, sent)
        assert 400 == answer.status

    async def test_a_truncated_body_is_no_event(self, door: Door) -> None:
        """A sender that dies amid its body gets nothing in, and no trace in the log of errors."""
        before = oracle.log_head(door.world.service.state)
        with pytest.raises(asyncio.IncompleteReadError):
            await talk(door.port, request(body_of("cut"))[:-5], end=True)
        assert 200 == (await door.post(body_of("after the cut"))).status
        assert before + 1 == oracle.log_head(door.world.service.state)

    async def test_pipelined_requests_are_answered_in_order(self, door: Door) -> None:
        """Each request of a connection has an answer of its own, bad ones between good ones."""
        good, forged = request(body_of("pipe")), request(b"{}", X_Signature="0" * 40)
        lost = request(b"", path="/lost")
        answers = await talk(door.port, (good + forged + lost) * 10, answers=30)
        assert [200, 401, 404] * 10 == [one.status for one in answers]

    async def test_a_client_that_asks_first_is_told_to_go_on(self, door: Door) -> None:
        """curl sends a large body only once it hears 100, or after a second."""
        sent = request(body_of("expect"), Expect="100-continue")
        reader, writer = await asyncio.open_connection("127.0.0.1", door.port)
        at = sent.index(b"\r\n\r\n") + 4
        async with asyncio.timeout(5):
            writer.write(sent[:at])
            assert b"HTTP/1.1 100 Continue\r\n\r\n" == await reader.readuntil(b"\r\n\r\n")
            writer.write(sent[at:])
            assert (await reader.readline()).startswith(b"HTTP/1.1 200")
        writer.close()

    async def test_idle_connections_do_not_stop_a_good_one(self, door: Door) -> None:
        """600 connections that say nothing, and 600 that begin: the next request is answered."""
        resource.setrlimit(resource.RLIMIT_NOFILE, (min(4096, hard_limit()), hard_limit()))
        idle = await asyncio.gather(
            *(asyncio.open_connection("127.0.0.1", door.port) for _ in range(600))
        )
        for _, writer in idle[:300]:
            writer.write(b"POST /segment HTTP/1.1\r\nHost:")
        async with asyncio.timeout(5):
            assert 200 == (await door.post(body_of("amid the idle"))).status
        for _, writer in idle:
            writer.close()


def hard_limit() -> int:
    return resource.getrlimit(resource.RLIMIT_NOFILE)[1]


def cpu_s(pid: int) -> float:
    """Processor time a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


UNUSABLE = {
    "nothing": (b"", "not JSON"),
    "text": (b"hello", "not JSON"),
    "form": (b"type=track&userId=u1", "not JSON"),
    "cut short": (body_of("cut short")[:-1], "not JSON"),
    "NaN": (body_of("nan", b'"x":NaN'), "not JSON"),
    "infinity": (body_of("inf", b'"x":-Infinity'), "not JSON"),
    "1e400": (body_of("1e400", b'"x":1e400'), "not JSON"),
    "5,000 digits": (body_of("digits", b'"x":' + b"9" * 5000), "not JSON"),
    "no UTF-8": (body_of("utf-8", b'"x":"\xff"'), "not JSON"),
    "UTF-16": (body_of("utf-16").decode().encode("utf-16"), "not JSON"),
    "BOM": (b"\xef\xbb\xbf" + body_of("bom"), "not JSON"),
    "raw control character": (body_of("control", b'"x":"\x00"'), "not JSON"),
    "65 deep": (body_of("65", b'"x":' + b"[" * 64 + b"]" * 64), "nested deeper than 64"),
    "100,000 arrays": (b"[" * 100_000 + b"]" * 100_000, "not JSON"),
    "100,000 objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "not JSON"),
    "opening brackets": (b"[" * MAX_BODY, "not JSON"),
    "null": (b"null", "expected an object, got null"),
    "number": (b"17", "expected an object, got a number"),
    "string": (b'"track"', "expected an object, got a text"),
    "array in array": (b"[[]]", "expected an object, got an array"),
    "no type": (b'{"userId":"u1"}', "no type"),
    "type that is none": (b'{"type":{},"userId":"u1"}', "no type"),
    "unknown type": (b'{"type":"purchase","userId":"u1"}', "unknown type 'purchase'"),
    "nobody": (b'{"type":"track","event":"Seen"}', "no userId"),
    "nobody's number": (b'{"type":"track","event":"Seen","userId":7}', "no userId"),
}

USABLE = {
    "64 deep": body_of("64-deep", b'"x":' + b"[" * 63 + b"]" * 63),
    "half a surrogate pair": body_of("half", b'"x":"\\ud800"'),
    "half a pair as a name": body_of("half-name", b'"\\udfff":1'),
    "escaped NUL": body_of("nul", b'"x":"a\\u0000b"'),
    "a name twice": body_of("twice", b'"userId":"u2","userId":"u1"'),
    "30 digits": body_of("digits-30", b'"x":' + b"9" * 30),
    "-0 and 1e-400": body_of("zeroes", b'"x":[-0,1e-400]'),
    "properties that are none": body_of("kinds", b'"properties":[],"context":5,"traits":"x"'),
    "an address that is none": body_of("address", b'"traits":{"email":{"a":[1]}}'),
    "a time that is none": body_of("no-time", b'"timestamp":1e308'),
    "year 9999": body_of("9999", b'"timestamp":"9999-12-31T23:59:59.999-14:00"'),
    "a long name": body_of("long-name", b'"event":"%s"' % (b"n" * 100_000)),
    "a long user": body_of("long-user", b'"userId":"%s"' % (b"u" * 100_000)),
    "white space": b" \r\n\t" + body_of("white") + b"\n" * 1000,
}


class TestUnusableBodies:
    """Signed, and no use: 200, and a row that says why."""

    @pytest.mark.parametrize("case", UNUSABLE)
    async def test_is_quarantined_with_a_reason(self, door: Door, case: str) -> None:
        """An authentic payload nobody can use becomes a row with a reason a person can read."""
        body, expected = UNUSABLE[case]
        ((state, reason, *_),) = await door.rows_of(body)
        assert "quarantined" == state
        assert reason.startswith(expected), reason
        assert reason.isprintable()
        assert len(reason) < 200

    @pytest.mark.parametrize("case", USABLE)
    async def test_odd_but_valid_json_is_evaluated(self, door: Door, case: str) -> None:
        """What Node or a user's mapping may really write is an event like others."""
        ((state, reason, *_),) = await door.rows_of(USABLE[case])
        assert ("done", None) == (state, reason)

    async def test_the_bytes_of_the_quarantined_are_kept(self, door: Door) -> None:
        """The request is the record of truth: nothing of it is changed by being unusable."""
        body = body_of("kept", b'"x":"\xff\\ud800"')
        assert [("quarantined",)] == [row[:1] for row in await door.rows_of(body)]
        log = log_path(door.world.service.state)
        assert [(body,)] == oracle.rows(log, "SELECT body FROM request ORDER BY seq DESC LIMIT 1")

    async def test_an_empty_array_is_no_event(self, door: Door) -> None:
        """A request of no events leaves nothing to be done, and is not pending either."""
        assert [] == await door.rows_of(b"[]", b" [ ] ")

    async def test_one_bad_event_of_4000_harms_no_neighbour(self, door: Door) -> None:
        """3,999 events of the batch are evaluated; the one is quarantined by itself."""
        events = [body_of(f"batch-{n}") for n in range(4000)]
        events[1234] = body_of("bad", b'"x":"\xff"')
        rows = await door.rows_of(b"[%s]" % b",".join(events))
        states = [row[0] for row in rows]
        assert 4000 == len(rows)
        assert ["quarantined"] == [state for state in states if state != "done"]
        assert "quarantined" == states[1234]

    @pytest.mark.parametrize(
        "bad",
        [b"NaN", b"{", b'{"type":"track",}', b"[" * 70 + b"]" * 70, b'"\xff"', b"1e400",
         b'{"json":1}'],
    )  # fmt: skip
    async def test_neighbours_of_any_bad_element_are_evaluated(
        self, door: Door, bad: bytes
    ) -> None:
        """What stands before a bad element is evaluated; what follows is too, or is told of."""
        name = bad.hex()
        first, last = body_of(f"before-{name}"), body_of(f"after-{name}")
        rows = await door.rows_of(b"[%s,%s,%s]" % (first, bad, last))
        assert ("done", None) == rows[0][:2]
        assert "quarantined" == rows[1][0]
        assert bad == b"{" or ("done", None) == rows[2][:2]

    async def test_unusable_engagement_is_quarantined(self, door: Door) -> None:
        """The same for SendGrid: unknown events, events of no type, and no events at all."""
        events = [{"event": "invented", "email": "a", "timestamp": 1}, {"email": "a"}, [5], False]
        body = json.dumps(events).encode()
        before = door.newest()
        headers = SIGNER.headers(body, timestamp=SystemClock().now_ms() // 1000)
        assert 200 == (await door.post(body, headers, path="/sendgrid")).status
        rows = await door.rows_after(before)
        assert ["quarantined"] * 4 == [row[0] for row in rows]
        assert rows[0][1].startswith("unknown SendGrid event 'invented'")


class TestDuplicates:
    """F22 and F23."""

    async def test_ten_at_once_are_one_event(self, door: Door) -> None:
        """Ten deliveries of an order at the same time: ten 200, one send."""
        body = json.dumps(track(70_001, "Order Completed", {"total": 1}, user="tenfold")).encode()
        before = door.newest()
        answers = await asyncio.gather(*(door.post(body) for _ in range(10)))
        assert [200] * 10 == [answer.status for answer in answers]
        rows = await door.rows_after(before)
        assert 1 == len(rows)
        assert 1 == len([send for send in door.world.sends() if send.user == "tenfold"])

    async def test_the_same_id_with_another_body_is_kept_as_a_conflict(self, door: Door) -> None:
        """The first wins; the second is kept with a reason, however often it comes."""
        one, other = (body_of("conflict", b'"properties":{"n":%d}' % n) for n in (1, 2))
        rows = await door.rows_of(one, other, one, other)
        assert ("done", None) == rows[0][:2]
        assert {"quarantined"} == {row[0] for row in rows[1:]}
        assert all(row[1].startswith("conflict") for row in rows[1:])
        assert {"conflict"} == {row[2] for row in rows}


class TestAudiences:
    """`/segment/{source}/audience`."""

    async def test_the_answer_is_a_pure_function_of_the_name(self, door: Door) -> None:
        """The same name has the same id, at every source and whatever else is said."""
        url = door.world.service.url
        sender = door.world.sender
        first = await sender.create_audience(f"{url}/segment/default/audience", "VIP ✨")
        again = await sender.create_audience(f"{url}/segment/web/audience", "VIP ✨")
        other = await sender.create_audience(f"{url}/segment/web/audience", "vip")
        assert first == again != other
        assert first == await sender.get_audience(f"{url}/segment/web/audience", first)

    @pytest.mark.parametrize(
        ("body", "status"),
        [(b"", 400), (b"[]", 400), (b"{}", 400), (b'{"audienceName":""}', 400),
         (b'{"audienceName":7}', 400), (b'{"audienceName":"\xff"}', 400), (b"[" * 9_000, 400),
         (b" " * 70_000, 413)],
    )  # fmt: skip
    async def test_a_call_without_a_name_is_the_callers_fault(
        self, door: Door, body: bytes, status: int
    ) -> None:
        """No name and no id: 400; over 64 KiB: 413."""
        answer = await door.post(body, {}, path="/segment/web/audience")
        assert (status, b"") == (answer.status, answer.body)


class _Doors:
    """Takes in everything, remembers what was answered."""

    def __init__(self) -> None:
        self.names = {"segment": ("default",), "sendgrid": ()}
        self.replies: list[Reply] = []

    def take(self, kind: str, name: str, body: bytes, *, headers: Headers) -> Reply:
        return Reply(200, "accepted")

    def count(self, kind: str, reply: Reply) -> None:
        self.replies.append(reply)


@asynccontextmanager
async def patient_for(seconds: float) -> AsyncIterator[int]:
    """The public listener of this process, its patience that short; the port."""
    public = Public(_Doors(), max_body=MAX_BODY, read_within_s=seconds)
    server = PublicServer(public)
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1]
    finally:
        listening.close()
        server.pre_shutdown()
        await server.shutdown(1)
        await listening.wait_closed()


async def dripped(port: int, data: bytes, every_s: float) -> Answer:
    """Send bytes one by one until there is an answer, and see the connection closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    answer = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
    try:
        async with asyncio.timeout(10):
            for byte in data:
                writer.write(bytes((byte,)))
                if (await asyncio.wait([answer], timeout=every_s))[0]:
                    break
            head = await answer
            with contextlib.suppress(ConnectionResetError):  # what it did not read is lost
                assert b"" == await reader.read()
    finally:
        answer.cancel()
        writer.close()
    return Answer(int(head.split()[1]))


class TestSlowSenders:
    """F27: the patience of 10 s, here shorter."""

    @pytest.mark.parametrize(
        "sent",
        [b"", b"POST", b"POST /segment HTTP/1.1\r\nHost: x\r\n",
         b"POST /segment HTTP/1.1\r\nHost: x\r\nX-Long: " + b"a" * 5_000],
    )  # fmt: skip
    async def test_headers_that_never_end_are_408(self, sent: bytes) -> None:
        """A connection that says nothing, or drips its headers, is told so and closed."""
        async with patient_for(0.1) as port:
            assert 408 == (await dripped(port, sent, 0.01)).status

    async def test_a_body_that_never_ends_is_408(self) -> None:
        """So is one that drips its body."""
        async with patient_for(0.1) as port:
            assert 408 == (await dripped(port, request(b"x" * 1000), 0.0005)).status
            chunked = request(b"", Content_Length="", Transfer_Encoding="chunked")
            assert 408 == (await dripped(port, chunked + b"1\r\nx\r\n" * 100, 0.001)).status

    async def test_the_second_request_of_a_connection_is_timed_as_well(self) -> None:
        """A good request buys no patience for what follows it on the connection."""
        async with patient_for(0.1) as port:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(request(b"{}") + b"POST /segment HT")
            async with asyncio.timeout(5):
                assert b"200" in await reader.readuntil(b"\r\n\r\n")
                writer.write(b"TP/1.1\r\n")
                assert b"408" in await reader.readuntil(b"\r\n\r\n")
                assert b"" == await reader.read()
            writer.close()

    async def test_a_slow_one_holds_up_nobody(self) -> None:
        """While a hundred drip, a good request is answered at once."""
        async with patient_for(5) as port:
            slow = [await asyncio.open_connection("127.0.0.1", port) for _ in range(100)]
            for _, writer in slow:
                writer.write(request(b"x" * 100)[:-50])
            async with asyncio.timeout(2):
                (answer,) = await talk(port, request(b"{}"))
            assert 200 == answer.status
            for _, writer in slow:
                writer.close()
