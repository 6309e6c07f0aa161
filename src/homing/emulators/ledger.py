"""Every request an emulator got: the other side's own books, for oracles and contract tests."""

from dataclasses import dataclass, field

from multidict import CIMultiDict, CIMultiDictProxy

from homing.emulators.newest import Newest


@dataclass(slots=True)
class RecordedRequest:
    """
    One request as it arrived, and what was answered.

    Args:
        sequence: Counts from 1 in order of arrival, without gaps.

        at: Unix time.

        path: As on the request line: percent-encoded, with the query.

        body: The bytes after removal of a Content-Encoding; empty when there
            were too many.

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


class Ledger(Newest[RecordedRequest]):
    """The newest requests, oldest first."""

    def to(self, path: str, method: str | None = None) -> list[RecordedRequest]:
        """Select the requests for a path (compared without its query)."""
        return [
            row
            for row in self
            if row.path.partition("?")[0] == path and method in {None, row.method}
        ]
