"""The log's file: its bounds, its one writer, what a reader beside it sees."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator, Callable, Iterator
from math import inf
from pathlib import Path

import apsw
import pytest
from tests.support.faulty_vfs import FaultyDisk, broken, full
from tests.support.rows import NOON, Refused

from homing.adapters.sqlite.ballast import Ballast
from homing.adapters.sqlite.engine import Disk
from homing.adapters.sqlite.faults import (
    NewerSchema,
    StoreBusy,
    StoreCorrupt,
    StoreFailed,
    StoreFull,
)
from homing.adapters.sqlite.log import SqliteLog, SqliteLogReader, log_path
from homing.adapters.sqlite.pace import Pace

Make = Callable[..., SqliteLog]


@pytest.fixture(params=[0.0, inf], ids=["commits-in-thread", "commits-in-loop"])
async def make(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    disk: FaultyDisk,
    fatal: list[StoreFailed],
    no_ballast: Ballast,
) -> AsyncIterator[Make]:
    """Makes logs on a disk that may fail."""
    made: list[SqliteLog] = []

    def one(**options: object) -> SqliteLog:
        pace = Pace(request.param)
        chosen = {"ballast": no_ballast, "disk": Disk(disk.name), "pace": pace, **options}
        log = SqliteLog(tmp_path / "homing.log.db", on_fatal=fatal.append, **chosen)  # type: ignore[arg-type]
        made.append(log)
        return log

    yield one
    disk.writing = disk.syncing = None
    for log in made:
        await log.close()


class TestLogPath:
    def test_it_lies_beside_the_state(self) -> None:
        """
        The log has a file of its own.
        """
        assert Path("/srv/homing.log.db") == log_path(Path("/srv/homing.db"))


class TestAppend:
    async def test_beyond_the_bound_it_refuses_until_the_disk_caught_up(self, make: Make) -> None:
        """
        Memory does not grow with the requests that wait; what waited is kept.
        """
        log = make(max_waiting_bytes=20_000)
        waiting, refused = [], 0
        for _ in range(10):
            try:
                waiting.append(log.append("segment/web", b"x" * 4_000, NOON))
            except StoreFull:
                refused += 1

        assert refused > 0
        assert list(range(1, len(waiting) + 1)) == await asyncio.gather(*waiting)
        assert len(waiting) + 1 == await log.append("segment/web", b"x", NOON)

    async def test_many_small_ones_are_bounded_too(self, make: Make) -> None:
        """
        A request takes room also when its body is empty.
        """
        log = make(max_waiting_bytes=20_000)
        waiting = []
        with pytest.raises(StoreFull):
            for _ in range(1_000):
                waiting.append(log.append("segment/web", b"", NOON))

        await asyncio.gather(*waiting)

    async def test_a_full_disk_refuses_and_nothing_stays_counted_as_waiting(
        self, make: Make, disk: FaultyDisk, fatal: list[StoreFailed]
    ) -> None:
        """
        However often it failed, the queue is empty when there is room again; no number is lost.
        """
        log = make(max_waiting_bytes=20_000)
        assert 1 == await log.append("segment/web", b"x", NOON)
        disk.writing = full
        for _ in range(20):
            with pytest.raises(StoreFull):
                await log.append("segment/web", b"x" * 9_000, NOON)
        assert 1 == log.head

        disk.writing = None
        assert 2 == await log.append("segment/web", b"x" * 9_000, NOON)
        assert [] == fatal

    async def test_another_program_s_lock_counts_nothing_as_waiting(
        self, make: Make, tmp_path: Path
    ) -> None:
        """
        Requests that could not even begin are refused one by one when their time is over.
        """
        log = make(max_waiting_bytes=20_000)
        other = apsw.Connection(str(tmp_path / "homing.log.db"))
        other.execute("BEGIN IMMEDIATE")
        waiting = asyncio.ensure_future(log.append("segment/web", b"x" * 9_000, NOON))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        other.execute("ROLLBACK")
        other.close()

        assert 1 == await asyncio.wait_for(waiting, 5)
        assert 2 == await log.append("segment/web", b"x" * 9_000, NOON)

    async def test_a_failing_disk_refuses_all_that_is_in_flight_and_all_later(
        self, make: Make, disk: FaultyDisk, fatal: list[StoreFailed]
    ) -> None:
        """
        Nobody waits for ever, and it is said once.
        """
        log = make()
        disk.syncing = broken
        waiting = [log.append("segment/web", b"x", NOON) for _ in range(3)]
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        waiting += [log.append("segment/web", b"x", NOON) for _ in range(3)]

        found = await asyncio.gather(*waiting, return_exceptions=True)
        later = await asyncio.gather(log.append("s", b"x", NOON), return_exceptions=True)

        assert [StoreFailed] * 7 == [type(error) for error in (*found, *later)]
        assert 1 == len(fatal)
        assert 0 == log.head

    async def test_a_listener_that_fails_leaves_nobody_waiting(self, make: Make) -> None:
        """
        Whoever is told of commits may fail: the requests are answered first.
        """

        def on_commit(_head: int) -> None:
            raise Refused

        said: list[object] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: said.append(context))
        log = make(on_commit=on_commit)

        assert [1, 2] == await asyncio.gather(*(log.append("s", b"x", NOON) for _ in range(2)))
        assert 1 == len(said)

    async def test_commits_are_told_in_order(self, make: Make) -> None:
        """
        Whoever waits for work hears how far the log goes.
        """
        heads: list[int] = []
        log = make(on_commit=heads.append)

        for _ in range(3):
            await asyncio.gather(*(log.append("s", b"x", NOON) for _ in range(4)))

        assert 12 == heads[-1]
        assert sorted(heads) == heads

    async def test_what_comes_at_one_moment_shares_a_commit(
        self, make: Make, disk: FaultyDisk
    ) -> None:
        """
        Though the sockets tell of it one look apart.
        """
        log = make()
        await log.append("s", b"x", NOON)
        before = disk.syncs

        waiting = [log.append("s", b"x", NOON)]
        await asyncio.sleep(0)
        waiting.append(log.append("s", b"x", NOON))

        assert [2, 3] == await asyncio.gather(*waiting)
        assert 1 == disk.syncs - before

    async def test_what_has_just_come_is_kept_before_the_end(self, make: Make) -> None:
        """
        A stop loses nobody who waits.
        """
        log = make()
        waiting = log.append("s", b"x", NOON)

        await log.close()

        assert 1 == await waiting

    async def test_somebody_who_hung_up_harms_nobody(self, make: Make) -> None:
        """
        A cancelled request is kept all the same; its neighbours are answered.
        """
        log = make()
        gone, stays = (log.append("s", b"x", NOON) for _ in range(2))
        gone.cancel()

        assert 2 == await stays


class TestBallastSpent:
    async def test_while_it_is_gone_nothing_new_is_taken_in(
        self, make: Make, tmp_path: Path
    ) -> None:
        """
        What room there is belongs to the cleaning, whichever process gave the ballast up.
        """
        ballast = Ballast(tmp_path / "b", size=4_096)
        log = make(ballast=ballast)
        assert ballast.is_held
        assert 1 == await log.append("s", b"x", NOON)
        Ballast(tmp_path / "b", size=4_096).release()

        with pytest.raises(StoreFull, match="no room|disk is full"):
            log.append("s", b"x", NOON)
        await log.rewrite({1: b"{}"})

        ballast.hold()
        assert 2 == await log.append("s", b"x", NOON)

    async def test_a_full_disk_spends_it(
        self, make: Make, disk: FaultyDisk, tmp_path: Path
    ) -> None:
        """
        The first transaction without room gives up the ballast for those that clean.
        """
        ballast = Ballast(tmp_path / "b", size=4_096)
        log = make(ballast=ballast)
        disk.writing = full
        with pytest.raises(StoreFull):
            await log.append("s", b"x", NOON)

        assert not ballast.is_held


class TestOneWriter:
    async def test_a_second_writer_is_refused_and_the_next_is_not(
        self, make: Make, fatal: list[StoreFailed], tmp_path: Path, no_ballast: Ballast
    ) -> None:
        """
        Two processes that write one file would wait for each other.
        """
        first = make()
        with pytest.raises(StoreBusy):
            make()

        await first.append("s", b"x", NOON)
        await first.close()
        second = make()
        assert 2 == await second.append("s", b"x", NOON)

    async def test_a_newer_file_is_refused_and_the_lock_let_go(
        self, make: Make, tmp_path: Path
    ) -> None:
        """
        An older program does not write what it does not know.
        """
        first = make()
        await first.close()
        for version, error in ((9, NewerSchema), (1, None)):
            db = apsw.Connection(str(tmp_path / "homing.log.db"))
            db.execute(f"PRAGMA user_version = {version}")
            db.close()
            if error is None:
                make()
            else:
                with pytest.raises(error):
                    make()

    async def test_a_file_that_is_no_database_is_refused(self, make: Make, tmp_path: Path) -> None:
        """
        And it is left as it is.
        """
        path = tmp_path / "homing.log.db"
        path.write_bytes(b"something else entirely" * 500)

        with pytest.raises(StoreCorrupt):
            make()

        assert path.read_bytes().startswith(b"something else")


class TestReader:
    async def test_it_sees_only_what_is_durable(
        self, make: Make, disk: FaultyDisk, tmp_path: Path
    ) -> None:
        """
        What is not acknowledged is not evaluated either.
        """
        log = make()
        await log.append("s", b"one", NOON)
        reader = SqliteLogReader(tmp_path / "homing.log.db")
        held = asyncio.Event()
        seen: list[int] = []
        loop = asyncio.get_running_loop()

        def slow(_path: str) -> None:
            seen.append(reader.head())
            loop.call_soon_threadsafe(held.set)

        disk.syncing = slow
        assert 2 == await log.append("s", b"two", NOON)
        await held.wait()

        assert 1 == seen[0]
        assert 2 == reader.head()
        reader.close()

    async def test_there_is_none_before_the_writer_made_it(
        self, make: Make, tmp_path: Path
    ) -> None:
        """
        The worker may start first, and finds an empty file or none.
        """
        path = tmp_path / "homing.log.db"
        assert SqliteLogReader.if_made(path) is None
        path.touch()
        assert SqliteLogReader.if_made(path) is None
        path.unlink()

        make()
        reader = SqliteLogReader.if_made(path)
        assert reader is not None
        assert 0 == reader.head()
        reader.close()

    async def test_a_damaged_page_is_said_and_never_served(
        self, make: Make, tmp_path: Path
    ) -> None:
        """
        Flipped bytes end in `StoreCorrupt`, not in wrong events.
        """
        log = make()
        for _ in range(200):
            await log.append("s", b"x" * 1_000, NOON)
        await log.close()
        path = tmp_path / "homing.log.db"
        damaged = bytearray(path.read_bytes())
        for page in range(2, len(damaged) // 4_096):
            damaged[page * 4_096 : page * 4_096 + 64] = os.urandom(64)
        path.write_bytes(damaged)

        reader = SqliteLogReader(path)
        with pytest.raises(StoreCorrupt):
            reader.after(0, limit=1_000, max_bytes=1 << 30)
        reader.close()


SMALL_DISK = 32 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk that is soon full."""
    if os.geteuid() != 0:
        pytest.skip("only root may mount a disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK}", "none", folder], check=False
    )
    if mounted.returncode:
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)


class TestRealFullDisk:
    async def test_it_refuses_is_cleaned_and_goes_on(
        self, small_disk: Path, fatal: list[StoreFailed]
    ) -> None:
        """
        Full to the last byte: posts are refused, retention still works, and room brings it back.
        """
        ballast = Ballast(small_disk / "b", size=8 << 20)
        log = SqliteLog(small_disk / "homing.log.db", on_fatal=fatal.append, ballast=ballast)
        kept = 0
        with pytest.raises(StoreFull):
            while True:
                kept = await log.append("s", b"x" * 20_000, NOON)

        assert not ballast.is_held
        with pytest.raises(StoreFull):
            await log.append("s", b"x", NOON)
        gone = 0
        while done := await log.forget(NOON + 1, evaluated=kept, limit=20):
            gone += done

        assert kept - 1 == gone
        assert await log.scrub()
        assert [] == fatal
        await log.close()
        # room within the file, as much as was deleted
        none = Ballast(small_disk / "b", size=0)
        again = SqliteLog(small_disk / "homing.log.db", on_fatal=fatal.append, ballast=none)
        for number in range(1, 101):
            assert kept + number == await again.append("s", b"x" * 20_000, NOON)
        await again.close()
