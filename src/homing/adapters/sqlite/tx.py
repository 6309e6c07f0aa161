"""What a transaction's function may use: answers ``ports.Tx``."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import TYPE_CHECKING, TypeAlias

import apsw

from homing.adapters.sqlite.books import SqliteBooks
from homing.adapters.sqlite.effects import SqliteEffects
from homing.adapters.sqlite.erasures import SqliteErasures
from homing.adapters.sqlite.events import SqliteEvents
from homing.adapters.sqlite.generations import DEFAULT, Generations
from homing.adapters.sqlite.members import SqliteJobs, SqliteMembers
from homing.adapters.sqlite.people import SqlitePeople
from homing.adapters.sqlite.runs import SqliteRuns
from homing.adapters.sqlite.sends import SqliteSends
from homing.adapters.sqlite.suppressions import SqliteSuppressions

if TYPE_CHECKING:
    from collections import Counter

    from homing.adapters.sqlite.engine import Transaction
    from homing.adapters.sqlite.erased import ErasedJournal
    from homing.core.erasure import Entry

Counted: TypeAlias = "tuple[dict[str, int], Counter[tuple[str, str]], list[Entry]]"


class SqliteTx:
    """
    See `homing.ports.Tx`.

    Args:
        key: Gives the store's own secret.

        on_delete: See `SqlitePeople`.

        journal: See `SqliteErasures`.
    """

    def __init__(
        self,
        db: apsw.Connection,
        transaction: Transaction,
        *,
        key: Callable[[], bytes],
        generations: Generations = DEFAULT,
        on_delete: Callable[[], None] = lambda: None,
        journal: ErasedJournal | None = None,
    ) -> None:
        self._transaction = transaction
        self.events = SqliteEvents(db, generations)
        self.people = SqlitePeople(db, generations, on_delete=on_delete)
        self.sends = SqliteSends(db, generations)
        self.effects = SqliteEffects(db)
        self.runs = SqliteRuns(db, on_delete=on_delete)
        self.members = SqliteMembers(db, on_delete=on_delete)
        self.jobs = SqliteJobs(db)
        self.erasures = SqliteErasures(db, key=key, journal=journal)
        self.suppressions = SqliteSuppressions(db, key=key)
        self.books = SqliteBooks(db)

    def savepoint(self) -> Savepoint:
        """Undo what the block did, its counts too, if it raises."""
        return Savepoint(self._transaction, self)

    def mark(self) -> Counted:
        """What is counted and not yet written, to return to by `reset`; rows that wait are."""
        self.sends.write()
        return self.books.mark(), self.runs.mark(), self.erasures.mark()

    def reset(self, mark: Counted) -> None:
        """Forget what was counted since the mark."""
        books, runs, erasures = mark
        self.books.reset(books)
        self.runs.reset(runs)
        self.erasures.reset(erasures)
        self.sends.forget()

    def flush(self) -> None:
        """
        Write what was counted: the transaction's function has ended.

        Raises:
            StoreFull, StoreFailed: See `SqliteErasures.flush`.
        """
        self.sends.write()
        self.books.flush()
        self.runs.flush()
        self.erasures.flush()


class Savepoint:
    """One block of a transaction; blocks nest."""

    __slots__ = ("_mark", "_transaction", "_tx")

    def __init__(self, transaction: Transaction, tx: SqliteTx) -> None:
        self._transaction = transaction
        self._tx = tx
        self._mark: Counted | None = None

    def __enter__(self) -> None:
        try:
            self._mark = self._tx.mark()  # writes what is to stay if the block is undone
        except apsw.Error as caught:
            self._transaction.lose(caught)
        self._transaction.mark()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            try:
                self._tx.mark()  # writes what the block made: it fails for no other's rows
            except BaseException as caught:
                self._undo(caught)
                raise
            self._transaction.keep()
            return
        self._undo(error)

    def _undo(self, error: BaseException) -> None:
        if self._mark is not None:
            self._tx.reset(self._mark)
        self._transaction.undo(error)
