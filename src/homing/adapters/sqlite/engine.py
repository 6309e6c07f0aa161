"""
One SQLite file and its one writer.

Statements of a transaction run in the event loop, where they find their pages in memory; the
commit, which waits for the disk, runs in a thread. What is submitted meanwhile forms the next
transaction: group commit, without a waiting window.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import apsw

from homing.core.errors import HomingError, Unavailable

T = TypeVar("T")
Done = Callable[[Any, BaseException | None], None]

# below it, two connections that write and checkpoint at one instant can corrupt a WAL file
MINIMUM_SQLITE = (3, 51, 3)


class StoreFull(Unavailable):
    """The disk, or the queue before it, is full: nothing was kept, try again later."""


class StoreFailed(Unavailable):
    """The disk failed: what is in memory may not be what is on it. Exit and recover at start."""


class StoreCorrupt(HomingError):
    """The file is not a sound database: restore it from a backup."""


def connect(path: Path, *, readonly: bool = False, synchronous: str = "FULL") -> apsw.Connection:
    """
    Open a database file in WAL mode.

    Raises:
        StoreCorrupt: It is no database.
        StoreFailed: It cannot be opened.
    """
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < MINIMUM_SQLITE:
        msg = f"SQLite is {apsw.sqlite_lib_version()}, expected 3.51.3 or newer"
        raise StoreFailed(msg)
    flags = apsw.SQLITE_OPEN_READONLY if readonly else _READ_WRITE
    try:
        db = apsw.Connection(str(path), flags=flags, statementcachesize=256)
        db.set_busy_timeout(5_000)
        if not readonly:
            db.execute("PRAGMA journal_mode = wal")
            db.execute(f"PRAGMA synchronous = {synchronous}")
            db.execute("PRAGMA wal_autocheckpoint = 1000")
        db.execute("PRAGMA cache_size = -32768")
        db.execute("PRAGMA foreign_keys = off")
        db.execute("PRAGMA temp_store = memory")
    except (apsw.NotADBError, apsw.CorruptError) as error:
        msg = f"{path} is not a sound database: {error}"
        raise StoreCorrupt(msg) from error
    except apsw.Error as error:
        msg = f"cannot open {path}: {error}"
        raise StoreFailed(msg) from error
    return db


_READ_WRITE = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE


class Writer:
    """
    The one writer of a file.

    Args:
        db: The connection; nothing else may use it while the writer lives.

        on_fatal: Called once, in the event loop, when a commit failed on the disk.
    """

    def __init__(self, db: apsw.Connection, *, on_fatal: Callable[[StoreFailed], None]) -> None:
        self._db = db
        self._on_fatal = on_fatal
        self._loop = asyncio.get_running_loop()
        self._jobs: list[tuple[Callable[[], Any], Done]] = []
        self._busy = False
        self._failed: StoreFailed | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._commits: SimpleQueue[list[tuple[Done, Any, BaseException | None]] | None] = (
            SimpleQueue()
        )
        self._thread = threading.Thread(target=self._commit_forever, name="commit", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], T], done: Done) -> None:
        """Run *job* in the next transaction; *done* hears its result once that is durable."""
        if self._failed is not None:
            done(None, self._failed)
            return
        self._jobs.append((job, done))
        if not self._busy:
            self._busy = True
            self._idle.clear()
            self._loop.call_soon(self._begin)

    async def run(self, job: Callable[[], T]) -> T:
        """
        Run *job* in a transaction of its own or of several; return its result when durable.

        An exception of the job undoes the job alone and is raised here.

        Raises:
            StoreFull: The disk is full; nothing was kept.
            StoreFailed: The disk failed.
        """
        future: asyncio.Future[T] = self._loop.create_future()

        def done(result: T, error: BaseException | None) -> None:
            if future.cancelled():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.submit(job, done)
        return await future

    async def close(self) -> None:
        """Finish what was submitted, then close the file."""
        await self._idle.wait()
        self._commits.put(None)
        await asyncio.to_thread(self._thread.join)
        self._db.close()

    def _begin(self) -> None:
        jobs, self._jobs = self._jobs, []
        results: list[tuple[Done, Any, BaseException | None]] = []
        try:
            self._db.execute("BEGIN IMMEDIATE")
            if len(jobs) == 1:
                results.append(self._run_alone(*jobs[0]))
            else:
                results.extend(self._run_beside(job, done) for job, done in jobs)
        except apsw.Error as error:
            self._give_up([done for _, done in jobs], error)
            return
        self._commits.put(results)

    def _run_alone(self, job: Callable[[], Any], done: Done) -> tuple[Done, Any, Any]:
        try:
            return done, job(), None
        except apsw.Error:
            raise
        except Exception as error:  # noqa: BLE001  the submitter's own error goes back to it
            self._db.execute("ROLLBACK")
            self._db.execute("BEGIN IMMEDIATE")
            return done, None, error

    def _run_beside(self, job: Callable[[], Any], done: Done) -> tuple[Done, Any, Any]:
        self._db.execute("SAVEPOINT job")
        try:
            result = job()
        except apsw.Error:
            raise
        except Exception as error:  # noqa: BLE001  the submitter's own error goes back to it
            self._db.execute("ROLLBACK TO job")
            self._db.execute("RELEASE job")
            return done, None, error
        self._db.execute("RELEASE job")
        return done, result, None

    def _commit_forever(self) -> None:
        while (results := self._commits.get()) is not None:
            error: apsw.Error | None = None
            try:
                self._db.execute("COMMIT")
            except apsw.Error as caught:
                error = caught
            self._loop.call_soon_threadsafe(self._committed, results, error)

    def _committed(
        self, results: list[tuple[Done, Any, BaseException | None]], error: apsw.Error | None
    ) -> None:
        if error is not None:
            self._give_up([done for done, _, _ in results], error)
            return
        if self._jobs:
            self._begin()
        else:
            self._busy = False
            self._idle.set()
        for done, result, failure in results:
            done(result, failure)

    def _give_up(self, waiting: list[Done], error: apsw.Error) -> None:
        """Undo the transaction; a full disk is told apart from a failing one."""
        if self._db.in_transaction:
            self._db.execute("ROLLBACK")
        said: HomingError
        if isinstance(error, apsw.FullError):
            said = StoreFull(f"disk full: {error}")
        else:
            said = self._failed = StoreFailed(f"store failed: {error}")
            waiting += [done for _, done in self._jobs]
            self._jobs = []
        if self._jobs:
            self._loop.call_soon(self._begin)
        else:
            self._busy = False
            self._idle.set()
        for done in waiting:
            done(None, said)
        if isinstance(said, StoreFailed):
            self._on_fatal(said)
