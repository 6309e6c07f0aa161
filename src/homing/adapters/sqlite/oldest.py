"""Retention's walk over the oldest rows of a table whose ids follow time."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from itertools import takewhile

# how many batches of rows that stay one turn passes by
BATCHES_PASSED = 10

Rows = list[tuple[int, int, str]]


@dataclass(slots=True)
class Oldest:
    """
    Where the walk is. Each turn looks at a few batches, never at the whole table.

    Rows that stay are passed by; at the end of what is old the walk begins anew.
    """

    position: int = 0

    def ended(
        self,
        rows_after: Callable[[int], Rows],
        *,
        before_ms: int,
        states: Collection[str],
        limit: int,
    ) -> list[tuple[int]]:
        """
        Numbers of the next rows that are older than *before_ms* and in one of these *states*.

        Args:
            rows_after: Gives the next *limit* rows beyond a number: number, time, state.
        """
        found: list[tuple[int]] = []
        for _ in range(BATCHES_PASSED):
            old = list(takewhile(lambda row: row[1] < before_ms, rows_after(self.position)))
            found += [(number,) for number, _, state in old if state in states]
            if old:
                self.position = old[-1][0]
            if len(old) < limit:
                self.position = 0
                break
            if found:
                break
        return found
