"""The state file: one daemon, one writer, transactions that share commits."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TypeVar

import apsw

from homing.adapters.sqlite.ballast import Ballast, ballast_path
from homing.adapters.sqlite.engine import (
    USUAL,
    Disk,
    Transaction,
    Writer,
    connect,
    keep_private,
)
from homing.adapters.sqlite.erased import ErasedJournal, erased_path
from homing.adapters.sqlite.faults import (
    NewerSchema,
    NoStore,
    StoreBusy,
    StoreFailed,
    certain_fault_of,
)
from homing.adapters.sqlite.generations import DEFAULT, Generations
from homing.adapters.sqlite.lock import hold
from homing.adapters.sqlite.migrate import FOLDER, migrate, migrations, statements
from homing.adapters.sqlite.sql import load
from homing.adapters.sqlite.tx import SqliteTx

__all__ = ["NoStore", "SqliteState", "SqliteTx", "StoreBusy", "hold", "reading", "scratch"]

T = TypeVar("T")
BOOKS = load("books")
KEY = "key"


class SqliteState:
    """
    The state file, open for its one writer: answers ``ports.Store``.

    Args:
        on_fatal: See `Writer`.

        ballast: None is the one beside the file.

        disk: Its disk, as it is treated.

    Raises:
        StoreBusy: Another daemon holds the lock beside the file.
        NewerSchema, StoreFull, StoreFailed, StoreCorrupt: See `migrate` and `connect`.
    """

    def __init__(
        self,
        path: Path,
        *,
        on_fatal: Callable[[StoreFailed], None],
        synchronous: str = "FULL",
        ballast: Ballast | None = None,
        generations: Generations = DEFAULT,
        disk: Disk = USUAL,
    ) -> None:
        self.path = path
        self._lock = hold(path)
        self._ballast = ballast or Ballast(ballast_path(path))
        try:
            self._tx, transaction = self._ballast.spent_on(
                lambda: self._opened(synchronous, disk=disk, generations=generations)
            )
        except BaseException:
            self._lock.close()
            raise
        self._writer = Writer(
            transaction,
            on_fatal=on_fatal,
            on_full=self._ballast.release,
            checkpoint_pages=disk.checkpoint_pages,
        )
        self._ballast.hold()

    def _opened(
        self, synchronous: str, *, disk: Disk, generations: Generations
    ) -> tuple[SqliteTx, Transaction]:
        with suppress(OSError):  # what is wrong with the path is said by whoever opens it
            keep_private(self.path)
        migrate(self.path)
        db = connect(self.path, synchronous=synchronous, disk=disk)
        transaction = Transaction(db)
        try:
            key = _kept_key(db)
            tx = SqliteTx(
                db, transaction, key=lambda: key, generations=generations,
                on_delete=self._clean_soon, journal=ErasedJournal(erased_path(self.path)),
            )  # fmt: skip
            tx.events.load_seen()
        except apsw.Error as error:
            db.close()
            raise certain_fault_of(error, self.path) from error
        return tx, transaction

    def _clean_soon(self) -> None:
        self._writer.scrub_soon()

    async def write(self, job: Callable[[SqliteTx], T]) -> T:
        """
        Run *job* in a transaction, grouped with others; its result, once durable.

        Raises:
            StoreFull, StoreBusy, StoreFailed: See `Writer.run`.
        """

        def counted() -> T:
            mark = self._tx.mark()
            try:
                result = job(self._tx)
            except BaseException:
                self._tx.reset(mark)
                raise
            try:
                self._tx.flush()
            except BaseException:
                self._tx.reset(mark)
                raise
            return result

        return await self._writer.run(counted)

    async def scrub(self) -> bool:
        """Leave no trace of what was deleted in the file; False: a reader is in the way."""
        return await self._writer.scrub()

    async def close(self) -> None:
        """Finish what was submitted, close the file, let another daemon have it."""
        self._ballast.close()
        await self._writer.close()
        self._lock.close()


@contextmanager
def reading(path: Path, *, generations: Generations = DEFAULT) -> Iterator[SqliteTx]:
    """
    A look at a state file beside a running daemon: a snapshot that never writes.

    Raises:
        NoStore, NewerSchema: It is not of this program's schema.
        StoreCorrupt, StoreFailed: It cannot be read.
    """
    if not path.exists():
        msg = f"no store at {path}: `homing serve` makes it"
        raise NoStore(msg)
    db = connect(path, readonly=True)
    try:
        db.execute("BEGIN")
        _check_schema(db, path)
        # without a key nothing was ever hashed by one
        yield SqliteTx(db, Transaction(db), key=lambda: _key(db) or b"", generations=generations)
    except apsw.Error as error:
        raise certain_fault_of(error, path) from error
    finally:
        db.close()


@contextmanager
def scratch(*, generations: Generations = DEFAULT) -> Iterator[SqliteTx]:
    """A store in memory that is gone afterwards: to try out what the real one would do."""
    db = apsw.Connection(":memory:")
    try:
        for name in migrations():
            for statement in statements(FOLDER.joinpath(f"{name}.sql").read_text()):
                db.execute(statement)
        key = _kept_key(db)
        yield SqliteTx(db, Transaction(db), key=lambda: key, generations=generations)
    finally:
        db.close()


def _check_schema(db: apsw.Connection, path: Path) -> None:
    found, known = db.execute("PRAGMA user_version").get, len(migrations())
    if found > known:
        msg = f"{path} has schema {found}, this Homing knows up to {known}"
        raise NewerSchema(msg)
    if found < known:
        msg = f"{path} has schema {found}, this Homing needs {known}: `homing serve` migrates it"
        raise NoStore(msg)


def _kept_key(db: apsw.Connection) -> bytes:
    """The store's own secret: made when the file is."""
    key = _key(db)
    if key is None:
        key = secrets.token_bytes(32)
        db.execute(BOOKS.set_meta, (KEY, key))
    return key


def _key(db: apsw.Connection) -> bytes | None:
    key: bytes | None = db.execute(BOOKS.get_meta, (KEY,)).get
    return key
