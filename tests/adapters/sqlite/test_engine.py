"""Group commit, and what becomes of everybody in it when the disk fails."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from math import inf
from pathlib import Path
from typing import Any

import apsw
import pytest
from tests.support.faulty_vfs import FaultyDisk, broken, full
from tests.support.rows import Refused

from homing.adapters.sqlite.engine import (
    COMMITS_A_CHECKPOINT,
    LARGE_PAGES,
    Disk,
    Transaction,
    Writer,
    connect,
)
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

ADD = "INSERT INTO t (a) VALUES (?)"


class Bench:
    """A writer over a table of one column."""

    def __init__(
        self, path: Path, disk: FaultyDisk, fatal: list[StoreFailed], *, pace: Pace | None = None
    ) -> None:
        self.path = path
        self.db = connect(path, disk=Disk(disk.name))
        self.db.execute("CREATE TABLE t (a)")
        self.fulls = 0
        self.writer = Writer(
            Transaction(self.db),
            on_fatal=fatal.append,
            on_full=self._full,
            patience_s=0.1,
            checkpoint_pages=20,
            pace=pace,
        )

    def adding(self, value: object) -> Callable[[], object]:
        """A job that adds a row."""

        def job() -> object:
            self.db.execute(ADD, (value,))
            return value

        return job

    async def rows(self) -> list[object]:
        """What is in the table, as its writer sees it."""
        found = await self.writer.run(lambda: self.db.execute("SELECT a FROM t").fetchall())
        return [row[0] for row in found]

    def durable(self) -> list[object]:
        """What is in the table, as others see it."""
        with_own = apsw.Connection(str(self.path), flags=apsw.SQLITE_OPEN_READONLY)
        found = with_own.execute("SELECT a FROM t").fetchall()
        with_own.close()
        return [row[0] for row in found]

    def _full(self) -> None:
        self.fulls += 1


@pytest.fixture(params=[0.0, inf], ids=["commits-in-thread", "commits-in-loop"])
async def bench(
    request: pytest.FixtureRequest, tmp_path: Path, disk: FaultyDisk, fatal: list[StoreFailed]
) -> AsyncIterator[Bench]:
    """A bench on a disk that may fail."""
    made = Bench(tmp_path / "t.db", disk, fatal, pace=Pace(request.param))
    yield made
    disk.writing = disk.syncing = None
    await made.writer.close()


def refusing(bench: Bench, value: object) -> Callable[[], None]:
    """A job that adds a row and then raises."""

    def job() -> None:
        bench.db.execute(ADD, (value,))
        raise Refused

    return job


async def outcomes(*waiting: Any) -> list[object]:  # noqa: ANN401  awaitables of anything
    """Results, and the types of what was raised."""
    found = await asyncio.gather(*waiting, return_exceptions=True)
    return [type(one) if isinstance(one, BaseException) else one for one in found]


class TestRun:
    async def test_what_comes_during_a_commit_shares_the_next(
        self, bench: Bench, disk: FaultyDisk
    ) -> None:
        """
        A hundred jobs at once take a few syncs, not a hundred.
        """
        before = disk.syncs
        results = await asyncio.gather(*(bench.writer.run(bench.adding(n)) for n in range(100)))

        assert list(range(100)) == results
        assert list(range(100)) == bench.durable()
        assert disk.syncs - before < 10

    async def test_a_job_that_fails_undoes_itself_alone(self, bench: Bench) -> None:
        """
        Beside others and by itself, what raised leaves nothing and hears its own error.
        """
        found = await outcomes(
            bench.writer.run(bench.adding(1)),
            bench.writer.run(refusing(bench, 2)),
            bench.writer.run(bench.adding(3)),
        )
        alone = await outcomes(bench.writer.run(refusing(bench, 4)))

        assert [1, Refused, 3] == found
        assert [Refused] == alone
        assert [1, 3] == bench.durable()

    async def test_a_bad_statement_is_the_job_s_own_fault(
        self, bench: Bench, fatal: list[StoreFailed]
    ) -> None:
        """
        A constraint or a typo is no reason to stop the store.
        """
        found = await outcomes(
            bench.writer.run(bench.adding(1)),
            bench.writer.run(lambda: bench.db.execute("INSERT INTO nowhere VALUES (1)")),
        )

        assert [1, apsw.SQLError] == found
        assert [1] == bench.durable()
        assert [] == fatal

    async def test_reading_does_not_wait_for_the_disk(self, bench: Bench, disk: FaultyDisk) -> None:
        """
        A transaction that changed nothing is over without a sync.
        """
        await bench.writer.run(bench.adding(1))
        before = disk.syncs, disk.writes

        assert [1] == await bench.rows()

        assert before == (disk.syncs, disk.writes)

    async def test_somebody_who_does_not_wait_any_more_harms_nobody(self, bench: Bench) -> None:
        """
        A cancelled caller's job is done all the same, and the others hear of theirs.
        """
        gone = asyncio.create_task(bench.writer.run(bench.adding(1)))
        await asyncio.sleep(0)
        gone.cancel()

        assert 2 == await bench.writer.run(bench.adding(2))
        assert [1, 2] == bench.durable()
        assert gone.cancelled()


class TestPace:
    async def test_a_slow_disk_is_not_waited_for_in_the_event_loop(
        self, tmp_path: Path, disk: FaultyDisk, fatal: list[StoreFailed]
    ) -> None:
        """
        After one commit that took long, the loop goes on while the disk has not answered.
        """
        pace = Pace()
        bench = Bench(tmp_path / "p.db", disk, fatal, pace=pace)
        pace.took(30.0, now=asyncio.get_running_loop().time())
        loop_went_on = threading.Event()
        disk.syncing = lambda _path: None if loop_went_on.wait(10) else broken(_path)

        waiting = asyncio.create_task(bench.writer.run(bench.adding(1)))
        for _ in range(5):
            await asyncio.sleep(0)
        assert not waiting.done()
        loop_went_on.set()

        assert 1 == await asyncio.wait_for(waiting, 10)
        disk.syncing = None
        await bench.writer.close()


class TestSubmit:
    async def test_one_who_fails_to_listen_stops_nobody(self, bench: Bench) -> None:
        """
        An error in one `done` goes to the loop's handler; the next in the group is told.
        """
        heard: list[object] = []
        said: list[dict[str, Any]] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))

        def deaf(_result: object, _error: BaseException | None) -> None:
            raise Refused

        told = asyncio.Event()

        def hearing(result: object, _error: BaseException | None) -> None:
            heard.append(result)
            told.set()

        bench.writer.submit(bench.adding(1), deaf)
        bench.writer.submit(bench.adding(2), hearing)
        await asyncio.wait_for(told.wait(), 5)

        assert [2] == heard
        assert isinstance(said[0]["exception"], Refused)
        assert [1, 2] == bench.durable()


class TestFullDisk:
    async def test_all_in_the_transaction_hear_it_and_nothing_is_kept(
        self, bench: Bench, disk: FaultyDisk, fatal: list[StoreFailed]
    ) -> None:
        """
        A commit without room keeps nobody's work, is not fatal, and ends when there is room.
        """
        disk.writing = full
        found = await outcomes(*(bench.writer.run(bench.adding(n)) for n in range(3)))

        disk.writing = None
        assert [StoreFull] * 3 == found
        assert [] == bench.durable()
        assert [] == fatal
        assert 1 == bench.fulls
        assert 9 == await bench.writer.run(bench.adding(9))
        assert [9] == bench.durable()

    async def test_those_who_come_during_the_failing_commit_are_not_lost(
        self, bench: Bench, disk: FaultyDisk
    ) -> None:
        """
        The next transaction is tried on its own.
        """

        def once(_path: str) -> None:
            disk.writing = None
            # while the commit fails in its thread, another job comes
            full(_path)

        disk.writing = once
        first = asyncio.create_task(bench.writer.run(bench.adding(1)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        second = asyncio.create_task(bench.writer.run(bench.adding(2)))

        assert [StoreFull, 2] == await outcomes(first, second)
        assert [2] == bench.durable()

    async def test_a_statement_without_room_loses_the_whole_transaction(self, bench: Bench) -> None:
        """
        A file at its limit: what the job before it did in the same commit is not kept either.
        """
        pages = bench.db.execute("PRAGMA page_count").get
        bench.db.execute(f"PRAGMA max_page_count = {pages + 2}")

        found = await outcomes(
            bench.writer.run(bench.adding(1)),
            bench.writer.run(bench.adding(b"x" * 50_000)),
            bench.writer.run(bench.adding(3)),
        )
        assert [StoreFull] * 3 == found
        assert [] == bench.durable()

        bench.db.execute("PRAGMA max_page_count = 100000")
        assert 50_000 == len(await bench.writer.run(bench.adding(b"x" * 50_000)))  # type: ignore[arg-type]

    async def test_a_job_that_goes_on_regardless_keeps_nothing(self, bench: Bench) -> None:
        """
        Whoever takes a full disk for a poison event must not have the rest committed by itself.
        """
        pages = bench.db.execute("PRAGMA page_count").get
        bench.db.execute(f"PRAGMA max_page_count = {pages + 2}")
        transaction = bench.writer.transaction

        def job() -> str:
            for value in (b"small", b"x" * 50_000, b"small too"):
                with suppress(Exception):
                    transaction.mark()
                    try:
                        bench.db.execute(ADD, (value,))
                    except Exception as error:
                        transaction.undo(error)
                        raise
                    transaction.keep()
            with suppress(apsw.Error):
                bench.db.execute(ADD, ("quarantined",))
            return "all is well"

        assert [StoreFull] == await outcomes(bench.writer.run(job))
        assert [] == bench.durable()
        assert [] == await bench.rows()
        assert 1 == await bench.writer.run(bench.adding(1))


class TestFailingDisk:
    async def test_everybody_hears_it_and_it_is_said_once(
        self, bench: Bench, disk: FaultyDisk, fatal: list[StoreFailed]
    ) -> None:
        """
        Those in the commit, those behind it and those who come later; nothing is tried again.
        """
        await bench.writer.run(bench.adding(0))
        disk.syncing = broken
        waiting = [asyncio.create_task(bench.writer.run(bench.adding(n))) for n in (1, 2)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting += [asyncio.create_task(bench.writer.run(bench.adding(n))) for n in (3, 4)]
        found = await outcomes(*waiting)
        syncs = disk.syncs

        disk.syncing = None
        later = await outcomes(bench.writer.run(bench.adding(5)))

        assert [StoreFailed] * 4 == found
        assert [StoreFailed] == later
        assert 1 == len(fatal)
        assert syncs == disk.syncs
        assert not await bench.writer.scrub()
        assert [0] == bench.durable()

    async def test_a_failing_checkpoint_is_fatal_too(
        self, bench: Bench, disk: FaultyDisk, fatal: list[StoreFailed]
    ) -> None:
        """
        It is after the commit: what was committed is told as durable, then the store stops.
        """

        def only_the_file(path: str) -> None:
            if not path.endswith("-wal"):
                broken(path)

        disk.syncing = only_the_file
        assert 1 == len(await outcomes(bench.writer.run(bench.adding(b"x" * 200_000))))
        later = await outcomes(bench.writer.run(bench.adding(1)))

        assert [StoreFailed] == later
        assert 1 == len(fatal)

    async def test_corruption_is_told_apart(self, bench: Bench, fatal: list[StoreFailed]) -> None:
        """
        A damaged file needs a backup, not a restart.
        """

        def damaged() -> None:
            raise apsw.CorruptError("database disk image is malformed")

        assert [StoreCorrupt] == await outcomes(bench.writer.run(damaged))
        assert [StoreCorrupt] == [type(error) for error in fatal]


class TestBusy:
    async def test_a_short_wait_for_another_program_is_not_noticed(self, bench: Bench) -> None:
        """
        While somebody else holds the file, jobs wait, and the event loop goes on.
        """
        other = apsw.Connection(str(bench.path))
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.create_task(bench.writer.run(bench.adding(1)))
        for _ in range(3):
            await asyncio.sleep(0)

        other.execute("ROLLBACK")
        other.close()

        assert 1 == await asyncio.wait_for(waiting, 5)

    async def test_who_waited_too_long_is_told(
        self, bench: Bench, fatal: list[StoreFailed]
    ) -> None:
        """
        After that nothing was kept, nothing is broken, and the next try may succeed.
        """
        other = apsw.Connection(str(bench.path))
        other.execute("BEGIN IMMEDIATE")
        found = await outcomes(bench.writer.run(bench.adding(1)), bench.writer.run(bench.adding(2)))

        other.execute("ROLLBACK")
        other.close()

        assert [StoreBusy] * 2 == found
        assert [] == fatal
        assert 3 == await bench.writer.run(bench.adding(3))
        assert [3] == bench.durable()


class TestCheckpoint:
    async def test_the_log_ahead_of_the_file_stays_short(self, bench: Bench) -> None:
        """
        Many commits do not make an ever longer write-ahead log.
        """
        for number in range(300):
            await bench.writer.run(bench.adding(b"%d" % number * 500))

        assert Path(f"{bench.path}-wal").stat().st_size < 200 * 4_096

    async def test_one_serves_several_large_commits(self, bench: Bench) -> None:
        """
        Each of them writes more than the log may hold of small ones.
        """
        large = b"x" * LARGE_PAGES * 4_096
        for _ in range(COMMITS_A_CHECKPOINT - 1):
            await bench.writer.run(bench.adding(large))
        before = bench.path.stat().st_size
        for _ in range(2):
            await bench.writer.run(bench.adding(large))
        await bench.rows()  # the checkpoint is over

        assert before < len(large)
        assert bench.path.stat().st_size > 5 * len(large)


class TestScrub:
    async def test_a_reader_is_waited_for_by_asking_again(self, bench: Bench) -> None:
        """
        While somebody reads an old state it says no; afterwards the log is empty.
        """
        await bench.writer.run(bench.adding(1))
        reader = apsw.Connection(str(bench.path), flags=apsw.SQLITE_OPEN_READONLY)
        reader.execute("BEGIN")
        reader.execute("SELECT * FROM t").fetchall()
        await bench.writer.run(bench.adding(2))

        assert not await bench.writer.scrub()
        reader.close()
        assert await bench.writer.scrub()

        assert 0 == Path(f"{bench.path}-wal").stat().st_size
        assert 3 == await bench.writer.run(bench.adding(3))
        assert [1, 2, 3] == bench.durable()


class TestClose:
    async def test_what_was_submitted_is_finished_first(
        self, tmp_path: Path, disk: FaultyDisk, fatal: list[StoreFailed]
    ) -> None:
        """
        Nothing that came before is lost; what comes after is refused; twice is once.
        """
        bench = Bench(tmp_path / "c.db", disk, fatal)
        waiting = [asyncio.create_task(bench.writer.run(bench.adding(n))) for n in range(3)]
        await asyncio.sleep(0)

        await bench.writer.close()
        await bench.writer.close()

        assert [0, 1, 2] == await outcomes(*waiting)
        assert [StoreFailed] == await outcomes(bench.writer.run(bench.adding(4)))
        assert [0, 1, 2] == bench.durable()
        assert [] == fatal


class TestConnect:
    def test_a_file_that_is_no_database_says_so(self, tmp_path: Path) -> None:
        """
        What is not SQLite's is never overwritten.
        """
        path = tmp_path / "notes.txt"
        path.write_bytes(b"dear diary, " * 1_000)

        with pytest.raises(StoreCorrupt, match="not a sound database"):
            connect(path)

        assert path.read_bytes().startswith(b"dear diary")

    def test_a_folder_that_is_not_there_says_so(self, tmp_path: Path) -> None:
        """
        The path is in the message.
        """
        with pytest.raises(StoreFailed, match="nowhere"):
            connect(tmp_path / "nowhere" / "homing.db")


FAULTS: list[tuple[apsw.Error, type[Unavailable] | None]] = [
    (apsw.FullError("x"), StoreFull),
    (apsw.BusyError("x"), StoreBusy),
    (apsw.CorruptError("x"), StoreCorrupt),
    (apsw.NotADBError("x"), StoreCorrupt),
    (apsw.IOError("x"), StoreFailed),
    (apsw.ReadOnlyError("x"), StoreFailed),
    (apsw.CantOpenError("x"), StoreFailed),
    (apsw.ConstraintError("x"), None),
    (apsw.SQLError("x"), None),
    (apsw.TooBigError("x"), None),
]


class TestFaultOf:
    @pytest.mark.parametrize(("error", "expected"), FAULTS, ids=lambda one: type(one).__name__)
    def test_the_disk_s_faults_are_told_from_the_statement_s(
        self, error: apsw.Error, expected: type[Unavailable] | None
    ) -> None:
        """
        Only what the file or its disk did concerns everybody; the message names the file.
        """
        fault = fault_of(error, "/var/homing.db")

        assert expected == (None if fault is None else type(fault))
        assert "/var/homing.db" in str(certain_fault_of(error, "/var/homing.db"))

    def test_no_room_for_the_index_in_shared_memory_is_a_full_disk(self) -> None:
        """
        SQLite reports it as an input/output error.
        """
        error = apsw.IOError("x")
        error.extendedresult = apsw.SQLITE_IOERR_SHMSIZE

        assert isinstance(fault_of(error, "x"), StoreFull)
