"""The public listener: plain posts answered straight away, all else aiohttp's way, in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime

import pytest
from tests.support.wire import request, talk

from homing.adapters.http_in import ACCEPTED, Public, PublicServer, head_of
from homing.core.errors import Unavailable
from homing.ports import Headers, Reply

MAX_BODY = 1_000
POST = request(b"one")


@dataclass(slots=True)
class Doors:
    """Keeps what is posted for as long as a test wants, and remembers what was answered."""

    at_once: bool = True
    refusal: Reply | Unavailable | None = None
    bodies: list[bytes] = field(default_factory=list)
    waiting: list[asyncio.Future[int]] = field(default_factory=list)
    replies: list[tuple[str, Reply]] = field(default_factory=list)
    came: asyncio.Event = field(default_factory=asyncio.Event)
    names: dict[str, tuple[str, ...]] = field(
        default_factory=lambda: {"segment": ("default", "web"), "sendgrid": ("default",)}
    )

    def take(
        self, kind: str, name: str, body: bytes, *, headers: Headers
    ) -> Reply | Awaitable[int]:
        """Take in a post."""
        if isinstance(self.refusal, Unavailable):
            raise self.refusal
        if self.refusal is not None:
            return self.refusal
        self.bodies.append(body)
        future: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        if self.at_once:
            future.set_result(1)
        self.waiting.append(future)
        self.came.set()
        return future

    def count(self, kind: str, reply: Reply) -> None:
        """Remember an answer."""
        self.replies.append((kind, reply))

    async def next(self) -> asyncio.Future[int]:
        """The post that comes next, as it waits for the disk."""
        async with asyncio.timeout(5):
            await self.came.wait()
        self.came.clear()
        return self.waiting[-1]


@asynccontextmanager
async def serving(doors: Doors) -> AsyncIterator[tuple[int, PublicServer]]:
    """A listener and its port."""
    server = PublicServer(Public(doors, max_body=MAX_BODY, read_within_s=5))
    listening = await asyncio.get_running_loop().create_server(server, "127.0.0.1", 0)
    try:
        yield listening.sockets[0].getsockname()[1], server
    finally:
        listening.close()
        server.pre_shutdown()
        await server.shutdown(1)
        await listening.wait_closed()


async def is_empty(server: PublicServer) -> None:
    """Wait until nobody is connected."""
    async with asyncio.timeout(5):
        while server.connections:
            await asyncio.sleep(0)


async def answered_after_another(sent: bytes) -> int:
    """The status of an answer on a connection that has already served a plain post."""
    async with serving(Doors()) as (port, _), asyncio.timeout(10):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(POST)
        await reader.readuntil(b"\r\n\r\n")
        writer.write(sent)
        head = await reader.readuntil(b"\r\n\r\n")
        writer.close()
        return int(head.split()[1])


class TestPlainPosts:
    async def test_one_is_answered_once_it_is_durable(self) -> None:
        """
        Promise P1: no byte before, and all of the answer after.
        """
        doors = Doors(at_once=False)
        async with serving(doors) as (port, _):
            answer = asyncio.create_task(talk(port, POST))
            kept = await doors.next()
            for _ in range(5):
                await asyncio.sleep(0)
            assert not answer.done()
            kept.set_result(1)

            assert [200] == [one.status for one in await answer]

        assert [b"one"] == doors.bodies
        assert [("segment/default", ACCEPTED)] == doors.replies

    async def test_a_connection_serves_many(self) -> None:
        """
        One after the other; the date is in each answer.
        """
        doors = Doors()
        async with serving(doors) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            async with asyncio.timeout(10):
                for _ in range(50):
                    writer.write(POST)
                    head = (await reader.readuntil(b"\r\n\r\n")).decode()
                    assert head.startswith("HTTP/1.1 200 OK\r\n")
                    assert "Date: " in head
            writer.close()

        assert [b"one"] * 50 == doors.bodies

    async def test_what_is_sent_ahead_waits_for_its_turn(self) -> None:
        """
        While one waits for the disk, the next ones are not taken in; their order stays.
        """
        doors = Doors(at_once=False)
        async with serving(doors) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(POST)
            first = await doors.next()
            writer.write(request(b"", path="/lost") + request(b"two"))
            await writer.drain()
            for _ in range(20):
                await asyncio.sleep(0)
            assert [b"one"] == doors.bodies
            first.set_result(1)
            (await doors.next()).set_result(2)

            async with asyncio.timeout(10):
                heads = [await reader.readuntil(b"\r\n\r\n") for _ in range(3)]
            writer.close()

        assert [b"200", b"404", b"200"] == [head.split()[1] for head in heads]
        assert [b"one", b"two"] == doors.bodies

    @pytest.mark.parametrize("cut", [1, 20, len(POST) - 1])
    async def test_the_start_of_the_next_may_come_ahead(self, cut: int) -> None:
        """
        A request in two pieces, the first while another waits for the disk.
        """
        doors = Doors(at_once=False)
        async with serving(doors) as (port, _):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(POST)
            first = await doors.next()
            writer.write(POST[:cut])
            for _ in range(20):
                await asyncio.sleep(0)
            first.set_result(1)
            async with asyncio.timeout(10):
                await reader.readuntil(b"\r\n\r\n")
                writer.write(POST[cut:])
                (await doors.next()).set_result(2)
                assert b"200" == (await reader.readuntil(b"\r\n\r\n")).split()[1]
            writer.close()

    @pytest.mark.parametrize(
        ("refusal", "status"),
        [(Reply(401, "signature missing"), 401), (Reply(503, "no secret configured"), 503),
         (Unavailable("disk full"), 503)],
    )  # fmt: skip
    async def test_a_refused_one_is_told_so_and_may_go_on(
        self, refusal: Reply | Unavailable, status: int
    ) -> None:
        """
        The same connection; whoever shall try again is told when.
        """
        doors = Doors(refusal=refusal)
        async with serving(doors) as (port, _):
            answers = [*await talk(port, POST), *await talk(port, POST + POST, answers=2)]

        assert [(status, b"")] * 3 == [(one.status, one.body) for one in answers]
        assert [status == 503] * 3 == ["retry-after" in one.headers for one in answers]
        assert [status] * 3 == [reply.status for _, reply in doors.replies]

    async def test_a_disk_that_fails_in_the_midst_is_503(self) -> None:
        """
        Nothing was kept: the sender keeps it.
        """
        doors = Doors(at_once=False)
        async with serving(doors) as (port, _):
            answer = asyncio.create_task(talk(port, POST))
            (await doors.next()).set_exception(Unavailable("disk failed"))

            (found,) = await answer

        assert 503 == found.status
        assert int(found.headers["retry-after"]) > 0

    @pytest.mark.parametrize("ahead", [b"", POST, POST[:9]])
    async def test_one_who_hangs_up_harms_nobody(self, ahead: bytes) -> None:
        """
        Seen at once, or only when what came ahead has its turn.
        """
        doors = Doors(at_once=False)
        said: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        async with serving(doors) as (port, server):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(POST)
            kept = await doors.next()
            writer.write(ahead)
            await writer.drain()
            writer.transport.abort()
            if not ahead:
                await is_empty(server)
            doors.at_once = True
            kept.set_result(1)
            await is_empty(server)

            assert [200] == [one.status for one in await talk(port, request(b"two"))]

        assert {b"one", b"two"} == {*doors.bodies}
        assert [] == said

    async def test_a_stop_waits_for_those_under_way(self) -> None:
        """
        Who was taken in is answered.
        """
        doors = Doors(at_once=False)
        async with serving(doors) as (port, server):
            answer = asyncio.create_task(talk(port, POST))
            kept = await doors.next()
            server.pre_shutdown()
            stopping = asyncio.create_task(server.shutdown(5))
            for _ in range(5):
                await asyncio.sleep(0)
            assert not stopping.done()
            kept.set_result(1)

            assert [200] == [one.status for one in await answer]
            await asyncio.wait_for(stopping, 5)


class TestOtherRequests:
    """Whatever a plain post is not has the same answers as ever."""

    @pytest.mark.parametrize(
        ("sent", "status"),
        [
            (request(b"one", path="/segment?a=b"), 200),
            (request(b"one", path="/segm%65nt/web"), 200),
            (request(b"one", path="http://homing.example/segment"), 200),
            (request(b"one", Connection="close"), 200),
            (POST.replace(b"HTTP/1.1", b"HTTP/1.0"), 200),
            (request(b"one", Content_Encoding="identity"), 200),
            (request(b"one", Content_Encoding="gzip"), 415),
            (request(b"x" * MAX_BODY), 200),
            (request(b"x" * (MAX_BODY + 1)), 413),
            (request(b"", Content_Length="", Transfer_Encoding="chunked") + b"0\r\n\r\n", 200),
            (request(b"one", method="GET"), 404),
            (request(b"one", method="PUT", path="/sendgrid"), 404),
            (request(b"one", method="PATCH"), 200),
            (request(b"one", Upgrade="websocket", Connection="Upgrade"), 200),
            (b"no HTTP at all\r\n\r\n", 400),
        ],
    )
    async def test_each_has_its_answer(self, sent: bytes, status: int) -> None:
        """
        As the first of a connection, and after a plain post.
        """
        async with serving(Doors()) as (port, _):
            (first,) = await talk(port, sent)

        assert status == first.status
        assert status == await answered_after_another(sent)

    async def test_they_are_answered_in_order(self) -> None:
        """
        Plain and other ones, sent all at once, in the order in which they came.
        """
        lost, refused = request(b"", path="/lost"), request(b"", Content_Encoding="br")
        async with serving(Doors()) as (port, _):
            answers = await talk(port, (POST + lost + POST + refused + POST) * 20, answers=100)

        assert [200, 404, 200, 415, 200] * 20 == [one.status for one in answers]


class TestHeadOf:
    def test_it_is_a_whole_answer_with_the_date(self) -> None:
        """
        Of a second, the same bytes.
        """
        head = head_of(200, second=7)
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ") for line in lines if line)

        assert "HTTP/1.1 200 OK" == first
        assert "0" == headers["Content-Length"]
        assert parsedate_to_datetime(headers["Date"])
        assert head.endswith(b"\r\n\r\n")
        assert head is head_of(200, second=7)
        assert head is not head_of(200, second=8)

    def test_who_shall_come_again_is_told_when(self) -> None:
        """
        Only with 503.
        """
        assert b"\r\nRetry-After: 30\r\n" in head_of(503, second=1)
        assert b"Retry-After" not in head_of(401, second=1)
