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
from functools import lru_cache

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from homing.core.outcomes import Answer

CONNECT_S = 10.0
TOTAL_S = 30.0
MAX_ANSWER = 64 << 10
# how long a connection may lie idle; servers close theirs after a minute or so
KEPT_S = 15.0
# DNS answers are asked again: Segment wants its addresses looked up at least daily
DNS_TTL_S = 300

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_WITH_LENGTH = ("POST", "PUT", "PATCH")
_TROUBLE = (aiohttp.ClientError, HttpProcessingError, TimeoutError, OSError)


class _There:
    """
    A server, as calls are made to it.

    Args:
        base: Its base URL.

        server: What the pool knows it by.

        head: The part of the head that all calls share.
    """

    def __init__(self, base: str, server: ClientRequest, head: bytes) -> None:
        self.base, self.server, self.head = base, server, head
        # Kept here between calls, the last used on top: the pool's own way costs as much as the
        # request itself.
        self._spare: list[tuple[Connection, float]] = []

    def take(self, now: float) -> Connection | None:
        """A connection that was used lately and is still open; None if there is none."""
        while self._spare:
            connection, since = self._spare.pop()
            if now - since < KEPT_S and _is_usable(connection):
                return connection
            connection.close()
        return None

    def put(self, connection: Connection, now: float) -> None:
        """Keep a connection whose answer was read to its end for the next call."""
        if _is_usable(connection):
            self._spare.append((connection, now))
        else:
            connection.close()

    def close(self) -> None:
        """Close what no call uses."""
        while self._spare:
            self._spare.pop()[0].close()


class HttpApi:
    """
    An API at one base URL.

    Args:
        base: "https://api.sendgrid.com"; no path.

        authorization: The header's whole value.

        connections: How many calls may be under way at once.

        total_s: How long an answer may take.
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
        self._deadlines: dict[Connection, float] = {}  # in order: all calls may take as long
        self._watch: asyncio.TimerHandle | None = None
        self._connecting = 0  # calls that have to wait for the pool
        self._there: _There | None = None
        self.use(base, authorization=authorization)

    async def call(self, method: str, path: str, body: bytes | None) -> Answer:
        """Make one call; whatever goes wrong is told by the answer."""
        there = self._there
        if there is None:
            return Answer(headers_sent=False, error="closed")
        connection = there.take(self._loop.time())
        if connection is None:
            try:
                connection = await self._connected(there)
            except _TROUBLE as error:
                return _failed(error, sent=False)
        transport, protocol = connection.transport, connection.protocol
        if transport is None or protocol is None or transport.is_closing():
            connection.close()
            return Answer(headers_sent=False, error="the connection was closed meanwhile")
        self._limit(connection)
        try:
            transport.write(_request(method, _target(there.base, path), there.head, body=body))
            answer = await _answer(protocol)
        except BaseException as error:
            late = self._deadlines.pop(connection, None) is None
            connection.close()
            if isinstance(error, _TROUBLE):
                return _failed(TimeoutError("no answer in time") if late else error, sent=True)
            raise
        # its time may have run out while the answer waited to be read
        self._deadlines.pop(connection, None)
        self._give_back(connection, there)
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
        if self._there is not None:
            self._there.close()
        self._there = _There(base, server, "".join(lines).encode())

    async def close(self) -> None:
        """Close every connection; no call may follow."""
        if self._there is not None:
            self._there.close()
            self._there = None
        if self._watch is not None:
            self._watch.cancel()
        await self._pool.close()

    def _give_back(self, connection: Connection, there: _There) -> None:
        if there is not self._there:
            connection.close()
        elif self._connecting:
            connection.release()  # somebody may be waiting for one in the pool
        else:
            there.put(connection, self._loop.time())

    async def _connected(self, there: _There) -> Connection:
        self._connecting += 1
        try:
            async with asyncio.timeout(CONNECT_S):
                connection = await self._pool.connect(there.server, [], self._timeout)
        finally:
            self._connecting -= 1
        if connection.protocol is not None:
            connection.protocol.set_response_params(read_until_eof=True, auto_decompress=False)
        return connection

    def _limit(self, connection: Connection) -> None:
        """Let the wait for an answer end; one timer serves all calls."""
        self._deadlines[connection] = self._loop.time() + self._total_s
        if self._watch is None:
            self._watch = self._loop.call_later(self._total_s, self._give_up_late)

    def _give_up_late(self) -> None:
        self._watch = None
        now = self._loop.time()
        for connection, deadline in list(self._deadlines.items()):
            if deadline > now:
                self._watch = self._loop.call_later(deadline - now, self._give_up_late)
                return
            del self._deadlines[connection]
            if connection.transport is not None:
                connection.transport.abort()  # its call hears that the connection is lost


def _is_usable(connection: Connection) -> bool:
    protocol = connection.protocol
    return protocol is not None and protocol.is_connected() and not protocol.should_close


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
