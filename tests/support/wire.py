"""The service's public listener as a stranger meets it: raw bytes, and signed posts."""

from __future__ import annotations

import asyncio
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from tests.support import oracle
from tests.support.service import SECRET, World


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)


def signature(body: bytes, secret: str = SECRET) -> str:
    """Segment's signature of a body."""
    return hmac.new(secret.encode(), body, "sha1").hexdigest()


def request(body: bytes, *, path: str = "/segment", method: str = "POST", **headers: str) -> bytes:
    """
    The bytes of a request, signed unless *headers* say otherwise.

    Args:
        headers: By name, with ``_`` for a dash; an empty one is left out.
    """
    lines = {
        "Host": "homing.example",
        "X-Signature": signature(body),
        "Content-Length": str(len(body)),
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in lines.items() if value)
    return f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode("latin-1") + body


async def talk(port: int, data: bytes, *, answers: int = 1, end: bool = False) -> list[Answer]:
    """
    Send raw bytes over a connection of their own, and read so many answers.

    Args:
        end: Say that nothing follows; a server may then close without an answer.

    Raises:
        TimeoutError: They did not come in 10 s.
    """
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        async with asyncio.timeout(10):
            writer.write(data)
            await writer.drain()
            if end:
                writer.write_eof()
            return [await _answer(reader) for _ in range(answers)]
    finally:
        writer.close()


async def _answer(reader: asyncio.StreamReader) -> Answer:
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    first, *lines = head.split("\r\n")
    pairs = (line.partition(":") for line in lines if line)
    headers = {name.lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Answer(int(first.split()[1]), body, headers)


@dataclass(frozen=True, slots=True)
class Door:
    """The public listener of a running service, and what became of what it took in."""

    world: World
    session: aiohttp.ClientSession

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.world.service.public

    async def post(
        self,
        body: bytes,
        headers: Mapping[str, str] | None = None,
        *,
        path: str = "/segment",
        method: str = "POST",
    ) -> Answer:
        """Post a body, signed as Segment signs unless *headers* say otherwise."""
        url = f"{self.world.service.url}{path}"
        given = {"X-Signature": signature(body)} if headers is None else headers
        async with self.session.request(method, url, data=body, headers=given) as answer:
            return Answer(answer.status, await answer.read(), dict(answer.headers))

    async def rows_of(self, *bodies: bytes, path: str = "/segment") -> list[tuple[Any, ...]]:
        """
        Post signed bodies one after the other and wait for what becomes of them.

        Returns:
            State, reason, messageId and name of each event they were, in order.
        """
        before = self.newest()
        for body in bodies:
            assert 200 == (await self.post(body, path=path)).status
        return await self.rows_after(before)

    def newest(self) -> int:
        """The number of the newest event."""
        ((number,),) = oracle.rows(
            self.world.service.state, "SELECT coalesce(max(id), 0) FROM event"
        )
        return int(number)

    async def rows_after(self, number: int) -> list[tuple[Any, ...]]:
        """
        Wait until all that was taken in is evaluated; state, reason, messageId, name.

        What the emulated SendGrid tells of sends meanwhile is left out.
        """
        state = self.world.service.state
        await self.world.evaluated(oracle.log_head(state))
        sql = "SELECT state, reason, message_id, name FROM event WHERE id > ?"
        return oracle.rows(state, f"{sql} AND send IS NULL ORDER BY id", (number,))
