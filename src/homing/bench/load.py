"""
The load: posts prepared and signed beforehand, over connections that are kept alive.

One post is under way on a connection at a time, as with Segment and SendGrid: no pipelining.
Closed loop: the next post leaves when the answer to the last one is there. Paced: posts leave at
a fixed rate, whatever the answers do, and the wait for a free connection counts.
"""

from __future__ import annotations

import asyncio
import gc
import time
from collections import Counter, deque
from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec
import uvloop
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from homing.bench.bodies import Kind, requests
from homing.bench.figures import percentile
from homing.bench.piped import BenchFailed, attend, task_of

if TYPE_CHECKING:
    from collections.abc import Callable

_LENGTH = b"ontent-Length: "


class LoadTask(msgspec.Struct):
    """
    What to post.

    Args:
        first: The number of the first post; SendGrid's events of other posts are of other sends.

        per_second: Pace; 0 is a closed loop.

        sends: How many sends the ledger has that SendGrid's events can be of.

        key_pem: SendGrid's private key.
    """

    port: int
    kind: Kind
    posts: int
    connections: int
    people: int
    key_pem: str
    sends: int = 1
    first: int = 0
    per_second: float = 0.0


class Posted(msgspec.Struct):
    """
    What came of it: times of the monotonic clock, which all processes share.

    ``took_s`` is what each answer took, ascending, of a paced load.
    """

    statuses: dict[str, int]
    started_at: float
    ended_at: float
    p50_ms: float
    p99_ms: float
    cpu_share: float
    left_at: list[float] = []
    took_s: list[float] = []

    @property
    def accepted(self) -> int:
        """How many were answered 200."""
        return self.statuses.get("200", 0)

    @property
    def per_second(self) -> float:
        """Posts answered a second."""
        return sum(self.statuses.values()) / (self.ended_at - self.started_at)


class Connection(asyncio.Protocol):
    """One connection: a post out, an answer in."""

    __slots__ = ("_answered", "_at", "_lost", "_rest", "_transport")

    def __init__(
        self,
        answered: Callable[[Connection, bytes, float], None],
        lost: Callable[[], None],
    ) -> None:
        self._answered = answered
        self._lost = lost
        self._rest = b""
        self._at = 0.0
        self._transport: asyncio.WriteTransport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is open."""
        self._transport = transport  # type: ignore[assignment]  # a TCP transport

    def connection_lost(self, exc: Exception | None) -> None:
        """It is closed."""
        self._lost()

    def post(self, request: bytes, at: float) -> None:
        """Send a request that is timed from *at*."""
        self._at = at
        self._transport.write(request)

    def close(self) -> None:
        """Close it."""
        self._transport.close()

    def data_received(self, data: bytes) -> None:
        """Hear the answer, or a part of it."""
        if self._rest:
            data = self._rest + data
        end = data.find(b"\r\n\r\n")
        if end >= 0:
            start = data.find(_LENGTH, 0, end)
            length = 0
            if start >= 0:
                length = int(data[start + len(_LENGTH) : data.find(b"\r", start)])
            if len(data) >= end + 4 + length:
                self._rest = b""
                self._answered(self, data[9:12], time.monotonic() - self._at)
                return
        self._rest = data


class Load:
    """Posts all it was given and keeps the time of each."""

    def __init__(self, task: LoadTask) -> None:
        self._task = task
        self._requests = [*_requests(task)]
        self._next: Iterator[bytes] = iter(self._requests)
        self._connections: list[Connection] = []
        self._free: deque[Connection] = deque()
        self._late: deque[tuple[bytes, float]] = deque()
        self._took: list[float] = []
        self._left_at: list[float] = []
        self._statuses: Counter[bytes] = Counter()
        self._open = 0
        self._over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def connect(self) -> None:
        """Open all connections."""
        loop = asyncio.get_running_loop()
        answered = self._paced_answer if self._task.per_second else self._answer
        for _ in range(min(self._task.connections, self._task.posts)):
            _, connection = await loop.create_connection(
                lambda: Connection(answered, self._lost), "127.0.0.1", self._task.port
            )
            self._connections.append(connection)

    async def post(self, _word: str) -> Posted:
        """Post everything; what came of it."""
        cpu, started = time.process_time(), time.monotonic()
        if self._task.per_second:
            self._free.extend(self._connections)
            self._open = self._task.posts
            self._pace(0, started)
        else:
            self._open = len(self._connections)
            for connection in self._connections:
                connection.post(next(self._next), time.monotonic())
        await self._over
        ended = time.monotonic()
        busy = (time.process_time() - cpu) / (ended - started)
        for connection in self._connections:
            connection.close()
        self._took.sort()
        return Posted(
            statuses={status.decode(): n for status, n in self._statuses.items()},
            started_at=started,
            ended_at=ended,
            p50_ms=percentile(self._took, 0.50) * 1000,
            p99_ms=percentile(self._took, 0.99) * 1000,
            cpu_share=busy,
            left_at=self._left_at,
            took_s=self._took if self._task.per_second else [],
        )

    def _answer(self, connection: Connection, status: bytes, took_s: float) -> None:
        self._took.append(took_s)
        self._statuses[status] += 1
        request = next(self._next, None)
        if request is not None:
            connection.post(request, time.monotonic())
            return
        self._end_one()

    def _paced_answer(self, connection: Connection, status: bytes, took_s: float) -> None:
        self._took.append(took_s)
        self._statuses[status] += 1
        if self._late:
            connection.post(*self._late.popleft())
        else:
            self._free.append(connection)
        self._end_one()

    def _end_one(self) -> None:
        self._open -= 1
        if not self._open and not self._over.done():
            self._over.set_result(None)

    def _pace(self, number: int, started: float) -> None:
        now = time.monotonic()
        self._left_at.append(now)
        request = self._requests[number]
        if self._free:
            self._free.popleft().post(request, now)
        else:
            self._late.append((request, now))
        number += 1
        if number < len(self._requests):
            wait_s = started + number / self._task.per_second - time.monotonic()
            asyncio.get_running_loop().call_later(max(0.0, wait_s), self._pace, number, started)

    def _lost(self) -> None:
        if not self._over.done():
            self._over.set_exception(BenchFailed("a connection was closed by the server"))


def _requests(task: LoadTask) -> Iterator[bytes]:
    key = load_pem_private_key(task.key_pem.encode(), None)
    assert isinstance(key, ec.EllipticCurvePrivateKey)  # noqa: S101  the benchmark's own
    numbers = range(task.first, task.first + task.posts)
    return requests(task.kind, numbers, people=task.people, sends=task.sends, key=key)


async def main(task: LoadTask) -> None:
    """Prepare, then post when told."""
    load = Load(task)
    await load.connect()
    # no collection while the clock runs: there is nothing to collect
    gc.freeze()
    gc.disable()
    await attend({}, load.post)


if __name__ == "__main__":
    uvloop.run(main(task_of(LoadTask)))
