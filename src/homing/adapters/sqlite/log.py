"""The log file: the receiver appends and forgets, the worker reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path

import apsw

from homing.adapters.sqlite.ballast import Ballast, ballast_path
from homing.adapters.sqlite.engine import (
    Disk,
    Transaction,
    Writer,
    connect,
    keep_private,
)
from homing.adapters.sqlite.faults import NewerSchema, StoreFailed, StoreFull, certain_fault_of
from homing.adapters.sqlite.lock import hold
from homing.adapters.sqlite.pace import Pace
from homing.adapters.sqlite.sql import load
from homing.ports import Request

SCHEMA = files(__package__).joinpath("log.sql").read_text()
VERSION = 1
SQL = load("log")
INSERT = SQL.add
# what a waiting request takes beside its body
REQUEST_BYTES = 500
# posts that came at one moment share a commit, though the sockets tell of them one look apart
LOOKS = 2
# it is written and read in order: no page is asked for twice
SEQUENTIAL = Disk(cache_kib=1_024)


def log_path(state: Path) -> Path:
    """The log beside a state file: ``homing.db`` has ``homing.log.db``."""
    return state.with_name(f"{state.stem}.log{state.suffix}")


@dataclass(slots=True)
class _Group:
    """Requests that will share a commit."""

    rows: list[tuple[int, str, bytes]] = field(default_factory=list)
    waiting: list[asyncio.Future[int]] = field(default_factory=list)
    size: int = 0
    first: int = 0


class SqliteLog:
    """
    The log's one writer: answers ``ports.LogWriter``.

    Args:
        path: The file; made if absent.

        on_fatal: See `Writer`.

        on_commit: Told the newest number after each commit.

        max_waiting_bytes: What may wait for a commit before `append` refuses.

        ballast: None is the one beside the file.

        disk: Its disk, as it is treated.

        pace: Where to wait for it.

    Raises:
        StoreBusy: Another process writes it.
        NewerSchema, StoreFull, StoreFailed, StoreCorrupt: It cannot be opened.
    """

    def __init__(  # noqa: PLR0913  what a test varies
        self,
        path: Path,
        *,
        on_fatal: Callable[[StoreFailed], None],
        on_commit: Callable[[int], None] = lambda _: None,
        max_waiting_bytes: int = 64 << 20,
        synchronous: str = "FULL",
        ballast: Ballast | None = None,
        disk: Disk = SEQUENTIAL,
        pace: Pace | None = None,
    ) -> None:
        self._lock = hold(path)
        self._ballast = ballast or Ballast(ballast_path(path))
        try:
            self._db = self._ballast.spent_on(
                lambda: _made(path, synchronous=synchronous, disk=disk)
            )
        except BaseException:
            self._lock.close()
            raise
        self._durable = _head(self._db)
        self._writer = Writer(
            Transaction(self._db),
            on_fatal=on_fatal,
            on_full=self._ballast.release,
            checkpoint_pages=disk.checkpoint_pages,
            pace=pace,
        )
        self._loop = asyncio.get_running_loop()
        self._gathering: _Group | None = None
        self._looking: asyncio.Handle | None = None  # the gathering goes on till then
        self._bytes = 0
        self._max_bytes = max_waiting_bytes
        self._on_commit = on_commit
        self._ballast.hold()

    @property
    def head(self) -> int:
        """The number of the newest durable request."""
        return self._durable

    def append(self, source: str, body: bytes, received_ms: int) -> asyncio.Future[int]:
        """
        Append a request: resolves to its number once durable.

        Raises:
            StoreFull: The queue is at its bound, or the disk is; from the future or at once.
            StoreFailed: From the future: the disk failed.
        """
        if self._bytes > self._max_bytes:
            msg = "too many requests wait for the disk"
            raise StoreFull(msg)
        group = self._gathering or self._gather()
        future: asyncio.Future[int] = self._loop.create_future()
        size = len(body) + REQUEST_BYTES
        self._bytes += size
        group.size += size
        group.rows.append((received_ms, source, body))
        group.waiting.append(future)
        return future

    async def forget(self, before_ms: int, *, evaluated: int, limit: int = 200) -> int:
        """
        Delete some of the oldest requests received before *before_ms*; the newest one stays.

        Args:
            evaluated: None after this number goes, however old it is.
        """

        def job() -> int:
            self._db.execute(SQL.forget, (evaluated, limit, before_ms))
            return self._db.changes()

        return await self._writer.run(job)

    async def body(self, seq: int) -> bytes | None:
        """One request's body; None if it is gone."""

        def job() -> bytes | None:
            found: bytes | None = self._db.execute(SQL.body, (seq,)).get
            return found

        return await self._writer.run(job)

    async def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        """Replace bodies by number: what erasure leaves of them. Soon no trace is in the file."""

        def job() -> None:
            self._db.executemany(SQL.rewrite, [(body, seq) for seq, body in bodies.items()])

        await self._writer.run(job)
        self._writer.scrub_soon()

    async def scrub(self) -> bool:
        """Leave no trace of what was rewritten or deleted; False: a reader is in the way."""
        return await self._writer.scrub()

    async def close(self) -> None:
        """Commit what waits, then close."""
        self._ballast.close()
        if self._looking is not None and self._gathering is not None:
            self._looking.cancel()
            self._submit(self._gathering)
        await self._writer.close()
        self._lock.close()

    def _gather(self) -> _Group:
        if not self._ballast.is_held:
            self._ballast.regain()
            msg = "the disk is full: nothing new is taken in until there is room again"
            raise StoreFull(msg)
        group = self._gathering = _Group()
        self._look_again(group, LOOKS)
        return group

    def _look_again(self, group: _Group, looks: int) -> None:
        if looks:
            self._looking = self._loop.call_soon(self._look_again, group, looks - 1)
        else:
            self._submit(group)

    def _submit(self, group: _Group) -> None:
        self._looking = None
        self._writer.submit(partial(self._insert, group), partial(self._settle, group))

    def _insert(self, group: _Group) -> None:
        self._gathering = None
        group.first = _head(self._db) + 1
        numbered = [(seq, *row) for seq, row in enumerate(group.rows, group.first)]
        self._db.executemany(SQL.add, numbered)

    def _settle(self, group: _Group, _: object, error: BaseException | None) -> None:
        if self._gathering is group:  # refused before it began
            self._gathering = None
        self._bytes -= group.size
        for seq, future in enumerate(group.waiting, group.first):
            if future.done():
                continue
            if error is None:
                future.set_result(seq)
            else:
                future.set_exception(error)
        if error is None:
            self._durable = group.first + len(group.rows) - 1
            self._on_commit(self._durable)


class SqliteLogReader:
    """The worker's view of the log, a connection of its own that never writes."""

    def __init__(self, path: Path, *, disk: Disk = SEQUENTIAL) -> None:
        self._path = path
        self._db = connect(path, readonly=True, disk=disk)

    @classmethod
    def if_made(cls, path: Path) -> SqliteLogReader | None:
        """The log; None while its writer has not made it yet."""
        if not path.exists():
            return None
        reader = cls(path)
        if reader._db.execute(SQL.made).get:
            return reader
        reader.close()
        return None

    def head(self) -> int:
        """The number of the newest durable request; 0 of an empty log."""
        with self._told():
            return _head(self._db)

    def after(self, seq: int, *, limit: int, max_bytes: int) -> list[Request]:
        """The next requests in order: at least one if there is one, up to either bound."""
        found: list[Request] = []
        size = 0
        with self._told():
            cursor = self._db.execute(SQL.after, (seq, limit))
            for row in cursor:
                found.append(Request(*row))
                size += len(row[3])
                if size >= max_bytes:
                    break
            # a statement left open would hold the pages it saw against every checkpoint
            cursor.close()
        return found

    def request(self, seq: int) -> Request | None:
        """One request; None if retention took it."""
        found = self.after(seq - 1, limit=1, max_bytes=1)
        return found[0] if found and found[0].seq == seq else None

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except apsw.Error as error:
            raise certain_fault_of(error, self._path) from error


def _made(path: Path, *, synchronous: str, disk: Disk) -> apsw.Connection:
    with suppress(OSError):  # what is wrong with the path is said by whoever opens it
        keep_private(path)
    db = connect(path, synchronous=synchronous, disk=disk)
    try:
        found = int(db.execute("PRAGMA user_version").get)
        if found < VERSION:
            with db:
                db.execute(SCHEMA)
                db.execute(f"PRAGMA user_version = {VERSION}")
    except apsw.Error as error:
        db.close()
        raise certain_fault_of(error, path) from error
    if found > VERSION:
        db.close()
        msg = f"{path} has schema {found}, this Homing knows up to {VERSION}"
        raise NewerSchema(msg)
    return db


def _head(db: apsw.Connection) -> int:
    return int(db.execute(SQL.head).get)
