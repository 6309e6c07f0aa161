"""Rows in order of a time, though their changes can be undone."""

from __future__ import annotations

from collections.abc import Iterator
from heapq import heappop, heappush
from itertools import islice

from homing.adapters.memory.table import Journal, Table


class Timers:
    """
    When rows fall due, each at most once. What is asked often does not grow with their number.

    The heap may tell of times that are no longer true; the table knows. A time is forgotten for
    good only between transactions: before, it may be true again when something is undone.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._times: Table[int, int] = Table(journal)
        self._heap: list[tuple[int, int]] = []
        self._untrue: list[tuple[int, int]] = []

    def set(self, number: int, at: int | None) -> None:
        """Let a row be due at a time, or never."""
        if at is None:
            self._times.drop(number)
        elif self._times.get(number) != at:
            self._times[number] = at
            heappush(self._heap, (at, number))

    def numbers(self) -> Iterator[int]:
        """The rows that have a time, in no order."""
        return iter(self._times)

    def first(self) -> int | None:
        """The least time."""
        self._clean()
        return self._heap[0][0] if self._heap else None

    def until(self, now: int, *, limit: int) -> list[int]:
        """Some of the rows that are due, in order of time, then of number."""
        found = list(islice(self._taken(now), limit))
        for one in found:
            heappush(self._heap, one)
        return [number for _, number in found]

    def _taken(self, now: int) -> Iterator[tuple[int, int]]:
        """Take what is due off the heap, its doubles for good."""
        last: tuple[int, int] | None = None
        self._clean()
        while self._heap and self._heap[0][0] <= now:
            first = heappop(self._heap)
            if first != last and self._is_true(first):
                last = first
                yield first
            elif first != last:
                self._put_by(first)

    def _clean(self) -> None:
        """Let the first time of the heap be a true one."""
        for one in self._untrue:
            heappush(self._heap, one)
        self._untrue.clear()
        while self._heap and not self._is_true(self._heap[0]):
            self._put_by(heappop(self._heap))

    def _put_by(self, one: tuple[int, int]) -> None:
        if self._journal.mark():
            self._untrue.append(one)

    def _is_true(self, one: tuple[int, int]) -> bool:
        at, number = one
        return self._times.get(number) == at
