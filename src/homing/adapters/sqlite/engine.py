"""
One SQLite file and its one writer.

Statements of a transaction run in the event loop, where they find their pages in memory; the
commit, which waits for the disk, runs in a thread, or in the loop while the disk is fast. What is
submitted meanwhile forms the next transaction: group commit, without a waiting window.
"""

from __future__ import annotations

import asyncio
import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any, TypeVar

import apsw

from homing.adapters.sqlite.faults import (
    StoreBusy,
    StoreCorrupt,
    StoreFailed,
    StoreFull,
    certain_fault_of,
    fault_of,
)
from homing.adapters.sqlite.pace import Pace
from homing.core.errors import Unavailable

__all__ = [
    "StoreBusy",
    "StoreCorrupt",
    "StoreFailed",
    "StoreFull",
    "Transaction",
    "Writer",
    "connect",
]

T = TypeVar("T")
Done = Callable[[Any, BaseException | None], None]

# below it, two connections that write and checkpoint at one instant can corrupt a WAL file
MINIMUM_SQLITE = (3, 51, 3)
# fewer, larger checkpoints make the slowest commits far slower
CHECKPOINT_PAGES = 1_000
# but of large transactions, which write the same pages again and again, one serves some of them
LARGE_PAGES = 100
COMMITS_A_CHECKPOINT = 8
LARGEST_CHECKPOINT_PAGES = 8_000
# a WAL file that one large transaction made long is cut back to this by the next checkpoint
WAL_BYTES_KEPT = 32 << 20
# for whoever opens a file: after a crash the first to come holds it until it is sound
PATIENCE_MS = 5_000
BUSY_TRY_AGAIN_S = 0.02
BUSY_GIVE_UP_S = 5.0
SCRUB_SOON_S = 1.0


@dataclass(frozen=True, slots=True)
class Disk:
    """
    How a file's disk is treated: as it should be, or as a test of it needs.

    Args:
        vfs: The file system, by the name it is registered under; None is the usual one.

        checkpoint_pages: How long the write-ahead log grows before it is moved into the file.

        cache_kib: How much of the file is kept in memory; a transaction larger than this is
            written in part before its commit. More makes nothing faster: what is not here is in
            the system's own cache.
    """

    vfs: str | None = None
    checkpoint_pages: int = CHECKPOINT_PAGES
    cache_kib: int = 8_192


USUAL = Disk()

_READ_WRITE = apsw.SQLITE_OPEN_READWRITE | apsw.SQLITE_OPEN_CREATE


def connect(
    path: Path, *, readonly: bool = False, synchronous: str = "FULL", disk: Disk = USUAL
) -> apsw.Connection:
    """
    Open a database file in WAL mode.

    What is deleted is overwritten at once (``secure_delete``), so that an erased person is not
    read in the file's free space.

    Raises:
        StoreFull, StoreBusy, StoreFailed, StoreCorrupt: It cannot be opened.
    """
    version = tuple(int(part) for part in apsw.sqlite_lib_version().split("."))
    if version < MINIMUM_SQLITE:
        msg = f"SQLite is {apsw.sqlite_lib_version()}, expected 3.51.3 or newer"
        raise StoreFailed(msg)
    flags = apsw.SQLITE_OPEN_READONLY if readonly else _READ_WRITE
    try:
        db = apsw.Connection(str(path), flags=flags, vfs=disk.vfs, statementcachesize=256)
    except apsw.Error as error:
        raise certain_fault_of(error, path) from error
    try:
        _set_up(db, readonly=readonly, synchronous=synchronous, disk=disk)
        # reads the first page: a file that is no database says so here
        db.execute("SELECT count(*) FROM sqlite_master").fetchall()
    except apsw.Error as error:
        db.close()
        raise certain_fault_of(error, path) from error
    return db


def keep_private(path: Path) -> None:
    """
    Let nobody but the owner read a file that is about to be made.

    It holds addresses and whole events; the files that SQLite makes beside it have its mode.
    """
    if not path.exists():
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY, 0o600))


def _set_up(db: apsw.Connection, *, readonly: bool, synchronous: str, disk: Disk) -> None:
    # else SQLite prepares a statement anew at each execution where a bound value could have
    # changed its plan: ten times the cost of a short one (SQLITE_DBCONFIG_ENABLE_QPSG)
    db.config(apsw.SQLITE_DBCONFIG_ENABLE_QPSG, 1)
    db.set_busy_timeout(PATIENCE_MS)
    if not readonly:
        db.execute("PRAGMA journal_mode = wal")
        db.execute(f"PRAGMA synchronous = {synchronous}")
        db.execute(f"PRAGMA wal_autocheckpoint = {disk.checkpoint_pages}")
        db.execute(f"PRAGMA journal_size_limit = {WAL_BYTES_KEPT}")
        db.execute("PRAGMA secure_delete = on")
    db.execute(f"PRAGMA cache_size = {-disk.cache_kib}")
    db.execute("PRAGMA foreign_keys = off")
    db.execute("PRAGMA temp_store = memory")


class Transaction:
    """
    The open transaction of a connection: what a job or an event did in it can be undone alone.

    ``fault`` is set once the disk failed in its midst. SQLite may then have undone everything
    already: nothing more of it may be kept, whatever those who use it go on to do.
    """

    def __init__(self, db: apsw.Connection) -> None:
        self.fault: Unavailable | None = None
        self.db = db
        self._execute = db.cursor().execute

    def begin(self) -> None:
        """Begin; raises what the engine raises."""
        self.fault = None
        self._execute("BEGIN IMMEDIATE")

    def mark(self) -> None:
        """Begin a part that may be undone; parts nest."""
        self._execute("SAVEPOINT part")

    def keep(self) -> None:
        """End the innermost part."""
        self._execute("RELEASE part")

    def undo(self, error: BaseException) -> None:
        """
        Undo the innermost part, because of *error*.

        Raises:
            Unavailable: The error came of the disk: the whole transaction is lost.
        """
        if self.fault is None and isinstance(error, apsw.Error):
            self.fault = fault_of(error, self.db.filename)
        if self.fault is None:
            try:
                self._execute("ROLLBACK TO part")
                self._execute("RELEASE part")
            except apsw.Error as caught:
                self.fault = certain_fault_of(caught, self.db.filename)
        if self.fault is not None:
            self._end(error)

    def lose(self, error: apsw.Error) -> None:
        """
        Give the whole transaction up, because of an *error* that no part of it is to blame for.

        Raises:
            Unavailable: What that comes to.
        """
        self.fault = self.fault or certain_fault_of(error, self.db.filename)
        self._end(error)

    def _end(self, error: BaseException) -> None:
        # what SQLite did not undo is undone later; nobody may write on until then
        self._execute("PRAGMA query_only = on")
        if self.fault is not None and self.fault is not error:
            raise self.fault from error

    def roll_back(self) -> None:
        """Undo everything, if SQLite has not done so already; raises what the engine raises."""
        if self.db.in_transaction:
            self._execute("ROLLBACK")
        self._execute("PRAGMA query_only = off")


@dataclass(slots=True)
class _Ran:
    """A job that ran, and who waits for it to be durable."""

    done: Done
    result: Any
    error: BaseException | None


class Writer:
    """
    The one writer of a file.

    Args:
        transaction: The connection's; nothing else may use it while the writer lives.

        on_fatal: Called once, in the event loop, when the disk failed: everybody who waits hears
            `StoreFailed`, and so does everybody who comes later.

        on_full: Called, in the event loop, whenever a transaction found no room.

        checkpoint_pages: See `Disk`.

        patience_s: How long another program may hold the file before those who wait are told.

        pace: Where to wait for the disk.
    """

    def __init__(
        self,
        transaction: Transaction,
        *,
        on_fatal: Callable[[StoreFailed], None],
        on_full: Callable[[], None] = lambda: None,
        checkpoint_pages: int = CHECKPOINT_PAGES,
        patience_s: float = BUSY_GIVE_UP_S,
        pace: Pace | None = None,
    ) -> None:
        self.transaction = transaction
        self._db = db = transaction.db
        self._on_fatal = on_fatal
        self._on_full = on_full
        self._patience_s = patience_s
        self._pace = pace or Pace()
        self._loop = asyncio.get_running_loop()
        self._jobs: list[tuple[Callable[[], Any], Done]] = []
        self._scrubs: list[asyncio.Future[bool]] = []
        self._scrub_timer: asyncio.TimerHandle | None = None
        self._busy = False
        self._held_up_since: float | None = None
        self._failed: Unavailable | None = None
        self._idle = asyncio.Event()
        self._idle.set()
        self._closed = False
        self._wal_pages = 0
        self._checkpoint_pages = self._checkpoint_at = checkpoint_pages
        self._work: SimpleQueue[Callable[[], None] | None] = SimpleQueue()
        # nobody may wait in the event loop for another program's lock
        db.set_busy_timeout(0)
        # takes the place of checkpoints inside the commit, whose errors nobody hears
        db.set_wal_hook(self._count_pages)
        self._thread = threading.Thread(target=self._work_on, name="commit", daemon=True)
        self._thread.start()

    def submit(self, job: Callable[[], T], done: Done) -> None:
        """Run *job* in the next transaction; *done* hears its result once that is durable."""
        if self._failed is not None:
            # never at once: who submits may not be ready to hear yet
            self._loop.call_soon(self._tell, done, None, _again(self._failed))
            return
        self._jobs.append((job, done))
        self._turn()

    async def run(self, job: Callable[[], T]) -> T:
        """
        Run *job* in a transaction of its own or of several; return its result when durable.

        An exception of the job undoes the job alone and is raised here.

        Raises:
            StoreFull: There is no room; nothing was kept.
            StoreBusy: Another program held the file for too long; nothing was kept.
            StoreFailed: The disk failed, or the store is closed.
        """
        future: asyncio.Future[T] = self._loop.create_future()

        def done(result: T, error: BaseException | None) -> None:
            if future.done():
                return
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.submit(job, done)
        return await future

    async def scrub(self) -> bool:
        """
        Move all of the write-ahead log into the file and cut it to nothing.

        Returns:
            False when a reader is in the way, or the disk: ask again.
        """
        if self._failed is not None:
            return False
        future: asyncio.Future[bool] = self._loop.create_future()
        self._scrubs.append(future)
        self._turn()
        return await future

    def scrub_soon(self) -> None:
        """Have `scrub` done within a second or two, again and again until it succeeds."""
        if self._scrub_timer is None and self._failed is None and not self._closed:
            self._scrub_timer = self._loop.call_later(SCRUB_SOON_S, self._scrub_by_timer)

    async def close(self) -> None:
        """Finish what was submitted, then close the file; nothing may be submitted any more."""
        if self._closed:
            return
        self._closed = True
        if self._scrub_timer is not None:
            self._scrub_timer.cancel()
        await self._idle.wait()
        if self._failed is None:
            self._failed = StoreFailed("the store is closed")
        else:
            # what the disk holds is for the next start to find out
            self._db.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1)
        self._work.put(None)
        await asyncio.to_thread(self._thread.join)
        self._db.close()

    # in the event loop

    def _turn(self) -> None:
        if not self._busy:
            self._busy = True
            self._idle.clear()
            self._loop.call_soon(self._next)

    def _next(self) -> None:
        """Whoever calls this leaves no transaction open behind."""
        if self._scrubs:
            scrubs, self._scrubs = self._scrubs, []
            if self._failed is None:
                self._work.put(lambda: self._truncate(scrubs))
            else:
                self._scrubbed(scrubs, clean=False)
        elif self._jobs:
            self._begin()
        else:
            self._busy = False
            self._idle.set()

    def _begin(self) -> None:
        jobs, self._jobs = self._jobs, []
        try:
            self.transaction.begin()
        except apsw.BusyError as error:
            self._wait_for_lock(jobs, error)
            return
        except apsw.Error as error:
            self._give_up([done for _, done in jobs], certain_fault_of(error, self._db.filename))
            return
        self._held_up_since = None
        changes = self._db.total_changes()
        run = self._run_alone if len(jobs) == 1 else self._run_beside
        try:
            ran = [run(job, done) for job, done in jobs]
        except Unavailable as fault:
            self._give_up([done for _, done in jobs], fault)
            return
        if self._db.total_changes() == changes:  # then there is no disk to wait for
            self._settle(ran, self._commit())
        elif self._pace.is_fast(self._loop.time()):
            self._commit_here(ran)
        else:
            self._work.put(lambda: self._commit_in_thread(ran))

    def _commit_here(self, ran: list[_Ran]) -> None:
        started = time.monotonic()
        fault = self._commit()
        self._pace.took(time.monotonic() - started, now=self._loop.time())
        if fault is None and self._wal_pages >= self._checkpoint_at:
            self._tell_durable(ran)
            self._work.put(self._checkpoint_in_thread)
        else:
            self._settle(ran, fault)

    def _run_alone(self, job: Callable[[], Any], done: Done) -> _Ran:
        try:
            ran = _Ran(done, job(), None)
        except Exception as error:  # noqa: BLE001  the submitter's own error goes back to it
            self._raise_fault(error)
            self._checked(self.transaction.roll_back)
            return _Ran(done, None, error)
        self._raise_fault(None)
        return ran

    def _run_beside(self, job: Callable[[], Any], done: Done) -> _Ran:
        self._checked(self.transaction.mark)
        try:
            result = job()
        except Exception as error:  # noqa: BLE001  the submitter's own error goes back to it
            self._raise_fault(error)
            self.transaction.undo(error)
            return _Ran(done, None, error)
        self._raise_fault(None)
        self._checked(self.transaction.keep)
        return _Ran(done, result, None)

    def _checked(self, statement: Callable[[], None]) -> None:
        try:
            statement()
        except apsw.Error as error:
            raise certain_fault_of(error, self._db.filename) from error

    def _raise_fault(self, error: BaseException | None) -> None:
        """Raise what the disk did, whether the job let it pass or not."""
        fault = self.transaction.fault
        if fault is None and isinstance(error, apsw.Error):
            fault = fault_of(error, self._db.filename)
        if fault is not None:
            raise fault from error

    def _wait_for_lock(self, jobs: list[tuple[Callable[[], Any], Done]], error: apsw.Error) -> None:
        now = self._loop.time()
        self._held_up_since = self._held_up_since or now
        if now - self._held_up_since < self._patience_s:
            self._jobs = jobs + self._jobs
            self._loop.call_later(BUSY_TRY_AGAIN_S, self._next)
            return
        self._held_up_since = None
        fault = certain_fault_of(error, self._db.filename)
        self._give_up([done for _, done in jobs], fault)

    def _settle(self, ran: list[_Ran], fault: Unavailable | None) -> None:
        """Those who ran hear that it is durable, or what became of it; the next may begin."""
        if fault is not None:
            self._give_up([one.done for one in ran], fault)
            return
        self._loop.call_soon(self._next)
        for one in ran:
            self._tell(one.done, one.result, one.error)

    def _give_up(self, waiting: list[Done], fault: Unavailable) -> None:
        """Undo the transaction and tell everybody in it; after a failing disk, everybody."""
        try:
            self.transaction.roll_back()
        except apsw.Error as error:
            fault = StoreFailed(f"{self._db.filename} failed to undo a transaction: {error}")
        fatal = fault if isinstance(fault, StoreFailed) else None
        if fatal is not None:
            self._failed = fatal
            waiting += [done for _, done in self._jobs]
            self._jobs = []
        self._loop.call_soon(self._next)
        for done in waiting:
            self._tell(done, None, _again(fault))
        # these are others': whatever they raise, all is done by now
        if fatal is not None:
            self._on_fatal(fatal)
        elif isinstance(fault, StoreFull):
            # with what room there is now, let the log ahead of the file begin anew
            self._checkpoint_at = 0
            self._on_full()

    def _tell(self, done: Done, result: object, error: BaseException | None) -> None:
        """Tell one who waits; whatever that does, the others hear, too."""
        try:
            done(result, error)
        except Exception as caught:  # noqa: BLE001  it is not the writer's, and stops nobody else
            said = {"message": "told of a commit, it failed", "exception": caught}
            self._loop.call_exception_handler(said)

    def _scrubbed(self, scrubs: list[asyncio.Future[bool]], *, clean: bool) -> None:
        for future in scrubs:
            if not future.done():
                future.set_result(clean)
        self._loop.call_soon(self._next)

    def _scrub_by_timer(self) -> None:
        self._scrub_timer = None
        future: asyncio.Future[bool] = self._loop.create_future()
        future.add_done_callback(lambda done: None if done.result() else self.scrub_soon())
        self._scrubs.append(future)
        self._turn()

    # in the thread, while the event loop leaves the connection alone

    def _work_on(self) -> None:
        while (work := self._work.get()) is not None:
            work()

    def _commit_in_thread(self, ran: list[_Ran]) -> None:
        started = time.monotonic()
        fault = self._commit()
        self._pace.took_in_thread(time.monotonic() - started)
        if fault is None and self._wal_pages >= self._checkpoint_at:
            # they need not wait for the checkpoint
            self._loop.call_soon_threadsafe(self._tell_durable, ran)
            self._checkpoint_in_thread()
        else:
            self._loop.call_soon_threadsafe(self._settle, ran, fault)

    def _checkpoint_in_thread(self) -> None:
        self._loop.call_soon_threadsafe(self._settle, [], self._checkpoint())

    # in whichever of the two commits

    def _commit(self) -> Unavailable | None:
        try:
            if self._db.in_transaction:  # a job alone that failed has undone it
                self._db.execute("COMMIT")
        except apsw.Error as error:
            return certain_fault_of(error, self._db.filename)
        return None

    def _tell_durable(self, ran: list[_Ran]) -> None:
        for one in ran:
            self._tell(one.done, one.result, one.error)

    def _count_pages(self, _db: apsw.Connection, _name: str, pages: int) -> int:
        written = pages - self._wal_pages
        if written < 0:  # it began anew
            self._checkpoint_at, written = self._checkpoint_pages, pages
        if written >= LARGE_PAGES:
            of_large = min(COMMITS_A_CHECKPOINT * written, LARGEST_CHECKPOINT_PAGES)
            self._checkpoint_at = max(self._checkpoint_at, of_large)
        self._wal_pages = pages
        return apsw.SQLITE_OK

    def _checkpoint(self) -> Unavailable | None:
        # while a reader holds old pages, do not try again at each commit
        self._checkpoint_at = self._wal_pages + self._checkpoint_pages
        try:
            self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_PASSIVE)
        except apsw.BusyError:
            return None
        except apsw.Error as error:
            return certain_fault_of(error, self._db.filename)
        return None

    def _truncate(self, scrubs: list[asyncio.Future[bool]]) -> None:
        clean = False
        with suppress(apsw.Error):
            left, _ = self._db.wal_checkpoint(mode=apsw.SQLITE_CHECKPOINT_TRUNCATE)
            clean = left == 0
            self._wal_pages, self._checkpoint_at = 0, self._checkpoint_pages
        self._loop.call_soon_threadsafe(lambda: self._scrubbed(scrubs, clean=clean))


def _again(fault: Unavailable) -> Unavailable:
    """The same, for one more to raise: a raised exception gathers the stacks of all who do."""
    return type(fault)(*fault.args)
