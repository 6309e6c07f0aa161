"""Calls and files over aiohttp's session."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from homing.adapters.plain_http import MAX_ANSWER, PlainHttpApi

KEY = "Bearer SG.secret"


class Far:
    """A server that keeps what it was asked."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, str, dict[str, str], bytes]] = []
        self.answer: Callable[[web.Request], Awaitable[web.StreamResponse]] = self._ok

    async def handle(self, request: web.Request) -> web.StreamResponse:
        """Answer."""
        body = await request.read()
        headers = {name.lower(): text for name, text in request.headers.items()}
        self.seen.append((request.method, request.raw_path, headers, body))
        return await self.answer(request)

    async def _ok(self, _: web.Request) -> web.StreamResponse:
        return web.Response(text="file", headers={"X-RateLimit-Remaining": "5"})


@pytest.fixture
async def far() -> AsyncIterator[tuple[Far, str]]:
    """A server on loopback, and where it is."""
    far = Far()
    app = web.Application(client_max_size=1 << 26)
    app.router.add_route("*", "/{tail:.*}", far.handle)
    async with TestServer(app) as server:
        yield far, str(server.make_url("")).rstrip("/")


@pytest.fixture
async def api(far: tuple[Far, str]) -> AsyncIterator[PlainHttpApi]:
    """An API there."""
    async with PlainHttpApi(far[1], authorization=KEY, user_agent="Homing/0") as api:
        yield api


class TestCall:
    async def test_a_call_carries_the_key_and_its_path_as_it_is(
        self, far: tuple[Far, str], api: PlainHttpApi
    ) -> None:
        """A large body, too."""
        body = b"x" * (8 << 20)
        answer = await api.call("PUT", "/v3/a%2Fb?ids=1,2", body)
        ((method, path, headers, sent),) = far[0].seen
        assert ("PUT", "/v3/a%2Fb?ids=1,2", KEY, len(body)) == (
            method, path, headers["authorization"], len(sent),
        )  # fmt: skip
        assert (200, b"file", "5") == (
            answer.status, answer.body, answer.headers["X-RateLimit-Remaining"],
        )  # fmt: skip

    async def test_a_redirection_is_not_followed(
        self, far: tuple[Far, str], api: PlainHttpApi
    ) -> None:
        """The key would go along."""

        async def elsewhere(_: web.Request) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": "/elsewhere"})

        far[0].answer = elsewhere
        assert 302 == (await api.call("GET", "/", None)).status
        assert 1 == len(far[0].seen)

    async def test_nobody_there_is_told_from_no_answer(
        self, far: tuple[Far, str], api: PlainHttpApi
    ) -> None:
        """Nothing left, or something did."""

        async def cut(request: web.Request) -> web.StreamResponse:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()

        far[0].answer = cut
        answer = await api.call("GET", "/", None)
        assert (None, True) == (answer.status, answer.headers_sent)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        api.use(f"http://127.0.0.1:{port}", authorization="")
        answer = await api.call("GET", "/", None)
        assert (None, False) == (answer.status, answer.headers_sent)

    async def test_an_answer_without_end_is_cut(
        self, far: tuple[Far, str], api: PlainHttpApi
    ) -> None:
        """It is no answer."""

        async def huge(_: web.Request) -> web.StreamResponse:
            return web.Response(body=bytes(MAX_ANSWER + 1))

        far[0].answer = huge
        assert (await api.call("GET", "/", None)).status is None

    async def test_a_line_break_in_a_key_begins_no_header(
        self, far: tuple[Far, str], api: PlainHttpApi
    ) -> None:
        """The API refuses what is left."""
        api.use(far[1], authorization="Bearer a\r\nX-Evil: 1\n")
        await api.call("GET", "/", None)
        assert "x-evil" not in far[0].seen[0][2]


class TestFetch:
    async def test_a_file_is_read_in_pieces_and_without_the_key(
        self, far: tuple[Far, str], api: PlainHttpApi
    ) -> None:
        """Nothing else that could be a secret, either."""
        raw = bytearray()
        assert 200 == (await api.fetch(f"{far[1]}/f?sig=a%2Fb", raw.extend)).status
        ((_, path, headers, _),) = far[0].seen
        assert (b"file", "/f?sig=a/b") == (bytes(raw), path.replace("%2F", "/"))
        assert {"authorization", "cookie"} & set(headers) == set()

    @pytest.mark.parametrize(
        "url",
        [
            "http://files.example/f", "http://169.254.169.254/latest", "ftp://x/f", "file:///etc",
            "", "/f", "http://[::1", "https://", "http://127.0.0.1.example/f", "\x00",
        ],
    )  # fmt: skip
    async def test_only_over_tls(self, api: PlainHttpApi, url: str) -> None:
        """Whatever an answer points to, nothing raises and nothing is read."""
        answer = await api.fetch(url, [].append)
        assert answer.status is None
        assert answer.error

    async def test_loopback_only_where_the_api_is(
        self, far: tuple[Far, str], api: PlainHttpApi
    ) -> None:
        """A real SendGrid points to nobody's own machine."""
        api.use("https://api.sendgrid.com", authorization=KEY)
        answer = await api.fetch(f"{far[1]}/f", [].append)
        assert ([], None) == (far[0].seen, answer.status)

    async def test_no_redirection_is_followed(
        self, far: tuple[Far, str], api: PlainHttpApi
    ) -> None:
        """It could lead anywhere."""

        async def elsewhere(_: web.Request) -> web.StreamResponse:
            return web.Response(status=302, headers={"Location": "/elsewhere"})

        far[0].answer = elsewhere
        assert 302 == (await api.fetch(f"{far[1]}/f", [].append)).status
        assert 1 == len(far[0].seen)

    async def test_a_file_that_is_too_long_is_not_read_on(
        self, far: tuple[Far, str], api: PlainHttpApi
    ) -> None:
        """Its beginning says nothing."""

        async def huge(_: web.Request) -> web.StreamResponse:
            return web.Response(body=b"x" * (4 << 20))

        far[0].answer = huge
        raw = bytearray()
        answer = await api.fetch(f"{far[1]}/f", raw.extend, most_bytes=1 << 20)
        assert (None, True) == (answer.status, len(raw) <= 1 << 20)
