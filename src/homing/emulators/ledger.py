"""Every request an emulator got: the other side's own books, for oracles and contract tests."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import overload

from multidict import CIMultiDict, CIMultiDictProxy


@dataclass(slots=True)
class RecordedRequest:
    """
    One request as it arrived, and what was answered.

    Args:
        sequence: Counts from 1 in order of arrival, without gaps.

        path: As on the request line: percent-encoded, with the query.

        body: The bytes after removal of a Content-Encoding.

        fault: The fault that was played on it, by name.

        status: None while it is not answered, and for good when it never was.
    """

    sequence: int
    at: float
    method: str
    path: str
    headers: CIMultiDictProxy[str]
    body: bytes
    fault: str | None = None
    status: int | None = None
    answer_headers: CIMultiDictProxy[str] = field(
        default_factory=lambda: CIMultiDictProxy(CIMultiDict[str]())
    )
    answer_body: bytes = b""


class Ledger(Sequence[RecordedRequest]):
    """
    The newest requests, oldest first.

    Args:
        keep: How many.

        keep_bytes: How many bytes of bodies; the oldest requests go first.
    """

    def __init__(self, keep: int = 10_000, keep_bytes: int = 256 * 1024 * 1024) -> None:
        self._rows: deque[RecordedRequest] = deque()
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._bytes = 0
        self.total = 0

    def add(self, request: RecordedRequest) -> None:
        """Append one, and forget what is too old."""
        self._rows.append(request)
        self._bytes += len(request.body)
        while len(self._rows) > self._keep or (
            self._bytes > self._keep_bytes and len(self._rows) > 1
        ):
            self._bytes -= len(self._rows.popleft().body)

    def next_sequence(self) -> int:
        """Number the next request."""
        self.total += 1
        return self.total

    def to(self, path: str, method: str | None = None) -> list[RecordedRequest]:
        """Select the requests for a path (compared without its query)."""
        return [
            row
            for row in self._rows
            if row.path.partition("?")[0] == path and method in {None, row.method}
        ]

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[RecordedRequest]:
        return iter(self._rows)

    @overload
    def __getitem__(self, index: int) -> RecordedRequest: ...
    @overload
    def __getitem__(self, index: slice) -> list[RecordedRequest]: ...
    def __getitem__(self, index: int | slice) -> RecordedRequest | list[RecordedRequest]:
        if isinstance(index, slice):
            return list(self._rows)[index]
        return self._rows[index]
