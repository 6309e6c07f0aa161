"""
One HTTP API over a pooled aiohttp session: answers ``ports.Api``.

Whether the head of a request left is told by the transport's own signal
(``on_request_headers_sent``), so that an outcome nobody knows is told apart from a call that
never was. aiohttp repeats no POST by itself.
"""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import aiohttp

from homing.core.outcomes import Answer

CONNECT_S = 10.0
TOTAL_S = 30.0
MAX_ANSWER = 64 << 10
# DNS answers are asked again: Segment wants its addresses looked up at least daily
DNS_TTL_S = 300


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
        self._base = base.rstrip("/")
        self._headers = _authorized(authorization)
        trace = aiohttp.TraceConfig()
        trace.on_request_headers_sent.append(_headers_sent)
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=connections, ttl_dns_cache=DNS_TTL_S),
            timeout=aiohttp.ClientTimeout(total=total_s, connect=CONNECT_S),
            cookie_jar=aiohttp.DummyCookieJar(),
            trace_configs=[trace],
            auto_decompress=False,
            headers={
                "Content-Type": "application/json",
                "User-Agent": user_agent,
                "Accept": "application/json",
                "Accept-Encoding": "identity",
            },
        )

    async def call(self, method: str, path: str, body: bytes | None) -> Answer:
        """Make one call; whatever goes wrong is told by the answer."""
        sent = SimpleNamespace(head=False)
        try:
            async with self._session.request(
                method,
                self._base + path,
                data=body,
                headers=self._headers,
                allow_redirects=False,
                trace_request_ctx=sent,
            ) as response:
                content = await _content(response)
                return Answer(
                    headers_sent=True,
                    status=response.status,
                    headers=response.headers,
                    body=content,
                )
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Answer(sent.head, error=f"{type(error).__name__}: {error}"[:300])

    def use(self, base: str, *, authorization: str) -> None:
        """Call another base URL, or with another key, from the next call on."""
        self._base = base.rstrip("/")
        self._headers = _authorized(authorization)

    async def close(self) -> None:
        """Close the pool."""
        await self._session.close()


def _authorized(authorization: str) -> dict[str, str]:
    return {"Authorization": authorization} if authorization else {}


async def _content(response: aiohttp.ClientResponse) -> bytes:
    """The start of an answer's body; a status was seen, so a broken body loses nothing."""
    try:
        return await response.content.read(MAX_ANSWER)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return b""


async def _headers_sent(_session: Any, context: Any, _params: Any) -> None:  # noqa: ANN401
    context.trace_request_ctx.head = True
