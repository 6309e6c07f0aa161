"""Dictionaries whose changes can be undone."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Generic, TypeVar

K = TypeVar("K")
V = TypeVar("V")

_ABSENT: Any = object()


class Journal:
    """What a transaction changed, so that all of it or its last part can be undone."""

    def __init__(self) -> None:
        self._before: list[tuple[dict[Any, Any], Any, Any]] = []

    def note(self, rows: dict[Any, Any], key: object) -> None:
        """Remember a row as it is, before it is changed."""
        self._before.append((rows, key, rows.get(key, _ABSENT)))

    def mark(self) -> int:
        """A moment to return to by `undo`."""
        return len(self._before)

    def undo(self, mark: int) -> None:
        """Let everything be as it was at the mark."""
        while len(self._before) > mark:
            rows, key, before = self._before.pop()
            if before is _ABSENT:
                del rows[key]
            else:
                rows[key] = before

    def keep(self) -> None:
        """End the transaction."""
        self._before.clear()


class Table(Generic[K, V]):
    """One table: rows by key. Rows are never changed in place."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._rows: dict[K, V] = {}

    def __setitem__(self, key: K, row: V) -> None:
        self._journal.note(self._rows, key)
        self._rows[key] = row

    def __getitem__(self, key: K) -> V:
        return self._rows[key]

    def __contains__(self, key: object) -> bool:
        return key in self._rows

    def __len__(self) -> int:
        return len(self._rows)

    def __iter__(self) -> Iterator[K]:
        return iter(self._rows)

    def get(self, key: K) -> V | None:
        """A row; None if there is none."""
        return self._rows.get(key)

    def drop(self, key: K) -> None:
        """Delete a row, if it is there."""
        if key in self._rows:
            self._journal.note(self._rows, key)
            del self._rows[key]

    def items(self) -> list[tuple[K, V]]:
        """All rows with their keys, as they are now."""
        return list(self._rows.items())

    def values(self) -> list[V]:
        """All rows, as they are now."""
        return list(self._rows.values())
