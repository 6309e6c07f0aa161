"""
One HTTP API over a pool of aiohttp's connections: answers ``ports.Api``.

The pool, TLS, name look-ups and the parser are aiohttp's; its session is not used, because what it
does for each request (cookies, redirects, tracing, a dictionary of headers) takes three quarters
of a call's time, and none of it is wanted here. A call writes its request in one piece, so that
whether anything of it left is known exactly: an outcome nobody knows is told apart from a call
that never was. No request is ever repeated.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from functools import lru_cache

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from homing.core.outcomes import Answer

CONNECT_S = 10.0
TOTAL_S = 30.0
MAX_ANSWER = 64 << 10
# DNS answers are asked again: Segment wants its addresses looked up at least daily
DNS_TTL_S = 300

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WITH_LENGTH = ("POST", "PUT", "PATCH")
_TROUBLE = (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError)


@dataclass(frozen=True, slots=True)
class _There:
    """Where calls go: what the pool knows the server by, and the part of the head all share."""

    base: str
    server: ClientRequest
    head: bytes


class HttpApi:
    """
    An API at one base URL.

    Args:
        base: "https://api.sendgrid.com"; no path.

        authorization: The header's whole value.

        connections: How many calls may be under way at once.
    """

    def __init__(
        self,
        base: str,
        *,
        authorization: str,
        connections: int,
        user_agent: str,
        total_s: float = TOTAL_S,
    ) -> None:
        self._user_agent = user_agent
        self._total_s = total_s
        self._timeout = aiohttp.ClientTimeout(sock_connect=CONNECT_S)
        self._pool = aiohttp.TCPConnector(limit=connections, ttl_dns_cache=DNS_TTL_S)
        self._loop = asyncio.get_running_loop()
        self.use(base, authorization=authorization)

    async def call(self, method: str, path: str, body: bytes | None) -> Answer:
        """Make one call; whatever goes wrong is told by the answer."""
        there = self._there
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await self._pool.connect(there.server, [], self._timeout)
        except _TROUBLE as error:
            return _failed(error, sent=False)
        transport, protocol = connection.transport, connection.protocol
        if transport is None or protocol is None or transport.is_closing():
            connection.close()
            return Answer(headers_sent=False, error="the connection was closed meanwhile")
        try:
            async with asyncio.timeout(self._total_s):
                protocol.set_response_params(read_until_eof=True, auto_decompress=False)
                transport.write(_request(method, _target(there.base, path), there.head, body=body))
                answer = await _answer(protocol)
        except BaseException as error:
            connection.close()
            if isinstance(error, _TROUBLE):
                return _failed(error, sent=True)
            raise
        connection.release()
        return answer

    def use(self, base: str, *, authorization: str) -> None:
        """Call another base URL, or with another key, from the next call on."""
        base = base.rstrip("/")
        server = ClientRequest("POST", URL(base), loop=self._loop)
        headers = {
            "Host": server.headers["Host"],
            "Content-Type": "application/json",
            "User-Agent": self._user_agent,
            "Accept": "application/json",
            "Accept-Encoding": "identity",
        }
        if authorization:
            # a line break in a secret must not begin another header: the API will refuse the rest
            headers["Authorization"] = _CONTROL.sub("", authorization)
        lines = (f"{name}: {value}\r\n" for name, value in headers.items())
        self._there = _There(base, server, "".join(lines).encode())

    async def close(self) -> None:
        """Close the pool."""
        await self._pool.close()


def _failed(error: BaseException, *, sent: bool) -> Answer:
    return Answer(sent, error=f"{type(error).__name__}: {error}"[:300])


def _request(method: str, target: bytes, head: bytes, *, body: bytes | None) -> bytes:
    start = b"%b %b HTTP/1.1\r\n%b" % (method.encode(), target, head)
    if body is None and method not in _WITH_LENGTH:
        return start + b"\r\n"
    content = body or b""
    return b"%bContent-Length: %d\r\n\r\n%b" % (start, len(content), content)


@lru_cache(maxsize=256)
def _target(base: str, path: str) -> bytes:
    """The path as it stands in a request line: quoted where need be."""
    return URL(base + path).raw_path_qs.encode()


async def _answer(protocol: ResponseHandler) -> Answer:
    while True:
        message, payload = await protocol.read()
        if message.code >= 200:  # not "100 Continue" or "103 Early Hints"
            break
    try:
        body = await payload.read(MAX_ANSWER)
    except (aiohttp.ClientError, TimeoutError, OSError):
        body = b""  # a status was seen: a broken body loses nothing
    return Answer(headers_sent=True, status=message.code, headers=message.headers, body=body)
