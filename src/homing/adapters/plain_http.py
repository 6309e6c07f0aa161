"""
HTTP calls that are few and may be large, over aiohttp's session: answers ``ports.Api``, ``Files``.

What is called thousands of times a second goes through ``adapters/api_http.py``.
"""

from __future__ import annotations

import io
import ipaddress
from typing import TYPE_CHECKING, Self

import aiohttp
from yarl import URL

from homing.core.outcomes import Answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType

CONNECT_S = 10.0
TOTAL_S = 60.0
FILE_TOTAL_S = 1_800.0
MAX_ANSWER = 32 << 20
MAX_FILE = 5 << 30
CHUNK = 1 << 18


class PlainHttpApi:
    """
    An API at one base URL, and files that it points to.

    Args:
        base: "https://api.sendgrid.com"; no path.

        authorization: The header's whole value; never sent to where a file is.
    """

    def __init__(
        self, base: str, *, authorization: str, user_agent: str, total_s: float = TOTAL_S
    ) -> None:
        self._headers: dict[str, str] = {}
        self._base = ""
        self.use(base, authorization=authorization)
        self._session = aiohttp.ClientSession(
            headers={"User-Agent": user_agent, "Accept-Encoding": "identity"},
            timeout=aiohttp.ClientTimeout(total=total_s, sock_connect=CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()

    def use(self, base: str, *, authorization: str) -> None:
        """Call another base URL, or with another key, from the next call on."""
        self._base = base.rstrip("/")
        self._headers = {"Accept": "application/json"}
        if authorization:
            # a line break in a secret must not begin another header: the API will refuse the rest
            self._headers["Authorization"] = "".join(c for c in authorization if c.isprintable())

    async def call(self, method: str, path: str, body: bytes | None) -> Answer:
        """Make one call; whatever goes wrong is told by the answer."""
        headers = self._headers
        if body is not None:
            headers = {**headers, "Content-Type": "application/json"}
        # as a file, so that a large one is written piece by piece
        data = None if body is None else io.BytesIO(body)
        url = URL(self._base + path, encoded=True)
        try:
            async with self._session.request(
                method, url, data=data, headers=headers, allow_redirects=False
            ) as response:
                return await _answer(response)
        except _FAILURES as error:
            return Answer(not isinstance(error, _NO_CONNECTION), error=_told(error))

    async def fetch(
        self, url: str, into: Callable[[bytes], object], *, most_bytes: int = MAX_FILE
    ) -> Answer:
        """
        Read a file that an answer pointed to, piece by piece; the answer's body is empty.

        Only over TLS, or from loopback if the API is there, too: a file says who is on a list. No
        redirection is followed, and nothing is sent along that could be a secret.

        Args:
            most_bytes: What is longer is an error, and not read further.
        """
        try:
            where = URL(url)
            if not self._may_be_read(where):
                shown = str(where.with_query(None).with_user(None))[:200]
                error = f"a file has to be at an https URL, got {shown}"
                return Answer(headers_sent=False, error=error)
            return await self._fetched(where, into, most_bytes)
        except _FAILURES as error:
            return Answer(headers_sent=True, error=_told(error))

    async def _fetched(
        self, where: URL, into: Callable[[bytes], object], most_bytes: int
    ) -> Answer:
        timeout = aiohttp.ClientTimeout(total=FILE_TOTAL_S, sock_connect=CONNECT_S)
        async with self._session.get(where, timeout=timeout, allow_redirects=False) as response:
            if response.status != 200:
                return await _answer(response)
            size = 0
            async for piece in response.content.iter_chunked(CHUNK):
                size += len(piece)
                if size > most_bytes:
                    return Answer(headers_sent=True, error=f"a file of over {most_bytes} bytes")
                into(piece)
            return Answer(headers_sent=True, status=200, headers=response.headers)

    def _may_be_read(self, url: URL) -> bool:
        if url.scheme == "https":
            return bool(url.host)
        return url.scheme == "http" and _is_loopback(url) and _is_loopback(URL(self._base))

    async def close(self) -> None:
        """Close every connection; no call may follow."""
        await self._session.close()


async def _answer(response: aiohttp.ClientResponse) -> Answer:
    body = bytearray()
    async for piece in response.content.iter_chunked(CHUNK):
        body += piece
        if len(body) > MAX_ANSWER:
            error = f"an answer of over {MAX_ANSWER >> 20} MiB"
            return Answer(headers_sent=True, error=error)
    return Answer(
        headers_sent=True, status=response.status, headers=response.headers, body=bytes(body)
    )


def _is_loopback(url: URL) -> bool:
    host = url.host or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _told(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[:300]


_FAILURES = (aiohttp.ClientError, TimeoutError, OSError, ValueError)
_NO_CONNECTION = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
