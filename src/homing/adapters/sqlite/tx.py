"""What a transaction's function may use: answers ``ports.Tx``."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING

from homing.adapters.sqlite.books import SqliteBooks
from homing.adapters.sqlite.effects import SqliteEffects
from homing.adapters.sqlite.events import SqliteEvents
from homing.adapters.sqlite.generations import DEFAULT, Generations
from homing.adapters.sqlite.people import SqlitePeople
from homing.adapters.sqlite.runs import SqliteRuns
from homing.adapters.sqlite.sends import SqliteSends
from homing.adapters.sqlite.suppressions import SqliteSuppressions

if TYPE_CHECKING:
    import apsw

    from homing.adapters.sqlite.engine import Transaction


class SqliteTx:
    """
    See `homing.ports.Tx`.

    Args:
        key: Gives the store's own secret.

        on_delete: See `SqlitePeople`.
    """

    def __init__(
        self,
        db: apsw.Connection,
        transaction: Transaction,
        *,
        key: Callable[[], bytes],
        generations: Generations = DEFAULT,
        on_delete: Callable[[], None] = lambda: None,
    ) -> None:
        self._transaction = transaction
        self.events = SqliteEvents(db, generations)
        self.people = SqlitePeople(db, generations, on_delete=on_delete)
        self.sends = SqliteSends(db, generations)
        self.effects = SqliteEffects(db)
        self.runs = SqliteRuns(db, on_delete=on_delete)
        self.suppressions = SqliteSuppressions(db, key=key)
        self.books = SqliteBooks(db)

    def savepoint(self) -> Savepoint:
        """Undo what the block did, its counts too, if it raises."""
        return Savepoint(self._transaction, self.books)


class Savepoint:
    """One block of a transaction; blocks nest."""

    __slots__ = ("_books", "_mark", "_transaction")

    def __init__(self, transaction: Transaction, books: SqliteBooks) -> None:
        self._transaction = transaction
        self._books = books
        self._mark: dict[str, int] = {}

    def __enter__(self) -> None:
        self._transaction.mark()
        self._mark = self._books.mark()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self._transaction.keep()
            return
        self._books.reset(self._mark)
        self._transaction.undo(error)
