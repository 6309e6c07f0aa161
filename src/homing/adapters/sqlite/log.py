"""The log file: the receiver appends and forgets, the worker reads."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING

from homing.adapters.sqlite.engine import StoreFailed, StoreFull, Writer, connect
from homing.ports import Request

if TYPE_CHECKING:
    import apsw

SCHEMA = files(__package__).joinpath("log.sql").read_text()

INSERT = "INSERT INTO request (seq, received_at, source, body) VALUES (?, ?, ?, ?)"
AFTER = "SELECT seq, received_at, source, body FROM request WHERE seq > ? ORDER BY seq LIMIT ?"
BODY = "SELECT body FROM request WHERE seq = ?"
FORGET = (
    "DELETE FROM request WHERE seq IN (SELECT seq FROM request WHERE received_at < ?"
    " AND seq < (SELECT max(seq) FROM request) ORDER BY seq LIMIT ?)"
)


def log_path(state: Path) -> Path:
    """The log beside a state file: ``homing.db`` has ``homing.log.db``."""
    return state.with_name(f"{state.stem}.log{state.suffix}")


@dataclass(slots=True)
class _Group:
    """Requests that will share a commit."""

    rows: list[tuple[int, str, bytes]] = field(default_factory=list)
    waiting: list[asyncio.Future[int]] = field(default_factory=list)
    first: int = 0


class SqliteLog:
    """
    The log's one writer.

    Args:
        path: The file; made if absent.

        on_fatal: See `Writer`.

        on_commit: Told the newest number after each commit.

        max_waiting_bytes: Bodies waiting for a commit beyond which `append` refuses.
    """

    def __init__(
        self,
        path: Path,
        *,
        on_fatal: Callable[[StoreFailed], None],
        on_commit: Callable[[int], None] = lambda _: None,
        max_waiting_bytes: int = 64 << 20,
        synchronous: str = "FULL",
    ) -> None:
        self._db = connect(path, synchronous=synchronous)
        self._db.execute(SCHEMA)
        self._last = _head(self._db)
        self._writer = Writer(self._db, on_fatal=on_fatal)
        self._loop = asyncio.get_running_loop()
        self._gathering: _Group | None = None
        self._bytes = 0
        self._max_bytes = max_waiting_bytes
        self._on_commit = on_commit

    @property
    def head(self) -> int:
        """The number of the newest request, durable or about to be."""
        return self._last

    def append(self, source: str, body: bytes, received_ms: int) -> asyncio.Future[int]:
        """
        Append a request: resolves to its number once durable.

        Raises:
            StoreFull: The queue is at its bound; or, from the future, the disk is full.
        """
        if self._bytes > self._max_bytes:
            msg = "too many requests wait for the disk"
            raise StoreFull(msg)
        group = self._gathering
        if group is None:
            group = self._gathering = _Group()
            self._writer.submit(partial(self._insert, group), partial(self._settle, group))
        future: asyncio.Future[int] = self._loop.create_future()
        self._bytes += len(body)
        group.rows.append((received_ms, source, body))
        group.waiting.append(future)
        return future

    async def forget(self, before_ms: int, *, limit: int = 200) -> int:
        """Delete some requests received before *before_ms*; the newest one always stays."""

        def job() -> int:
            self._db.execute(FORGET, (before_ms, limit))
            return self._db.changes()

        return await self._writer.run(job)

    async def body(self, seq: int) -> bytes | None:
        """One request's body; None if it is gone."""

        def job() -> bytes | None:
            row = self._db.execute(BODY, (seq,)).fetchone()
            return None if row is None else bytes(row[0])

        return await self._writer.run(job)

    async def rewrite(self, bodies: Mapping[int, bytes]) -> None:
        """Replace bodies by number: what erasure leaves of them."""

        def job() -> None:
            self._db.executemany(
                "UPDATE request SET body = ? WHERE seq = ?",
                [(body, seq) for seq, body in bodies.items()],
            )

        await self._writer.run(job)

    async def close(self) -> None:
        """Commit what waits, then close."""
        await self._writer.close()

    def _insert(self, group: _Group) -> None:
        self._gathering = None
        self._bytes -= sum(len(body) for _, _, body in group.rows)
        group.first = _head(self._db) + 1
        numbered = [(seq, *row) for seq, row in enumerate(group.rows, group.first)]
        self._db.executemany(INSERT, numbered)
        self._last = numbered[-1][0]

    def _settle(self, group: _Group, _: object, error: BaseException | None) -> None:
        if self._gathering is group:  # refused before it began
            self._gathering = None
        if error is None:
            self._on_commit(group.first + len(group.rows) - 1)
        for seq, future in enumerate(group.waiting, group.first):
            if future.done():
                continue
            if error is None:
                future.set_result(seq)
            else:
                future.set_exception(error)


class SqliteLogReader:
    """The worker's view of the log: a connection of its own that never writes."""

    def __init__(self, path: Path) -> None:
        self._db = connect(path, readonly=True)

    @classmethod
    def if_made(cls, path: Path) -> SqliteLogReader | None:
        """The log; None while its writer has not made it yet."""
        if not path.exists():
            return None
        reader = cls(path)
        made = reader._db.execute("SELECT 1 FROM sqlite_master WHERE name = 'request'").fetchone()
        if made is not None:
            return reader
        reader.close()
        return None

    def head(self) -> int:
        """The number of the newest durable request; 0 of an empty log."""
        return _head(self._db)

    def after(self, seq: int, *, limit: int, max_bytes: int) -> list[Request]:
        """The next requests in order: at least one if there is one, up to either bound."""
        found: list[Request] = []
        size = 0
        for row in self._db.execute(AFTER, (seq, limit)):
            found.append(Request(*row))
            size += len(row[3])
            if size >= max_bytes:
                break
        return found

    def request(self, seq: int) -> Request | None:
        """One request; None if retention took it."""
        return next(iter(self.after(seq - 1, limit=1, max_bytes=1)), None)

    def close(self) -> None:
        """Close the file."""
        self._db.close()


def _head(db: apsw.Connection) -> int:
    return int(db.execute("SELECT coalesce(max(seq), 0) FROM request").get)
