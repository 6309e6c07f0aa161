"""Tests of homing.adapters.api_http, against servers that say exactly what a test lets them."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import subprocess
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from homing.adapters.api_http import MAX_ANSWER, HttpApi
from homing.core.outcomes import Answer

OK = b"HTTP/1.1 202 Accepted\r\nX-Message-Id: m1\r\nContent-Length: 0\r\n\r\n"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n"

Talk = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Server:
    """Takes requests, answers each with the next of its answers; empty bytes hang up."""

    def __init__(self, *answers: bytes) -> None:
        self.answers = [*answers]
        self.requests: list[bytes] = []
        self.connections = 0

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        self.connections += 1
        while head := await reader.read(1 << 16):
            length = head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
            needed = head.index(b"\r\n\r\n") + 4 + int(length or 0)
            self.requests.append(head + await reader.readexactly(max(0, needed - len(head))))
            answer = self.answers.pop(0) if self.answers else OK
            if not answer:
                break
            writer.write(answer)
            if b"Connection: close" in answer or b"Content-Length" not in answer:
                break


@asynccontextmanager
async def serving(talk: Talk, *, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """The base URL of a server on loopback."""

    talking: set[asyncio.Task[None]] = set()

    async def talked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            await talk(reader, writer)
        writer.close()
        with contextlib.suppress(ConnectionError, ssl.SSLError):
            await writer.wait_closed()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.create_task(talked(reader, writer))
        talking.add(task)
        task.add_done_callback(talking.discard)

    server = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=tls)
    port = server.sockets[0].getsockname()[1]
    yield f"{'https' if tls else 'http'}://127.0.0.1:{port}"
    server.close()
    async with asyncio.timeout(5):
        await asyncio.gather(*talking)


@asynccontextmanager
async def calling(
    base: str, *, authorization: str = "Bearer SG.x", connections: int = 4, total_s: float = 5.0
) -> AsyncIterator[HttpApi]:
    """An API at that base URL."""
    api = HttpApi(
        base, authorization=authorization, connections=connections, user_agent="Homing/9",
        total_s=total_s,
    )  # fmt: skip
    try:
        yield api
    finally:
        await api.close()


async def answered(*answers: bytes, total_s: float = 5.0) -> Answer:
    """What a post to a server with those answers comes to."""
    async with serving(Server(*answers).talk) as base, calling(base, total_s=total_s) as api:
        return await api.call("POST", "/v3/mail/send", b"{}")


class TestWhatIsSent:
    async def test_a_post_is_exactly_this(self) -> None:
        """One piece, no header that was not asked for."""
        server = Server()
        async with serving(server.talk) as base, calling(base) as api:
            await api.call("POST", "/v3/mail/send", b'{"a":1}')

        assert [
            b"POST /v3/mail/send HTTP/1.1\r\n"
            b"Host: " + base.removeprefix("http://").encode() + b"\r\n"
            b"Content-Type: application/json\r\n"
            b"User-Agent: Homing/9\r\n"
            b"Accept: application/json\r\n"
            b"Accept-Encoding: identity\r\n"
            b"Authorization: Bearer SG.x\r\n"
            b'Content-Length: 7\r\n\r\n{"a":1}'
        ] == server.requests

    @pytest.mark.parametrize(
        ("method", "body", "length"),
        [
            ("GET", None, None),
            ("DELETE", None, None),
            ("DELETE", b"{}", b"2"),
            ("POST", None, b"0"),
            ("PUT", None, b"0"),
            ("PATCH", b"{}", b"2"),
        ],
    )
    async def test_a_length_is_said_where_a_body_belongs(
        self, method: str, body: bytes | None, length: bytes | None
    ) -> None:
        """Some servers refuse a POST without one, some a GET with one."""
        server = Server()
        async with serving(server.talk) as base, calling(base) as api:
            assert 202 == (await api.call(method, "/x", body)).status

        (request,) = server.requests
        _, _, said = request.partition(b"Content-Length: ")
        assert length == (said.partition(b"\r\n")[0] or None)

    async def test_a_path_is_quoted_where_need_be(self) -> None:
        """An address in a path keeps its at-sign; nothing in it can begin another line."""
        server = Server()
        async with serving(server.talk) as base, calling(base) as api:
            await api.call("DELETE", "/v3/asm/suppressions/global/ö p@x.y?a=b c", None)
            await api.call("DELETE", "/v3/a%40b%2Fc", None)
            await api.call("DELETE", "/v3/a\r\nX: y", None)

        lines = [request.partition(b"\r\n")[0] for request in server.requests]
        assert b"DELETE /v3/asm/suppressions/global/%C3%B6%20p@x.y?a=b+c HTTP/1.1" == lines[0]
        # what was quoted stays quoted where it would mean something else bare
        assert b"%2Fc HTTP/1.1" in lines[1]
        assert b"\r\nX: y" not in server.requests[2]

    async def test_a_secret_cannot_begin_another_header(self) -> None:
        """A line break in a secret's file is taken out."""
        server = Server()
        async with (
            serving(server.talk) as base,
            calling(base, authorization="Bearer a\r\nX-Evil: 1\n") as api,
        ):
            await api.call("POST", "/x", b"")

        assert b"Authorization: Bearer aX-Evil: 1\r\n" in server.requests[0]

    async def test_no_authorization_is_no_header(self) -> None:
        """The alert's webhook has none."""
        server = Server()
        async with serving(server.talk) as base, calling(base, authorization="") as api:
            await api.call("POST", "/x", b"")

        assert b"Authorization" not in server.requests[0]

    async def test_a_large_body_arrives_whole(self) -> None:
        """A batch for Segment is half a megabyte."""
        server = Server()
        body = b"x" * 480_000
        async with serving(server.talk) as base, calling(base) as api:
            await api.call("POST", "/v1/batch", body)

        assert server.requests[0].endswith(b"\r\n\r\n" + body)


class TestAnswers:
    async def test_status_headers_and_body_are_told(self) -> None:
        """Headers are found in any case."""
        answer = await answered(
            b"HTTP/1.1 429 Too Many\r\nX-RateLimit-Reset: 5\r\nContent-Length: 3\r\n\r\nabc"
        )

        assert (True, 429, b"abc") == (answer.headers_sent, answer.status, answer.body)
        assert "5" == answer.headers.get("x-ratelimit-reset")
        assert answer.error is None

    @pytest.mark.parametrize(
        ("said", "status", "body"),
        [
            (b"HTTP/1.1 204 No Content\r\n\r\n", 204, b""),
            (CHUNKED, 200, b"abc"),
            (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", 200, b"until the end"),
            (b"HTTP/1.1 100 Continue\r\n\r\n" + OK, 202, b""),
            (b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + OK, 202, b""),
            (b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n", 302, b""),
            (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx", 200, b"x"),
        ],
    )  # fmt: skip
    async def test_every_shape_of_an_answer_is_read(
        self, said: bytes, status: int, body: bytes
    ) -> None:
        """A redirect is an answer like any other: it is not followed."""
        answer = await answered(said)

        assert (True, status, body) == (answer.headers_sent, answer.status, answer.body)

    async def test_no_more_of_a_body_is_read_than_is_wanted(self) -> None:
        """A stranger's gigabytes stay in the socket, and the connection is given up."""
        server = Server(b"HTTP/1.1 200 OK\r\nContent-Length: 9999999\r\n\r\n" + b"x" * 200_000, OK)
        async with serving(server.talk) as base, calling(base) as api:
            answer = await api.call("POST", "/x", b"")
            again = await api.call("POST", "/x", b"")

        assert 0 < len(answer.body) <= MAX_ANSWER
        assert (202, 2) == (again.status, server.connections)

    async def test_a_body_cut_short_loses_nothing(self) -> None:
        """A status was seen; that is what counts."""
        answer = await answered(
            b"HTTP/1.1 202 Accepted\r\nContent-Length: 99\r\nConnection: close\r\n\r\nab"
        )

        assert (True, 202) == (answer.headers_sent, answer.status)


class TestTrouble:
    @pytest.mark.parametrize(
        "said",
        [
            b"",  # the head came, and the connection was closed
            b"SSH-2.0-OpenSSH_9.6\r\n",
            b"HTTP/1.1 2x0 OK\r\n\r\n",
            b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
            b"\x00\xff" * 100,
            b"HTTP/1.1 200 OK\r\nX: " + b"y" * 20_000,
        ],
    )
    async def test_no_answer_that_can_be_read_is_an_outcome_nobody_knows(self, said: bytes) -> None:
        """The head left, no status came back; and nothing is tried again."""
        server = Server(said)
        async with serving(server.talk) as base, calling(base) as api:
            answer = await api.call("POST", "/x", b"{}")

        assert (True, None) == (answer.headers_sent, answer.status)
        assert answer.error
        assert 1 == len(server.requests)

    async def test_a_server_that_is_silent_is_given_up(self) -> None:
        """After the time for a call; the next call takes another connection."""
        gone = asyncio.Event()

        async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await reader.read(1 << 16)
            assert b"" == await reader.read(1)
            gone.set()

        async with serving(silent) as base, calling(base, total_s=0.1) as api:
            answer = await api.call("POST", "/x", b"{}")
            async with asyncio.timeout(5):
                await gone.wait()

        assert (True, None) == (answer.headers_sent, answer.status)
        assert "TimeoutError" in str(answer.error)

    async def test_an_answer_in_the_last_moment_is_an_answer(self) -> None:
        """It is there when the time is up, and is read only then."""

        async def answer_and_block(
            reader: asyncio.StreamReader, writer: asyncio.StreamWriter
        ) -> None:
            await reader.read(1 << 16)
            writer.write(OK)
            time.sleep(0.2)  # noqa: ASYNC251  nobody reads it before the time is up

        async with serving(answer_and_block) as base, calling(base, total_s=0.1) as api:
            answer = await api.call("POST", "/x", b"{}")

        assert (True, 202) == (answer.headers_sent, answer.status)

    async def test_what_could_not_be_connected_never_left(self) -> None:
        """Nobody listens: the same send may be tried again."""
        async with serving(Server().talk) as base:
            pass
        async with calling(base) as api:
            answer = await api.call("POST", "/x", b"{}")

        assert (False, None) == (answer.headers_sent, answer.status)
        assert "ClientConnectorError" in str(answer.error)

    async def test_a_certificate_that_is_not_trusted_ends_it_before_a_byte(
        self, tmp_path: Path
    ) -> None:
        """The key is shown to nobody who cannot prove who it is."""
        server = Server()
        async with serving(server.talk, tls=self_signed(tmp_path)) as base, calling(base) as api:
            answer = await api.call("POST", "/x", b"{}")

        assert (False, None) == (answer.headers_sent, answer.status)
        assert "ertificate" in str(answer.error)
        assert [] == server.requests

    async def test_a_call_given_up_gives_its_connection_up(self) -> None:
        """Cancelling frees the only connection there may be, for others that wait for it."""
        asked = asyncio.Event()
        quiet = Server()

        async def first_silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            if not asked.is_set():
                await reader.read(1 << 16)
                asked.set()
                await reader.read(1)
                writer.close()
                return
            await quiet.talk(reader, writer)

        async with serving(first_silent) as base, calling(base, connections=1) as api:
            hanging = asyncio.create_task(api.call("POST", "/x", b"{}"))
            await asked.wait()
            waiting = asyncio.create_task(api.call("POST", "/y", b"{}"))
            hanging.cancel()
            async with asyncio.timeout(5):
                answer = await waiting

        assert hanging.cancelled()
        assert 202 == answer.status


class TestConnections:
    async def test_they_are_used_again(self) -> None:
        """One connection carries calls that follow each other."""
        server = Server()
        async with serving(server.talk) as base, calling(base) as api:
            for _ in range(5):
                await api.call("POST", "/x", b"{}")

        assert (5, 1) == (len(server.requests), server.connections)

    async def test_there_are_never_more_than_allowed(self) -> None:
        """The others wait their turn."""
        server = Server()
        async with serving(server.talk) as base, calling(base, connections=2) as api:
            answers = await asyncio.gather(*(api.call("POST", "/x", b"") for _ in range(20)))

        assert [202] * 20 == [answer.status for answer in answers]
        assert server.connections <= 2

    async def test_one_that_the_server_closes_is_not_used_again(self) -> None:
        """As `Connection: close` says."""
        closing = OK.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
        server = Server(closing, closing)
        async with serving(server.talk) as base, calling(base) as api:
            for _ in range(2):
                assert 202 == (await api.call("POST", "/x", b"")).status

        assert 2 == server.connections

    async def test_one_that_was_closed_while_nobody_used_it_is_not_used_again(self) -> None:
        """A call into it would be an outcome nobody knows."""
        server, hung_up = Server(), asyncio.Event()

        async def talk_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            server.requests.append(await reader.read(1 << 16))
            server.connections += 1
            writer.write(OK)
            writer.close()
            await writer.wait_closed()
            hung_up.set()

        async with serving(talk_once) as base, calling(base) as api:
            for _ in range(3):
                assert 202 == (await api.call("POST", "/x", b"")).status
                await hung_up.wait()
                hung_up.clear()
                await asyncio.to_thread(int)  # a turn in which the end is heard

        assert (3, 3) == (len(server.requests), server.connections)

    async def test_what_was_not_asked_for_answers_no_call(self) -> None:
        """A second answer to one request is not taken for that of the next."""
        server = Server(OK + OK.replace(b"202 Accepted", b"400 Bad"), OK)
        async with serving(server.talk) as base, calling(base) as api:
            first = await api.call("POST", "/x", b"")
            second = await api.call("POST", "/x", b"")

        assert (202, 202) == (first.status, second.status)
        assert 2 == server.connections


class TestUse:
    async def test_the_next_call_goes_there(self) -> None:
        """With the new key."""
        old, new = Server(), Server()
        async with serving(old.talk) as before, serving(new.talk) as after, calling(before) as api:
            await api.call("POST", "/x", b"")
            api.use(after + "/", authorization="Bearer new")
            await api.call("POST", "/x", b"")

        assert (1, 1) == (len(old.requests), len(new.requests))
        assert b"Authorization: Bearer new\r\n" in new.requests[0]


def self_signed(folder: Path) -> ssl.SSLContext:
    """A server's context with a certificate that nobody vouches for."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
         "-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "1",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"],
        check=True, capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context
