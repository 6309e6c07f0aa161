"""The state's file: one daemon, faults told apart, a look beside it that never writes."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import apsw
import pytest
from msgspec.structs import replace
from tests.support.faulty_vfs import FaultyDisk, Trouble, broken, full
from tests.support.rows import NOON, effect, event, reserve, send, user

from homing.adapters.sqlite.ballast import Ballast
from homing.adapters.sqlite.engine import Disk
from homing.adapters.sqlite.faults import (
    NewerSchema,
    NoStore,
    StoreBusy,
    StoreCorrupt,
    StoreFailed,
    StoreFull,
)
from homing.adapters.sqlite.state import SqliteState, reading, scratch
from homing.core.effects import Dest
from homing.core.journeys.run import Passage
from homing.core.suppression import Source, Suppression
from homing.ports import Cursor, Tx

Make = Callable[[], SqliteState]
BOUNCE = Suppression("bounce", True, NOON, Source.SENDGRID, "550")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the state is."""
    return tmp_path / "homing.db"


@pytest.fixture
async def make(
    path: Path, disk: FaultyDisk, fatal: list[StoreFailed], no_ballast: Ballast
) -> AsyncIterator[Make]:
    """Makes stores on a disk that may fail."""
    made: list[SqliteState] = []

    def one() -> SqliteState:
        state = SqliteState(
            path, on_fatal=fatal.append, ballast=no_ballast, disk=Disk(disk.name, cache_kib=40)
        )
        made.append(state)
        return state

    yield one
    disk.writing = disk.syncing = None
    for state in made:
        await state.close()


def take(tx: Tx, number: int) -> None:
    """An event with all that it causes."""
    tx.events.add(event(number, person=1))
    tx.events.remember(number, body=0, event=number, at=NOON)
    tx.effects.add(effect(payload=b"x" * 3_000))
    reserve(tx, number, lane=number * 2)
    tx.books.count("events:received")
    tx.events.move_cursor(Cursor(number, 0, number + 1))


def seen(tx: Tx) -> tuple[object, ...]:
    """How far it came, in several ways that must agree."""
    return (
        tx.events.cursor().request,
        len(tx.events.after(0, limit=1_000)),
        len(tx.effects.ready(Dest.SEGMENT, after=0, limit=1_000)),
        len(tx.sends.newest(state=None, before=None, limit=1_000)),
        tx.books.counts().get("events:received", 0),
    )


class TestOpen:
    async def test_what_was_written_is_there_the_next_time(self, make: Make) -> None:
        """
        Closing loses nothing, also not the store's own secret.
        """
        state = make()
        await state.write(lambda tx: take(tx, 1))
        await state.write(lambda tx: tx.suppressions.save("ann@example.com", BOUNCE))
        await state.close()

        again = make()

        assert (1, 1, 1, 1, 1) == await again.write(seen)
        assert {"bounce": BOUNCE} == await again.write(
            lambda tx: dict(tx.suppressions.of("ann@example.com"))
        )

    async def test_a_second_daemon_is_refused(self, make: Make) -> None:
        """
        One writer a file; when it is gone, the next may come.
        """
        first = make()
        with pytest.raises(StoreBusy):
            make()

        await first.close()
        assert 0 == (await make().write(seen))[0]

    async def test_a_newer_file_is_refused_and_the_lock_let_go(
        self, make: Make, path: Path
    ) -> None:
        """
        After a refused start the file is free for the program that can read it.
        """
        await make().close()
        for version in (99, 1):
            db = apsw.Connection(str(path))
            db.execute(f"PRAGMA user_version = {version}")
            db.close()
            if version == 1:
                make()
            else:
                with pytest.raises(NewerSchema):
                    make()

    async def test_a_file_that_is_no_database_is_refused(self, make: Make, path: Path) -> None:
        """
        It is told apart from a disk that fails: a backup is needed.
        """
        path.write_bytes(os.urandom(50_000))

        with pytest.raises(StoreCorrupt):
            make()

    async def test_a_folder_that_is_not_there_is_said(self, tmp_path: Path) -> None:
        """
        The message names the place.
        """
        with pytest.raises(StoreFailed, match="nowhere"):
            SqliteState(tmp_path / "nowhere" / "homing.db", on_fatal=lambda _: None)


class TestFull:
    async def test_a_poison_catcher_does_not_quarantine_for_want_of_room(
        self, make: Make, disk: FaultyDisk, fatal: list[StoreFailed]
    ) -> None:
        """
        Whoever catches all errors of an event keeps nothing of a transaction without room.

        The memory is so small here that pages are written, and fail, before the commit.
        """
        state = make()
        await state.write(lambda tx: take(tx, 1))

        def job(tx: Tx) -> None:
            for number in range(2, 60):
                try:
                    with tx.savepoint():
                        take(tx, number)
                except Exception:  # noqa: BLE001  as the stage does with poison
                    with suppress(Exception):
                        tx.events.add(event(number, reason="poison"))
                        tx.events.move_cursor(Cursor(number, 0, number + 1))

        disk.writing = full
        with pytest.raises(StoreFull):
            await state.write(job)

        disk.writing = None
        assert (1, 1, 1, 1, 1) == await state.write(seen)
        await state.write(job)
        assert (59, 59, 59, 59, 59) == await state.write(seen)
        assert [] == fatal

    async def test_rows_that_wait_for_a_block_are_not_lost_with_it(
        self, make: Make, disk: FaultyDisk, fatal: list[StoreFailed]
    ) -> None:
        """
        What is written before a block begins finds no room, which is there again a moment later.
        """
        state = make()
        long = Passage(1, NOON, "entered", reason="x" * 1_000)

        def job(tx: Tx, writing: Trouble | None = None) -> None:
            take(tx, 1)
            tx.runs.note([long] * 90)
            disk.writing = writing
            try:
                with tx.savepoint():
                    take(tx, 2)
            except Exception:  # noqa: BLE001  as the stage does with poison
                disk.writing = None
                with suppress(Exception):
                    take(tx, 3)

        with pytest.raises(StoreFull):
            await state.write(lambda tx: job(tx, full))

        assert (0, 0, 0, 0, 0) == await state.write(seen)
        await state.write(job)
        assert (2, 2, 2, 2, 2) == await state.write(seen)
        assert 90 == len(await state.write(lambda tx: tx.runs.passages(1)))
        assert [] == fatal

    async def test_no_number_is_given_twice_after_a_commit_without_room(
        self, make: Make, disk: FaultyDisk
    ) -> None:
        """
        The newest send stays when retention takes the others, whatever was not kept after it.
        """

        def add(tx: Tx) -> int:
            number = tx.sends.next_id()
            reserve(tx, number, lane=None, origin=number, person=1, state="skipped")
            return number

        state = make()
        given = [await state.write(add)]
        disk.writing = full
        with pytest.raises(StoreFull):
            await state.write(add)
        disk.writing = None
        await state.write(lambda tx: tx.sends.prune(NOON + 1_000_000, limit=9))
        await state.close()
        given.append(await make().write(add))

        assert 2 == len(set(given))

    async def test_memory_is_as_it_was_before(self, make: Make, disk: FaultyDisk) -> None:
        """
        Ids, numbers and counts of a commit that failed are given again.
        """
        state = make()
        disk.writing = full
        for _ in range(3):
            with pytest.raises(StoreFull):
                await state.write(lambda tx: take(tx, 1))
        disk.writing = None

        assert await state.write(lambda tx: tx.events.seen(1)) is None
        assert 1 == await state.write(lambda tx: tx.sends.next_id())
        await state.write(lambda tx: take(tx, 1))
        assert (1, 1, 1, 1, 1) == await state.write(seen)


class TestSavepoint:
    def test_a_row_that_cannot_be_kept_fails_its_own_block(self) -> None:
        """
        Not the next one, whose rows are sound; and nothing else of its block stays.
        """
        odd = Passage(1, NOON, "entered", reason="\ud800")
        with scratch() as tx:
            with pytest.raises(UnicodeEncodeError), tx.savepoint():
                tx.runs.note([replace(odd, reason="first"), odd])
            with tx.savepoint():
                tx.runs.note([replace(odd, run=2, reason="sound")])

            assert ([], 1) == (tx.runs.passages(1), len(tx.runs.passages(2)))


class TestFailing:
    async def test_a_failing_disk_is_fatal_and_what_was_acknowledged_stays(
        self, make: Make, disk: FaultyDisk, fatal: list[StoreFailed], path: Path
    ) -> None:
        """
        The store says so once, refuses from then on, and the next start finds it sound.
        """
        state = make()
        await state.write(lambda tx: take(tx, 1))
        disk.syncing = broken
        for number in (2, 3):
            with pytest.raises(StoreFailed):
                await state.write(lambda tx, n=number: take(tx, n))
        disk.syncing = None
        await state.close()

        assert 1 == len(fatal)
        found = await make().write(seen)
        assert found in {(1,) * 5, (2,) * 5}

    @pytest.mark.parametrize(("table", "at_start"), [("seen", True), ("effect_data", False)])
    async def test_flipped_bytes_are_said_and_never_served(
        self, make: Make, path: Path, fatal: list[StoreFailed], *, table: str, at_start: bool
    ) -> None:
        """
        What is read at the start refuses to start; what is read later ends the store.
        """
        state = make()

        def fill(tx: Tx) -> None:
            for number in range(1, 400):
                take(tx, number)

        await state.write(fill)
        await state.close()
        flip(path, table)

        if at_start:
            with pytest.raises(StoreCorrupt, match="not a sound database"):
                make()
            return
        again = make()
        with pytest.raises(StoreCorrupt, match="not a sound database"):
            await again.write(seen)
        assert [StoreCorrupt] == [type(error) for error in fatal]


def flip(path: Path, table: str) -> None:
    """Damage the pages of one table."""
    db = apsw.Connection(str(path), flags=apsw.SQLITE_OPEN_READONLY)
    pages = [row[0] for row in db.execute("SELECT pageno FROM dbstat WHERE name = ?", (table,))]
    db.close()
    image = bytearray(path.read_bytes())
    for page in pages:
        image[(page - 1) * 4_096 : (page - 1) * 4_096 + 16] = os.urandom(16)
    path.write_bytes(image)


@contextmanager
def unchanged(path: Path) -> Iterator[None]:
    """Nothing in this folder is written by the block, but for SQLite's index in memory."""

    def found() -> dict[str, bytes]:
        return {
            one.name: one.read_bytes()
            for one in path.parent.iterdir()
            if not one.name.endswith("-shm") and one.stat().st_size
        }

    before = found()
    yield
    assert before == found()


class TestReading:
    async def test_it_sees_a_snapshot_beside_the_writer(self, make: Make, path: Path) -> None:
        """
        What is written meanwhile is not half seen.
        """
        state = make()
        await state.write(lambda tx: take(tx, 1))
        with reading(path) as tx:
            assert (1, 1, 1, 1, 1) == seen(tx)
            await state.write(lambda tx: take(tx, 2))
            assert (1, 1, 1, 1, 1) == seen(tx)
        with reading(path) as tx:
            assert (2, 2, 2, 2, 2) == seen(tx)

    async def test_it_writes_nothing(self, make: Make, path: Path) -> None:
        """
        Every look of every port leaves the files as they are, with a daemon and without.
        """
        state = make()
        await state.write(lambda tx: take(tx, 1))
        await state.write(lambda tx: tx.suppressions.save("ann@example.com", BOUNCE))

        def look() -> None:
            with unchanged(path), reading(path) as tx:
                seen(tx)
                assert {"bounce": BOUNCE} == dict(tx.suppressions.of("ann@example.com"))
                assert tx.events.seen(1) is not None
                assert tx.people.find(user("u1")) is None

        look()
        await state.close()
        look()

    async def test_it_cannot_write(self, make: Make, path: Path) -> None:
        """
        A look that would change something fails.
        """
        await make().close()

        with pytest.raises(StoreFailed, match="readonly"), reading(path) as tx:
            tx.sends.reserve(send(1), lane=None)

    def test_without_a_store_it_says_so(self, path: Path) -> None:
        """
        And it makes none.
        """
        with pytest.raises(NoStore, match="homing serve"), reading(path):
            pass
        assert not path.exists()

    async def test_of_another_schema_it_says_so(self, make: Make, path: Path) -> None:
        """
        An older file is migrated by the service, a newer one by a newer program.
        """
        await make().close()
        for version, error in ((0, NoStore), (99, NewerSchema)):
            db = apsw.Connection(str(path))
            db.execute(f"PRAGMA user_version = {version}")
            db.close()
            with pytest.raises(error), reading(path):
                pass

    async def test_it_reads_no_ids_unless_asked(self, make: Make, path: Path) -> None:
        """
        A command that lists sends does not read the filters of a million ids first.
        """
        state = make()
        await state.write(lambda tx: take(tx, 1))
        await state.close()
        db = apsw.Connection(str(path))
        # would fail as soon as it is read
        db.execute("INSERT INTO seen_filter VALUES (0, 0, x'00')")
        db.close()

        with reading(path) as tx:
            assert (1, 1, 1, 1, 1) == seen(tx)


class TestScratch:
    def test_it_is_a_store_like_any_other(self) -> None:
        """
        For trying out: everything works, nothing stays.
        """
        with scratch() as tx:
            take(tx, 1)
            with suppress(ValueError), tx.savepoint():
                take(tx, 2)
                raise ValueError
            tx.suppressions.save("ann@example.com", BOUNCE)
            assert (1, 1, 1, 1, 1) == seen(tx)
            assert {"bounce": BOUNCE} == dict(tx.suppressions.of("ann@example.com"))
