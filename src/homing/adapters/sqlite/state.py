"""The state file: one daemon, one writer, transactions that share commits."""

from __future__ import annotations

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

import apsw

from homing.adapters.sqlite.books import SqliteBooks
from homing.adapters.sqlite.effects import SqliteEffects
from homing.adapters.sqlite.engine import StoreCorrupt, StoreFailed, Writer, connect
from homing.adapters.sqlite.events import SqliteEvents
from homing.adapters.sqlite.migrate import FOLDER, NewerSchema, migrate, migrations, statements
from homing.adapters.sqlite.people import SqlitePeople
from homing.adapters.sqlite.seen import SeenIds
from homing.adapters.sqlite.sends import SqliteSends
from homing.adapters.sqlite.suppressions import SqliteSuppressions
from homing.core.errors import HomingError

T = TypeVar("T")


class StoreBusy(HomingError):
    """Another daemon has these files."""


class SqliteTx:
    """What a transaction's function may use: answers ``ports.Tx``."""

    def __init__(self, db: apsw.Connection, *, key: bytes, seen: SeenIds | None = None) -> None:
        self._db = db
        self.events = SqliteEvents(db, seen)
        self.people = SqlitePeople(db)
        self.sends = SqliteSends(db)
        self.effects = SqliteEffects(db)
        self.suppressions = SqliteSuppressions(db, key=key)
        self.books = SqliteBooks(db)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """Undo what the block did, its counts too, if it raises."""
        mark = self.books.mark()
        self._db.execute("SAVEPOINT event")
        try:
            yield
        except BaseException:
            self._db.execute("ROLLBACK TO event")
            self._db.execute("RELEASE event")
            self.books.reset(mark)
            raise
        self._db.execute("RELEASE event")


class SqliteState:
    """
    The state file, open for its one writer: answers ``ports.Store``.

    Raises:
        StoreBusy: Another daemon holds the lock beside the file.
        NewerSchema, StoreCorrupt, StoreFailed: See `migrate` and `connect`.
    """

    def __init__(
        self,
        path: Path,
        *,
        on_fatal: Callable[[StoreFailed], None],
        synchronous: str = "FULL",
    ) -> None:
        self.path = path
        self._lock = hold(path)
        migrate(path)
        self._db = connect(path, synchronous=synchronous)
        self._tx = SqliteTx(self._db, key=store_key(self._db), seen=SeenIds(self._db))
        self._writer = Writer(self._db, on_fatal=on_fatal)

    async def write(self, job: Callable[[SqliteTx], T]) -> T:
        """Run *job* in a transaction, grouped with others; its result, once durable."""

        def counted() -> T:
            mark = self._tx.books.mark()
            try:
                result = job(self._tx)
            except BaseException:
                self._tx.books.reset(mark)
                raise
            self._tx.books.flush()
            return result

        return await self._writer.run(counted)

    async def close(self) -> None:
        """Finish what was submitted, close the file, let another daemon have it."""
        await self._writer.close()
        self._lock.close()


class NoStore(HomingError):
    """There is no store yet, or an older program's: `homing serve` makes or migrates it."""


@contextmanager
def reading(path: Path) -> Iterator[SqliteTx]:
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
        yield SqliteTx(db, key=store_key(db))
    except (apsw.NotADBError, apsw.CorruptError) as error:
        msg = f"{path} is not a sound database: {error}"
        raise StoreCorrupt(msg) from error
    except apsw.Error as error:
        msg = f"cannot read {path}: {error}"
        raise StoreFailed(msg) from error
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


@contextmanager
def scratch() -> Iterator[SqliteTx]:
    """A store in memory that is gone afterwards: to try out what the real one would do."""
    db = apsw.Connection(":memory:")
    try:
        for name in migrations():
            for statement in statements(FOLDER.joinpath(f"{name}.sql").read_text()):
                db.execute(statement)
        yield SqliteTx(db, key=store_key(db))
    finally:
        db.close()


def hold(path: Path) -> Lock:
    """
    Take the lock beside a state file.

    Raises:
        StoreBusy: It is taken.
    """
    return Lock(path.with_name(path.name + ".lock"))


class Lock:
    """A lock file held until closed, or until this process is gone."""

    def __init__(self, path: Path) -> None:
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._file)
            msg = f"another daemon holds {path}"
            raise StoreBusy(msg) from error

    def close(self) -> None:
        """Let go."""
        os.close(self._file)


def store_key(db: apsw.Connection) -> bytes:
    """The store's own secret: made when the file is."""
    row = db.execute("SELECT value FROM meta WHERE key = 'key'").fetchone()
    if row is not None:
        return bytes(row[0])
    key = secrets.token_bytes(32)
    db.execute("INSERT INTO meta (key, value) VALUES ('key', ?)", (key,))
    return key
