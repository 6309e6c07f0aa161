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
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            sent = not isinstance(error, aiohttp.ClientConnectorError)
            return Answer(sent, error=f"{type(error).__name__}: {error}"[:300])

    async def fetch(self, url: str, into: Callable[[bytes], object]) -> Answer:
        """
        Read a file that an answer pointed to, piece by piece; the answer's body is empty.

        Only over TLS, or on loopback: a file says who is on a list.
        """
        where = URL(url)
        if not _may_be_read(where):
            return Answer(headers_sent=False, error=f"expected an https URL, got {where.origin()}")
        try:
            async with self._session.get(
                where, timeout=aiohttp.ClientTimeout(total=FILE_TOTAL_S, sock_connect=CONNECT_S)
            ) as response:
                if response.status != 200:
                    return await _answer(response)
                async for piece in response.content.iter_chunked(CHUNK):
                    into(piece)
                return Answer(headers_sent=True, status=200, headers=response.headers)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            return Answer(headers_sent=True, error=f"{type(error).__name__}: {error}"[:300])

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


def _may_be_read(url: URL) -> bool:
    if url.scheme == "https":
        return True
    host = url.host or ""
    try:
        is_here = ipaddress.ip_address(host).is_loopback
    except ValueError:
        is_here = host == "localhost"
    return url.scheme == "http" and is_here
