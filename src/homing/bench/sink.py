"""
The sink: takes every post, answers as SendGrid's mail/send or Segment's batch do, counts.

As little as an HTTP server can be, so that what is measured is the one who posts.
"""

from __future__ import annotations

import asyncio
import time
from typing import Final

import msgspec
import uvloop

from homing.bench.piped import attend, task_of

_MAIL: Final = b"HTTP/1.1 202 Accepted\r\nContent-Length: 0\r\nX-Message-Id: bench%017d\r\n\r\n"
_OK: Final = (
    b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 16\r\n\r\n"
    b'{"success":true}'
)
_LENGTH: Final = b"ontent-Length: "
_MARK: Final = b'"order_id":"m'


class SinkTask(msgspec.Struct):
    """``marked``: keep when the email of each order came."""

    marked: bool = False


class Taken(msgspec.Struct):
    """What came since the last question: posts, calls in batches, when the last one did."""

    posts: int = 0
    calls: int = 0
    body_bytes: int = 0
    last_at: float = 0.0
    came_at: dict[int, float] = {}


class Listening(msgspec.Struct):
    """Where it listens."""

    port: int


class Sink:
    """What was taken."""

    def __init__(self, task: SinkTask) -> None:
        self.marked = task.marked
        self.taken = Taken()
        self.number = 0

    async def tell(self, _word: str) -> Taken:
        """What was taken since this was asked last."""
        taken, self.taken = self.taken, Taken()
        return taken

    def answer(self, head: bytes, body: bytes) -> bytes:
        """Take one request."""
        taken = self.taken
        taken.posts += 1
        taken.last_at = time.monotonic()
        if head.startswith(b"POST /v1/batch"):
            taken.body_bytes += len(body)
            taken.calls += body.count(b'"messageId"')
            return _OK
        if head.startswith(b"POST /v3/mail/send") and self.marked:
            start = body.find(_MARK)
            if start >= 0:
                start += len(_MARK)
                taken.came_at[int(body[start : body.find(b'"', start)])] = taken.last_at
        if head.startswith(b"POST /segment"):
            return _OK
        self.number += 1
        return _MAIL % self.number


class _Connection(asyncio.Protocol):
    __slots__ = ("_buffer", "_needed", "_sink", "_transport")

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._buffer = b""
        self._needed = 0
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a TCP transport

    def data_received(self, data: bytes) -> None:
        data = self._buffer + data if self._buffer else data
        while len(data) >= self._needed and (end := data.find(b"\r\n\r\n")) >= 0:
            start = data.find(_LENGTH, 0, end)
            length = int(data[start + len(_LENGTH) : data.find(b"\r", start)]) if start >= 0 else 0
            self._needed = end + 4 + length
            if len(data) < self._needed:
                break
            self._transport.write(self._sink.answer(data[:end], data[end + 4 : self._needed]))
            data, self._needed = data[self._needed :], 0
        self._buffer = data


async def main(task: SinkTask) -> None:
    """Take posts until the input ends."""
    sink = Sink(task)
    server = await asyncio.get_running_loop().create_server(
        lambda: _Connection(sink), "127.0.0.1", 0, backlog=1024
    )
    await attend(Listening(server.sockets[0].getsockname()[1]), sink.tell)
    server.close()


if __name__ == "__main__":
    uvloop.run(main(task_of(SinkTask)))
