"""A list that keeps its newest rows, by number and by bytes."""

from collections import deque
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import Final, Generic, TypeVar, overload

Row = TypeVar("Row")

MOST_BYTES: Final = 256 * 1024 * 1024


class Newest(Sequence[Row], Generic[Row]):
    """
    The newest rows, oldest first.

    Args:
        keep: How many rows.

        keep_bytes: How many bytes, as told to `append`; the newest row stays
            whatever its size.
    """

    def __init__(self, keep: int, keep_bytes: int = MOST_BYTES) -> None:
        self._rows: deque[tuple[Row, int]] = deque()
        self._keep = keep
        self._keep_bytes = keep_bytes
        self._bytes = 0
        #: How many rows there ever were.
        self.total = 0

    def append(self, row: Row, size: int = 0) -> None:
        """Add a row of about `size` bytes, and forget what is too old."""
        self.total += 1
        self._rows.append((row, size))
        self._bytes += size
        while len(self._rows) > self._keep or self._bytes > self._keep_bytes:
            if len(self._rows) == 1:
                return
            old, old_size = self._rows.popleft()
            self._bytes -= old_size
            self.forgotten(old)

    def clear(self) -> None:
        """Forget every row; `total` goes on counting."""
        while self._rows:
            self.forgotten(self._rows.popleft()[0])
        self._bytes = 0

    def since(self, total: int) -> list[Row]:
        """List the rows that were added after `total` was this, as far as they are kept."""
        fresh = min(self.total - total, len(self._rows))
        return [row for row, _ in islice(reversed(self._rows), fresh)][::-1]

    def forgotten(self, row: Row) -> None:
        """Do what is to be done when a row is forgotten: nothing, here."""

    def newest(self) -> Iterator[Row]:
        """Walk from the newest to the oldest."""
        return (row for row, _ in reversed(self._rows))

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[Row]:
        return (row for row, _ in self._rows)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> list[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | list[Row]:
        if isinstance(index, slice):
            return list(self)[index]
        return self._rows[index][0]
