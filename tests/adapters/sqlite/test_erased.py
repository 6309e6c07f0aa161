"""The journal of erasures is on disk before they are, and a restored store is held to it."""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from homing.adapters.sqlite.ballast import Ballast
from homing.adapters.sqlite.erased import ErasedJournal, erased_path
from homing.adapters.sqlite.faults import StoreFailed, StoreFull
from homing.adapters.sqlite.state import SqliteState
from homing.core.erasure import Asked, Entry, NewErasure
from homing.core.people import Identity, IdKind
from homing.ports import Tx

ANN, BOB = Identity(IdKind.USER, "ann"), Identity(IdKind.USER, "bob")
MAIL = Identity(IdKind.EMAIL, "ann@x.io")


def entry(name: str) -> Entry:
    """A line."""
    return Entry(name, 1, 2, (f"1:{name}",))


def opened(folder: Path) -> SqliteState:
    """The state in a folder."""

    def on_fatal(error: StoreFailed) -> None:
        raise error

    return SqliteState(
        folder / "homing.db", on_fatal=on_fatal, synchronous="OFF", ballast=Ballast(folder, size=0)
    )


@pytest.fixture
async def state(tmp_path: Path) -> AsyncIterator[SqliteState]:
    """An empty state."""
    made = opened(tmp_path)
    yield made
    await made.close()


def add(tx: Tx, *names: Identity) -> int:
    """Erase somebody."""
    return tx.erasures.add(NewErasure(5, Asked.COMMAND, names, (), 1, 0))


class TestErasedJournal:
    def test_lines_come_back_in_order(self, tmp_path: Path) -> None:
        """
        The file is nobody else's to read.
        """
        journal = ErasedJournal(tmp_path / "erased")
        assert [] == list(journal.entries())
        assert 0 == journal.size()

        assert 0 == journal.append([entry("a"), entry("b")])[0]
        before, after = journal.append([entry("c")])

        assert ["a", "b", "c"] == [one.id for one in journal.entries()]
        assert after == journal.size() > before > 0
        assert 0o600 == (tmp_path / "erased").stat().st_mode & 0o777

    def test_half_a_line_costs_no_other(self, tmp_path: Path) -> None:
        """
        A crash amid a write, before the erasure itself was kept.
        """
        path = tmp_path / "erased"
        journal = ErasedJournal(path)
        journal.append([entry("a")])
        path.write_bytes(path.read_bytes() + b'{"id":"half')
        journal.append([entry("b")])

        assert ["a", "b"] == [one.id for one in journal.entries()]

    def test_it_is_told_when_there_is_no_room(self) -> None:
        """
        Nothing is erased then that a restored backup would bring back.
        """
        with pytest.raises(StoreFull, match="No space left"):
            ErasedJournal(Path("/dev/full")).append([entry("a")])

    def test_a_file_that_cannot_be_read_is_told(self, tmp_path: Path) -> None:
        """
        It is not taken for an empty one.
        """
        (tmp_path / "erased").mkdir()
        with pytest.raises(StoreFailed, match="directory"):
            list(ErasedJournal(tmp_path / "erased").entries())


class TestFlush:
    async def test_a_line_is_written_with_the_transaction_and_names_nobody(
        self, state: SqliteState
    ) -> None:
        """
        Keyed hashes alone; of what was undone there is none.
        """
        await state.write(lambda tx: add(tx, ANN, MAIL))

        def undone(tx: Tx) -> None:
            add(tx, BOB)
            raise LookupError

        with pytest.raises(LookupError):
            await state.write(undone)

        (line,) = erased_path(state.path).read_bytes().splitlines()
        assert b"ann" not in line
        assert [] == await state.write(lambda tx: tx.erasures.to_repeat())

    async def test_nothing_is_erased_when_the_journal_cannot_be_written(
        self, state: SqliteState
    ) -> None:
        """
        The transaction is undone, and the next one begins anew.
        """
        erased_path(state.path).symlink_to("/dev/full")
        with pytest.raises(StoreFull):
            await state.write(lambda tx: add(tx, ANN))
        erased_path(state.path).unlink()

        assert [] == await state.write(lambda tx: tx.erasures.newest(before=None, limit=9))
        await state.write(lambda tx: add(tx, BOB))
        assert 1 == len(erased_path(state.path).read_bytes().splitlines())


class TestToRepeat:
    async def test_an_older_copy_is_told_what_it_missed(self, tmp_path: Path) -> None:
        """
        By the names that it has; what it knows of is not repeated, and told once is enough.
        """
        state = opened(tmp_path)
        await state.write(lambda tx: add(tx, BOB))
        await state.write(lambda tx: (tx.people.add((ANN, MAIL)), tx.people.add((BOB,))))
        await state.close()
        older = tmp_path / "older.db"
        shutil.copy(state.path, older)
        state = opened(tmp_path)
        await state.write(lambda tx: add(tx, ANN, MAIL))
        await state.write(lambda tx: add(tx, Identity(IdKind.USER, "unknown")))
        await state.close()
        os.replace(older, state.path)

        state = opened(tmp_path)
        entries = await state.write(lambda tx: tx.erasures.to_repeat())
        named = await state.write(lambda tx: tx.erasures.named_by(entries))
        assert 2 == len(entries)
        assert {entries[0].id: {ANN, MAIL}} == {key: set(names) for key, names in named.items()}
        for one in entries:
            again = NewErasure(5, Asked.RESTORE, (), (), 1, 0, entry=one)
            await state.write(lambda tx, again=again: tx.erasures.add(again))
        await state.write(lambda tx: tx.erasures.repeated())

        assert [] == await state.write(lambda tx: tx.erasures.to_repeat())
        assert await state.write(lambda tx: tx.erasures.is_erased(ANN, request=0, received_ms=5))
        assert 3 == len(erased_path(state.path).read_bytes().splitlines())
        await state.close()
