"""
The public listener: aiohttp's low-level server, with the limits it does not set by itself.

Source of the limits' need: aiohttp has no time-out for a request's headers or body, and
decompresses before it measures.
"""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from email.utils import formatdate
from hashlib import blake2b
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import orjson
from aiohttp import HttpVersion11, web
from aiohttp.hdrs import CONTENT_ENCODING
from aiohttp.http_parser import RawRequestMessage
from aiohttp.web_protocol import RequestHandler

from homing.core.errors import Unavailable
from homing.ports import Doors, Reply

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from aiohttp import StreamReader
    from aiohttp.abc import AbstractStreamWriter

    from homing.ports import Headers

READ_TIMEOUT_S = 10.0
MAX_CONNECTIONS = 2_048
MAX_AUDIENCE_BODY = 64 << 10
KEEP_ALIVE_S = 75.0

# its level keeps aiohttp from making access lines at all
_NO_LOG = logging.getLogger("homing.no_access")
_NO_LOG.setLevel(logging.CRITICAL + 1)

RETRY_AFTER_S = 30
ACCEPTED = Reply(200, "accepted")


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
        self._public = public

    def __call__(self) -> RequestHandler:
        """Open a connection's protocol."""
        return _Connection(
            self,
            public=self._public,
            loop=self._loop,
            access_log=_NO_LOG,
            auto_decompress=False,
            keepalive_timeout=KEEP_ALIVE_S,
            lingering_time=self._public.read_within_s / 5,
        )


class _Connection(RequestHandler):
    """
    One connection: its request line and headers must be complete in time.

    A plain post that came whole, as nearly all do, is answered here: aiohttp would make a request,
    a writer, a task and a response for it, which costs more than all that we do. Whatever has more
    to it goes aiohttp's way, in its turn.
    """

    __slots__ = ("_ahead", "_deadline", "_door", "_public")

    def __init__(self, manager: web.Server, *, public: Public, **options: Any) -> None:  # noqa: ANN401  aiohttp's own
        super().__init__(manager, **options)
        self._public = public
        self._door: Door | None = None  # that a post under way came to
        self._ahead = b""  # what came before that was answered

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._deadline: asyncio.TimerHandle | None = None
        if self._manager is not None and len(self._manager._connections) > MAX_CONNECTIONS:
            self.force_close()
            return
        self._expect_headers()

    def data_received(self, data: bytes) -> None:
        if self._door is not None:
            self._ahead += data
            self._pause_reading_for_buffer()
            return
        # while hidden, it is not woken: aiohttp's task need not hear of what we answer
        waiter, self._waiter = self._waiter, None
        super().data_received(data)
        self._waiter = waiter
        under_way = bool(self._messages) or self._current_request is not None
        if self._messages and waiter is not None and not waiter.done() and not self._took():
            waiter.set_result(None)
        if under_way:
            self._forget_deadline()
        elif self._deadline is None:
            self._expect_headers()

    def connection_lost(self, exc: BaseException | None) -> None:
        self._forget_deadline()
        self._ahead = b""
        super().connection_lost(exc)

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002  aiohttp's own
        # aiohttp asks for it after each body, and parses nothing once more
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def _took(self) -> bool:
        """Take the one message there is, if it is a plain post that came whole."""
        if len(self._messages) > 1 or self._paused or self._reading_paused or self._upgraded:
            return False
        message, payload = self._messages[0]
        if not isinstance(message, RawRequestMessage) or self._parser is None:
            return False
        door = self._public.door_of(message, payload)
        if door is None:
            return False
        self._messages.popleft()
        self._parser.message_consumed()
        self._next_keepalive_close_time = self._loop.time() + KEEP_ALIVE_S
        taken = self._public.take(door, payload.read_nowait(), headers=message.headers)
        if isinstance(taken, Reply):
            self._tell(door, taken)
            return True
        self._door = door
        self._request_in_progress = True  # a stop waits for it
        asyncio.ensure_future(taken).add_done_callback(self._kept)
        return True

    def _kept(self, kept: asyncio.Future[int]) -> None:
        door, self._door = self._door, None
        assert door is not None  # noqa: S101  set before this could be called
        self._request_in_progress = False
        error = kept.exception()
        if error is None:
            self._tell(door, ACCEPTED)
        elif isinstance(error, Unavailable):
            self._tell(door, Reply(503, str(error)))
        else:
            self.force_close()
            raise error
        if self._handler_waiter is not None and not self._handler_waiter.done():
            self._handler_waiter.set_result(None)
        if self._ahead:
            ahead, self._ahead = self._ahead, b""
            self._resume_reading_for_buffer()
            self.data_received(ahead)

    def _tell(self, door: Door, reply: Reply) -> None:
        self._public.count(door, reply)
        if self.transport is not None:
            self.transport.write(head_of(reply.status, second=int(self._loop.time())))

    def _expect_headers(self) -> None:
        self._deadline = self._loop.call_later(self._public.read_within_s, self._too_slow)

    def _forget_deadline(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _too_slow(self) -> None:
        self._deadline = None
        if self.transport is not None:
            self.transport.write(
                b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            )
        self.force_close()


class _Heads(dict[int, bytes]):
    """Heads of answers without a body by status, as they are for a second."""

    second = -1

    def __missing__(self, status: int) -> bytes:
        date = formatdate(usegmt=True)
        retry = f"Retry-After: {RETRY_AFTER_S}\r\n" if status == 503 else ""
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\n"
            f"Content-Length: 0\r\n{retry}Date: {date}\r\n\r\n"
        )
        self[status] = made = head.encode("ascii")
        return made


_heads = _Heads()


def head_of(status: int, *, second: int) -> bytes:
    """
    All there is of an answer without a body, on a connection that stays open.

    Args:
        second: Of the loop's clock: the head, which tells the date, is made once in it.
    """
    if second != _heads.second:
        _heads.clear()
        _heads.second = second
    return _heads[status]


class _Accepted(web.StreamResponse):
    """
    200 without a body on a connection that stays open.

    aiohttp would build a dictionary of headers for each answer and write that out.
    """

    _keep_alive = True

    async def prepare(self, request: web.BaseRequest) -> AbstractStreamWriter | None:
        """Write the head, which is all there is."""
        second = int(asyncio.get_running_loop().time())
        await request.writer.write(head_of(200, second=second))
        self._eof_sent = True
        return None

    async def write_eof(self, data: bytes = b"") -> None:
        """Nothing follows."""


@dataclass(frozen=True, slots=True)
class Door:
    """
    What a path leads to.

    Args:
        label: For counts.
    """

    kind: str
    name: str
    label: str
    methods: tuple[str, ...]


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
            path: Door(kind, name, f"{kind}/{name}", _METHODS[kind])
            for kind, names in doors.names.items()
            for name in names
            for path in (
                (f"/{kind}/{name}", f"/{kind}") if name == "default" else (f"/{kind}/{name}",)
            )
        }
        self._audiences = {f"/segment/{name}/audience" for name in doors.names["segment"]}

    def door_of(self, message: RawRequestMessage, payload: StreamReader) -> Door | None:
        """The door of a plain post that came whole; None: there is more to be asked about it."""
        door = self._served.get(message.path)
        if door is None or message.method not in door.methods:
            return None
        is_plain = (
            payload.is_eof()
            and message.version == HttpVersion11
            and not message.should_close
            and not message.chunked
            and not message.upgrade
            and CONTENT_ENCODING not in message.headers
        )
        return door if is_plain and payload.total_bytes <= self._max_body else None

    def take(self, door: Door, body: bytes, *, headers: Headers) -> Reply | Awaitable[int]:
        """A refusal; else what is to be waited for, and may raise `Unavailable`."""
        try:
            return self._doors.take(door.kind, door.name, body, headers=headers)
        except Unavailable as error:
            return Reply(503, str(error))

    def count(self, door: Door, reply: Reply) -> None:
        """Count an answer given."""
        self._doors.count(door.label, reply)

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer one request."""
        door = self._served.get(request.path)
        if door is None or request.method not in door.methods:
            if request.path in self._audiences and request.method == "POST":
                return await self._audience(request)
            return self._answered("other", Reply(404, "no such path"))
        reply = await self._reply(request, door)
        if reply.status == 200 and request.keep_alive and request.version == HttpVersion11:
            self.count(door, reply)
            return _Accepted()
        return self._answered(door.label, reply)

    async def _reply(self, request: web.BaseRequest, door: Door) -> Reply:
        encoding = request.headers.get(CONTENT_ENCODING)
        if encoding is not None and encoding.strip().lower() not in ("identity", ""):
            return Reply(415, "content encoding")
        try:
            body = await self._read(request, self._max_body)
            taken = self.take(door, body, headers=request.headers)
            return taken if isinstance(taken, Reply) else await _once_done(taken)
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
        self._doors.count("audience", ACCEPTED)
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


async def _once_done(taken: Awaitable[int]) -> Reply:
    await taken
    return ACCEPTED


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
