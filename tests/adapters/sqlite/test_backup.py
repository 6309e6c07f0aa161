"""Copies of the store: whole, sound, and put back so that nobody is mailed by accident."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import apsw
import pytest

from homing.adapters.sqlite.backup import (
    LOG,
    MANIFEST,
    STATE,
    BadBackup,
    InTheWay,
    back_up,
    read_manifest,
    restore,
)
from homing.adapters.sqlite.faults import NewerSchema, NoStore, StoreBusy, StoreCorrupt
from homing.adapters.sqlite.lock import hold
from homing.adapters.sqlite.log import SqliteLog, log_path
from homing.adapters.sqlite.state import SqliteState, SqliteTx, reading
from homing.ports import Cursor

NOW = 1_800_000_000_000


def failed(error: Exception) -> None:
    """Nothing fails here."""
    raise error


async def append(log: SqliteLog, count: int) -> None:
    """Put some requests into a log."""
    await asyncio.gather(*(log.append("segment/default", b"{}", NOW) for _ in range(count)))


async def fill(state: Path) -> None:
    """A store with three requests, of which two were evaluated."""
    store = SqliteState(state, on_fatal=failed)
    log = SqliteLog(log_path(state), on_fatal=failed)
    await append(log, 3)

    def evaluated(tx: SqliteTx) -> None:
        tx.events.move_cursor(Cursor(2, 0, 3))
        tx.books.count("events:received", 2)

    await store.write(evaluated)
    await log.close()
    await store.close()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    """The state file of a filled store that nobody uses."""
    path = tmp_path / "here" / "homing.db"
    path.parent.mkdir()
    asyncio.run(fill(path))
    return path


@pytest.fixture
def backup(state: Path, tmp_path: Path) -> Path:
    """A backup of it."""
    back_up(state, tmp_path / "backup", now_ms=NOW)
    return tmp_path / "backup"


def wiped(state: Path) -> Path:
    """The place of a store that is lost."""
    for path in state.parent.iterdir():
        path.unlink()
    return state


class TestBackUp:
    def test_the_manifest_says_what_is_in_it(self, state: Path, tmp_path: Path) -> None:
        """Counts, sizes and digests; every event after the cursor is in the log."""
        made = back_up(state, tmp_path / "backup", now_ms=NOW)

        assert read_manifest(tmp_path / "backup") == made
        assert {STATE, LOG} == set(made.files)
        assert (2, 3, 3) == (made.counts["cursor"], made.counts["head"], made.counts["requests"])
        assert NOW == made.made_at_ms

    def test_each_file_is_one_file(self, backup: Path) -> None:
        """No WAL beside it, and nobody else may read it."""
        assert {STATE, LOG, MANIFEST} == {path.name for path in backup.iterdir()}
        assert [0o600] * 2 == [(backup / name).stat().st_mode & 0o777 for name in (STATE, LOG)]

    def test_a_folder_that_is_not_empty_is_left_alone(self, state: Path, tmp_path: Path) -> None:
        """Also one that is a file, or leads elsewhere."""
        taken, file, link = tmp_path / "taken", tmp_path / "file", tmp_path / "link"
        taken.mkdir()
        (taken / "mine").touch()
        file.touch()
        link.symlink_to(tmp_path / "nowhere")

        for folder in (taken, file, link):
            with pytest.raises(InTheWay):
                back_up(state, folder, now_ms=NOW)
        assert ["mine"] == [path.name for path in taken.iterdir()]

    def test_an_empty_folder_will_do(self, state: Path, tmp_path: Path) -> None:
        """Somebody may have made it for this."""
        (tmp_path / "empty").mkdir()

        back_up(state, tmp_path / "empty", now_ms=NOW)

        assert (tmp_path / "empty" / MANIFEST).exists()

    def test_what_is_not_whole_does_not_appear(self, state: Path, tmp_path: Path) -> None:
        """A damaged log: no folder, and nothing left behind."""
        log_path(state).write_bytes(b"damaged " * 4096)
        before = set(tmp_path.iterdir())

        with pytest.raises(StoreCorrupt):
            back_up(state, tmp_path / "backup", now_ms=NOW)

        assert before == set(tmp_path.iterdir())

    def test_no_store_is_said(self, tmp_path: Path) -> None:
        """There is nothing to copy."""
        with pytest.raises(NoStore):
            back_up(tmp_path / "homing.db", tmp_path / "backup", now_ms=NOW)

    async def test_beside_a_writer_it_is_of_one_moment(self, tmp_path: Path) -> None:
        """While requests come in and are evaluated, the cursor never passes the log's head."""
        state = tmp_path / "homing.db"
        store = SqliteState(state, on_fatal=failed)
        log = SqliteLog(log_path(state), on_fatal=failed)
        stop = asyncio.Event()

        async def write() -> None:
            while not stop.is_set():
                await append(log, 20)
                head = log.head
                moved = Cursor(head, 0, head + 1)
                await store.write(lambda tx, moved=moved: tx.events.move_cursor(moved))

        writing = asyncio.create_task(write())
        made = [
            await asyncio.to_thread(back_up, state, tmp_path / f"backup-{n}", now_ms=NOW)
            for n in range(5)
        ]
        stop.set()
        await writing
        await log.close()
        await store.close()

        assert all(one.counts["cursor"] <= one.counts["head"] for one in made)
        assert made[0].counts["head"] < made[-1].counts["head"]


class TestRestore:
    def test_what_was_there_is_there_again(self, state: Path, backup: Path) -> None:
        """The counts and the log."""
        put = restore(backup, wiped(state), now_ms=NOW)

        assert () == put.aside
        with reading(state) as tx:
            assert 2 == tx.events.cursor().request
            assert {"events:received": 2} == dict(tx.books.counts())
        with closing(apsw.Connection(str(log_path(state)))) as db:
            assert 3 == db.execute("SELECT count(*) FROM request").get

    def test_mail_is_paused_by_a_person_s_hand(self, state: Path, backup: Path) -> None:
        """The service probes what it paused itself; this it must not."""
        restore(backup, wiped(state), now_ms=NOW)

        with reading(state) as tx:
            pause = tx.books.pauses()["mail"]
            assert "homing" != pause.by
            assert "restored from a backup of 2027-01-15" in pause.reason
            assert ["paused"] == [alert.kind for alert in tx.books.alerts()]

    def test_it_can_be_opened_and_written(self, state: Path, backup: Path) -> None:
        """As if it had never been away."""
        restore(backup, wiped(state), now_ms=NOW)

        asyncio.run(fill(state))

        with reading(state) as tx:
            assert 4 == tx.books.counts()["events:received"]

    def test_a_store_that_is_there_is_left_alone(self, state: Path, backup: Path) -> None:
        """Unless somebody says so."""
        with pytest.raises(InTheWay):
            restore(backup, state, now_ms=NOW)

        with reading(state) as tx:
            assert {} == dict(tx.books.pauses())

    def test_by_force_it_is_moved_aside_and_nothing_is_lost(
        self, state: Path, backup: Path
    ) -> None:
        """Under names that say when; also what is still in a WAL."""
        put = restore(backup, state, now_ms=NOW, force=True)

        names = {path.name for path in put.aside}
        assert {f"{state.name}.replaced-{NOW}", f"{log_path(state).name}.replaced-{NOW}"} <= names
        with closing(apsw.Connection(str(put.aside[0]))) as db:
            assert 2 == db.execute("SELECT request FROM cursor").get

    def test_a_stale_wal_never_gets_into_the_new_file(self, state: Path, backup: Path) -> None:
        """Not even one whose database is gone."""
        wiped(state)
        state.with_name(f"{state.name}-wal").write_bytes(b"stale" * 1000)

        put = restore(backup, state, now_ms=NOW)

        assert [f"{state.name}.replaced-{NOW}-wal"] == [path.name for path in put.aside]
        with reading(state) as tx:
            assert 2 == tx.events.cursor().request

    def test_a_damaged_store_can_be_replaced(self, state: Path, backup: Path) -> None:
        """That it is damaged is why."""
        state.write_bytes(b"damaged " * 4096)

        restore(backup, state, now_ms=NOW, force=True)

        with reading(state) as tx:
            assert 2 == tx.events.cursor().request

    def test_not_while_somebody_uses_it(self, state: Path, backup: Path) -> None:
        """A worker, a receiver, or somebody who only looks: 75."""
        with closing(hold(state)), pytest.raises(StoreBusy):
            restore(backup, state, now_ms=NOW, force=True)
        with closing(hold(log_path(state))), pytest.raises(StoreBusy):
            restore(backup, state, now_ms=NOW, force=True)
        with reading(state), pytest.raises(StoreBusy):
            restore(backup, state, now_ms=NOW, force=True)

        assert [] == list(state.parent.glob("*.restoring"))

    @pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
    def test_what_root_restores_is_the_service_s(self, state: Path, backup: Path) -> None:
        """It could not open root's files, nor its locks."""
        os.chown(wiped(state).parent, 12345, 12345)

        restore(backup, state, now_ms=NOW)

        assert {12345} == {path.stat().st_uid for path in state.parent.iterdir()}

    @pytest.mark.parametrize("damage", ["flip", "cut", "gone", "manifest", "empty", "types"])
    def test_a_backup_that_is_not_whole_changes_nothing(
        self, state: Path, backup: Path, damage: str
    ) -> None:
        """Whatever became of it meanwhile."""
        damaging(backup)[damage]()

        with pytest.raises(BadBackup):
            restore(backup, state, now_ms=NOW, force=True)

        assert [] == list(state.parent.glob("*.replaced-*"))
        with reading(state) as tx:
            assert {} == dict(tx.books.pauses())

    def test_a_newer_homing_s_backup_is_refused(self, state: Path, backup: Path) -> None:
        """It would not be understood."""
        found = json.loads((backup / MANIFEST).read_text())
        (backup / MANIFEST).write_text(json.dumps({**found, "schema": 999}))

        with pytest.raises(NewerSchema):
            restore(backup, state, now_ms=NOW, force=True)

    def test_what_may_have_left_is_counted(self, state: Path, tmp_path: Path) -> None:
        """Sends that were open when the backup was made."""
        for number, word in enumerate(("reserved", "in_flight", "accepted", "unknown", "skipped")):
            insert_send(state, number + 1, word)
        back_up(state, tmp_path / "backup", now_ms=NOW)

        put = restore(tmp_path / "backup", wiped(state), now_ms=NOW)

        assert 3 == put.may_have_left


def damaging(backup: Path) -> dict[str, Any]:
    """Ways in which a backup goes bad."""
    state, manifest = backup / STATE, backup / MANIFEST

    def flip() -> None:
        raw = bytearray(state.read_bytes())
        raw[-100] ^= 1
        state.write_bytes(bytes(raw))

    return {
        "flip": flip,
        "cut": lambda: state.write_bytes(state.read_bytes()[:-4096]),
        "gone": (backup / LOG).unlink,
        "manifest": manifest.unlink,
        "empty": lambda: manifest.write_text("{}"),
        "types": lambda: manifest.write_text('{"schema": "x", "files": []}'),
    }


def insert_send(state: Path, number: int, word: str) -> None:
    """A send in some state, without its story."""
    with closing(apsw.Connection(str(state))) as db:
        db.execute(
            "INSERT INTO send (id, tag, origin, rule, version, person, user, email, kind, state,"
            " reserved_at, due_at, expires_at)"
            " VALUES (?1, 0, ?1, 'r', 'v', 1, 'u', 'e', 'marketing', ?2, 0, 0, 0)",
            (number, word),
        )


@pytest.fixture(autouse=True)
def _nothing_left(tmp_path: Path) -> Iterator[None]:
    """No half-made copy survives a test."""
    yield
    assert [] == [path for path in tmp_path.rglob("*.restoring")]
    shutil.rmtree(tmp_path / "backup", ignore_errors=True)
