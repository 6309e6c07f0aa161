"""Rows that are written together, not each when it is made."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import apsw


class Behind:
    """
    The new rows of a table, for as long as nobody looks: many in one go cost less than half.

    `write` comes before whoever reads the table, before a block that may be undone, and at the end
    of a transaction's function; `forget` when something was undone.

    Args:
        sql: Inserts one of them.

        in_order: Whether to write them in order, where neighbours share pages.
    """

    def __init__(self, db: apsw.Connection, sql: str, *, in_order: bool = False) -> None:
        self._db = db
        self._sql = sql
        self._in_order = in_order
        self._rows: list[tuple[Any, ...]] = []
        self.add = self._rows.append

    def extend(self, rows: Iterable[tuple[Any, ...]]) -> None:
        """Add several, in this order."""
        self._rows.extend(rows)

    def write(self) -> None:
        """Write them."""
        if self._rows:
            rows = sorted(self._rows) if self._in_order else self._rows
            try:
                self._db.executemany(self._sql, rows)
            finally:
                self._rows.clear()

    def forget(self) -> None:
        """They are not to be written."""
        self._rows.clear()
