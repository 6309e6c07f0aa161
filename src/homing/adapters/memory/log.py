"""The log in memory: answers ``ports.LogWriter`` and ``ports.LogReader``."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec.structs import replace

from homing.ports import Request


class MemoryLog:
    """A log that is gone with the process."""

    def __init__(self) -> None:
        self._requests: dict[int, Request] = {}
        self._last = 0

    @property
    def head(self) -> int:
        """The number of the newest request; 0 of an empty log."""
        return self._last

    def after(self, seq: int) -> list[Request]:
        """All requests beyond a number, in order."""
        # numbers only grow, and so does the order of a dictionary
        return [request for request in self._requests.values() if request.seq > seq]

    def request(self, seq: int) -> Request | None:
        """One request; None if it is gone."""
        return self._requests.get(seq)

    async def append(self, source: str, body: bytes, received_ms: int) -> int:
        """Append a request; its number."""
        self._last += 1
        self._requests[self._last] = Request(self._last, received_ms, source, body)
        return self._last

    async def forget(self, before_ms: int, *, evaluated: int, limit: int) -> int:
        """Delete some of the oldest requests received before; the newest one stays."""
        oldest = [seq for seq in sorted(self._requests) if seq <= evaluated][:limit]
        gone = [
            seq
            for seq in oldest
            if seq != self._last and self._requests[seq].received_ms < before_ms
        ]
        for seq in gone:
            del self._requests[seq]
        return len(gone)

    async def body(self, seq: int) -> bytes | None:
        """One request's body; None if it is gone."""
        request = self._requests.get(seq)
        return None if request is None else request.body

    async def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        """Replace bodies by number."""
        for seq, body in bodies.items():
            if seq in self._requests:
                self._requests[seq] = replace(self._requests[seq], body=body)


class MemoryLogReader:
    """The worker's view of a log in memory."""

    def __init__(self, log: MemoryLog) -> None:
        self._log = log

    def head(self) -> int:
        """The number of the newest request; 0 of an empty log."""
        return self._log.head

    def after(self, seq: int, *, limit: int, max_bytes: int) -> list[Request]:
        """The next requests in order: at least one if there is one, up to either bound."""
        found: list[Request] = []
        size = 0
        for request in self._log.after(seq)[:limit]:
            found.append(request)
            size += len(request.body)
            if size >= max_bytes:
                break
        return found

    def request(self, seq: int) -> Request | None:
        """One request; None if retention took it."""
        return self._log.request(seq)
