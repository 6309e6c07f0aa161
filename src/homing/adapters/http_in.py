"""
The public listener: aiohttp's low-level server, with the limits it does not set by itself.

Source of the limits' need: aiohttp has no time-out for a request's headers or body, and
decompresses before it measures.
"""

from __future__ import annotations

import asyncio
import logging
from email.utils import formatdate
from hashlib import blake2b
from typing import Any

import orjson
from aiohttp import HttpVersion11, web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.web_protocol import RequestHandler

from homing.core.errors import Unavailable
from homing.ports import Doors, Reply

READ_TIMEOUT_S = 10.0
MAX_CONNECTIONS = 2_048
MAX_AUDIENCE_BODY = 64 << 10

# its level keeps aiohttp from making access lines at all
_NO_LOG = logging.getLogger("homing.no_access")
_NO_LOG.setLevel(logging.CRITICAL + 1)

RETRY_AFTER_S = 30


class TooLarge(Exception):
    """The body is over the limit."""


class PublicServer(web.Server):
    """
    Makes connections that may not take for ever over their headers.

    Args:
        public: Answers the requests, and says how long their headers may take.
    """

    def __init__(self, public: Public) -> None:
        super().__init__(public)
        self._read_within_s = public.read_within_s

    def __call__(self) -> RequestHandler:
        """Open a connection's protocol."""
        return _Connection(
            self,
            read_within_s=self._read_within_s,
            loop=self._loop,
            access_log=_NO_LOG,
            auto_decompress=False,
            keepalive_timeout=75.0,
            lingering_time=self._read_within_s / 5,
        )


class _Connection(RequestHandler):
    """One connection: its request line and headers must be complete in time."""

    __slots__ = ("_deadline", "_read_within_s")

    def __init__(self, manager: web.Server, *, read_within_s: float, **options: Any) -> None:  # noqa: ANN401  aiohttp's own
        super().__init__(manager, **options)
        self._read_within_s = read_within_s

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._deadline: asyncio.TimerHandle | None = None
        if self._manager is not None and len(self._manager._connections) > MAX_CONNECTIONS:
            self.force_close()
            return
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._messages or self._current_request is not None:
            if self._deadline is not None:
                self._deadline.cancel()
                self._deadline = None
        elif self._deadline is None:
            self._expect_headers()

    def connection_lost(self, exc: BaseException | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None
        super().connection_lost(exc)

    def _expect_headers(self) -> None:
        self._deadline = self._loop.call_later(self._read_within_s, self._too_slow)

    def _too_slow(self) -> None:
        self._deadline = None
        if self.transport is not None:
            self.transport.write(
                b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        self.force_close()


class _Accepted(web.StreamResponse):
    """
    200 without a body on a connection that stays open: nearly every answer.

    Its head is made once a second. aiohttp would build a dictionary of headers for each answer and
    write that out: about a fifth of what a webhook costs.
    """

    _keep_alive = True
    _head = (-1, b"")  # of which second of the loop's clock

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the head, which is all there is."""
        second = int(asyncio.get_running_loop().time())
        if second != _Accepted._head[0]:
            date = formatdate(usegmt=True).encode("ascii")
            head = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nDate: %b\r\n\r\n" % date
            _Accepted._head = (second, head)
        await request.writer.write(_Accepted._head[1])
        self._eof_sent = True
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing follows."""


class Public:
    """
    The public paths.

    Args:
        doors: Take in what is posted.

        max_body: Largest body, bytes.

        read_within_s: How long a request's headers may take to come, and its body, each.
    """

    def __init__(
        self, doors: Doors, *, max_body: int, read_within_s: float = READ_TIMEOUT_S
    ) -> None:
        self.read_within_s = read_within_s
        self.use(doors, max_body=max_body)

    def use(self, doors: Doors, *, max_body: int) -> None:
        """Serve by a new configuration from the next request on."""
        self._max_body = max_body
        self._doors = doors
        self._served = {
            path: (kind, name)
            for kind, names in doors.names.items()
            for name in names
            for path in (
                (f"/{kind}/{name}", f"/{kind}") if name == "default" else (f"/{kind}/{name}",)
            )
        }
        self._audiences = {f"/segment/{name}/audience" for name in doors.names["segment"]}

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        served = self._served.get(request.path)
        if served is None or request.method not in _METHODS[served[0]]:
            if request.path in self._audiences and request.method == "POST":
                return await self._audience(request)
            return self._answered("other", Reply(404, "no such path"))
        kind, name = served
        reply = await self._take(request, kind, name)
        if reply.status == 200 and request.keep_alive and request.version == HttpVersion11:
            self._doors.count(f"{kind}/{name}", reply)
            return _Accepted()
        return self._answered(f"{kind}/{name}", reply)

    async def _take(self, request: web.BaseRequest, kind: str, name: str) -> Reply:
        encoding = request.headers.get("Content-Encoding")
        if encoding is not None and encoding.strip().lower() not in ("identity", ""):
            return Reply(415, "content encoding")
        try:
            body = await self._read(request, self._max_body)
            return await self._doors.take(kind, name, body, headers=request.headers)
        except TooLarge:
            return Reply(413, "body too large")
        except TimeoutError:
            return Reply(408, "body too slow")
        except Unavailable as error:
            return Reply(503, str(error))

    async def _read(self, request: web.BaseRequest, limit: int) -> bytes:
        content, length = request.content, request.content_length
        if length is not None and length > limit:
            raise TooLarge
        if content.is_eof():  # it came whole with the headers, as small ones do
            body = content.read_nowait()
            if len(body) > limit:
                raise TooLarge
            return body
        if request.headers.get("Expect", "").lower() == "100-continue":
            # curl waits a second for this before a large body
            await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        parts: list[bytes] = []
        size = 0
        async with asyncio.timeout(self.read_within_s):
            while part := await content.readany():
                size += len(part)
                if size > limit:
                    raise TooLarge
                parts.append(part)
        return b"".join(parts)

    async def _audience(self, request: web.BaseRequest) -> web.StreamResponse:
        """
        Segment's create and get audience calls.

        Source: action-destinations, ``webhook-audiences/index.ts``.
        """
        try:
            body = await self._read(request, MAX_AUDIENCE_BODY)
            asked = orjson.loads(body)
        except TooLarge:
            return self._answered("audience", Reply(413, "body too large"))
        except TimeoutError:
            return self._answered("audience", Reply(408, "body too slow"))
        except orjson.JSONDecodeError:
            return self._answered("audience", Reply(400, "not JSON"))
        external = audience_id(asked)
        if external is None:
            return self._answered("audience", Reply(400, "no audienceName, no externalId"))
        self._doors.count("audience", Reply(200, "accepted"))
        return web.Response(
            body=orjson.dumps({"externalId": external}), content_type="application/json"
        )

    def _answered(self, kind: str, reply: Reply) -> web.StreamResponse:
        self._doors.count(kind, reply)
        response = web.Response(status=reply.status)
        if reply.status == 503:
            response.headers["Retry-After"] = str(RETRY_AFTER_S)
        if reply.status in (408, 413):
            response.force_close()
        return response


_METHODS = {"segment": ("POST", "PUT", "PATCH"), "sendgrid": ("POST",)}


def audience_id(asked: object) -> str | None:
    """The ``externalId`` to reply with: the one asked for, or a pure function of the name."""
    if not isinstance(asked, dict):
        return None
    known = asked.get("externalId")
    if isinstance(known, str) and known:
        return known
    name = asked.get("audienceName")
    if isinstance(name, str) and name:
        digest = blake2b(name.encode("utf-8", "surrogatepass"), digest_size=12).hexdigest()
        return f"homing-{digest}"
    return None
